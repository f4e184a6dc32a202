"""The engine `dask`: jobs on the workers of an existing Dask cluster that share a file system with this machine.

joblib has a backend for Dask, but there a job that cannot be done (it killed its workers, say) ends the whole call, and
the others with it; so jobs are handed to Dask's client one by one.

Workers may be in another folder, and in any number of threads. A job therefore enters the leading process's folder, so
that relative paths mean the same, one job at a time in a process, with one thread in each numeric library; that is also
how results come out the same as on one machine.

Contents: `outcomes`.
"""

from __future__ import annotations

import contextlib
import functools
import multiprocessing
import os
import queue
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from percept import __version__
from percept.jobs import Job, Outcome, call, keep_freed_memory, one_thread
from percept.schema import PerceptError
from percept.store import shared_mark

REACH_SECONDS = 10
"""A scheduler that has not answered by then is not there."""
WORKERS_SECONDS = 60
"""How long a cluster may be without workers."""
POLL_SECONDS = 2
WINDOW = 2000
"""Jobs at the cluster at any one time: enough for any cluster, and the scheduler's memory does not grow with more."""
INSTALL = "python -m pip install -c constraints.txt -r requirements-cluster.txt"

_one_at_a_time = threading.Lock()


def outcomes(jobs: Sequence[Job], address: str, folders: Sequence[Path]) -> Iterator[Outcome]:
    """Do the jobs on the cluster, in this order.

    Args:
        jobs: the work.
        address: of the scheduler.
        folders: where the jobs write; the workers must see them.

    Yields:
        One outcome a job, in the order in which they finish.

    Raises:
        PerceptError: distributed is not installed, the scheduler does not answer, there are no workers, or a worker
            lacks the package or a folder.
    """
    client = _connected(address)
    try:
        _check(client, folders)
        killers: list[Job] = []
        for job, outcome in _finished(client, jobs, WINDOW):
            if outcome is None:
                killers.append(job)
            else:
                yield outcome
        # A worker that dies takes jobs with it that only waited there. Alone, each shows what it does.
        for job, outcome in _finished(client, killers, 1):
            yield outcome or _killer(job)
    finally:
        client.close()


