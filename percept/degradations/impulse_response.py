"""The user's impulse response: a measured room, telephone or loudspeaker."""

from __future__ import annotations

import math

import numpy as np

from percept.degradations import DEGRADATIONS
from percept.degradations._mixing import convolve
from percept.dsp import at_rate
from percept.records import Degradation
from percept.schema import Array, Clip, Unscorable


def apply_response(clip: Clip, share: float, generator: np.random.Generator, impulse: Clip) -> Array:
    """Mix the clip with its convolution with an impulse response.

    Measured responses come with any delay, level and polarity. So the response's largest magnitude counts as no delay
    and as positive, and the convolved signal gets the clip's mean power before the two are mixed.

    Args:
        clip: mono ``[T]``.
        share: part of the convolved signal in the mix, 0 to 1; 0 changes nothing.
        generator: not used; nothing here is random.
        impulse: the response, mono ``[R]``, at any rate.

    Returns:
        ``[T]``, aligned with the input by the response's peak; may exceed full scale.

    Raises:
        Unscorable: the response, or what it leaves of the clip, is silent.
    """
    if share == 0:
        return clip.samples
    response = at_rate(impulse, clip.rate).samples.astype(np.float64)
    if not response.any():
        raise Unscorable("the impulse response is silent")
    origin = int(np.argmax(np.abs(response)))
    wet = convolve(clip.samples, response * np.sign(response[origin]), origin)
    dry = clip.samples.astype(np.float64)
    power = float(wet @ wet)
    if power == 0:
        raise Unscorable("the impulse response leaves nothing of the clip")
    wet *= math.sqrt(float(dry @ dry) / power)
    return np.asarray((1 - share) * dry + share * wet, dtype=np.float32)


DEGRADATIONS.add(
    Degradation(
        name="impulse_response",
        title="Impulse response",
        summary="convolves with the user's impulse response, mixed with the clip by a share",
        citation="convolution; aligned by the response's peak, at the clip's mean power",
        apply=apply_response,
        unit="share",
        levels=(1.0,),
        neutral=0.0,
        limits=(0.0, 1.0),
        harsher="higher",
        needs="impulse",
    )
)
