"""Start-up: ``--help``, and a second run, in which everything is cached, over 200 clips."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.material import Setting, script
from benchmarks.measuring import Cold, Failed, finish, take_turns

FILES, QUICK_FILES = 200, 20
RATE_HZ = 16000
SCRIPTS = ("audio_conversion.py", "extract_embeddings.py", "analyze_results.py")
EMBEDDINGS = ("openl3:representation=mel128,hop=1,centre=false", "vggish")
"""OpenL3 in its cheapest form: what is timed is how little is done when nothing is left to do."""


def measure(setting: Setting) -> dict[str, Any]:
    """The case's results."""
    count = QUICK_FILES if setting.quick else FILES
    work = setting.folder / "startup"
    originals = _clips(work / "originals", count)
    commands = _commands(originals, work)
    contestants = [_cold(f"help {name}", f"`{name} --help`", [*script(name)[:2], "--help"]) for name in SCRIPTS]
    first: dict[str, float] = {}
    try:
        for name, command in commands.items():
            first[name] = finish(command, work)["seconds"]
            contestants.append(_cold(f"again {name}", f"`{name}`, second run over {count} clips", command))
    except Failed as problem:
        first["failed"] = 0.0
        contestants.append(_cold("again", "second run", [], missing=f"the first run failed: {problem}"))
    rows = take_turns(contestants, repeats=setting.repeats, folder=work / "turns")
    return {"rows": rows, "files": count, "first": first}


def _cold(key: str, title: str, command: list[str], missing: str = "") -> Cold:
    return Cold(key, title, "fresh process", lambda _: [(title, command)], missing=missing)


def _clips(folder: Path, count: int) -> Path:
    """Clips of one second, each another voice-like buzz, so that every measure has something to score."""
    import soundfile

    folder.mkdir(parents=True)
    time = np.arange(RATE_HZ) / RATE_HZ
    for index in range(count):
        buzz = np.sign(np.sin(2 * np.pi * (100 + index) * time)) * np.sin(2 * np.pi * 3 * time) ** 2
        soundfile.write(folder / f"clip{index:03d}.wav", 0.3 * buzz, RATE_HZ)
    return folder


def _commands(originals: Path, work: Path) -> dict[str, list[str]]:
    audio, results = str(work / "audio"), str(work / "results")
    folders = ["--openl3-dir", str(work / "openl3"), "--vggish-dir", str(work / "vggish")]
    embed = ["--conditions", "noise:0.01", "--embeddings", *EMBEDDINGS, "--weights", "untrained", "--device", "cpu"]
    return {
        SCRIPTS[0]: script(SCRIPTS[0], "--input", str(originals), "--output", audio),
        SCRIPTS[1]: script(SCRIPTS[1], "--input", audio, *embed, *folders),
        SCRIPTS[2]: script(
            SCRIPTS[2], "--input", audio, "--results", results, "--measures", "pesq_wb", "stoi", *folders
        ),
    }
