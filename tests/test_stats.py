"""Facts about `percept.stats`: coefficients by hand and by scipy, resampling by enumeration, null rates."""

from __future__ import annotations

from itertools import permutations, product
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import scipy.stats

from percept.stats import (
    METHODS,
    association,
    compare,
    correlation,
    holm,
    linear_fit,
    mean_interval,
    monotonicity,
)

Array = npt.NDArray[np.float64]
SCIPY = {
    "pearson": scipy.stats.pearsonr,
    "spearman": scipy.stats.spearmanr,
    "kendall": scipy.stats.kendalltau,
}
each_method = pytest.mark.parametrize("method", METHODS)


def naive(x: Array, y: Array, method: str) -> float:
    """Scipy's coefficient, NaN when a side is constant."""
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return np.nan
    return float(SCIPY[method](x, y).statistic)


def versions(seed: int, clips: int = 4, each: int = 11) -> tuple[Array, Array, npt.NDArray[Any]]:
    """Related columns with ties, a few rows in each clip."""
    generator = np.random.default_rng(seed)
    labels = np.repeat([f"clip{i:02}" for i in range(clips)], each)
    x = np.round(generator.normal(size=len(labels)), 1)
    y = np.round(0.6 * x + generator.normal(size=len(labels)), 1)
    return x, y, labels


def three_clips() -> tuple[Array, Array, Array, npt.NDArray[Any]]:
    """Two predictors and a target of ten rows in three clips, with ties within and between clips."""
    x1 = np.array([1, 2, 2, 5, 3, 3, 1, 8, 4, 4.5])
    x2 = np.array([2, 1, 4, 4, 3, 6, 0, 5, 5, 7.0])
    y = np.array([2, 1, 3, 6, 3, 5, 1, 6, 6, 2.0])
    return x1, x2, y, np.repeat(["a", "b", "c"], [3, 4, 3])


def every_draw(clips: npt.NDArray[Any]) -> list[npt.NDArray[np.intp]]:
    """Row numbers of every resample of whole clips, duplicates written out."""
    rows = [np.flatnonzero(clips == label) for label in np.unique(clips)]
    return [np.concatenate([rows[i] for i in draw]) for draw in product(range(len(rows)), repeat=len(rows))]


def test_pearson_by_hand() -> None:
    """Deviations (-1, 0, 1) and (-1, -1, 2) have r = 3 / sqrt(2 * 6)."""
    assert correlation(np.array([1.0, 2, 3]), np.array([1.0, 1, 4]), "pearson") == pytest.approx(
        3 / np.sqrt(12), abs=1e-15
    )


def test_kendall_with_a_tie_by_hand() -> None:
    """Of 6 pairs 4 agree, 1 disagrees and 1 is tied in x, so tau-b is (4 - 1) / sqrt(5 * 6)."""
    x, y = np.array([1.0, 1, 2, 3]), np.array([1.0, 2, 4, 3])
    assert correlation(x, y, "kendall") == pytest.approx(3 / np.sqrt(30), abs=1e-15)


def test_spearman_with_a_tie_by_hand() -> None:
    """Ranks (1.5, 1.5, 3) and (1, 3, 2) have deviations with product sum 0."""
    assert correlation(np.array([1.0, 1, 9]), np.array([0.0, 7, 5]), "spearman") == pytest.approx(0.0, abs=1e-15)


@each_method
@pytest.mark.parametrize("seed", range(5))
def test_correlation_agrees_with_scipy(method: str, seed: int) -> None:
    """With ties and missing values the coefficient is scipy's on the complete rows."""
    x, y, _ = versions(seed)
    x[[0, 7]], y[[7, 20]] = np.nan, np.nan
    complete = ~np.isnan(x) & ~np.isnan(y)
    expected = naive(x[complete], y[complete], method)
    assert correlation(x, y, method) == pytest.approx(expected, abs=1e-12)


