"""How the cost of an audio second and the memory grow with the number of clips.

    python benchmarks/growth.py --clips 1 10 100 1000 --lines growth.jsonl

For each number of clips: short synthetic clips in a temporary folder, the three steps with the log-mel embedding and
cheap measures, then the three steps again with nothing left to do. What is printed, and written as one JSON object a
line: seconds in all and for an audio second of the source clips, and the largest resident memory of the leading process
and of its workers. Each script is a process of its own, start-up included, so that peaks are its own.

    python benchmarks/growth.py --clips 1000 --page docs/cluster.md

fills the block of that page that tells what a million clips would take.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
BEGIN, END = "<!-- million: begin (benchmarks/growth.py --page writes this) -->", "<!-- million: end -->"
RATE_HZ = 16000
CONDITIONS = ("noise:0.001,0.01", "bit_depth:8,4")
VERSIONS = 5
"""The clean one and four conditions."""
SCRIPTS = ("audio_conversion", "extract_embeddings", "analyze_results")
POLL_SECONDS = 0.25


def make(folder: Path, clips: int, seconds: float) -> None:
    """Clips of noise under a swell, each with its own seed."""
    import numpy as np
    import soundfile

    folder.mkdir()
    swell = np.hanning(round(seconds * RATE_HZ))
    for number in range(clips):
        noise = np.random.default_rng(number).standard_normal(swell.size)
        soundfile.write(folder / f"clip{number:06d}.wav", 0.1 * noise * swell, RATE_HZ, subtype="PCM_16")


def words(script: str, jobs: int) -> list[str]:
    """The flags of a script in this benchmark."""
    own = {
        "audio_conversion": [],
        "extract_embeddings": ["--conditions", *CONDITIONS, "--embeddings", "logmel"],
        "analyze_results": ["--measures", "si_sdr", "snr", "lsd", "--targets", "si_sdr", "--resamples", "200",
                            "--permutations", "200"],
    }  # fmt: skip
    return [*own[script], "--jobs", str(jobs), "--quiet"]


def watched(jobs: int, folder: str) -> dict[str, Any]:
    """The three scripts, one after the other as users run them: seconds of each, and the largest peaks of memory."""
    sys.path.insert(0, str(ROOT))
    from benchmarks.memory import watch

    found = {}
    for script in SCRIPTS:
        command = [sys.executable, str(ROOT / f"{script}.py"), *words(script, jobs)]
        found[script] = watch(command, Path(folder), POLL_SECONDS, all_together=False)
    return {key: {script: one[key] for script, one in found.items()} for key in ("seconds", "leader_mib", "worker_mib")}


def measured(clips: int, seconds: float, jobs: int) -> dict[str, Any]:
    """One line of the curve: a first run, and a second one with nothing left to do."""
    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder) / "original_audio", clips, seconds)
        first, second = watched(jobs, folder), watched(jobs, folder)
        made = [path for path in Path(folder).rglob("*") if path.is_file() and "original_audio" not in path.parts]
        total = sum(first["seconds"].values())
        return {
            "clips": clips,
            "audio_seconds": clips * seconds,
            "processes": jobs or len(os.sched_getaffinity(0)),
            "seconds": {name: round(value, 3) for name, value in first["seconds"].items()},
            "seconds_per_audio_second": round(total / (clips * seconds), 5),
            "cached_seconds": {name: round(value, 3) for name, value in second["seconds"].items()},
            "leader_mib": round(max(first["leader_mib"].values()), 1),
            "worker_mib": round(max(first["worker_mib"].values()), 1),
            "leader_by_script_mib": {name: round(value, 1) for name, value in first["leader_mib"].items()},
            "files": len(made),
            "bytes": sum(path.stat().st_size for path in made),
        }


def table(rows: list[dict[str, Any]]) -> str:
    """The curve as a table in Markdown."""
    lines = [
        "| clips | seconds | seconds per audio second | again, nothing to do [s] | leading process [MiB] "
        "| worker [MiB] |",
        "|--:|--:|--:|--:|--:|--:|",
    ]
    for row in rows:
        first, again = (sum(row[name].values()) for name in ("seconds", "cached_seconds"))
        lines.append(
            f"| {row['clips']:,} | {first:.1f} | {row['seconds_per_audio_second']:.4f} | {again:.1f} "
            f"| {row['leader_mib']:.0f} | {row['worker_mib']:.0f} |"
        )
    return "\n".join(lines)


def million(rows: list[dict[str, Any]]) -> str:
    """What a million clips would take, from the largest number of clips that was measured."""
    row = max(rows, key=lambda r: r["clips"])
    clips, scale = 1_000_000, 1_000_000 / row["clips"]
    steps = {name: row["seconds"][name] * row["processes"] * scale / 3600 for name in SCRIPTS}
    parts = "\n".join(f"| `{name}.py` | {hours:,.0f} |" for name, hours in steps.items())
    length = row["audio_seconds"] / row["clips"]
    memory = row["leader_mib"] - min(rows, key=lambda r: r["clips"])["leader_mib"]
    grown = f" The leading process grew by {memory / row['clips'] * 1024:.0f} KiB a clip." if len(rows) > 1 else ""
    return (
        f"Measured with {row['clips']:,} clips of {length:g} s in {row['processes']} processes, and multiplied: "
        f"{clips:,} clips in {VERSIONS} versions each, the log-mel embedding and three cheap measures.\n\n"
        f"| step | hours of one core |\n|---|--:|\n{parts}\n\n"
        f"Files: {row['files'] * scale:,.0f}. Bytes: {row['bytes'] * scale / 1e9:,.0f} GB.{grown} "
        "All three steps divide by the number of workers, save for what the leading process does itself. OpenL3 is not "
        "in it: its rate is in benchmarks.md.\n\n"
        f"{table(rows)}"
    )


def fill(page: Path, text: str) -> None:
    """Put the text between the page's two marks."""
    before, rest = page.read_text(encoding="utf-8").split(BEGIN)
    page.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{rest.split(END)[1]}", encoding="utf-8")


def main() -> None:
    """Measure and print; write what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, nargs="+", default=[1, 10, 100, 1000], help="numbers of clips")
    parser.add_argument("--seconds", type=float, default=1.0, help="length of a clip in seconds")
    parser.add_argument("--jobs", type=int, default=0, help="processes; 0: one a core")
    parser.add_argument("--lines", type=Path, help="file for one JSON object a line")
    parser.add_argument("--page", type=Path, help="page whose block is to be filled")
    options = parser.parse_args()
    rows = []
    for clips in options.clips:
        rows.append(measured(clips, options.seconds, options.jobs))
        print(json.dumps(rows[-1]), flush=True)
    if options.lines:
        options.lines.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    if options.page:
        fill(options.page, million(rows))


if __name__ == "__main__":
    main()
