"""Statistics of very many clips: the same answers as resampling gives, in time that does not grow with its square."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy.special import ndtri

from percept import _large_sample, stats
from percept.schema import Array64


def study(clips: int, rows: int, *, strength: float, seed: int = 0) -> tuple[Array64, Array64, Any]:
    """Two measures with a share in common, and clips that differ from one another."""
    generator = np.random.default_rng(seed)
    labels = np.repeat([f"clip{i:05d}" for i in range(clips)], rows)
    own = np.repeat(generator.standard_normal(clips), rows)
    x = generator.standard_normal(clips * rows) + own
    y = strength * x + generator.standard_normal(clips * rows) - 0.5 * own
    return x, y, labels


@pytest.mark.parametrize("method", stats.METHODS)
@pytest.mark.parametrize("strength", [0.0, 0.1, 1.0])
def test_it_agrees_with_resampling(monkeypatch: pytest.MonkeyPatch, method: str, strength: float) -> None:
    """On 150 clips both engines give the same r, intervals of the same width and place, and the same p."""
    x, y, clips = study(150, 4, strength=strength)
    found = []
    for rows in (math.inf, 10):
        monkeypatch.setattr(_large_sample, "ROWS", rows)
        generator = np.random.default_rng(1)
        found.append(stats.association(x, y, clips, method, generator=generator, resamples=1000, permutations=999))
    few, many = found
    assert (few.n, few.n_clips) == (many.n, many.n_clips)
    assert many.r == pytest.approx(few.r, abs=1e-12)
    width = few.high - few.low
    assert (many.low, many.high) == pytest.approx((few.low, few.high), abs=0.25 * width)
    # In deviations of the permuted statistic: 999 permutations end at 0.001.
    assert ndtri(many.p / 2) == pytest.approx(ndtri(few.p / 2), abs=0.35) or max(few.p, many.p) < 0.002


@pytest.mark.parametrize("method", ["pearson", "spearman"])
@pytest.mark.parametrize("noise", [0.0, 1.0])
def test_comparisons_agree_with_resampling(monkeypatch: pytest.MonkeyPatch, method: str, noise: float) -> None:
    """On 150 clips both engines agree which of two predictors is better, by how much, and how sure that is."""
    x, y, clips = study(150, 4, strength=1.0)
    generator = np.random.default_rng(3)
    first = x + generator.standard_normal(x.size)
    second = -(x + (1 + noise) * generator.standard_normal(x.size))
    found = []
    for rows in (math.inf, 10):
        monkeypatch.setattr(_large_sample, "ROWS", rows)
        found.append(
            stats.compare(first, second, y, clips, method, generator=np.random.default_rng(1), signs=(1, -1),
                          resamples=1000, permutations=999)
        )  # fmt: skip
    few, many = found
    assert many.difference == pytest.approx(few.difference, abs=1e-12)
    width = few.high - few.low
    assert (many.low, many.high) == pytest.approx((few.low, few.high), abs=0.25 * width)
    assert many.p == pytest.approx(few.p, abs=0.08)


def test_means_agree_with_resampling(monkeypatch: pytest.MonkeyPatch) -> None:
    """The interval of a mean over 250 clips is that of the bootstrap, also where clips have unequal numbers of rows."""
    generator = np.random.default_rng(0)
    clips = np.repeat(np.arange(250), generator.integers(1, 9, 250))
    values = generator.standard_normal(len(clips)) + 0.01 * clips
    monkeypatch.setattr(_large_sample, "ROWS", math.inf)
    few = stats.mean_interval(values, clips, generator=generator)
    many = _large_sample.mean_interval(values, np.flatnonzero(np.diff(clips, prepend=-1)), 0.95)
    assert many[0] == pytest.approx(few[0])
    assert many[1:] == pytest.approx(few[1:], abs=0.1 * (few[2] - few[1]))


def test_what_is_undefined_is_nan() -> None:
    """A constant column has no correlation; infinite values have ranks and no mean."""
    x, y, clips = study(1000, 4, strength=0.5)
    constant = stats.association(np.ones_like(x), y, clips, "spearman", generator=np.random.default_rng(0))
    assert constant.n == 4000 and all(map(math.isnan, (constant.r, constant.low, constant.high, constant.p)))
    x[0] = math.inf
    assert math.isnan(stats.association(x, y, clips, "pearson", generator=np.random.default_rng(0)).r)
    assert stats.association(x, y, clips, "spearman", generator=np.random.default_rng(0)).p == 1e-6
    with pytest.raises(ValueError, match="unknown method 'rank'"):
        stats.association(x, y, clips, "rank", generator=np.random.default_rng(0))


def test_ten_thousand_clips_are_no_trouble() -> None:
    """40,000 rows, for which resampling would need minutes and gigabytes; no p is told that nobody can know."""
    x, y, clips = study(10000, 4, strength=0.3)
    for method in ("pearson", "spearman"):
        found = stats.association(x, y, clips, method, generator=np.random.default_rng(0))
        assert found.low < found.r < found.high and found.p == 1e-6
