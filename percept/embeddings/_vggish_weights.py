"""VGGish's numbers: read from torchvggish's files without running code from them, or drawn from a seed."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from percept.embeddings.vggish import DIMENSION
from percept.schema import PerceptError

CONVOLUTIONS = {"0": "conv1", "3": "conv2", "6": "conv3_1", "8": "conv3_2", "11": "conv4_1", "13": "conv4_2"}
"""Number in the file's ``features`` to TensorFlow's name."""
FULL = {"0": "fc1_1", "2": "fc1_2", "4": "fc2"}
"""Number in the file's ``embeddings`` to TensorFlow's name."""
CHANNELS = (1, 64, 128, 256, 256, 512, 512)
WIDTHS = (6 * 4 * 512, 4096, 4096, DIMENSION)
EIGENVECTORS, MEANS = "pca_eigen_vectors", "pca_means"


def layout() -> dict[str, tuple[int, ...]]:
    """Shape of every tensor by its name in the file, in order."""
    shapes: dict[str, tuple[int, ...]] = {}
    for key, inputs, outputs in zip(CONVOLUTIONS, CHANNELS, CHANNELS[1:], strict=False):
        shapes |= {f"features.{key}.weight": (outputs, inputs, 3, 3), f"features.{key}.bias": (outputs,)}
    for key, inputs, outputs in zip(FULL, WIDTHS, WIDTHS[1:], strict=False):
        shapes |= {f"embeddings.{key}.weight": (outputs, inputs), f"embeddings.{key}.bias": (outputs,)}
    return shapes


def untrained(seed: int) -> dict[str, Tensor]:
    """The control's numbers: He-normal weights, no biases.

    Reference:
        K. He et al., Delving Deep into Rectifiers, 2015, equation 10.
    """
    generator = np.random.Generator(np.random.PCG64(seed))
    tensors = {}
    for name, shape in layout().items():
        if name.endswith("bias"):
            tensors[name] = torch.zeros(shape)
        else:
            values = generator.standard_normal(shape, dtype=np.float32)
            values *= np.float32(np.sqrt(2 / np.prod(shape[1:])))
            tensors[name] = torch.from_numpy(values)
    return tensors


def untrained_pca(seed: int) -> tuple[Tensor, Tensor]:
    """The control's PCA: a random rotation, no means."""
    generator = np.random.Generator(np.random.PCG64(seed))
    rotation, _ = np.linalg.qr(generator.standard_normal((DIMENSION, DIMENSION)))
    return torch.from_numpy(rotation), torch.zeros(DIMENSION, dtype=torch.float64)


def read_network(path: Path) -> dict[str, Tensor]:
    """The network's tensors of a ``vggish-….pth`` file.

    Raises:
        PerceptError: when the file is no such file, or wants to run code.
    """
    content = _load(path)
    return {name: _tensor(path, content, name, shape).float() for name, shape in layout().items()}


def read_pca(path: Path) -> tuple[Tensor, Tensor]:
    """Eigenvectors ``[128, 128]`` and means ``[128]`` of a ``vggish_pca_params-….pth`` file.

    Raises:
        PerceptError: when the file is no such file, or wants to run code.
    """
    content = _load(path)
    eigenvectors = _tensor(path, content, EIGENVECTORS, (DIMENSION, DIMENSION))
    return eigenvectors, _tensor(path, {MEANS: _flat(content.get(MEANS))}, MEANS, (DIMENSION,))


def _flat(value: Any) -> Any:
    """Means come as [128] or as [128, 1]."""
    return value.reshape(-1) if isinstance(value, Tensor | np.ndarray) else value


def _load(path: Path) -> Mapping[str, Any]:
    """A mapping of tensors and numpy arrays; nothing else that a pickle may hold is let in."""
    try:
        with torch.serialization.safe_globals(_numpy_arrays()):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, EOFError, RuntimeError, ValueError, KeyError, pickle.UnpicklingError) as problem:
        # Not the library's own text, which advises to run the file's code.
        raise PerceptError(
            f"{path} is damaged, or no weight file that can be read without running code ({type(problem).__name__})"
        ) from None
    if not isinstance(content, Mapping):
        raise PerceptError(f"{path} holds a {type(content).__name__}; expected tensors by name")
    return content


def _numpy_arrays() -> list[Any]:
    """What a pickled numpy array is rebuilt with, under the old and the new name of numpy's module."""
    from numpy._core import multiarray

    rebuild = multiarray._reconstruct
    return [
        (rebuild, "numpy.core.multiarray._reconstruct"),
        (rebuild, "numpy._core.multiarray._reconstruct"),
        np.ndarray,
        np.dtype,
        type(np.dtype(np.float32)),
        type(np.dtype(np.float64)),
    ]


def _tensor(path: Path, content: Mapping[str, Any], name: str, shape: tuple[int, ...]) -> Tensor:
    value = content.get(name)
    if isinstance(value, np.ndarray) and value.dtype.kind == "f":
        value = torch.from_numpy(value)
    if not isinstance(value, Tensor):
        known = ", ".join(map(str, content)) or "nothing"
        raise PerceptError(f"{path} has no tensor '{name}'; it holds {known}")
    if tuple(value.shape) != shape:
        raise PerceptError(f"{path}: tensor '{name}' has shape {list(value.shape)}; VGGish expects {list(shape)}")
    return value
