"""What every codec does with its clip: look at it, change its rate and back without a shift, tell what it spent.

Conventions:
    Inside a codec audio is always ``[C, T]``, float32. A rate in kbit/s is that of all channels together.

Contents: `check`, `channels`, `at_rate`, `resampled`, `fitted`, `restored`, `rates`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import ceil, gcd
from typing import Any

import numpy as np

from percept import dsp
from percept.schema import Array, Array64, Clip, Unscorable

MOST_CHANNELS = 2
OVERHANG = 512
"""Samples by which a clip is continued at both ends, mirrored and faded: a discrete spectrum takes its end and its
beginning for neighbours, and a clip that begins at full level would ring beyond its first sample, where it is cut."""
WHOLE = 2**24
"""Samples, at the higher of two rates, up to which a clip is resampled as a whole: 5.8 minutes at 48 kHz."""
PIECE = 2**19
"""Samples of a piece of a longer one."""
REACH = 2**15
"""Samples of its neighbours that a piece is resampled with. What comes out differs from the whole's at the very edge of
the band alone: by -58 dB (root mean square) of white noise, by -80 dB of speech."""


def check(clip: Clip) -> int:
    """The number of the clip's channels.

    Raises:
        Unscorable: when it has no samples, some that are not finite, or more than two channels.
    """
    count = clip.samples.shape[0] if clip.samples.ndim > 1 else 1
    if clip.samples.shape[-1] == 0:
        raise Unscorable("the clip has no samples")
    if count > MOST_CHANNELS:
        raise Unscorable(f"the clip has {count} channels; codecs take 1 or {MOST_CHANNELS}")
    if dsp.not_finite(clip.samples):
        raise Unscorable("the clip has samples that are not finite")
    return count


def channels(clip: Clip) -> Array:
    """The clip as ``[C, T]``, checked."""
    check(clip)
    return np.atleast_2d(clip.samples)


def at_rate(samples: Array, old_rate: int, new_rate: int) -> Array:
    """``[C, T]`` resampled to ``[C, ceil(T · new/old)]``, aligned: sample 0 stays sample 0.

    By zeros in, or cuts from, the spectrum of the whole clip. The filter of `percept.dsp.resample` takes the uppermost
    twelfth of the band with it, which here would pass for a loss by the codec.
    """
    if old_rate == new_rate:
        return samples
    length = ceil(samples.shape[-1] * new_rate / old_rate)
    divisor = gcd(old_rate, new_rate)
    old_step, new_step = old_rate // divisor, new_rate // divisor
    steps = _round_number(ceil((samples.shape[-1] + 2 * OVERHANG) / old_step))
    spectrum = np.fft.rfft(_continued(samples, steps * old_step))
    bins = min(spectrum.shape[-1], steps * new_step // 2 + 1)
    changed = np.fft.irfft(spectrum[..., :bins], steps * new_step) * (new_step / old_step)
    return np.asarray(changed[..., :length], dtype=np.float32)


def resampled(parts: Iterable[Array], length: int, old_rate: int, new_rate: int) -> Iterator[Array]:
    """What `at_rate` makes of a signal that comes in parts, in other parts.

    The same samples up to `WHOLE`; a longer signal is resampled in pieces that overlap, see `REACH`.

    Args:
        parts: ``[C, T]`` each.
        length: samples of all parts.
        old_rate: their rate.
        new_rate: the wanted rate.
    """
    if old_rate == new_rate:
        yield from parts
    elif max(length, length * new_rate // old_rate) <= WHOLE:
        yield at_rate(np.concatenate(list(parts), axis=1), old_rate, new_rate)
    else:
        step = old_rate // gcd(old_rate, new_rate)
        for piece, begin, count in _overlapping(parts, ceil(PIECE / step) * step, ceil(REACH / step) * step):
            skipped = begin * new_rate // old_rate
            yield at_rate(piece, old_rate, new_rate)[:, skipped : skipped + ceil(count * new_rate / old_rate)]


def _overlapping(parts: Iterable[Array], size: int, reach: int) -> Iterator[tuple[Array, int, int]]:
    """Pieces with up to `reach` samples of their neighbours, where each begins, and how many samples it has.

    Each begins where the one before it ended; all have `size` samples but the last, which has the rest.
    """
    held: list[Array] = []
    count = begin = 0
    for part in parts:
        held.append(part)
        count += part.shape[-1]
        while count >= begin + size + reach:
            together = np.concatenate(held, axis=1)
            yield together[:, : begin + size + reach], begin, size
            held = [together[:, begin + size - reach :]]
            count, begin = held[0].shape[-1], reach
    if count > begin:
        yield np.concatenate(held, axis=1), begin, count - begin


def fitted(parts: Iterable[Array], skipped: int, length: int, channels: int) -> Iterator[Array]:
    """A signal ``[C, T]`` in parts without its first samples, cut, or filled with zeros at the end, to `length`."""
    missing = length
    for part in parts:
        here = part[:, skipped : skipped + missing]
        skipped = max(0, skipped - part.shape[-1])
        missing -= here.shape[-1]
        if here.size:
            yield here
    if missing:
        yield np.zeros((channels, missing), dtype=np.float32)


def _continued(samples: Array, length: int) -> Array64:
    """``[C, T]`` in `length` samples: the clip, its continuation, zeros, and the continuation before its beginning."""
    ramp = np.sin(np.pi / 2 * np.arange(OVERHANG) / OVERHANG) ** 2
    whole = np.pad(samples.astype(np.float64), ((0, 0), (OVERHANG, OVERHANG)), mode="reflect")
    whole[:, :OVERHANG] *= ramp
    whole[:, -OVERHANG:] *= ramp[::-1]
    return np.roll(np.pad(whole, ((0, 0), (0, length - whole.shape[-1]))), -OVERHANG, axis=-1)


def _round_number(least: int) -> int:
    """The smallest number from `least` on whose only factors are 2, 3 and 5, for a fast transform."""
    powers: list[int] = [3**i * 5**j for i in range(21) for j in range(15)]
    return min(int(power) << (ceil(least / power) - 1).bit_length() for power in powers)


def restored(decoded: Array, rate: int, clip: Clip) -> Array:
    """What was decoded at `rate`, ``[C, T']``, in the shape and at the rate of the clip that was coded."""
    length = clip.samples.shape[-1]
    rows = [dsp.fit_length(row, length) for row in at_rate(decoded, rate, clip.rate)]
    return np.stack(rows).astype(np.float32).reshape(clip.samples.shape)


def rates(clip: Clip, kbps: float, payload_bits: int, file_bits: int) -> dict[str, Any]:
    """The rate that was asked for and those that came out, in kbit/s, for `percept.records.Coded.facts`."""
    return {
        "requested_kbps": kbps,
        "achieved_kbps": round(payload_bits / clip.seconds / 1000, 3),
        "file_kbps": round(file_bits / clip.seconds / 1000, 3),
    }
