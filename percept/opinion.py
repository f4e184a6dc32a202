"""How well a measure predicts listeners' opinions, by ITU-T P.1401: map it to the opinion scale first, then judge.

A measure need not speak the listeners' language to be useful: a monotone curve may translate it. P.1401 fits a
monotone mapping to each experiment and judges what remains by Pearson's r, the root mean square error and the share of
outliers.

Reference:
    ITU-T P.1401 (2020), Methods, metrics and procedures for statistical evaluation, qualification and comparison of
    objective quality prediction models, clauses 7.3 to 7.8.

Contents: `Judgement`, `judge`, `third_order`, `logistic`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from percept.schema import Array64

FEWEST_ITEMS = 6
"""A curve of four coefficients through fewer points proves nothing."""
COEFFICIENTS = 4
SAME = 1e-9
"""Numbers whose spread is this small a part of their size are all the same but for rounding."""
SPEARMAN_SPREAD = 1.03
"""Standard deviation of Fisher's z of a rank correlation, times sqrt(n - 3) (Fieller, Hartley and Pearson, 1957)."""
GRID_POINTS = 65
MOST_STEPS = 300

Curve = Callable[[Array64], Array64]


@dataclass(frozen=True)
class Judgement:
    """What remains between mapped measure and opinion.

    Args:
        n: items with both numbers.
        mapping: "third-order" or "logistic", whichever leaves the smaller error; "" when nothing could be fitted.
        r: Pearson's r of mapped measure and opinion, on the items that the curve was fitted to; its interval by
            Fisher's z, with Student's t for the degrees of freedom that the curve leaves.
        low: lower end.
        high: upper end.
        rmse: root mean square error on the opinion scale, with n - 4 degrees of freedom; its interval by chi squared.
        rmse_low: lower end.
        rmse_high: upper end.
        outlier_ratio: share of items further off than the listeners' own 95 % interval; NaN where that is unknown.
        outlier_n: items whose listeners' interval is known.
        reversed: the measure runs against its declared direction, by more than chance (the interval of its rank
            correlation lies on that side): what it calls better, listeners call worse.
        reason: why there is no judgement; empty if there is one.
    """

    n: int
    mapping: str = ""
    r: float = math.nan
    low: float = math.nan
    high: float = math.nan
    rmse: float = math.nan
    rmse_low: float = math.nan
    rmse_high: float = math.nan
    outlier_ratio: float = math.nan
    outlier_n: int = 0
    reversed: bool = False
    reason: str = ""


def judge(
    measure: Array64,
    opinion: Array64,
    *,
    higher_is_better: bool,
    uncertainty: Array64 | None = None,
    confidence: float = 0.95,
) -> Judgement:
    """Judge a measure against mean opinion scores.

    Args:
        measure: values ``[n]``; NaN and infinite ones are left out.
        opinion: mean opinion scores ``[n]``, higher is better.
        higher_is_better: the measure's declared direction.
        uncertainty: half width of the listeners' own 95 % interval for each item ``[n]``, for the outlier ratio.
        confidence: of the intervals.

    Returns:
        The judgement under the better of the two mappings; both are monotone in the declared direction, or in the
        other one where the measure is reversed.
    """
    whole = np.isfinite(measure) & np.isfinite(opinion)
    x, y = measure[whole], opinion[whole]
    n = len(x)
    if n < FEWEST_ITEMS:
        return Judgement(n, reason=f"{n} items have both numbers; at least {FEWEST_ITEMS} are needed")
    if _all_the_same(x) or _all_the_same(y):
        return Judgement(n, reason="the measure or the opinions are all the same")
    against = _against(x, y, higher_is_better=higher_is_better, confidence=confidence)
    rising = higher_is_better != against
    centre, span = float(y.min()), float(np.ptp(y))
    unit = (y - centre) / span
    mappings = {"third-order": third_order(x, unit, rising=rising), "logistic": logistic(x, unit, rising=rising)}
    errors = {name: float(np.sum((curve(x) - unit) ** 2)) for name, curve in mappings.items()}
    name = min(errors, key=errors.__getitem__)
    mapped = mappings[name](x) * span + centre
    if np.ptp(mapped) <= SAME * span:
        return Judgement(n, reason="no relation in the declared direction")
    doubts = np.full(n, math.nan) if uncertainty is None else uncertainty[whole]
    known = np.isfinite(doubts)
    outliers = float(np.mean(np.abs(mapped - y)[known] > doubts[known])) if known.any() else math.nan
    r = float(np.corrcoef(mapped, y)[0, 1])
    return Judgement(
        n,
        name,
        r,
        *_r_interval(r, n, confidence),
        *_rmse(errors[name] * span**2, n, confidence),
        outliers,
        int(known.sum()),
        against,
    )


def _all_the_same(values: Array64) -> bool:
    return bool(np.ptp(values) <= SAME * np.abs(values).max())


