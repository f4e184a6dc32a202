"""Low-pass and high-pass filters of linear phase, without delay.

The filter is an ideal one cut short by a Kaiser window and centred on each sample: half the amplitude at the cut-off,
80 dB down beyond the transition band. That band is half as wide as the cut-off's distance to 0 or to half the sample
rate, whichever is nearer, so the filter rings for a few periods of its cut-off and no longer.

Reference:
    J. F. Kaiser, Nonrecursive digital filter design using the I0-sinh window function, ISCAS 1974: length and shape
    of the window from attenuation and width.
"""

from __future__ import annotations

import math

import numpy as np

from percept.degradations import DEGRADATIONS
from percept.degradations._mixing import convolve
from percept.records import Degradation
from percept.schema import Array, Array64, Clip, Unscorable

ATTENUATION_DB = 80.0
NARROWEST_HZ = 50.0
"""Width of the narrowest transition band, so that a cut-off next to half the rate does not ring for seconds."""


def low_pass(clip: Clip, cutoff_hz: float, generator: np.random.Generator) -> Array:
    """Take away what lies above a frequency.

    Args:
        clip: mono ``[T]``.
        cutoff_hz: frequency of half amplitude; from half the sample rate on nothing changes.
        generator: not used; nothing here is random.

    Returns:
        ``[T]``, aligned with the input.
    """
    if cutoff_hz >= clip.rate / 2:
        return clip.samples
    response = _low_pass_response(cutoff_hz, clip.rate)
    return convolve(clip.samples, response, response.size // 2).astype(np.float32)


def high_pass(clip: Clip, cutoff_hz: float, generator: np.random.Generator) -> Array:
    """Take away what lies below a frequency.

    Args:
        clip: mono ``[T]``.
        cutoff_hz: frequency of half amplitude; 0 changes nothing.
        generator: not used; nothing here is random.

    Returns:
        ``[T]``, aligned with the input.

    Raises:
        Unscorable: the cut-off is half the sample rate or more, so nothing would be left.
    """
    if cutoff_hz == 0:
        return clip.samples
    if cutoff_hz >= clip.rate / 2:
        raise Unscorable(f"a high-pass at {cutoff_hz:g} Hz leaves nothing of a clip at {clip.rate} Hz")
    response = _low_pass_response(cutoff_hz, clip.rate)
    return (clip.samples - convolve(clip.samples, response, response.size // 2)).astype(np.float32)


def _low_pass_response(cutoff_hz: float, rate: int) -> Array64:
    """An odd number of taps whose sum, the gain at 0 Hz, is 1."""
    width_hz = max(NARROWEST_HZ, min(cutoff_hz, rate / 2 - cutoff_hz) / 2)
    half = math.ceil((ATTENUATION_DB - 7.95) / (14.36 * width_hz / rate) / 2)
    window = np.kaiser(2 * half + 1, 0.1102 * (ATTENUATION_DB - 8.7))
    response = np.sinc(2 * cutoff_hz / rate * np.arange(-half, half + 1)) * window
    return np.asarray(response / response.sum())


DEGRADATIONS.add(
    Degradation(
        name="lowpass",
        title="Low-pass filter",
        summary="takes away what lies above a frequency",
        citation="Kaiser, ISCAS 1974; linear phase, half amplitude at the cut-off",
        apply=low_pass,
        unit="Hz",
        suffix="Hz",
        levels=(6000.0, 4000.0, 2000.0, 1000.0),
        neutral=math.inf,
        limits=(50.0, math.inf),
        harsher="lower",
    )
)
DEGRADATIONS.add(
    Degradation(
        name="highpass",
        title="High-pass filter",
        summary="takes away what lies below a frequency",
        citation="Kaiser, ISCAS 1974; linear phase, half amplitude at the cut-off",
        apply=high_pass,
        unit="Hz",
        suffix="Hz",
        levels=(100.0, 300.0, 1000.0),
        neutral=0.0,
        limits=(0.0, 100_000.0),
        harsher="higher",
    )
)
