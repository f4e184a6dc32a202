"""The published noise study from original clips to scores: percept's scripts, and the reference implementations."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.agreement import compare_tables
from benchmarks.cases import openl3, vggish
from benchmarks.installing import ROOT
from benchmarks.machine import without_bfloat16
from benchmarks.material import NOISE_LEVELS, Setting, condition, script, seconds_of, weights
from benchmarks.measuring import Cold, take_turns
from benchmarks.targets import EMULATED

TOLERANCES = {"pesq_wb": 2e-2, "stoi": 1e-3, "vggish": 5e-3}
"""The study writes 16-bit files, percept keeps the noisy versions in float; the rest is rounding."""
WITH_OPENL3 = {**TOLERANCES, "openl3": 2e-3}
"""Not for torchopenl3, whose front end is an older one; its embeddings are compared in the case of OpenL3."""
STEPS = ("1 audio_conversion.py", "2 extract_embeddings.py", "3 analyze_results.py")

Commands = Callable[[Path], list[tuple[str, list[str]]]]


def measure(setting: Setting) -> dict[str, Any]:
    """The case's results."""
    levels = NOISE_LEVELS[2:3] if setting.quick else NOISE_LEVELS
    numbers = weights(setting.folder / "whole-weights")
    half = f"percept, bfloat16{f', {EMULATED}' if without_bfloat16() else ''}"
    missing = setting.peers.missing
    how = "three scripts, each a fresh process"
    theirs = "a fresh process a step, one file after the other; torchvggish's network built anew for each file"
    before = setting.before or ROOT
    contestants = [
        Cold("percept-float32", "percept, float32", how, _ours(setting, levels, ROOT)),
        Cold("percept-bfloat16", half, how, _ours(setting, levels, ROOT, "bfloat16")),
        Cold(
            "before",
            f"percept before, float32 ({setting.before_name})",
            how,
            _ours(setting, levels, before),
            missing="" if setting.before else setting.before_name,
        ),
        Cold(
            "tensorflow",
            "reference implementations, OpenL3's network in TensorFlow",
            theirs,
            _reference(setting, levels, numbers, "tensorflow"),
            missing=missing.get("tensorflow", "") or missing.get("torchvggish", ""),
        ),
        Cold(
            "torchopenl3",
            "reference implementations, OpenL3 by torchopenl3",
            theirs,
            _reference(setting, levels, numbers, "torchopenl3"),
            path=(str(setting.peers.torchopenl3),),
            missing=missing.get("torchopenl3", "") or missing.get("torchvggish", ""),
        ),
    ]
    folder = setting.folder / "whole"
    rows = take_turns(contestants, repeats=setting.repeats, folder=folder)
    _judge(rows, folder)
    audio = folder / "percept-float32" / "last" / "audio"
    return {"rows": rows, "audio_seconds": seconds_of(audio), "files": len(list(audio.glob("*.wav")))}


def _ours(setting: Setting, levels: tuple[float, ...], tree: Path, precision: str = "float32") -> Commands:
    def commands(target: Path) -> list[tuple[str, list[str]]]:
        audio, places = (
            str(target / "audio"),
            [f"--openl3-dir={target / 'openl3'}", f"--vggish-dir={target / 'vggish'}"],
        )
        conditions = ["--conditions", condition(levels), "--normalise", "peak"]
        networks = ["--embeddings", openl3.SPEC, vggish.SPEC, "--weights", "untrained", "--device", "cpu"]
        networks += ["--precision", precision]
        scoring = ["--results", str(target / "results"), "--measures", "pesq_wb", "stoi"]
        one = script("audio_conversion.py", "--input", str(setting.originals), "--output", audio, tree=tree)
        two = script("extract_embeddings.py", "--input", audio, *conditions, *networks, *places, tree=tree)
        three = script("analyze_results.py", "--input", audio, *scoring, *places, tree=tree)
        return list(zip(STEPS, (one, two, three), strict=True))

    return commands


def _reference(setting: Setting, levels: tuple[float, ...], numbers: Path, openl3_by: str) -> Commands:
    def commands(target: Path) -> list[tuple[str, list[str]]]:
        options = ["--clips", str(setting.originals), "--weights", str(numbers), "--levels", *map(str, levels)]
        program = str(ROOT / "benchmarks" / "peers" / "reference_run.py")
        found = []
        for step in ("convert", "noise", openl3_by, "torchvggish", "scores"):
            python = setting.peers.tensorflow if step == "tensorflow" else Path(sys.executable)
            found.append((step, [str(python), program, step, str(target), *options]))
        return found

    return commands


def _judge(rows: list[dict[str, Any]], folder: Path) -> None:
    """Compare every table of scores with percept's float32 one."""
    done = [row for row in rows if row["seconds"] and not row["reason"]]
    for row in done:
        last = folder / row["key"] / "last"
        if (last / "results").exists():
            _values(last)
    right = folder / "percept-float32" / "last" / "values.json"
    for row in done:
        if row["key"] == "percept-float32" or not right.exists():
            continue
        tolerances = TOLERANCES if row["key"] == "torchopenl3" else WITH_OPENL3
        row["verdict"] = {
            **compare_tables(right, folder / row["key"] / "last" / "values.json", tolerances),
            "tolerance": ", ".join(f"{name} {value:g}" for name, value in tolerances.items()),
        }


def _values(last: Path) -> None:
    """Write percept's table of scores in the form of the reference's."""
    columns = {"pesq_wb": "pesq_wb", "stoi": "stoi"}
    columns |= {name: f"{name}_untrained_similarity" for name in ("openl3", "vggish")}
    with (last / "results" / "evaluation_results.csv").open(newline="", encoding="utf-8") as lines:
        found = {
            f"{row['clip']}_{row['condition']}": {name: float(row[column]) for name, column in columns.items()}
            for row in csv.DictReader(lines)
        }
    (last / "values.json").write_text(json.dumps(found), encoding="utf-8")
