"""Correlations of resampled clips: the engine of `percept.stats`, whose conventions it shares.

Further conventions:
    Rows are complete and sorted by clip; ``starts [k]`` is the first row of each clip.
    ``weights [R, k]`` says how often the rows of each clip count.
    Time grows with n squared (for the p of Kendall's, times the permutations), memory with n times the number
    of resamples or permutations.

How a resample is computed: it is a row of counts, how often each clip was drawn. Pearson's r and Kendall's
tau are sums over pairs of rows of ``w_i w_j a_ij b_ij`` divided by their norms, where a_ij is ``x_i - x_j``
for r and its sign for tau. The sums over the pairs between two clips are formed once; all resamples are then
one matrix product. Spearman's needs the ranks inside each resample, which are such sums themselves.

Reference:
    Daniels, "The relation between measures of correlation in the universe of sample permutations", 1944: the
    coefficients as sums over pairs.
    Kendall, "The treatment of ties in ranking problems", 1945: tau-b.

Contents: `complete_rows`, `clip_sizes`; `correlations`; `draws`, `interval`; `permutation_p`; `scaled`;
`swaps`, `swap_p`.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

from percept.schema import Array64

METHODS = ("pearson", "spearman", "kendall")

Labels = npt.NDArray[Any]
Indices = npt.NDArray[np.intp]

EXACT_CLIPS = 12
"""Up to this many clips `compare` tries all 2**k swaps: 4096 at most."""
_ROUNDING = 1e-12
"""Two correlations no further apart than this are equal: the same terms summed in another order."""
_BLOCK = 2**20
"""Pairs of rows held in memory at once."""


def complete_rows(clips: Labels, *columns: Array64) -> tuple[list[Array64], Indices]:
    """Complete rows of each column, sorted by clip, then value; and the first row of each clip ``[k]``."""
    lengths = [len(column) for column in (*columns, clips)]
    if len(set(lengths)) > 1:
        raise ValueError(f"columns and clips must be equally long, got lengths {lengths}")
    table = np.array(columns, dtype=np.float64)
    complete = ~np.isnan(table).any(axis=0)
    table = table[:, complete]
    _, code = np.unique(np.asarray(clips)[complete], return_inverse=True)
    order = np.lexsort((*table[::-1], code))
    return list(table[:, order]), np.flatnonzero(np.diff(code[order], prepend=-1))


def clip_sizes(column: Array64, starts: Indices) -> Indices:
    """Rows of each clip, ``[k]``."""
    return np.diff(starts, append=len(column))


def _codes(column: Array64) -> Array64:
    """Whole numbers ``[n]`` in the order of the values, equal for equal ones; infinities become finite."""
    return np.unique(column, return_inverse=True)[1].astype(np.float64)


def _pairs(kernel: np.ufunc, starts: Indices, *columns: Array64) -> Array64:
    """Product over columns of ``kernel(column_i - column_j)``, summed over rows j of a clip; ``[n, k]``."""
    n = len(columns[0])
    sums, step = np.empty((n, len(starts))), max(1, _BLOCK // max(1, n))
    for first in range(0, n, step):
        rows = slice(first, first + step)
        terms = np.prod([kernel(np.subtract.outer(column[rows], column)) for column in columns], axis=0)
        np.add.reduceat(terms, starts, axis=1, out=sums[rows])
    return sums


def check(method: str) -> None:
    """Refuse an unknown method."""
    if method not in METHODS:
        raise ValueError(f"unknown method {method!r}; choose one of {', '.join(METHODS)}")


def correlations(x: Array64, y: Array64, starts: Indices, weights: Array64, method: str) -> Array64:
    """Correlation ``[R]`` of the rows counted as often as their clip's weight ``[R, k]`` says."""
    check(method)
    r = np.full(len(weights), np.nan)
    sizes = clip_sizes(x, starts)
    if method == "pearson":
        if not (np.isfinite(x).all() and np.isfinite(y).all()):
            return r
    else:
        x, y = _codes(x), _codes(y)
    if method == "spearman":
        # Twice a row's mid-rank less the mean rank is the number of rows below it less the number above it.
        ranks = [weights @ _pairs(np.sign, starts, column).T for column in (x, y)]
        counts = np.repeat(weights, sizes, axis=1)
        xy, xx, yy = ((counts * ranks[a] * ranks[b]).sum(axis=1) for a, b in ((0, 1), (0, 0), (1, 1)))
    else:
        kernel = np.positive if method == "pearson" else np.sign
        sums = [np.add.reduceat(_pairs(kernel, starts, *pair), starts) for pair in ((x, y), (x, x), (y, y))]
        xy, xx, yy = (((weights @ between) * weights).sum(axis=1) for between in sums)
    norm = np.sqrt(xx * yy)
    defined = (weights @ sizes >= 3) & (norm > 0)
    np.divide(xy, norm, out=r, where=defined)
    return np.clip(r, -1, 1, out=r)


