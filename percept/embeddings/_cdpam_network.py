"""CDPAM's encoder as an embedding: its mean over time is taken over windows of 1 s, not over the whole clip.

The features are not scaled to length 1, as they are in CDPAM's distance: the cosine does not care, and a feature of a
constant length would have no gradient in its square.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator

from torch import Tensor

from percept import cdpam_model
from percept.embeddings._embedder import Embedder
from percept.embeddings.cdpam import CDPAM, DIMENSIONS, RATE_HZ

WINDOW_SAMPLES = 22050
HOP_SAMPLES = 22050
"""No overlap: the network is slow enough as it is."""


class CDPAMEmbedder(Embedder):
    """CDPAM: windows of 1 s, side by side, to 512 acoustic features, or to these and 512 of content.

    Args:
        options: see `percept.embeddings.cdpam.CDPAM`.
    """

    CHUNK_CPU = 4
    CHUNK_GPU = 32

    def __init__(self, options: CDPAM) -> None:
        super().__init__(
            title="CDPAM",
            rate=RATE_HZ,
            window=WINDOW_SAMPLES,
            hop=HOP_SAMPLES,
            dimension=DIMENSIONS[options.features],
            layers=(*(f"conv{number}" for number in range(1, 17)), "embedding"),
        )
        self.options = options
        # A copy, because `use` and `to` change it and the distance shares it.
        self.network = copy.deepcopy(cdpam_model.load()[0])
        self.freeze()

    def padding(self, length: int) -> tuple[int, int]:
        """Zeros at the end, up to the next whole window."""
        return 0, max(self.window - length, 0) or (self.window - length) % self.hop

    def spectrogram(self, windows: Tensor) -> Tensor:
        """The windows in 16-bit steps: the network listens to the waveform."""
        return cdpam_model.sixteen_bit(windows)

    def activations(self, spectrogram: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Each convolution's output ``[N, C, time]``, then the mean of the last over time ``[N, D]``."""
        last = spectrogram
        for name, last in self.network.layers(spectrogram):
            yield name, last
        yield "embedding", last[..., ::2].mean(dim=-1)[:, : self.dimension]
