"""The conditions of a run: degradations and codecs at their levels."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from percept.codecs import CODECS
from percept.degradations import DEGRADATIONS
from percept.records import Codec, Family
from percept.registry import UnknownChoice, nearest
from percept.schema import PerceptError

UNTRAINED = "_untrained"
"""Follows the name of a neural codec that runs with random weights: the control never passes for the codec."""


@dataclass(frozen=True)
class Condition:
    """A degradation or codec at one level."""

    family: str
    level: float

    @property
    def name(self) -> str:
        """Name in files and tables: ``noise_0.005``, ``mp3_32k``."""
        return family(self.family).condition(self.level)


def family(name: str) -> Family:
    """The record of a degradation or codec; of the untrained control for ``<codec>_untrained``.

    Raises:
        UnknownChoice: there is none of this name, with the nearest names.
    """
    base = name.removesuffix(UNTRAINED)
    codec = CODECS.get(base)
    if codec is not None and base != name:
        return replace(codec, name=name, title=f"{codec.title} (untrained)")
    found = DEGRADATIONS.get(name) or codec
    if found is None:
        hint = nearest(name, [*DEGRADATIONS.names(), *CODECS.names()])
        raise UnknownChoice(f"there is no degradation or codec called '{name}'{hint}")
    return found


def known(name: str) -> Family | None:
    """As `family`, or None where there is none of this name."""
    try:
        return family(name)
    except UnknownChoice:
        return None


def codec(name: str) -> Codec | None:
    """The codec of a family, trained or not; None for a degradation."""
    return CODECS.get(name.removesuffix(UNTRAINED))


def parse(specs: Iterable[str]) -> list[Condition]:
    """Conditions from words such as ``noise:0.001,0.002`` or ``mp3`` (its default levels), without repeats.

    Raises:
        PerceptError: unknown name (with the nearest ones), or a level that is no number or out of range.
    """
    conditions: dict[str, Condition] = {}
    for spec in specs:
        name, colon, levels = spec.partition(":")
        record = family(name.strip())
        values = [_level(record, word) for word in levels.split(",")] if colon else record.levels
        for value in values:
            condition = Condition(record.name, value)
            conditions.setdefault(condition.name, condition)
    if not conditions:
        raise PerceptError("no conditions: name at least one degradation, for example --conditions noise:0.01")
    return list(conditions.values())


def _level(record: Family, word: str) -> float:
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
