"""The tables of the report, each a list of paragraphs."""

from __future__ import annotations

import math
import textwrap

from percept.report._lookups import correlation, family_title, fitting, main_measures, of_kind, ranked, table
from percept.report._words import WIDTH, bare_p, change, interval, number
from percept.schema import Measure
from percept.study import Study


def ranking(study: Study) -> list[str]:
    """How closely each measure follows each target, pooled, best first."""
    body = []
    for target in study.targets:
        about = study.measure(target)
        scope = study.scope(about)
        others = [s for s in ["pooled", *_kinds(study)] if s != scope] if scope != "pooled" else _kinds(study)
        rows = []
        for measure, _ in ranked(study, target, scope):
            found = [correlation(study, measure.name, target, m, scope) for m in ("pearson", "spearman", "kendall")]
            found += [correlation(study, measure.name, target, "spearman", other) for other in others]
            cells = [interval(row) if row is not None else "" for row in found]
            last = found[1] if found[1] is not None else {}
            tested = [str(last.get("n", "")), bare_p(last.get("p_adjusted", math.nan))]
            rows.append([measure.title, *cells[:3], *tested, *cells[3:]])
        if not rows:
            body.append(f"{about.title}{of_kind(study, about)}: too few versions with both values to say anything.\n")
            continue
        apart = [f"Spearman, {'all clips' if s == 'pooled' else s.removeprefix('kind:')}" for s in others]
        heading = [about.title + of_kind(study, about), "Pearson", "Spearman", "Kendall", "n", "adjusted p", *apart]
        body.append(table(heading, rows) + "\n")
    if body:
        body.append(
            "Over all versions of the clips named; the interval in brackets; best first, counting a falling distance "
            "as following. p is that of Spearman's coefficient."
        )
    return body


def _kinds(study: Study) -> list[str]:
    """The scopes of kinds of clips."""
    scopes = dict.fromkeys(study.correlations["scope"])
    return [scope for scope in scopes if scope.startswith("kind:") and " " not in scope]


def scopes(study: Study) -> list[str]:
    """One row a scope: how the main similarity of each embedding follows each target there."""
    found = study.correlations
    scopes = [s for s in dict.fromkeys(found["scope"]) if s != "pooled" and not (s.startswith("kind:") and " " in s)]
    columns = [(measure, study.measure(target)) for measure in main_measures(study) for target in study.targets]
    if not scopes or not columns:
        return []
    rows = []
    for scope in scopes[:24]:
        cells = [correlation(study, m.name, t.name, "spearman", _judged(study, scope, t)) for m, t in columns]
        sizes = sorted({int(cell["n"]) for cell in cells if cell is not None})
        n = f"{sizes[0]} to {sizes[-1]}" if sizes[1:] else "".join(map(str, sizes))
        rows.append([scope, n, *(interval(cell) if cell is not None else "" for cell in cells)])
    more = [f"{len(scopes) - 24} more scopes stand in correlations.csv."] if len(scopes) > 24 else []
    heading = ["Spearman", "n", *(f"{m.embedding} / {t.title}" for m, t in columns)]
    return [
        table(heading, rows),
        "",
        *more,
        "A scope of one clip has no interval: there is nothing to resample.",
        *(["Families, and within clips, are of the clips on which a target is judged."] if _kinds(study) else []),
    ]


def _judged(study: Study, scope: str, target: Measure) -> str:
    """The scope as it is for a target: that of its kind of clip, where there is one."""
    kind = study.kind(target)
    return f"kind:{kind} {scope}" if kind and scope.startswith(("family:", "within ")) else scope


def comparisons(study: Study) -> list[str]:
    """Which of two embeddings follows a target better."""
    rows = []
    for row in study.comparisons.to_dict("records"):
        if row["scope"] != study.scope(study.measure(row["target"])):
            continue
        titles = [study.measure(row[name]).title for name in ("first", "second", "target")]
        tested = [str(row["n"]), bare_p(row["p"]), bare_p(row["p_adjusted"]), number(row["smallest_p"])]
        rows.append([*titles, str(row["method"]), change(row), *tested])
    if not rows:
        return []
    text = (
        "Difference of the correlations with the target (positive: the first follows better); p by swapping the two "
        "for whole clips, then adjusted by Holm's method; least p is the smallest that this many clips can give."
    )
    return [
        table(["first", "second", "target", "method", "difference", "n", "p", "adjusted p", "least p"], rows),
        "\n" + "\n".join(textwrap.wrap(text, WIDTH)),
    ]


def monotonicity(study: Study) -> list[str]:
    """In how many steps of growing severity each measure fell, and where one rose."""
    trends = fitting(study, study.monotonicity)
    if not len(trends):
        return []
    rows = []
    for measure in study.measures:
        own = trends[trends["measure"] == measure.name]
        cells = []
        for family in dict.fromkeys(trends["family"]):
            part = own[own["family"] == family]
            steps, wrong = int(part["steps"].sum()), int(part["violations"].sum())
            cells.append(f"{steps - wrong}/{steps}" if steps else "–")
        rows.append([measure.title, *cells])
    families = [family_title(study, family) for family in dict.fromkeys(trends["family"])]
    bad = trends[trends["violations"] > 0]
    listed = [
        f"- {study.measure(row['measure']).title}, {row['clip']}, {family_title(study, row['family'])}: {row['where']}"
        for row in bad.head(40).to_dict("records")
    ]
    more = [f"- ... and {len(bad) - 40} more in monotonicity.csv"] if len(bad) > 40 else []
    heading = ["steps without a rise", *families]
    told = ["Quality rose from the milder to the harsher level in:"] if listed else ["No measure ever rose."]
    return [table(heading, rows), "", *told, *listed, *more]


def values(study: Study) -> list[str]:
    """Means over clips by condition, a table for each kind of clip."""
    kinds = dict.fromkeys(study.kinds.get(clip, "") for clip in study.scores["item"])
    body = []
    for kind in kinds if len(kinds) > 1 else [None]:
        body += [line + "\n" for line in _values(study, kind)]
    return body


def _values(study: Study, kind: str | None) -> list[str]:
    scores = study.scores
    if kind is not None:
        scores = scores[[study.kinds.get(clip, "") == kind for clip in scores["item"]]]
    shown = main_measures(study) + [study.measure(t) for t in study.targets]
    shown += [m for m in study.measures if m.name == "si_sdr"]
    means = scores.groupby(["condition", "measure"], sort=False)["value"].mean()
    rows = []
    for condition in dict.fromkeys(scores["condition"]):
        values = [means.get((condition, m.name), math.nan) for m in shown]
        rows.append([condition, *(_cell(value, m) for value, m in zip(values, shown, strict=True))])
    if len(rows) > 60:
        return [f"{len(rows)} conditions: see evaluation_results.csv."]
    first = "condition" if kind is None else f"{kind or 'kind unknown'}: condition"
    return [table([first, *(m.label for m in shown)], rows)]


def failures(study: Study) -> list[str]:
    """Counts of what has no value, by reason."""
    if not len(study.failures):
        return ["None: every item has a value."]
    counts = study.failures.value_counts(["stage", "status", "reason"], sort=False).reset_index(name="items")
    rows = [
        [str(row["stage"]), str(row["status"]), str(row["items"]), str(row["reason"])]
        for row in counts.to_dict("records")
    ]
    return [table(["stage", "status", "items", "reason"], rows), "", "Each stands with its clip in failures.csv."]


def _cell(value: float, measure: Measure) -> str:
    """Similarities crowd under 1, so they need their digits."""
    return f"{value:.5f}" if measure.embedding and math.isfinite(value) else number(value)
