"""Measures of the waveform and its spectrum: SNR, SI-SDR, log-spectral distance."""

from __future__ import annotations

import math

import numpy as np

from percept.dsp import power_spectrogram
from percept.metrics import METRICS
from percept.records import Metric
from percept.schema import Clip, Unscorable

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
    signal = reference.samples.astype(np.float64)
    noise = degraded.samples.astype(np.float64) - signal
    return _ratio_db(float(signal @ signal), float(noise @ noise))


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
    signal = reference.samples.astype(np.float64)
    estimate = degraded.samples.astype(np.float64)
    if not estimate.any():
        raise Unscorable("the degraded clip is silent")
    if np.array_equal(signal, estimate):
        return math.inf
    target = (estimate @ signal) / (signal @ signal) * signal
    distortion = estimate - target
    return _ratio_db(float(target @ target), float(distortion @ distortion))


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
    ours, theirs = (
        10 * np.log10(np.maximum(power_spectrogram(c.samples, window, hop) / full_scale, 10 ** (LSD_FLOOR_DB / 10)))
        for c in (reference, degraded)
    )
    return float(np.sqrt(((ours - theirs) ** 2).mean(axis=1)).mean())


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
