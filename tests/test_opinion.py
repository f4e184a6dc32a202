"""ITU-T P.1401: mapping to opinion scores, and what is told of what remains."""

from __future__ import annotations

import math

import numpy as np
import pytest

from percept.opinion import judge, logistic, third_order

GENERATOR = np.random.default_rng(5)
X = np.sort(GENERATOR.uniform(-20, 40, 60))


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1.2 + 3.4 / (1 + np.exp(-(x - 8) / 6))


def cubic(x: np.ndarray) -> np.ndarray:
    t = (x - 10) / 30
    return 3 + 0.7 * t + 1.1 * t**3


@pytest.mark.parametrize(("relation", "mapping"), [(sigmoid, "logistic"), (cubic, "third-order")])
def test_a_known_monotone_relation_is_recovered(relation: object, mapping: str) -> None:
    """A listening test that follows a measure by a curve of either kind has r = 1.000 and error 0.000."""
    judgement = judge(X, relation(X), higher_is_better=True)
    assert judgement.mapping == mapping and not judgement.reversed
    assert judgement.r == pytest.approx(1, abs=5e-4) and judgement.rmse == pytest.approx(0, abs=5e-4)


def test_noise_on_the_opinions_is_the_error_found() -> None:
    """With noise of standard deviation 0.25 on the scores, the error is 0.25 within its interval."""
    opinions = sigmoid(X) + GENERATOR.normal(0, 0.25, X.size)
    judgement = judge(X, opinions, higher_is_better=True)
    assert judgement.rmse_low < 0.25 < judgement.rmse_high
    assert judgement.low < judgement.r < judgement.high < 1


@pytest.mark.parametrize("higher", [True, False])
def test_a_measure_that_runs_backwards_is_flagged(higher: bool) -> None:
    """The same relation is right for one declared direction and reversed for the other, with the same r."""
    falling = sigmoid(-X)
    judgement = judge(X, falling, higher_is_better=higher)
    assert judgement.reversed is higher
    assert judgement.r == pytest.approx(1, abs=5e-4)


@pytest.mark.parametrize("rising", [True, False])
@pytest.mark.parametrize("fit", [third_order, logistic])
def test_mappings_are_monotone(fit: object, rising: bool) -> None:
    """Whatever the data do, a mapping never turns within their range."""
    x = np.linspace(0, 1, 30)
    y = np.sin(7 * x) + GENERATOR.normal(0, 0.1, x.size)
    steps = np.diff(fit(x, y, rising=rising)(np.linspace(0, 1, 500)))
    assert (steps >= -1e-6).all() if rising else (steps <= 1e-6).all()


def test_the_third_order_mapping_is_the_least_squares_one_where_that_is_monotone() -> None:
    """Without need for the constraint the fit equals numpy's polynomial."""
    y = cubic(X) + GENERATOR.normal(0, 0.05, X.size)
    wanted = np.polynomial.Polynomial.fit(X, y, 3)
    assert third_order(X, y, rising=True)(X) == pytest.approx(wanted(X), abs=1e-9)


def test_intervals_follow_the_formulas() -> None:
    """Fisher's z with Student's t, and chi squared, by hand for n = 60."""
    judgement = judge(X, sigmoid(X) + GENERATOR.normal(0, 0.3, X.size), higher_is_better=True)
    z = math.atanh(judgement.r)
    assert math.atanh(judgement.high) - z == pytest.approx(2.003241 / math.sqrt(57), rel=1e-5)  # t of 56 degrees
    # chi squared with 56 degrees of freedom has the quantiles 37.212 and 78.567 at 2.5 and 97.5 %.
    assert judgement.rmse_low / judgement.rmse == pytest.approx(math.sqrt(56 / 78.567), rel=1e-4)
    assert judgement.rmse_high / judgement.rmse == pytest.approx(math.sqrt(56 / 37.212), rel=1e-4)


def test_outliers_need_the_listeners_own_uncertainty() -> None:
    """The outlier ratio counts items beyond the given half widths, and is unknown without them."""
    y = sigmoid(X)
    y[10] += 1.0
    known = judge(X, y, higher_is_better=True, uncertainty=np.full(X.size, 0.4))
    assert known.outlier_ratio == pytest.approx(1 / 60)
    assert math.isnan(judge(X, y, higher_is_better=True).outlier_ratio)
    some = judge(X, y, higher_is_better=True, uncertainty=np.where(np.arange(X.size) < 20, 0.4, math.nan))
    assert some.outlier_ratio == pytest.approx(1 / 20) and (some.outlier_n, known.outlier_n) == (20, 60)


@pytest.mark.slow
def test_chance_is_not_called_reversed() -> None:
    """Opinions that have nothing to do with the measure are flagged as seldom as the confidence says."""
    draws = [np.random.default_rng(seed).normal(size=(2, 24)) for seed in range(60)]
    flagged = [judge(x, y, higher_is_better=True).reversed for x, y in draws]
    assert sum(flagged) <= 6  # 1.5 are to be expected
    assert not judge(X, (X - X.mean()) ** 2, higher_is_better=True).reversed


@pytest.mark.parametrize(
    "x",
    [np.exp(X / 5), 1e-9 * X, np.where(np.arange(X.size) == 3, 1e6, X), X + 1e7],
    ids=["skewed", "tiny", "outlier", "offset"],
)
def test_awkward_scales_are_judged_without_a_warning(x: np.ndarray) -> None:
    """Neither the scale of a measure nor a single huge value breaks the fit (a warning would be an error here)."""
    judgement = judge(x, sigmoid(X), higher_is_better=True)
    assert judgement.reason or 0 < judgement.r <= 1


@pytest.mark.parametrize(
    ("x", "y", "reason"),
    [
        (np.arange(5.0), np.arange(5.0), "5 items have both numbers; at least 6"),
        (np.full(9, 2.0), np.arange(9.0), "all the same"),
        (np.arange(9.0), 3 + 1e-10 * np.arange(9), "all the same"),
        (np.array([1, 2, np.nan, np.inf, 3, 4, 5.0]), np.arange(7.0), "5 items"),
    ],
)
def test_too_little_is_told(x: np.ndarray, y: np.ndarray, reason: str) -> None:
    """Too few items, or a constant, give a reason and no numbers."""
    judgement = judge(x, y, higher_is_better=True)
    assert reason in judgement.reason and math.isnan(judgement.r)
