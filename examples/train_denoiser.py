"""Example 2: train a small denoiser with L1, with multi-resolution STFT, and with each perceptual loss added.

    python -m examples.train_denoiser
    python -m examples.train_denoiser --terms logmel vggish --seeds 0 1 2 3 4 --steps 500

Every training gets the same clip, the same noise, the same first weights and the same number of steps; only the loss
differs. Perceptual losses are added to the multi-resolution STFT loss, weighted once at the start so that they give a
quarter of the gradient (`WeightedSum.balance`). It trains on one bundled voice and is judged on the other one, which it
has never heard: seed after seed, the voices change places. Written to the output folder: ``scores.csv`` and
``denoiser.md``.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy.special import stdtrit
from torch import Tensor, nn

from examples import common
from examples.common import PERCEPTUAL, RATE_HZ, TITLES
from percept.loss.terms import Loss, WeightedSum

MEASURES = ("pesq_wb", "stoi", "si_sdr")
VOICES = ("speech_slt", "speech_rms")
"""Trained on the first with even seeds, on the second with odd ones, and judged on the other."""
SNRS_DB = (0.0, 5.0, 10.0)
BATCH = 4
SEEN = {"logmel": (BATCH, 1), "vggish": (BATCH, 1), "openl3": (1, 1), "cdpam": (1, 4)}
"""Rows of a batch that a perceptual term sees; and it takes part in one step of so many, so many times as strong. Some
networks cost far more than the denoiser."""
SHARES = (3, 1)
"""Of the gradient: multi-resolution STFT, and the perceptual term."""
LEARNING_RATE = 2e-3
FFT, HOP, CHANNELS = 512, 128, 128


class Block(nn.Module):
    """A convolution along time beside which its input passes on: ``[B, C, frames]`` to the same."""

    def __init__(self, dilation: int) -> None:
        super().__init__()
        convolution = nn.Conv1d(CHANNELS, CHANNELS, 3, padding=dilation, dilation=dilation)
        self.change = nn.Sequential(nn.GroupNorm(1, CHANNELS), convolution, nn.PReLU())

    def forward(self, features: Tensor) -> Tensor:
        """The features and their change."""
        changed: Tensor = features + self.change(features)
        return changed


class Denoiser(nn.Module):
    """A mask over the short-time spectrum, from six convolutions along time; about 330,000 numbers.

    It looks at the logarithm of the magnitudes, with the clip's mean and deviation taken out.

    Shape:
        ``[B, T]`` to ``[B, T]``.
    """

    def __init__(self) -> None:
        super().__init__()
        bins = FFT // 2 + 1
        self.mask = nn.Sequential(
            nn.Conv1d(bins, CHANNELS, 3, padding=1),
            nn.PReLU(),
            *(Block(dilation) for dilation in (1, 2, 4, 8)),
            nn.GroupNorm(1, CHANNELS),
            nn.Conv1d(CHANNELS, bins, 1),
            nn.Sigmoid(),
        )
        self.register_buffer("window", torch.hann_window(FFT))

    def forward(self, noisy: Tensor) -> Tensor:
        """The waveform with less noise."""
        spectrum = torch.stft(noisy, FFT, HOP, window=self.window, return_complex=True)
        level = (spectrum.abs() + 1e-4).log()
        level = (level - level.mean((1, 2), keepdim=True)) / level.std((1, 2), keepdim=True)
        cleaned: Tensor = torch.istft(spectrum * self.mask(level), FFT, HOP, window=self.window, length=noisy.shape[-1])
        return cleaned


class OnSomeRows(Loss):
    """A loss that looks at the first rows of a batch alone."""

    def __init__(self, loss: Loss, rows: int) -> None:
        super().__init__()
        self.loss, self.count = loss, rows

    def rows(self, reference: Tensor, degraded: Tensor) -> Tensor:
        """The loss of the first rows, and 0 for the others."""
        found = self.loss.rows(reference[: self.count], degraded[: self.count])
        rest = len(reference) - len(found)
        return torch.cat([found * len(reference) / len(found), found.new_zeros(rest)])


def batch(clean: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Seconds of the clip with noise at random levels."""
    starts = torch.randint(len(clean) - RATE_HZ, (BATCH,), generator=generator).tolist()
    reference = torch.stack([clean[start : start + RATE_HZ] for start in starts])
    noise = torch.randn(reference.shape, generator=generator)
    levels = torch.rand(BATCH, 1, generator=generator) * 15 - 2.5
    gain = (reference.square().mean(1, keepdim=True) / noise.square().mean(1, keepdim=True)).sqrt()
    return reference, reference + noise * gain * 10 ** (-levels / 20)


