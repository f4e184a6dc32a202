"""Comparisons of two embeddings with equally many frames.

Conventions:
    ``reference`` and ``degraded`` are float64 ``[F, D]``; ``baseline`` is the mean frame ``[D]`` of all reference
    clips of the run (each clip counts alike).
    Embeddings of unlike sounds share a large common part, so the plain cosine has little room: the published OpenL3 and
    quantised VGGish embeddings of unrelated clips still agree at 0.97 and 0.91. `corrected_cosine` subtracts it first.
"""

from __future__ import annotations

import numpy as np

from percept.metrics import SIMILARITIES
from percept.records import Similarity
from percept.schema import Array64, Unscorable


def framewise_cosine(reference: Array64, degraded: Array64, baseline: Array64) -> float:
    """Mean over frames of the cosine of corresponding frames: the published noise study's "similarity".

    Raises:
        Unscorable: a frame is all zeros.
    """
    dots = (reference * degraded).sum(axis=1)
    norms = np.linalg.norm(reference, axis=1) * np.linalg.norm(degraded, axis=1)
    if not norms.all():
        raise Unscorable("a frame of the embedding is all zeros, so it has no direction")
    return float(np.clip(dots / norms, -1, 1).mean())  # rounding may step over 1


def pooled_cosine(reference: Array64, degraded: Array64, baseline: Array64) -> float:
    """Cosine of the two mean frames.

    Raises:
        Unscorable: a mean frame is all zeros.
    """
    return framewise_cosine(reference.mean(axis=0, keepdims=True), degraded.mean(axis=0, keepdims=True), baseline)


def l1(reference: Array64, degraded: Array64, baseline: Array64) -> float:
    """Mean absolute difference over frames and features."""
    return float(np.abs(reference - degraded).mean())


def corrected_cosine(reference: Array64, degraded: Array64, baseline: Array64) -> float:
    """Frame-wise cosine after the baseline is subtracted: about 0 for unrelated sounds, 1 for identical ones.

    Raises:
        Unscorable: a frame equals the baseline (a single clip of a single frame, say).
    """
    try:
        return framewise_cosine(reference - baseline, degraded - baseline, baseline)
    except Unscorable:
        raise Unscorable("a frame equals the mean of all reference frames, so it has no direction from it") from None


for _name, _title, _summary, _compute in (
    ("similarity", "similarity", "mean frame-wise cosine", framewise_cosine),
    ("pooled_similarity", "pooled similarity", "cosine of the mean frames", pooled_cosine),
    (
        "corrected_similarity",
        "corrected similarity",
        "frame-wise cosine less the mean frame",
        corrected_cosine,
    ),
):
    SIMILARITIES.add(
        Similarity(
            name=_name,
            title=_title,
            summary=_summary,
            citation="cosine similarity",
            compute=_compute,
            range=(-1.0, 1.0),
            perfect=1.0,
            higher_is_better=True,
            needs_baseline=_compute is corrected_cosine,
        )
    )
SIMILARITIES.add(
    Similarity(
        name="l1",
        title="L1 distance",
        summary="mean absolute difference of the features",
        citation="mean absolute error",
        compute=l1,
        range=(0.0, float("inf")),
        perfect=0.0,
        higher_is_better=False,
    )
)
