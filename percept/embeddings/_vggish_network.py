"""VGGish's network: six 3×3 convolutions with four pools, three full layers, and what may follow.

    log-mel [96, 64] → conv 64, pool → conv 128, pool → 2 × conv 256, pool → 2 × conv 512, pool
                     → flatten, channels last → 4096 → 4096 → 128 → output

Every layer but the last is followed by a ReLU. Names of the layers are TensorFlow's.

Source: S. Hershey et al., CNN Architectures for Large-Scale Audio Classification, ICASSP 2017.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from percept.embeddings import _frontends
from percept.embeddings._embedder import Embedder
from percept.embeddings._vggish_weights import (
    CONVOLUTIONS,
    FULL,
    read_network,
    read_pca,
    untrained,
    untrained_pca,
)
from percept.embeddings.vggish import DIMENSION, NETWORK_FILE, PCA_FILE, RATE_HZ, VGGish
from percept.records import Weights

WINDOW_SAMPLES = 15600
"""96 frames of 25 ms every 10 ms: 0.975 s."""
HOP_SAMPLES = 15360
"""96 frames, 0.96 s: examples share no frame, only 15 ms of samples."""
QUANTISED_LIMIT = 2.0
QUANTISED_STEPS = 255


class VGGishEmbedder(Embedder):
    """VGGish: windows of 0.975 s to 128 features.

    Args:
        options: see `percept.embeddings.vggish.VGGish`.
        tensors: the network's numbers under torchvggish's names.
        pca: eigenvectors ``[128, 128]`` and means ``[128]``; needed for the quantised output.
    """

    CHUNK_CPU = 16
    CHUNK_GPU = 128

    eigenvectors: Tensor
    means: Tensor

    def __init__(
        self, options: VGGish, tensors: Mapping[str, Tensor], pca: tuple[Tensor, Tensor] | None = None
    ) -> None:
        super().__init__(
            title="VGGish",
            rate=RATE_HZ,
            window=WINDOW_SAMPLES,
            hop=HOP_SAMPLES,
            dimension=DIMENSION,
            layers=(*CONVOLUTIONS.values(), *FULL.values(), "embedding"),
            resampler=options.resampler,
        )
        self.options = options
        self.network = _Network(tensors)
        if options.output == "quantised":
            if pca is None:
                raise ValueError("the quantised output needs the PCA")
            self.register_buffer("eigenvectors", pca[0].double())
            self.register_buffer("means", pca[1].double())
            self.differentiable = False
        self.freeze()

    def spectrogram(self, windows: Tensor) -> Tensor:
        """Log-mel examples ``[N, 96, 64]``."""
        return _frontends.vggish_log_mel(windows)

    def activations(self, spectrogram: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Each convolution's output ``[N, C, time, bands]``, each full one's ``[N, C]``, then the embedding."""
        raw = spectrogram
        for name, raw in self.network.activations(spectrogram[:, None]):
            yield name, raw
        output = raw if self.options.output == "raw" else raw.relu()
        yield "embedding", self._quantise(output) if self.options.output == "quantised" else output

    def _quantise(self, features: Tensor) -> Tensor:
        rotated = (features.to(self.means.dtype) - self.means) @ self.eigenvectors.T
        limited = rotated.clamp(-QUANTISED_LIMIT, QUANTISED_LIMIT)
        steps = (limited + QUANTISED_LIMIT) * (QUANTISED_STEPS / (2 * QUANTISED_LIMIT))
        return steps.round().to(features.dtype)


class _Network(nn.Module):
    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.features = nn.ModuleDict({key: _convolution(tensors, f"features.{key}") for key in CONVOLUTIONS})
        self.embeddings = nn.ModuleDict({key: _full(tensors, f"embeddings.{key}") for key in FULL})

    def activations(self, maps: Tensor) -> Iterator[tuple[str, Tensor]]:
        values = maps.to(next(self.parameters()).dtype)
        for key, layer in self.features.items():
            values = layer(values).relu_()
            yield CONVOLUTIONS[key], values
            if CONVOLUTIONS[key] not in ("conv3_1", "conv4_1"):
                values = functional.max_pool2d(values, 2)
        values = values.permute(0, 2, 3, 1).flatten(1)
        for key, layer in self.embeddings.items():
            values = layer(values)
            values = values.relu_() if FULL[key] != "fc2" else values
            yield FULL[key], values


def build(options: VGGish, weights: Weights) -> VGGishEmbedder:
    """The network with official weights from files, or with the seeded ones of the control."""
    pretrained = weights.kind == "pretrained"
    pca = None
    if options.output == "quantised":
        pca = read_pca(weights.files[PCA_FILE.name]) if pretrained else untrained_pca(weights.seed)
    tensors = read_network(weights.files[NETWORK_FILE.name]) if pretrained else untrained(weights.seed)
    return VGGishEmbedder(options, tensors, pca)


def _convolution(tensors: Mapping[str, Tensor], name: str) -> nn.Conv2d:
    weight = tensors[f"{name}.weight"]
    layer = nn.Conv2d(weight.shape[1], weight.shape[0], 3, padding="same", device="meta")
    layer.weight = nn.Parameter(weight.contiguous(memory_format=torch.channels_last))
    layer.bias = nn.Parameter(tensors[f"{name}.bias"])
    return layer


def _full(tensors: Mapping[str, Tensor], name: str) -> nn.Linear:
    weight = tensors[f"{name}.weight"]
    layer = nn.Linear(weight.shape[1], weight.shape[0], device="meta")
    layer.weight, layer.bias = nn.Parameter(weight), nn.Parameter(tensors[f"{name}.bias"])
    return layer
