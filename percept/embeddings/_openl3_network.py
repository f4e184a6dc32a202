"""OpenL3's audio network, with every batch normalisation folded into the convolution before it.

    spectrogram → normalise → [2 × conv 64, pool] → [2 × conv 128, pool] → [2 × conv 256, pool] → 2 × conv 512
    → pool

Every convolution is 3×3, keeps the size and is followed by a ReLU, except for the last. Pools are 2×2, the
final one as large as the embedding's size asks for; what is left is flattened with the channels last.

A trained batch normalisation is y = γ·(x - μ)/√(σ² + ε) + β, so after x = K∗u + b it is a convolution again,
with kernel a·K and bias a·(b - μ) + β, a = γ/√(σ² + ε). The first one, on the spectrogram, comes before zeros
are put around the edge and stays: one factor and one offset.

Source: J. Cramer et al., Look, Listen and Learn More: Design Choices for Deep Audio Embeddings, ICASSP 2019.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from percept.embeddings import _frontends
from percept.embeddings._convolutions import OUTPUT, Convolution, ConvolutionStack
from percept.embeddings._embedder import Embedder
from percept.embeddings._openl3_weights import CHANNELS, LAYERS, read_keras, untrained
from percept.embeddings.openl3 import RATE_HZ, OpenL3, files
from percept.records import Weights
from percept.schema import Array64

Numbers = npt.NDArray[np.floating[Any]]

WINDOW_S = 1.0
CENTRE_S = 0.5
BATCH_NORM_EPSILON = 1e-3
POOLED_AFTER = (2, 4, 6)
"""Convolutions, counted from 1, that a 2×2 pool follows."""

FINAL_POOL = {
    ("linear", 6144): (8, 8),
    ("mel128", 6144): (4, 8),
    ("mel256", 6144): (8, 8),
    ("linear", 512): (32, 24),
    ("mel128", 512): (16, 24),
    ("mel256", 512): (32, 24),
}
"""Bands and frames of the last pool; they divide the map before it without a rest."""


class OpenL3Embedder(Embedder):
    """OpenL3: one-second windows to 6144 or 512 features.

    Args:
        options: see `percept.embeddings.openl3.OpenL3`.
        tensors: the network's numbers in Keras' order, see `percept.embeddings._openl3_weights`.
    """

    CHUNK_CPU = 1
    CHUNK_GPU = 32
    WINDOW_BYTES = 64 << 20  # three maps of 64 × 256 × 199, and spectra of 199 × 1025 in double precision

    def __init__(self, options: OpenL3, tensors: Sequence[Numbers]) -> None:
        super().__init__(
            title="OpenL3",
            rate=RATE_HZ,
            window=int(WINDOW_S * RATE_HZ),
            hop=int(options.hop * RATE_HZ),
            dimension=options.size,
            layers=LAYERS,
            resampler=options.resampler,
        )
        self.options = options
        self.factor, self.offset, convolutions = fold(tensors)
        layers = _layers(convolutions, FINAL_POOL[options.representation, options.size])
        self.network = ConvolutionStack(tuple(layers))
        self.freeze()

    def padding(self, length: int) -> tuple[int, int]:
        """Half a second before, if centred; then zeros up to one window, and up to a whole number of hops."""
        before = int(CENTRE_S * self.rate) if self.options.centre else 0
        beyond = before + length - self.window
        return before, -beyond % self.hop if beyond > 0 else -beyond

    def spectrogram(self, windows: Tensor) -> Tensor:
        """OpenL3's decibels ``[N, bands, time]``."""
        return _frontends.openl3_decibels(windows, self.options.representation, self.options.frontend)

    def activations(self, spectrogram: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Each convolution's output ``[N, C, bands, time]``, then the embedding."""
        for name, maps in self.network.activations(self._maps(spectrogram)):
            yield ("embedding", _features(maps)) if name == OUTPUT else (name, maps)

    def embedding(self, spectrogram: Tensor) -> Tensor:
        """The embedding alone."""
        return _features(self.network.infer(self._maps(spectrogram)))

    def _maps(self, spectrogram: Tensor) -> Tensor:
        maps = (spectrogram * self.factor + self.offset)[:, None]
        return maps.to(self.network.dtype)


def _features(maps: Tensor) -> Tensor:
    return maps.permute(0, 2, 3, 1).flatten(1)


def build(options: OpenL3, weights: Weights) -> OpenL3Embedder:
    """The network with official weights from a file, or with the seeded ones of the control."""
    if weights.kind == "pretrained":
        (file,) = files(options)
        return OpenL3Embedder(options, read_keras(weights.files[file.name]))
    return OpenL3Embedder(options, untrained(weights.seed))


def fold(tensors: Sequence[Numbers]) -> tuple[float, float, list[tuple[Array64, Array64]]]:
    """The network without its batch normalisations, in float64.

    Args:
        tensors: all tensors in Keras' order, see `percept.embeddings._openl3_weights`.

    Returns:
        Factor and offset of the spectrogram, and kernel ``[3, 3, in, out]`` and bias ``[out]`` of each
        convolution.
    """
    rest = iter([np.asarray(tensor, dtype=np.float64) for tensor in tensors])

    def normalisation() -> tuple[Array64, Array64]:
        """Factor and offset of the next batch normalisation."""
        gamma, beta, mean, variance = (next(rest) for _ in range(4))
        factor = gamma / np.sqrt(variance + BATCH_NORM_EPSILON)
        return factor, beta - factor * mean

    input_factor, input_offset = normalisation()
    convolutions = []
    for number in range(1, len(CHANNELS)):
        kernel, bias = next(rest), next(rest)
        if number < len(CHANNELS) - 1:
            factor, offset = normalisation()
            kernel, bias = kernel * factor, bias * factor + offset
        convolutions.append((kernel, bias))
    return float(input_factor[0]), float(input_offset[0]), convolutions


def _layers(convolutions: Sequence[tuple[Array64, Array64]], final_pool: tuple[int, int]) -> Iterator[Convolution]:
    for number, (kernel, bias) in enumerate(convolutions, 1):
        last = number == len(convolutions)
        yield Convolution(
            f"conv{number}",
            torch.from_numpy(kernel.transpose(3, 2, 0, 1)).float(),
            torch.from_numpy(bias).float(),
            rectified=not last,
            pool=final_pool if last else (2, 2) if number in POOLED_AFTER else (1, 1),
        )
