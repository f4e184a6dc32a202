"""What losses share: checked waveforms, reduction over the batch, and weighted sums with a way to balance them.

Contents: `Loss`, `WeightedSum`, `monaural`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from percept.registry import nearest
from percept.schema import PerceptError, Unscorable

Reduction = Literal["mean", "sum", "none"]

SILENT = 1e-12
"""A gradient whose norm is below this has no size that others could be brought to."""


class Loss(nn.Module):
    """A distance of waveforms; subclasses give `rows`.

    Sums and multiples of losses are losses: ``loss_a + 0.1 * loss_b``.

    Args:
        reduction: "mean" or "sum" over the batch, or "none": one value a row, ``[B]``.

    Raises:
        PerceptError: unknown reduction.
    """

    symmetric = True
    """Whether reference and degraded may change places."""

    def __init__(self, reduction: Reduction = "mean") -> None:
        super().__init__()
        if reduction not in get_args(Reduction):
            raise PerceptError(f"reduction '{reduction}' is unknown{nearest(reduction, get_args(Reduction))}")
        self.reduction = reduction

    def rows(self, reference: Tensor, degraded: Tensor) -> Tensor:
        """The loss of each pair: two times ``[B, T]`` to ``[B]``."""
        raise NotImplementedError

    def forward(self, reference: Tensor, degraded: Tensor) -> Tensor:
        """The loss of a batch of pairs.

        Args:
            reference: ``[B, T]`` or ``[B, C, T]``, full scale 1.
            degraded: the same shape.

        Returns:
            A number, or ``[B]`` with reduction "none"; float32 or wider.

        Raises:
            Unscorable: shapes that differ, or waveforms too short for the loss.
            PerceptError: waveforms of other dimensions, or of whole numbers.
        """
        values = self.rows(*monaural(reference, degraded))
        if self.reduction == "none":
            return values
        return values.sum() if self.reduction == "sum" else values.mean()

    def __add__(self, other: object) -> WeightedSum:
        if not isinstance(other, Loss):
            return NotImplemented
        return WeightedSum([*_terms(self), *_terms(other)])

    def __radd__(self, other: object) -> Loss:
        # sum([...]) begins with 0.
        return self if other == 0 else NotImplemented

    def __mul__(self, factor: float) -> WeightedSum:
        if not isinstance(factor, int | float):
            return NotImplemented
        return WeightedSum([(term, weight * factor) for term, weight in _terms(self)])

    __rmul__ = __mul__


class WeightedSum(Loss):
    """The sum of losses, each times its weight; each term keeps its own reduction, so give all the same.

    Args:
        terms: losses with their weights.

    Raises:
        PerceptError: terms that reduce differently, or none.
    """

    def __init__(self, terms: Sequence[tuple[Loss, float]]) -> None:
        kinds = list(dict.fromkeys(loss.reduction for loss, _ in terms))
        if len(kinds) != 1:
            raise PerceptError(f"the terms of a sum reduce alike, not by {' and '.join(kinds) or 'nothing'}")
        super().__init__(kinds[0])
        self.terms = nn.ModuleList(loss for loss, _ in terms)
        self.weights = tuple(float(weight) for _, weight in terms)
        self.symmetric = all(loss.symmetric for loss, _ in terms)

    def rows(self, reference: Tensor, degraded: Tensor) -> Tensor:
        """The weighted sum of the terms, ``[B]``."""
        parts = [
            weight * term.rows(reference, degraded) for term, weight in zip(self.losses, self.weights, strict=True)
        ]
        return torch.stack(parts).sum(dim=0)

    @property
    def losses(self) -> list[Loss]:
        """The terms without their weights."""
        return [term for term in self.terms if isinstance(term, Loss)]

    def balance(self, reference: Tensor, degraded: Tensor, shares: Sequence[float] | None = None) -> WeightedSum:
        """The same terms with weights that give each its share of the gradient at the degraded waveform.

        Losses have units of their own, so equal weights mean nothing. Here each weight is ``share / norm`` of the
        term's gradient, averaged over the batch; measure it on a batch or two of what you train with, and keep it.

        Args:
            reference: as in `forward`; a typical batch.
            degraded: the same shape, and not identical.
            shares: of each term; None: equal ones. They are scaled to sum to 1.

        Raises:
            PerceptError: a term has no gradient there, or the shares are not one positive number a term.
        """
        wanted = [1.0] * len(self.terms) if shares is None else [float(share) for share in shares]
        if len(wanted) != len(self.terms) or min(wanted) <= 0:
            raise PerceptError(f"shares are {len(self.terms)} positive numbers, one a term, not {list(shares or [])}")
        terms = []
        for term, share in zip(self.losses, wanted, strict=True):
            waveform = degraded.detach().clone().requires_grad_()
            with torch.enable_grad():
                (slope,) = torch.autograd.grad(term.rows(*monaural(reference.detach(), waveform)).sum(), waveform)
            norm = float(slope.flatten(1).norm(dim=1).mean())
            if not norm > SILENT:
                raise PerceptError(f"{type(term).__name__} has no gradient on these waveforms: are they identical?")
            terms.append((term, share / sum(wanted) / norm))
        return WeightedSum(terms)

    def extra_repr(self) -> str:
        """The weights."""
        return f"weights={self.weights}"


def _terms(loss: Loss) -> list[tuple[Loss, float]]:
    return list(zip(loss.losses, loss.weights, strict=True)) if isinstance(loss, WeightedSum) else [(loss, 1.0)]


def _kind(waveform: Tensor) -> str:
    return str(waveform.dtype).removeprefix("torch.")


def monaural(reference: Tensor, degraded: Tensor) -> tuple[Tensor, Tensor]:
    """Both as ``[B, T]``, float32 or wider, the mean over their channels."""
    if reference.shape != degraded.shape:
        raise Unscorable(
            f"the waveforms differ in shape: {list(reference.shape)} and {list(degraded.shape)}; align them first"
        )
    if reference.ndim not in (2, 3) or not (reference.is_floating_point() and degraded.is_floating_point()):
        raise PerceptError(
            "waveforms are [B, T] or [B, C, T] of floats, full scale 1; these are "
            f"{_kind(reference)} and {_kind(degraded)} {list(reference.shape)}"
        )
    ours, theirs = (w.to(torch.promote_types(w.dtype, torch.float32)) for w in (reference, degraded))
    return (ours.mean(dim=1), theirs.mean(dim=1)) if ours.ndim == 3 else (ours, theirs)
