"""The peers' environments: made where they can be, and otherwise a reason in words.

    reference     the interpreter that runs the benchmarks (``requirements-reference.txt``): torchvggish, resampy
    torchopenl3   a folder of its own, put in front of the import path for that peer alone: its package asks for an old
                  resampy that does not import, so it comes without its dependencies
    tensorflow    a virtual environment of its own (``requirements-tensorflow.txt``), and kapre without its
                  dependencies, because it asks for another build of TensorFlow

Contents: `Peers`, `install`.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
TORCHOPENL3 = ("torchopenl3==1.0.1", "julius==0.2.8", "nnAudio==0.3.4", "six==1.17.0")
KAPRE = ("kapre==0.4.1",)
PATIENCE_S = 1800.0


@dataclass(frozen=True)
class Peers:
    """Where the peers are, and why some are not.

    Args:
        torchopenl3: folder to import from.
        tensorflow: interpreter.
        missing: reason by name: "torchvggish", "torchopenl3", "tensorflow".
    """

    torchopenl3: Path
    tensorflow: Path
    missing: dict[str, str]


def install(folder: Path = ROOT, *, allowed: bool = True) -> Peers:
    """Install what is not there.

    Args:
        folder: where ``.venv-tensorflow`` and ``.peer-torchopenl3`` are or will be.
        allowed: without it nothing is installed, and what is not there is missing.
    """
    missing = {}
    if not importlib.util.find_spec("torchvggish") or not importlib.util.find_spec("resampy"):
        missing["torchvggish"] = "not installed: pip install -r requirements-reference.txt"
    torchopenl3 = folder / ".peer-torchopenl3"
    tensorflow = folder / ".venv-tensorflow"
    for name, place, make in (
        ("torchopenl3", torchopenl3, _make_torchopenl3),
        ("tensorflow", tensorflow, _make_tensorflow),
    ):
        done = place / "installed"
        if done.exists():
            continue
        if not allowed:
            missing[name] = "not installed, and installing was not asked for"
        elif reason := make(place):
            missing[name] = f"not installed: {reason}"
        else:
            done.touch()
    if "torchvggish" in missing:  # it brings resampy, which the other two use as well
        missing.setdefault("torchopenl3", missing["torchvggish"])
    return Peers(torchopenl3, _interpreter(tensorflow), missing)


def _make_torchopenl3(place: Path) -> str:
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--upgrade", "--target", str(place)]
    return _run([*pip, *TORCHOPENL3])


def _make_tensorflow(place: Path) -> str:
    try:
        venv.create(place, with_pip=True, clear=True)
    except (OSError, subprocess.CalledProcessError) as problem:
        return f"no virtual environment could be made ({problem})"
    pip = [str(_interpreter(place)), "-m", "pip", "install", "--quiet"]
    return _run([*pip, "-r", str(ROOT / "requirements-tensorflow.txt")]) or _run([*pip, "--no-deps", *KAPRE])


def _interpreter(place: Path) -> Path:
    return place / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def _run(command: list[str]) -> str:
    """Run to the end; the last error line if it failed."""
    # The project's constraints pin what TensorFlow pins otherwise.
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PIP_CONSTRAINT", "PIP_BUILD_CONSTRAINT"))}
    print(f"  {' '.join(command[2:4])} {command[-1]} ...", flush=True)
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=PATIENCE_S, env=environment, cwd=ROOT, check=False
        )
    except subprocess.TimeoutExpired:
        return f"pip took longer than {PATIENCE_S:.0f} s"
    if not done.returncode:
        return ""
    lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or done.stderr.splitlines()
    return lines[-1][:300] if lines else f"pip ended with status {done.returncode}"
