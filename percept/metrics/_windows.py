"""A clip that is too long for a measure: scored in equal windows, whose mean counts and is said to be one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from percept.dsp import equal_parts
from percept.metrics._isolated import Crashed
from percept.schema import Clip, Score, Unscorable


def mean_of_windows(compute: Callable[[Clip, Clip], float], reference: Clip, degraded: Clip, count: int) -> Score:
    """The mean over `count` windows.

    Args:
        compute: the measure; `Unscorable` leaves a window out, and the remark tells how many and the first reason.
        reference: mono ``[T]``.
        degraded: the same length.
        count: number of windows.

    Raises:
        Unscorable: no window could be scored.
        Crashed: a window took its process down.
    """
    values, reasons = [], []
    for part in equal_parts(reference.samples.size, count):
        ours, theirs = (Clip(clip.samples[part], clip.rate) for clip in (reference, degraded))
        try:
            if not ours.samples.any() or not theirs.samples.any():
                raise Unscorable("a window is silent")
            values.append(compute(ours, theirs))
        except Crashed:
            raise
        except Unscorable as reason:
            reasons.append(str(reason))
    if not values:
        raise Unscorable(reasons[0])
    remark = f"mean of {len(values)} windows of {reference.seconds / count:.1f} s" if count > 1 else ""
    if reasons:
        remark += f"; {len(reasons)} more could not be scored ({reasons[0]})"
    return Score(float(np.mean(values)), reason=remark)
