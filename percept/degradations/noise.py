"""White Gaussian noise, by its own strength or by the signal-to-noise ratio."""

from __future__ import annotations

import math

import numpy as np

from percept.degradations import DEGRADATIONS
from percept.degradations._mixing import add_at_snr
from percept.dsp import blocks, room
from percept.records import Degradation
from percept.schema import Array, Clip


def add_noise(clip: Clip, deviation: float, generator: np.random.Generator) -> Array:
    """Add white Gaussian noise.

    Args:
        clip: mono ``[T]``.
        deviation: standard deviation of the noise; full scale is 1, so 0.01 is -40 dB.
        generator: source of randomness.

    Returns:
        ``[T]``; may exceed full scale.
    """
    samples = room(clip.samples.size)
    for part in blocks(samples.size):  # the same numbers as all at once
        samples[part] = clip.samples[part] + deviation * generator.standard_normal(part.stop - part.start)
    return samples


def add_noise_by_snr(clip: Clip, snr_db: float, generator: np.random.Generator) -> Array:
    """Add white Gaussian noise of exactly the power that gives a signal-to-noise ratio over the whole clip.

    Args:
        clip: mono ``[T]``.
        snr_db: ratio of the mean powers of clip and noise, in dB; infinite: no noise.
        generator: source of randomness.

    Returns:
        ``[T]``; may exceed full scale.

    Raises:
        Unscorable: the clip is silent, so no noise has a ratio to it.
    """
    return add_at_snr(clip, snr_db, lambda: np.asarray(generator.standard_normal(clip.samples.shape[-1])))


DEGRADATIONS.add(
    Degradation(
        name="noise",
        title="White noise",
        summary="adds white Gaussian noise of a given standard deviation",
        citation="the published noise study's protocol (suprabha-ghosh/MRSP-Topic-4)",
        apply=add_noise,
        unit="standard deviation",
        levels=(0.001, 0.002, 0.005, 0.01, 0.02),
        neutral=0.0,
        limits=(0.0, 10.0),
        harsher="higher",
        walks=True,
    )
)
DEGRADATIONS.add(
    Degradation(
        name="noise_snr",
        title="White noise by SNR",
        summary="adds white Gaussian noise at a given signal-to-noise ratio",
        citation="signal-to-noise ratio of mean powers over the whole clip",
        apply=add_noise_by_snr,
        unit="dB",
        suffix="dB",
        levels=(40.0, 30.0, 20.0, 10.0, 0.0),
        neutral=math.inf,
        limits=(-60.0, math.inf),
        harsher="lower",
    )
)
