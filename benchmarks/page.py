"""Results to ``docs/benchmarks.md``: nothing in that page is typed by hand.

Contents: `write`, `page`.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.curve import draw
from benchmarks.targets import TARGETS, NotMeasured, bound, cores, evaluate, ratios, row_of

Results = dict[str, Any]

HEAD = """# Benchmarks

Written by `make bench` ({date}); not edited by hand. Times are medians of {repeats} interleaved repetitions (A B C
A B C …), with their range; another run, another machine gives others. What counts are the ratios within a run:
each is the median of the ratios turn by turn. Every contestant runs with the same seeded, untrained weights, and
its result is compared with ours: one that differs is marked **WRONG**, whatever its speed.
"""
QUICK = """
**This is a quick run, for development: fewer clips and repetitions. Its figures are not results.**
"""


def write(results: Results, target: Path) -> None:
    """Write the page, and the growth curve beside it."""
    target.parent.mkdir(exist_ok=True)
    curve = draw(results["cases"].get("growth", {}).get("lines", []), target.parent / "benchmarks_growth.svg")
    target.write_text(page(results, curve), encoding="utf-8")


def page(results: Results, curve: str = "") -> str:
    """The whole page in Markdown.

    Args:
        results: what ``benchmarks/results.json`` holds.
        curve: name of the growth curve's file beside the page; empty: there is none.
    """
    cases = results["cases"]
    parts = [HEAD.format(date=results["date"], repeats=results["repeats"]), QUICK if results["quick"] else ""]
    parts += [_machine(results), _targets(cases)]
    for key, writer in SECTIONS.items():
        if key in cases:
            failed = cases[key].get("failed", "")
            parts.append(_section(key, cases, f"Failed: {failed}.\n" if failed else writer(cases[key], cases)))
    for key in ("growth", "memory"):
        if key in cases:
            picture = f"![cost and memory by number of clips]({curve})\n\n" if key == "growth" and curve else ""
            told = _growth(cases[key]) if key == "growth" else _lines(cases[key])
            parts.append(_section(key, cases, f"{picture}{told}\n{NOTES[key]}\n"))
    parts.append(_versions(cases))
    return "\n".join(part.strip("\n") + "\n" for part in parts if part)


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines) + "\n"


def _section(key: str, cases: Results, text: str) -> str:
    return f"## {TITLES[key]}\n\n{text}\n{cases[key].get('measured', '')}\n"


def _machine(results: Results) -> str:
    machine = results["machine"]
    packages = ", ".join(f"{name} {version}" for name, version in machine["packages"].items())
    memory = f", {machine['memory_gib']:.0f} GiB of memory" if machine["memory_gib"] else ""
    return (
        f"## Machine\n\n{machine['cores']} cores of {machine['processor']} "
        f"({', '.join(machine['instructions']) or 'instructions not told'}){memory}; {machine['system']}; "
        f"Python {machine['python']}; {packages}. Revision {machine['revision']}; before: {results['before']}.\n"
    )


def _targets(cases: Results) -> str:
    rows = [[t.words, bound(t), *evaluate(t, cases)] for t in TARGETS]
    return f"## Targets\n\n{table(['target', 'to reach', 'reached (range)', ''], rows)}"


def _openl3(case: Results, cases: Results) -> str:
    work = case["frames"] * case["gflop_a_frame"]
    intro = (
        f"OpenL3 mel256, music, 512 features, hop 0.1 s, on {case['files']} files of {case['audio_seconds']:.1f} s of "
        f"speech together: {case['frames']} frames of {case['gflop_a_frame']:.1f} GFLOP, counted as direct "
        "convolution, from 16 kHz audio to the saved `.npy`. Right is what the same numbers give layer by layer in "
        "PyTorch float32.\n\n"
    )
    ceilings = {row["format"]: _ceiling(cases, row["format"]) for row in cases.get("ceilings", {}).get("table", [])}

    def extra(row: dict[str, Any]) -> list[str]:
        rate = work / statistics.median(row["seconds"])
        top = ceilings.get("bfloat16" if "bfloat16" in row["key"] else "float32")
        return [f"{rate:.0f}", f"{rate / top:.0%}" if top else "–"]

    return intro + _compared(case, "percept-float32", ("GFLOP/s", "of the ceiling"), extra)


def _vggish(case: Results, cases: Results) -> str:
    intro = (
        f"VGGish after PCA and quantisation on {case['files']} files of {case['audio_seconds']:.1f} s together, from "
        "16 kHz audio to the saved `.npy`.\n\n"
    )
    return intro + _compared(case, "percept")


def _scores(case: Results, cases: Results) -> str:
    return f"PESQ (wide band) and STOI of {case['pairs']} pairs of clips.\n\n" + _compared(case, "percept")


def _whole(case: Results, cases: Results) -> str:
    intro = (
        f"The published noise study from original clips to scores: {case['files']} versions of clips, "
        f"{case['audio_seconds']:.1f} s together; OpenL3, VGGish, PESQ, STOI, similarities.\n\n"
    )
    steps = [
        [row["title"], name, _seconds(step["seconds"]), _spread(step["seconds"]), _cores(step)]
        for row in case["rows"]
        if not row["reason"]
        for name, step in row["steps"].items()
    ]
    return (
        intro
        + _compared(case, "percept-float32")
        + "\nStep by step:\n\n"
        + table(["", "step", "median, s", "range, s", "cores busy"], steps)
    )


def _startup(case: Results, cases: Results) -> str:
    rows = [
        [row["title"], row["reason"] or _seconds(row["seconds"]), _spread(row["seconds"]), _cores(row)]
        for row in case["rows"]
    ]
    first = ", ".join(f"`{name}` {seconds:.1f} s" for name, seconds in case["first"].items())
    return (
        table(["fresh process", "median, s", "range, s", "cores busy"], rows)
        + f"\nThe first run over the {case['files']} clips took: {first}.\n"
    )


def _ceilings(case: Results, cases: Results) -> str:
    rows = []
    for row in case["table"]:
        figures = [f"{row['gflops'][name]:.0f}" if name in row["gflops"] else "–" for name in _operations(case)]
        rows.append([row["format"], str(row["threads"]), *figures, row["reason"]])
    header = ["format", "threads", *(f"best {name}, GFLOP/s" for name in _operations(case)), ""]
    text = (
        "\nBest of several shapes in PyTorch: square matrix products, and the convolutions of OpenL3. A network that "
        "uses Winograd's convolution makes fewer multiplications than it is credited with here, so it may lie above "
        "100 % of this ceiling.\n"
    )
    return table(header, rows) + text


def _ways(case: Results, cases: Results) -> str:
    rows = [
        [name, f"{way['ms']:.1f}", f"{case['gflop_a_frame'] / way['ms'] * 1000:.0f}", f"{way['error']:.1e}"]
        for name, way in sorted(case["ways"].items(), key=lambda item: item[1]["ms"])
    ]
    missing = f"\nPyTorch in bfloat16 was not tried: {case['reason']}.\n" if case["reason"] else ""
    text = (
        "\nOne frame of OpenL3 mel256, the eight convolutions and their pools alone, shortest of seven turns; one "
        "thread where nothing else is said. GFLOP/s are counted as direct convolution; errors are against double "
        "precision. The direct ways are bound by the processor's multiplications (see the ceilings). Winograd's F(4×4, "
        "3×3) leaves a quarter of them, and F(6×6, 3×3) a fifth; both add transforms of maps and kernels, which move "
        "memory (NNPACK transforms the kernels anew in every call). The local engine works in one process a core with "
        "one thread each; several threads are used only where there are fewer clips than cores.\n"
    )
    return table(["way", "ms a frame", "GFLOP/s", "relative error"], rows) + missing + text


def _profile(case: Results, cases: Results) -> str:
    measured = [row for row in case["rows"] if not row["reason"]]
    parts = list(dict.fromkeys(part for row in measured for part in row["facts"]["parts"]))
    rows = []
    for part in parts:
        cells = [row["facts"]["parts"].get(part, 0.0) for row in measured]
        totals = [sum(row["facts"]["parts"].values()) for row in measured]
        rows.append([part, *(f"{cell:.3f} s, {cell / total:.1%}" for cell, total in zip(cells, totals, strict=True))])
    rows.append(["together", *(f"{sum(row['facts']['parts'].values()):.3f} s" for row in measured)])
    missing = "".join(f"\n{row['title']}: {row['reason']}.\n" for row in case["rows"] if row["reason"])
    intro = f"One process, one thread, {case['frames']} frames of OpenL3, float32; the last repetition.\n\n"
    return intro + table(["", *(row["title"] for row in measured)], rows) + missing


def _compared(case: Results, ours: str, more: Sequence[str] = (), extra: Any = None) -> str:
    """The table of a case; `ours` is the row that the others' times are divided by."""
    header = ["", "used how", "median, s", "range, s", "audio s/s", "÷ percept's time", "cores busy", *more, "result"]
    try:
        base = row_of(case, ours)["seconds"]
    except NotMeasured:
        base = []
    rows, tolerances = [], []
    for row in case["rows"]:
        if row["reason"] or not row["seconds"]:
            rows.append([row["title"], row["how"], row["reason"], *[""] * (len(header) - 3)])
            continue
        rate = case["audio_seconds"] / statistics.median(row["seconds"]) if "audio_seconds" in case else None
        against = ratios(base, row["seconds"])
        verdict = row["verdict"]
        if verdict and "tolerance" in verdict:
            tolerances.append(f"- {row['title']}: {verdict['words']}; tolerance {verdict['tolerance']}.")
        rows.append(
            [
                row["title"],
                row["how"],
                _seconds(row["seconds"]),
                _spread(row["seconds"]),
                f"{rate:.2f}" if rate else "–",
            ]
            + [f"{statistics.median(against):.2f}" if against else "–", _cores(row)]
            + (extra(row) if extra else [])
            + ["–" if verdict is None else "agrees" if verdict["agrees"] else f"**WRONG**: {verdict['words']}"]
        )
    return table(header, rows) + ("\n" + "\n".join(tolerances) + "\n" if tolerances else "")


