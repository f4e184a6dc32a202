"""Which measure fails on which degradation, and what measures do where nothing audible is lost."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Any

from percept.records import Degradation
from percept.report._lookups import correlation, direction, family_title, of_kind, ranked, table
from percept.report._words import FAILS_BELOW, number, percent
from percept.schema import Measure
from percept.study import Study

HARDLY = 0.05
"""A target that moves by less than this part of its whole span within a degradation gives nothing to follow."""


@dataclass(frozen=True)
class Grid:
    """Spearman's coefficients of every measure with one target within every degradation.

    Args:
        target: the target.
        families: names, in the order of columns; controls are left out.
        judged: whether the target moves enough within each family to be followed.
        rows: each measure with its coefficients in the direction of quality, best follower first; NaN: undefined.
        n: smallest and largest number of versions in a column.
    """

    target: Measure
    families: tuple[str, ...]
    judged: tuple[bool, ...]
    rows: tuple[tuple[Measure, tuple[float, ...]], ...]
    n: tuple[int, int]

    def reliable(self) -> list[Measure]:
        """The measures that fail on no degradation."""
        return [
            m for m, values in self.rows if m.group != "given" and not any(map(fails, compress(values, self.judged)))
        ]


def fails(r: float) -> bool:
    """Whether a coefficient in the direction of quality is no following: too small, negative or undefined."""
    return not r >= FAILS_BELOW


def grid(study: Study, target: Measure) -> Grid | None:
    """The coefficients within each degradation; None where fewer than two have any."""
    kind = study.kind(target)
    prefix = f"kind:{kind} family:" if kind else "family:"
    sizes: list[int] = []
    families = []
    for family in (name for name, record in study.families.items() if not getattr(record, "control", False)):
        scope = f"{prefix}{family}"
        found = [correlation(study, m.name, target.name, "spearman", scope) for m in study.measures if m != target]
        ns = [int(row["n"]) for row in found if row is not None and not math.isnan(row["r"])]
        if ns:
            families.append(family)
            sizes += ns
    if len(families) < 2:
        return None
    rows = []
    for measure, _ in ranked(study, target.name, study.scope(target)):
        sign = direction(measure) * direction(target)
        cells = [correlation(study, measure.name, target.name, "spearman", prefix + f) for f in families]
        rows.append((measure, tuple(math.nan if cell is None else cell["r"] * sign for cell in cells)))
    whole = _extent(study, target)
    judged = tuple(_extent(study, target, family) > HARDLY * whole for family in families)
    return Grid(target, tuple(families), judged, tuple(rows), (min(sizes), max(sizes)))


def _values(study: Study, target: Measure, family: str | None = None) -> Any:
    """The target's values in a degradation, or in all, on the clips on which it is judged."""
    rows = study.scores[study.scores["measure"] == target.name]
    rows = rows if family is None else rows[rows["family"] == family]
    kind = study.kind(target)
    if kind:
        rows = rows[[study.kinds.get(clip, "") == kind for clip in rows["item"]]]
    return rows["value"].dropna()


def _extent(study: Study, target: Measure, family: str | None = None) -> float:
    values = _values(study, target, family)
    return float(values.max() - values.min()) if len(values) else 0.0


def failing(study: Study) -> list[str]:
    """A table a target: measures against degradations, failures marked."""
    body = []
    for target in map(study.measure, study.targets):
        found = grid(study, target)
        if found is None:
            continue
        cells = [[m.title, *map(_cell, values, found.judged)] for m, values in found.rows]
        spans = [f"({target.title} spans)", *(_span(study, target, family) for family in found.families)]
        heading = [f"{target.title}{of_kind(study, target)}", *(family_title(study, f) for f in found.families)]
        body.append(table(heading, [spans, *cells]) + "\n")
        low, high = found.n
        body.append(f"n = {low if low == high else f'{low} to {high}'} versions a column.\n")
    if body:
        body.append(
            "Spearman's coefficient in the direction of quality among the versions of one degradation. A mark (!) is a "
            f"failure to follow: less than {FAILS_BELOW:g}, or undefined. In brackets: the target hardly moves there "
            f"(by less than {percent(HARDLY)} of its whole span), so nothing is judged. So few versions say little "
            "each; correlations.csv has the intervals."
        )
    return body


def _cell(r: float, judged: bool) -> str:
    return f"{number(r)}{'!' if fails(r) else ' '}" if judged else f"({number(r)})"


def _span(study: Study, target: Measure, family: str) -> str:
    """Smallest and largest value of the target in a degradation."""
    values = _values(study, target, family)
    return f"{number(values.min())}–{number(values.max())} " if len(values) else "– "


def controls(study: Study) -> list[str]:
    """Means by condition of degradations that lose nothing audible."""
    names = [f for f, record in study.families.items() if isinstance(record, Degradation) and record.control]
    rows = study.scores[study.scores["family"].isin(names)]
    conditions = list(dict.fromkeys(rows["condition"]))
    if not conditions:
        return []
    means: Any = rows.groupby(["condition", "measure"], sort=False)["value"].mean()
    body = [
        _control(measure, [means.get((c, measure.name), math.nan) for c in conditions]) for measure in study.measures
    ]
    return [
        table(["mean over clips", "identical", *conditions], body) + "\n",
        "A delay and a level are no loss to a listener. A measure that moves far from its value on identical input "
        "here judges something else than loss.",
    ]


def _control(measure: Measure, values: Sequence[float]) -> list[str]:
    return [measure.label, *(number(value) for value in (measure.perfect, *values))]
