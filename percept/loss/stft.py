"""The multi-resolution STFT distance as a loss: the baseline that a perceptual loss has to beat, and a term to add.

Reference:
    R. Yamamoto, E. Song and J.-M. Kim, Parallel WaveGAN, ICASSP 2020, equations 4 to 7.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from percept.loss.terms import Loss, Reduction
from percept.metrics.spectral import FLOOR_DB, STFT_OVERLAP, STFT_SIZES
from percept.schema import PerceptError, Unscorable


class MultiResolutionSTFTLoss(Loss):
    """Spectral convergence plus mean absolute difference of the natural log magnitudes, mean over resolutions.

    What the measure ``mrstft`` computes (that one goes through recordings of hours block by block, in NumPy, and has no
    gradient). Magnitudes under -100 dB re a full-scale sine count as that in the logarithm,
    and a reference that is silent altogether counts as that level in the convergence's denominator, so silence has a
    finite loss and gradient. Not symmetric: the convergence is relative to the reference.

    Args:
        sizes: windows in samples, at the waveform's own rate; at 16 kHz 32, 64 and 128 ms.
        reduction: see `percept.loss.terms.Loss`.

    Raises:
        PerceptError: no sizes, or sizes that a hop of a quarter does not fit.
    """

    symmetric = False

    def __init__(self, sizes: Sequence[int] = STFT_SIZES, *, reduction: Reduction = "mean") -> None:
        super().__init__(reduction)
        if not sizes or min(sizes) < STFT_OVERLAP:
            raise PerceptError(f"sizes are one or more numbers of samples from {STFT_OVERLAP} on, not {list(sizes)}")
        self.sizes = tuple(sizes)

    def rows(self, reference: Tensor, degraded: Tensor) -> Tensor:
        """The distance of each pair, ``[B]``."""
        if reference.shape[-1] < max(self.sizes):
            raise Unscorable(f"{reference.shape[-1]} samples are fewer than one analysis window of {max(self.sizes)}")
        return torch.stack([_distance(reference, degraded, size) for size in self.sizes]).mean(dim=0)

    def extra_repr(self) -> str:
        """The resolutions."""
        return f"sizes={self.sizes}, reduction='{self.reduction}'"


def _distance(reference: Tensor, degraded: Tensor, size: int) -> Tensor:
    floor = 10 ** (FLOOR_DB / 20)
    ours, theirs = (_magnitudes(waveform, size) for waveform in (reference, degraded))
    # vector_norm has the gradient 0 at 0, a root of a sum of squares has none.
    whole, difference = (torch.linalg.vector_norm(m, dim=(1, 2)) for m in (ours, ours - theirs))
    logs = (ours.clamp(min=floor).log() - theirs.clamp(min=floor).log()).abs().mean(dim=(1, 2))
    silence = floor * (ours.shape[1] * ours.shape[2]) ** 0.5
    distance: Tensor = difference / whole.clamp(min=silence) + logs
    return distance


def _magnitudes(waveform: Tensor, size: int) -> Tensor:
    """``[B, T]`` to ``[B, F, size // 2 + 1]``; a sine of full scale has 1 in its bin."""
    window = torch.hann_window(size, periodic=True, dtype=waveform.dtype, device=waveform.device)
    frames = waveform.unfold(-1, size, size // STFT_OVERLAP) * window
    magnitudes: Tensor = torch.fft.rfft(frames).abs() / (size / 4)
    return magnitudes
