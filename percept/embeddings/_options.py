"""Options of a choice as text: read from a specification, and written in the form that keys use."""

from __future__ import annotations

import math
import typing
from dataclasses import fields
from typing import Any, Literal

from percept.registry import nearest
from percept.schema import PerceptError

SWITCH = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


def read_options(kind: type, text: str, title: str) -> Any:
    """An instance of the dataclass `kind`, filled from ``OPTION=VALUE,VALUE,…``.

    Args:
        kind: frozen dataclass, all fields with defaults, annotated with bool, int, float or a Literal.
        text: the options; empty for the defaults.
        title: who has these options, for messages.

    Raises:
        PerceptError: for an unknown option or value, or an option given twice.
    """
    hints = typing.get_type_hints(kind)
    chosen: dict[str, Any] = {}
    for item in filter(None, (part.strip() for part in text.split(","))):
        name, equals, value = (part.strip() for part in item.partition("="))
        if not equals:
            name, value = _owner(name, hints, title), name
        if name not in hints:
            raise PerceptError(f"{title} has no option '{name}'{nearest(name, hints)}")
        if name in chosen:
            raise PerceptError(f"{title}: option '{name}' is given twice")
        chosen[name] = _value(hints[name], value, f"{title}: option '{name}'")
    return kind(**chosen)


def describe(options: Any) -> str:
    """All options in canonical form, ``representation=mel256,size=6144,…``, which `read_options` reads."""
    hints = typing.get_type_hints(type(options))
    parts = []
    for field in fields(options):
        value = getattr(options, field.name)
        if hints[field.name] is float:
            value = float(value)
        parts.append(f"{field.name}={str(value).lower() if isinstance(value, bool) else value}")
    return ",".join(parts)


def _owner(value: str, hints: dict[str, Any], title: str) -> str:
    """The one option that a bare value belongs to."""
    allowed = {name: _words(hint) for name, hint in hints.items()}
    owners = [name for name, words in allowed.items() if value in words]
    if len(owners) > 1:
        raise PerceptError(f"{title}: '{value}' could be {' or '.join(f'{o}={value}' for o in owners)}: write which")
    if not owners:
        known = [*hints, *(word for words in allowed.values() for word in words)]
        raise PerceptError(f"{title} has no option or value '{value}'{nearest(value, known)}")
    return owners[0]


def _words(hint: Any) -> dict[str, Any]:
    return {str(word): word for word in typing.get_args(hint)} if typing.get_origin(hint) is Literal else {}


def _value(hint: Any, text: str, where: str) -> Any:
    if typing.get_origin(hint) is Literal or hint is bool:
        words = SWITCH if hint is bool else _words(hint)
        if text not in words:
            raise PerceptError(f"{where} cannot be '{text}'{nearest(text, words)}")
        return words[text]
    try:
        number = hint(text)
    except ValueError:
        raise PerceptError(f"{where} must be {'a whole number' if hint is int else 'a number'}, not '{text}'") from None
    if not math.isfinite(number):
        raise PerceptError(f"{where} must be finite, not '{text}'")
    return number
