"""Intervals and p of correlations over many clips, where resampling would take hours.

The other engine of `percept.stats`. Conventions are those of `percept._resampling`: rows are complete and sorted by
clip; ``starts [k]`` is the first row of each clip. Time grows with n log n, memory with n.

How: an interval comes from a delete-a-group jackknife over whole clips (in Fisher's z for a single correlation). A p
asks the same as that of few clips (values permuted within clips; predictors swapped in whole clips) and takes the
distribution of the permuted statistic as normal, which it nears with this many clips, if none holds most rows: with its
exact mean and variance for Pearson's and Spearman's, with those of `DRAWS` random permutations, and Student's
distribution, for the others. No p is told below `SMALLEST_P`.

Reference:
    Kott, "The delete-a-group jackknife", Journal of Official Statistics 17, 2001.
    Hoeffding, "A combinatorial central limit theorem", 1951.

Contents: `applies`, `interval_and_p`, `difference`, `mean_interval`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from percept import _resampling
from percept.schema import Array64

ROWS, CLIPS = 1000, 100
"""From more rows than this, of no fewer clips than this, on."""
GROUPS = 100
DRAWS = 200
SMALLEST_P = 1e-6
"""What lies further out in a tail is no longer normal for sure."""

Indices = npt.NDArray[np.intp]


def applies(rows: int, clips: int) -> bool:
    """Whether there is so much data that resampling would take too long, and is not needed."""
    return rows > ROWS and clips >= CLIPS


def interval_and_p(
    x: Array64, y: Array64, starts: Indices, method: str, *, generator: np.random.Generator, confidence: float
) -> tuple[float, float, float, float]:
    """Correlation, the two ends of its interval, and its p; all NaN where the correlation is undefined."""
    _resampling.check(method)
    x, y = _prepared(x, method), _prepared(y, method)
    r = _coefficient(x, y, method)
    if math.isnan(r):
        return (math.nan,) * 4

    def fisher(keep: Any) -> float:
        """Fisher's z of the correlation over these rows."""
        return math.atanh(min(max(_coefficient(x[keep], y[keep], method), -1 + 1e-12), 1 - 1e-12))

    centre = math.atanh(min(max(r, -1 + 1e-12), 1 - 1e-12))
    half = _half_width(fisher, starts, len(x), generator, confidence)
    p = _permuted(x, y, starts, method, generator)
    return r, math.tanh(centre - half), math.tanh(centre + half), p


def difference(
    both: tuple[Array64, Array64],
    y: Array64,
    starts: Indices,
    method: str,
    *,
    generator: np.random.Generator,
    signs: tuple[float, float],
    confidence: float,
) -> tuple[float, float, float, float]:
    """How much more strongly the first of two predictors follows y: difference, the ends of its interval, p."""
    _resampling.check(method)
    first, second = (sign * _scores(column, method) for sign, column in zip(signs, both, strict=True))
    target = _prepared(y, method)

    def gap(a: Array64, b: Array64, to: Array64) -> float:
        """How much more strongly a follows than b."""
        return _coefficient(a, to, method) - _coefficient(b, to, method)

    observed = gap(first, second, target)
    if math.isnan(observed):
        return (math.nan,) * 4
    half = _half_width(lambda keep: gap(first[keep], second[keep], target[keep]), starts, len(y), generator, confidence)
    sizes = np.diff(starts, append=len(y))
    drawn = []
    for _ in range(DRAWS):
        swapped = np.repeat(generator.integers(2, size=len(starts)).astype(bool), sizes)
        drawn.append(gap(np.where(swapped, second, first), np.where(swapped, first, second), target))
    # A swap of all clips turns the sign, so the mean over all swaps is 0.
    p = _tails(observed, 0.0, float(np.mean(np.square(drawn))), DRAWS)
    return observed, observed - half, observed + half, p


