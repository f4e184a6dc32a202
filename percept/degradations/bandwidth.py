"""Loss of bandwidth: sampled down and up again."""

from __future__ import annotations

import numpy as np

from percept.degradations import DEGRADATIONS
from percept.dsp import blocks, resampled, room
from percept.records import Degradation
from percept.schema import Array, Clip


def reduce_bandwidth(clip: Clip, factor: float, generator: np.random.Generator) -> Array:
    """Sample the clip down by a factor and up again, so that only the lowest 1/factor of its band is left.

    Args:
        clip: mono ``[T]``.
        factor: 2 leaves a band up to a quarter of the sample rate (4 kHz at 16 kHz).
        generator: not used; nothing here is random.

    Returns:
        ``[T]``, aligned with the input (both resamplers are linear-phase and free of delay).
    """
    samples = room(clip.samples.size)
    narrow = resampled((clip.samples[part] for part in blocks(samples.size)), factor, 1.0)
    begin = 0
    for part in resampled(narrow, 1.0, factor):
        here = part[: samples.size - begin]
        samples[begin : begin + here.size] = here
        begin += here.size
    samples[begin:] = 0
    return samples


DEGRADATIONS.add(
    Degradation(
        name="bandwidth",
        title="Reduced bandwidth",
        summary="samples down by a factor and up again",
        citation="band limitation by decimation; soxr's very-high-quality filter",
        apply=reduce_bandwidth,
        unit="down-sampling factor",
        levels=(2.0, 4.0, 6.0),
        neutral=1.0,
        limits=(1.0, 64.0),
        harsher="higher",
        walks=True,
    )
)
