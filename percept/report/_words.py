"""Numbers as words and text for the report; nothing here knows what a study is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

WIDTH = 100
"""Columns of text."""
FAILS_BELOW = 0.5
"""Under this a measure is said not to follow within a degradation."""
STRENGTHS = (
    (0.9, "very closely follows"),
    (0.7, "closely follows"),
    (0.5, "loosely follows"),
    (0.3, "weakly follows"),
    (-0.3, "hardly follows"),
)
"""Customary words for a rank correlation in the direction of quality, from the largest threshold down."""


def closeness(r: float) -> str:
    """A verb phrase for a correlation, counted positive when both move with quality."""
    return next((words for threshold, words in STRENGTHS if r >= threshold), "moves against")


def number(value: float) -> str:
    """Three decimals for small numbers, fewer for large ones; a dash for a missing one."""
    if math.isnan(value):
        return "–"
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"


def interval(row: Mapping[Any, Any]) -> str:
    """``0.912 [0.801, 0.964]``, without brackets where there is no interval."""
    if math.isnan(row["low"]):
        return number(row["r"])
    return f"{number(row['r'])} [{number(row['low'])}, {number(row['high'])}]"


def change(row: Mapping[Any, Any]) -> str:
    """A signed difference with its interval."""
    sign = "+" if row["difference"] > 0 else ""
    if math.isnan(row["low"]):
        return f"{sign}{number(row['difference'])}"
    return f"{sign}{number(row['difference'])} [{number(row['low'])}, {number(row['high'])}]"


def p_value(p: float) -> str:
    """``p = 0.012``, ``p < 0.001``, or a dash."""
    if math.isnan(p):
        return "p = –"
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def bare_p(p: float) -> str:
    """For the cell of a table: ``0.012``, ``< 0.001``, or a dash."""
    return p_value(p).removeprefix("p = ").removeprefix("p ")


def percent(share: float) -> str:
    """``95 %``, with a decimal only where rounding would hide something."""
    value = 100 * share
    return f"{value:.0f} %" if abs(value - round(value)) < 0.05 else f"{value:.1f} %"