def _growth(case: Results) -> str:
    """The curve as a table: seconds of each script, the same with nothing to do, and the leading process's memory."""
    scripts = list(dict.fromkeys(name for line in case["lines"] for name in line.get("seconds", {})))
    short = [name.replace("_", " ") for name in scripts]
    header = ["clips", *(f"{name}, s" for name in short), "s per audio s", "again, nothing to do, s",
              *(f"{name}, leading process, MiB" for name in short), "worker, MiB", "files", "GB"]  # fmt: skip
    rows = []
    for line in case["lines"]:
        seconds, again, leaders = (line.get(key, {}) for key in ("seconds", "cached_seconds", "leader_by_script_mib"))
        cells = [f"{line['clips']:,}", *(f"{seconds.get(name, 0):.1f}" for name in scripts)]
        cells += [f"{line.get('seconds_per_audio_second', 0):.3f}", f"{sum(again.values()):.1f}"]
        cells += [*(f"{leaders.get(name, 0):.0f}" for name in scripts), f"{line.get('worker_mib', 0):.0f}"]
        rows.append([*cells, f"{line.get('files', 0):,}", f"{line.get('bytes', 0) / 1e9:.2f}"])
    text = table(header, rows) if rows else ""
    return text + (f"\nNot measured: {case['reason']}.\n" if case.get("reason") else "")


