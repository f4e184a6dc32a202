"""Loudness by ITU-R BS.1770, of signals of any length, block by block.

    samples → two filters in a row ("K weighting": a shelf for the head, a high pass) → mean power of every 400 ms,
    every 100 ms → mean over those above -70 LUFS → mean over those that are also less than 10 LU below it

Filters and framing are those of the package pyloudnorm, which takes a clip whole and four copies of it.

Reference:
    ITU-R BS.1770-4, Algorithms to measure audio programme loudness, 2015.

Contents: `LoudnessMeter`, `loudness`.
"""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np

from percept.dsp import blocks
from percept.schema import Array, Array64, Clip

BLOCK_S = 0.4
"""A shorter clip has no loudness."""
OVERLAP = 0.75
ABSOLUTE_LUFS = -70.0
RELATIVE_LU = -10.0
OFFSET_LUFS = -0.691
GAINS = (1.0, 1.0, 1.0, 1.41, 1.41)
"""Of left, right, centre, left and right surround; more channels than the standard names have no loudness."""
STAGES = ((4.0, 1 / sqrt(2), 1500.0, "high_shelf"), (0.0, 0.5, 38.0, "high_pass"))
"""Gain in dB, quality and frequency in Hz of the two filters."""


class LoudnessMeter:
    """Integrated loudness of a signal that comes in parts.

    Args:
        rate: samples per second.
        channels: C.
    """

    def __init__(self, rate: int, channels: int) -> None:
        self.rate = rate
        self.channels = channels
        self._length = 0
        self._silent = True
        self._stages = _stages(rate) if channels <= len(GAINS) else []
        self._memories = [np.zeros((channels, 2)) for _ in self._stages]
        self._begin = 0
        self._weighted = np.zeros((channels, 0))
        self._powers: list[Array64] = []

    def add(self, samples: Array) -> None:
        """Listen to the next part ``[C, T]``."""
        from scipy.signal import lfilter

        self._length += samples.shape[-1]
        self._silent = self._silent and not samples.any()
        if not self._stages or not samples.size:
            return
        part: Array64 = samples.astype(np.float64)
        for index, (above, below, gain) in enumerate(self._stages):
            filtered, self._memories[index] = lfilter(above, below, part, axis=-1, zi=self._memories[index])
            part = gain * filtered
        self._weighted = np.concatenate([self._weighted, part], axis=-1)
        while self._bounds(len(self._powers))[1] <= self._length:
            self._powers.append(self._power(len(self._powers)))
        done = self._bounds(len(self._powers))[0] - self._begin
        self._begin, self._weighted = self._begin + done, self._weighted[:, done:].copy()

    def integrated(self) -> float | None:
        """Loudness in LUFS so far; None for silence, less than 0.4 s, or more than the standard's five channels."""
        seconds = self._length / self.rate
        if seconds < BLOCK_S or self._silent or not self._stages:
            return None
        count = int(np.round((seconds - BLOCK_S) / (BLOCK_S * (1 - OVERLAP)))) + 1
        powers = np.array([*self._powers[:count], *(self._power(i) for i in range(len(self._powers), count))])
        loud = powers @ np.array(GAINS[: self.channels])
        absolute = loud >= _power_of(ABSOLUTE_LUFS)
        if not absolute.any():
            return None
        relative = loud > loud[absolute].mean() * 10 ** (RELATIVE_LU / 10)
        return float(OFFSET_LUFS + 10 * np.log10(loud[absolute & relative].mean()))

    def _bounds(self, index: int) -> tuple[int, int]:
        step = 1 - OVERLAP
        return int(BLOCK_S * (index * step) * self.rate), int(BLOCK_S * (index * step + 1) * self.rate)

    def _power(self, index: int) -> Array64:
        first, last = self._bounds(index)
        part = self._weighted[:, first - self._begin : last - self._begin]
        return np.asarray(np.square(part).sum(axis=-1) / (BLOCK_S * self.rate))


def loudness(clip: Clip) -> float | None:
    """Integrated loudness of ``[T]`` or ``[C, T]`` in LUFS; None where `LoudnessMeter.integrated` has none."""
    samples = np.atleast_2d(clip.samples)
    meter = LoudnessMeter(clip.rate, samples.shape[0])
    for part in blocks(samples.shape[-1]):
        meter.add(samples[:, part])
    return meter.integrated()


def _stages(rate: int) -> list[tuple[Any, Any, float]]:
    """Numerator, denominator and gain of each filter."""
    from pyloudnorm import IIRfilter

    filters = [IIRfilter(gain, quality, hertz, rate, kind) for gain, quality, hertz, kind in STAGES]
    return [(each.b, each.a, each.passband_gain) for each in filters]


def _power_of(level: float) -> float:
    return float(10 ** ((level - OFFSET_LUFS) / 10))
