"""Comparisons of two embeddings with equally many frames.

Conventions:
    ``reference`` and ``degraded`` are floats ``[F, D]``, taken to float64 some frames at a time; ``baseline`` is the
    mean frame ``[D]`` of all reference clips of the run (each clip counts alike).
    Embeddings of unlike sounds share a large common part, so the plain cosine has little room: the published OpenL3 and
    quantised VGGish embeddings of unrelated clips still agree at 0.97 and 0.91. `corrected_cosine` subtracts it first.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from percept import dsp
from percept.metrics import SIMILARITIES
from percept.records import Similarity
from percept.schema import Array, Array64, Unscorable

Frames = Array | Array64


def framewise_cosine(reference: Frames, degraded: Frames, baseline: Array64) -> float:
    """Mean over frames of the cosine of corresponding frames: the published noise study's "similarity".

    Raises:
        Unscorable: a frame is all zeros.
    """
    return _mean_cosine(reference, degraded, "a frame of the embedding is all zeros, so it has no direction")


def pooled_cosine(reference: Frames, degraded: Frames, baseline: Array64) -> float:
    """Cosine of the two mean frames.

    Raises:
        Unscorable: a mean frame is all zeros.
    """
    ours, theirs = (frames.mean(axis=0, dtype=np.float64, keepdims=True) for frames in (reference, degraded))
    return framewise_cosine(ours, theirs, baseline)


def l1(reference: Frames, degraded: Frames, baseline: Array64) -> float:
    """Mean absolute difference over frames and features."""
    return sum(float(np.abs(ours - theirs).sum()) for ours, theirs in _blocks(reference, degraded)) / reference.size


def l2(reference: Frames, degraded: Frames, baseline: Array64) -> float:
    """Root of the mean squared difference over frames and features."""
    squares = sum(float(np.square(ours - theirs).sum()) for ours, theirs in _blocks(reference, degraded))
    return math.sqrt(squares / reference.size)


def frechet(reference: Frames, degraded: Frames, baseline: Array64) -> float:
    """Fréchet distance of the frames of both clips, taken as two normal distributions, in squared units of a feature.

    A measure of sets: it does not mind the order of frames, and of fewer frames than features it sees few directions
    in which they spread. Covariances are over n - 1; one frame has none, and the distance is that of the means squared.

    Reference:
        D. Dowson and B. Landau, J. Multivariate Analysis 12, 1982. K. Kilgour et al., Fréchet Audio Distance,
        Interspeech 2019.
    """
    means = [frames.mean(axis=0, dtype=np.float64) for frames in (reference, degraded)]
    roots = [_root(frames, mean) for frames, mean in zip((reference, degraded), means, strict=True)]
    # The trace of the root of the product of both covariances is the sum of these singular values.
    common = np.linalg.svd(roots[0] @ roots[1].T, compute_uv=False).sum()
    spread = sum(float(np.square(root).sum()) for root in roots)
    return max(0.0, float(np.square(means[0] - means[1]).sum()) + spread - 2 * float(common))


def _root(frames: Frames, mean: Array64) -> Array64:
    """A matrix ``[≤ D, D]`` whose product with itself, transposed first, is the covariance of frames ``[F, D]``."""
    root = np.empty((0, frames.shape[1]))
    # Fewer rows than the triangle has would be factored again and again with it.
    for part in dsp.blocks(len(frames), max(frames.shape[1], dsp.BLOCK // frames.shape[1])):
        root = np.asarray(np.linalg.qr(np.concatenate([root, frames[part] - mean]), mode="r"))
    return root / math.sqrt(max(len(frames) - 1, 1))


def corrected_cosine(reference: Frames, degraded: Frames, baseline: Array64) -> float:
    """Frame-wise cosine after the baseline is subtracted: about 0 for unrelated sounds, 1 for identical ones.

    Raises:
        Unscorable: a frame equals the baseline (a single clip of a single frame, say).
    """
    reason = "a frame equals the mean of all reference frames, so it has no direction from it"
    return _mean_cosine(reference, degraded, reason, baseline)


def _mean_cosine(reference: Frames, degraded: Frames, reason: str, origin: Array64 | float = 0.0) -> float:
    """Mean over frames of the cosine as seen from the origin; `reason` where a frame has no direction."""
    cosines = []
    for ours, theirs in _blocks(reference, degraded):
        ours, theirs = ours - origin, theirs - origin
        norms = np.linalg.norm(ours, axis=1) * np.linalg.norm(theirs, axis=1)
        if not norms.all():
            raise Unscorable(reason)
        cosines.append(np.clip((ours * theirs).sum(axis=1) / norms, -1, 1))  # rounding may step over 1
    return float(np.concatenate(cosines).mean())


def _blocks(reference: Frames, degraded: Frames) -> Iterator[tuple[Array64, Array64]]:
    for part in dsp.blocks(len(reference), max(1, dsp.BLOCK // reference.shape[1])):
        yield reference[part].astype(np.float64), degraded[part].astype(np.float64)


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
for _name, _title, _summary, _source, _distance in (
    ("l1", "L1 distance", "mean absolute difference of the features", "mean absolute error", l1),
    ("l2", "L2 distance", "root of the mean squared difference of the features", "root mean square error", l2),
    (
        "frechet",
        "Fréchet distance",
        "of the frames as two normal distributions",
        "Kilgour et al., Fréchet Audio Distance, Interspeech 2019",
        frechet,
    ),
):
    SIMILARITIES.add(
        Similarity(
            name=_name,
            title=_title,
            summary=_summary,
            citation=_source,
            compute=_distance,
            range=(0.0, math.inf),
            perfect=0.0,
            higher_is_better=False,
        )
    )
