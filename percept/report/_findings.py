"""What was found, and how sure it is, in sentences."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from percept import _large_sample
from percept.report import _families, _opinions
from percept.report._lookups import clips_used, correlation, count, direction, fitting, main_measures, ranked
from percept.report._words import FAILS_BELOW, change, closeness, interval, number, p_value, percent
from percept.schema import Measure
from percept.study import Study

MOST_NAMES = 6
"""Measures named in one sentence."""
SMALL_SAMPLE_CLIPS = 10


def findings(study: Study) -> list[str]:
    """The findings, each a list item."""
    lines = _opinions.found(study)
    for main in main_measures(study):
        for target in study.targets:
            lines.append(_finding(study, main, study.measure(target)))
    lines += _best(study)
    lines += _reliable(study)
    lines += [_verdict(study, row) for row in main_comparisons(study)]
    violations = fitting(study, study.monotonicity)
    if len(violations):
        wrong, steps = int(violations["violations"].sum()), int(violations["steps"].sum())
        lines.append(
            f"- When a degradation grows by one level, measured quality does not rise in {steps - wrong} of {steps} "
            f"steps ({percent(1 - wrong / steps)})." if steps else "- No degradation has two levels to compare."
        )  # fmt: skip
    failed = int((study.failures["status"] == "failed").sum()) if len(study.failures) else 0
    if failed:
        lines.append(f"- {count(failed, 'item')} failed and took no part; the reasons stand below.")
    return lines


def _finding(study: Study, measure: Measure, target: Measure) -> str:
    scope = study.scope(target)
    spearman = correlation(study, measure.name, target.name, "spearman", scope)
    pearson = correlation(study, measure.name, target.name, "pearson", scope)
    on = _on(study, target)
    if spearman is None or pearson is None or math.isnan(spearman["r"]):
        return f"- {on}{measure.title} and {target.title}: too few versions with both values to say anything."
    word = closeness(spearman["r"] * direction(measure) * direction(target))
    n, clips = count(spearman["n"], "version"), count(spearman["n_clips"], "clip")
    numbers = f"Spearman {interval(spearman)}, Pearson {interval(pearson)}, over {n} of {clips}"
    adjusted = spearman["p_adjusted"]
    if not adjusted <= 1 - study.confidence:
        return (
            f"- {on or 'In these versions '}{measure.title} {word} {target.title}, which may be chance: {numbers} "
            f"(adjusted {p_value(adjusted)})."
        )
    return f"- {on}{measure.title} {word} {target.title}: {numbers} (adjusted {p_value(adjusted)})."


def _on(study: Study, target: Measure) -> str:
    kind = study.kind(target)
    return f"On {kind}, " if kind else ""


def _best(study: Study) -> list[str]:
    """Best and worst predictor of each target, leaving out those of speech quality, its own variants among them."""
    lines = []
    for target in study.targets:
        about = study.measure(target)
        if about.name == "mos":  # told by the listening test
            continue
        order = followers(study, about)
        if len(order) < 2 or number(order[0][1]) == number(order[-1][1]):
            continue
        (first, best), (last, worst) = order[0], order[-1]
        lines.append(
            f"- {_on(study, about)}leaving PESQ, STOI and their like aside, {first.title} follows {about.title} most "
            f"closely (Spearman {number(best)} in the direction of quality) and {last.title} least ({number(worst)})."
        )
    return [_capital(line) for line in lines]


def followers(study: Study, target: Measure) -> list[tuple[Measure, float]]:
    """Measures by how closely they follow a target, best first, without those of speech quality and given ones."""
    order = ranked(study, target.name, study.scope(target))
    return [(measure, r) for measure, r in order if not measure.meant_for and measure.group != "given"]


def _reliable(study: Study) -> list[str]:
    """Which measures follow each target within every single degradation."""
    lines = []
    for target in map(study.measure, study.targets):
        grid = _families.grid(study, target)
        if grid is None:
            continue
        names = [measure.title for measure in grid.reliable()]
        shown = ", ".join(names[:MOST_NAMES]) + (f" and {len(names) - MOST_NAMES} more" if names[MOST_NAMES:] else "")
        others = sum(measure.group != "given" for measure, _ in grid.rows)
        told = f"{len(names)} of {others} measures follow" if names else "no measure follows"
        where = f"{target.title} within every single degradation (Spearman of {FAILS_BELOW:g} or more)"
        lines.append(f"- {_on(study, target)}{told} {where}{': ' + shown if names else ''}.")
    return [_capital(line) for line in lines]


def _capital(item: str) -> str:
    """A list item whose sentence begins with a capital."""
    return item[:2] + item[2].upper() + item[3:]


def main_comparisons(study: Study) -> list[Any]:
    """The comparisons of frame-wise similarities by Spearman: one for each pair of embeddings and target."""
    main = {measure.name for measure in main_measures(study)}
    rows = study.comparisons
    rows = rows[rows["first"].isin(main) & rows["second"].isin(main) & (rows["method"] == "spearman")]
    return [row for row in rows.to_dict("records") if row["scope"] == study.scope(study.measure(row["target"]))]


def _verdict(study: Study, row: Mapping[str, Any]) -> str:
    first, second = study.measure(row["first"]), study.measure(row["second"])
    target = study.measure(row["target"])
    on = f" on {kind}" if (kind := study.kind(target)) else ""
    question = f"- Does {first.title} follow {target.title} better than {second.title} does{on}? "
    if math.isnan(row["difference"]):
        return question + "There are too few versions to tell."
    difference = f"Spearman differs by {change(row)}"
    if math.isnan(row["smallest_p"]):
        return question + f"{difference}, but with one clip nothing can be concluded beyond it."
    tested = f"over {count(row['n'], 'version')}, adjusted {p_value(row['p_adjusted'])}"
    if row["p_adjusted"] <= 1 - study.confidence:
        better = "Yes" if row["difference"] > 0 else "No, worse"
        return question + f"{better}: {difference}, {tested}."
    least = f"; before adjustment {count(row['n_clips'], 'clip')} cannot give less than {number(row['smallest_p'])}"
    return question + f"This study cannot tell: {difference}, {tested}{least}."


def caveats(study: Study) -> list[str]:
    """Reasons to doubt the findings, each a list item."""
    used = clips_used(study)
    clips = min(used.values(), default=study.scores["item"].nunique())
    lines = []
    if max(used.values(), default=clips) <= 1:
        lines.append("- One clip only: there are no intervals, and nothing here speaks for other clips.")
    else:
        lines.append(
            f"- Versions of one clip are not independent: intervals ({percent(study.confidence)}) come from resampling "
            "whole clips. p comes from permuting versions within clips, so a large r with a large p means that clips "
            "differ, not that versions do. It is adjusted by Holm's method over all tests of a table, and cannot fall "
            "under the number of those tests divided by that of the permutations."
        )  # fmt: skip
        if _large_sample.applies(len(study.scores.drop_duplicates(["item", "condition"])), clips):
            lines.append(
                f"- With more than {_large_sample.ROWS} versions of {_large_sample.CLIPS} clips or more, intervals "
                "come from leaving out groups of whole clips instead (a jackknife), and p from the normal limit of the "
                f"same permutations, not below {_large_sample.SMALLEST_P:g} a test."
            )
        alone = [study.measure(name).title for name, number_of in used.items() if number_of <= 1]
        if alone:
            lines.append(f"- What is said of {', '.join(alone)} rests on one clip: there are no intervals.")
        elif clips < SMALL_SAMPLE_CLIPS:
            lines.append(
                f"- {clips} clips are few: such intervals are too narrow, a lower bound of the doubt"
                + (", and those of two clips span hardly more than the two." if clips == 2 else ".")
            )
    lines += _about_speech(study)
    infinite = study.scores[study.scores["value"].abs() == math.inf]
    if len(infinite):
        lines.append(
            f"- {count(len(infinite), 'value')} infinite (no difference that the measure counts), left out of "
            "Pearson's r."
        )
    follows = study.measure(study.targets[0]).title if study.targets else "a target"
    lines.append(f"- Correlation is not validity: a measure that follows {follows} also follows its mistakes.")
    return lines


def _about_speech(study: Study) -> list[str]:
    """What to think of measures that were made for speech, on other sounds."""
    names = [measure.title for measure in study.measures if measure.meant_for]
    if not names:
        return []
    made = f"- {', '.join(names)} {'were' if names[1:] else 'was'} made for and validated on speech."
    if any(study.kind(study.measure(target)) for target in study.targets):
        return [
            f"{made} So other measures are judged by them on the speech clips alone; on other clips they are computed, "
            "marked in measures.csv, and shown apart."
        ]
    if set(study.kinds.values()) == {"speech"}:
        return []
    return [f"{made} On music they are computed all the same; read them as signal measures there."]
