"""How well each measure predicts a listening test, by ITU-T P.1401."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from percept.report._lookups import count, table
from percept.report._words import number, percent
from percept.study import Study


def found(study: Study) -> list[str]:
    """The best predictor of the listeners, and measures that run against them, as list items.

    For each kind of clip, where there are several.
    """
    scopes = [] if study.opinions is None else list(dict.fromkeys(study.opinions["scope"]))
    lines = []
    for scope in scopes[1:] or scopes:
        told = [row for row in _rows(study, scope) if not row["reason"]]
        on = "" if scope == "pooled" else f"On {scope.removeprefix('kind:')}, "
        if not told:
            lines.append(f"- {on or 'Over all versions, '}no measure has a relation with the listeners' opinions.")
            continue
        best = told[0]
        lines.append(
            f"- {on}{study.measure(best['measure']).title} predicts the listeners' opinions best: after a monotone "
            f"mapping (ITU-T P.1401) r = {_with(best, 'r', 'low', 'high')} and an error of {number(best['rmse'])} on "
            f"their scale, over {count(best['n'], 'item')}."
        )
        against = [study.measure(row["measure"]).title for row in told if row["reversed"]]
        if against:
            lines.append(f"- REVERSED: {on}what {', '.join(against)} call better, the listeners call worse.")
    return lines


def tables(study: Study) -> list[str]:
    """A table for all versions, and one for each kind of clip where there are several."""
    if study.opinions is None:
        return []
    body = []
    for scope in dict.fromkeys(study.opinions["scope"]):
        kind = scope.removeprefix("kind:")
        rows = [_cells(study, row) for row in _rows(study, scope)]
        heading = ["measure" if kind == scope else f"measure, on {kind}", "mapping", "r", "RMSE", "outliers", "n", ""]
        body.append(table(heading, rows) + "\n")
    body.append(
        "Each measure is mapped to the opinions by a monotone curve, third-order or logistic, whichever leaves the "
        "smaller error; r is Pearson's after that, with its interval by Fisher's z; RMSE is on the scale of the "
        "opinions, with 4 degrees of freedom taken by the curve. The curve is fitted to the items that it is judged "
        "on and runs in the measure's own direction, so r flatters, the more the fewer items there are; whether there "
        "is a relation at all, the plain correlations with mos tell. Outliers are items further off than the "
        "listeners' own 95 % interval, among those for which the column mos_ci95 gives it. Both intervals take items "
        "as independent, which versions of one clip are not: they are too narrow. REVERSED marks a measure that runs "
        "against its own direction by more than chance; it is mapped in the other one."
    )
    return body


def _rows(study: Study, scope: str) -> list[dict[Any, Any]]:
    """Best first; those without a judgement last."""
    if study.opinions is None:
        return []
    rows = study.opinions[study.opinions["scope"] == scope].to_dict("records")
    return sorted(rows, key=lambda row: (bool(row["reason"]), bool(row["reversed"]), -_known(row["r"])))


def _known(r: float) -> float:
    return -2.0 if math.isnan(r) else r


def _cells(study: Study, row: Mapping[Any, Any]) -> list[str]:
    title = study.measure(row["measure"]).title
    if row["reason"]:
        return [title, "–", "–", "–", "–", str(row["n"]), row["reason"]]
    outliers = "–" if math.isnan(row["outlier_ratio"]) else percent(row["outlier_ratio"])
    errors = _with(row, "rmse", "rmse_low", "rmse_high")
    flag = "REVERSED" if row["reversed"] else ""
    return [title, row["mapping"], _with(row, "r", "low", "high"), errors, outliers, str(row["n"]), flag]


def _with(row: Mapping[Any, Any], value: str, low: str, high: str) -> str:
    return f"{number(row[value])} [{number(row[low])}, {number(row[high])}]"
