"""``--list``: every choice with its facts, from the registries; the README's tables come from here too."""

from __future__ import annotations

import math
import typing
from collections.abc import Iterable, Sequence

from percept.codecs import CODECS
from percept.degradations import DEGRADATIONS
from percept.embeddings import EMBEDDINGS, describe
from percept.metrics import METRICS, SIMILARITIES
from percept.records import Embedding

LIST_ONLY = {
    "levels from, to", "of identical clips", "needs a reference", "symmetric", "differentiable", "weight files",
    "depends on the run's clips",
}  # fmt: skip

Table = tuple[str, Sequence[str], list[Sequence[str]]]


def tables() -> list[Table]:
    """Heading, columns and rows of every registry; all facts."""
    return [_degradations(), _codecs(), _embeddings(), _metrics(), _similarities()]


def _degradations() -> Table:
    columns = ("name", "what it does", "unit of the level", "default levels", "levels from, to", "changes nothing at")
    rows = [
        (
            f"{d.name}", d.summary, d.unit, ", ".join(f"{level:g}" for level in d.levels), _range(d.limits),
            f"{d.neutral:g}", d.harsher, d.citation,
        )
        for d in DEGRADATIONS
    ]  # fmt: skip
    return "Degradations", (*columns, "harsher", "source"), list(rows)


def _codecs() -> Table:
    columns = ("name", "what it is", "unit of the level", "default levels", "levels from, to", "weight files")
    rows = []
    for c in CODECS:
        files = ", ".join(file.name for file in c.files()) or "none needed"
        levels = ", ".join(f"{level:g}" for level in c.levels)
        rows.append((c.name, c.summary, c.unit, levels, _range(c.limits), files, c.licence, c.citation))
    return "Codecs", (*columns, "licence", "source"), list(rows)


def _embeddings() -> Table:
    columns = ("name", "what it is", "rate", "features", "options (default in brackets)", "weight files")
    rows = []
    for e in EMBEDDINGS:
        options = e.options()
        files = ", ".join(file.name for file in e.files(options)) or "none needed"
        facts = (f"{e.rate} Hz", str(e.dimension(options)), _options(e), files)
        rows.append((e.name, e.summary, *facts, _yes(e.differentiable), e.licence, e.citation))
    return "Embeddings", (*columns, "differentiable", "weights' licence", "source"), list(rows)


def _metrics() -> Table:
    columns = ("name", "what it is", "unit", "range", "better", "made for", "works at", "of identical clips")
    rows = [
        (
            m.name, m.summary, m.unit, _range(m.range), _better(m.higher_is_better), m.meant_for or "any sound",
            f"{m.rate} Hz" if m.rate else "any rate",
            f"{m.perfect:g}" if m.needs_reference else "not compared", _yes(m.needs_reference), _yes(m.symmetric),
            _yes(m.differentiable), m.licence, m.citation,
        )
        for m in METRICS
    ]  # fmt: skip
    more = ("needs a reference", "symmetric", "differentiable", "licence", "source")
    return "Measures", (*columns, *more), list(rows)


def _similarities() -> Table:
    rows = [
        (f"<embedding>_{s.name}", s.summary, _range(s.range), _better(s.higher_is_better), _yes(s.needs_baseline))
        for s in SIMILARITIES
    ]
    return (
        "Similarities of embeddings",
        ("name", "what it is", "range", "better", "depends on the run's clips"),
        list(rows),
    )


def text() -> str:
    """All tables for a terminal: one paragraph a choice."""
    blocks = []
    for heading, columns, rows in tables():
        lines = [heading, "=" * len(heading)]
        for name, summary, *facts in rows:
            lines.append(f"{name}: {summary}")
            lines += [f"    {c}: {fact}" for c, fact in zip(columns[2:], facts, strict=True) if fact]
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def markdown() -> str:
    """All tables for the README, without the columns that only ``--list`` has room for."""
    blocks = []
    for heading, names, facts in tables():
        kept = [place for place, name in enumerate(names) if name not in LIST_ONLY]
        columns = [names[place] for place in kept]
        rows = [[row[place] for place in kept] for row in facts]
        lines = [
            _line(columns),
            _line(["---"] * len(columns)),
            *(_line([f"`{name}`", *cells]) for name, *cells in rows),
        ]
        blocks.append(f"### {heading}\n\n" + "\n".join(lines))
    return "\n\n".join(blocks)


def _options(embedding: Embedding) -> str:
    """``size=512|6144 (512), hop=number (0.1)``."""
    default = dict(part.split("=") for part in describe(embedding.options()).split(",") if part)
    parts = []
    for name, hint in typing.get_type_hints(embedding.options).items():
        words = "|".join(map(str, typing.get_args(hint))) or {float: "number", int: "whole number"}.get(
            hint, "true|false"
        )
        parts.append(f"{name}={words} ({default[name]})")
    return ", ".join(parts)


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _range(limits: tuple[float, float]) -> str:
    low, high = limits
    return f"{'-∞' if math.isinf(low) else f'{low:g}'} to {'∞' if math.isinf(high) else f'{high:g}'}"


def _yes(fact: bool) -> str:
    return "yes" if fact else "no"


def _better(higher: bool) -> str:
    return "higher" if higher else "lower"