def draws(clips: int, resamples: int, generator: np.random.Generator) -> Array64:
    """How often each resample draws each clip, ``[1 + R, clips]``; the first row is the data as they are."""
    if clips**clips <= resamples:
        # Few clips allow few draws, all equally likely. Listing them gives the very distribution that random
        # draws approach, so the interval has no Monte-Carlo error.
        listed = np.array(list(product(range(clips), repeat=clips)), dtype=np.intp)
        counts = (listed[:, :, None] == np.arange(clips)).sum(axis=1)
    else:
        counts = generator.multinomial(clips, np.full(clips, 1 / clips), size=resamples)
    return np.vstack([np.ones(clips), counts])


def interval(resampled: Array64, clips: int, confidence: float) -> tuple[float, float]:
    """Percentile interval of the defined values among ``[R]``."""
    defined = resampled[~np.isnan(resampled)]
    if clips < 2 or 2 * len(defined) < len(resampled):
        return np.nan, np.nan
    low, high = np.quantile(defined, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def permutation_p(
    x: Array64,
    y: Array64,
    starts: Indices,
    method: str,
    *,
    permutations: int,
    generator: np.random.Generator,
) -> float:
    """Two-sided p of y permuted within clips; NaN when no clip has two rows."""
    n, sizes = len(x), clip_sizes(x, starts)
    if sizes.max() < 2:
        return np.nan
    # Keys of clip c lie in [2c, 2c + 1), so that sorting them shuffles the rows of each clip in place.
    keys = 2.0 * np.repeat(np.arange(len(sizes)), sizes) + generator.random((permutations, n))
    orders = np.vstack([np.arange(n), np.argsort(keys, axis=1)])
    if method == "kendall":
        return _share_as_extreme(_kendall_deviations(_codes(x), _codes(y), starts, orders))
    x, y = scaled(x, method), scaled(y, method)
    # The mean of sum x_i y_i over all permutations has each x_i replaced by the mean of its clip.
    within = x - np.repeat(np.add.reduceat(x, starts) / sizes, sizes)
    return _share_as_extreme(y[orders] @ within / (np.linalg.norm(x) * np.linalg.norm(y)))


def _kendall_deviations(x: Array64, y: Array64, starts: Indices, orders: Indices) -> Array64:
    """Kendall's numerator with y in each of the orders ``[m, n]``, less its mean, over n squared; ``[m]``."""
    by_x = np.argsort(x)
    ranks = np.ascontiguousarray(y.astype(np.int32)[orders[:, by_x].T])
    score = np.zeros(len(orders))
    for i, after in enumerate(np.searchsorted(x[by_x], x[by_x], side="right")):
        score += np.sign(ranks[after:] - ranks[i]).sum(axis=0, dtype=np.int32)
    # Between two clips the mean sign of a permuted pair is the mean over all pairs; within one clip it is 0.
    sizes = clip_sizes(x, starts)
    x_signs, y_signs = (np.add.reduceat(_pairs(np.sign, starts, column), starts) for column in (x, y))
    mean = (x_signs * y_signs / np.outer(sizes, sizes)).sum() / 2
    score -= mean
    return score / float(len(x)) ** 2


def scaled(column: Array64, method: str) -> Array64:
    """Centred values ``[n]`` on a scale that all measures share: z-scores for Pearson's, else mid-ranks."""
    if method == "pearson":
        scores: Array64 = (column - column.mean()) / column.std()
        return scores
    return _pairs(np.sign, np.zeros(1, dtype=np.intp), _codes(column))[:, 0] / 2


def swaps(clips: int, permutations: int, generator: np.random.Generator) -> Array64:
    """Which clips change sides, 0 or 1 ``[m, clips]``; none in the first row."""
    if clips <= EXACT_CLIPS:
        return np.array(list(product((0.0, 1.0), repeat=clips)))
    drawn = generator.integers(2, size=(permutations, clips)).astype(np.float64)
    return np.vstack([np.zeros(clips), drawn])


def swap_p(both: Array64, y: Array64, starts: Indices, swaps: Array64, method: str) -> float:
    """Two-sided p of the predictors ``both [2n]``, one after the other, changing places in whole clips."""
    # Stacked, the predictors are rows of 2k clips; weights 0 and 1 pick which of two stands for a clip.
    y, starts = np.tile(y, 2), np.concatenate([starts, starts + len(y)])
    first = correlations(both, y, starts, np.hstack([1 - swaps, swaps]), method)
    second = correlations(both, y, starts, np.hstack([swaps, 1 - swaps]), method)
    return _share_as_extreme(first - second)


def _share_as_extreme(statistic: Array64) -> float:
    """Share of ``[m]`` at least as far from 0 as its first, the data; an undefined value counts as far."""
    return float(np.mean(~(np.abs(statistic) < np.abs(statistic[0]) - _ROUNDING)))
