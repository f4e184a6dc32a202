"""Reverberation of a synthetic room: noise that dies away exponentially."""

from __future__ import annotations

import math

import numpy as np

from percept.degradations import DEGRADATIONS
from percept.degradations._mixing import convolve
from percept.records import Degradation
from percept.schema import Array, Array64, Clip

EQUAL_AT_S = 1.0
"""Reverberation time at which the reverberant sound has as much energy as the direct one."""
LENGTH = 1.5
"""Reverberation times that the response lasts: down to -90 dB."""


def add_reverb(clip: Clip, seconds: float, generator: np.random.Generator) -> Array:
    """Convolve with the response of a synthetic room.

    Args:
        clip: mono ``[T]``.
        seconds: reverberation time, in which the sound decays by 60 dB; 0 changes nothing.
        generator: source of randomness: the room. The same seed gives the same reflections at every level, dying
            away faster or slower.

    Returns:
        ``[T]``, aligned with the input: the direct sound arrives first, with gain 1. May exceed full scale.
    """
    response = room_response(seconds, clip.rate, generator)
    return convolve(clip.samples, response[: clip.samples.shape[-1]], 0).astype(np.float32)


def room_response(seconds: float, rate: int, generator: np.random.Generator) -> Array64:
    """A direct sound of 1, then Gaussian noise that decays by 60 dB in the reverberation time.

    The ratio of direct to reverberant energy is ``1 s / reverberation time``: 7 dB at 0.2 s, 0 dB at 1 s. So it is
    in a room where only the walls' absorption changes, with the listener where both are equal at 1 s.

    Args:
        seconds: reverberation time; 0: the direct sound alone.
        rate: samples per second.
        generator: source of randomness.

    Returns:
        ``[R]`` with R = 1 + 1.5 reverberation times.

    Reference:
        J.-D. Polack, La transmission de l'énergie sonore dans les salles, 1988: decaying noise as a model of late
        reverberation. H. Kuttruff, Room Acoustics, 6th edition, 2016, section 5.1: the diffuse field's energy grows
        with the reverberation time.
    """
    length = round(LENGTH * seconds * rate)
    if length == 0:
        return np.ones(1)
    time = np.arange(1, length + 1) / rate
    tail = generator.standard_normal(length) * np.exp(-3 * math.log(10) * time / seconds)
    tail *= math.sqrt(seconds / EQUAL_AT_S / float(tail @ tail))
    return np.concatenate([[1.0], tail])


DEGRADATIONS.add(
    Degradation(
        name="reverb",
        title="Reverberation",
        summary="convolves with decaying noise, by its reverberation time",
        citation="Polack, La transmission de l'énergie sonore dans les salles, 1988",
        apply=add_reverb,
        unit="s",
        suffix="s",
        levels=(0.2, 0.5, 1.0),
        neutral=0.0,
        limits=(0.0, 20.0),
        harsher="higher",
    )
)
