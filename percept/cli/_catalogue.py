"""``--list``: every choice with its facts, from the registries; the README's tables come from here too."""

from __future__ import annotations

import math
import typing
from collections.abc import Iterable, Sequence

from percept.degradations import DEGRADATIONS
from percept.embeddings import EMBEDDINGS, describe
from percept.metrics import METRICS, SIMILARITIES
from percept.records import Embedding

Table = tuple[str, Sequence[str], list[Sequence[str]]]


def tables() -> list[Table]:
    """Heading, columns and rows of every registry."""
    return [
        (
            "Degradations",
            ("name", "what it does", "unit of the level", "default levels", "changes nothing at", "harsher", "source"),
            [
                (
                    d.name, d.summary, d.unit, ", ".join(f"{level:g}" for level in d.levels), f"{d.neutral:g}",
                    d.harsher, d.citation,
                )
                for d in DEGRADATIONS
            ],
        ),
        (
            "Embeddings",
            ("name", "what it is", "rate", "options (default in brackets)", "weights' licence", "source"),
            [(e.name, e.summary, f"{e.rate} Hz", _options(e), e.licence, e.citation) for e in EMBEDDINGS],
        ),
        (
            "Measures",
            ("name", "what it is", "unit", "range", "better", "works at", "source"),
            [
                (
                    m.name, m.summary, m.unit, _range(m.range), _better(m.higher_is_better),
                    f"{m.rate} Hz" if m.rate else "any rate", m.citation,
                )
                for m in METRICS
            ],
        ),
        (
            "Similarities of embeddings",
            ("name", "what it is", "range", "better"),
            [
                (f"<embedding>_{s.name}", s.summary, _range(s.range), _better(s.higher_is_better))
                for s in SIMILARITIES
            ],
        ),
    ]  # fmt: skip


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
    """All tables for the README."""
    blocks = []
    for heading, columns, rows in tables():
        lines = [
            _line(columns),
            _line(["---"] * len(columns)),
            *(_line([f"`{name}`", *facts]) for name, *facts in rows),
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


def _better(higher: bool) -> str:
    return "higher" if higher else "lower"
