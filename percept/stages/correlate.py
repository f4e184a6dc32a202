"""Stage 3b: how well each measure follows each target, and whether measures fall as degradations grow.

Scopes:
    ``pooled``: all versions of all clips. ``within clips``: the same after each clip's mean (for rank methods: of its
    ranks) is subtracted, so that differences between clips count neither for nor against. ``clip:<name>`` and
    ``family:<name>``: those rows alone.
Rows whose value is missing take no part, nor do infinite values in Pearson's r (rank methods have a place for them);
`n` tells how many did.
Holm's correction runs over all predictors and targets of one scope and method, and over all comparisons of one method.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
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
    Array64,
    Measure,
    PerceptError,
)
from percept.settings import Correlate, Run

if TYPE_CHECKING:
    import pandas as pd

VERSION = 1
WITHIN = "within clips"
FEWEST_ROWS = 3
COMPARED_BY = ("pearson", "spearman")
TOLERANCE = 1e-9
"""Steps of a measure smaller than this are rounding, not improvement."""


@dataclass(frozen=True)
class Relations:
    """The three tables of stage 3b: columns `CORRELATIONS_COLUMNS`, `COMPARISONS_COLUMNS`, `MONOTONICITY_COLUMNS`."""

    correlations: pd.DataFrame
    comparisons: pd.DataFrame
    monotonicity: pd.DataFrame
    targets: tuple[str, ...]


@dataclass(frozen=True)
class _Wide:
    """One value a measure and row, with the labels of the rows."""

    values: Mapping[str, Array64]
    clips: Any
    families: Any
    levels: Array64


def correlate(
    scores: pd.DataFrame,
    measures: Sequence[Measure],
    families: Mapping[str, Family | None],
    settings: Correlate,
    run: Run,
) -> Relations:
    """Relate all measures with each other.

    Args:
        scores: the long table.
        measures: what its measures mean.
        families: the degradations of its rows.
        settings: targets, resamples, permutations, confidence, seed.
        run: how to run.

    Raises:
        PerceptError: settings out of range, or a target that is no measure (with the nearest names).
    """
    import pandas as pd

    _check(settings)
    wide = _wide(scores, measures)
    targets = _targets(wide, measures, settings)
    correlations = _correlations(wide, targets, settings, run)
    comparisons = _comparisons(wide, measures, targets, settings)
    trends = _trends(wide, measures, families)
    return Relations(
        pd.DataFrame(correlations, columns=list(CORRELATIONS_COLUMNS)),
        pd.DataFrame(comparisons, columns=list(COMPARISONS_COLUMNS)),
        pd.DataFrame(trends, columns=list(MONOTONICITY_COLUMNS)),
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


def _wide(scores: pd.DataFrame, measures: Sequence[Measure]) -> _Wide:
    rows = scores.drop_duplicates(["item", "condition"])
    index = list(zip(rows["item"], rows["condition"], strict=True))
    values = {}
    for measure in measures:
        own = scores[scores["measure"] == measure.name]
        by_row = dict(zip(zip(own["item"], own["condition"], strict=True), own["value"], strict=True))
        column = np.array([by_row.get(row, math.nan) for row in index], dtype=np.float64)
        values[measure.name] = column
    return _Wide(values, rows["item"].to_numpy(str), rows["family"].to_numpy(str), rows["level"].to_numpy(np.float64))


def _scopes(wide: _Wide) -> Iterator[tuple[str, Any]]:
    """Name and row mask of every scope with enough rows to correlate."""
    everything = np.ones(len(wide.clips), dtype=bool)
    yield "pooled", everything
    if len(set(wide.clips)) > 1:
        yield WITHIN, everything
        for clip in dict.fromkeys(wide.clips):
            if (mask := wide.clips == clip).sum() >= FEWEST_ROWS:
                yield f"clip:{clip}", mask
    if len(set(wide.families)) > 1:
        for family in dict.fromkeys(wide.families):
            if family and (mask := wide.families == family).sum() >= FEWEST_ROWS:
                yield f"family:{family}", mask


def _targets(wide: _Wide, measures: Sequence[Measure], settings: Correlate) -> tuple[str, ...]:
    given = [m.name for m in measures if m.group == "given"]
    for target in settings.targets:
        if target not in wide.values and target not in METRICS:
            raise PerceptError(f"there is no measure called '{target}' to be a target{nearest(target, wide.values)}")
    return tuple(dict.fromkeys(t for t in (*settings.targets, *given) if t in wide.values))


def _correlations(wide: _Wide, targets: Sequence[str], settings: Correlate, run: Run) -> list[dict[str, Any]]:
    """The rows of all scopes and methods, in that order; each scope and method is a job."""
    # Two targets are compared once, not once in each direction.
    pairs = [
        (predictor, target)
        for predictor in wide.values
        for target in targets
        if predictor not in targets or targets.index(predictor) < targets.index(target)
    ]
    jobs = [
        Job((place, order), _associations, (wide, scope, pairs, method, settings))
        for place, scope in enumerate(_scopes(wide))
        for order, method in enumerate(stats.METHODS)
    ]
    found = {}
    for outcome in runner.run(jobs, processes=run.jobs, title="correlate", quiet=run.quiet):
        if outcome.reason:
            raise RuntimeError(outcome.unexpected or outcome.reason)
        found[outcome.name] = outcome.value
    return [row for name in sorted(found) for row in found[name]]


def _associations(
    wide: _Wide, scope: tuple[str, Any], pairs: Sequence[tuple[str, str]], method: str, settings: Correlate
) -> list[dict[str, Any]]:
    tests = [_associate(wide, scope, pair, method, settings) for pair in pairs]
    adjusted = stats.holm(np.array([test["p"] for test in tests], dtype=np.float64))
    return [{**test, "p_adjusted": p} for test, p in zip(tests, adjusted, strict=True)]


def _associate(
    wide: _Wide, scope: tuple[str, Any], pair: tuple[str, str], method: str, settings: Correlate
) -> dict[str, Any]:
    name, mask = scope
    x, y = (_usable(wide.values[measure][mask], method) for measure in pair)
    clips = wide.clips[mask]
    if name == WITHIN:
        x, y = _centred(x, y, clips, method)
    found = stats.association(
        x,
        y,
        clips,
        method,
        generator=_generator(settings.seed, *pair, name, method),
        resamples=settings.resamples,
        permutations=settings.permutations,
        confidence=settings.confidence,
    )
    return {"predictor": pair[0], "target": pair[1], "scope": name, "method": method, **asdict(found)}


def _usable(column: Array64, method: str) -> Array64:
    """The column with what the method has no place for as missing."""
    return np.where(np.isfinite(column), column, math.nan) if method == "pearson" else column


def _centred(x: Array64, y: Array64, clips: Any, method: str) -> tuple[Array64, Array64]:
    """Both columns less each clip's mean, over the rows where both are there; ranks first for rank methods."""
    from scipy.stats import rankdata

    both = ~(np.isnan(x) | np.isnan(y))
    centred = np.full((2, len(x)), math.nan)
    for clip in dict.fromkeys(clips):
        rows = both & (clips == clip)
        for out, column in zip(centred, (x, y), strict=True):
            own = column[rows] if method == "pearson" else rankdata(column[rows])
            out[rows] = own - own.mean() if own.size else own
    return centred[0], centred[1]


