"""What stands at the top of the page: a sentence a target, what holds throughout, and what was left out.

Contents: `leading`, `how_to_read`, `left_out`, `counts`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from percept.report import _families, _opinions
from percept.report._findings import findings, followers, main_comparisons
from percept.report._lookups import clips_used, correlation, count, direction, main_measures
from percept.report._words import FAILS_BELOW, change, interval, number, p_value, percent
from percept.schema import Measure
from percept.study import Study

MOST_FINDINGS = 6
MOST_OPINIONS = 2
MOST_NAMES = 4
MOST_REASONS = 2


def leading(study: Study) -> tuple[list[str], list[str]]:
    """The findings that stand first, at most six, and all findings one by one, as the text report has them."""
    first = [line.removeprefix("- ") for line in _opinions.found(study)[:MOST_OPINIONS]]
    by_kind = _by_kind(study)
    last = []
    for kind, targets in by_kind.items():
        reliable = _reliable(study, targets)
        if reliable:
            last.append(f"On {kind}, {reliable}" if kind else reliable[:1].upper() + reliable[1:])
        last += _compared(study, targets)[:1]
    # Sentences on all targets would not all fit; each kind of finding is to be there.
    last = last[: MOST_FINDINGS - len(first) - 1]
    told = [_target(study, target) for targets in by_kind.values() for target in targets]
    shown = [*first, *filter(None, told)][: MOST_FINDINGS - len(last)] + last
    every = [line.removeprefix("- ") for line in findings(study)]
    return shown or every[:MOST_FINDINGS], every


def how_to_read(study: Study) -> str:
    """What the numbers of the leading findings are; "" where there are none."""
    if not any(_target(study, study.measure(name)) for name in study.targets):
        return ""
    aside = "; best and least leave PESQ, STOI and their like aside" if any(m.meant_for for m in study.measures) else ""
    intervals = f", in brackets its {percent(study.confidence)} interval over clips" if _intervals(study) else ""
    return f"Numbers are Spearman's r, positive where both agree on quality{intervals}{aside}."


def _intervals(study: Study) -> bool:
    """Whether any target has them: one clip gives none."""
    return any(clips > 1 for clips in clips_used(study).values())


def left_out(study: Study) -> str:
    """What failed, what was not computed and what is marked, each with its number, in a sentence."""
    found = counts(study)
    parts = []
    for status, word, words in (
        ("failed", "item", "failed"), ("skipped", "value", "not computed"), ("marked", "value", "computed but marked"),
    ):  # fmt: skip
        own = [(reason, number) for kind, reason, number in found if kind == status]
        if own:
            number_of = sum(number for _, number in own)
            reasons = "; ".join([reason for reason, _ in own[:MOST_REASONS]] + ["others"] * (len(own) > MOST_REASONS))
            verb = "" if status == "failed" else "was " if number_of == 1 else "were "
            parts.append(f"{count(number_of, word)} {verb}{words} ({reasons})")
    failed = any(status == "failed" for status, _, _ in found)
    return "; ".join(parts if failed else ["Nothing failed", *parts]) + "."


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


def _target(study: Study, target: Measure) -> str:
    """A sentence on a target: over what, who follows it best and least, and how closely the embeddings do."""
    told = []
    order = followers(study, target)
    apart = len(order) >= 2 and number(order[0][1]) != number(order[-1][1])
    if apart:
        best, worst = (f"{m.title}, {_towards_quality(study, m, target)}" for m, _ in (order[0], order[-1]))
        told.append(f"is followed best by {best}, and least by {worst}")
    rs = ((measure.title, _towards_quality(study, measure, target)) for measure in main_measures(study))
    own = [(title, r) for title, r in rs if r]
    embedded = [f"{title} {'' if place else 'follows it '}with {r}" for place, (title, r) in enumerate(own)]
    if embedded:
        told.append(", ".join(embedded))
    return f"{target.title}{_over(study, target)}{'' if apart else ':'} {'; '.join(told)}." if told else ""


def _over(study: Study, target: Measure) -> str:
    """`` (on speech, 34 versions of 2 clips)``: the most that any measure is compared with the target over."""
    scope, kind = study.scope(target), study.kind(target)
    found = (correlation(study, m.name, target.name, "spearman", scope) for m in study.measures if m != target)
    sizes = [(int(row["n"]), int(row["n_clips"])) for row in found if row is not None]
    n, clips = max(sizes, default=(0, 0))
    return f" ({f'on {kind}, ' if kind else ''}{count(n, 'version')} of {count(clips, 'clip')})"


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
    question = f"Which follows better, {ours} or {theirs}?"
    limit = 1 - study.confidence
    # Where no data whatever could give a small p, an interval beside the verdict would read as a contradiction.
    few = [row for row in rows if not row["smallest_p"] <= limit]
    outcomes: dict[str, list[str]] = {}
    for row in rows:
        about = study.measure(row["target"]).title
        if row in few:
            told, word = f"{about} (by {change({**row, 'low': math.nan})})", _too_few(row)
        elif row["p_adjusted"] <= limit:
            told, word = f"{about} ({change(row)})", "the former" if row["difference"] > 0 else "the latter"
        else:
            told, word = f"{about} ({change(row)}, adjusted {p_value(row['p_adjusted'])})", "this study cannot tell"
        outcomes.setdefault(word, []).append(told)
    told = "; ".join(f"{word} for {', '.join(targets)}" for word, targets in outcomes.items())
    return f"{question} By the difference of Spearman's r, {told}."


def _too_few(row: Mapping[str, Any]) -> str:
    """Why nothing can be told, whatever the difference."""
    clips = count(int(row["n_clips"]), "clip")
    if math.isnan(row["smallest_p"]):
        return f"with {clips} no difference can be told"
    return f"with {clips} no difference can be told (p cannot fall below {row['smallest_p']:.2g})"