def _lines(case: Results) -> str:
    """What a script printed, but for its seconds, which say nothing without something to compare them with."""
    names = [name for name in dict.fromkeys(name for line in case["lines"] for name in line) if name != "seconds"]
    rows = [[_cell(line.get(name)) for name in names] for line in case["lines"]]
    text = table([name.replace("_", " ") for name in names], rows) if rows else ""
    return text + (f"\nNot measured: {case['reason']}.\n" if case.get("reason") else "")


def _versions(cases: Results) -> str:
    rows = []
    for key, case in cases.items():
        for row in case.get("rows", []):
            if row["versions"]:
                words = ", ".join(f"{name} {version}" for name, version in row["versions"].items())
                rows.append([TITLES[key], row["title"], words])
    return f"## Versions\n\n{table(['', '', 'packages'], rows)}" if rows else ""


def _ceiling(cases: Results, kind: str) -> float:
    """The best of a format's figures, all threads and operations; 0 if there is none."""
    rows = cases.get("ceilings", {}).get("table", [])
    return max((figure for row in rows if row["format"] == kind for figure in row["gflops"].values()), default=0.0)


def _operations(case: Results) -> list[str]:
    return list(dict.fromkeys(name for row in case["table"] for name in row["gflops"]))


def _seconds(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.2f}" if values else "–"


def _spread(values: Sequence[float]) -> str:
    return f"{min(values):.2f}–{max(values):.2f}" if values else "–"


def _cores(measured: dict[str, Any]) -> str:
    busy = cores(measured)
    return f"{statistics.median(busy):.2f}" if busy else "–"


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else value if isinstance(value, str) else json.dumps(value)


NOTES = {
    "growth": (
        "Each script is a process of its own, start-up included. What grows is the leading process: it plans all items "
        "at once, and holds a manifest's line for every result and the table of all values, which the statistics "
        "want together. Tried and kept: lines without a dictionary of their own, texts and names held once, digests "
        "and manifests read once, small scopes in common jobs. Not "
        "tried: manifests in a database. Workers hold one job at a time."
    ),
    "memory": (
        "Every process holds what it makes of its clip, the libraries, and an embedding's weights (VGGish's are 288 "
        "MB: two processes with it are what exceeds 1.5 GB). Tried and kept: conversion, resampling, front ends, "
        "codecs and measures block by block; PESQ, STOI and CDPAM in windows; recordings that measures, embeddings "
        "and codecs read from the file as they go; large arrays that the system gets back. Nothing is shared between "
        "the processes, so all together take as many times that much as there are processes: `--jobs 1` where that "
        "is too much."
    ),
}
"""What limits, and what was tried."""
TITLES = {
    "openl3": "OpenL3", "vggish": "VGGish", "scores": "PESQ and STOI", "whole": "Whole run", "startup": "Start-up",
    "ceilings": "Ceilings", "ways": "Ways that were tried", "profile": "Where the time goes", "growth": "Growth",
    "memory": "Memory",
}  # fmt: skip
SECTIONS = {
    "openl3": _openl3, "vggish": _vggish, "scores": _scores, "whole": _whole, "startup": _startup,
    "ceilings": _ceilings, "ways": _ways, "profile": _profile,
}  # fmt: skip
