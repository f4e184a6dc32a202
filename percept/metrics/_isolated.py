"""Calls that may take their process down, made in a process of their own.

One helper process per calling process, started on first use and kept; after a crash the next call starts another.
"""

from __future__ import annotations

import atexit
import faulthandler
import functools
import os
import threading
import time
from collections.abc import Callable
from typing import Any

from percept.schema import Unscorable

WATCH_SECONDS = 1.0


class Crashed(Unscorable):
    """A call that took its process down."""


@functools.cache
def _helper() -> Any:
    # loky's processes do not need the caller's script to be guarded by `if __name__ == "__main__"`.
    from joblib.externals.loky import ProcessPoolExecutor

    executor = ProcessPoolExecutor(max_workers=1, initializer=_settle, initargs=(os.getpid(),))
    atexit.register(executor.shutdown, kill_workers=True)
    return executor


def _settle(parent: int) -> None:
    """What the helper does first."""
    # A crash is told as the reason of a failed row; its dump on standard error would only frighten.
    faulthandler.disable()

    # A parent that is killed has no time to end its helper, which would wait for work for ever.
    def watch() -> None:
        """End this process once its parent is another one."""
        while os.getppid() == parent:
            time.sleep(WATCH_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, name="watch parent", daemon=True).start()


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
