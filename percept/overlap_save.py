"""Convolution along time by overlap-save: the same sums as a direct one, in an eighth of its multiplications.

    blocks of 64 samples, each overlapping the one before by K - 1
        → Fourier transform, as 95 real numbers: cos, sin and their sum at 33 frequencies
        → times the kernels' transform, summed over channels: one product for each of the 95
        → the 64 - (K - 1) samples of the result

A complex product takes three real ones: from ac, bd and (a + b)(c + d) follow its real and imaginary part. So K = 15
taps take 95 products for 50 results, where a direct convolution takes 750. All transforms are products with small
constant matrices, which leaves no data to be reordered.

Sources: A. V. Oppenheim and R. W. Schafer, Discrete-Time Signal Processing, section 8.7.3. A. Lavin and S. Gray, Fast
Algorithms for Convolutional Neural Networks, CVPR 2016, for the order of the sums.

Contents: `correlate`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from percept.constants import constant

BLOCK = 64
"""Samples. Longer blocks need hardly fewer products, and more memory for the kernels' transform."""


def correlate(values: Tensor, kernels: Tensor, bias: Tensor) -> Tensor:
    """What ``conv1d(values, kernels, bias, padding="same")`` gives, up to rounding; differentiable.

    Args:
        values: ``[N, C, T]``, float32 or float64; fastest when it lies in memory as ``[N, T, C]``.
        kernels: ``[D, C, K]`` with an odd number of taps below `BLOCK`, of the same type.
        bias: ``[D]``.

    Returns:
        ``[N, D, T]``, in memory as ``[N, T, D]``.
    """
    number, channels, length = values.shape
    outputs, _, taps = kernels.shape
    step = BLOCK - taps + 1
    count = -(-length // step)
    constant = _constants(taps, values.dtype, values.device)
    before = taps // 2
    padded = functional.pad(values.transpose(1, 2), (0, 0, before, count * step - length + before))
    blocks = padded.unfold(1, BLOCK, step).transpose(2, 3)  # [N, count, BLOCK, C]
    signal = (constant.signal @ blocks).permute(2, 0, 1, 3).reshape(-1, number * count, channels)
    weights = (constant.kernel @ kernels.permute(2, 1, 0).reshape(taps, -1)).reshape(-1, channels, outputs)
    products = torch.bmm(signal, weights).reshape(-1, number, count, outputs).permute(1, 2, 0, 3)
    result = (constant.result @ products).reshape(number, count * step, outputs)
    return (result[:, :length] + bias).transpose(1, 2)


class _Constants(NamedTuple):
    """The matrices of the three transforms: ``[95, BLOCK]``, ``[95, K]``, ``[BLOCK - K + 1, 95]``."""

    signal: Tensor
    kernel: Tensor
    result: Tensor


@constant
def _constants(taps: int, dtype: torch.dtype, device: torch.device) -> _Constants:
    turns = 2 * np.pi * np.arange(BLOCK // 2 + 1)[:, None] * np.arange(BLOCK) / BLOCK
    real, imaginary = np.cos(turns), -np.sin(turns)
    between = slice(1, -1)  # the first and the last frequency are real
    signal = np.concatenate([real, imaginary[between], (real + imaginary)[between]])
    # Correlation, not convolution: the kernels' transform is conjugated.
    kernel = np.concatenate([real, -imaginary[between], (real - imaginary)[between]])[:, :taps]
    # The real part is the first product less the second, the imaginary part the third less both.
    twice = 2 * np.ones((real.shape[0], 1))
    twice[[0, -1]] = 1
    cosine, sine = (twice * real).T / BLOCK, (twice * imaginary).T / BLOCK
    first = cosine.copy()
    first[:, between] -= sine[:, between]
    result = np.concatenate([first, -(cosine + sine)[:, between], sine[:, between]], axis=1)[: BLOCK - taps + 1]
    return _Constants(*(torch.tensor(matrix, dtype=dtype, device=device) for matrix in (signal, kernel, result)))
