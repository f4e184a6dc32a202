"""OpenL3: a network that learnt from videos which sound belongs to which picture.

Sources:
    J. Cramer, H.-H. Wu, J. Salamon, J. P. Bello, Look, Listen and Learn More: Design Choices for Deep Audio
    Embeddings, ICASSP 2019. Framing, front ends and files as in the package openl3 0.4 (marl/openl3); git ids
    of the files from its branch "models", SHA-256 of the mel256 music files as recorded by whepper/musicpack.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from percept.embeddings import EMBEDDINGS
from percept.records import Embedding, WeightFile, Weights
from percept.schema import PerceptError

if TYPE_CHECKING:
    from percept.embeddings._openl3_network import OpenL3Embedder

RATE_HZ = 48000
ADDRESS = "https://github.com/marl/openl3/raw/models"
LICENCE = "CC BY 4.0"
PACKED_BYTES = 17_000_000

GIT_BLOBS = {
    "linear_env": "7837407f033f3564c7e8d53fc4a4241fe160478b",
    "linear_music": "4e2e61beb17865481c8b8791c72eac8307e2753a",
    "mel128_env": "8c3dfee140f7776373841e5938a3e76c54f28942",
    "mel128_music": "73ff29de441865318c4b3a3f98c40763c4773e7c",
    "mel256_env": "34dbd7a91cdd2de6a3d6d036ac0a24d27d78e3cc",
    "mel256_music": "15e483646fa3d4091a463f0affbb706e6bbbb098",
}
"""Of the packed files, ``.h5.gz``."""
PACKED_SHA256 = {"mel256_music": "e379f41e880b78e157c199ebddac80d3764e6a46282bcccdbe875bcf538f9afd"}
UNPACKED_SHA256 = {"mel256_music": "624ee7b1dd5ff87e18073f66fd8b2052bebb8ac70210e9c0937c0c940c63e9d6"}


@dataclass(frozen=True)
class OpenL3:
    """Options of OpenL3; the defaults are those of the package openl3, but for the size (6144 there)."""

    representation: Literal["linear", "mel128", "mel256"] = "mel256"
    """Spectrogram that the network sees."""
    content: Literal["music", "env"] = "music"
    """Videos that it learnt from: of music, or of the environment."""
    size: Literal[512, 6144] = 512
    """Features a frame; only the last pool differs."""
    hop: float = 0.1
    """Seconds from one window of one second to the next."""
    centre: bool = True
    """Put half a second of silence before the clip, so that a frame's time is the middle of its window."""
    frontend: Literal["v04", "training"] = "v04"
    """Mel bands as in openl3 since 0.4, or as in the training of the weights; they differ by about 5 dB."""
    resampler: Literal["resampy", "exact"] = "resampy"
    """Filter for clips that are not at 48 kHz: as in resampy 0.2, which coarsens it when the rate falls, or
    exact."""

    def __post_init__(self) -> None:
        if not self.hop * RATE_HZ >= 1:
            raise PerceptError(
                f"OpenL3: option 'hop' must be at least one sample, {1 / RATE_HZ:.2g} s, not {self.hop:g}"
            )


def files(options: OpenL3) -> tuple[WeightFile, ...]:
    """The official file: one for each representation and content."""
    variant = f"{options.representation}_{options.content}"
    name = f"openl3_audio_{variant}-v0_4_0.h5"
    packed = (f"gitblob:{GIT_BLOBS[variant]}", *_sha256(PACKED_SHA256, variant))
    unpacked = {name: _sha256(UNPACKED_SHA256, variant)}
    return (WeightFile(f"{name}.gz", f"{ADDRESS}/{name}.gz", packed, unpacked, PACKED_BYTES, LICENCE),)


def _sha256(digests: dict[str, str], variant: str) -> tuple[str, ...]:
    return (f"sha256:{digests[variant]}",) if variant in digests else ()


def _build(options: OpenL3, weights: Weights) -> OpenL3Embedder:
    from percept.embeddings import _openl3_network

    return _openl3_network.build(options, weights)


EMBEDDINGS.add(
    Embedding(
        name="openl3",
        version=2,
        title="OpenL3",
        summary="network trained to tell which sound belongs to which video; one-second windows at 48 kHz",
        citation="Cramer et al., Look, Listen and Learn More: Design Choices for Deep Audio Embeddings, ICASSP 2019",
        rate=RATE_HZ,
        options=OpenL3,
        files=files,
        build=_build,
        dimension=lambda options: int(options.size),
        licence=LICENCE,
    )
)
