"""Measures of quality: classical metrics on waveforms, and comparisons of embeddings. Being here registers one.

`METRICS` hold what is computed from two waveforms; `SIMILARITIES` hold what is computed from two embeddings,
whichever network made them. Both answer a number or raise `Unscorable` with the reason; never a made-up score.
"""

from __future__ import annotations

import math
from typing import Any

from percept.records import Metric, Similarity
from percept.registry import Registry
from percept.schema import Clip, Score, Unscorable

METRICS: Registry[Metric] = Registry("measure", __name__)
SIMILARITIES: Registry[Similarity] = Registry("similarity", __name__)


def score(metric: Metric, reference: Clip, degraded: Clip) -> Score:
    """One metric of one pair, with its preconditions checked.

    Args:
        metric: its record.
        reference: mono ``[T]``.
        degraded: mono ``[T]``, same rate and length, aligned.

    Returns:
        The value, or status "failed" with the reason. A clip longer than the metric's `longest_s` gets the mean over
        equal windows, and the reason says so.
    """
    try:
        if metric.needs_reference:
            _comparable(reference, degraded)
        _finite("degraded", degraded)
        value = _value(metric, reference, degraded)
    except Unscorable as reason:
        return Score.failed(str(reason))
    result = value if isinstance(value, Score) else Score(value)
    if result.value is not None and math.isnan(result.value):
        return Score.failed(f"{metric.title} gave no number (NaN)")
    return result


def _value(metric: Metric, reference: Clip, degraded: Clip) -> float | Score:
    from percept.dsp import at_rate
    from percept.metrics._windows import mean_of_windows

    def compute(ours: Clip, theirs: Clip) -> Any:
        """The measure at its own rate."""
        return metric.compute(at_rate(ours, metric.rate), at_rate(theirs, metric.rate))

    if degraded.seconds <= metric.longest_s:
        value: float | Score = compute(reference, degraded)
        return value
    return mean_of_windows(compute, reference, degraded, math.ceil(degraded.seconds / metric.longest_s))


def _finite(which: str, clip: Clip) -> None:
    from percept.dsp import not_finite

    bad = not_finite(clip.samples)
    if bad:
        raise Unscorable(f"{bad} of {clip.samples.size} samples of the {which} clip are not finite")


def _comparable(reference: Clip, degraded: Clip) -> None:
    if reference.rate != degraded.rate:
        raise Unscorable(f"sample rates differ: reference {reference.rate} Hz, degraded {degraded.rate} Hz")
    lengths = reference.samples.shape[-1], degraded.samples.shape[-1]
    if lengths[0] != lengths[1]:
        raise Unscorable(f"lengths differ: reference {lengths[0]} samples, degraded {lengths[1]}; align them first")
    if lengths[0] == 0:
        raise Unscorable("there are no samples")
    _finite("reference", reference)
    if not reference.samples.any():
        raise Unscorable("the reference is silent")