@each_method
def test_perfect_relations(method: str) -> None:
    """A rising line has r = 1, a falling line r = -1."""
    x = np.array([0.1, 0.7, 1.9, 3.3])
    assert correlation(x, 3 * x - 1, method) == pytest.approx(1, abs=1e-12)
    assert correlation(x, -x, method) == pytest.approx(-1, abs=1e-12)


@each_method
@pytest.mark.parametrize(
    ("x", "y"),
    [
        ([], []),
        ([1.0, 2], [1.0, 2]),
        ([0.1, 0.1, 0.1, 0.1], [1.0, 2, 3, 4]),
        ([1.0, 2, np.nan, 4], [1.0, np.nan, 3, 4]),
        ([1.0, 1, 1, 2], [1.0, 2, 3, np.nan]),
    ],
    ids=["empty", "two rows", "constant", "two complete rows", "constant among complete rows"],
)
def test_undefined_correlation_is_nan(method: str, x: list[float], y: list[float]) -> None:
    """Fewer than three complete rows, or a constant side, give NaN."""
    assert np.isnan(correlation(np.array(x), np.array(y), method))


def test_infinite_values_have_a_rank_but_no_mean() -> None:
    """Rank coefficients place an infinite value last; Pearson's r with it is NaN."""
    x, y = np.array([1.0, 2, 3, np.inf]), np.array([1.0, 2, 3, 4])
    assert correlation(x, y, "spearman") == pytest.approx(1)
    assert correlation(x, y, "kendall") == pytest.approx(1)
    assert np.isnan(correlation(x, y, "pearson"))


def test_unknown_method_is_refused() -> None:
    """The message names the methods there are."""
    x, y, clips = versions(0)
    with pytest.raises(ValueError, match=r"'cosine'.*pearson, spearman, kendall"):
        correlation(x, y, "cosine")
    with pytest.raises(ValueError, match="'cosine'"):
        association(x, y, clips, "cosine", generator=np.random.default_rng(0))


def test_unequal_lengths_are_refused() -> None:
    """Columns that cannot be rows of one table raise, with their lengths."""
    x, y, clips = versions(0)
    generator = np.random.default_rng(0)
    with pytest.raises(ValueError, match="44, 43"):
        correlation(x, y[1:], "pearson")
    with pytest.raises(ValueError, match="44, 44, 43"):
        association(x, y, clips[1:], "pearson", generator=generator)
    with pytest.raises(ValueError, match="44, 43"):
        mean_interval(x, clips[1:], generator=generator)
    with pytest.raises(ValueError, match="44, 43"):
        monotonicity(x, y[1:], higher_is_better=True)


@each_method
def test_interval_is_that_of_all_duplicated_resamples(method: str) -> None:
    """The bootstrap by weights has the 27 order statistics of one that writes out every resample's rows."""
    x, _, y, clips = three_clips()
    expected = np.sort([naive(x[rows], y[rows], method) for rows in every_draw(clips)])
    for j in range(14):
        result = association(
            x, y, clips, method, generator=np.random.default_rng(0), confidence=1 - 2 * j / 26, permutations=1
        )
        assert (result.low, result.high) == pytest.approx((expected[j], expected[26 - j]), abs=1e-12)


@each_method
def test_sampled_interval_approaches_the_listed_one(method: str) -> None:
    """One resample fewer than 5**5 are drawn at random, and give nearly the interval of all 5**5."""
    x, y, clips = versions(1, clips=5)
    listed, sampled = (
        association(x, y, clips, method, generator=np.random.default_rng(1), resamples=r, permutations=1)
        for r in (3125, 3124)
    )
    assert listed.high != sampled.high
    assert (sampled.low, sampled.high) == pytest.approx((listed.low, listed.high), abs=0.03)


