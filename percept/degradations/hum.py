"""Mains hum: 50 Hz and its harmonics."""

from __future__ import annotations

import math

import numpy as np

from percept.degradations import DEGRADATIONS
from percept.degradations._mixing import add_at_snr
from percept.records import Degradation
from percept.schema import Array, Array64, Clip

MAINS_HZ = 50.0
HARMONICS = 20
"""Up to 1 kHz, so that the hum is also heard where 50 Hz is not."""


def add_hum(clip: Clip, snr_db: float, generator: np.random.Generator) -> Array:
    """Add 50 Hz and its harmonics at an exact signal-to-noise ratio.

    Args:
        clip: mono ``[T]``.
        snr_db: ratio of the mean powers of clip and hum, in dB; infinite: no hum.
        generator: source of randomness: the phases.

    Returns:
        ``[T]``; may exceed full scale.

    Raises:
        Unscorable: the clip is silent.
    """
    return add_at_snr(clip, snr_db, lambda: hum(clip.samples.shape[-1], clip.rate, generator))


def hum(length: int, rate: int, generator: np.random.Generator) -> Array64:
    """Twenty harmonics of 50 Hz ``[T]``, the amplitude of each the inverse of its number, below half the rate.

    That is the Fourier series of a sawtooth, with random phases: what rectifiers put on supplies.
    """
    time = np.arange(length) / rate
    total = np.zeros(length)
    for number, phase in enumerate(generator.uniform(0, 2 * np.pi, HARMONICS), start=1):
        if number * MAINS_HZ < rate / 2:
            total += np.sin(2 * np.pi * number * MAINS_HZ * time + phase) / number
    return total


DEGRADATIONS.add(
    Degradation(
        name="hum",
        title="Mains hum",
        summary="adds 50 Hz and falling harmonics, at a given signal-to-noise ratio",
        citation="Fourier series with amplitudes 1/n",
        apply=add_hum,
        unit="dB",
        suffix="dB",
        levels=(40.0, 30.0, 20.0, 10.0, 0.0),
        neutral=math.inf,
        limits=(-60.0, math.inf),
        harsher="lower",
    )
)
