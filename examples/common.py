"""What the examples share: clips, scores, losses by name, and pages whose blocks they write."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

import percept
from percept import dsp, media
from percept.loss.perceptual import PerceptualLoss
from percept.loss.stft import MultiResolutionSTFTLoss
from percept.loss.terms import Loss

ROOT = Path(__file__).parent.parent
RATE_HZ = 16000
MEASURES = ("pesq_wb", "stoi", "si_sdr", "cdpam")
TITLES = {"pesq_wb": "PESQ", "stoi": "STOI", "si_sdr": "SI-SDR, dB", "cdpam": "CDPAM"}
PERCEPTUAL = {
    "logmel": "logmel",
    "vggish": "vggish",
    "openl3": "openl3:mel128,hop=0.5,centre=false",
    "cdpam": "cdpam",
}
"""Embeddings by short names; OpenL3 with the smaller network and the longer hop, a tenth of the usual work."""


class WaveformL1(Loss):
    """Mean absolute difference of the samples: what everybody starts with."""

    def rows(self, reference: Tensor, degraded: Tensor) -> Tensor:
        """The difference of each pair, ``[B]``."""
        return (reference - degraded).abs().mean(dim=1)


def loss_named(name: str) -> Loss:
    """A loss by its short name: "l1", "mrstft", or one of `PERCEPTUAL`, which is that embedding's L1 distance."""
    if name == "l1":
        return WaveformL1()
    if name == "mrstft":
        return MultiResolutionSTFTLoss()
    return PerceptualLoss(PERCEPTUAL[name], "l1", rate=RATE_HZ)


def title(name: str, loss: Loss) -> str:
    """What to call a loss, and whether its network has learnt anything."""
    words = {"l1": "waveform L1", "mrstft": "multi-resolution STFT"}
    if not isinstance(loss, PerceptualLoss):
        return words[name]
    return f"{loss.embedder.title} L1{'' if loss.trained else ' (untrained)'}"


def speech(name: str, seconds: float | None = None) -> Tensor:
    """A bundled clip ``[T]`` at 16 kHz, or its beginning; taken up from the first sound."""
    (path,) = (ROOT / "original_audio").glob(f"{name}.*")
    clip = dsp.at_rate(media.read_mono(path), RATE_HZ)
    first = int(np.argmax(np.abs(clip.samples) > 0.02))
    samples = clip.samples[first:]
    return torch.from_numpy(samples[: round(seconds * RATE_HZ)] if seconds else samples)


def noisy(clean: Tensor, snr_db: float, seed: int) -> Tensor:
    """The clip with white noise at this signal-to-noise ratio."""
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(seed))
    return clean + noise * (clean.square().mean() / noise.square().mean()).sqrt() * 10 ** (-snr_db / 20)


def scores(reference: Tensor, degraded: Tensor, measures: Sequence[str] = MEASURES) -> dict[str, float]:
    """Measures of a pair ``[T]``; NaN where one cannot be had."""
    pair = (w.detach().numpy().astype(np.float32) for w in (reference, degraded))
    found = percept.score(*pair, RATE_HZ, measures)
    return {name: np.nan if result.value is None else result.value for name, result in found.items()}


def quiet_control() -> None:
    """Pass over the warning of each loss without pretrained weights; the tables name it the untrained control."""
    warnings.filterwarnings("ignore", message=".*untrained weights are used.*")


def parameters(network: nn.Module) -> int:
    """Numbers that are trained."""
    return sum(p.numel() for p in network.parameters() if p.requires_grad)


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def fill(page: Path, name: str, text: str) -> None:
    """Put the text into the block of this name of a page."""
    begin, end = f"<!-- {name}: begin", f"<!-- {name}: end -->"
    whole = page.read_text(encoding="utf-8")
    if begin not in whole or end not in whole:
        raise SystemExit(f"{page} has no block '{begin} … {end}'")
    before, rest = whole.split(begin, 1)
    mark, rest = rest.split("\n", 1)
    page.write_text(f"{before}{begin}{mark}\n\n{text}\n\n{end}{rest.split(end, 1)[1]}", encoding="utf-8")
