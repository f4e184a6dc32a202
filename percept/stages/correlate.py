"""Stage 3b: how well each measure follows each target, and whether measures fall as degradations grow.

Scopes are those of `percept.stages._arranged`. Rows whose value is missing take no part, nor do infinite values in
Pearson's r (rank methods have a place for them); `n` tells how many did.
Holm's correction runs over all predictors and targets of one scope and method.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from percept import runner, stats
from percept.metrics import METRICS
from percept.records import Family
from percept.registry import nearest
from percept.runner import Job
from percept.schema import (
    COMPARISONS_COLUMNS,
    CORRELATIONS_COLUMNS,
    MONOTONICITY_COLUMNS,
    OPINION_COLUMNS,
    Array64,
    Measure,
    Pair,
    PerceptError,
)
from percept.settings import Correlate, Run
from percept.stages._arranged import WITHIN, Wide, alike, arrange, generator, scopes, usable
from percept.stages._contrasts import contrasts, falls
from percept.stages._opinions import opinions

if TYPE_CHECKING:
    import pandas as pd

VERSION = 3
PORTION_ROWS = 1000
"""Scopes share a job up to this many rows."""
Part = tuple[str, Wide]
"""A scope's name and its rows."""


@dataclass(frozen=True)
class Relations:
    """The tables of stage 3b: columns `CORRELATIONS_COLUMNS`, `COMPARISONS_COLUMNS` and so on.

    `opinions` is None without a listening test.
    """

    correlations: pd.DataFrame
    comparisons: pd.DataFrame
    monotonicity: pd.DataFrame
    opinions: pd.DataFrame | None
    targets: tuple[str, ...]


def correlate(
    scores: pd.DataFrame,
    measures: Sequence[Measure],
    families: Mapping[str, Family | None],
    settings: Correlate,
    run: Run,
    *,
    pairs: Sequence[Pair] = (),
) -> Relations:
    """Relate all measures with each other.

    Args:
        scores: the long table.
        measures: what its measures mean.
        families: the degradations of its rows.
        settings: targets, resamples, permutations, confidence, seed.
        run: how to run.
        pairs: what is known of its rows besides: kinds of clips, and how sure listeners were.

    Raises:
        PerceptError: settings out of range, or a target that is no measure (with the nearest names).
    """
    import pandas as pd

    _check(settings)
    wide = arrange(scores, measures, pairs)
    targets = _targets(wide, measures, settings)
    correlations = _correlations(wide, targets, settings, run)
    comparisons = contrasts(wide, measures, targets, settings, run)
    trends = falls(wide, measures, families, run)
    judged = opinions(wide, measures, settings.confidence)
    return Relations(
        pd.DataFrame(correlations, columns=list(CORRELATIONS_COLUMNS)),
        pd.DataFrame(comparisons, columns=list(COMPARISONS_COLUMNS)),
        pd.DataFrame(trends, columns=list(MONOTONICITY_COLUMNS)),
        pd.DataFrame(judged, columns=list(OPINION_COLUMNS)) if judged else None,
        targets,
    )


def _check(settings: Correlate) -> None:
    if not 0.5 <= settings.confidence < 1:
        raise PerceptError(
            f"--confidence {settings.confidence:g} is out of range: expected 0.5 to below 1, usually 0.95"
        )
    for name in ("resamples", "permutations"):
        if getattr(settings, name) < 100:
            raise PerceptError(f"--{name} {getattr(settings, name)} is too few: expected at least 100")


def _targets(wide: Wide, measures: Sequence[Measure], settings: Correlate) -> tuple[str, ...]:
    given = [m.name for m in measures if m.group == "given"]
    for target in settings.targets:
        if target not in wide.values and target not in METRICS:
            raise PerceptError(f"there is no measure called '{target}' to be a target{nearest(target, wide.values)}")
    return tuple(dict.fromkeys(t for t in (*settings.targets, *given) if t in wide.values))


def _correlations(wide: Wide, targets: Sequence[str], settings: Correlate, run: Run) -> list[dict[str, Any]]:
    """The rows of all scopes and methods, in that order; each scope and method is a job."""
    # Two targets are compared once, not once in each direction.
    pairs = [
        (predictor, target)
        for predictor in wide.values
        for target in targets
        if predictor not in targets or targets.index(predictor) < targets.index(target)
    ]
    used = dict.fromkeys(name for pair in pairs for name in pair)
    jobs = []
    for place, parts in _portions((name, wide.take(rows, used)) for name, rows in scopes(wide)):
        for order, method in enumerate(stats.METHODS):
            size = sum(len(part.clips) for _, part in parts)
            jobs.append(Job((place, order), _associations, (parts, pairs, method, settings), size))
    found: dict[tuple[int, int], list[list[dict[str, Any]]]] = runner.values(jobs, run, title="correlate")
    rows_of: list[dict[str, Any]] = []
    for place in dict.fromkeys(name[0] for name in sorted(found)):
        for by_method in zip(*(found[place, order] for order in range(len(stats.METHODS))), strict=True):
            rows_of += [row for rows in by_method for row in rows]
    return rows_of


def _portions(scopes: Iterable[Part]) -> Iterator[tuple[int, list[Part]]]:
    """Scopes, small ones together: a job for each of ten thousand clips would cost more than the work in it."""
    portion: list[Part] = []
    number = 0
    for scope in scopes:
        if portion and sum(len(part.clips) for _, part in [*portion, scope]) > PORTION_ROWS:
            yield number, portion
            number, portion = number + 1, []
        portion.append(scope)
    if portion:
        yield number, portion


def _associations(
    parts: Sequence[Part], pairs: Sequence[tuple[str, str]], method: str, settings: Correlate
) -> list[list[dict[str, Any]]]:
    """The rows of each scope by one method."""
    rows = []
    for scope, wide in parts:
        tests = [_associate(wide, scope, pair, method, settings) for pair in pairs]
        adjusted = stats.holm(np.array([test["p"] for test in tests], dtype=np.float64))
        rows.append([{**test, "p_adjusted": p} for test, p in zip(tests, adjusted, strict=True)])
    return rows


def _associate(wide: Wide, scope: str, pair: tuple[str, str], method: str, settings: Correlate) -> dict[str, Any]:
    x, y = (usable(wide.values[measure], method) for measure in pair)
    if scope.endswith(WITHIN):
        x, y = _centred(x, y, wide.clips, method)
    found = stats.association(
        x,
        y,
        wide.clips,
        method,
        generator=generator(settings.seed, *pair, scope, method),
        resamples=settings.resamples,
        permutations=settings.permutations,
        confidence=settings.confidence,
    )
    return {"predictor": pair[0], "target": pair[1], "scope": scope, "method": method, **asdict(found)}


def _centred(x: Array64, y: Array64, clips: Any, method: str) -> tuple[Array64, Array64]:
    """Both columns less each clip's mean, over the rows where both are there; ranks first for rank methods."""
    from scipy.stats import rankdata

    both = ~(np.isnan(x) | np.isnan(y))
    centred = np.full((2, len(x)), math.nan)
    there = np.flatnonzero(both)
    for own_rows in alike(clips[there]).values():
        rows = there[own_rows]
        for out, column in zip(centred, (x, y), strict=True):
            own = column[rows] if method == "pearson" else rankdata(column[rows])
            out[rows] = own - own.mean()
    return centred[0], centred[1]
