"""Tensors that never change, made once: windows, filter banks, transforms.

Contents: `constant`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

MOST = 16
"""Results of a function that are kept."""


def constant(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """A function of hashable positional arguments whose tensors are made once, and serve training, too.

    Made in `torch.inference_mode`, they would be of no use to a later gradient. A plain dictionary, because
    torch.compile looks through `functools.lru_cache`, with a warning, and makes them anew in every call.
    """
    held: dict[Any, Result] = {}

    @functools.wraps(function)
    def get(*args: Arguments.args, **options: Arguments.kwargs) -> Result:
        if args not in held:
            import torch

            with torch.inference_mode(False):
                held[args] = function(*args, **options)
            if len(held) > MOST:
                held.pop(next(iter(held)))
        return held[args]

    return get
