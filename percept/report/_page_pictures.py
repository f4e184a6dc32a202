"""Small pictures of sounds: spectrograms as PNG, outlines of waveforms as numbers.

Contents: `spectrogram`, `outline`.
"""

from __future__ import annotations

import base64
import io

import numpy as np

from percept.dsp import frame_blocks, power_spectrogram
from percept.schema import Array, Array64, Unscorable

WIDTH, HEIGHT = 720, 128
WINDOW_S = 0.032
RANGE_DB = 80.0
"""Below the reference's maximum, where the picture is darkest."""
POINTS = 720


def spectrogram(samples: Array, rate: int, top_db: float | None = None) -> tuple[str, float]:
    """A spectrogram as base64 of a PNG of `WIDTH` × `HEIGHT`, low frequencies at the bottom.

    A pixel shows the most that the frames and bins under it have: nothing that sounds is skipped.

    Args:
        samples: ``[T]``.
        rate: samples per second.
        top_db: level of the brightest colour, so that versions of a clip can be compared; None: its own maximum.

    Returns:
        The picture, and the level of its brightest colour. Of a clip shorter than a window, an empty text.
    """
    from PIL import Image

    window = 2 * round(rate * WINDOW_S / 2)
    try:
        power = _columns(samples, window)
    except Unscorable:
        return "", top_db or 0.0
    level = 10 * np.log10(np.maximum(power, 1e-12))
    top = float(level.max()) if top_db is None else top_db
    shade = np.clip((level - top) / RANGE_DB + 1, 0, 1)
    rows = np.array_split(np.arange(shade.shape[1]), HEIGHT)
    picture = np.stack([shade[:, own].max(axis=1) for own in rows if own.size])[::-1]
    image = Image.fromarray(np.uint8(255 * picture), mode="L").resize((WIDTH, HEIGHT)).quantize(32)
    image.putpalette(_palette(image.getpalette() or []))
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    return base64.b64encode(file.getvalue()).decode(), top


def _columns(samples: Array, window: int) -> Array64:
    """Power of frames at most half a window apart, the greatest of neighbours: ``[<= WIDTH, bins]``."""
    hop = min(window // 2, max(1, (samples.size - window) // (WIDTH - 1)))
    frames = max(1, 1 + (samples.size - window) // hop)
    found = np.zeros((min(WIDTH, frames), window // 2 + 1))
    at = 0
    for part in frame_blocks(samples.size, window, hop):
        power = power_spectrogram(samples[part], window, hop)
        column = (at + np.arange(len(power))) * len(found) // frames
        starts = np.flatnonzero(np.diff(column, prepend=-1))
        most = np.maximum.reduceat(power, starts, axis=0)
        found[column[starts]] = np.maximum(found[column[starts]], most)
        at += len(power)
    return found


def _palette(greys: list[int]) -> list[int]:
    """The colours of matplotlib's map "magma" for an image's greys."""
    from matplotlib import colormaps

    shades = np.asarray(greys[::3], dtype=np.float64) / 255
    colours = np.uint8(255 * colormaps["magma"](shades)[:, :3])
    return [int(value) for value in colours.ravel()]


def outline(samples: Array) -> str:
    """Least and greatest sample of `POINTS` neighbouring parts, as base64 of signed bytes: full scale is 127."""
    parts = [part for part in np.array_split(samples, POINTS) if part.size]
    ends = np.array([(part.min(), part.max()) for part in parts]).ravel()
    return base64.b64encode(np.int8(np.clip(np.round(127 * ends), -127, 127)).tobytes()).decode()
