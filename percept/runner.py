"""Runs lists of jobs in processes, one result at a time, and counts what became of them.

A job is a picklable function with its arguments; it knows nothing about processes, manifests or progress bars.
Results come back to the one process that writes manifests. A job that raises becomes an `Outcome` with a reason;
a job that takes its process down takes down nothing else.

Contents: `Job`, `Outcome`, `Tally`, `run`, `progress`; `Task` and `perform`, which write outcomes to manifests; `say`,
`warn`.
"""

from __future__ import annotations

import ctypes
import functools
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from percept.schema import PerceptError
from percept.store import Manifest, Record

Item = TypeVar("Item")

GLIBC_TRIM_THRESHOLD, GLIBC_MMAP_MAX = -1, -4
"""Parameters of mallopt, from malloc.h."""
FAILURES_TOLD = 3
"""Failures that are told one by one on standard error; the others are counted."""


@dataclass(frozen=True)
class Job:
    """A function call that can travel to another process.

    Args:
        name: what it is about, in any hashable form; comes back with the outcome.
        function: importable by name.
        arguments: picklable.
    """

    name: Any
    function: Callable[..., Any]
    arguments: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """What became of a job.

    Args:
        name: the job's.
        value: what its function returned; None if it raised.
        reason: why it failed, in words; empty if it did not.
        unexpected: traceback of an error that nobody foresaw; such a result is tried again in the next run.
        seconds: computing time.
    """

    name: Any
    value: Any = None
    reason: str = ""
    unexpected: str = ""
    seconds: float = 0.0


@dataclass
class Tally:
    """Counts of a run, for its closing line and its exit status."""

    done: int = 0
    cached: int = 0
    failed: int = 0
    skipped: int = 0
    notes: list[str] = field(default_factory=list)

    def add(self, status: str, *, cached: bool = False) -> None:
        """Count one item."""
        if status == "ok":
            self.done, self.cached = self.done + (not cached), self.cached + cached
        elif status == "failed":
            self.failed += 1
        else:
            self.skipped += 1

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.done + other.done,
            self.cached + other.cached,
            self.failed + other.failed,
            self.skipped + other.skipped,
            self.notes + other.notes,
        )

    @property
    def exit_status(self) -> int:
        """0: all well; 1: some items failed."""
        return 1 if self.failed or self.skipped else 0

    def __str__(self) -> str:
        skipped = f", {self.skipped} skipped" if self.skipped else ""
        return f"{self.done} done, {self.cached} cached, {self.failed} failed{skipped}"


def run(jobs: Sequence[Job], *, processes: int, title: str, quiet: bool = False) -> Iterator[Outcome]:
    """Run the jobs and yield their outcomes in the order in which they finish.

    Args:
        jobs: the work; may be empty.
        processes: how many processes; 0: one a processor core; 1: in this process.
        title: label of the progress bar.
        quiet: show no progress bar; without it there is one on a terminal.

    Yields:
        One `Outcome` a job.
    """
    if not jobs:
        return
    workers = min(processes or cores(), len(jobs))
    outcomes = map(_call, jobs) if workers == 1 else _in_processes(jobs, workers)
    yield from progress(outcomes, total=len(jobs), title=title, quiet=quiet)


def progress(items: Iterable[Item], *, total: int, title: str, quiet: bool = False) -> Iterable[Item]:
    """The items, with a bar on standard error that shows the time left; only on a terminal, and not if quiet."""
    from tqdm import tqdm

    bar: Iterable[Item] = tqdm(items, total=total, desc=title, unit="job", leave=False, disable=True if quiet else None)
    return bar


@dataclass(frozen=True)
class Task:
    """A job and the manifest lines that it fills.

    Args:
        manifest: where the lines go.
        records: the lines as far as they are known before the work.
        function: picklable; returns one dict of record fields (``facts``, ``digest``, ``status`` ...) a record.
        arguments: picklable.
    """

    manifest: Manifest
    records: tuple[Record, ...]
    function: Callable[..., list[dict[str, Any]]]
    arguments: tuple[Any, ...] = ()


