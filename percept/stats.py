"""How strongly do two measures go together, how sure is that, and does quality fall as a degradation grows?

The degraded versions of one clip resemble each other, so the rows of a result table are not independent. All
uncertainty here is therefore about whole clips: intervals resample clips, and tests exchange values within a
clip only, or exchange whole clips. Where there are very many clips, both come from `percept._large_sample`.

Conventions:
    n rows, k clips, R resamples. Columns, and `clips` with the label of each row's clip, are ``[n]``.
    NaN is a missing value: its row is left out. Infinite values have a rank but no mean, so Pearson's r is
    NaN with them. A statistic that is undefined is NaN, never an error.
    `method` is one of `METHODS`; Kendall's is tau-b. `confidence` is the coverage of an interval, in (0, 1).
    `generator` is the source of all randomness: equal ones give equal numbers in any order of the rows.

Reference:
    Holm, "A simple sequentially rejective multiple test procedure", 1979.
    Davison and Hinkley, "Bootstrap Methods and their Application", 1997, sections 3.8 and 4.3.
    Phipson and Smyth, "Permutation p-values should never be zero", 2010.

Contents: `correlation`, `association`, `holm`, `compare`, `monotonicity`, `linear_fit`, `mean_interval`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from percept import _large_sample
from percept import _resampling as engine
from percept.schema import Array64

METHODS = engine.METHODS


@dataclass(frozen=True)
class Association:
    """How strongly two measures go together.

    Args:
        n: rows where both are present.
        n_clips: clips among those rows.
        r: correlation in [-1, 1]; NaN with fewer than 3 rows or when one side is constant.
        low: lower end of the interval of r; NaN with one clip, or when r is NaN in most resamples.
        high: upper end, NaN likewise.
        p: two-sided p in (0, 1]; NaN when r is, or when no clip has two rows.
    """

    n: int
    n_clips: int
    r: float
    low: float
    high: float
    p: float


@dataclass(frozen=True)
class Comparison:
    """How much better one measure follows a target than another does.

    Args:
        n: rows where all three are present.
        n_clips: clips among those rows.
        difference: strength of the first minus that of the second, in [-2, 2]; NaN when either is undefined.
        low: lower end of the interval of the difference; NaN as in `Association`.
        high: upper end, NaN likewise.
        p: two-sided p in (0, 1]; NaN with one clip or without a difference.
        smallest_p: the smallest p the test can give with so many clips, whatever the data; NaN with one clip.
    """

    n: int
    n_clips: int
    difference: float
    low: float
    high: float
    p: float
    smallest_p: float


@dataclass(frozen=True)
class Trend:
    """Whether quality falls as one degradation of one clip grows.

    Args:
        steps: pairs of adjacent severities that were compared.
        violations: those pairs where quality improved, as indices (milder, harsher) into the input.
        tau: Kendall's tau-b of severity and loss of quality: 1 falls throughout, -1 improves throughout; NaN
            with fewer than 3 values or when they are all equal.
    """

    steps: int
    violations: tuple[tuple[int, int], ...]
    tau: float


def correlation(x: Array64, y: Array64, method: str) -> float:
    """Correlation of two columns, in [-1, 1].

    Returns:
        NaN with fewer than 3 complete rows, a constant side, or an infinite value under Pearson's.

    Raises:
        ValueError: unknown method, or columns of unequal length.
    """
    (x, y), starts = engine.complete_rows(np.zeros(len(x)), x, y)
    return float(engine.correlations(x, y, starts, np.ones((1, len(starts))), method)[0])


def association(
    x: Array64,
    y: Array64,
    clips: engine.Labels,
    method: str,
    *,
    generator: np.random.Generator,
    resamples: int = 2000,
    permutations: int = 4999,
    confidence: float = 0.95,
) -> Association:
    """Correlation with an interval and a p that respect clips.

    The interval is the percentile bootstrap over whole clips, NaN when fewer than half of the resamples have
    an r. With few clips it is coarse and often too narrow.

    The p permutes y among the rows of each clip and asks how often r then lies as far from its mean over all
    such permutations as the observed r does. Differences between clips are alike in every permutation, so
    they cannot make p small: where only the clips differ, r may be large and p too.

    Args:
        x: ``[n]``.
        y: ``[n]``.
        clips: ``[n]``.
        method: one of `METHODS`.
        generator: source of all randomness.
        resamples: random draws of clips; where k clips allow no more than this, all ``k**k`` draws instead.
        permutations: m random permutations; p is ``(b + 1) / (m + 1)`` with b as extreme as the data.
        confidence: coverage of the interval.

    Raises:
        ValueError: unknown method, or columns of unequal length.
    """
    (x, y), starts = engine.complete_rows(clips, x, y)
    n, k = len(x), len(starts)
    if _large_sample.applies(n, k):
        found = _large_sample.interval_and_p(x, y, starts, method, generator=generator, confidence=confidence)
        return Association(n, k, *found)
    r = engine.correlations(x, y, starts, engine.draws(k, resamples, generator), method)
    if np.isnan(r[0]):
        return Association(n, k, np.nan, np.nan, np.nan, np.nan)
    low, high = engine.interval(r[1:], k, confidence)
    p = engine.permutation_p(x, y, starts, method, permutations=permutations, generator=generator)
    return Association(n, k, float(r[0]), low, high, p)


def holm(p: Array64) -> Array64:
    """Holm-Bonferroni adjusted p-values, ``[n]`` to ``[n]``; NaN stays NaN and does not count as a test."""
    p = np.asarray(p, dtype=np.float64)
    order = np.argsort(p)[: np.count_nonzero(~np.isnan(p))]
    adjusted = np.full(len(p), np.nan)
    adjusted[order] = np.minimum(np.maximum.accumulate(np.arange(len(order), 0, -1) * p[order]), 1.0)
    return adjusted


def compare(
    x1: Array64,
    x2: Array64,
    y: Array64,
    clips: engine.Labels,
    method: str,
    *,
    generator: np.random.Generator,
    signs: tuple[float, float] = (1, 1),
    resamples: int = 2000,
    permutations: int = 4999,
    confidence: float = 0.95,
) -> Comparison:
    """Does `x1` follow `y` better than `x2` does, on the same rows?

    The strength of a predictor is its sign times its r. The interval is that of `association`, with both
    predictors in the same resamples.

    For the p both predictors are put on one scale (z-scores for Pearson's, else mid-ranks, times their signs)
    and change places in whole clips: were neither better, every such swap would be as likely as the data.
    With k clips there are ``2**k`` swaps in mirrored pairs, so p is never below ``2 / 2**k``: 0.125 with 4
    clips, and 0.05 is out of reach with fewer than 6. With few clips a large p is no sign that the two are
    alike.

    Args:
        x1: first predictor, ``[n]``.
        x2: second predictor, ``[n]``.
        y: target, ``[n]``.
        clips: ``[n]``.
        method: one of `METHODS`.
        generator: source of all randomness.
        signs: 1 or -1 for each predictor, the sign of its r when it does its job.
        resamples: as in `association`.
        permutations: m random swaps when there are more than 12 clips; p is then ``(b + 1) / (m + 1)``.
        confidence: coverage of the interval.

    Raises:
        ValueError: unknown method, or columns of unequal length.
    """
    (x1, x2, y), starts = engine.complete_rows(clips, x1, x2, y)
    n, k = len(y), len(starts)
    if _large_sample.applies(n, k):
        found = _large_sample.difference(
            (x1, x2), y, starts, method, generator=generator, signs=signs, confidence=confidence
        )
        return Comparison(n, k, *found, max(2.0 ** (1 - k), _large_sample.SMALLEST_P))
    swaps = engine.swaps(k, permutations, generator)
    smallest = np.nan if k < 2 else (2 if k <= engine.EXACT_CLIPS else 1) / len(swaps)
    weights = engine.draws(k, resamples, generator)
    first = signs[0] * engine.correlations(x1, y, starts, weights, method)
    second = signs[1] * engine.correlations(x2, y, starts, weights, method)
    observed, resampled = float(first[0] - second[0]), first[1:] - second[1:]
    if np.isnan(observed) or k < 2:
        return Comparison(n, k, observed, np.nan, np.nan, np.nan, smallest)
    low, high = engine.interval(resampled, k, confidence)
    both = np.concatenate([signs[0] * engine.scaled(x1, method), signs[1] * engine.scaled(x2, method)])
    return Comparison(n, k, observed, low, high, engine.swap_p(both, y, starts, swaps, method), smallest)


def monotonicity(severity: Array64, value: Array64, *, higher_is_better: bool, tolerance: float = 0.0) -> Trend:
    """Follow one measure along the severities of one clip and one degradation, missing values left out.

    Args:
        severity: ``[n]``, grows as the degradation gets stronger; rows of equal severity are not compared.
        value: the measure, ``[n]``.
        higher_is_better: the direction in which quality grows.
        tolerance: an improvement of up to this much, in the unit of the measure, is no violation.

    Raises:
        ValueError: columns of unequal length.
    """
    severity = np.asarray(severity, dtype=np.float64)
    quality = np.asarray(value, dtype=np.float64) * (1 if higher_is_better else -1)
    tau = correlation(severity, -quality, "kendall")
    order = np.argsort(severity, kind="stable")
    order = order[~(np.isnan(severity) | np.isnan(quality))[order]]
    milder, harsher = order[:-1], order[1:]
    step = severity[harsher] > severity[milder]
    improved = step & (quality[harsher] > quality[milder] + tolerance)
    pairs = zip(milder[improved].tolist(), harsher[improved].tolist(), strict=True)
    return Trend(int(step.sum()), tuple(pairs), tau)


def linear_fit(x: Array64, y: Array64, grid: Array64, *, confidence: float = 0.95) -> tuple[Array64, Array64, Array64]:
    """Least-squares line on `grid` with the confidence band of its mean (Student's t), for plots.

    The band takes rows as independent, which versions of one clip are not: it is too narrow, and for the eye
    only. The interval to quote is that of `association`.

    Returns:
        line, low and high, each shaped like `grid`; NaN with fewer than 3 finite points or constant x.

    Raises:
        ValueError: columns of unequal length.
    """
    from scipy.special import stdtrit

    (x, y), _ = engine.complete_rows(np.zeros(len(x)), x, y)
    finite = np.isfinite(x) & np.isfinite(y)
    x, y, grid = x[finite], y[finite], np.asarray(grid, dtype=np.float64)
    if len(x) < 3 or x.min() == x.max():
        undefined = np.full_like(grid, np.nan)
        return undefined, undefined.copy(), undefined.copy()
    dx, dy, at = x - x.mean(), y - y.mean(), grid - x.mean()
    slope = dx @ dy / (dx @ dx)
    variance = ((dy - slope * dx) ** 2).sum() / (len(x) - 2)
    error = np.sqrt(variance * (1 / len(x) + at**2 / (dx @ dx)))
    line, half = y.mean() + slope * at, stdtrit(len(x) - 2, (1 + confidence) / 2) * error
    return line, line - half, line + half


def mean_interval(
    values: Array64,
    clips: engine.Labels,
    *,
    generator: np.random.Generator,
    resamples: int = 2000,
    confidence: float = 0.95,
) -> tuple[float, float, float]:
    """Mean over rows and its bootstrap interval over whole clips; of 300 clips or more, that of a ratio of sums.

    Returns:
        mean, low, high; all NaN without values, the interval NaN with one clip or an infinite value.

    Raises:
        ValueError: values and clips of unequal length.
    """
    (values,), starts = engine.complete_rows(clips, values)
    if not len(values):
        return np.nan, np.nan, np.nan
    if not np.isfinite(values).all():
        with np.errstate(invalid="ignore"):  # inf - inf: there is no mean either
            return float(values.mean()), np.nan, np.nan
    if _large_sample.applies(len(values), len(starts)) or len(starts) >= 3 * _large_sample.CLIPS:
        return _large_sample.mean_interval(values, starts, confidence)
    weights = engine.draws(len(starts), resamples, generator)
    means = weights @ np.add.reduceat(values, starts) / (weights @ engine.clip_sizes(values, starts))
    return float(means[0]), *engine.interval(means[1:], len(starts), confidence)
