"""STOI and ESTOI: how much of the speech can be understood.

The reference implementation (package ``pystoi``) answers 1e-5 with a warning when too little speech remains after
its removal of silent frames; here that is a failure with a reason.

Reference:
    C. H. Taal et al., An Algorithm for Intelligibility Prediction of Time-Frequency Weighted Noisy Speech, IEEE
    TASLP 19(7), 2011; J. Jensen and C. H. Taal, An Algorithm for Predicting the Intelligibility of Speech Masked by
    Modulated Noise Maskers, IEEE/ACM TASLP 24(11), 2016 (ESTOI).
"""

from __future__ import annotations

import warnings

import numpy as np

from percept.metrics import METRICS
from percept.records import Metric
from percept.schema import Clip, Unscorable

SHORTEST_S = 0.4097
"""30 frames of 25.6 ms with half overlap at 10 kHz: what one intelligibility segment needs."""
LONGEST_S = 120.0
"""The package takes 3 MB for each second; in a longer clip, the loudest frame would decide for hours what is silent."""

BEYOND = "; beyond 2 min a mean over windows"


def stoi(reference: Clip, degraded: Clip) -> float:
    """Short-time objective intelligibility; see `_stoi`."""
    return _stoi(reference, degraded, extended=False)


def estoi(reference: Clip, degraded: Clip) -> float:
    """Extended short-time objective intelligibility; see `_stoi`."""
    return _stoi(reference, degraded, extended=True)


def _stoi(reference: Clip, degraded: Clip, *, extended: bool) -> float:
    """Intelligibility at any rate (it works at 10 kHz inside).

    Args:
        reference: mono ``[T]``.
        degraded: the same length.
        extended: ESTOI rather than STOI.

    Raises:
        Unscorable: fewer than 0.41 s of active signal, or a silent degraded clip (the implementation's own rounding
            noise would be scored).
    """
    from pystoi import stoi as reference_stoi

    if not degraded.samples.any():
        raise Unscorable("the degraded clip is silent")
    too_short = Unscorable(f"STOI needs {SHORTEST_S:.2f} s of signal that is not silent")
    if reference.seconds < SHORTEST_S:
        raise too_short
    state = np.random.get_state()
    np.random.seed(0)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)
            return float(reference_stoi(reference.samples, degraded.samples, reference.rate, extended=extended))
    except RuntimeWarning:
        raise too_short from None
    finally:
        np.random.set_state(state)


for _name, _compute, _words, _citation in (
    (
        "stoi",
        stoi,
        f"predicted intelligibility of noisy speech{BEYOND}",
        "Taal et al., IEEE TASLP 19(7), 2011",
    ),
    (
        "estoi",
        estoi,
        f"STOI for modulated maskers{BEYOND}",
        "Jensen and Taal, IEEE/ACM TASLP 24(11), 2016",
    ),
):
    METRICS.add(
        Metric(
            name=_name,
            version=2,
            title=_name.upper(),
            summary=_words,
            citation=_citation,
            compute=_compute,
            unit="",
            range=(-1.0, 1.0),
            perfect=1.0,
            higher_is_better=True,
            group="perceptual",
            meant_for="speech",
            longest_s=LONGEST_S,
            licence="MIT (package pystoi)",
        )
    )
