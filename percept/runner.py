"""Runs lists of jobs in processes, one result at a time, and counts what became of them.

A job is a picklable function with its arguments; it knows nothing about processes, manifests or progress bars.
Results come back to the one process that writes manifests. A job that raises becomes an `Outcome` with a reason;
a job that takes its process down takes down nothing else. Where jobs run is the business of `percept.engines`.

Contents: `Tally`, `run`, `values`, `progress`; `Task` and `perform`, which write outcomes to manifests; `say`, `warn`.
`Job` and `Outcome` are those of `percept.jobs`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from percept import engines
from percept.jobs import Job as Job
from percept.jobs import Outcome as Outcome
from percept.settings import Run
from percept.store import Manifest, Record

Item = TypeVar("Item")

FAILURES_TOLD = 3
"""Failures that are told one by one on standard error; the others are counted."""


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


def run(jobs: Sequence[Job], settings: Run, *, title: str, folders: Sequence[Path] = ()) -> Iterator[Outcome]:
    """Run the jobs and yield their outcomes in the order in which they finish.

    Args:
        jobs: the work; may be empty.
        settings: the engine, how many processes (0: one a processor core; 1: in this process), and whether a progress
            bar is shown (only on a terminal).
        title: label of the progress bar.
        folders: where the jobs write.

    Yields:
        One `Outcome` a job.

    Raises:
        PerceptError: the engine cannot do any work.
    """
    if jobs:
        found = engines.outcomes(jobs, settings, folders)
        yield from progress(found, total=len(jobs), title=title, quiet=settings.quiet)


def values(jobs: Sequence[Job], settings: Run, *, title: str) -> dict[Any, Any]:
    """What the jobs returned, by their names in the order of the jobs, where none may fail.

    Raises:
        RuntimeError: a job failed; its traceback is in the message.
    """
    found = {}
    for outcome in run(jobs, settings, title=title):
        if outcome.reason:
            raise RuntimeError(outcome.unexpected or outcome.reason)
        found[outcome.name] = outcome.value
    return {job.name: found[job.name] for job in jobs}


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
        cost: how much work it is, in any unit that all tasks of a stage share, such as audio seconds.
    """

    manifest: Manifest
    records: tuple[Record, ...]
    function: Callable[..., list[dict[str, Any]]]
    arguments: tuple[Any, ...] = ()
    cost: float = 0.0


def perform(tasks: Sequence[Task], settings: Run, *, title: str) -> Tally:
    """Run the tasks, append each one's lines to its manifest as it finishes, and count.

    Args:
        tasks: the work; may be empty.
        settings: as in `run`.
        title: label of the progress bar.

    Raises:
        PerceptError: the engine cannot do any work, or a manifest could not be written; what was written before is
            safe.
    """
    tally = Tally()
    failed: list[str] = []
    jobs = [Job(index, task.function, task.arguments, task.cost) for index, task in enumerate(tasks)]
    folders = list(dict.fromkeys(task.manifest.folder for task in tasks))
    for outcome in run(jobs, settings, title=title, folders=folders):
        task = tasks[outcome.name]
        filled = []
        for record, update in zip(task.records, _updates(outcome, len(task.records)), strict=True):
            facts = {**record.facts, **update.pop("facts", {})}
            filled.append(_arrived(task, replace(record, seconds=round(outcome.seconds, 4), facts=facts, **update)))
        task.manifest.append(*filled)
        for record in filled:
            tally.add(record.status)
            if record.status == "failed":
                failed.append(f"{'_'.join(filter(None, record.name[1:]))}: {record.reason}")
    for failure in failed[:FAILURES_TOLD]:
        warn(failure)
    if len(failed) > FAILURES_TOLD:
        warn(
            f"{len(failed) - FAILURES_TOLD} more failed in '{title}'; manifest.jsonl beside the results has all reasons"
        )
    return tally


def _arrived(task: Task, record: Record) -> Record:
    """The record, failed if its artefact is not where this process sees it: a worker's folder may be another one."""
    if record.status != "ok" or not record.path or (task.manifest.folder / record.path).is_file():
        return record
    reason = f"made by a worker, but not to be seen in {task.manifest.folder}: is that folder on a shared file system?"
    return replace(record, path="", status="failed", reason=reason, facts={**record.facts, "unexpected": reason})


def _updates(outcome: Outcome, count: int) -> list[dict[str, Any]]:
    if not outcome.reason:
        updates: list[dict[str, Any]] = outcome.value
        return updates
    facts = {"unexpected": outcome.unexpected} if outcome.unexpected else {}
    return [{"status": "failed", "reason": outcome.reason, "path": "", "facts": facts} for _ in range(count)]


def say(text: str, *, quiet: bool = False) -> None:
    """A line for the user on standard output."""
    if not quiet:
        print(text, flush=True)


def warn(text: str) -> None:
    """A warning for the user on standard error, even when quiet."""
    print(f"warning: {text}", file=sys.stderr, flush=True)
