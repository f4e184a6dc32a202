"""Cutting a rendering to its sound, fading its ends and setting its level."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.float64]
PEAK_DBFS = -3.0
ONSET_DB = -40.0
MARGIN_S = 0.05


class ClipError(Exception):
    """A clip cannot be made; the message is one line for the user."""


def sounding_range(samples: Samples, rate_hz: int) -> tuple[int, int]:
    """Return the first and last frame of the sound itself, with a short margin on both sides.

    Args:
        samples: Frames by channels.
        rate_hz: Their sampling rate.

    Returns:
        The first frame and the one after the last.

    Raises:
        ClipError: There is no sound.
    """
    level = np.abs(samples).max(axis=1)
    if not level.any():
        raise ClipError("the rendering is silent")
    loud = np.flatnonzero(level > level.max() * 10 ** (ONSET_DB / 20))
    margin = round(MARGIN_S * rate_hz)
    return max(0, int(loud[0]) - margin), min(len(samples), int(loud[-1]) + margin)


def finish(samples: Samples, rate_hz: int, fade_s: float, length_s: float | None = None) -> Samples:
    """Trim the silence around a sound, fade its end and set its peak level.

    Args:
        samples: Frames by channels.
        rate_hz: Their sampling rate.
        fade_s: Length of the fade at the end.
        length_s: Length to cut to, or None to end where the sound ends.

    Returns:
        The finished samples.
    """
    start, end = sounding_range(samples, rate_hz)
    if length_s is not None:
        end = start + round(length_s * rate_hz)
    cut = samples[start:end].copy()
    fade = round(fade_s * rate_hz)
    cut[-fade:] *= np.cos(np.linspace(0, np.pi / 2, fade))[:, np.newaxis] ** 2
    finished: Samples = cut * (10 ** (PEAK_DBFS / 20) / np.abs(cut).max())
    return finished
