"""VGGish's network: six 3×3 convolutions with four pools, three full layers, and what may follow.

    log-mel [96, 64] → conv 64, pool → conv 128, pool → 2 × conv 256, pool → 2 × conv 512, pool
                     → flatten, channels last → 4096 → 4096 → 128 → output

Every layer but the last is followed by a ReLU. Names of the layers are TensorFlow's.

Source: S. Hershey et al., CNN Architectures for Large-Scale Audio Classification, ICASSP 2017.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping

from torch import Tensor, nn

from percept.embeddings import _frontends
from percept.embeddings._convolutions import OUTPUT, Convolution, ConvolutionStack
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

    CHUNK_CPU = 64  # the full layers read 288 MB of numbers for every batch
    CHUNK_GPU = 128
    WINDOW_BYTES = 8 << 20  # three maps of 64 × 96 × 64, and the window in double precision

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
            layers=(*CONVOLUTIONS.values(), *_full_layers(options), "embedding"),
            resampler=options.resampler,
        )
        self.options = options
        self.network = ConvolutionStack(tuple(_layers(tensors)))
        self.head = _Head(tensors)
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
        for name, maps in self.network.activations(self._maps(spectrogram)):
            if name != OUTPUT:
                yield name, maps
        names = _full_layers(self.options)
        for name, values in self.head.activations(maps):
            if name in names:
                yield name, values
        yield "embedding", self._output(values)

    def embedding(self, spectrogram: Tensor) -> Tensor:
        """The embedding alone."""
        return self._output(self.head(self.network.infer(self._maps(spectrogram))))

    def _maps(self, spectrogram: Tensor) -> Tensor:
        return spectrogram[:, None].to(self.network.dtype)

    def _output(self, raw: Tensor) -> Tensor:
        output = raw if self.options.output == "raw" else raw.relu()
        return self._quantise(output) if self.options.output == "quantised" else output

    def _quantise(self, features: Tensor) -> Tensor:
        rotated = (features.to(self.means.dtype) - self.means) @ self.eigenvectors.T
        limited = rotated.clamp(-QUANTISED_LIMIT, QUANTISED_LIMIT)
        steps = (limited + QUANTISED_LIMIT) * (QUANTISED_STEPS / (2 * QUANTISED_LIMIT))
        return steps.round().to(features.dtype)


class _Head(nn.Module):
    """The full layers."""

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.full = nn.ModuleDict({key: _full(tensors, f"embeddings.{key}") for key in FULL})

    def activations(self, maps: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Each full layer by name with its output ``[N, C]``."""
        values = maps.permute(0, 2, 3, 1).flatten(1)
        for key, layer in self.full.items():
            values = layer(values)
            values = values.relu_() if FULL[key] != "fc2" else values
            yield FULL[key], values

    def forward(self, maps: Tensor) -> Tensor:
        """The last layer's output ``[N, 128]``."""
        ((_, raw),) = deque(self.activations(maps), maxlen=1)
        return raw


def _full_layers(options: VGGish) -> list[str]:
    """Names of the full layers; the last one is the embedding itself where nothing follows it."""
    return [name for name in FULL.values() if name != "fc2" or options.output != "raw"]


def build(options: VGGish, weights: Weights) -> VGGishEmbedder:
    """The network with official weights from files, or with the seeded ones of the control."""
    pretrained = weights.kind == "pretrained"
    pca = None
    if options.output == "quantised":
        pca = read_pca(weights.files[PCA_FILE.name]) if pretrained else untrained_pca(weights.seed)
    tensors = read_network(weights.files[NETWORK_FILE.name]) if pretrained else untrained(weights.seed)
    return VGGishEmbedder(options, tensors, pca)


def _layers(tensors: Mapping[str, Tensor]) -> Iterator[Convolution]:
    for key, name in CONVOLUTIONS.items():
        pool = (1, 1) if name in ("conv3_1", "conv4_1") else (2, 2)
        yield Convolution(name, tensors[f"features.{key}.weight"], tensors[f"features.{key}.bias"], pool=pool)


def _full(tensors: Mapping[str, Tensor], name: str) -> nn.Linear:
    weight = tensors[f"{name}.weight"]
    layer = nn.Linear(weight.shape[1], weight.shape[0], device="meta")
    layer.weight, layer.bias = nn.Parameter(weight), nn.Parameter(tensors[f"{name}.bias"])
    return layer