@each_method
def test_p_agrees_with_all_permutations(method: str) -> None:
    """The sampled p is the share of all 36 within-clip permutations, up to Monte-Carlo error."""
    x = np.array([1.0, 3, 2, 7, 9, 8])
    y = np.array([2.0, 4, 3.5, 1, 6, 2])
    orders = [(*a, *b) for a in permutations(range(3)) for b in permutations(range(3, 6))]
    r = np.array([naive(x, y[list(order)], method) for order in orders])
    expected = np.mean(np.abs(r - r.mean()) >= abs(r[0] - r.mean()) - 1e-9)
    result = association(x, y, np.repeat([0, 1], 3), method, generator=np.random.default_rng(2))
    assert 0.03 < expected < 1
    assert result.p == pytest.approx(expected, abs=0.03)


@each_method
def test_clip_differences_make_no_significance(method: str) -> None:
    """Offsets that x and y share make scipy's p small nearly always, and ours as often as its level says."""
    generator = np.random.default_rng(3)
    clips = np.repeat(np.arange(6), 5)
    ours = scipys = 0
    for _ in range(200):
        offset = np.repeat(3 * np.arange(6.0), 5)
        x, y = offset + generator.normal(size=30), offset + generator.normal(size=30)
        p = association(x, y, clips, method, generator=generator, resamples=10, permutations=99).p
        ours += p <= 0.05
        scipys += SCIPY[method](x, y).pvalue <= 0.05
    assert 0.01 <= ours / 200 <= 0.11
    assert scipys / 200 > 0.95


@each_method
def test_relation_against_the_clip_differences_is_found(method: str) -> None:
    """A falling relation within clips is significant although shared offsets make r positive."""
    offset, inside = np.repeat([0.0, 20, 40, 60], 8), np.tile(np.arange(8.0), 4)
    result = association(
        offset + inside, offset - inside, np.repeat(range(4), 8), method, generator=np.random.default_rng(0)
    )
    assert result.r > 0.2
    assert result.p == pytest.approx(1 / 5000)


@each_method
def test_perfect_association(method: str) -> None:
    """A line has r = 1 in every resample, and the smallest p that the permutations allow."""
    x = np.arange(20.0) ** 2
    result = association(x, 2 * x, np.repeat(range(4), 5), method, generator=np.random.default_rng(0))
    assert (result.r, result.low, result.high) == pytest.approx((1, 1, 1), abs=1e-12)
    assert result.p == pytest.approx(1 / 5000)
    assert (result.n, result.n_clips) == (20, 4)


@each_method
def test_one_clip_has_no_interval(method: str) -> None:
    """One clip cannot tell how clips differ, though its own rows can be permuted."""
    x, y, clips = versions(4, clips=1)
    result = association(x, y, clips, method, generator=np.random.default_rng(0))
    assert result.n_clips == 1
    assert np.isnan([result.low, result.high]).all()
    assert 0 < result.p <= 1


@each_method
def test_one_row_a_clip_has_no_p(method: str) -> None:
    """Without a second row in any clip nothing can be permuted, though clips can be resampled."""
    x, y, _ = versions(5)
    result = association(x, y, np.arange(44), method, generator=np.random.default_rng(0))
    assert np.isnan(result.p)
    assert result.low < result.r < result.high


@each_method
def test_constant_has_no_association(method: str) -> None:
    """A constant side leaves everything undefined but the counts."""
    _, y, clips = versions(6)
    result = association(np.full(44, 0.1), y, clips, method, generator=np.random.default_rng(0))
    assert (result.n, result.n_clips) == (44, 4)
    assert np.isnan([result.r, result.low, result.high, result.p]).all()


@each_method
def test_constant_within_clips_has_p_one(method: str) -> None:
    """A column that only tells clips apart has no relation within clips, whatever rounding says."""
    _, y, clips = versions(6)
    x = np.repeat([0.1, 0.7, 1 / 3, 2.3], 11)
    assert association(x, y, clips, method, generator=np.random.default_rng(0)).p == 1


@each_method
def test_interval_needs_half_of_the_resamples(method: str) -> None:
    """Where r needs two certain clips of four, 110 of 256 resamples define it and there is no interval."""
    clips = np.repeat(range(4), 3)
    x, y = (clips == 3).astype(float), (clips == 2).astype(float)
    result = association(x, y, clips, method, generator=np.random.default_rng(0))
    assert result.r < 0
    assert np.isnan([result.low, result.high]).all()


