"""Signal processing on plain arrays: mixing, resampling, levels, quantising, short-time spectra.

Conventions:
    Audio is float32 in [-1, 1] at full scale, ``[T]`` or ``[C, T]``; levels are in dB relative to full scale.
    Nothing here opens a file or imports torch.

Contents: `mono`, `resample`, `fit_length`, `peak`, `loudness`, `to_pcm16`, `power_spectrogram`.
"""

from __future__ import annotations

from math import gcd

import numpy as np

from percept.schema import Array, Array64, Clip, Unscorable

PCM16_STEPS = 32768
"""Quantisation steps of 16-bit audio from 0 to full scale."""

LOUDNESS_BLOCK_S = 0.4
"""ITU-R BS.1770 measures loudness in blocks of 400 ms; a shorter clip has none."""
LOUDNESS_CHANNELS = 5


def mono(samples: Array) -> Array:
    """The mean of the channels.

    The mean, not the sum: a clip that is the same in both channels keeps its level, and nothing can clip.

    Args:
        samples: ``[T]`` or ``[C, T]``.

    Returns:
        ``[T]``.
    """
    return samples if samples.ndim == 1 else samples.mean(axis=0, dtype=np.float64).astype(np.float32)


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
    """The largest magnitude; 0 for an empty array."""
    return float(np.max(np.abs(samples))) if samples.size else 0.0


def loudness(clip: Clip) -> float | None:
    """Integrated loudness in LUFS; None for silence, less than 0.4 s, or more than the standard's five channels.

    Reference:
        ITU-R BS.1770-4, Algorithms to measure audio programme loudness, 2015.
    """
    channels = 1 if clip.samples.ndim == 1 else clip.samples.shape[0]
    if clip.seconds < LOUDNESS_BLOCK_S or peak(clip.samples) == 0 or channels > LOUDNESS_CHANNELS:
        return None
    import pyloudnorm

    value = float(pyloudnorm.Meter(clip.rate).integrated_loudness(clip.samples.T.astype(np.float64)))
    return value if np.isfinite(value) else None


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
