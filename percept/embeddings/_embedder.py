"""What every embedding's network has in common: resample, cut into windows, front end, network in chunks.

Conventions:
    Letters: B batch, T samples, F windows (one frame of the embedding each), D features, N windows of a
        chunk.
    Front ends compute in float64 whatever comes in. OpenL3's floor of -80 is a tenth of a decade per unit of
    *amplitude*, so it lies 160 dB below the peak: float32, good for about 140 dB, would fill the range down
    to it with rounding noise. The network then computes in the format of its own numbers (float32, or
    bfloat16 on request).

Contents: `Embedder`, `embed`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Literal, Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from percept.dsp import mono, not_finite, room
from percept.embeddings._batches import arithmetic, batch, infer, uploaded
from percept.embeddings._resample import Table, Walked, resample, resampled, resampled_length
from percept.schema import Array, Array64, Clip, Unscorable
from percept.stored import Stored

Precision = Literal["float32", "tf32", "bfloat16"]


class Embedder(nn.Module):
    """From waveforms to frames of features; differentiable to the waveform, and frozen.

    A subclass gives `spectrogram` and `activations`, and `padding` where it pads. Its network is a child
    module.

    Args:
        title: name for messages.
        rate: sample rate that the front end wants, in Hz.
        window: samples of one window, at `rate`.
        hop: samples from one window to the next, at `rate`.
        dimension: D.
        layers: names of what `layers` gives, in order; the last is "embedding".
        resampler: filter for other rates, see `percept.embeddings._resample`.

    Shape:
        ``[B, T]`` to ``[B, F, D]`` with F = `frames(T, rate)`.
    """

    CHUNK_CPU = 1
    CHUNK_GPU = 32
    """Windows a call of the network, with gradients: what a processor's caches hold, and what a GPU does."""
    WINDOW_BYTES = 1 << 20
    """Memory that front end and network need for one window, without gradients, in float32."""
    MOST_GPU = 4096
    """Windows at once beyond which a GPU gains nothing."""

    differentiable = True
    """Whether the output has a useful gradient; an instance that quantises says no."""

    anchor: Tensor

    def __init__(
        self,
        *,
        title: str,
        rate: int,
        window: int,
        hop: int,
        dimension: int,
        layers: tuple[str, ...] = ("embedding",),
        resampler: Table = "exact",
    ) -> None:
        super().__init__()
        self.title = title
        self.rate = rate
        self.window = window
        self.hop = hop
        self.dimension = dimension
        self.layer_names = layers
        self.resampler: Table = resampler
        self.precision: Precision = "float32"
        self.most = self.MOST_GPU
        self.register_buffer("anchor", torch.zeros(()), persistent=False)

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return self.anchor.device

    @property
    def chunk(self) -> int:
        """Windows a call of the network on the present device."""
        return self.CHUNK_CPU if self.device.type == "cpu" else self.CHUNK_GPU

    def padding(self, length: int) -> tuple[int, int]:
        """Zeros to put before and after `length` samples at `rate`; none unless a subclass says so."""
        return 0, 0

    def spectrogram(self, windows: Tensor) -> Tensor:
        """The front end: float64 ``[N, window]`` to float64 ``[N, …]``."""
        raise NotImplementedError

    def activations(self, spectrogram: Tensor) -> Iterator[tuple[str, Tensor]]:
        """The network: each of `layer_names` with its output; the last is the embedding ``[N, D]``."""
        raise NotImplementedError

    def forward(self, waveform: Tensor, rate: int | None = None) -> Tensor:
        """The embedding of a batch of waveforms.

        Args:
            waveform: ``[B, T]``, full scale 1.
            rate: its sample rate in Hz; None: the embedding's own.

        Returns:
            ``[B, F, D]`` in float32, or in float64 for a float64 waveform.

        Raises:
            Unscorable: when the waveform is too short for one window.
        """
        rows = [self.encode(self.cut(pieces)) for pieces in self.stretches(waveform, rate)]
        kind = torch.promote_types(waveform.dtype, torch.float32)
        return torch.cat(rows).reshape(waveform.shape[0], -1, self.dimension).to(kind)

    def windows(self, waveform: Tensor, rate: int | None = None) -> Tensor:
        """The waveform ``[B, T]`` at the embedding's rate, padded and cut: float64 ``[B, F, window]``, a view."""
        return self._signal(waveform, rate).unfold(-1, self.window, self.hop)

    def stretches(self, waveform: Tensor, rate: int | None = None) -> Iterator[tuple[Tensor, ...]]:
        """What `cut` makes the windows of, `chunk` windows at a time: neighbouring pieces ``[b, samples]`` each.

        Windows overlap, and each would add a gradient as long as the clip. Pieces do not, so the backward pass takes
        time and memory that grow with the clips' length, not with its square. Clips that have fewer windows than
        that are taken together.
        """
        signal = self._signal(waveform, rate)
        count = 1 + (signal.shape[-1] - self.window) // self.hop
        for clips in torch.split(signal, max(1, self.chunk // count)):
            pieces = torch.split(clips, self.chunk * self.hop, dim=1)
            for number, start in enumerate(range(0, count, self.chunk)):
                needed = (min(self.chunk, count - start) - 1) * self.hop + self.window
                last = (needed - 1) // (self.chunk * self.hop)
                rest = pieces[number + last][:, : needed - last * self.chunk * self.hop]
                yield *pieces[number : number + last], rest

    def cut(self, pieces: Sequence[Tensor]) -> Tensor:
        """Windows ``[N, window]`` of pieces that `stretches` gives: all of the first clip, then of the next."""
        return torch.cat(list(pieces), dim=1).unfold(-1, self.window, self.hop).flatten(0, 1)

    def _signal(self, waveform: Tensor, rate: int | None) -> Tensor:
        """The waveform ``[B, T]`` at the embedding's rate and padded, float64."""
        if waveform.ndim != 2:
            raise ValueError(f"a batch of waveforms is [B, T], not {list(waveform.shape)}")
        given = rate or self.rate
        samples = resample(waveform.double(), given, self.rate, self.resampler)
        self._check(samples.shape[-1], waveform.shape[-1] / given)
        return functional.pad(samples, self.padding(samples.shape[-1]))

    def runs(self, waveform: Tensor | Walked, rate: int | None, size: int) -> Iterator[Tensor]:
        """What `windows` gives for one waveform ``[1, T]``, bit for bit, `size` at a time: float64 ``[N, window]``.

        The waveform is never there as a whole in double precision, nor at the embedding's rate.
        """
        given, length = rate or self.rate, waveform.shape[-1]
        samples = resampled_length(length, given, self.rate)
        self._check(samples, length / given)
        before, after = (
            torch.zeros((1, count), dtype=torch.float64, device=waveform.device) for count in self.padding(samples)
        )
        signal = chain([before], resampled(waveform, given, self.rate, self.resampler), [after])
        yield from _runs(signal, self.window, self.hop, size)

    def frames(self, length: int, rate: int | None = None) -> int:
        """F for a waveform of `length` samples at `rate`; 0 when it is too short."""
        samples = resampled_length(length, rate or self.rate, self.rate)
        total = samples + sum(self.padding(samples))
        return 1 + (total - self.window) // self.hop if samples and total >= self.window else 0

    def timestamps(self, frames: int) -> Array64:
        """Start of each frame's window in the padded waveform, in seconds ``[F]``."""
        return np.arange(frames, dtype=np.float64) * (self.hop / self.rate)

    def encode(self, windows: Tensor) -> Tensor:
        """The embedding ``[N, D]`` of windows ``[N, window]``."""
        # Each layer is let go as soon as the next is there.
        ((_, embedding),) = deque(self.activations(self.spectrogram(windows.double())), maxlen=1)
        return embedding

    def infer(self, windows: Tensor) -> Tensor:
        """As `encode`, without gradients and the fastest way there is; equal to rounding (1e-5 of the embedding)."""
        # Not inference_mode: front ends keep constants, which may meet a gradient later.
        with torch.no_grad(), arithmetic(self.precision):
            return self.embedding(self.spectrogram(windows.double()))

    def embedding(self, spectrogram: Tensor) -> Tensor:
        """The embedding ``[N, D]`` alone, by the fastest way there is; need not be differentiable."""
        ((_, embedding),) = deque(self.activations(spectrogram), maxlen=1)
        return embedding

    def layers(self, windows: Tensor) -> dict[str, Tensor]:
        """What each layer gives for windows ``[N, window]``: ``[N, C, …]``, after its activation."""
        return dict(self.activations(self.spectrogram(windows.double())))

    def use(self, precision: Precision) -> Self:
        """Compute the network, not the front end, in this number format; TF32 is float32 with rounded products."""
        self.precision = precision
        for child in self.children():
            child.to(torch.bfloat16 if precision == "bfloat16" else torch.float32)
        return self

    def freeze(self) -> Self:
        """Make every number constant; a subclass calls it once its network is there."""
        self.requires_grad_(False)
        return self.eval()

    def train(self, mode: bool = True) -> Self:
        """Stay in evaluation mode, whatever the module does that this one is a part of."""
        return super().train(False)

    def _check(self, samples: int, seconds: float) -> None:
        if not samples or samples + sum(self.padding(samples)) < self.window:
            needed = self.window / self.rate if samples else 1 / self.rate
            raise Unscorable(f"{self.title} needs at least {needed:.3g} s; the clip lasts {seconds:.3g} s")


def embed(embedder: Embedder, clip: Clip) -> Array:
    """The embedding of a clip, float32 ``[F, D]``, without gradients.

    Equal to what `Embedder.forward` gives for the whole clip, but for rounding (see `Embedder.infer`). Besides the
    clip, unless it stays in its file (`percept.stored`), and its embedding, memory does not grow with the clip's
    length: resampler, front end and network see one part at a time.

    Raises:
        Unscorable: when the clip is empty, too short for this embedding or not finite.
    """
    samples = mono(clip.samples)
    if not samples.size:
        raise Unscorable("the clip is empty")
    wrong = not_finite(samples)
    if wrong:
        raise Unscorable(f"the clip is not finite: {wrong} of {samples.size} samples are NaN or infinite")
    waveform = _waveform(samples, embedder.device)
    frames = room(embedder.frames(samples.size, clip.rate), embedder.dimension)
    begin = 0
    with torch.no_grad():
        for run in embedder.runs(waveform, clip.rate, batch(embedder)):
            frames[begin : begin + len(run)] = infer(embedder, run)
            begin += len(run)
    if begin != len(frames):
        raise RuntimeError(f"{begin} windows came out of a clip that has {len(frames)}")
    return frames


def _waveform(samples: Array | Stored, device: torch.device) -> Tensor | Walked:
    """The samples as ``[1, T]``, where the network is; for a processor a long recording may stay in its file."""
    if isinstance(samples, Stored) and device.type == "cpu":
        return Walked(samples)
    waveform = torch.from_numpy(np.require(samples, np.float32, ["C", "W"]))[None]
    return uploaded(waveform, device) if device.type == "cuda" else waveform


def _runs(parts: Iterable[Tensor], window: int, hop: int, size: int) -> Iterator[Tensor]:
    """All windows of a signal that comes in parts ``[1, T]``, in order, `size` at a time but for the last."""
    held: Tensor | None = None
    skipped = 0
    for part in parts:
        rest = part[0, skipped:]
        skipped -= part.shape[-1] - rest.numel()
        held = rest if held is None else torch.cat([held, rest])
        # Windows that make whole chunks; a gap between two windows may reach beyond what is held.
        count = (1 + (held.numel() - window) // hop) // size * size if held.numel() >= window else 0
        if count:
            yield from torch.split(held.unfold(0, window, hop)[:count], size)
            skipped = max(0, count * hop - held.numel())
            held = held[count * hop :]
    if held is not None and held.numel() >= window:
        yield held.unfold(0, window, hop)
