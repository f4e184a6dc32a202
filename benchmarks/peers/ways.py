"""OpenL3's convolutions computed in every way that was tried, one after the other, over and over; one frame each."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

TURNS = 7
Way = Callable[[], Any]


def prepare(job: dict[str, Any]) -> Callable[[Path], dict[str, Any]]:
    """Ready to compare; facts are shortest milliseconds a frame, and the error against double precision, by way."""
    import torch

    from percept.embeddings import load
    from percept.records import Weights

    torch.set_num_threads(1)
    stack = load(job["embedding"], Weights("untrained", "0", seed=0)).network
    maps = torch.rand(1, 1, 256, 199, generator=torch.Generator().manual_seed(0)) * 4 - 2
    right = _double(torch, stack, maps)
    ways = _ways(torch, stack, maps, job["threads"], bfloat16=job["bfloat16"])

    def run(target: Path) -> dict[str, Any]:
        best = dict.fromkeys(ways, float("inf"))
        errors = {}
        with torch.no_grad():
            for name, way in ways.items():
                found = torch.as_tensor(way()).double()[:1].flatten()
                errors[name] = float((found - right).norm() / right.norm())
            for _ in range(TURNS):
                for name, way in ways.items():
                    started = time.perf_counter()
                    way()
                    best[name] = min(best[name], (time.perf_counter() - started) * 1000)
        return {name: {"ms": best[name] / (4 if "4 frames" in name else 1), "error": errors[name]} for name in ways}

    return run


def _double(torch: Any, stack: Any, maps: Any) -> Any:
    """The stack's output in double precision."""
    values = maps.double()
    for layer in stack.layers:
        values = torch.nn.functional.conv2d(values, layer.kernel.double(), layer.bias.double(), padding=1)
        values = values.relu() if layer.rectified else values
        values = torch.nn.functional.max_pool2d(values, layer.pool)
    return values.flatten()


def _ways(torch: Any, stack: Any, maps: Any, threads: int, *, bfloat16: bool) -> dict[str, Way]:
    last = maps.contiguous(memory_format=torch.channels_last)

    def threaded() -> Any:
        torch.set_num_threads(threads)
        try:
            return stack.infer(maps)
        finally:
            torch.set_num_threads(1)

    ways: dict[str, Way] = {
        "PyTorch, channels first": lambda: _plain(torch, stack, maps, torch.nn.functional.conv2d),
        "PyTorch, channels last (as before)": lambda: stack(last),
        "PyTorch, channels last, 4 frames at once": lambda: stack(last.repeat(4, 1, 1, 1)),
        "PyTorch's NNPACK, Winograd F(6×6, 3×3)": lambda: _plain(torch, stack, maps, _nnpack(torch)),
        "ncnn, no Winograd": _ncnn(stack, maps, winograd=False),
        "ncnn, Winograd, numbers between layers in bfloat16": _ncnn(stack, maps, bfloat16=True),
        "ncnn, Winograd (as now)": lambda: stack.infer(maps),
        f"ncnn, Winograd, {threads} threads": threaded,
    }
    if bfloat16:
        import copy

        half = copy.deepcopy(stack).to(torch.bfloat16)
        ways["PyTorch, channels last, bfloat16"] = lambda: half(last.to(torch.bfloat16)).float()
    return ways


def _plain(torch: Any, stack: Any, maps: Any, convolve: Callable[..., Any]) -> Any:
    for number, layer in enumerate(stack.layers):
        # NNPACK takes no single channel.
        chosen = convolve if number else torch.nn.functional.conv2d
        maps = chosen(maps, layer.kernel, layer.bias, padding=1)
        maps = torch.nn.functional.max_pool2d(maps.relu_() if layer.rectified else maps, layer.pool)
    return maps


def _nnpack(torch: Any) -> Callable[..., Any]:
    return lambda maps, kernel, bias, padding: torch._nnpack_spatial_convolution(maps, kernel, bias, padding)


def _ncnn(stack: Any, maps: Any, *, winograd: bool = True, bfloat16: bool = False) -> Way:
    """The stack by ncnn with other options than percept's."""
    import ncnn

    from percept.embeddings import _convolutions

    net = ncnn.Net()
    net.opt.num_threads = 1
    net.opt.use_vulkan_compute = False
    net.opt.use_winograd_convolution = winograd
    for name in ("fp16_packed", "fp16_storage", "fp16_arithmetic"):
        setattr(net.opt, f"use_{name}", False)
    for name in ("bf16_storage", "bf16_packed"):
        setattr(net.opt, f"use_{name}", bfloat16)
    _convolutions._fill(net, stack.layers)
    return lambda: _convolutions._run(net, maps.numpy()[0])[None]