@each_method
@pytest.mark.parametrize("clips", [4, 6])
def test_association_is_reproducible(method: str, clips: int) -> None:
    """Equal seeds give equal numbers in any order of the rows, and incomplete rows do not matter."""
    x, y, labels = versions(7, clips=clips)
    first = association(x, y, labels, method, generator=np.random.default_rng(8))
    order = np.random.default_rng(9).permutation(len(x))
    x, y, labels = np.append(x[order], np.nan), np.append(y[order], 1.0), np.append(labels[order], "other")
    assert association(x, y, labels, method, generator=np.random.default_rng(8)) == first


def test_holm_by_hand() -> None:
    """Of 0.04, 0.01, 0.03 the smallest counts thrice, the next twice, the last is lifted to the second."""
    assert holm(np.array([0.04, 0.01, 0.03])) == pytest.approx([0.06, 0.03, 0.06])


def test_holm_leaves_out_missing_and_stops_at_one() -> None:
    """NaN is no test, and no p exceeds 1."""
    adjusted = holm(np.array([np.nan, 0.6, 0.02, np.nan, 0.7]))
    assert adjusted == pytest.approx([np.nan, 1, 0.06, np.nan, 1], nan_ok=True)
    assert holm(np.array([np.nan])) == pytest.approx([np.nan], nan_ok=True)
    assert holm(np.array([])).shape == (0,)


@each_method
def test_identical_predictors_do_not_differ(method: str) -> None:
    """A predictor against itself has difference 0, interval [0, 0] and p 1."""
    x, y, clips = versions(10)
    result = compare(x, x, y, clips, method, generator=np.random.default_rng(0))
    assert (result.difference, result.low, result.high, result.p) == (0, 0, 0, 1)


@each_method
def test_comparison_interval_is_that_of_all_duplicated_resamples(method: str) -> None:
    """Both predictors are read in the same 27 resamples."""
    x1, x2, y, clips = three_clips()
    differences = [naive(x1[i], y[i], method) + naive(x2[i], -y[i], method) for i in every_draw(clips)]
    result = compare(x1, x2, y, clips, method, generator=np.random.default_rng(0), confidence=0.8)
    expected = np.quantile(differences, [0.1, 0.9])
    assert (result.low, result.high) == pytest.approx(tuple(expected), abs=1e-12)


@each_method
def test_comparison_p_counts_all_swaps(method: str) -> None:
    """The p is the share of all 2**5 swaps of whole clips that are as extreme as the data."""
    generator = np.random.default_rng(11)
    clips = np.repeat(range(5), 4)
    y = generator.normal(size=20)
    x1, x2 = y + generator.normal(size=20), -y + 3 * generator.normal(size=20)
    scale = scipy.stats.zscore if method == "pearson" else scipy.stats.rankdata
    scaled = np.stack([scale(x1), scale(-x2)])
    found = []
    for swap in product((0, 1), repeat=5):
        side = np.array(swap)[clips]
        rows = np.arange(20)
        found.append(naive(scaled[side, rows], y, method) - naive(scaled[1 - side, rows], y, method))
    expected = np.mean(np.abs(found) >= abs(found[0]) - 1e-9)
    result = compare(x1, x2, y, clips, method, generator=generator, signs=(1, -1))
    assert result.difference == pytest.approx(found[0], abs=1e-12)
    assert result.p == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("clips", "smallest"), [(1, np.nan), (2, 0.5), (4, 0.125), (6, 2 / 64), (12, 2 / 4096)])
def test_smallest_p_follows_from_the_clips(clips: int, smallest: float) -> None:
    """A perfect predictor against a worthless one reaches the smallest p, 2 / 2**k."""
    generator = np.random.default_rng(12)
    y = np.tile(np.arange(8.0), clips)
    x2 = np.tile([1.0, -1, -1, 1, 1, -1, -1, 1], clips) + 0.01 * generator.normal(size=8 * clips)
    result = compare(y, x2, y, np.repeat(range(clips), 8), "spearman", generator=generator)
    assert (result.n, result.n_clips) == (8 * clips, clips)
    assert (result.smallest_p, result.p) == pytest.approx((smallest, smallest), nan_ok=True)


