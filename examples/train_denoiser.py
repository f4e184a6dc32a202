"""Example 2: train a small denoiser with L1, with multi-resolution STFT, and with each perceptual loss added.

    python -m examples.train_denoiser
    python -m examples.train_denoiser --terms logmel vggish --seeds 0 1 2 3 4 --steps 500

Every training gets the same clip, the same noise, the same first weights and the same number of steps; only the loss
differs. Perceptual losses are added to the multi-resolution STFT loss, weighted once at the start so that they give a
quarter of the gradient (`WeightedSum.balance`). It trains on one bundled voice and is judged on the other one, which it
has never heard. Written to the output folder: ``scores.csv`` and ``denoiser.md``.
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
TRAINED_ON, JUDGED_ON = "speech_slt", "speech_rms"
SNRS_DB = (0.0, 5.0, 10.0)
BATCH = 4
PERCEPTUAL_ROWS = 1
"""Rows of a batch that the perceptual term sees: the networks cost more than the denoiser."""
SHARES = (3, 1)
"""Of the gradient: multi-resolution STFT, and the perceptual term."""
LEARNING_RATE = 2e-3
FFT, HOP, CHANNELS = 512, 128, 128


class Denoiser(nn.Module):
    """A mask over the short-time spectrum, from six convolutions along time; about 330,000 numbers.

    Shape:
        ``[B, T]`` to ``[B, T]``.
    """

    def __init__(self) -> None:
        super().__init__()
        bins = FFT // 2 + 1
        layers: list[nn.Module] = [nn.Conv1d(bins, CHANNELS, 3, padding=1), nn.PReLU()]
        for dilation in (1, 2, 4, 8):
            layers += [nn.Conv1d(CHANNELS, CHANNELS, 3, padding=dilation, dilation=dilation), nn.PReLU()]
        self.mask = nn.Sequential(*layers, nn.Conv1d(CHANNELS, bins, 1), nn.Sigmoid())
        self.register_buffer("window", torch.hann_window(FFT))

    def forward(self, noisy: Tensor) -> Tensor:
        """The waveform with less noise."""
        spectrum = torch.stft(noisy, FFT, HOP, window=self.window, return_complex=True)
        spectrum = spectrum * self.mask((spectrum.abs() + 1e-4).log())
        cleaned: Tensor = torch.istft(spectrum, FFT, HOP, window=self.window, length=noisy.shape[-1])
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
    clean = common.speech(TRAINED_ON)
    generator = torch.Generator().manual_seed(seed)
    loss = common.loss_named(kind)
    if kind in PERCEPTUAL:
        total = WeightedSum([(common.loss_named("mrstft"), 1.0), (OnSomeRows(loss, PERCEPTUAL_ROWS), 1.0)])
        loss = total.balance(*batch(clean, torch.Generator().manual_seed(seed)), shares=SHARES)
    else:
        loss = WeightedSum([(loss, 1.0)]).balance(*batch(clean, torch.Generator().manual_seed(seed)))
    optimiser = torch.optim.Adam(network.parameters(), lr=LEARNING_RATE)
    for _ in range(steps):
        reference, degraded = batch(clean, generator)
        optimiser.zero_grad()
        loss(reference, network(degraded)).backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
    return network.eval()


def judged(network: nn.Module, kind: str, seed: int) -> list[dict[str, object]]:
    """Scores of the unseen clip at several noise levels."""
    clean = common.speech(JUDGED_ON)
    rows: list[dict[str, object]] = []
    for number, snr in enumerate(SNRS_DB):
        noisy = common.noisy(clean, snr, seed=1000 + number)
        with torch.no_grad():
            cleaned = network(noisy[None])[0]
        rows.append({"loss": kind, "seed": seed, "snr_db": snr, **common.scores(clean, cleaned, MEASURES)})
    return rows


def told(rows: pd.DataFrame, titles: dict[str, str], heading: str) -> str:
    """The table: mean over noise levels, and Student's 95 % interval over seeds."""
    lines = []
    for kind, own in rows.groupby("loss", sort=False):
        cells = []
        for measure in MEASURES:
            by_seed = own.groupby("seed")[measure].mean().to_numpy()
            half = ""
            if len(by_seed) > 1:
                width = float(stdtrit(len(by_seed) - 1, 0.975)) * by_seed.std(ddof=1) / np.sqrt(len(by_seed))
                half = f" ± {width:.3f}"
            missing = int(own[measure].isna().sum())
            cells.append(f"{by_seed.mean():.3f}{half}" + (f" ({missing} failed)" if missing else ""))
        lines.append([titles[str(kind)], *cells])
    return heading + common.table(["trained with", *(TITLES[m] for m in MEASURES)], lines)


def main(words: Sequence[str] | None = None) -> None:
    """Train, judge, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--terms", nargs="+", choices=PERCEPTUAL, default=list(PERCEPTUAL), help="perceptual terms")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=150, help="of the optimiser (%(default)s)")
    parser.add_argument("--output", type=Path, default=Path("results_examples"), help="folder (%(default)s)")
    parser.add_argument("--page", type=Path, help="page whose block is to be filled")
    chosen = parser.parse_args(words)
    chosen.output.mkdir(parents=True, exist_ok=True)
    common.quiet_control()
    titles = {"none": "nothing: the noisy clip itself"}
    rows = judged(nn.Identity(), "none", 0)
    for kind in ("l1", "mrstft", *chosen.terms):
        name = common.title(kind, common.loss_named(kind))
        titles[kind] = f"multi-resolution STFT and {name}" if kind in PERCEPTUAL else name
        started = time.perf_counter()
        for seed in chosen.seeds:
            rows += judged(train(kind, seed, chosen.steps), kind, seed)
            pd.DataFrame(rows).to_csv(chosen.output / "scores.csv", index=False)
        print(f"{titles[kind]}: {time.perf_counter() - started:.0f} s", flush=True)
    levels = ", ".join(f"{snr:g}" for snr in SNRS_DB)
    heading = (
        f"{common.parameters(Denoiser()):,} numbers, {chosen.steps} steps of {BATCH} seconds, {len(chosen.seeds)} "
        f"seeds; a perceptual term sees {PERCEPTUAL_ROWS} of the {BATCH}. Trained on `{TRAINED_ON}`, judged on "
        f"`{JUDGED_ON}` with white noise at {levels} dB. ± is Student's 95 % interval over seeds: it tells how much a "
        "training differs from the next, not how much clips do.\n\n"
    )
    text = told(pd.DataFrame(rows), titles, heading)
    (chosen.output / "denoiser.md").write_text(text + "\n", encoding="utf-8")
    print(text)
    if chosen.page:
        common.fill(chosen.page, "denoiser", text)


if __name__ == "__main__":
    main()
