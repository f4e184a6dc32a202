"""From windows of samples to the spectrograms that OpenL3, VGGish and log-mel see; float64, differentiable.

Conventions:
    A frame is `length` samples times the periodic Hann window, without padding but where a docstring says so.
    Magnitudes come from `torch.abs` of complex numbers, whose gradient at 0 is 0; whatever goes into a
    logarithm or a square root is first raised to a positive floor. So no gradient is NaN, on silence either.

Sources:
    OpenL3: J. Cramer et al., Look, Listen and Learn More, ICASSP 2019; kapre 0.1.4 and 0.3.5, librosa's
        filter banks.
    VGGish: S. Hershey et al., CNN Architectures for Large-Scale Audio Classification, ICASSP 2017.

Contents: `short_time_spectrum`, `openl3_decibels`, `vggish_log_mel`, `log_mel`, `mel_triangles`.
"""

from __future__ import annotations

import warnings
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from percept.constants import constant
from percept.embeddings.openl3 import RATE_HZ as OPENL3_RATE_HZ
from percept.embeddings.vggish import RATE_HZ as SPEECH_RATE_HZ
from percept.schema import Array64

OPENL3_HOP_SAMPLES = 242
OPENL3_LINEAR_FFT = 512
OPENL3_MEL_FFT = 2048
OPENL3_MEL_PAD_SAMPLES = 1964
"""Zeros that make 199 mel frames of one second."""
OPENL3_BANDS_AT_ONCE = 16
"""Bands of a group that is multiplied at once: each touches few of the 1025 bins."""
OPENL3_AMPLITUDE_FLOOR = 1e-10
OPENL3_RANGE = 80.0

SPEECH_FRAME_SAMPLES = 400
SPEECH_HOP_SAMPLES = 160
VGGISH_FFT = 512
VGGISH_BANDS = 64
VGGISH_LOW_HZ, VGGISH_HIGH_HZ = 125.0, 7500.0
VGGISH_OFFSET = 0.01

LOG_MEL_FFT = 1024
"""Zero-padded beyond the frame, so that the lowest bands, 50 Hz wide, hold three bins and not one."""
LOG_MEL_LOW_HZ, LOG_MEL_HIGH_HZ = 50.0, 8000.0
LOG_MEL_FLOOR = 1e-8
"""Power 80 dB below a sine of full scale: under what is heard, over the rounding noise of 16-bit files."""

SLANEY_BREAK_HZ, SLANEY_BREAK_MEL = 1000.0, 15.0
SLANEY_LOG_STEP = np.log(6.4) / 27

Scale = Literal["htk", "slaney"]


def short_time_spectrum(samples: Tensor, length: int, hop: int, fft: int) -> Tensor:
    """Spectra of windowed frames.

    Args:
        samples: float64 ``[N, T]``.
        length: samples a frame.
        hop: samples from one frame to the next.
        fft: points of the transform; what a frame lacks is zeros at its end.

    Shape:
        ``[N, T]`` to complex ``[N, 1 + (T - length) // hop, fft // 2 + 1]``.
    """
    spectrum: Tensor = torch.fft.rfft(samples.unfold(-1, length, hop) * _hann(length, samples.device), n=fft)
    return spectrum


def openl3_decibels(windows: Tensor, representation: str, variant: str) -> Tensor:
    """OpenL3's input: a spectrogram in its own decibels, 0 at the window's maximum and never below -80.

    10·log10 of the *amplitude* (not of the power), minus the maximum over the window. All zeros give 0
    everywhere.

    Args:
        windows: float64 ``[N, 48000]``, one second each.
        representation: "linear" (257 bins), "mel128" or "mel256".
        variant: how mel bands are made. "v04", openl3 since 0.4: Slaney's mel scale on magnitudes, zeros at
            the end. "training", what the weights were trained with: HTK's mel scale on powers, zeros on both
            sides.

    Shape:
        ``[N, 48000]`` to ``[N, bands, time]``: 257×197, 128×199 or 256×199.
    """
    if representation == "linear":
        fft = OPENL3_LINEAR_FFT
        amplitude = short_time_spectrum(windows, fft, OPENL3_HOP_SAMPLES, fft).abs()
    else:
        amplitude = _openl3_mel_amplitude(windows, int(representation.removeprefix("mel")), variant)
    level = 10 * torch.log10(amplitude.clamp(min=OPENL3_AMPLITUDE_FLOOR))
    level = level - level.amax(dim=(1, 2), keepdim=True)
    return level.clamp(min=-OPENL3_RANGE).transpose(1, 2)


def vggish_log_mel(windows: Tensor) -> Tensor:
    """VGGish's input, ln of mel magnitudes: float64 ``[N, 15600]`` at 16 kHz to ``[N, 96, 64]``."""
    magnitude = short_time_spectrum(windows, SPEECH_FRAME_SAMPLES, SPEECH_HOP_SAMPLES, VGGISH_FFT).abs()
    mel = magnitude @ _vggish_bank(windows.device)
    return torch.log(mel + VGGISH_OFFSET)


