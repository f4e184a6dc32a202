"""Degradations: ways to make a clip worse by a known amount. One module a family; being here registers it.

Each keeps length, rate, alignment and level of its input, takes its randomness as an argument, and declares its unit,
default levels, neutral level and which way is harsher.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from percept.records import Degradation
from percept.registry import Registry
from percept.schema import PerceptError

DEGRADATIONS: Registry[Degradation] = Registry("degradation", __name__)


@dataclass(frozen=True)
class Condition:
    """A degradation at one level."""

    family: str
    level: float

    @property
    def name(self) -> str:
        """Name in files and tables: ``noise_0.005``."""
        return DEGRADATIONS[self.family].condition(self.level)


def parse(specs: Iterable[str]) -> list[Condition]:
    """Conditions from words such as ``noise:0.001,0.002`` or ``bandwidth`` (its default levels), without repeats.

    Raises:
        PerceptError: unknown degradation (with the nearest names), or a level that is no number or out of range.
    """
    conditions: dict[str, Condition] = {}
    for spec in specs:
        name, colon, levels = spec.partition(":")
        record = DEGRADATIONS[name.strip()]
        values = [_level(record, word) for word in levels.split(",")] if colon else record.levels
        for value in values:
            condition = Condition(record.name, value)
            conditions.setdefault(condition.name, condition)
    if not conditions:
        raise PerceptError("no conditions: name at least one degradation, for example --conditions noise:0.01")
    return list(conditions.values())


def _level(record: Degradation, word: str) -> float:
    low, high = record.limits
    unit = f" {record.unit}" if record.unit else ""
    allowed = f"'{record.name}' takes {'whole numbers' if record.whole else 'numbers'} from {low:g} to {high:g}{unit}"
    text = word.strip()
    if record.suffix and text.endswith(record.suffix):
        text = text.removesuffix(record.suffix)
    try:
        level = float(text)
    except ValueError:
        raise PerceptError(f"'{word}' is not a level: {allowed}") from None
    if not low <= level <= high or (record.whole and level != round(level)):
        raise PerceptError(f"level {word.strip()} is out of range: {allowed}")
    return level