def _generator(seed: int, *names: str) -> np.random.Generator:
    text = "\0".join((str(seed), *names))
    return np.random.default_rng(int.from_bytes(hashlib.sha256(text.encode()).digest()[:16]))


def _comparisons(
    wide: _Wide, measures: Sequence[Measure], targets: Sequence[str], settings: Correlate
) -> list[dict[str, Any]]:
    """Every pair of embeddings under the same comparison: does the first follow the target better?"""
    embeddings = list(dict.fromkeys(m.embedding for m in measures if m.embedding))
    by_kind: dict[str, dict[str, Measure]] = {}
    for measure in measures:
        if measure.embedding:
            by_kind.setdefault(measure.title.removeprefix(measure.embedding), {})[measure.embedding] = measure
    rows: list[dict[str, Any]] = []
    for first, second in combinations(embeddings, 2):
        for own in by_kind.values():
            for target in targets:
                for method in COMPARED_BY:
                    rows.append(_comparison(wide, (own[first], own[second]), target, method, settings))
    for method in COMPARED_BY:
        tests = [row for row in rows if row["method"] == method]
        adjusted = stats.holm(np.array([row["p"] for row in tests], dtype=np.float64))
        for row, p in zip(tests, adjusted, strict=True):
            row["p_adjusted"] = p
    return rows


def _comparison(
    wide: _Wide, pair: tuple[Measure, Measure], target: str, method: str, settings: Correlate
) -> dict[str, Any]:
    first, second = pair
    x1, x2, y = (_usable(wide.values[name], method) for name in (first.name, second.name, target))
    found = stats.compare(
        x1,
        x2,
        y,
        wide.clips,
        method,
        generator=_generator(settings.seed, first.name, second.name, target, method),
        signs=(_sign(first), _sign(second)),
        resamples=settings.resamples,
        permutations=settings.permutations,
        confidence=settings.confidence,
    )  # fmt: skip
    names = {
        "first": first.name,
        "second": second.name,
        "target": target,
        "scope": "pooled",
        "method": method,
    }
    return {**names, **asdict(found)}


def _sign(measure: Measure) -> float:
    return 1.0 if measure.higher_is_better else -1.0


def _trends(wide: _Wide, measures: Sequence[Measure], families: Mapping[str, Family | None]) -> list[dict[str, Any]]:
    rows = []
    for measure in measures:
        for family, record in families.items():
            for clip in dict.fromkeys(wide.clips):
                mask = (wide.clips == clip) & (wide.families == family) & np.isfinite(wide.levels)
                if record is None or getattr(record, "control", False) or mask.sum() < 2:
                    continue
                rows.append(_trend(measure, record, str(clip), wide.levels[mask], wide.values[measure.name][mask]))
    return rows


def _trend(measure: Measure, family: Family, clip: str, levels: Array64, values: Array64) -> dict[str, Any]:
    severity = np.array([family.severity(level) for level in levels])
    trend = stats.monotonicity(severity, values, higher_is_better=measure.higher_is_better, tolerance=TOLERANCE)
    where = "; ".join(f"{levels[a]:g} → {levels[b]:g}" for a, b in trend.violations)
    return {
        "measure": measure.name, "family": family.name, "clip": clip, "steps": trend.steps,
        "violations": len(trend.violations), "tau": trend.tau, "where": where,
    }  # fmt: skip