def _against(x: Array64, y: Array64, *, higher_is_better: bool, confidence: float) -> bool:
    """Whether the whole interval of the rank correlation lies on the wrong side of 0."""
    from scipy.stats import norm

    from percept.stats import correlation

    rank = correlation(x, y, "spearman") * (1 if higher_is_better else -1)
    margin = float(norm.ppf((1 + confidence) / 2)) * SPEARMAN_SPREAD / math.sqrt(len(x) - 3)
    return rank < 0 and math.atanh(max(rank, -1 + 1e-12)) + margin < 0


def third_order(x: Array64, y: Array64, *, rising: bool) -> Curve:
    """The least-squares polynomial of third order that is monotone between the smallest and the largest x.

    Args:
        x: measure ``[n]``, not all equal.
        y: opinion ``[n]``.
        rising: which way it must run.
    """
    from scipy.optimize import minimize

    centre, half = (x.max() + x.min()) / 2, np.ptp(x) / 2
    powers = np.vander((x - centre) / half, 4, increasing=True)
    free, *_ = np.linalg.lstsq(powers, y, rcond=None)
    sign = 1.0 if rising else -1.0
    grid = np.linspace(-1, 1, GRID_POINTS)
    slopes = sign * np.stack([np.zeros_like(grid), np.ones_like(grid), 2 * grid, 3 * grid**2], axis=1)
    best = free
    if (slopes @ free).min() < 0:
        line = np.polynomial.polynomial.polyfit(powers[:, 1], y, 1)
        start = np.array([line[0], sign * max(sign * line[1], 0.0), 0.0, 0.0])
        best = minimize(
            lambda c: float(np.sum((powers @ c - y) ** 2)),
            start,
            jac=lambda c: 2 * powers.T @ (powers @ c - y),
            constraints={"type": "ineq", "fun": lambda c: slopes @ c, "jac": lambda _: slopes},
            method="SLSQP",
            options={"maxiter": 500, "ftol": 1e-12},
        ).x
    return lambda values: np.vander((values - centre) / half, 4, increasing=True) @ best


def logistic(x: Array64, y: Array64, *, rising: bool) -> Curve:
    """The least-squares logistic curve ``bottom + height / (1 + exp(-slope · (x - middle)))``.

    Args:
        x: measure ``[n]``, not all equal.
        y: opinion ``[n]``.
        rising: which way it must run.
    """
    from scipy.optimize import least_squares
    from scipy.special import expit

    centre, half = (x.max() + x.min()) / 2, np.ptp(x) / 2
    scaled = (x - centre) / half
    sign = 1.0 if rising else -1.0

    def parts(c: Array64, values: Array64) -> tuple[Array64, Array64, float, float]:
        """Distance from the middle, share of the height reached, height and slope."""
        # Height and slope as logarithms keep them positive, which makes the curve monotone.
        height, slope = math.exp(c[1]), sign * math.exp(c[2])
        return values - c[3], np.asarray(expit(slope * (values - c[3]))), height, slope

    def curve(c: Array64, values: Array64) -> Array64:
        """The curve at these values."""
        _, share, height, _ = parts(c, values)
        return np.asarray(c[0] + height * share)

    def gradient(c: Array64) -> Array64:
        """Its derivatives by the four parameters, ``[n, 4]``."""
        distance, share, height, slope = parts(c, scaled)
        steep = height * share * (1 - share)
        return np.stack([np.ones_like(share), height * share, steep * slope * distance, -steep * slope], axis=1)

    span = float(np.ptp(y))
    fits = [
        least_squares(
            lambda c: curve(c, scaled) - y,
            np.array([y.min(), math.log(span), slope, 0.0]),
            jac=gradient,
            bounds=([-np.inf, -20, -5, -5], [np.inf, 20, 5, 5]),
            xtol=1e-12,
            ftol=1e-12,
            gtol=1e-12,
            max_nfev=MOST_STEPS,
        )
        for slope in (0.0, 1.0, 2.0)
    ]
    best = min(fits, key=lambda fit: float(fit.cost)).x
    return lambda values: curve(best, (values - centre) / half)


def _r_interval(r: float, n: int, confidence: float) -> tuple[float, float]:
    """Fisher's z, as in P.1401; Student's t with n - 4 degrees in place of the normal's quantile."""
    from scipy.stats import t

    if not abs(r) < 1:
        return r, r
    margin = float(t.ppf((1 + confidence) / 2, n - COEFFICIENTS)) / math.sqrt(n - 3)
    return math.tanh(math.atanh(r) - margin), math.tanh(math.atanh(r) + margin)


def _rmse(squares: float, n: int, confidence: float) -> tuple[float, float, float]:
    """The error and its interval, as in P.1401: its square is chi-squared with n - 4 degrees."""
    from scipy.stats import chi2

    degrees = n - COEFFICIENTS
    rmse = math.sqrt(squares / degrees)
    low, high = (math.sqrt(squares / float(chi2.ppf(p, degrees))) for p in ((1 + confidence) / 2, (1 - confidence) / 2))
    return rmse, low, high
