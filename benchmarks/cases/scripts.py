"""Growth with the number of clips, and memory on a long recording: scripts of their own that print JSON lines."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from benchmarks.installing import ROOT
from benchmarks.material import Setting
from benchmarks.measuring import last_words

PATIENCE_S = 4 * 3600.0


def growth(setting: Setting) -> dict[str, Any]:
    """What ``benchmarks/growth.py`` prints."""
    return _lines(
        "growth", setting, "--clips", *(("1", "10") if setting.quick else ("1", "10", "100", "1000", "10000"))
    )


def memory(setting: Setting) -> dict[str, Any]:
    """What ``benchmarks/memory.py`` prints."""
    return _lines("memory", setting, "--minutes", "2" if setting.quick else "120")


def _lines(name: str, setting: Setting, *flags: str) -> dict[str, Any]:
    program = ROOT / "benchmarks" / f"{name}.py"
    if not program.exists():
        return {"lines": [], "reason": f"there is no benchmarks/{name}.py"}
    folder = setting.folder / name
    folder.mkdir()
    log = folder / "log.txt"
    with log.open("wb") as errors:
        command = [sys.executable, str(program), *flags]
        try:
            done = subprocess.run(
                command, stdout=subprocess.PIPE, stderr=errors, cwd=ROOT, timeout=PATIENCE_S, check=False
            )
        except subprocess.TimeoutExpired:
            return {"lines": [], "reason": f"not done within {PATIENCE_S / 3600:g} hours"}
    lines = [json.loads(line) for line in done.stdout.decode().splitlines() if line.startswith("{")]
    return {"lines": lines, "reason": f"failed: {last_words(log)}" if done.returncode else ""}
