"""What every codec does with its clip: look at it, change its rate and back without a shift, tell what it spent.

Conventions:
    Inside a codec audio is always ``[C, T]``, float32. A rate in kbit/s is that of all channels together.

Contents: `channels`, `at_rate`, `restored`, `rates`.
"""

from __future__ import annotations

from math import ceil, gcd
from typing import Any

import numpy as np

from percept import dsp
from percept.schema import Array, Array64, Clip, Unscorable

MOST_CHANNELS = 2
OVERHANG = 512
"""Samples by which a clip is continued at both ends, mirrored and faded: a discrete spectrum takes its end and its
beginning for neighbours, and a clip that begins at full level would ring beyond its first sample, where it is cut."""


def channels(clip: Clip) -> Array:
    """The clip as ``[C, T]``.

    Raises:
        Unscorable: when it has no samples, some that are not finite, or more than two channels.
    """
    samples = np.atleast_2d(clip.samples)
    if samples.shape[-1] == 0:
        raise Unscorable("the clip has no samples")
    if samples.shape[0] > MOST_CHANNELS:
        raise Unscorable(f"the clip has {samples.shape[0]} channels; codecs take 1 or {MOST_CHANNELS}")
    if not np.isfinite(samples).all():
        raise Unscorable("the clip has samples that are not finite")
    return samples


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
