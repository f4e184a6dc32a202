"""Distances of short-time spectra: multi-resolution STFT, log-mel.

Magnitudes and powers under -100 dB re a full-scale sine count as that, so that digital silence decides nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from percept.dsp import frame_blocks, power_spectrogram
from percept.metrics import METRICS
from percept.records import Metric
from percept.schema import Array64, Clip, Unscorable

STFT_SIZES = (512, 1024, 2048)
STFT_OVERLAP = 4
FLOOR_DB = -100.0
MEL_BANDS = 80
MEL_WINDOW_MS = 64
MEL_HOP_MS = 16


def mrstft(reference: Clip, degraded: Clip) -> float:
    """Spectral convergence plus mean absolute difference of the natural log magnitudes, mean of three resolutions.

    Windows of 512, 1024 and 2048 samples at any rate, a quarter of a window apart. Not symmetric: the convergence is
    the norm of the difference relative to the reference's.

    Args:
        reference: mono ``[T]``, not silent, at least 2048 samples.
        degraded: the same length.

    Raises:
        Unscorable: shorter than the longest window, or silent in all whole frames.

    Reference:
        R. Yamamoto, E. Song and J.-M. Kim, Parallel WaveGAN, ICASSP 2020, equations 4 to 7.
    """
    return float(np.mean([_stft_distance(reference, degraded, size) for size in sorted(STFT_SIZES, reverse=True)]))


def _stft_distance(reference: Clip, degraded: Clip, size: int) -> float:
    floor = 10 ** (FLOOR_DB / 20)
    whole = difference = logs = 0.0
    count = 0
    for ours, theirs in _powers(reference, degraded, size, size // STFT_OVERLAP):
        ours, theirs = np.sqrt(ours), np.sqrt(theirs)
        whole += float(np.sum(ours**2))
        difference += float(np.sum((ours - theirs) ** 2))
        logs += float(np.abs(np.log(np.maximum(ours, floor)) - np.log(np.maximum(theirs, floor))).sum())
        count += ours.size
    if not whole:
        raise Unscorable("the reference is silent in every whole frame")
    return math.sqrt(difference / whole) + logs / count


def logmel_distance(reference: Clip, degraded: Clip) -> float:
    """Mean absolute difference of the powers in 80 mel bands up to half the rate, in dB, over bands and frames.

    Args:
        reference: mono ``[T]``, at least one window of 64 ms.
        degraded: the same length.

    Raises:
        Unscorable: shorter than one window.

    Reference:
        S. B. Davis and P. Mermelstein, Comparison of Parametric Representations, IEEE TASSP 28(4), 1980.
        Mel scale: D. O'Shaughnessy, Speech Communication, 1987.
    """
    window, hop = (round(reference.rate * length / 1000) for length in (MEL_WINDOW_MS, MEL_HOP_MS))
    bank = _mel_bank(window, reference.rate)
    floor = 10 ** (FLOOR_DB / 10)
    total, count = 0.0, 0
    for powers in _powers(reference, degraded, window, hop):
        ours, theirs = (10 * np.log10(np.maximum(power @ bank, floor)) for power in powers)
        total += float(np.abs(ours - theirs).sum())
        count += ours.size
    return total / count


def _powers(reference: Clip, degraded: Clip, window: int, hop: int) -> Iterator[tuple[Array64, Array64]]:
    """Power spectrograms of both ``[F, window // 2 + 1]``, block by block; a full-scale sine has 1 in its bin."""
    # The Hann window's mean is 1/2, and half of a sine's amplitude is at negative frequencies.
    full_scale = (window / 4) ** 2
    for part in frame_blocks(reference.samples.size, window, hop):
        ours, theirs = (power_spectrogram(clip.samples[part], window, hop) for clip in (reference, degraded))
        yield ours / full_scale, theirs / full_scale


def _mel_bank(window: int, rate: int) -> Array64:
    """Triangles of height 1, evenly spaced in mel: ``[window // 2 + 1, 80]``."""
    highest = 2595 * math.log10(1 + rate / 2 / 700)
    edges = 700 * (10 ** (np.linspace(0, highest, MEL_BANDS + 2) / 2595) - 1)
    bins = np.arange(window // 2 + 1)[:, None] * rate / window
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    return np.clip(np.minimum(rising, falling), 0, None)


METRICS.add(
    Metric(
        name="mrstft",
        title="Multi-resolution STFT distance",
        summary="difference of magnitudes and log magnitudes at three resolutions",
        citation="Yamamoto, Song and Kim, ICASSP 2020",
        compute=mrstft,
        unit="",
        range=(0.0, math.inf),
        perfect=0.0,
        higher_is_better=False,
        group="signal",
        differentiable=True,
    )
)
METRICS.add(
    Metric(
        name="logmel_distance",
        title="Log-mel distance",
        summary="mean absolute difference of the powers in 80 mel bands",
        citation="Davis and Mermelstein, IEEE TASSP 28(4), 1980",
        compute=logmel_distance,
        unit="dB",
        range=(0.0, math.inf),
        perfect=0.0,
        higher_is_better=False,
        group="signal",
        symmetric=True,
        differentiable=True,
    )
)
