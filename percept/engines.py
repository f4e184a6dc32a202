"""The engines that jobs run on: this process, processes of this machine, or the workers of a Dask cluster.

An engine takes jobs and gives their outcomes, in the order in which they finish. It knows nothing of manifests, and
those who make the jobs do not know which engine runs them.

Contents: `outcomes`, `check`, `cores`.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from percept.jobs import Job, Outcome, call, keep_freed_memory, one_thread
from percept.schema import PerceptError
from percept.settings import Run


def outcomes(jobs: Sequence[Job], run: Run, folders: Sequence[Path] = ()) -> Iterable[Outcome]:
    """Do the jobs, the most costly first.

    Args:
        jobs: at least one.
        run: which engine, and how many processes it may have here.
        folders: where the jobs write; a cluster's workers are asked whether they see them.

    Returns:
        One outcome a job, in the order in which they finish.

    Raises:
        PerceptError: the engine cannot do any work, with the reason in words. (While iterating.)
    """
    check(run)
    one_thread()
    # Long jobs that start last would keep one process busy while the others idle.
    ordered = sorted(jobs, key=lambda job: -job.cost)
    if run.engine == "dask":
        from percept import cluster

        return cluster.outcomes(ordered, run.scheduler, folders)
    workers = min(run.jobs or cores(), len(ordered))
    return map(call, ordered) if workers == 1 else _in_processes(ordered, workers)


def check(run: Run) -> None:
    """Refuse settings that no engine can use.

    Raises:
        PerceptError: a cluster without a scheduler's address, or an address without a cluster.
    """
    if run.engine == "dask" and not run.scheduler:
        raise PerceptError(
            "--engine dask needs --scheduler ADDRESS: that of an existing Dask scheduler, tcp://HOST:8786"
        )
    if run.engine == "local" and run.scheduler:
        raise PerceptError(f"--scheduler {run.scheduler} is of use only with --engine dask; add that, or leave it out")


def cores() -> int:
    """Processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _in_processes(jobs: Sequence[Job], workers: int) -> Iterator[Outcome]:
    from joblib import Parallel, delayed, parallel_config
    from joblib.externals.loky.process_executor import BrokenProcessPool

    finished: set[int] = set()
    try:
        with parallel_config(backend="loky", inner_max_num_threads=1):
            parallel = Parallel(n_jobs=workers, return_as="generator_unordered", batch_size=1)
            here = str(Path.cwd())
            for index, outcome in parallel(delayed(_numbered)(i, job, here) for i, job in enumerate(jobs)):
                finished.add(index)
                yield outcome
    except BrokenProcessPool:
        yield from (_alone(job) for i, job in enumerate(jobs) if i not in finished)


def _numbered(index: int, job: Job, folder: str) -> tuple[int, Outcome]:
    _settle()
    # A process that is used again may have been started when the present folder was another one.
    os.chdir(folder)
    return index, call(job)


@functools.cache
def _settle() -> None:
    """What a process does before its first job."""
    from joblib.externals.loky import process_executor

    keep_freed_memory()
    # Where psutil is installed, loky takes a network that was loaded for a leak, and ends the process.
    process_executor._USE_PSUTIL = False


def _alone(job: Job) -> Outcome:
    """Run one job in a process of its own, after some job broke the pool: find out which one it is."""
    from joblib.externals.loky import get_reusable_executor
    from joblib.externals.loky.process_executor import BrokenProcessPool

    executor = get_reusable_executor(max_workers=1, kill_workers=True)
    try:
        outcome: Outcome
        _, outcome = executor.submit(_numbered, 0, job, str(Path.cwd())).result()
    except BrokenProcessPool:
        reason = "its process died (killed from outside, out of memory, or a crash in a library)"
        return Outcome(job.name, reason=reason, unexpected=reason)
    finally:
        # joblib would take this executor for one of its own, and miss what it puts on those.
        executor.shutdown(kill_workers=True)
    return outcome
