"""The machine's measured arithmetic ceiling: PyTorch's best matrix product and best convolution of OpenL3's shapes."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

SIZES = (512, 1024, 2048)
CONVOLUTIONS = ((64, 64, 256, 199), (128, 128, 128, 99), (256, 256, 64, 49), (512, 512, 32, 24))
"""Channels in and out, bands, frames."""
AT_LEAST_S = 0.4
AT_LEAST_CALLS = 3


def prepare(job: dict[str, Any]) -> Callable[[Path], dict[str, Any]]:
    """Ready to measure with "threads" threads in "format"; facts are GFLOP/s by operation, the best of its shapes."""
    import torch

    torch.set_num_threads(job["threads"])
    kind = getattr(torch, job["format"])

    def run(target: Path) -> dict[str, Any]:
        with torch.no_grad():
            products = [_product(torch, kind, size) for size in SIZES]
            layouts = (torch.contiguous_format, torch.channels_last)
            convolved = [_convolution(torch, kind, shape, layout) for shape in CONVOLUTIONS for layout in layouts]
        return {"matrix product": max(products), "convolution": max(convolved)}

    return run


def _product(torch: Any, kind: Any, size: int) -> float:
    a, b = (torch.randn(size, size, generator=torch.Generator().manual_seed(seed)).to(kind) for seed in (0, 1))
    return _best(lambda: a @ b, 2 * size**3)


def _convolution(torch: Any, kind: Any, shape: tuple[int, int, int, int], layout: Any) -> float:
    inputs, outputs, bands, frames = shape
    generator = torch.Generator().manual_seed(0)
    maps = torch.randn(1, inputs, bands, frames, generator=generator).to(kind).contiguous(memory_format=layout)
    kernel = torch.randn(outputs, inputs, 3, 3, generator=generator).to(kind).contiguous(memory_format=layout)
    return _best(lambda: torch.nn.functional.conv2d(maps, kernel, padding=1), 18 * inputs * outputs * bands * frames)


def _best(operation: Callable[[], Any], operations: int) -> float:
    """GFLOP/s of the fastest of several calls."""
    operation()
    shortest, calls, begun = float("inf"), 0, time.perf_counter()
    while calls < AT_LEAST_CALLS or time.perf_counter() - begun < AT_LEAST_S:
        started = time.perf_counter()
        operation()
        shortest = min(shortest, time.perf_counter() - started)
        calls += 1
    return operations / shortest / 1e9
