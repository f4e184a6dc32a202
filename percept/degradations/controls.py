"""Controls: a delay and a level, by which nothing is lost that a listener would miss."""

from __future__ import annotations

import numpy as np

from percept.degradations import DEGRADATIONS
from percept.records import Degradation
from percept.schema import Array, Clip


def shift_time(clip: Clip, delay_ms: float, generator: np.random.Generator) -> Array:
    """Delay the clip: silence comes in at the start, and as much is lost at the end.

    Args:
        clip: mono ``[T]``.
        delay_ms: in ms, rounded to whole samples; 0 changes nothing.
        generator: not used; nothing here is random.

    Returns:
        ``[T]``.
    """
    length = clip.samples.shape[-1]
    delay = min(round(delay_ms * clip.rate / 1000), length)
    return np.pad(clip.samples, (delay, 0))[:length]


def change_gain(clip: Clip, gain_db: float, generator: np.random.Generator) -> Array:
    """Make the clip quieter or louder.

    Args:
        clip: mono ``[T]``.
        gain_db: in dB; negative is quieter, 0 changes nothing.
        generator: not used; nothing here is random.

    Returns:
        ``[T]``; may exceed full scale.
    """
    return (clip.samples.astype(np.float64) * 10 ** (gain_db / 20)).astype(np.float32)


DEGRADATIONS.add(
    Degradation(
        name="time_shift",
        title="Time shift",
        summary="delays the clip; a control: nothing audible is lost",
        citation="delay by whole samples",
        apply=shift_time,
        unit="ms",
        suffix="ms",
        levels=(1.0, 5.0, 20.0, 100.0),
        neutral=0.0,
        limits=(0.0, 1000.0),
        harsher="higher",
        control=True,
    )
)
DEGRADATIONS.add(
    Degradation(
        name="gain",
        title="Gain",
        summary="makes the clip quieter or louder; a control: nothing audible is lost",
        citation="multiplication by a constant",
        apply=change_gain,
        unit="dB",
        suffix="dB",
        levels=(-3.0, -6.0, -12.0, -20.0),
        neutral=0.0,
        limits=(-60.0, 20.0),
        harsher="lower",
        control=True,
    )
)
