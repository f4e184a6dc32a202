"""What stands at the top of the page: one sentence a kind of finding, and what was left out.

Contents: `leading`, `left_out`, `counts`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from percept.report import _families, _opinions
from percept.report._findings import findings, followers, main_comparisons
from percept.report._lookups import correlation, count, direction, main_measures
from percept.report._words import FAILS_BELOW, change, interval, number
from percept.schema import Measure
from percept.study import Study

MOST_FINDINGS = 6
MOST_OPINIONS = 2
MOST_NAMES = 4
MOST_REASONS = 2


def leading(study: Study) -> tuple[list[str], list[str]]:
    """The findings that stand first, at most six, and all findings one by one, as the text report has them."""
    first = [*_opinions.found(study)[:MOST_OPINIONS]]
    for kind, targets in _by_kind(study).items():
        for told in (_best(study, targets), _embeddings(study, targets), _reliable(study, targets)):
            if told:
                first.append(f"On {kind}: {told}" if kind else told[:1].upper() + told[1:])
        first += _compared(study, targets)
    every = [line.removeprefix("- ") for line in findings(study)]
    shown = [line.removeprefix("- ") for line in first[:MOST_FINDINGS]]
    return shown or every[:MOST_FINDINGS], every


def left_out(study: Study) -> str:
    """What failed, what was not computed and what is marked, each with its number, in a sentence."""
    found = counts(study)
    failed = sum(number for status, _, number in found if status == "failed")
    parts = [f"{count(failed, 'item')} failed" if failed else "Nothing failed"]
    for status, words in (("skipped", "not computed"), ("marked", "computed but marked")):
        own = [(reason, number) for kind, reason, number in found if kind == status]
        if own:
            number_of = sum(number for _, number in own)
            reasons = "; ".join([reason for reason, _ in own[:MOST_REASONS]] + ["others"] * (len(own) > MOST_REASONS))
            parts.append(f"{count(number_of, 'value')} {'was' if number_of == 1 else 'were'} {words} ({reasons})")
    return "; ".join(parts) + "."


def counts(study: Study) -> list[tuple[str, str, int]]:
    """Status ("marked": there is a value, with a remark), reason and how many; most frequent first."""
    found: dict[tuple[str, str], int] = {}
    marked = study.scores[(study.scores["status"] == "ok") & (study.scores["reason"] != "")]
    rows = [*zip(study.failures["status"], study.failures["reason"], strict=True)]
    for one in [*rows, *(("marked", reason) for reason in marked["reason"])]:
        found[one] = found.get(one, 0) + 1
    return sorted(((*one, number) for one, number in found.items()), key=lambda row: (row[0], -row[2], row[1]))


def _by_kind(study: Study) -> dict[str, list[Measure]]:
    """Targets by the kind of clip on which they are judged; without the listeners, who have sentences of their own."""
    found: dict[str, list[Measure]] = {}
    for target in map(study.measure, study.targets):
        if target.name != "mos":
            found.setdefault(study.kind(target), []).append(target)
    return found


def _towards_quality(study: Study, measure: Measure, target: Measure) -> str:
    """Spearman's r with its interval, positive where both agree on quality."""
    row = correlation(study, measure.name, target.name, "spearman", study.scope(target))
    if row is None or math.isnan(row["r"]):
        return ""
    if direction(measure) * direction(target) > 0:
        return interval(row)
    return interval({"r": -row["r"], "low": -row["high"], "high": -row["low"]})


def _best(study: Study, targets: Sequence[Measure]) -> str:
    told = []
    for target in targets:
        order = followers(study, target)
        if len(order) < 2 or number(order[0][1]) == number(order[-1][1]):
            continue
        best, worst = (f"{m.title}, {_towards_quality(study, m, target)}" for m, _ in (order[0], order[-1]))
        told.append(f"{target.title} is followed best by {best}, and least by {worst}")
    if not told:
        return ""
    aside = ", PESQ, STOI and their like aside" if any(measure.meant_for for measure in study.measures) else ""
    return f"in Spearman's r, counted in the direction of quality{aside}, {'; '.join(told)}."


def _embeddings(study: Study, targets: Sequence[Measure]) -> str:
    told = []
    for measure in main_measures(study):
        own = [(target.title, _towards_quality(study, measure, target)) for target in targets if target != measure]
        if any(r for _, r in own):
            told.append(f"{measure.title} follows " + ", ".join(f"{title} with {r}" for title, r in own if r))
    return "; ".join(told) + " (Spearman)." if told else ""


def _reliable(study: Study, targets: Sequence[Measure]) -> str:
    told, named = [], []
    for target in targets:
        grid = _families.grid(study, target)
        if grid is not None:
            names = [measure.title for measure in grid.reliable()]
            others = sum(measure.group != "given" for measure, _ in grid.rows)
            told.append(f"{target.title} is followed by {len(names) or 'none'} of {others} measures")
            named.append(names)
    if not told:
        return ""
    common = [name for name in named[0] if all(name in names for names in named)]
    more = f" and {len(common) - MOST_NAMES} more" if common[MOST_NAMES:] else ""
    always = f"; {'always' if told[1:] else 'namely'} by {', '.join(common[:MOST_NAMES])}{more}" if common else ""
    return f"within every single degradation (Spearman of {FAILS_BELOW:g} or more), {', '.join(told)}{always}."


def _compared(study: Study, targets: Sequence[Measure]) -> list[str]:
    """For each pair of embeddings, which follows which target better."""
    pairs: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    names = {target.name for target in targets}
    for row in main_comparisons(study):
        if row["target"] in names and not math.isnan(row["difference"]):
            pairs.setdefault((row["first"], row["second"]), []).append(row)
    return [_verdict(study, *pair, rows) for pair, rows in pairs.items()]


def _verdict(study: Study, first: str, second: str, rows: Sequence[Mapping[str, Any]]) -> str:
    ours, theirs = study.measure(first).title, study.measure(second).title
    outcomes: dict[str, list[str]] = {}
    for row in rows:
        sure = row["p_adjusted"] <= 1 - study.confidence
        word = ("the former" if row["difference"] > 0 else "the latter") if sure else "this study cannot tell"
        outcomes.setdefault(word, []).append(f"{study.measure(row['target']).title} ({change(row)})")
    told = "; ".join(f"{word} for {', '.join(targets)}" for word, targets in outcomes.items())
    return f"Which follows better, {ours} or {theirs}? By the difference of Spearman's r, {told}."
