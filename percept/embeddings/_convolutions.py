"""A stack of 3×3 convolutions: by PyTorch, and on processors, where no gradient is asked for, by Winograd's algorithm.

F(4×4, 3×3) makes 16 outputs of 36 products a pair of channels, where the sum as it is written takes 144. It is exact
but for rounding: of OpenL3's network the two ways differ by less than 2e-6 of the embedding. PyTorch has no such
convolution that keeps its transformed kernels from one call to the next, so the stack is handed to ncnn.

Source: A. Lavin, S. Gray, Fast Algorithms for Convolutional Neural Networks, CVPR 2016.

Contents: `Convolution`, `ConvolutionStack`.
"""

from __future__ import annotations

import tempfile
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

OUTPUT = "output"
"""Name of what leaves the stack."""
_NCNN_MAGIC = 7767517
_NCNN_FLOAT32 = np.zeros(1, np.uint32)
"""What stands before a kernel of float32 numbers in ncnn's model files."""

_compiled: WeakKeyDictionary[ConvolutionStack, dict[int, Any]] = WeakKeyDictionary()
"""ncnn's networks by stack and number of threads; kept out of the module, which can so be copied and saved."""


@dataclass(frozen=True, eq=False)
class Convolution:
    """One convolution and what follows it.

    Args:
        name: the layer's.
        kernel: float32 ``[out, in, 3, 3]``; zeros around the edge keep the maps' size.
        bias: float32 ``[out]``.
        rectified: whether a ReLU follows.
        pool: rows and columns of the maximum pool that follows, without overlap; (1, 1): none.
    """

    name: str
    kernel: Tensor
    bias: Tensor
    rectified: bool = True
    pool: tuple[int, int] = (1, 1)


class ConvolutionStack(nn.Module):
    """Convolutions one after the other.

    Shape:
        ``[N, in, H, W]`` to ``[N, out, H', W']``, the size divided by all pools, rests cut off.
    """

    def __init__(self, layers: Sequence[Convolution]) -> None:
        super().__init__()
        self.layers = tuple(layers)
        self.convolutions = nn.ModuleList(_module(layer) for layer in layers)

    @property
    def dtype(self) -> torch.dtype:
        """Of the numbers; replicas of a parallel module have no parameters to ask, but they have their tensors."""
        found: torch.dtype = self.convolutions[0].weight.dtype  # type: ignore[assignment]
        return found

    def activations(self, maps: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Each convolution's output by name, after its ReLU and before its pool; then the stack's output."""
        for layer, convolution in zip(self.layers, self.convolutions, strict=True):
            maps = convolution(maps)
            maps = maps.relu_() if layer.rectified else maps
            yield layer.name, maps
            maps = functional.max_pool2d(maps, layer.pool) if layer.pool != (1, 1) else maps
        yield OUTPUT, maps

    def forward(self, maps: Tensor) -> Tensor:
        """The stack's output, differentiable."""
        ((_, output),) = deque(self.activations(maps), maxlen=1)
        return output

    def infer(self, maps: Tensor) -> Tensor:
        """The stack's output without gradients, the fastest way there is on this device in this number format.

        By Winograd's algorithm in float32 on a processor, with as many threads as PyTorch has; else as `forward`.
        """
        if maps.device.type != "cpu" or maps.dtype != torch.float32:
            return self.forward(maps)
        nets = _compiled.setdefault(self, {})
        threads = torch.get_num_threads()
        if threads not in nets:
            nets[threads] = _compile(self.layers, threads)
        return torch.stack([_run(nets[threads], one) for one in maps.numpy()])


def _module(layer: Convolution) -> nn.Conv2d:
    outputs, inputs, height, width = layer.kernel.shape
    module = nn.Conv2d(inputs, outputs, (height, width), padding="same", device="meta")
    # On AVX2 a quarter faster than channels first; results are the same to rounding.
    module.weight = nn.Parameter(layer.kernel.contiguous(memory_format=torch.channels_last))
    module.bias = nn.Parameter(layer.bias)
    return module


def _compile(layers: Sequence[Convolution], threads: int) -> Any:
    """The stack as a network of ncnn: lines that say what follows what, and the numbers in that order."""
    import ncnn

    net = ncnn.Net()
    net.opt.num_threads = threads
    net.opt.use_vulkan_compute = False
    for format_ in ("fp16_packed", "fp16_storage", "fp16_arithmetic", "bf16_storage", "bf16_packed"):
        setattr(net.opt, f"use_{format_}", False)
    _fill(net, layers)
    return net


def _fill(net: Any, layers: Sequence[Convolution]) -> None:
    """Give ncnn's network its layers and their numbers; its options are those it has by then."""
    if net.load_param_mem(_description(layers)):
        raise RuntimeError("ncnn does not take the description of the network")
    with tempfile.TemporaryDirectory(prefix="percept-") as folder:
        path = Path(folder) / "numbers.bin"
        with path.open("wb") as file:
            for layer in layers:
                for numbers in (_NCNN_FLOAT32, layer.kernel.contiguous().numpy(), layer.bias.numpy()):
                    file.write(numbers.tobytes())
        if net.load_model(str(path)):
            raise RuntimeError("ncnn does not take the numbers of the network")


def _description(layers: Sequence[Convolution]) -> str:
    """The network in ncnn's text format: type, name, how many inputs and outputs and which, parameters by number."""
    lines = ["Input input 0 1 input"]
    last = "input"
    for number, layer in enumerate(layers):
        outputs = layer.kernel.shape[0]
        # 0: outputs, 1: kernel, 4: zeros around the edge, 5: has a bias, 6: numbers of the kernel, 9: 1 is a ReLU.
        facts = f"0={outputs} 1=3 4=1 5=1 6={layer.kernel.numel()} 9={int(layer.rectified)}"
        lines.append(f"Convolution c{number} 1 1 {last} c{number} {facts}")
        last = f"c{number}"
        if layer.pool != (1, 1):
            rows, columns = layer.pool
            # 0: 0 is the maximum; 1, 11: columns and rows of the window; 2, 12: its steps; 5: 1 leaves rests away.
            facts = f"0=0 1={columns} 11={rows} 2={columns} 12={rows} 5=1"
            lines.append(f"Pooling p{number} 1 1 {last} p{number} {facts}")
            last = f"p{number}"
    return "\n".join([str(_NCNN_MAGIC), f"{len(lines)} {len(lines)}", *lines, ""])


def _run(net: Any, maps: np.ndarray[Any, np.dtype[np.float32]]) -> Tensor:
    """One example ``[in, H, W]`` through ncnn's network."""
    import ncnn

    extractor = net.create_extractor()
    held = np.ascontiguousarray(maps)  # ncnn.Mat looks at its memory and does not keep it
    status = extractor.input("input", ncnn.Mat(held))
    failed, output = extractor.extract(net.output_names()[0])
    if status or failed:
        raise RuntimeError(f"ncnn could not run the network on maps {list(maps.shape)}: out of memory?")
    return torch.from_numpy(np.array(output))
