"""The findings of a study in words and tables, ``analysis_report.txt``, and as a page, ``report.html``.

The report is plain text, at most `WIDTH` columns outside tables, no date and no timings, so that two runs on the same
data write the same report.

Contents: `write`; `page`, that of `percept.report._page`.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

from percept.report import _families, _opinions, _tables
from percept.report._findings import caveats, findings
from percept.report._lookups import count, family_title
from percept.report._page import page as page
from percept.report._words import WIDTH
from percept.study import Study


def write(study: Study, plots: Mapping[str, str], left_out: Mapping[str, str]) -> str:
    """The report.

    Args:
        study: tables and facts.
        plots: file stem to caption of the plots that were drawn.
        left_out: file stem to the reason why a plot was not drawn.
    """
    sections = [
        ("", [_title(study)]),
        ("What was found", findings(study)),
        ("How sure this is", caveats(study)),
        ("How closely each measure follows each target", _tables.ranking(study)),
        ("How well each measure predicts the listeners (ITU-T P.1401)", _opinions.tables(study)),
        ("Which measure fails on which degradation", _families.failing(study)),
        ("Within single clips and single degradations", _tables.scopes(study)),
        ("Which embedding follows better", _tables.comparisons(study)),
        ("Do measures fall as degradations grow?", _tables.monotonicity(study)),
        ("What measures do where nothing audible is lost", _families.controls(study)),
        ("Values by condition (mean over clips)", _tables.values(study)),
        ("Failures", _tables.failures(study)),
        ("Plots", _plots(plots, left_out)),
        ("How to reproduce this", _reproduce(study)),
    ]
    return "\n\n".join(_section(heading, body) for heading, body in sections if body) + "\n"


def _section(heading: str, body: Sequence[str]) -> str:
    lines = "\n".join(_wrapped(paragraph) for paragraph in body)
    return f"{heading}\n{'-' * len(heading)}\n{lines}" if heading else lines


def _wrapped(paragraph: str) -> str:
    if "\n" in paragraph or paragraph.startswith("    "):  # a table, or a command: already laid out
        return paragraph
    indent = "  " if paragraph.startswith("- ") else ""
    return textwrap.fill(paragraph, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def _title(study: Study) -> str:
    rows = study.scores.drop_duplicates(["item", "condition"])
    families = ", ".join(family_title(study, f) for f in study.families) or "degradations of unknown family"
    titles = [study.measure(t).title for t in study.targets]
    targets = " and ".join([*([", ".join(titles[:-1])] if titles[1:] else []), *titles[-1:]]) or "no target"
    summary = textwrap.fill(
        f"{count(len(rows), 'degraded version')} of {count(rows['item'].nunique(), 'clip')} ({families}); "
        f"{count(len(study.measures), 'measure')} of each, judged by how well they follow {targets}.",
        WIDTH,
    )
    notes = "".join("\n" + textwrap.fill(f"! {note}", WIDTH, subsequent_indent="  ") for note in study.notes)
    return f"percept: analysis report\n========================\n{summary}{notes}"


def _plots(plots: Mapping[str, str], left_out: Mapping[str, str]) -> list[str]:
    drawn = [f"- {stem}.png: {caption}" for stem, caption in plots.items()]
    return drawn + [f"- {stem} was not drawn: {reason}" for stem, reason in left_out.items()]


def _reproduce(study: Study) -> list[str]:
    """Commands on lines of their own, to be pasted; the rest as prose."""
    commands = [f"    {text}" for text in study.facts.values() if text.startswith("python ")]
    return commands + [f"{name}: {text}" for name, text in study.facts.items() if not text.startswith("python ")]
