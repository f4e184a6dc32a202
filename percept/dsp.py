"""Signal processing on plain arrays: mixing, resampling, levels, quantising, short-time spectra.

Conventions:
    Audio is float32 in [-1, 1] at full scale, ``[T]`` or ``[C, T]``; levels are in dB relative to full scale.
    Nothing here opens a file or imports torch.

    Two hours at 16 kHz are 115 million samples: what is larger than the clip itself is made block by block.

Contents: `blocks`, `equal_parts`, `room`, `mono`, `resample`, `resampled`, `fit_length`, `peak`, `not_finite`,
`to_pcm16`, `power_spectrogram`, `frame_blocks`.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterable, Iterator
from itertools import pairwise
from math import gcd, prod

import numpy as np

from percept.schema import Array, Array64, Clip, Unscorable

PCM16_STEPS = 32768
"""Quantisation steps of 16-bit audio from 0 to full scale."""

BLOCK = 2**20
"""Samples of a block: a minute at 16 kHz, 8 MB in double precision."""
FRAMED = 2**21
"""Samples of the frames of a block, overlaps counted twice: 16 MB in double precision, 32 s at least at 16 kHz."""


def blocks(length: int, size: int | None = None) -> Iterator[slice]:
    """Neighbouring slices of at most `size` samples (None: `BLOCK`) that cover `length` samples."""
    size = size or BLOCK
    for start in range(0, length, size):
        yield slice(start, min(start + size, length))


def equal_parts(length: int, count: int) -> list[slice]:
    """`count` neighbouring slices that cover `length` samples, as equal as can be, the longer ones first."""
    each, more = divmod(length, count)
    ends = [each * index + min(index, more) for index in range(count + 1)]
    return [slice(*bounds) for bounds in pairwise(ends)]


def room(*shape: int) -> Array:
    """An array with whatever is in it; a large one has memory of its own, which the system gets back with it.

    Workers keep freed memory for the next array (see `percept.runner`). Where something small has settled there, a
    long clip no longer fits, and the room of the one before it would be lost.
    """
    size = prod(shape)
    if size <= FRAMED:
        return np.empty(shape, dtype=np.float32)
    private = mmap.mmap(-1, size * np.dtype(np.float32).itemsize, access=mmap.ACCESS_COPY)
    return np.frombuffer(private, dtype=np.float32).reshape(shape)


def mono(samples: Array) -> Array:
    """The mean of the channels.

    The mean, not the sum: a clip that is the same in both channels keeps its level, and nothing can clip.

    Args:
        samples: ``[T]`` or ``[C, T]``.

    Returns:
        ``[T]``.
    """
    if samples.ndim == 1 or samples.shape[0] == 1:
        return samples if samples.ndim == 1 else samples[0]
    mean = room(samples.shape[-1])
    for part in blocks(mean.size):
        mean[part] = samples[:, part].mean(axis=0, dtype=np.float64)
    return mean


def resample(samples: Array, old_rate: float, new_rate: float) -> Array:
    """Change the sample rate with soxr's very-high-quality linear-phase filter, without delay.

    Args:
        samples: ``[T]``.
        old_rate: present rate; only the ratio of the rates matters.
        new_rate: wanted rate.

    Returns:
        ``[T']`` with T' = T·new/old, rounded by soxr.

    Reference:
        The SoX resampler library, https://sourceforge.net/p/soxr/wiki/Home/.
    """
    if old_rate == new_rate:
        return samples
    import soxr

    return np.asarray(soxr.resample(samples, old_rate, new_rate, quality="VHQ"), dtype=np.float32)


def resampled(parts: Iterable[Array], old_rate: float, new_rate: float) -> Iterator[Array]:
    """What `resample` makes of a signal that comes in parts: the same samples to the last bit, in other parts.

    Args:
        parts: the signal, ``[T]`` each, of any lengths.
        old_rate: present rate; only the ratio of the rates matters.
        new_rate: wanted rate.
    """
    if old_rate == new_rate:
        yield from parts
        return
    import soxr

    stream = soxr.ResampleStream(old_rate, new_rate, 1, dtype="float32", quality="VHQ")
    for part in parts:
        yield stream.resample_chunk(np.ascontiguousarray(part, dtype=np.float32))
    yield stream.resample_chunk(np.zeros(0, dtype=np.float32), last=True)


def at_rate(clip: Clip, rate: int | None) -> Clip:
    """The clip at `rate` Hz (None: as it is)."""
    if rate is None or rate == clip.rate:
        return clip
    divisor = gcd(rate, clip.rate)
    return Clip(resample(clip.samples, clip.rate // divisor, rate // divisor), rate)


def fit_length(samples: Array, length: int) -> Array:
    """`samples` ``[T]`` cut, or filled with zeros at the end, to `length` samples."""
    missing = length - samples.shape[-1]
    return np.pad(samples, (0, missing)) if missing > 0 else samples[:length]


def peak(samples: Array) -> float:
    """The largest magnitude of ``[T]`` or ``[C, T]``; 0 for an empty array."""
    return float(np.max([np.max(np.abs(samples[..., part])) for part in blocks(samples.shape[-1])], initial=0))


def not_finite(samples: Array) -> int:
    """How many samples of ``[T]`` or ``[C, T]`` are NaN or infinite."""
    return sum(int(np.count_nonzero(~np.isfinite(samples[..., part]))) for part in blocks(samples.shape[-1]))


def to_pcm16(samples: Array) -> np.ndarray[tuple[int, ...], np.dtype[np.int16]]:
    """16-bit integers; values that 16-bit audio read as ``integer / 32768`` holds come back exactly.

    Args:
        samples: ``[T]``; beyond ±1 it saturates, so look at `peak` first.
    """
    steps = np.round(samples.astype(np.float64) * PCM16_STEPS)
    return np.clip(steps, -PCM16_STEPS, PCM16_STEPS - 1).astype(np.int16)


def power_spectrogram(samples: Array, window: int, hop: int) -> Array64:
    """Power of the short-time Fourier transform with a periodic Hann window and no padding.

    Args:
        samples: ``[T]`` with T ≥ window.
        window: samples a frame.
        hop: samples from one frame to the next.

    Returns:
        ``[F, window // 2 + 1]`` with F = 1 + (T - window) // hop.

    Raises:
        Unscorable: when the clip is shorter than one window.
    """
    if samples.shape[-1] < window:
        raise Unscorable(f"{samples.shape[-1]} samples are fewer than one analysis window of {window}")
    frames = np.lib.stride_tricks.sliding_window_view(samples.astype(np.float64), window)[::hop]
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)
    spectrum = np.fft.rfft(frames * hann)
    return np.asarray(spectrum.real**2 + spectrum.imag**2)


def frame_blocks(length: int, window: int, hop: int) -> Iterator[slice]:
    """Overlapping slices of `length` samples that hold some frames each, and together every whole frame once.

    The power spectrograms of the slices, one after the other, are that of the whole.

    Args:
        length: samples of the clip.
        window: samples a frame.
        hop: samples from one frame to the next.
    """
    frames = max(1, 1 + (length - window) // hop)  # of a clip without a frame, all: `power_spectrogram` refuses it
    for part in blocks(frames, max(1, FRAMED // window)):
        yield slice(part.start * hop, (part.stop - 1) * hop + window)
