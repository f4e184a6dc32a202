"""What was found, and how sure it is, in sentences."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from percept.report._lookups import clips_used, correlation, count, direction, main_measures, ranked
from percept.report._words import change, closeness, interval, number, p_value, percent
from percept.schema import Measure
from percept.study import Study

VALIDATED_FOR_SPEECH = ("pesq_wb", "pesq_nb", "stoi", "estoi")
SMALL_SAMPLE_CLIPS = 10


def findings(study: Study) -> list[str]:
    """The findings, each a list item."""
    lines = []
    for main in main_measures(study):
        for target in study.targets:
            lines.append(_finding(study, main, study.measure(target)))
    lines += _best(study)
    lines += [_verdict(study, row) for row in _main_comparisons(study)]
    violations = study.monotonicity
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
    spearman = correlation(study, measure.name, target.name, "spearman")
    pearson = correlation(study, measure.name, target.name, "pearson")
    if spearman is None or pearson is None or math.isnan(spearman["r"]):
        return f"- {measure.title} and {target.title}: too few versions with both values to say anything."
    word = closeness(spearman["r"] * direction(measure) * direction(target))
    n, clips = count(spearman["n"], "version"), count(spearman["n_clips"], "clip")
    numbers = f"Spearman {interval(spearman)}, Pearson {interval(pearson)}, over {n} of {clips}"
    adjusted = spearman["p_adjusted"]
    if not adjusted <= 1 - study.confidence:
        return (
            f"- In these versions {measure.title} {word} {target.title}, which may be chance: {numbers} "
            f"(adjusted {p_value(adjusted)})."
        )
    return f"- {measure.title} {word} {target.title}: {numbers} (adjusted {p_value(adjusted)})."


def _best(study: Study) -> list[str]:
    """Best and worst predictor of each target; PESQ and STOI themselves are no news beside their own variants."""
    lines = []
    for target in study.targets:
        order = [(measure, r) for measure, r in ranked(study, target) if measure.group != "perceptual"]
        if len(order) < 2 or number(order[0][1]) == number(order[-1][1]):
            continue
        (first, best), (last, worst) = order[0], order[-1]
        lines.append(
            f"- Of the embedding and signal measures, {first.title} follows {study.measure(target).title} most closely "
            f"(Spearman {number(best)} in the direction of quality) and {last.title} least ({number(worst)})."
        )
    return lines


def _main_comparisons(study: Study) -> list[Any]:
    """The comparisons of frame-wise similarities by Spearman: one for each pair of embeddings and target."""
    main = {measure.name for measure in main_measures(study)}
    rows = study.comparisons
    rows = rows[rows["first"].isin(main) & rows["second"].isin(main) & (rows["method"] == "spearman")]
    return list(rows.to_dict("records"))


def _verdict(study: Study, row: Mapping[str, Any]) -> str:
    first, second = study.measure(row["first"]), study.measure(row["second"])
    target = study.measure(row["target"]).title
    question = f"- Does {first.title} follow {target} better than {second.title} does? "
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
    clips = clips_used(study)
    lines = []
    if clips == 1:
        lines.append("- One clip only: there are no intervals, and nothing here speaks for other clips.")
    else:
        lines.append(
            f"- Versions of one clip are not independent: intervals ({percent(study.confidence)}) come from resampling "
            "whole clips. p comes from permuting versions within clips, so a large r with a large p means that clips "
            "differ, not that versions do. It is adjusted by Holm's method over all tests of a table, and cannot fall "
            "under the number of those tests divided by that of the permutations."
        )  # fmt: skip
        if clips < SMALL_SAMPLE_CLIPS:
            lines.append(f"- {clips} clips are few: such intervals tend to be too narrow, a lower bound of the doubt.")
    if any(target in VALIDATED_FOR_SPEECH for target in study.targets):
        lines.append(
            "- PESQ and STOI were made for and validated on speech. On music they are computed all the same; read them "
            "as signal measures there."
        )
    infinite = study.scores[study.scores["value"].abs() == math.inf]
    if len(infinite):
        lines.append(
            f"- {count(len(infinite), 'value')} infinite (no difference that the measure counts), left out of "
            "Pearson's r."
        )
    lines.append("- Correlation is not validity: a measure that follows PESQ also follows its mistakes.")
    return lines