def _connected(address: str) -> Any:
    try:
        from distributed import Client
    except ModuleNotFoundError as error:
        raise PerceptError(f"--engine dask needs Dask ({error.name} is not installed): {INSTALL}") from None
    try:
        return Client(address, timeout=REACH_SECONDS, set_as_default=False)  # type: ignore[no-untyped-call, unused-ignore]
    except (OSError, ValueError, ImportError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise PerceptError(
            f"no Dask scheduler answers at '{address}' ({reason}): start one with 'dask scheduler' and name the "
            "address that it prints, tcp://HOST:8786, with --scheduler"
        ) from None


def _check(client: Any, folders: Sequence[Path]) -> None:
    """Refuse a cluster on which jobs could not run, before any is sent."""
    # A waiting task is what makes a cluster grow that starts workers as they are needed.
    probe = client.submit(os.getpid, pure=False)
    try:
        client.wait_for_workers(1, timeout=WORKERS_SECONDS)
    except TimeoutError:
        raise PerceptError(_deserted(client)) from None
    finally:
        probe.release()
    needed = [Path.cwd(), *(folder.absolute() for folder in folders)]
    with contextlib.ExitStack() as stack:
        marks = {str(folder): str(stack.enter_context(shared_mark(folder))) for folder in needed[1:]}
        found: Mapping[str, Any] = client.run(_look(), [str(folder) for folder in needed], marks, on_error="return")
    for worker, state in found.items():
        problem = _problem(state)
        if problem:
            raise PerceptError(f"the Dask worker {worker} cannot do the work: {problem}")


def _look() -> Any:
    """A function that tells what a worker has; made inside another, it travels by value to where percept is not."""

    def look(folders: list[str], marks: dict[str, str]) -> dict[str, Any]:
        """What this worker has: its host, what it lacks, and its version."""
        import os
        import pathlib
        import socket

        state = {"host": socket.gethostname(), "missing": "", "unwritable": "", "version": ""}
        try:
            import percept
        except ImportError as error:
            state["lacks"] = str(error)
        else:
            state["version"] = percept.__version__
        for folder in folders:
            if not pathlib.Path(folder).is_dir() or not pathlib.Path(marks.get(folder, folder)).exists():
                state["missing"] = folder
            elif folder in marks and not os.access(folder, os.W_OK):
                state["unwritable"] = folder
        return state

    return look


def _problem(state: Any) -> str:
    """What is wrong with a worker; empty if nothing is."""
    if isinstance(state, BaseException):
        return f"it does not answer ({type(state).__name__}: {state}); restart it"
    if not state["version"]:
        return (
            f"its Python has no percept ({state['lacks']}); start it from an environment where percept "
            f"{__version__} is installed ('python -m pip install .')"
        )
    if state["version"] != __version__:
        return f"it has percept {state['version']}, and this is {__version__}; install the same on both, and restart it"
    if state["missing"]:
        return (
            f"on {state['host']} the folder {state['missing']} is not there, or is another one of that name; "
            "use folders on a file system that all workers share, under the same path"
        )
    if state["unwritable"]:
        return f"on {state['host']} it may not write to the folder {state['unwritable']}; give it the right to"
    return ""


def _finished(client: Any, jobs: Sequence[Job], window: int) -> Iterator[tuple[Job, Outcome | None]]:
    """Each job with its outcome as it finishes; None for one whose workers died again and again."""
    waiting: dict[str, tuple[Any, Job]] = {}
    done: queue.SimpleQueue[Any] = queue.SimpleQueue()
    left, folder = iter(jobs), str(Path.cwd())

    def send(count: int) -> None:
        """Hand the next jobs to the cluster."""
        for job in islice(left, count):
            future = client.submit(_remote, folder, job, pure=False)
            waiting[future.key] = future, job
            future.add_done_callback(done.put)

    send(window)
    seen = time.monotonic()
    while waiting:
        try:
            key = done.get(timeout=POLL_SECONDS).key
        except queue.Empty:
            seen = _still_there(client, seen)
            continue
        future, job = waiting[key]
        try:
            outcome = _outcome(future, job)
        except TimeoutError:  # its worker died with the result, and Dask makes it anew
            future.add_done_callback(done.put)
            continue
        del waiting[key]
        send(1)
        yield job, outcome


def _still_there(client: Any, seen: float) -> float:
    """When the cluster was last seen with a worker; an error if that is too long ago."""
    if client.status == "running" and client.scheduler_info(n_workers=-1)["workers"]:
        return time.monotonic()
    if time.monotonic() - seen > WORKERS_SECONDS:
        raise PerceptError(f"{_deserted(client)}; what is finished is kept, so start the same command again then")
    return seen


def _deserted(client: Any) -> str:
    address = client.scheduler.address if client.scheduler else "the scheduler"
    return (
        f"the Dask cluster at {address} has been without workers for {WORKERS_SECONDS} s: start some with "
        f"'dask worker {address} --nthreads 1'"
    )


def _outcome(future: Any, job: Job) -> Outcome | None:
    """What became of a job that is done; `TimeoutError` if its result was lost meanwhile."""
    from distributed import KilledWorker

    if future.status in {"finished", "lost", "pending"}:
        outcome: Outcome = future.result(timeout=POLL_SECONDS)
        return outcome
    if future.status != "error":
        raise PerceptError(
            f"the Dask scheduler dropped the work ({future.status}): see its log; what is finished is kept, so start "
            "the same command again"
        )
    error = future.exception()
    if isinstance(error, KilledWorker):
        return None
    reason = f"its worker could not begin: {type(error).__name__}: {error}"
    return Outcome(job.name, reason=reason, unexpected=reason)


def _killer(job: Job) -> Outcome:
    reason = "every worker that tried it died (killed from outside, out of memory, or a crash in a library)"
    return Outcome(job.name, reason=reason, unexpected=reason)


def _remote(folder: str, job: Job) -> Outcome:
    """Do a job in a worker, as a process of the leading machine would do it."""
    with _one_at_a_time:
        _prepare()
        try:
            with contextlib.chdir(folder):
                return call(job)
        except OSError as error:
            reason = f"its worker cannot enter the folder {folder}: {error.strerror}"
            return Outcome(job.name, reason=reason, unexpected=reason)


@functools.cache
def _prepare() -> None:
    """Make a worker's process like one of the local engine; once a process."""
    keep_freed_memory()
    one_thread()
    # Dask marks workers as daemons, which may not have children; PESQ runs in one, because it may crash.
    multiprocessing.current_process()._config["daemon"] = False  # type: ignore[attr-defined]