def test_many_clips_are_swapped_at_random() -> None:
    """Above 12 clips p is (b + 1) / (m + 1)."""
    x, y, clips = versions(13, clips=13, each=4)
    noise = np.random.default_rng(14).normal(size=len(x))
    result = compare(y, noise, y, clips, "kendall", generator=np.random.default_rng(0), permutations=199)
    assert result.smallest_p == 1 / 200
    assert 1 / 200 <= result.p <= 3 / 200
    assert compare(x, x, y, clips, "kendall", generator=np.random.default_rng(0), permutations=199).p == 1


@each_method
def test_one_clip_has_a_difference_only(method: str) -> None:
    """With one clip the difference stands, its interval and p are NaN."""
    x, y, clips = versions(15, clips=1)
    result = compare(y, x, y, clips, method, generator=np.random.default_rng(0))
    assert result.difference == pytest.approx(1 - correlation(x, y, method))
    assert np.isnan([result.low, result.high, result.p, result.smallest_p]).all()


@each_method
def test_comparison_drops_rows_where_any_column_is_missing(method: str) -> None:
    """All three columns are read on the same rows; an undefined strength leaves the difference undefined."""
    x, y, clips = versions(16)
    x2 = x[::-1].copy()
    x[0], x2[1], y[2] = np.nan, np.nan, np.nan
    result = compare(x, x2, y, clips, method, generator=np.random.default_rng(0))
    assert result.n == 41
    expected = correlation(x[3:], y[3:], method) - correlation(x2[3:], y[3:], method)
    assert result.difference == pytest.approx(expected, abs=1e-12)
    constant = compare(x, np.ones(44), y, clips, method, generator=np.random.default_rng(0))
    assert np.isnan([constant.difference, constant.low, constant.high, constant.p]).all()


def test_equal_predictors_are_told_apart_as_rarely_as_the_level_says() -> None:
    """Two equally noisy copies of the target differ at 0.05 in about one of twenty data sets."""
    generator = np.random.default_rng(17)
    clips = np.repeat(range(7), 5)
    rejected = 0
    for _ in range(200):
        y = generator.normal(size=35)
        x1, x2 = y + generator.normal(size=(2, 35))
        rejected += compare(x1, x2, y, clips, "spearman", generator=generator, resamples=10).p <= 0.05
    assert 0.01 <= rejected / 200 <= 0.11


def test_falling_quality_is_monotone() -> None:
    """Quality that falls with severity has tau 1 and no violation, in any order of the rows."""
    trend = monotonicity(np.array([3.0, 1, 2]), np.array([0.1, 0.9, 0.5]), higher_is_better=True)
    assert (trend.steps, trend.violations) == (2, ())
    assert trend.tau == pytest.approx(1)


def test_direction_decides_what_falling_is() -> None:
    """A growing distance is falling quality; a growing similarity violates every step."""
    severity, value = np.array([1.0, 2, 3]), np.array([1.0, 2, 4])
    assert monotonicity(severity, value, higher_is_better=False).tau == pytest.approx(1)
    trend = monotonicity(severity, value, higher_is_better=True)
    assert trend.violations == ((0, 1), (1, 2))
    assert trend.tau == pytest.approx(-1)


def test_violations_are_indices_into_the_input() -> None:
    """Missing values and the order of the rows do not shift the indices."""
    severity, value = np.array([4.0, 3, 2, 1, 5]), np.array([0.75, 0.5, np.nan, 1.0, 0.25])
    trend = monotonicity(severity, value, higher_is_better=True)
    assert (trend.steps, trend.violations) == (3, ((1, 0),))
    assert trend.tau == pytest.approx(4 / 6)


