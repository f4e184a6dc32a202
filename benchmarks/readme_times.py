"""Times the README's two commands in a fresh clone and writes the times into README.md.

    python benchmarks/readme_times.py

The clone and its virtual environment go to a temporary folder. Installing is timed apart: it depends on
the network.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

ROOT = Path(__file__).parent.parent
BEGIN, END = "<!-- times: begin (benchmarks/readme_times.py writes this) -->", "<!-- times: end -->"
TARGETS = (".venv/installed", "demo", ".venv/installed-dev", "test")


def processor() -> str:
    """The processor's name and the cores this process may use."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{cores} cores of {names[0] if names else platform.machine()}"


def measure(clone: Path) -> dict[str, float]:
    """Seconds of each make target, in order, each on top of the one before."""
    seconds = {}
    for target in TARGETS:
        started = time.perf_counter()
        subprocess.run(["make", f"PYTHON={sys.executable}", target], cwd=clone, check=True)
        seconds[target] = time.perf_counter() - started
    return seconds


def minutes(seconds: float) -> str:
    """``4.5 min``, or seconds below one minute."""
    return f"{seconds / 60:.1f} min" if seconds >= 60 else f"{seconds:.0f} s"


def main() -> None:
    """Clone, measure, write."""
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "percept"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        seconds = measure(clone)
    text = (
        f"Measured on {date.today()} in a fresh clone, on {processor()}, Python {platform.python_version()}, no GPU: "
        f"`make demo` {minutes(seconds['.venv/installed'])} to install and {minutes(seconds['demo'])} to run; "
        f"`make test` {minutes(seconds['.venv/installed-dev'])} to install what it needs besides and "
        f"{minutes(seconds['test'])} to run."
    )
    readme = ROOT / "README.md"
    before, rest = readme.read_text(encoding="utf-8").split(BEGIN)
    readme.write_text(f"{before}{BEGIN}\n{text}\n{END}{rest.split(END)[1]}", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