def mean_interval(values: Array64, starts: Indices, confidence: float) -> tuple[float, float, float]:
    """Mean over rows with the normal interval of a ratio of sums over clips."""
    from scipy.special import stdtrit

    sizes, k = np.diff(starts, append=len(values)), len(starts)
    mean = float(values.mean())
    residuals = np.add.reduceat(values, starts) - mean * sizes
    error = math.sqrt(k / (k - 1) * float(residuals @ residuals)) / len(values)
    half = float(stdtrit(k - 1, (1 + confidence) / 2)) * error
    return mean, mean - half, mean + half


def _prepared(column: Array64, method: str) -> Array64:
    """Ranks, for rank methods: then infinite values have their place."""
    from scipy.stats import rankdata

    return column if method == "pearson" else np.asarray(rankdata(column), dtype=np.float64)


def _scores(column: Array64, method: str) -> Array64:
    """Centred, on a scale that all measures share: z-scores for Pearson's, else ranks."""
    if method == "pearson" and np.isfinite(column).all() and np.ptp(column) > 0:
        return np.asarray((column - column.mean()) / column.std())
    scores = _prepared(column, method)
    return scores - scores.mean() if method != "pearson" else scores


def _coefficient(x: Array64, y: Array64, method: str) -> float:
    from scipy.stats import kendalltau

    if not (np.isfinite(x).all() and np.isfinite(y).all()) or np.ptp(x) == 0 or np.ptp(y) == 0:
        return math.nan
    if method == "kendall":
        return float(kendalltau(x, y, method="asymptotic").statistic)
    if method == "spearman":  # of a part of the rows, the ranks are other ones
        x, y = _prepared(x, method), _prepared(y, method)
    x, y = x - x.mean(), y - y.mean()
    return float(np.clip((x @ y) / math.sqrt(float(x @ x) * float(y @ y)), -1, 1))


def _half_width(
    statistic: Callable[[Any], float], starts: Indices, n: int, generator: np.random.Generator, confidence: float
) -> float:
    """Half of an interval by the jackknife over groups of whole clips."""
    from scipy.special import stdtrit

    groups = generator.permutation(len(starts)) % GROUPS
    rows = np.repeat(groups, np.diff(starts, append=n))
    left_out = np.array([statistic(rows != group) for group in range(GROUPS)])
    variance = (GROUPS - 1) / GROUPS * float(((left_out - left_out.mean()) ** 2).sum())
    return float(stdtrit(GROUPS - 1, (1 + confidence) / 2)) * math.sqrt(variance)


def _permuted(x: Array64, y: Array64, starts: Indices, method: str, generator: np.random.Generator) -> float:
    """Two-sided p of y permuted within clips; NaN when no clip has two rows."""
    sizes = np.diff(starts, append=len(x))
    if sizes.max() < 2:
        return math.nan
    if method == "kendall":
        clips = 2.0 * np.repeat(np.arange(len(starts)), sizes)
        drawn = [_coefficient(x, y[np.argsort(clips + generator.random(len(x)))], method) for _ in range(DRAWS)]
        variance = float(np.var(drawn, ddof=1)) * (1 + 1 / DRAWS)
        return _tails(_coefficient(x, y, method), float(np.mean(drawn)), variance, DRAWS - 1)
    x, y = x - x.mean(), y - y.mean()
    x_sums, y_sums = np.add.reduceat(x, starts), np.add.reduceat(y, starts)
    x_squares = np.add.reduceat(x * x, starts) - x_sums**2 / sizes
    y_squares = np.add.reduceat(y * y, starts) - y_sums**2 / sizes
    variance = float((np.maximum(x_squares, 0) * np.maximum(y_squares, 0) / np.maximum(sizes - 1, 1)).sum())
    return _tails(float(x @ y), float((x_sums * y_sums / sizes).sum()), variance)


def _tails(value: float, mean: float, variance: float, freedom: float = math.inf) -> float:
    """Two-sided p by the normal distribution, or by Student's where mean and variance were drawn."""
    from scipy.special import ndtr, stdtr

    if variance <= 0:
        return 1.0
    far = abs(value - mean) / math.sqrt(variance)
    return max(2 * float(ndtr(-far) if math.isinf(freedom) else stdtr(freedom, -far)), SMALLEST_P)