def train(kind: str, seed: int, steps: int) -> Denoiser:
    """A denoiser that was trained with this loss: "l1", "mrstft", or the latter plus an embedding's L1 distance."""
    torch.manual_seed(seed)
    network = Denoiser()
    clean = common.speech(VOICES[seed % 2])
    generator = torch.Generator().manual_seed(seed)
    loss = common.loss_named(kind)
    if kind in PERCEPTUAL:
        rows, every = SEEN[kind]
        total = WeightedSum([(common.loss_named("mrstft"), 1.0), (OnSomeRows(loss, rows), 1.0)])
        total = total.balance(*batch(clean, torch.Generator().manual_seed(seed)), shares=SHARES)
        (spectral, term), (weight, own) = total.losses, total.weights
        between = WeightedSum([(spectral, weight)])
        losses = [WeightedSum([(spectral, weight), (term, own * every)]), *[between] * (every - 1)]
    else:
        losses = [WeightedSum([(loss, 1.0)]).balance(*batch(clean, torch.Generator().manual_seed(seed)))]
    optimiser = torch.optim.Adam(network.parameters(), lr=LEARNING_RATE)
    for step in range(steps):
        reference, degraded = batch(clean, generator)
        optimiser.zero_grad()
        losses[step % len(losses)](reference, network(degraded)).backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
    return network.eval()


def judged(network: nn.Module, kind: str, seed: int) -> list[dict[str, object]]:
    """Scores of the unseen voice at several noise levels."""
    clean = common.speech(VOICES[1 - seed % 2])
    rows: list[dict[str, object]] = []
    for number, snr in enumerate(SNRS_DB):
        noisy = common.noisy(clean, snr, seed=1000 + number)
        with torch.no_grad():
            cleaned = network(noisy[None])[0]
        rows.append({"loss": kind, "seed": seed, "snr_db": snr, **common.scores(clean, cleaned, MEASURES)})
    return rows


def told(rows: pd.DataFrame, titles: dict[str, str], heading: str) -> str:
    """Two tables: scores, and what a perceptual term adds to those of the STFT loss, seed by seed."""
    by_seed = rows.groupby(["loss", "seed"], sort=False)[list(MEASURES)].mean()
    names = list(dict.fromkeys(rows["loss"]))
    scores = [[titles[kind], *(_interval(by_seed.loc[kind][m]) for m in MEASURES)] for kind in names]
    added = [
        [titles[kind], *(_interval(by_seed.loc[kind][m] - by_seed.loc["mrstft"][m]) for m in MEASURES)]
        for kind in names
        if kind in PERCEPTUAL
    ]
    columns = [TITLES[m] for m in MEASURES]
    between = "\n\nThe difference that the perceptual term makes to the STFT loss alone, by seed:\n\n"
    text = heading + common.table(["trained with", *columns], scores)
    return text + (between + common.table(["added", *columns], added) if added else "")


def _interval(values: pd.Series) -> str:
    """Mean and half of Student's 95 % interval; what could not be scored is counted."""
    there = values.dropna().to_numpy()
    text = f"{there.mean():.3f}" if len(there) else "–"
    if len(there) > 1:
        text += f" ± {float(stdtrit(len(there) - 1, 0.975)) * there.std(ddof=1) / np.sqrt(len(there)):.3f}"
    missing = len(values) - len(there)
    return text + (f" ({missing} failed)" if missing else "")


def _steps(every: int) -> str:
    return f", one step in {every}" if every > 1 else ""


def main(words: Sequence[str] | None = None) -> None:
    """Train, judge, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--terms", nargs="+", choices=PERCEPTUAL, default=list(PERCEPTUAL), help="perceptual terms")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2, 3])
    parser.add_argument("--steps", type=int, default=100, help="of the optimiser (%(default)s)")
    parser.add_argument("--output", type=Path, default=Path("results_examples"), help="folder (%(default)s)")
    parser.add_argument("--page", type=Path, help="page whose block is to be filled")
    chosen = parser.parse_args(words)
    chosen.output.mkdir(parents=True, exist_ok=True)
    common.quiet_control()
    titles = {"none": "nothing: the noisy clip itself"}
    rows = [row for seed in chosen.seeds for row in judged(nn.Identity(), "none", seed)]
    for kind in ("l1", "mrstft", *chosen.terms):
        name = common.title(kind, common.loss_named(kind))
        titles[kind] = f"multi-resolution STFT and {name}" if kind in PERCEPTUAL else name
        started = time.perf_counter()
        for seed in chosen.seeds:
            rows += judged(train(kind, seed, chosen.steps), kind, seed)
            pd.DataFrame(rows).to_csv(chosen.output / "scores.csv", index=False)
        print(f"{titles[kind]}: {time.perf_counter() - started:.0f} s", flush=True)
    levels = ", ".join(f"{snr:g}" for snr in SNRS_DB)
    seen = ", ".join(f"{SEEN[kind][0]} ({kind}{_steps(SEEN[kind][1])})" for kind in chosen.terms)
    heading = (
        f"{common.parameters(Denoiser()):,} numbers, {chosen.steps} steps of {BATCH} clips of 1 s, {len(chosen.seeds)} "
        f"seeds; of the {BATCH}, a perceptual term sees {seen}. Trained on one of {' and '.join(VOICES)} and judged on "
        f"the other one, with white noise at {levels} dB. ± is Student's 95 % interval over seeds.\n\n"
    )
    text = told(pd.DataFrame(rows), titles, heading)
    (chosen.output / "denoiser.md").write_text(text + "\n", encoding="utf-8")
    print(text)
    if chosen.page:
        common.fill(chosen.page, "denoiser", text)


if __name__ == "__main__":
    main()
