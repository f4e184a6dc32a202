"""Jobs that can travel to other processes, and what becomes of them.

Contents: `Job`, `Outcome`, `call`; `one_thread`, `keep_freed_memory`.
"""

from __future__ import annotations

import ctypes
import functools
import os
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from percept.schema import PerceptError

GLIBC_TRIM_THRESHOLD, GLIBC_MMAP_MAX = -1, -4
"""Parameters of mallopt, from malloc.h."""
THREAD_VARIABLES = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS",
    "NUMBA_NUM_THREADS", "NUMEXPR_NUM_THREADS",
)  # fmt: skip
"""What numeric libraries ask for their number of threads when they are loaded."""


@dataclass(frozen=True)
class Job:
    """A function call that can travel to another process.

    Args:
        name: what it is about, in any hashable form; comes back with the outcome.
        function: importable by name.
        arguments: picklable.
        cost: how much work it is, in any unit that all jobs of a run share; the most costly are started first.
    """

    name: Any
    function: Callable[..., Any]
    arguments: tuple[Any, ...] = ()
    cost: float = 0.0


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


def call(job: Job) -> Outcome:
    """Do the job here and now; whatever it raises becomes an outcome with a reason."""
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


@functools.cache
def keep_freed_memory() -> None:
    """Let the C library reuse what is freed, instead of asking the system anew for every large array.

    For worker processes. Only glibc has such a switch (mallopt(3)); networks with large intermediate results, such as
    CDPAM, then take up to half as long.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(GLIBC_MMAP_MAX, 0)
        mallopt(GLIBC_TRIM_THRESHOLD, 2**31 - 1)


@functools.cache
def one_thread() -> None:
    """Let numeric libraries compute in one thread for the rest of this process.

    Work is spread over processes, and several threads add up in another order: the last digit of a result would depend
    on the machine and on the number of processes.
    """
    # Libraries that are not loaded yet read the variables; those that are must be told.
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, "1"))
    from threadpoolctl import threadpool_limits

    threadpool_limits(1)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
