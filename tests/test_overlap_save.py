"""Overlap-save against torch's direct convolution."""

from __future__ import annotations

import pytest
import torch

from percept.overlap_save import BLOCK, correlate


@pytest.mark.parametrize("number", [1, 3])
@pytest.mark.parametrize("length", [1, 7, BLOCK - 14, BLOCK - 13, 333])
@pytest.mark.parametrize("taps", [1, 3, 15])
def test_it_is_a_convolution(number: int, length: int, taps: int) -> None:
    """The result is that of conv1d with "same" padding, to rounding, for lengths under, at and over a block's."""
    draw = torch.Generator().manual_seed(length)
    values = torch.randn(number, 4, length, dtype=torch.float64, generator=draw)
    kernels = torch.randn(5, 4, taps, dtype=torch.float64, generator=draw)
    bias = torch.randn(5, dtype=torch.float64, generator=draw)
    direct = torch.nn.functional.conv1d(values, kernels, bias, padding=taps // 2)
    torch.testing.assert_close(correlate(values, kernels, bias), direct, rtol=1e-11, atol=1e-11)


def test_single_precision_is_kept() -> None:
    """In float32, many channels: no further from the exact result than a few parts in a million of the largest."""
    draw = torch.Generator().manual_seed(0)
    values, kernels = torch.randn(1, 256, 500, generator=draw), torch.randn(64, 256, 15, generator=draw)
    exact = torch.nn.functional.conv1d(values.double(), kernels.double(), padding=7)
    error = (correlate(values, kernels, torch.zeros(64)) - exact).abs().max() / exact.abs().max()
    assert error < 3e-6


def test_gradients_are_those_of_the_convolution() -> None:
    """Analytic and numeric gradients agree for signal, kernels and bias."""
    draw = torch.Generator().manual_seed(1)
    inputs = (torch.randn(2, 2, 60, dtype=torch.float64, generator=draw),
              torch.randn(3, 2, 5, dtype=torch.float64, generator=draw),
              torch.randn(3, dtype=torch.float64, generator=draw))  # fmt: skip
    assert torch.autograd.gradcheck(correlate, tuple(tensor.requires_grad_() for tensor in inputs))
