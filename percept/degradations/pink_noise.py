"""Pink noise: equal power in every octave, as in many natural and electronic noises."""

from __future__ import annotations

import math

import numpy as np

from percept.degradations import DEGRADATIONS
from percept.degradations._mixing import add_at_snr
from percept.records import Degradation
from percept.schema import Array, Array64, Clip

LOWEST_HZ = 20.0
"""There is none of it below: the octaves under the audible ones would take most of the power of a long clip."""


def add_pink_noise(clip: Clip, snr_db: float, generator: np.random.Generator) -> Array:
    """Add Gaussian noise whose power falls by 3 dB an octave above 20 Hz, at an exact signal-to-noise ratio.

    Args:
        clip: mono ``[T]``.
        snr_db: ratio of the mean powers of clip and noise, in dB; infinite: no noise.
        generator: source of randomness.

    Returns:
        ``[T]``; may exceed full scale.

    Raises:
        Unscorable: the clip is silent, or too short to hold anything above 20 Hz.
    """
    return add_at_snr(clip, snr_db, lambda: pink_noise(clip.samples.shape[-1], clip.rate, generator))


def pink_noise(length: int, rate: int, generator: np.random.Generator) -> Array64:
    """Noise ``[T]`` with a power spectral density of 1/f from 20 Hz to half the rate; of any power.

    Reference:
        J. Timmer and M. König, On generating power law noise, Astronomy and Astrophysics 300, 1995: shaping in the
        frequency domain.
    """
    spectrum = np.fft.rfft(generator.standard_normal(length))
    frequencies = np.fft.rfftfreq(length, 1 / rate)
    audible = frequencies >= LOWEST_HZ
    spectrum[~audible] = 0
    spectrum[audible] /= np.sqrt(frequencies[audible])
    return np.asarray(np.fft.irfft(spectrum, length))


DEGRADATIONS.add(
    Degradation(
        name="pink_noise",
        title="Pink noise",
        summary="adds noise that falls by 3 dB an octave, at a given signal-to-noise ratio",
        citation="Timmer and König, Astronomy and Astrophysics 300, 1995",
        apply=add_pink_noise,
        unit="dB",
        suffix="dB",
        levels=(40.0, 30.0, 20.0, 10.0, 0.0),
        neutral=math.inf,
        limits=(-60.0, math.inf),
        harsher="lower",
    )
)
