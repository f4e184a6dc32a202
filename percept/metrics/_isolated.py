"""Calls that may take their process down, made in a process of their own.

One helper process per calling process, started on first use and kept; after a crash the next call starts another.
"""

from __future__ import annotations

import atexit
import faulthandler
import functools
from collections.abc import Callable
from typing import Any

from percept.schema import Unscorable


class Crashed(Unscorable):
    """A call that took its process down."""


@functools.cache
def _helper() -> Any:
    # loky's processes do not need the caller's script to be guarded by `if __name__ == "__main__"`.
    from joblib.externals.loky import ProcessPoolExecutor

    # A crash is told as the reason of a failed row; its dump on standard error would only frighten.
    executor = ProcessPoolExecutor(max_workers=1, initializer=faulthandler.disable)
    atexit.register(executor.shutdown, kill_workers=True)
    return executor


def isolated(function: Callable[..., Any], *arguments: Any) -> Any:
    """What ``function(*arguments)`` returns or raises, from another process.

    Raises:
        Crashed: the process died.
    """
    from joblib.externals.loky.process_executor import BrokenProcessPool

    try:
        return _helper().submit(function, *arguments).result()
    except BrokenProcessPool:
        _helper.cache_clear()
        raise Crashed(f"{function.__name__} crashed its process") from None
