"""One register for every kind of choice: degradations, metrics, similarities, embeddings.

A folder of choices makes a `Registry` in its ``__init__``; each module in the folder adds records to it when it is
imported, and the registry imports them all on first use. So dropping a file in is the registration.
Modules whose name begins with an underscore are helpers and are not imported.
"""

from __future__ import annotations

import difflib
import importlib
import pkgutil
import sys
from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

from percept.records import Choice
from percept.schema import PerceptError

Record = TypeVar("Record", bound=Choice)


class UnknownChoice(PerceptError):
    """A name that no record has."""


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint for a misspelt name: ``"; did you mean 'noise'?"``, or what there is when nothing is near."""
    names = list(known)
    close = difflib.get_close_matches(name, names, n=2, cutoff=0.5)
    if close:
        return "; did you mean " + " or ".join(f"'{c}'" for c in close) + "?"
    return f"; known are {', '.join(sorted(names))}" if names else "; there are none"


class Registry(Generic[Record]):
    """Records by name, filled by the modules of one folder.

    Args:
        kind: the word for messages: "degradation".
        package: dotted name of the folder whose modules register themselves; None: only direct `add` calls.

    Raises:
        UnknownChoice: from a look-up of a name that is not there, with the nearest names.
    """

    def __init__(self, kind: str, package: str | None = None) -> None:
        self.kind = kind
        self._package = package
        self._records: dict[str, Record] = {}
        self._places: dict[str, tuple[str, int]] = {}
        self._filled = package is None

    def add(self, record: Record) -> Record:
        """Register a record.

        Raises:
            ValueError: when the name is taken.
        """
        if record.name in self._records:
            raise ValueError(f"two {self.kind}s are called '{record.name}'")
        self._records[record.name] = record
        # The module that adds it, so that listings do not depend on which module happens to be imported first.
        self._places[record.name] = (sys._getframe(1).f_globals["__name__"], len(self._places))
        return record

    def names(self) -> list[str]:
        """All names, in the order of registration: by module, then as the module adds them."""
        self._fill()
        return sorted(self._records, key=self._places.__getitem__)

    def __getitem__(self, name: str) -> Record:
        self._fill()
        try:
            return self._records[name]
        except KeyError:
            hint = nearest(name, self._records)
            raise UnknownChoice(f"there is no {self.kind} called '{name}'{hint}") from None

    def get(self, name: str) -> Record | None:
        """The record, or None where there is none of this name."""
        self._fill()
        return self._records.get(name)

    def __contains__(self, name: object) -> bool:
        self._fill()
        return name in self._records

    def __iter__(self) -> Iterator[Record]:
        return iter([self._records[name] for name in self.names()])

    def __len__(self) -> int:
        self._fill()
        return len(self._records)

    def _fill(self) -> None:
        if self._filled or self._package is None:
            return
        self._filled = True
        folder = importlib.import_module(self._package)
        for module in sorted(m.name for m in pkgutil.iter_modules(folder.__path__)):
            if not module.startswith("_"):
                importlib.import_module(f"{self._package}.{module}")