def log_mel(windows: Tensor, bands: int, scale: Scale) -> Tensor:
    """Natural logarithm of mel power, one frame a window: float64 ``[N, 400]`` at 16 kHz to ``[N, bands]``.

    Power is 1 where a sine of full scale has its maximum; 1e-8 is added to it.
    """
    (frame,) = short_time_spectrum(windows, windows.shape[-1], windows.shape[-1], LOG_MEL_FFT).unbind(1)
    # A sine of amplitude 1 peaks at half the sum of the window, and Hann's window sums to half its length.
    power = _power(frame) / (windows.shape[-1] / 4) ** 2
    return torch.log(power @ _log_mel_bank(bands, scale, windows.device) + LOG_MEL_FLOOR)


def mel_triangles(bands: int, low_hz: float, high_hz: float, fft: int, scale: Scale) -> Array64:
    """Triangular bands of height 1, straight in mel and not in Hz, overlapping by half.

    Args:
        bands: number of bands.
        low_hz: lower foot of the lowest band.
        high_hz: upper foot of the highest band.
        fft: points of the transform, at 16 kHz.
        scale: "htk": 1127·ln(1 + f/700); "slaney": straight below 1 kHz, logarithmic above.

    Returns:
        ``[fft // 2 + 1, bands]``; the bin at 0 Hz belongs to no band.
    """
    bins = _mel(np.linspace(0, SPEECH_RATE_HZ / 2, fft // 2 + 1), scale)[:, None]
    low, high = _mel(np.array([low_hz, high_hz]), scale)
    feet = np.linspace(low, high, bands + 2)
    rising = (bins - feet[:-2]) / (feet[1:-1] - feet[:-2])
    falling = (feet[2:] - bins) / (feet[2:] - feet[1:-1])
    triangles = np.maximum(0, np.minimum(rising, falling))
    triangles[0] = 0
    return np.asarray(triangles)


def _mel(hertz: Array64, scale: Scale) -> Array64:
    if scale == "htk":
        return 1127 * np.log1p(hertz / 700)
    straight = hertz / SLANEY_BREAK_HZ * SLANEY_BREAK_MEL
    bent = SLANEY_BREAK_MEL + np.log(np.maximum(hertz, SLANEY_BREAK_HZ) / SLANEY_BREAK_HZ) / SLANEY_LOG_STEP
    return np.where(hertz < SLANEY_BREAK_HZ, straight, bent)


def _power(spectrum: Tensor) -> Tensor:
    return torch.view_as_real(spectrum).square().sum(-1)


def _openl3_mel_amplitude(windows: Tensor, bands: int, variant: str) -> Tensor:
    total, fft = OPENL3_MEL_PAD_SAMPLES, OPENL3_MEL_FFT
    before = total // 2 if variant == "training" else 0
    padded = functional.pad(windows, (before, total - before))
    spectrum = short_time_spectrum(padded, fft, OPENL3_HOP_SAMPLES, fft)
    bank = _openl3_bank(bands, variant == "training", windows.device)
    if variant == "training":
        return _banded(_power(spectrum), bank).clamp(min=OPENL3_AMPLITUDE_FLOOR**2).sqrt()
    return _banded(spectrum.abs(), bank)


def _banded(spectrum: Tensor, bank: tuple[tuple[int, Tensor], ...]) -> Tensor:
    """The product ``[…, bins] @ [bins, bands]`` without most of the zeros, see `_openl3_bank`."""
    return torch.cat([spectrum[..., first : first + part.shape[0]] @ part for first, part in bank], dim=-1)


@constant
def _hann(length: int, device: torch.device) -> Tensor:
    return torch.hann_window(length, periodic=True, dtype=torch.float64, device=device)


@constant
def _vggish_bank(device: torch.device) -> Tensor:
    bank = mel_triangles(VGGISH_BANDS, VGGISH_LOW_HZ, VGGISH_HIGH_HZ, VGGISH_FFT, "htk")
    return torch.from_numpy(bank).to(device)


@constant
def _log_mel_bank(bands: int, scale: Scale, device: torch.device) -> Tensor:
    bank = mel_triangles(bands, LOG_MEL_LOW_HZ, LOG_MEL_HIGH_HZ, LOG_MEL_FFT, scale)
    return torch.from_numpy(bank).to(device)


@constant
def _openl3_bank(bands: int, htk: bool, device: torch.device) -> tuple[tuple[int, Tensor], ...]:
    """Librosa's filter bank with Slaney's area normalisation, 0 to 24 kHz, in groups of neighbouring bands.

    Returns:
        For each group the first bin that its bands touch, and their weights from there on ``[bins, bands]``.
    """
    import librosa

    with warnings.catch_warnings():
        # 256 bands of HTK's scale leave two of the lowest without a bin; the weights were trained like that.
        warnings.filterwarnings("ignore", message="Empty filters detected")
        bank = librosa.filters.mel(
            sr=OPENL3_RATE_HZ, n_fft=OPENL3_MEL_FFT, n_mels=bands, htk=htk, norm="slaney", dtype=np.float64
        )
    groups = []
    for rows in np.array_split(bank, bands // OPENL3_BANDS_AT_ONCE):
        touched = np.flatnonzero(rows.any(axis=0))
        first, last = touched[0], touched[-1]
        groups.append((int(first), torch.from_numpy(rows[:, first : last + 1].T.copy()).to(device)))
    return tuple(groups)
