"""Measures how much memory the three scripts take for one long recording.

    python benchmarks/memory.py                  two hours, 48 kHz, two channels
    python benchmarks/memory.py --minutes 20     a shorter one
    python benchmarks/memory.py --slow-minutes   without DNSMOS, which is measured on shorter recordings
    python benchmarks/memory.py --folder WORK    keep the recording and the results there

One JSON line a script and step: the largest resident memory of the leader and of its heaviest worker, of all processes
at one time (pages that they share counted once), and the seconds. Linux only: it reads /proc.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import soundfile

ROOT = Path(__file__).parent.parent
RATE_HZ = 48000
PIECE_S = 10
INTERVAL_S = 0.05
CONDITIONS = ("noise:0.01", "mp3:64")
EMBEDDINGS = ("logmel", "vggish", "openl3:hop=10")
MEASURES = ("snr", "si_sdr", "lsd", "mrstft", "logmel_distance", "seg_snr", "stoi", "pesq_wb")
SLOW = "dnsmos_ovrl"
SLOW_MINUTES = (4.0, 12.0)
"""DNSMOS's networks take about half a second for a second of audio on one core: hours for a long recording of several
versions. Two lengths show whether its memory grows."""


def make_recording(path: Path, minutes: float) -> None:
    """Write a swelling tone with noise, which moves from second to second, as 16-bit FLAC of two channels."""
    generator = np.random.default_rng(0)
    t = np.arange(PIECE_S * RATE_HZ) / RATE_HZ
    with soundfile.SoundFile(path, "w", RATE_HZ, channels=2, subtype="PCM_16", format="FLAC") as file:
        for number in range(round(60 * minutes / PIECE_S)):
            tone = 0.1 * np.sin(2 * np.pi * (200 + 7 * (number % 50)) * t) * (1 + np.sin(2 * np.pi * 3 * t))
            noise = 0.02 * generator.standard_normal(t.size)
            file.write(np.stack([tone + noise, 0.8 * tone - noise], axis=1))


def family(root: int) -> list[int]:
    """A process and all that descend from it and still run."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            parent = status(int(entry.name)).get("PPid")
            if parent is not None:
                children.setdefault(parent, []).append(int(entry.name))
    found = [root]
    for process in found:
        found += children.get(process, [])
    return found


def status(process: int) -> dict[str, int]:
    """Numbers of /proc/PID/status, memory in kB; none when it has ended."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return {}
    pairs = (line.split()[:2] for line in lines if line.startswith(("PPid", "VmHWM", "VmRSS")))
    return {name.rstrip(":"): int(value) for name, value in pairs}


def proportional(process: int) -> int:
    """Resident memory in kB, of pages that several processes share a part each; 0 when it has ended."""
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except ProcessLookupError:
        return 0
    except FileNotFoundError:
        if Path(f"/proc/{process}").exists():  # a system that does not tell: no figure is better than 0
            raise
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


def watch(
    command: list[str], folder: Path, interval_s: float = INTERVAL_S, *, all_together: bool = True
) -> dict[str, float]:
    """Run a command in a folder; MiB of leader, heaviest worker and, if wanted, all together, and seconds.

    Looking takes time from what is timed: `interval_s` lies between two looks, and `all_together` takes the most.
    """
    started = time.perf_counter()
    highest: dict[int, int] = {}
    together = 0
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=sys.stderr) as leader:
        while leader.poll() is None:
            found = {process: status(process) for process in family(leader.pid)}
            highest |= {process: values["VmHWM"] for process, values in found.items() if "VmHWM" in values}
            # Asking for proportional sizes takes time, and they are never above the others.
            if all_together and sum(values.get("VmRSS", 0) for values in found.values()) > together:
                together = max(together, sum(map(proportional, found)))
            with suppress(subprocess.TimeoutExpired):  # it runs on: look again
                leader.wait(interval_s)
        seconds = time.perf_counter() - started
    if leader.returncode:
        how = f"with status {leader.returncode}" if leader.returncode > 0 else "from outside"
        raise SystemExit(f"{Path(command[1]).name} was ended {how}; the steps before it are told")
    leading = highest.pop(leader.pid)
    worst = max(highest.values(), default=0)
    return {
        "leader_mib": round(leading / 1024),
        "worker_mib": round(worst / 1024),
        **({"together_mib": round(together / 1024)} if all_together else {}),
        "seconds": round(seconds, 3),
    }


def steps(jobs: int, conditions: list[str], embeddings: list[str], measures: list[str]) -> Iterator[tuple[str, ...]]:
    """Name and command of each step; every embedding is a run of its own, so that its memory is known."""
    flags = ("--quiet", "--jobs", str(jobs))
    yield "convert", str(ROOT / "audio_conversion.py"), *flags
    extract = (str(ROOT / "extract_embeddings.py"), *flags, "--conditions", *conditions, "--weights", "untrained")
    for index, name in enumerate(embeddings):
        yield f"{'degrade, ' if not index else ''}embed {name}", *extract, "--embeddings", name
    resampling = ("--resamples", "100", "--permutations", "100")
    score = "score" if len(measures) > 1 else f"score {measures[0]}"
    yield score, str(ROOT / "analyze_results.py"), *flags, "--measures", *measures, *resampling


@contextmanager
def workplace(folder: Path | None) -> Iterator[Path]:
    """The folder, or a temporary one."""
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        yield folder
        return
    with tempfile.TemporaryDirectory() as temporary:
        yield Path(temporary)


def run(folder: Path, minutes: float, chosen: argparse.Namespace, embeddings: list[str], measures: list[str]) -> None:
    """Make a recording, run the scripts over it, and print a line for each step; for the slow measure its own alone."""
    recording = folder / "original_audio" / "recording.flac"
    if not recording.exists():
        recording.parent.mkdir(parents=True, exist_ok=True)
        make_recording(recording, minutes)
    for step, *command in steps(chosen.jobs, chosen.conditions, embeddings, measures):
        found = watch([sys.executable, *command], folder)
        if measures != [SLOW] or SLOW in command:
            print(json.dumps({"step": step, "minutes": minutes, "jobs": chosen.jobs, **found}), flush=True)


def main() -> None:
    """The long recording with all that keeps up with it, then shorter ones with the measure that does not."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=120.0)
    parser.add_argument("--slow-minutes", type=float, nargs="*", default=list(SLOW_MINUTES))
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--conditions", nargs="+", default=list(CONDITIONS))
    parser.add_argument("--embeddings", nargs="+", default=list(EMBEDDINGS))
    parser.add_argument("--measures", nargs="+", default=list(MEASURES))
    chosen = parser.parse_args()
    with workplace(chosen.folder) as folder:
        run(folder, chosen.minutes, chosen, chosen.embeddings, chosen.measures)
        for minutes in chosen.slow_minutes:
            run(folder / f"{minutes:g}_minutes", minutes, chosen, ["logmel"], [SLOW])


if __name__ == "__main__":
    main()
