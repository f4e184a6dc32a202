"""Clipping: peaks cut off flat, as by an overloaded input."""

from __future__ import annotations

import numpy as np

from percept.degradations import DEGRADATIONS
from percept.dsp import peak
from percept.records import Degradation
from percept.schema import Array, Clip


def clip_peaks(clip: Clip, depth_db: float, generator: np.random.Generator) -> Array:
    """Limit every sample to a level below the clip's own peak.

    Relative to the peak, so that a level does the same to a quiet clip as to a loud one. What stays under the limit
    keeps its value; the clip is not made louder again.

    Args:
        clip: mono ``[T]``.
        depth_db: how far the limit lies below the largest magnitude, in dB; 0 changes nothing.
        generator: not used; nothing here is random.

    Returns:
        ``[T]``.

    Reference:
        Tan, Moore and Zacharov, The Effect of Nonlinear Distortion on the Perceived Quality of Music and Speech
        Signals, JAES 51(11), 2003: hard, symmetrical clipping.
    """
    limit = peak(clip.samples) * 10 ** (-depth_db / 20)
    return np.clip(clip.samples, -limit, limit).astype(np.float32)


DEGRADATIONS.add(
    Degradation(
        name="clipping",
        title="Clipping",
        summary="cuts off everything above a level below the clip's peak",
        citation="Tan, Moore and Zacharov, JAES 51(11), 2003",
        apply=clip_peaks,
        unit="dB below peak",
        suffix="dB",
        levels=(3.0, 6.0, 12.0, 20.0),
        neutral=0.0,
        limits=(0.0, 60.0),
        harsher="higher",
    )
)