def perform(tasks: Sequence[Task], *, processes: int, title: str, quiet: bool = False) -> Tally:
    """Run the tasks, append each one's lines to its manifest as it finishes, and count.

    Raises:
        PerceptError: a manifest could not be written; what was written before is safe.
    """
    tally = Tally()
    failed: list[str] = []
    jobs = [Job(index, task.function, task.arguments) for index, task in enumerate(tasks)]
    for outcome in run(jobs, processes=processes, title=title, quiet=quiet):
        task = tasks[outcome.name]
        for record, update in zip(task.records, _updates(outcome, len(task.records)), strict=True):
            facts = {**record.facts, **update.pop("facts", {})}
            task.manifest.append(replace(record, seconds=round(outcome.seconds, 4), facts=facts, **update))
            tally.add(update.get("status", "ok"))
            if update.get("status") == "failed":
                failed.append(f"{'_'.join(filter(None, record.name[1:]))}: {update['reason']}")
    for failure in failed[:FAILURES_TOLD]:
        warn(failure)
    if len(failed) > FAILURES_TOLD:
        warn(
            f"{len(failed) - FAILURES_TOLD} more failed in '{title}'; manifest.jsonl beside the results has all reasons"
        )
    return tally


def _updates(outcome: Outcome, count: int) -> list[dict[str, Any]]:
    if not outcome.reason:
        updates: list[dict[str, Any]] = outcome.value
        return updates
    facts = {"unexpected": outcome.unexpected} if outcome.unexpected else {}
    return [{"status": "failed", "reason": outcome.reason, "path": "", "facts": facts} for _ in range(count)]


def cores() -> int:
    """Processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def say(text: str, *, quiet: bool = False) -> None:
    """A line for the user on standard output."""
    if not quiet:
        print(text, flush=True)


def warn(text: str) -> None:
    """A warning for the user on standard error, even when quiet."""
    print(f"warning: {text}", file=sys.stderr, flush=True)


def _call(job: Job) -> Outcome:
    started = time.perf_counter()
    try:
        value, reason, unexpected = job.function(*job.arguments), "", ""
    except PerceptError as error:
        value, reason, unexpected = None, str(error), ""
    except OSError as error:
        value, reason, unexpected = None, _os_reason(error), traceback.format_exc()
    except Exception as error:  # noqa: BLE001 -- the boundary: any bug becomes a failed item with its traceback
        value, reason, unexpected = (
            None,
            f"unexpected {type(error).__name__}: {error}",
            traceback.format_exc(),
        )
    return Outcome(job.name, value, reason, unexpected, time.perf_counter() - started)


def _os_reason(error: OSError) -> str:
    where = f" ({error.filename})" if error.filename else ""
    return f"{error.strerror or error}{where}"


def _in_processes(jobs: Sequence[Job], workers: int) -> Iterable[Outcome]:
    from joblib import Parallel, delayed, parallel_config
    from joblib.externals.loky.process_executor import BrokenProcessPool

    finished: set[int] = set()
    try:
        with parallel_config(backend="loky", inner_max_num_threads=1):
            parallel = Parallel(n_jobs=workers, return_as="generator_unordered", batch_size=1)
            for index, outcome in parallel(delayed(_numbered)(i, job) for i, job in enumerate(jobs)):
                finished.add(index)
                yield outcome
    except BrokenProcessPool:
        yield from (_alone(job) for i, job in enumerate(jobs) if i not in finished)


def _numbered(index: int, job: Job) -> tuple[int, Outcome]:
    _keep_freed_memory()
    return index, _call(job)


@functools.cache
def _keep_freed_memory() -> None:
    """Let the C library reuse what is freed, instead of asking the system anew for every large array.

    Only glibc has such a switch (mallopt(3)); networks with large intermediate results, such as CDPAM, then take up to
    half as long.
    """
    from joblib.externals.loky import process_executor

    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(GLIBC_MMAP_MAX, 0)
        mallopt(GLIBC_TRIM_THRESHOLD, 2**31 - 1)
    # loky takes 300 MB of kept memory for a leak and ends the worker; with a helper below it, the run then hangs.
    process_executor._MAX_MEMORY_LEAK_SIZE = sys.maxsize


def _alone(job: Job) -> Outcome:
    """Run one job in a process of its own, after some job broke the pool: find out which one it is."""
    from joblib.externals.loky import get_reusable_executor
    from joblib.externals.loky.process_executor import BrokenProcessPool

    try:
        outcome: Outcome = get_reusable_executor(max_workers=1, kill_workers=True).submit(_call, job).result()
    except BrokenProcessPool:
        reason = "its process died (killed from outside, out of memory, or a crash in a library)"
        return Outcome(job.name, reason=reason, unexpected=reason)
    return outcome
