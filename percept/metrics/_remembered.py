"""Results of the last clips, for measures that ask a network the same thing several times."""

from __future__ import annotations

import functools
import hashlib
from collections import OrderedDict
from collections.abc import Callable
from typing import TypeVar

import numpy as np

from percept.dsp import blocks
from percept.schema import Array

Result = TypeVar("Result")


def remembered(size: int) -> Callable[[Callable[[Array], Result]], Callable[[Array], Result]]:
    """Let a function of samples ``[T]`` keep its last `size` results, each under a hash of its samples."""

    def decorate(function: Callable[[Array], Result]) -> Callable[[Array], Result]:
        """The function with its memory."""
        results: OrderedDict[bytes, Result] = OrderedDict()

        @functools.wraps(function)
        def answer(samples: Array) -> Result:
            """What the function gave for such samples, or gives now."""
            content = hashlib.sha256()
            for part in blocks(samples.size):
                content.update(np.ascontiguousarray(samples[part]).data)
            key = content.digest()
            if key not in results:
                results[key] = function(samples)
            results.move_to_end(key)
            if len(results) > size:
                results.popitem(last=False)
            return results[key]

        return answer

    return decorate
