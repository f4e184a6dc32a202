"""Distances of two embeddings, in two steps: what is kept of each window, and what becomes of all windows of a clip.

Two steps, because the layers of a network are large and windows many: after the first, only a number or a vector a
window is left, so windows can go through the network a few at a time, and be computed again for the gradient.

Conventions:
    A layer of N windows is ``[N, D]`` or ``[N, C, ...]``. Distances are 0 on identical input, symmetric, and have a
    finite gradient everywhere; where two layers are identical it is 0.
    Of an embedding ``[F, D]`` they are what `percept.metrics.similarity` computes: `l1`; `l2`; 1 less the similarity;
    the Fréchet distance. That module goes through files block by block, in NumPy, and has no gradients; a test
    compares the two.

Reference:
    D. Dowson and B. Landau, The Fréchet Distance between Multivariate Normal Distributions, J. Multivariate Analysis
    12, 1982. K. Kilgour et al., Fréchet Audio Distance, Interspeech 2019.

Contents: `DISTANCES`, `Distance`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


@dataclass(frozen=True)
class Distance:
    """One way to compare.

    Args:
        name: as users give it.
        summary: one line that says what it is.
        window: both layers ``[N, ...]`` to what is kept of each window, ``[N, K]``.
        clip: what is kept of all windows of each clip, ``[B, F, K]``, to ``[B]``.
    """

    name: str
    summary: str
    window: Callable[[Tensor, Tensor], Tensor]
    clip: Callable[[Tensor], Tensor]


def _absolute(reference: Tensor, degraded: Tensor) -> Tensor:
    return (reference - degraded).abs().flatten(1).mean(dim=1, keepdim=True)


def _square(reference: Tensor, degraded: Tensor) -> Tensor:
    return (reference - degraded).square().flatten(1).mean(dim=1, keepdim=True)


def _angle(reference: Tensor, degraded: Tensor) -> Tensor:
    """1 less the cosine, as half the squared distance of the directions: exactly 0 for equal ones.

    A window of zeros has no direction: 0 if both are, else a half.
    """
    ours, theirs = (_direction(layer.flatten(1)) for layer in (reference, degraded))
    return 0.5 * (ours - theirs).square().sum(dim=1, keepdim=True)


def _direction(vectors: Tensor) -> Tensor:
    norms = torch.linalg.vector_norm(vectors, dim=1, keepdim=True)
    there = norms > torch.finfo(vectors.dtype).tiny
    # The division is safe on the side that is not taken, too, or its gradient would be NaN.
    directions: Tensor = torch.where(there, vectors / torch.where(there, norms, 1.0), 0.0)
    return directions


def _pooled(reference: Tensor, degraded: Tensor) -> Tensor:
    """Both mean feature vectors, one after the other, in double precision: what is left of their sums is small."""
    both = [layer.double().reshape(*layer.shape[:2], -1).mean(dim=2) for layer in (reference, degraded)]
    return torch.cat(both, dim=1)


def _mean(kept: Tensor) -> Tensor:
    return kept.mean(dim=(1, 2))


def _root(kept: Tensor) -> Tensor:
    """The root of the mean, with gradient 0 at 0."""
    mean = _mean(kept)
    there = mean > 0
    root: Tensor = torch.where(there, torch.where(there, mean, 1.0).sqrt(), 0.0)
    return root


def _frechet(kept: Tensor) -> Tensor:
    """Of two normal distributions with the frames' means and covariances (of n - 1)."""
    ours, theirs = kept.chunk(2, dim=2)
    middle = [frames.mean(dim=1, keepdim=True) for frames in (ours, theirs)]
    scale = max(ours.shape[1] - 1, 1) ** -0.5
    a, b = ((frames - mean) * scale for frames, mean in zip((ours, theirs), middle, strict=True))
    apart = (middle[0] - middle[1]).square().sum(dim=(1, 2))
    spread = a.square().sum(dim=(1, 2)) + b.square().sum(dim=(1, 2))
    common: Tensor = _NuclearNorm.apply(a, b)  # type: ignore[no-untyped-call]
    distance: Tensor = apart + spread - 2 * common
    return distance


class _NuclearNorm(torch.autograd.Function):
    """The sum of the singular values of a·bᵀ for ``[B, F, D]``: trace of the root of the product of two covariances.

    With a = Q R and b = P S it is that of R·Sᵀ, which is as large as the smaller of F and D. With R·Sᵀ = U Σ Vᵀ the
    gradient is Q U Vᵀ S with respect to a, and P V Uᵀ R with respect to b: nothing is divided, so vanishing and equal
    singular values, which silence and identical inputs have, do no harm.
    """

    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor) -> Tensor:
        """The norm, ``[B]``."""
        q, r = torch.linalg.qr(a)
        p, s = torch.linalg.qr(b)
        u, values, v = torch.linalg.svd(r @ s.mT, full_matrices=False)
        ctx.save_for_backward(q, r, p, s, u @ v)
        total: Tensor = values.sum(dim=-1)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor, Tensor]:
        """The gradients of both."""
        q, r, p, s, turn = ctx.saved_tensors
        slope = slopes[0][:, None, None]
        return slope * (q @ turn @ s), slope * (p @ turn.mT @ r)


DISTANCES = {
    distance.name: distance
    for distance in (
        Distance("l1", "mean absolute difference of the features", _absolute, _mean),
        Distance("l2", "root of the mean squared difference of the features", _square, _root),
        Distance("cosine", "1 less the cosine of corresponding frames, mean over frames", _angle, _mean),
        Distance("frechet", "Fréchet distance of the frames as two normal distributions", _pooled, _frechet),
    )
}
