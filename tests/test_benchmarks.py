"""The benchmarks' page and targets, on made-up timings; nothing here is timed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ROOT

from benchmarks.agreement import Tolerance, compare_embeddings, compare_tables, similarities
from benchmarks.measuring import Cold, Contestant, Failed, finish, take_turns
from benchmarks.page import page, table, write
from benchmarks.targets import TARGETS, Target, bound, evaluate

MACHINE = {
    "processor": "Made-up 9000", "instructions": ["avx2"], "cores": 2, "memory_gib": 8.0, "system": "Linux 6.1",
    "python": "3.11.7", "packages": {"torch": "2.13.0"}, "revision": "abc1234",
}  # fmt: skip
RATIO = Target("a ratio", "vggish", "ratio", 3.0, "percept", "peer")
CORES = Target("busy", "vggish", "cores", 1.7, "percept")


def row(key: str, *seconds: float, **more: Any) -> dict[str, Any]:
    return {
        "key": key, "title": f"the {key}", "how": "warm", "seconds": list(seconds), "cpu": [1.5 * s for s in seconds],
        "steps": {}, "versions": {"numpy": "2"}, "facts": {}, "reason": "", "verdict": None, **more,
    }  # fmt: skip


def case(*rows: dict[str, Any]) -> dict[str, Any]:
    return {"rows": list(rows), "audio_seconds": 10.0, "files": 2, "frames": 100, "gflop_a_frame": 20.0, "pairs": 4}


def results(**cases: Any) -> dict[str, Any]:
    return {"date": "today", "repeats": 3, "quick": False, "before": "abc", "machine": MACHINE, "cases": cases}


@pytest.mark.parametrize(
    ("theirs", "status"),
    [((8.0, 6.0, 7.0), "met"), ((2.0, 2.0, 2.0), "not met: 1.00 × reached")],
)
def test_a_ratio_is_taken_turn_by_turn(theirs: tuple[float, ...], status: str) -> None:
    """The machine slows down in the second turn, for both; the median ratio does not see it."""
    cases = {"vggish": case(row("percept", 2.0, 2.0, 2.0), row("peer", *theirs))}
    assert evaluate(RATIO, cases)[1] == status
    assert "3.50 × (3.00 × to 4.00 ×)" in evaluate(
        RATIO, {"vggish": case(row("percept", 2, 2, 2), row("peer", 8, 6, 7))}
    )


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([], "no row 'percept'"),
        ([row("percept", 1.0), row("peer", reason="not installed: no wheel")], "the peer: not installed: no wheel"),
        ([row("percept", 1.0), row("peer", 9.0, verdict={"agrees": False})], "the peer: its result is WRONG"),
    ],
)
def test_what_is_missing_or_wrong_meets_no_target(rows: list[dict[str, Any]], reason: str) -> None:
    """A fast wrong result is no result."""
    assert evaluate(RATIO, {"vggish": case(*rows)}) == ("–", f"not measured: {reason}")
    assert evaluate(RATIO, {})[1] == "not measured: the case 'vggish' was not run"


def test_cores_busy() -> None:
    """Processor time over wall time; not measured where the system does not tell it."""
    assert evaluate(CORES, {"vggish": case(row("percept", 2.0))}) == ("1.50 cores", "not met: 1.50 cores reached")
    unknown = evaluate(CORES, {"vggish": case(row("percept", 2.0, cpu=[None]))})
    assert unknown[1] == "not measured: this system does not tell processor time"


def test_memory_and_growth_are_read_from_the_scripts_lines() -> None:
    """Memory is told in MiB; growth is the last line over the least."""
    lines = [
        {"clips": 1, "seconds_per_audio_second": 0.5, "leader_mib": 500},
        {"clips": 9, "seconds_per_audio_second": 0.6, "leader_mib": 800},
    ]
    cases = {"memory": {"lines": lines}, "growth": {"lines": lines}}
    assert evaluate(Target("", "memory", "gigabytes", 1.5, step="leader_mib"), cases) == ("0.84 GB", "met")
    growth = Target("", "growth", "growth", 1.1, step="seconds_per_audio_second")
    assert evaluate(growth, cases) == ("1.20 ×", "not met: 1.20 × reached")
    assert evaluate(growth, {"growth": {"lines": [], "reason": "no script"}})[1] == "not measured: no script"


def test_every_target_has_words_and_a_bound() -> None:
    """The table of targets is whole, and each target can be told apart."""
    assert len({target.words for target in TARGETS}) == len(TARGETS)
    assert all(bound(target).startswith("at ") for target in TARGETS)


def test_the_page_tells_everything(tmp_path: Path) -> None:
    """Medians, ranges, ratios, reasons, wrong results, ceilings, profile, growth: all come from the results."""
    wrong = {"agrees": False, "words": "relative error 1", "tolerance": "1e-4"}
    compared = case(
        row("percept-float32", 2.0, 4.0, 3.0),
        row("tensorflow", 4.0, 8.0, 6.0, verdict={"agrees": True, "words": "close", "tolerance": "0.02"}),
        row("torchopenl3", 1.0, 1.0, 1.0, verdict=wrong),
        row("percept-bfloat16", reason="not measured: no such arithmetic"),
    )
    lines = [{"clips": n, "seconds_per_audio_second": 0.5, "leader_mib": 500.0} for n in (1, 10, 100)]
    ceiling = {"format": "float32", "threads": 2, "gflops": {"convolution": 1000.0}, "reason": ""}
    profile = {"parts": {"network": 3.0, "reading": 1.0}}
    found = results(
        openl3=compared, vggish=case(row("percept", 1.0)), scores=case(row("percept", 1.0)),
        whole=case(row("percept-float32", 1.0, steps={"2 extract": {"seconds": [1.0], "cpu": [1.8]}})),
        startup={**case(row("help", 0.3)), "first": {"extract_embeddings.py": 9.0}},
        ways={"ways": {"some way": {"ms": 100.0, "error": 1e-6}}, "gflop_a_frame": 20.0, "reason": "no bfloat16"},
        ceilings={"table": [ceiling]}, profile=case(row("percept", 1.0, facts=profile)),
        growth={"lines": lines, "reason": ""}, memory={"lines": [], "reason": "there is no script"},
    )  # fmt: skip
    write(found, tmp_path / "docs" / "benchmarks.md")
    text = (tmp_path / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    assert "| 3.00 | 2.00–4.00 | 3.33 | 1.00 | 1.50 | 667 | 67% | – |" in text
    assert "| 2.00 | 1.50 | 333 | 33% | agrees |" in text and "**WRONG**: relative error 1" in text
    assert "not measured: no such arithmetic" in text and "Made-up 9000" in text
    assert "3.000 s, 75.0%" in text and "Not measured: there is no script." in text and "1.80" in text
    assert "benchmarks_growth.svg" in text and (tmp_path / "docs" / "benchmarks_growth.svg").exists()


def test_the_page_of_nothing_is_a_page() -> None:
    """Before anything is measured every target says so."""
    text = page(results())
    assert text.count("not measured") == len(TARGETS)
    failed = page(results(openl3={"failed": "no space left"}))
    assert "Failed: no space left." in failed and "not measured: no space left" in failed


def test_bars_in_a_cell_do_not_break_a_table() -> None:
    """A reason may hold any character."""
    assert r"a \| b" in table(["x"], [["a | b"]])


def test_embeddings_that_differ_are_wrong(tmp_path: Path) -> None:
    """Shape, norm of the difference, worst frame, NaN, missing file."""
    rows = np.random.default_rng(0).normal(size=(5, 8)).astype(np.float32)
    right, found = tmp_path / "right", tmp_path / "found"
    for folder in (right, found):
        folder.mkdir()
        np.save(folder / "a_clean.npy", rows)
    tolerance = Tolerance(1e-3, 0.999, "rounding")
    assert compare_embeddings(right, found, tolerance)["agrees"]
    for other in (rows * 1.01, rows[:4], np.where(rows > 1, np.nan, rows), -rows):
        np.save(found / "a_clean.npy", other)
        assert compare_embeddings(right, found, tolerance)["agrees"] is False
    (found / "a_clean.npy").unlink()
    assert "no result for a_clean.npy" in compare_embeddings(right, found, tolerance)["words"]
    np.save(right / "a_noise.npy", -rows)
    assert similarities(right) == pytest.approx({"a_clean": 1.0, "a_noise": -1.0})


def test_tables_that_differ_are_wrong(tmp_path: Path) -> None:
    """Items and values must be the same; a missing value is a difference."""
    right, found = tmp_path / "right.json", tmp_path / "found.json"
    right.write_text(json.dumps({"a": {"stoi": 0.5}}))
    for content, agrees in (
        ({"a": {"stoi": 0.5}}, True),
        ({"a": {"stoi": 0.6}}, False),
        ({"a": {}}, False),
        ({}, False),
    ):
        found.write_text(json.dumps(content))
        assert compare_tables(right, found, {"stoi": 1e-3})["agrees"] is agrees


def test_contestants_take_turns_and_failures_are_rows(tmp_path: Path) -> None:
    """A contestant that is missing, or dies, is a row with its reason; the others go on."""
    cold = Cold("cold", "", "", lambda _: [("one", [sys.executable, "-c", ""]), ("two", [sys.executable, "-c", ""])])
    dying = Cold("dying", "", "", lambda _: [("one", [sys.executable, "-c", "raise SystemExit('no luck')"])])
    absent = Contestant("absent", "", "", "none.py", missing="not installed: no wheel")
    broken = Contestant("broken", "", "", "percept_score.py")
    rows = {row["key"]: row for row in take_turns([cold, dying, absent, broken], repeats=2, folder=tmp_path)}
    assert len(rows["cold"]["seconds"]) == 2 and set(rows["cold"]["steps"]) == {"one", "two"}
    assert rows["dying"]["reason"] == "failed: no luck" and rows["absent"]["reason"] == "not installed: no wheel"
    assert rows["broken"]["reason"].startswith("failed: ")
    with pytest.raises(Failed, match="no luck"):
        finish([sys.executable, "-c", "raise SystemExit('no luck')"], tmp_path / "log")


def test_help_answers() -> None:
    """The command tells its flags without measuring anything."""
    command = [sys.executable, "-m", "benchmarks", "--help"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "--before" in done.stdout and "--only" in done.stdout
