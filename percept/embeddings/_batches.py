"""As many windows at once through a network as the device holds.

A processor is fastest with what its caches hold, a number that each embedder declares. A GPU wants to be filled: the
batch follows from its free memory, and where that was too bold, it is halved and the work goes on. On a GPU the last
digits may therefore differ from run to run.

Contents: `infer`, `uploaded`, `there`, `batch`, `arithmetic`, `usable`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from percept.schema import Array, PerceptError

if TYPE_CHECKING:
    from percept.embeddings._embedder import Embedder, Precision

FREE_PART = 0.6
"""Part of a GPU's free memory that a batch may take; the rest is for what libraries reserve and for fragments."""
AMPERE = (8, 0)
BFLOAT16_INSTRUCTIONS = ("amx_bf16", "avx512_bf16", "sve_bf16", "bf16")


def infer(embedder: Embedder, windows: Tensor) -> Array:
    """The embedding of windows ``[F, window]``, float32 ``[F, D]``, a batch at a time.

    Raises:
        PerceptError: a GPU does not even hold one window.
    """
    rows = np.empty((windows.shape[0], embedder.dimension), np.float32)
    size, done = batch(embedder), 0
    while done < len(rows):
        part = windows[done : done + size]
        try:
            rows[done : done + len(part)] = embedder.infer(there(part, embedder.device)).float().cpu().numpy()
        except torch.OutOfMemoryError:
            size = embedder.most = len(part) // 2
        else:
            done += len(part)
            continue
        # Only here has the error let go of what was on the GPU.
        torch.cuda.empty_cache()
        if not size:
            raise PerceptError(f"{embedder.title}: one window does not fit on the GPU; use --device cpu")
    return rows


def uploaded(waveform: Tensor, device: torch.device) -> Tensor:
    """The waveform on a GPU; or where it is, if all of it does not fit: its windows then follow batch by batch."""
    try:
        return waveform.pin_memory().to(device, non_blocking=True)
    except torch.OutOfMemoryError:
        return waveform


def there(windows: Tensor, device: torch.device) -> Tensor:
    """The windows on the device."""
    return windows.to(device)


def batch(embedder: Embedder) -> int:
    """Windows to try at once on the present device."""
    if embedder.device.type == "cpu":
        return embedder.CHUNK_CPU
    free, _ = torch.cuda.mem_get_info(embedder.device)
    reserved = torch.cuda.memory_reserved(embedder.device) - torch.cuda.memory_allocated(embedder.device)
    fitting = max(1, min(int((free + reserved) * FREE_PART) // embedder.WINDOW_BYTES, embedder.most))
    # A power of two, because another batch may mean other kernels, which round otherwise: few sizes, few last digits.
    return 1 << (fitting.bit_length() - 1)


@contextlib.contextmanager
def arithmetic(precision: Precision) -> Iterator[None]:
    """While it lasts, float32 products on a GPU are rounded to TF32 if that is asked for, and are not if it is not."""
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
    torch.backends.cudnn.allow_tf32 = precision == "tf32"
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before[0])
        torch.backends.cudnn.allow_tf32 = before[1]


def usable(precision: Precision, device: str) -> tuple[Precision, str]:
    """The precision to compute with, and what to tell if it is not the wanted one.

    A processor without bfloat16 instructions imitates them, about twenty times slower than float32; none has TF32.
    GPUs have both since compute capability 8.0.
    """
    if precision == "float32":
        return precision, ""
    if device != "cpu":
        there = torch.cuda.get_device_capability() >= AMPERE
    else:
        known = torch.cpu.get_capabilities()
        there = precision == "bfloat16" and any(known.get(name) for name in BFLOAT16_INSTRUCTIONS)
    if there:
        return precision, ""
    what = "processor" if device == "cpu" else "GPU"
    return "float32", f"this {what} has no {precision} arithmetic, so embeddings are computed in float32"
