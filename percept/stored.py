"""Long recordings that stay in their file while others walk through them.

A pair of two hours takes 0.9 GB in memory, more than all else that a measure, an embedding or a codec needs.

Contents: `Stored`, `open_mono`.
"""

from __future__ import annotations

from pathlib import Path
from types import EllipsisType
from typing import Any, cast

import numpy as np

from percept import dsp, media
from percept.schema import Array, Clip

LONG = 2**24
"""Samples from which on a recording stays in its file: 17 minutes at 16 kHz."""
SEEKABLE = frozenset(("WAV", "WAVEX", "RF64", "W64", "AIFF", "FLAC"))
"""Formats in which any sample can be read without those before it, to the same last bit."""


class Stored:
    """The samples ``[T]`` of a file, read when a slice of them is asked for.

    Whatever else an array knows is answered by the whole array, read for the purpose: right, but as large as it is.

    Args:
        path: the file; its channels are averaged.
        frames: T.
    """

    ndim = 1
    dtype = np.dtype(np.float32)

    def __init__(self, path: Path, frames: int) -> None:
        self.path = path
        self.size = frames
        self.shape = (frames,)

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: slice | tuple[EllipsisType, slice]) -> Array:
        part = index[-1] if isinstance(index, tuple) else index
        if not isinstance(part, slice):
            return np.asarray(self)[index]
        start, stop, step = part.indices(self.size)
        samples = dsp.mono(media.read_part(self.path, start, stop))
        return samples if step == 1 else np.asarray(self)[part]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.asarray(self[:], dtype=dtype)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # or copying and pickling would read the file
            raise AttributeError(name)
        return getattr(np.asarray(self), name)

    def any(self) -> bool:
        """Whether a sample is not zero."""
        return any(bool(self[part].any()) for part in dsp.blocks(self.size))


def open_mono(path: Path) -> Clip:
    """As `percept.media.read_mono`, but a long recording stays in its file.

    Raises:
        Unreadable: as `percept.media.read`; the whole file is looked through at once.
    """
    facts = media.header(path)
    if facts.frames < LONG or facts.format not in SEEKABLE:
        return media.read_mono(path)
    frames = sum(block.shape[-1] for block in media.blocks(path))
    return Clip(cast(Array, Stored(path, frames)), facts.rate)
