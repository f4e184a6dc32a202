"""Example 1: change a noisy waveform itself, sample by sample, until a loss is small. What becomes of PESQ and STOI?

    python -m examples.optimise_waveform
    python -m examples.optimise_waveform --losses mrstft vggish --steps 200

A loss that knows what listeners mind should make the clip sound better on its way down, not only at its end. Every loss
gets the same number of steps of the same optimiser (Adam, whose steps do not depend on a loss's scale). Written to the
output folder: ``steps.csv``, ``optimise_waveform.png`` and ``.svg``, and the clips to listen to.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import soundfile
import torch
from torch import Tensor

from examples import common
from examples.common import MEASURES, RATE_HZ, TITLES
from percept.loss.terms import Loss

LOSSES = ("l1", "mrstft", "logmel", "vggish", "openl3", "cdpam")
LEARNING_RATE = 1e-3
"""Of full scale: the most that a sample moves in a step, about."""


def optimise(loss: Loss, clean: Tensor, start: Tensor, steps: int, every: int) -> tuple[list[dict[str, float]], Tensor]:
    """Scores along the way, and the waveform at its end."""
    waveform = start.clone().requires_grad_()
    optimiser = torch.optim.Adam([waveform], lr=LEARNING_RATE)
    rows = []
    for step in range(steps + 1):
        value = loss(clean[None], waveform[None])
        if step % every == 0 or step == steps:
            rows.append({"step": step, "loss": float(value.detach()), **common.scores(clean, waveform)})
        if step < steps:
            optimiser.zero_grad()
            value.backward()
            optimiser.step()
    return rows, waveform.detach()


def draw(table: pd.DataFrame, target: Path, subject: str, endings: Sequence[str] = ("png", "svg")) -> None:
    """One panel a measure, one line a loss."""
    from matplotlib.figure import Figure

    from percept.plots._style import COLOURS, MARKERS, styled

    with styled():
        figure = Figure(figsize=(9, 6.5), layout="constrained")
        axes = figure.subplots(2, 2, sharex=True)
        for axis, measure in zip(axes.flat, MEASURES, strict=True):
            for number, (name, rows) in enumerate(table.groupby("title", sort=False)):
                axis.plot(
                    rows["step"], rows[measure], label=name, color=COLOURS[number], marker=MARKERS[number], markersize=4
                )
            axis.axhline(table[measure].iloc[0], color="0.6", linestyle=":", linewidth=1)
            axis.set_ylabel(TITLES[measure] + (" (lower is better)" if measure == "cdpam" else ""))
        for axis in axes[1]:
            axis.set_xlabel("step")
        figure.suptitle(subject)
        handles, labels = axes.flat[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
        for ending in endings:
            look = {"metadata": {"Date": None}} if ending == "svg" else {"dpi": 200}
            figure.savefig(target.with_suffix(f".{ending}"), **look)


def block(table: pd.DataFrame, told: str) -> str:
    """The end of every way as a table for the page."""
    start = table.iloc[0]
    rows = [["nothing: as it came", *(f"{start[m]:.3f}" for m in MEASURES)]]
    for name, own in table.groupby("title", sort=False):
        rows.append([str(name), *(f"{own.iloc[-1][m]:.3f}" for m in MEASURES)])
    return told + common.table(["optimised for", *(TITLES[m] for m in MEASURES)], rows)


def main(words: Sequence[str] | None = None) -> None:
    """Run, write, and tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clip", default="speech_slt", help="a bundled clip (%(default)s)")
    parser.add_argument("--seconds", type=float, default=2.0, help="of its beginning (%(default)s)")
    parser.add_argument("--snr", type=float, default=5.0, help="of the noise at the start, in dB (%(default)s)")
    parser.add_argument("--steps", type=int, default=60, help="of the optimiser (%(default)s)")
    parser.add_argument("--every", type=int, default=10, help="steps between scores (%(default)s)")
    parser.add_argument("--losses", nargs="+", choices=LOSSES, default=list(LOSSES))
    parser.add_argument("--output", type=Path, default=Path("results_examples"), help="folder (%(default)s)")
    parser.add_argument("--page", type=Path, help="page whose block is to be filled")
    chosen = parser.parse_args(words)
    chosen.output.mkdir(parents=True, exist_ok=True)
    common.quiet_control()
    clean = common.speech(chosen.clip, chosen.seconds)
    start = common.noisy(clean, chosen.snr, seed=0)
    soundfile.write(chosen.output / "reference.wav", clean.numpy(), RATE_HZ)
    soundfile.write(chosen.output / "start.wav", start.numpy(), RATE_HZ)
    found = []
    for name in chosen.losses:
        loss = common.loss_named(name)
        rows, waveform = optimise(loss, clean, start, chosen.steps, chosen.every)
        shown = common.title(name, loss)
        found += [{"optimised_for": name, "title": shown, **row} for row in rows]
        soundfile.write(chosen.output / f"optimised_{name}.wav", waveform.numpy(), RATE_HZ)
        last = ", ".join(f"{TITLES[m]} {rows[0][m]:.3f} → {rows[-1][m]:.3f}" for m in MEASURES)
        print(f"{shown}: {last}", flush=True)
        table = pd.DataFrame(found)
        table.to_csv(chosen.output / "steps.csv", index=False)
    subject = f"{chosen.clip}, {chosen.seconds:g} s, noise at {chosen.snr:g} dB, optimised sample by sample"
    draw(table, chosen.output / "optimise_waveform", subject)
    if chosen.page:
        told = (
            f"{chosen.seconds:g} s of `{chosen.clip}`, white noise at {chosen.snr:g} dB, {chosen.steps} steps. OpenL3 "
            f"is `{common.PERCEPTUAL['openl3']}`.\n\n"
        )
        common.fill(chosen.page, "optimise", block(table, told))
        draw(table, chosen.page.parent / "optimise_waveform", subject, ("svg",))


if __name__ == "__main__":
    main()
