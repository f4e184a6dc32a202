"""Questions that several parts of the report ask of a study."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from percept.records import Codec
from percept.schema import Measure
from percept.study import Study


def correlation(study: Study, predictor: str, target: str, method: str, scope: str = "pooled") -> Any | None:
    """The row of the correlations table, or None; two targets stand there in one order only, and serve both."""
    rows = study.correlation_rows
    return rows.get((predictor, target, method, scope)) or rows.get((target, predictor, method, scope))


def clips_used(study: Study) -> dict[str, int]:
    """With how many clips each target is judged; targets without a correlation are left out."""
    found = {}
    for target in map(study.measure, study.targets):
        scope = study.scope(target)
        rows = [row for (_, to, _, where), row in study.correlation_rows.items() if (to, where) == (target.name, scope)]
        if rows:
            found[target.name] = max(int(row["n_clips"]) for row in rows)
    return found


def direction(measure: Measure) -> float:
    """1 where higher is better, else -1."""
    return 1.0 if measure.higher_is_better else -1.0


def of_kind(study: Study, target: Measure) -> str:
    """``, on speech`` where the target is judged on one kind of clip, else nothing."""
    kind = study.kind(target)
    return f", on {kind}" if kind else ""


def ranked(study: Study, target: str, scope: str = "pooled") -> list[tuple[Measure, float]]:
    """All other measures, by Spearman in the direction of quality, best first."""
    sign = direction(study.measure(target))
    found = []
    for measure in study.measures:
        row = correlation(study, measure.name, target, "spearman", scope) if measure.name != target else None
        if row is not None and not math.isnan(row["r"]):
            found.append((measure, row["r"] * sign * direction(measure)))
    return sorted(found, key=lambda item: -item[1])


def fitting(study: Study, rows: Any) -> Any:
    """Rows of the monotonicity table without those of clips for which their measure was not made."""
    if not len(rows):
        return rows
    kinds = {measure.name: study.kind(measure) for measure in study.measures}
    pairs = zip(rows["measure"], rows["clip"], strict=True)
    return rows[[kinds.get(measure, "") in {"", study.kinds.get(clip, "")} for measure, clip in pairs]]


def main_measures(study: Study) -> list[Measure]:
    """The frame-wise similarity of each embedding: the first of its measures."""
    return [next(m for m in study.measures if m.embedding == title) for title in study.embeddings]


def family_title(study: Study, family: str) -> str:
    """The family's title within a sentence, or its name where it only came with the pairs. Codecs have proper names."""
    record = study.families.get(family)
    if record is None or isinstance(record, Codec):
        return record.title if record else family
    return record.title[:1].lower() + record.title[1:]


def count(n: int, word: str) -> str:
    """``1 clip``, ``2 clips``."""
    return f"{n} {word}" if n == 1 else f"{n} {word}s"


def table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Aligned columns under a ruled heading; the first to the left, numbers to the right."""
    cells = [list(heading), *(list(row) for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(heading))]
    lines = ["  ".join(c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True)))
             for row in cells]  # fmt: skip
    lines.insert(1, "  ".join("-" * w for w in widths))
    return "\n".join(line.rstrip() for line in lines)
