"""VGGish: a network that learnt to label the sounds of YouTube videos; the embedding behind AudioSet.

Sources:
    S. Hershey et al., CNN Architectures for Large-Scale Audio Classification, ICASSP 2017. Code and weights:
    tensorflow/models, research/audioset/vggish; the files are harritaylor/torchvggish's conversion, whose
    names carry the first digits of their SHA-256.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from percept.embeddings import EMBEDDINGS
from percept.records import Embedding, WeightFile, Weights

if TYPE_CHECKING:
    from percept.embeddings._vggish_network import VGGishEmbedder

RATE_HZ = 16000
DIMENSION = 128
ADDRESS = "https://github.com/harritaylor/torchvggish/releases/download/v0.1"
LICENCE = "Apache-2.0"

NETWORK_FILE = WeightFile(
    "vggish-10086976.pth",
    f"{ADDRESS}/vggish-10086976.pth",
    ("sha256:10086976",),
    size=288_600_000,
    licence=LICENCE,
)
PCA_FILE = WeightFile(
    "vggish_pca_params-970ea276.pth",
    f"{ADDRESS}/vggish_pca_params-970ea276.pth",
    ("sha256:970ea276",),
    size=180_000,
    licence=LICENCE,
)


@dataclass(frozen=True)
class VGGish:
    """Options of VGGish."""

    output: Literal["raw", "relu", "quantised"] = "raw"
    """raw: the last layer, as in today's TensorFlow code. relu: negative values cut, as in torchvggish and older
    code. quantised: relu, PCA and rounding to 0 … 255, as in the published AudioSet features; it has no gradient."""
    resampler: Literal["resampy", "exact"] = "resampy"
    """Filter for clips that are not at 16 kHz: as in resampy 0.2, which coarsens it when the rate falls, or
    exact."""


def files(options: VGGish) -> tuple[WeightFile, ...]:
    """The network, and the PCA where the output needs it."""
    return (NETWORK_FILE, PCA_FILE) if options.output == "quantised" else (NETWORK_FILE,)


def _build(options: VGGish, weights: Weights) -> VGGishEmbedder:
    from percept.embeddings import _vggish_network

    return _vggish_network.build(options, weights)


EMBEDDINGS.add(
    Embedding(
        name="vggish",
        version=2,
        title="VGGish",
        summary="network trained to label the sounds of YouTube videos; windows of 0.975 s at 16 kHz",
        citation="Hershey et al., CNN Architectures for Large-Scale Audio Classification, ICASSP 2017",
        rate=RATE_HZ,
        options=VGGish,
        files=files,
        build=_build,
        dimension=lambda options: DIMENSION,
        licence=LICENCE,
    )
)
