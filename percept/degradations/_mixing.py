"""What several degradations do with a clip: add a noise at an exact ratio, and convolve without delay."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from percept.schema import Array, Array64, Clip, Unscorable


def add_at_snr(clip: Clip, snr_db: float, make_noise: Callable[[], Array64]) -> Array:
    """Add a noise, scaled to exactly the power that gives a signal-to-noise ratio over the whole clip.

    Args:
        clip: mono ``[T]``.
        snr_db: ratio of the mean powers of clip and noise, in dB; infinite: no noise.
        make_noise: gives the noise ``[T]`` at any level; not called when there is nothing to add.

    Returns:
        ``[T]``; may exceed full scale.

    Raises:
        Unscorable: the clip is silent, or the noise is.
    """
    signal_power = float(np.mean(clip.samples.astype(np.float64) ** 2))
    if signal_power == 0:
        raise Unscorable("the clip is silent: no noise has a signal-to-noise ratio to it")
    if math.isinf(snr_db):
        return clip.samples
    noise = make_noise()
    noise_power = float(np.mean(noise**2))
    if noise_power == 0:
        raise Unscorable("the clip is too short for any of this noise to fall into it")
    noise = noise * math.sqrt(signal_power / 10 ** (snr_db / 10) / noise_power)
    return (clip.samples + noise).astype(np.float32)


def convolve(samples: Array, response: Array64, origin: int) -> Array64:
    """Convolution of a signal with a response, cut to the signal's length.

    Args:
        samples: ``[T]``.
        response: ``[R]``.
        origin: place in the response that counts as no delay; what lies before it comes early.

    Returns:
        ``[T]``.
    """
    from scipy.signal import oaconvolve

    whole = oaconvolve(samples.astype(np.float64), response)
    return np.asarray(whole[origin : origin + samples.shape[-1]], dtype=np.float64)
