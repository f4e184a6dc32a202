"""Tensors that never change, made once: windows, filter banks, transforms.

Contents: `constant`.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any, TypeVar, TypeVarTuple

import torch

Arguments = TypeVarTuple("Arguments")
Result = TypeVar("Result")

MOST = 16
"""Results of a function that are kept: those that were made last."""


def constant(function: Callable[[*Arguments], Result]) -> Callable[[*Arguments], Result]:
    """A function of hashable positional arguments whose tensors are made once, and serve training, too.

    Made in `torch.inference_mode`, they would be of no use to a later gradient. A plain dictionary, because
    torch.compile looks through `functools.lru_cache`, with a warning, and makes them anew in every call.
    """
    held: dict[Any, Result] = {}
    changing = threading.Lock()

    # What makes them may be beyond what torch.compile understands.
    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def make(*args: *Arguments) -> Result:
        """Compute a result and keep it."""
        with torch.inference_mode(False):
            made = function(*args)
        with changing:
            held[args] = made
            while len(held) > MOST:
                del held[next(iter(held))]
        return made

    @functools.wraps(function)
    def get(*args: *Arguments) -> Result:
        """The result, made at the first call."""
        found = held.get(args)
        return make(*args) if found is None else found

    return get
