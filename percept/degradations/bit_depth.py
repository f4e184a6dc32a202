"""Coarse quantisation: fewer bits a sample."""

from __future__ import annotations

import numpy as np

from percept.degradations import DEGRADATIONS
from percept.dsp import blocks, room
from percept.records import Degradation
from percept.schema import Array, Clip


def reduce_bit_depth(clip: Clip, bits: float, generator: np.random.Generator) -> Array:
    """Round every sample to a uniform mid-tread quantiser of `bits` bits, without dither.

    Args:
        clip: mono ``[T]``.
        bits: bits a sample; the step is 2^(1 - bits) of full scale. 16 changes nothing on 16-bit clips.
        generator: not used; nothing here is random.

    Returns:
        ``[T]`` in [-1, 1 - step].

    Reference:
        Widrow and Kollár, Quantization Noise, 2008, chapter 1.
    """
    steps = 2.0 ** (bits - 1)
    samples = room(clip.samples.size)
    for part in blocks(samples.size):
        levels = np.round(clip.samples[part].astype(np.float64) * steps)
        samples[part] = np.clip(levels, -steps, steps - 1) / steps
    return samples


DEGRADATIONS.add(
    Degradation(
        name="bit_depth",
        title="Reduced bit depth",
        summary="rounds samples to fewer bits, without dither",
        citation="Widrow and Kollár, Quantization Noise, 2008",
        apply=reduce_bit_depth,
        unit="bit",
        levels=(12.0, 8.0, 4.0),
        neutral=16.0,
        limits=(2.0, 24.0),
        harsher="lower",
        walks=True,
        whole=True,
    )
)
