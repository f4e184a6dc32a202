"""PESQ: what a panel of listeners would say of a telephone line's quality.

The reference implementation (package ``pesq``) crashes its process on more than 50 utterances, returns NaN for a
silent degraded clip and scores clips of different lengths without a word. Here it runs in a process of its own, long
clips, and clips on which it crashes, are scored in windows, and what it cannot score is a failure with a reason.

Reference:
    ITU-T P.862 (2001), P.862.1 (2003, narrow band mapping), P.862.2 (2007, wide band). Range of the mappings:
    0.999 + 4 / (1 + exp(a · raw + b)).
"""

from __future__ import annotations

import math
from typing import Literal

from percept.metrics import METRICS
from percept.metrics._isolated import Crashed, isolated
from percept.metrics._windows import mean_of_windows
from percept.records import Metric
from percept.schema import Array, Clip, Score, Unscorable

RATE_HZ = 16000
SHORTEST_S = 0.25
DOUBLINGS = 3
WINDOW_S = 30.0
"""Longer clips are cut into equal windows: P.862.3 advises 8 to 30 s, and utterances in a call are limited to 50."""


def pesq_wb(reference: Clip, degraded: Clip) -> Score:
    """Wide-band PESQ (MOS-LQO) at 16 kHz; see `_pesq`."""
    return _pesq(reference, degraded, "wb")


def pesq_nb(reference: Clip, degraded: Clip) -> Score:
    """Narrow-band PESQ (MOS-LQO) at 16 kHz; see `_pesq`."""
    return _pesq(reference, degraded, "nb")


def _pesq(reference: Clip, degraded: Clip, mode: Literal["wb", "nb"]) -> Score:
    """The mean over equal windows of at most 30 s.

    Args:
        reference: mono ``[T]`` at 16 kHz.
        degraded: the same length.
        mode: "wb" or "nb".

    Returns:
        The score; its reason tells the windows when there were several, or some could not be scored.

    Raises:
        Unscorable: too short, silent, or no window could be scored.
    """
    if reference.seconds < SHORTEST_S:
        raise Unscorable(f"{reference.seconds:.4f} s is shorter than the {SHORTEST_S} s that PESQ needs")
    if not degraded.samples.any():
        raise Unscorable("the degraded clip is silent")
    count = math.ceil(reference.seconds / WINDOW_S)
    for doubled in range(DOUBLINGS + 1):
        try:
            return mean_of_windows(
                lambda ours, theirs: _window(ours.samples, theirs.samples, mode),
                reference,
                degraded,
                count * 2**doubled,
            )
        except Crashed:
            continue  # shorter windows hold fewer utterances
    raise Unscorable("PESQ crashed, as it does on more than 50 utterances, even in short windows")


def _window(reference: Array, degraded: Array, mode: str) -> float:
    value = isolated(_reference_pesq, reference, degraded, mode)
    if not math.isfinite(value):
        raise Unscorable("PESQ gave no number (NaN)")
    return float(value)


def _reference_pesq(reference: Array, degraded: Array, mode: str) -> float:
    from pesq import PesqError, pesq

    try:
        return float(pesq(RATE_HZ, reference, degraded, mode))
    except PesqError as error:
        raise Unscorable(f"PESQ: {_words(error)}") from None


def _words(error: Exception) -> str:
    text = error.args[0] if error.args else type(error).__name__
    return text.decode() if isinstance(text, bytes) else str(text)


LOWEST = 0.999
"""What both mappings tend to; heavy noise comes as low as 1.014, under the 1.04 of a raw score of -0.5."""

for _mode, _band, _compute, _perfect in (
    ("wb", "wide band", pesq_wb, 4.643888473510742),
    ("nb", "narrow band", pesq_nb, 4.548638343811035),
):
    METRICS.add(
        Metric(
            name=f"pesq_{_mode}",
            title=f"PESQ {_band}",
            summary=f"predicted opinion of a panel on speech quality, {_band}",
            citation="ITU-T P.862.2 (2007)" if _mode == "wb" else "ITU-T P.862 (2001) and P.862.1 (2003)",
            compute=_compute,
            unit="MOS-LQO",
            range=(LOWEST, _perfect),
            perfect=_perfect,
            higher_is_better=True,
            group="perceptual",
            meant_for="speech",
            rate=RATE_HZ,
            licence="MIT (package pesq); the ITU's own terms cover the algorithm",
        )
    )
