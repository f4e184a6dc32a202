"""Processes, clocks, and the order in which contestants take turns.

Conventions:
    A contestant is either warm (one long-lived worker, prepared and run once before the clock counts) or cold (fresh
    processes for every measurement, so that start-up and imports count). Both take turns, A B C A B C …, so that a
    machine that drifts drifts for all of them.
    Seconds are wall time; "cpu" is processor time of the process and all its descendants, in seconds, and None where
    the system does not tell it.

Contents: `Contestant`, `Cold`, `Row`, `take_turns`, `finish`, `once`.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

HERE = Path(__file__).parent
LONGEST_S = 3600.0
REST_S = 0.5
"""Between two turns: threads of the one before that still spin come to rest."""
REASON_CHARACTERS = 300


class Failed(Exception):
    """A contestant that could not do its work; the message is the reason in words."""


@dataclass(frozen=True)
class Contestant:
    """Somebody who does a case's work in a warm worker.

    Args:
        key: short name, unique in its case.
        title: what the page calls it.
        how: how it is used, for the page.
        module: file in ``benchmarks/peers``.
        job: what its ``prepare`` is told; "path": folders to import from, "packages": whose versions to note.
        python: interpreter.
        missing: why it cannot run here; empty if it can.
    """

    key: str
    title: str
    how: str
    module: str
    job: dict[str, Any] = field(default_factory=dict)
    python: Path = Path(sys.executable)
    missing: str = ""


@dataclass(frozen=True)
class Cold:
    """Somebody who does a case's work in fresh processes.

    Args:
        key: as in `Contestant`.
        title: as in `Contestant`.
        how: as in `Contestant`.
        commands: from the folder for results to the steps, each a name and a command.
        path: folders for PYTHONPATH.
        missing: as in `Contestant`.
        tolerated: exit statuses that count as success.
    """

    key: str
    title: str
    how: str
    commands: Callable[[Path], list[tuple[str, list[str]]]]
    path: tuple[str, ...] = ()
    missing: str = ""
    tolerated: tuple[int, ...] = (0,)


Row = dict[str, Any]
"""key, title, how, seconds [n], cpu [n], steps {name: {seconds [n], cpu [n]}}, versions, facts, reason, verdict."""


class Worker:
    """A contestant's process; see `benchmarks.worker`."""

    def __init__(self, contestant: Contestant, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._log = folder / "log.txt"
        self._errors = self._log.open("wb")
        command = [str(contestant.python), "-P", str(HERE / "worker.py")]
        command += [str(HERE / "peers" / contestant.module), json.dumps(contestant.job)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, cwd=folder
        )
        try:
            self.versions: dict[str, str] = self._answer()["versions"]
        except Failed:
            self.close()
            raise

    def work(self, target: Path) -> dict[str, Any]:
        """Work once; the answer's entries are seconds, cpu and facts."""
        target.mkdir(parents=True)
        before = processor_seconds(self._process.pid)
        stdin = self._pipe(self._process.stdin)
        try:
            stdin.write(json.dumps({"target": str(target)}).encode() + b"\n")
            stdin.flush()
        except BrokenPipeError:
            raise Failed(last_words(self._log)) from None
        answer = self._answer()
        after = processor_seconds(self._process.pid)
        return {**answer, "cpu": None if before is None or after is None else after - before}

    def close(self) -> None:
        """End the process."""
        with contextlib.suppress(BrokenPipeError):  # what was not taken up before it died
            self._pipe(self._process.stdin).close()
        try:
            self._process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._pipe(self._process.stdout).close()
        self._errors.close()

    def _answer(self) -> dict[str, Any]:
        stdout = self._pipe(self._process.stdout)
        if not select.select([stdout], [], [], LONGEST_S)[0]:
            self._process.kill()
            raise Failed(f"no answer within {LONGEST_S:.0f} s")
        line = stdout.readline()
        if not line:
            raise Failed(last_words(self._log))
        answer: dict[str, Any] = json.loads(line)
        return answer

    @staticmethod
    def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
        if pipe is None:
            raise RuntimeError("the worker was started without pipes")
        return pipe


def take_turns(contestants: Sequence[Contestant | Cold], *, repeats: int, folder: Path) -> list[Row]:
    """Measure all contestants in turn.

    Args:
        contestants: those that cannot run become rows with their reason.
        repeats: measurements of each.
        folder: scratch folder; results of the last turn of a contestant lie in ``folder/KEY/last``.

    Returns:
        One row a contestant, in order.
    """
    rows = [blank(contestant) for contestant in contestants]
    workers: dict[str, Worker] = {}
    for contestant, row in zip(contestants, rows, strict=True):
        if isinstance(contestant, Contestant) and not row["reason"]:
            try:
                workers[row["key"]] = Worker(contestant, folder / row["key"])
                row["versions"] = workers[row["key"]].versions
                workers[row["key"]].work(folder / row["key"] / "warm-up")
            except Failed as problem:
                row["reason"] = f"failed: {problem}"
    for turn in range(repeats):
        for contestant, row in zip(contestants, rows, strict=True):
            if row["reason"]:
                continue
            time.sleep(REST_S)
            target = folder / row["key"] / ("last" if turn == repeats - 1 else f"turn{turn}")
            try:
                answer = _cold(contestant, target) if isinstance(contestant, Cold) else workers[row["key"]].work(target)
            except Failed as problem:
                row["reason"] = f"failed: {problem}"
                continue
            _note(row, answer)
            print(f"  {row['key']}: {answer['seconds']:.2f} s", flush=True)
    for worker in workers.values():
        worker.close()
    return rows


def once(contestant: Contestant, folder: Path) -> dict[str, Any]:
    """One untimed piece of work in a worker of its own; its facts.

    Raises:
        Failed: it could not be done.
    """
    worker = Worker(contestant, folder)
    try:
        facts: dict[str, Any] = worker.work(folder / "last")["facts"]
    finally:
        worker.close()
    return facts


def blank(contestant: Contestant | Cold) -> Row:
    """A row before anything is measured."""
    return {
        "key": contestant.key, "title": contestant.title, "how": contestant.how, "seconds": [], "cpu": [], "steps": {},
        "versions": {}, "facts": {}, "reason": contestant.missing, "verdict": None,
    }  # fmt: skip


def finish(command: Sequence[str], folder: Path, *, path: Sequence[str] = (), tolerated: Sequence[int] = (0,)) -> Row:
    """Run one command in a fresh process to its end; seconds, cpu.

    Raises:
        Failed: its exit status is not one of `tolerated`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "log.txt"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path)}
    with log.open("ab") as output:
        started = time.perf_counter()
        process = subprocess.Popen(list(command), stdout=output, stderr=output, cwd=folder, env=environment)
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in tolerated:
        raise Failed(last_words(log))
    return {"seconds": seconds, "cpu": used.ru_utime + used.ru_stime}


def last_words(log: Path) -> str:
    """The last line that a failed process wrote, cut to a readable length."""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1][:REASON_CHARACTERS] if lines else "it died without a word"


def processor_seconds(pid: int) -> float | None:
    """Processor time of a process, its descendants, and those of them that have ended; None where /proc is missing."""
    if not Path("/proc/self/stat").exists():
        return None
    parents, ticks = {}, {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended meanwhile
        parents[int(entry.name)] = int(fields[1])
        ticks[int(entry.name)] = sum(int(field) for field in fields[11:15])
    family = {pid}
    while grown := {child for child, parent in parents.items() if parent in family} - family:
        family |= grown
    return sum(ticks.get(member, 0) for member in family) / os.sysconf("SC_CLK_TCK")


def _cold(contestant: Cold, target: Path) -> dict[str, Any]:
    steps: dict[str, Row] = {}
    for name, command in contestant.commands(target):
        step = finish(command, target, path=contestant.path, tolerated=contestant.tolerated)
        old = steps.get(name, {"seconds": 0.0, "cpu": 0.0})
        steps[name] = {unit: old[unit] + step[unit] for unit in step}
    total = {unit: sum(step[unit] for step in steps.values()) for unit in ("seconds", "cpu")}
    return {**total, "steps": steps, "facts": {}}


def _note(row: Row, answer: dict[str, Any]) -> None:
    row["seconds"].append(answer["seconds"])
    row["cpu"].append(answer["cpu"])
    row["facts"] = answer["facts"]
    for name, step in answer.get("steps", {}).items():
        kept = row["steps"].setdefault(name, {"seconds": [], "cpu": []})
        kept["seconds"].append(step["seconds"])
        kept["cpu"].append(step["cpu"])
