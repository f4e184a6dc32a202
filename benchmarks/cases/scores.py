"""PESQ and STOI of speech under n conditions: percept's score stage, and one call after the other."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from benchmarks.agreement import compare_tables
from benchmarks.installing import ROOT
from benchmarks.material import Setting, degraded
from benchmarks.measuring import Contestant, take_turns

LEVELS = tuple(0.001 * 1.25**step for step in range(20))
QUICK_LEVELS = LEVELS[:4]
MEASURES = ("pesq_wb", "stoi")
TOLERANCES = {"pesq_wb": 1e-4, "stoi": 1e-4}


def measure(setting: Setting) -> dict[str, Any]:
    """The case's results."""
    levels = tuple(round(level, 5) for level in (QUICK_LEVELS if setting.quick else LEVELS))
    audio = degraded(setting, "scores-audio", levels)
    table, count = _pairs(audio)
    job: dict[str, Any] = {"pairs": str(table), "measures": list(MEASURES), "packages": ["pesq", "pystoi"]}
    contestants = [
        Contestant(
            "percept",
            "percept's score stage, a process a core",
            "warm: one process with its worker processes lives through all repetitions; a new results folder each time",
            "percept_score.py",
            {**job, "path": [str(ROOT)]},
        ),
        Contestant(
            "sequential",
            "the packages pesq and pystoi, one pair after the other",
            "warm: one process",
            "sequential_scores.py",
            job,
        ),
    ]
    folder = setting.folder / "scores"
    rows = take_turns(contestants, repeats=setting.repeats, folder=folder)
    if not any(row["reason"] for row in rows):
        right, ours = (folder / key / "last" / "values.json" for key in ("sequential", "percept"))
        rows[0]["verdict"] = {
            **compare_tables(right, ours, TOLERANCES),
            "tolerance": " and ".join(f"{value:g}" for value in TOLERANCES.values()),
        }
    return {"rows": rows, "pairs": count}


def _pairs(audio: Path) -> tuple[Path, int]:
    """A table of the noisy versions of every clip, each with its clean one, beside the audio."""
    table = audio / "pairs.csv"
    noisy = sorted(audio.glob("*_noise_*.wav"))
    with table.open("w", newline="", encoding="utf-8") as lines:
        writer = csv.writer(lines)
        writer.writerow(["reference", "degraded", "clip", "condition"])
        for path in noisy:
            clip = path.stem.rpartition("_noise_")[0]
            writer.writerow([f"{clip}_clean.wav", path.name, clip, path.stem])
    return table, len(noisy)
