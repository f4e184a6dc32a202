"""Example 3: the lowest Opus rate from which on the loss stays under a threshold.

    python -m examples.choose_rate
    python -m examples.choose_rate --clip music_piano --embedding logmel --like-noise 25
    python -m examples.choose_rate --threshold 0.8

A threshold has no meaning of its own, so the default one is a comparison: as far from the clip as white noise at 30 dB
is. Printed: rate, loss and PESQ of each version, and the choice.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch

from examples import common
from examples.common import RATE_HZ
from percept.codecs import CODECS
from percept.loss.perceptual import PerceptualLoss
from percept.schema import Clip

RATES_KBPS = (6, 8, 12, 16, 24, 32, 48, 64)


def main(words: Sequence[str] | None = None) -> None:
    """Code, compare, choose."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clip", default="speech_rms", help="a bundled clip (%(default)s)")
    parser.add_argument("--embedding", default="logmel", help="of the loss (%(default)s)")
    parser.add_argument("--distance", default="l1", help="of the loss (%(default)s)")
    parser.add_argument("--rates", nargs="+", type=float, default=list(RATES_KBPS), help="in kbit/s")
    parser.add_argument("--threshold", type=float, help="largest loss; default: that of the noise")
    parser.add_argument("--like-noise", type=float, default=30.0, help="dB of noise that sets it (%(default)s)")
    parser.add_argument("--page", type=Path, help="page whose block is to be filled")
    chosen = parser.parse_args(words)
    common.quiet_control()
    loss = PerceptualLoss(chosen.embedding, chosen.distance, rate=RATE_HZ)
    clean = common.speech(chosen.clip)
    threshold = chosen.threshold
    why = f"a loss of {threshold}"
    if threshold is None:
        noise = common.noisy(clean, chosen.like_noise, seed=0)
        threshold = float(loss(clean[None], noise[None]))
        pesq = common.scores(clean, noise, ["pesq_wb"])["pesq_wb"]
        why = f"{threshold:.4f}, the loss of white noise at {chosen.like_noise:g} dB (PESQ {pesq:.2f})"
    rows, best = [], None
    for rate in sorted(chosen.rates):
        coded = CODECS["opus"].code(Clip(clean.numpy(), RATE_HZ), rate)
        version = torch.from_numpy(coded.samples)
        value = float(loss(clean[None], version[None]))
        spent = coded.file_bits / len(clean) * RATE_HZ / 1000
        best = (rate if best is None else best) if value <= threshold else None
        pesq = common.scores(clean, version, ["pesq_wb"])["pesq_wb"]
        rows.append([f"{rate:g}", f"{spent:.1f}", f"{value:.4f}", f"{pesq:.2f}", "yes" if value <= threshold else ""])
    choice = f"the lowest rate is {best:g} kbit/s" if best is not None else "no rate stays under it"
    control = "" if loss.trained else " (untrained)"
    text = f"`{chosen.clip}`, {chosen.distance} of {chosen.embedding}{control}; threshold: {why}. "
    text += f"{choice.capitalize()}.\n\n"
    header = ["Opus, kbit/s", "spent, kbit/s", "loss", "PESQ", "under the threshold"]
    text += common.table(header, rows)
    print(text)
    if chosen.page:
        common.fill(chosen.page, "rate", text)


if __name__ == "__main__":
    main()
