"""What the page's scripts know of a study, as JSON values.

Contents: `tables`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from percept.report._lookups import family_title
from percept.report._page_audio import relative
from percept.schema import Pair
from percept.study import Study

DIGITS = 6
METHODS = ("spearman", "pearson")


def tables(study: Study, pairs: Sequence[Pair], page: Path) -> dict[str, Any]:
    """Rows, measures, families and correlations; paths of sounds are relative to the page."""
    return {
        "measures": [
            {
                "name": m.name, "title": m.title, "unit": m.unit, "group": m.group,
                "target": m.name in study.targets, "kind": study.kind(m),
            }
            for m in study.measures
        ],
        "targets": list(study.targets),
        "families": {
            name: {"title": family_title(study, name), "unit": record.unit if record else "",
                   "harsher": record.harsher if record else "higher"}
            for name, record in study.families.items()
        },
        "rows": _rows(study, pairs, page),
        "correlations": _correlations(study),
    }  # fmt: skip


def _rows(study: Study, pairs: Sequence[Pair], page: Path) -> list[dict[str, Any]]:
    """One row a version: labels, values in the order of the measures, and why values are missing."""
    known = {(pair.clip, pair.condition): pair for pair in pairs}
    place = {measure.name: index for index, measure in enumerate(study.measures)}
    found: dict[tuple[str, str], dict[str, Any]] = {}
    columns = ("item", "condition", "family", "level", "measure", "value", "status", "reason")
    for clip, condition, family, level, measure, value, status, reason in zip(
        *(study.scores[name] for name in columns), strict=True
    ):
        if measure not in place:
            continue
        row = found.get((clip, condition))
        if row is None:
            pair = known.get((clip, condition))
            row = found[clip, condition] = {
                "clip": clip, "condition": condition, "family": family, "level": _finite(level),
                "kind": study.kinds.get(clip, ""),
                "reference": relative(pair.reference, page) if pair and pair.reference else "",
                "degraded": relative(pair.degraded, page) if pair and pair.degraded else "",
                "embeddings": _embedded(pair, page) if pair else {},
                "values": [None] * len(place), "reasons": {},
            }  # fmt: skip
        row["values"][place[measure]] = _finite(value)
        if status != "ok" or reason:
            row["reasons"][place[measure]] = reason or status
        elif math.isinf(value):  # which JSON cannot say
            row["reasons"][place[measure]] = "infinite" if value > 0 else "minus infinite"
    return list(found.values())


def _embedded(pair: Pair, page: Path) -> dict[str, list[str]]:
    """The pair's embeddings as the columns of a pairs file name them."""
    return {prefix: [relative(path, page) for path in paths] for prefix, paths in pair.embeddings.items()}


def _correlations(study: Study) -> list[dict[str, Any]]:
    """Of every measure with every target, in the scope in which the target is judged."""
    found = []
    for target in map(study.measure, study.targets):
        for measure in study.measures:
            for method in METHODS:
                row = study.correlation_rows.get((measure.name, target.name, method, study.scope(target)))
                row = row or study.correlation_rows.get((target.name, measure.name, method, study.scope(target)))
                if row is not None and measure.name != target.name:
                    numbers = {name: _finite(row[name]) for name in ("r", "low", "high", "p_adjusted")}
                    found.append({"measure": measure.name, "target": target.name, "method": method,
                                  "scope": row["scope"], "n": int(row["n"]), "clips": int(row["n_clips"]),
                                  **numbers})  # fmt: skip
    return found


def _finite(value: Any) -> float | None:
    """The number as JSON knows it."""
    return float(f"{value:.{DIGITS}g}") if value is not None and math.isfinite(value) else None
