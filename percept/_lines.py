"""The lines of a manifest: what they hold, and how they are read.

A leading process holds the lines of all items of a run, hundreds of thousands of them, so they are kept small: texts
that are alike are held once.

Contents: `Record`, `Plan`, `read`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from percept.schema import Status

Name = tuple[str, str, str, str]
Lines = tuple[dict[Name, "Record"], dict[str, "Plan"]]

OF_ITS_OWN = ("path", "key", "digest")
"""Fields whose text is another one in every line."""


@dataclass(frozen=True, slots=True)
class Record:
    """One line of a manifest: one item and what became of it.

    Args:
        stage: "convert", "degrade", "embed", "score" or "report".
        item: name of the clip.
        condition: name of its version; empty where a stage has none.
        measure: name of the measure; empty where a stage has none.
        path: the artefact, relative to the manifest's folder; empty when there is none.
        key: hash of everything the result depends on.
        status: ok, failed or skipped.
        reason: why it failed or was skipped; or a remark on a good result.
        seconds: computing time.
        digest: SHA-256 of the artefact.
        facts: whatever else is known about it.
    """

    stage: str
    item: str
    condition: str = ""
    measure: str = ""
    path: str = ""
    key: str = ""
    status: Status = "ok"
    reason: str = ""
    seconds: float = 0.0
    digest: str = ""
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> tuple[str, str, str, str]:
        """What the line is about; a later line with the same name replaces it."""
        return (self.stage, self.item, self.condition, self.measure)


@dataclass(frozen=True)
class Plan:
    """What one run of a stage is about.

    Args:
        stage: as in `Record`.
        items: the names of its items: ``[clip]``, ``[clip, condition]``, or whatever the stage needs.
        settings: the settings it ran with, as JSON values.
    """

    stage: str
    items: list[list[str]]
    settings: dict[str, Any] = field(default_factory=dict)


_held: dict[Path, tuple[tuple[int, ...], Lines]] = {}
"""Manifests in the state in which they were last read; stages read the same one several times."""


def read(path: Path) -> Lines:
    """The last line about every item, in the order in which items first appeared, and about every stage.

    What is given is shared by all callers, who must not change it.

    Raises:
        OSError: the file cannot be read.
    """
    facts, place = path.stat(), path.absolute()
    state = facts.st_ino, facts.st_size, facts.st_mtime_ns
    if place not in _held or _held[place][0] != state:
        _held[place] = state, _parsed(place)
    return _held[place][1]


def _parsed(path: Path) -> Lines:
    records: dict[Name, Record] = {}
    plans: dict[str, Plan] = {}
    shared: dict[Any, Any] = {}
    with path.open(encoding="utf-8", errors="replace") as lines:
        for text in lines:
            try:
                line = json.loads(text)
                if "items" in line:
                    plans[line["stage"]] = Plan(**line)
                else:
                    record = Record(**_shared(line, shared))
                    records[record.name] = record
            except (ValueError, TypeError, KeyError, AttributeError):
                continue  # half-written by a killed run; the item is simply made again
    return records, plans


def _shared(line: dict[str, Any], shared: dict[Any, Any]) -> dict[str, Any]:
    """The line with texts, and facts' names, that earlier lines brought already."""
    for name, value in line.items():
        if isinstance(value, str) and name not in OF_ITS_OWN:
            line[name] = shared.setdefault(value, value)
    facts = line.get("facts", {})
    line["facts"] = {
        shared.setdefault(name, name): shared.setdefault(value, value) if isinstance(value, str) else value
        for name, value in facts.items()
    }
    return line
