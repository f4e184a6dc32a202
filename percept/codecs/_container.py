"""The minimal file of a neural codec, so that headers count alike: nothing that the decoder knows is written.

Layout (little endian):
    ====== ===== =========================================================================
    offset bytes
    ====== ===== =========================================================================
    0      4     the letters ``PNCF``
    4      1     version of this layout, 1
    5      1     number of the network, from `percept.codecs.neural`
    6      1     codebooks K
    7      1     channels C of the clip
    8      4     sample rate of the clip, Hz
    12     4     samples T of the clip, a channel
    16     4·S   scales, float32, one a chunk where the network normalises; else none
    16+4·S       codes, b bits each, most significant bit first, packed without gaps; by chunk, then stream,
                 codebook, frame; the last byte is filled with zeros
    ====== ===== =========================================================================

    How many chunks, streams and frames there are, and b, follow from the network and T.

Contents: `Header`, `pack`, `unpack`.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from percept.schema import Array, PerceptError

if TYPE_CHECKING:
    Codes: TypeAlias = np.ndarray[tuple[int, ...], np.dtype[np.int64]]

MAGIC, VERSION = b"PNCF", 1
LAYOUT = struct.Struct("<4s4B2I")


@dataclass(frozen=True)
class Header:
    """What a decoder must be told: number of the network, codebooks, and channels, rate and length of the clip."""

    network: int
    codebooks: int
    channels: int
    rate: int
    samples: int


def pack(header: Header, codes: Sequence[Codes], scales: Array, bits: int) -> bytes:
    """A whole file.

    Args:
        header: its facts.
        codes: one array of any shape a chunk, each value in [0, 2^bits).
        scales: float32 ``[S]``; may be empty.
        bits: bits of a code.
    """
    flat = np.concatenate([chunk.reshape(-1) for chunk in codes])
    places = np.arange(bits - 1, -1, -1)
    packed = np.packbits((flat[:, None] >> places & 1).astype(np.uint8))
    return LAYOUT.pack(MAGIC, VERSION, *astuple(header)) + scales.astype("<f4").tobytes() + packed.tobytes()


def read_header(content: bytes) -> Header:
    """The facts at the beginning of a file.

    Raises:
        PerceptError: when it is no such file.
    """
    if len(content) < LAYOUT.size:
        raise PerceptError(f"{len(content)} bytes are no neural codec file; its header alone has {LAYOUT.size}")
    magic, version, *facts = LAYOUT.unpack_from(content)
    if magic != MAGIC or version != VERSION:
        raise PerceptError(f"not a neural codec file: it begins with {content[:5]!r}, expected {MAGIC!r} and {VERSION}")
    return Header(*facts)


def unpack(content: bytes, shapes: Sequence[tuple[int, ...]], scales: int, bits: int) -> tuple[list[Codes], Array]:
    """Codes, in the shapes asked for, and scales of a file.

    Raises:
        PerceptError: when the file has another length than its header promises.
    """
    sizes = [int(np.prod(shape)) for shape in shapes]
    start = LAYOUT.size + 4 * scales
    promised = start + -(-sum(sizes) * bits // 8)
    if len(content) != promised:
        raise PerceptError(f"the neural codec file has {len(content)} bytes; its header promises {promised}")
    digits = np.unpackbits(np.frombuffer(content, np.uint8, offset=start), count=sum(sizes) * bits)
    values = digits.reshape(-1, bits).astype(np.int64) @ (1 << np.arange(bits - 1, -1, -1))
    parts = np.split(values, np.cumsum(sizes)[:-1])
    codes = [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]
    return codes, np.frombuffer(content, "<f4", count=scales, offset=LAYOUT.size).astype(np.float32)
