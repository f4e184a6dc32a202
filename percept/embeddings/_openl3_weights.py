"""OpenL3's numbers: read from the official Keras files, or drawn from a seed.

A file holds 48 tensors, and layers are numbered anew in every process that saves one, so tensors are told by
their order and checked by their shapes. The order:

    batch normalisation of the spectrogram; then, eight times, a convolution and (not after the last) its
    batch normalisation. A batch normalisation is gamma, beta, moving mean, moving variance, each [channels];
    a convolution is a kernel [3, 3, in, out] and a bias [out].

Only `h5py` touches a file, and it runs nothing that it finds there.
"""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from percept.schema import Array, PerceptError

CHANNELS = (1, 64, 64, 128, 128, 256, 256, 512, 512)
"""Channels before the first and after each convolution."""
LAYERS = (*(f"conv{number}" for number in range(1, len(CHANNELS))), "embedding")
NORMALISATION = ("gamma", "beta", "moving_mean", "moving_variance")
LARGEST_FILE_BYTES = 256 << 20
"""Far above the 19 MB of a weight file: stops a packed file that would fill the memory."""

CONTROL_INPUT_MEAN = -40.0
CONTROL_INPUT_VARIANCE = 400.0
"""What the control's first batch normalisation takes for the statistics of decibels between -80 and 0;
without it a large offset would drown the signal."""


def layout() -> list[tuple[str, tuple[int, ...]]]:
    """Name and shape of every tensor, in order."""
    tensors: list[tuple[str, tuple[int, ...]]] = [(f"input {name}", (1,)) for name in NORMALISATION]
    for number, (inputs, outputs) in enumerate(pairwise(CHANNELS), 1):
        tensors += [(f"conv{number} kernel", (3, 3, inputs, outputs)), (f"conv{number} bias", (outputs,))]
        if number < len(CHANNELS) - 1:
            tensors += [(f"conv{number} {name}", (outputs,)) for name in NORMALISATION]
    return tensors


def untrained(seed: int) -> list[Array]:
    """The control's numbers: He-normal kernels, no biases, no normalisation but that of the decibels.

    Reference:
        K. He et al., Delving Deep into Rectifiers, 2015, equation 10.
    """
    generator = np.random.Generator(np.random.PCG64(seed))
    constants = {"gamma": 1.0, "moving_variance": 1.0}
    tensors: list[Array] = []
    for name, shape in layout():
        layer, kind = name.split()
        if kind == "kernel":
            deviation = np.sqrt(2 / np.prod(shape[:3]))
            tensors.append((generator.standard_normal(shape) * deviation).astype(np.float32))
        elif layer == "input" and kind.startswith("moving"):
            value = CONTROL_INPUT_MEAN if kind == "moving_mean" else CONTROL_INPUT_VARIANCE
            tensors.append(np.full(shape, value, np.float32))
        else:
            tensors.append(np.full(shape, constants.get(kind, 0.0), np.float32))
    return tensors


def read_keras(path: Path) -> list[Array]:
    """All tensors of an official ``.h5`` or ``.h5.gz`` file, in order.

    Raises:
        PerceptError: when the file is no such file or a tensor has another shape than this network needs.
    """
    import h5py

    try:
        with h5py.File(_unpacked(path), "r") as file:
            found = list(_datasets(file))
            _check(path, found)
            return [np.asarray(dataset[()], dtype=np.float32) for _, dataset in found]
    except (
        OSError,
        EOFError,
        zlib.error,
        KeyError,
        AttributeError,
        TypeError,
        ValueError,
        RuntimeError,
    ) as problem:
        raise PerceptError(f"{path} is not a Keras weight file of OpenL3 ({problem})") from None


def _unpacked(path: Path) -> io.BytesIO:
    with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as stream:
        content = stream.read(LARGEST_FILE_BYTES + 1)
    if len(content) > LARGEST_FILE_BYTES:
        raise ValueError(f"more than {LARGEST_FILE_BYTES >> 20} MiB")
    return io.BytesIO(content)


def _datasets(file: Any) -> Iterator[tuple[str, Any]]:
    """Keras' name and data of each tensor; whole models keep the weights one level down."""
    root = file if "layer_names" in file.attrs else file["model_weights"]
    for layer in root.attrs["layer_names"]:
        group = root[_text(layer)]
        for name in group.attrs["weight_names"]:
            yield _text(name), group[_text(name)]


def _text(name: bytes | str) -> str:
    return name.decode() if isinstance(name, bytes) else name


def _check(path: Path, found: list[tuple[str, Any]]) -> None:
    expected = layout()
    if len(found) != len(expected):
        raise PerceptError(f"{path} holds {len(found)} tensors; OpenL3 expects {len(expected)}")
    for (name, shape), (theirs, dataset) in zip(expected, found, strict=True):
        if tuple(dataset.shape) != shape:
            raise PerceptError(
                f"{path}: tensor '{theirs}' has shape {list(dataset.shape)}; OpenL3's {name} expects {list(shape)}"
            )
