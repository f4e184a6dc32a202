"""Log-mel spectrum: the classical baseline that a network has to beat, and what tests run with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from percept.embeddings import EMBEDDINGS
from percept.records import Embedding, WeightFile, Weights
from percept.schema import PerceptError

if TYPE_CHECKING:
    from percept.embeddings._logmel_transform import LogMelEmbedder

RATE_HZ = 16000
MOST_BANDS = 128


@dataclass(frozen=True)
class LogMel:
    """Options of the log-mel spectrum."""

    bands: int = 64
    """Number of mel bands between 50 and 8000 Hz."""
    scale: Literal["htk", "slaney"] = "htk"
    """Formula of the mel scale."""

    def __post_init__(self) -> None:
        if not 1 <= self.bands <= MOST_BANDS:
            raise PerceptError(f"Log-mel: option 'bands' must be 1 to {MOST_BANDS}, not {self.bands}")


def files(options: LogMel) -> tuple[WeightFile, ...]:
    """None: there is nothing to train."""
    return ()


def _build(options: LogMel, weights: Weights) -> LogMelEmbedder:
    from percept.embeddings import _logmel_transform

    return _logmel_transform.LogMelEmbedder(options)


EMBEDDINGS.add(
    Embedding(
        name="logmel",
        title="Log-mel",
        summary="logarithm of the power in mel bands, 25 ms windows every 10 ms at 16 kHz; classical baseline",
        citation="Davis and Mermelstein, Comparison of Parametric Representations, IEEE Trans. ASSP 28(4), 1980",
        rate=RATE_HZ,
        options=LogMel,
        files=files,
        build=_build,
        dimension=lambda options: int(options.bands),
        licence="MIT",
    )
)
