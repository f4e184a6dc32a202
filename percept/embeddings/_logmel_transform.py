"""The log-mel spectrum as an embedding."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from percept.embeddings import _frontends
from percept.embeddings._embedder import Embedder
from percept.embeddings.logmel import RATE_HZ, LogMel


class LogMelEmbedder(Embedder):
    """Mel bands of 25 ms windows every 10 ms; float64 in gives float64 out.

    Args:
        options: see `percept.embeddings.logmel.LogMel`.
    """

    CHUNK_CPU = 1024
    CHUNK_GPU = 16384

    def __init__(self, options: LogMel) -> None:
        super().__init__(
            title="Log-mel",
            rate=RATE_HZ,
            window=_frontends.SPEECH_FRAME_SAMPLES,
            hop=_frontends.SPEECH_HOP_SAMPLES,
            dimension=options.bands,
        )
        self.options = options
        self.freeze()

    def padding(self, length: int) -> tuple[int, int]:
        """Zeros up to one window."""
        return 0, max(0, self.window - length)

    def spectrogram(self, windows: Tensor) -> Tensor:
        """Log-mel ``[N, D]``."""
        return _frontends.log_mel(windows, self.options.bands, self.options.scale)

    def activations(self, spectrogram: Tensor) -> Iterator[tuple[str, Tensor]]:
        """The embedding, which is the spectrogram itself."""
        yield "embedding", spectrogram
