"""Measures of the waveform and its spectrum: SNR, SI-SDR, log-spectral distance."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from percept.dsp import blocks, frame_blocks, power_spectrogram
from percept.metrics import METRICS
from percept.records import Metric
from percept.schema import Array64, Clip, Unscorable

LSD_WINDOW_MS = 32
LSD_HOP_MS = 16
LSD_FLOOR_DB = -100.0
"""Powers under this level re full scale count as this level, so that digital silence does not decide the distance."""


def snr(reference: Clip, degraded: Clip) -> float:
    """Signal-to-noise ratio in dB, the difference of the two being the noise; infinite on identical input.

    Args:
        reference: mono ``[T]``, not silent.
        degraded: the same length.
    """
    signal = noise = 0.0
    for ours, theirs in _blocks(reference, degraded):
        rest = theirs - ours
        signal += float(ours @ ours)
        noise += float(rest @ rest)
    return _ratio_db(signal, noise)


def si_sdr(reference: Clip, degraded: Clip) -> float:
    """Scale-invariant signal-to-distortion ratio in dB; infinite when one is a multiple of the other.

    The means are not removed (the paper's definition). It depends on the angle between the two alone, so it is
    symmetric.

    Args:
        reference: mono ``[T]``, not silent.
        degraded: the same length.

    Raises:
        Unscorable: the degraded clip is silent.

    Reference:
        J. Le Roux et al., SDR - half-baked or well done?, ICASSP 2019, equation 3.
    """
    if not degraded.samples.any():
        raise Unscorable("the degraded clip is silent")
    if all(np.array_equal(ours, theirs) for ours, theirs in _blocks(reference, degraded)):
        return math.inf
    products = np.sum([(theirs @ ours, ours @ ours) for ours, theirs in _blocks(reference, degraded)], axis=0)
    scale = products[0] / products[1]
    wanted = distortion = 0.0
    for ours, theirs in _blocks(reference, degraded):
        target = scale * ours
        rest = theirs - target
        wanted += float(target @ target)
        distortion += float(rest @ rest)
    return _ratio_db(wanted, distortion)


def log_spectral_distance(reference: Clip, degraded: Clip) -> float:
    """Root mean square over frequency of the difference of the log power spectra, mean over frames, in dB.

    Args:
        reference: mono ``[T]``, at least one window of 32 ms.
        degraded: the same length.

    Raises:
        Unscorable: shorter than one window.

    Reference:
        A. H. Gray and J. D. Markel, Distance measures for speech processing, IEEE TASSP 24(5), 1976.
    """
    window = round(reference.rate * LSD_WINDOW_MS / 1000)
    hop = round(reference.rate * LSD_HOP_MS / 1000)
    # A full-scale sine has the power (window / 4)² in its bin: the Hann window's mean is 1/2.
    full_scale = (window / 4) ** 2
    floor = 10 ** (LSD_FLOOR_DB / 10)
    distances = []
    for part in frame_blocks(reference.samples.size, window, hop):
        ours, theirs = (
            10 * np.log10(np.maximum(power_spectrogram(c.samples[part], window, hop) / full_scale, floor))
            for c in (reference, degraded)
        )
        distances.append(np.sqrt(((ours - theirs) ** 2).mean(axis=1)))
    return float(np.concatenate(distances).mean())


def _blocks(reference: Clip, degraded: Clip) -> Iterator[tuple[Array64, Array64]]:
    """Both clips in double precision, a block at a time."""
    for part in blocks(reference.samples.size):
        yield reference.samples[part].astype(np.float64), degraded.samples[part].astype(np.float64)


def _ratio_db(signal: float, noise: float) -> float:
    if noise == 0:
        return math.inf
    return 10 * math.log10(signal / noise) if signal > 0 else -math.inf


METRICS.add(
    Metric(
        name="si_sdr",
        title="SI-SDR",
        summary="scale-invariant signal-to-distortion ratio",
        citation="Le Roux et al., ICASSP 2019",
        compute=si_sdr,
        unit="dB",
        range=(-math.inf, math.inf),
        perfect=math.inf,
        higher_is_better=True,
        group="signal",
        symmetric=True,
        differentiable=True,
    )
)
METRICS.add(
    Metric(
        name="snr",
        title="SNR",
        summary="signal-to-noise ratio over the whole clip",
        citation="ratio of mean powers",
        compute=snr,
        unit="dB",
        range=(-math.inf, math.inf),
        perfect=math.inf,
        higher_is_better=True,
        group="signal",
        differentiable=True,
    )
)
METRICS.add(
    Metric(
        name="lsd",
        title="Log-spectral distance",
        summary="distance of the short-time log power spectra",
        citation="Gray and Markel, IEEE TASSP 24(5), 1976",
        compute=log_spectral_distance,
        unit="dB",
        range=(0.0, math.inf),
        perfect=0.0,
        higher_is_better=False,
        group="signal",
        symmetric=True,
        differentiable=True,
    )
)
