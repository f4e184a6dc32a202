"""Two embeddings against each other, and measures along the levels of a degradation.

Does one embedding follow a target better than another under the same comparison; does a measure fall as a degradation
grows? Holm's correction runs over all comparisons of one scope and method.

Contents: `contrasts`, `falls`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import combinations, product
from typing import Any

import numpy as np

from percept import runner, stats
from percept.records import Family
from percept.runner import Job
from percept.schema import Array64, Measure
from percept.settings import Correlate, Run
from percept.stages._arranged import POOLED, Wide, alike, generator, kind_scopes, usable

COMPARED_BY = ("pearson", "spearman")
TOLERANCE = 1e-9
"""Steps of a measure smaller than this are rounding, not improvement."""

Row = dict[str, Any]


def contrasts(
    wide: Wide, measures: Sequence[Measure], targets: Sequence[str], settings: Correlate, run: Run
) -> list[Row]:
    """Every pair of embeddings under the same comparison: does the first follow the target better?

    Over all versions, and over each kind of clip where there are several.
    """
    places = [(POOLED, np.ones(len(wide.clips), dtype=bool)), *kind_scopes(wide)]
    embeddings = list(dict.fromkeys(m.embedding for m in measures if m.embedding))
    by_comparison: dict[str, dict[str, Measure]] = {}
    for measure in measures:
        if measure.embedding:
            by_comparison.setdefault(measure.title.removeprefix(measure.embedding), {})[measure.embedding] = measure
    jobs: list[Job] = []
    for first, second in combinations(embeddings, 2):
        for own in by_comparison.values():
            both = own[first], own[second]
            used = dict.fromkeys([*targets, *(measure.name for measure in both)])
            parts = [(name, wide.take(rows, used)) for name, rows in places]
            jobs.append(Job(len(jobs), _contrast, (parts, both, tuple(targets), settings)))
    rows: list[Row] = [row for found in runner.values(jobs, run, title="compare").values() for row in found]
    for (scope, _), method in product(places, COMPARED_BY):
        tests = [row for row in rows if (row["scope"], row["method"]) == (scope, method)]
        adjusted = stats.holm(np.array([row["p"] for row in tests], dtype=np.float64))
        for row, p in zip(tests, adjusted, strict=True):
            row["p_adjusted"] = p
    return rows


def _contrast(
    parts: Sequence[tuple[str, Wide]], both: tuple[Measure, Measure], targets: Sequence[str], settings: Correlate
) -> list[Row]:
    """The rows of two embeddings under one comparison."""
    return [
        _comparison(part, place, (*both, target), method, settings)
        for target in targets
        for (place, part), method in product(parts, COMPARED_BY)
    ]


def _comparison(wide: Wide, place: str, what: tuple[Measure, Measure, str], method: str, settings: Correlate) -> Row:
    first, second, target = what
    x1, x2, y = (usable(wide.values[name], method) for name in (first.name, second.name, target))
    found = stats.compare(
        x1,
        x2,
        y,
        wide.clips,
        method,
        generator=generator(settings.seed, first.name, second.name, target, place, method),
        signs=(_sign(first), _sign(second)),
        resamples=settings.resamples,
        permutations=settings.permutations,
        confidence=settings.confidence,
    )
    names = {"first": first.name, "second": second.name, "target": target, "scope": place, "method": method}
    return {**names, **asdict(found)}


def _sign(measure: Measure) -> float:
    return 1.0 if measure.higher_is_better else -1.0


def falls(wide: Wide, measures: Sequence[Measure], families: Mapping[str, Family | None], run: Run) -> list[Row]:
    """Whether each measure falls as each degradation of each clip grows; controls are not asked."""
    asked = [record for record in families.values() if record is not None and not getattr(record, "control", False)]
    everything = np.ones(len(wide.clips), dtype=bool)
    jobs = [Job(m.name, _trends, (wide.take(everything, [m.name]), m, asked)) for m in measures]
    return [row for found in runner.values(jobs, run, title="trends").values() for row in found]


def _trends(wide: Wide, measure: Measure, families: Sequence[Family]) -> list[Row]:
    rows = []
    by_clip = alike(wide.clips)
    for family in families:
        for clip, own in by_clip.items():
            chosen = own[(wide.families[own] == family.name) & np.isfinite(wide.levels[own])]
            if len(chosen) >= 2:
                rows.append(_trend(measure, family, clip, wide.levels[chosen], wide.values[measure.name][chosen]))
    return rows


def _trend(measure: Measure, family: Family, clip: str, levels: Array64, values: Array64) -> dict[str, Any]:
    severity = np.array([family.severity(level) for level in levels])
    trend = stats.monotonicity(severity, values, higher_is_better=measure.higher_is_better, tolerance=TOLERANCE)
    where = "; ".join(f"{levels[a]:g} → {levels[b]:g}" for a, b in trend.violations)
    return {
        "measure": measure.name, "family": family.name, "clip": clip, "steps": trend.steps,
        "violations": len(trend.violations), "tau": trend.tau, "where": where,
    }  # fmt: skip
