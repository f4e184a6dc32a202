"""CDPAM's encoder: a network that learnt from listeners which differences of two recordings are heard.

Sources:
    P. Manocha, Z. Jin, R. Zhang and A. Finkelstein, CDPAM: Contrastive Learning for Perceptual Audio Similarity,
    ICASSP 2021. The weights come with the pip package `cdpam`, so there is nothing to fetch and no untrained control.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from percept.embeddings import EMBEDDINGS
from percept.records import Embedding, WeightFile, Weights

if TYPE_CHECKING:
    from percept.embeddings._cdpam_network import CDPAMEmbedder

RATE_HZ = 22050
DIMENSIONS = {"acoustic": 512, "all": 1024}


@dataclass(frozen=True)
class CDPAM:
    """Options of CDPAM's encoder."""

    features: Literal["acoustic", "all"] = "acoustic"
    """acoustic: the half that CDPAM's distance is made of, trained to ignore what is said or played. all: the half
    that follows the content, too."""


def files(options: CDPAM) -> tuple[WeightFile, ...]:
    """None: the package carries them."""
    return ()


def _build(options: CDPAM, weights: Weights) -> CDPAMEmbedder:
    from percept.embeddings import _cdpam_network

    return _cdpam_network.CDPAMEmbedder(options)


EMBEDDINGS.add(
    Embedding(
        name="cdpam",
        title="CDPAM",
        summary="encoder of a distance learnt from listeners; windows of 1 s at 22.05 kHz",
        citation="Manocha et al., CDPAM: Contrastive Learning for Perceptual Audio Similarity, ICASSP 2021",
        rate=RATE_HZ,
        options=CDPAM,
        files=files,
        build=_build,
        dimension=lambda options: DIMENSIONS[options.features],
        licence="MIT",
    )
)