def test_equal_values_and_small_improvements_are_no_violations() -> None:
    """Only an improvement beyond the tolerance counts."""
    severity, value = np.array([1.0, 2, 3, 4]), np.array([0.5, 0.5, 0.75, 0.25])
    assert monotonicity(severity, value, higher_is_better=True).violations == ((1, 2),)
    assert monotonicity(severity, value, higher_is_better=True, tolerance=0.25).violations == ()


def test_infinite_values_have_an_order() -> None:
    """A signal-to-noise ratio that starts at infinity falls; one that returns to it improves."""
    value = np.array([np.inf, np.inf, 10, np.inf])
    trend = monotonicity(np.array([-np.inf, 1, 2, 3]), value, higher_is_better=True)
    assert (trend.steps, trend.violations) == (3, ((2, 3),))


def test_equal_severities_are_not_compared() -> None:
    """Two rows of one severity make no step."""
    trend = monotonicity(np.array([1.0, 1, 2]), np.array([1.0, 2, 0]), higher_is_better=True)
    assert (trend.steps, trend.violations) == (1, ())


def test_short_series_have_no_tau() -> None:
    """Two values make a step but no tau; no value makes neither."""
    trend = monotonicity(np.array([1.0, 2]), np.array([1.0, 2]), higher_is_better=True)
    assert (trend.steps, trend.violations) == (1, ((0, 1),))
    assert np.isnan(trend.tau)
    assert monotonicity(np.array([]), np.array([]), higher_is_better=True).steps == 0


def test_line_agrees_with_linregress() -> None:
    """Line and band at x = 0 are scipy's intercept and its standard error times Student's t."""
    x, y, _ = versions(18)
    fit = scipy.stats.linregress(x, y)
    half = scipy.stats.t.ppf(0.95, 42) * fit.intercept_stderr
    x, y = np.append(x, [np.nan, 1, np.inf]), np.append(y, [1, np.nan, 1])
    line, low, high = linear_fit(x, y, np.array([0.0, 1.0]), confidence=0.9)
    assert line == pytest.approx([fit.intercept, fit.intercept + fit.slope], abs=1e-12)
    assert (low[0], high[0]) == pytest.approx((fit.intercept - half, fit.intercept + half), abs=1e-12)


@pytest.mark.parametrize("x", [[1.0, 2, np.nan], [0.1, 0.1, 0.1]], ids=["two points", "constant"])
def test_line_needs_three_points_and_a_slope(x: list[float]) -> None:
    """Without them line and band are NaN on the whole grid."""
    for band in linear_fit(np.array(x), np.array([1.0, 2, 3]), np.arange(4.0)):
        assert band.shape == (4,)
        assert np.isnan(band).all()


def test_mean_interval_is_that_of_all_duplicated_resamples() -> None:
    """The mean is over rows, and its interval that of the means of all 27 resamples."""
    values, _, _, clips = three_clips()
    means = [values[rows].mean() for rows in every_draw(clips)]
    result = mean_interval(values, clips, generator=np.random.default_rng(0))
    expected = (values.mean(), *np.quantile(means, [0.025, 0.975]))
    assert result == pytest.approx(expected, abs=1e-12)


def test_mean_interval_where_it_is_undefined() -> None:
    """One clip or an infinite value has a mean without interval; no value has neither."""
    generator = np.random.default_rng(0)
    nan = pytest.approx((np.nan, np.nan), nan_ok=True)
    mean, *ends = mean_interval(np.array([1.0, 3, np.nan]), np.array(["a", "a", "b"]), generator=generator)
    assert (mean, tuple(ends)) == (2, nan)
    mean, *ends = mean_interval(np.array([1.0, np.inf]), np.array(["a", "b"]), generator=generator)
    assert (mean, tuple(ends)) == (np.inf, nan)
    mean, *ends = mean_interval(np.array([-np.inf, np.inf]), np.array(["a", "b"]), generator=generator)
    assert np.isnan(mean)
    mean, *ends = mean_interval(np.array([np.nan]), np.array(["a"]), generator=generator)
    assert np.isnan(mean)
    assert tuple(ends) == nan
