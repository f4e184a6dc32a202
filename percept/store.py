"""Folders of artefacts: whole files, manifests, and keys that tell whether a result may be reused.

Conventions:
    A file is written under a temporary name in its own folder and renamed, so a name always means a whole file.
    ``manifest.jsonl`` has one line an item, appended by the one process that leads the run; a later line about the
    same item replaces an earlier one; a line that a kill left half-written is ignored.
    A result is reused when its key agrees and its file has the recorded digest.

Contents: `digest`, `key`, `writing`, `write_text`, `shared_mark`, `Manifest`, `plain`; `Record` and `Plan`, its lines,
are those of `percept._lines`.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import secrets
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from percept._lines import Plan as Plan
from percept._lines import Record as Record
from percept._lines import read
from percept.schema import PerceptError

KEY_LENGTH = 24
TICK_NS = 2_000_000_000
ABANDONED_S = 86_400.0
"""Age at which a temporary file of another machine, whose processes cannot be asked, is taken for left over."""
_TEMPORARY = ".percept-"
_MACHINE = hashlib.sha256(platform.node().encode()).hexdigest()[:8]
_digests: dict[tuple[int, ...], str] = {}
"""Which file it is, its size and when it was last changed, to its digest; of this process alone."""


def digest(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal; a file that this process has read before is not read again.

    Raises:
        OSError: the file cannot be read.
    """
    facts = path.stat()
    state = facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns
    if state in _digests:
        return _digests[state]
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    # Within one tick of the file system's clock, a file may change again and look the same.
    if time.time_ns() - max(facts.st_mtime_ns, facts.st_ctime_ns) > TICK_NS:
        _digests[state] = found
    return found


def key(*parts: Any) -> str:
    """A short hash of everything that a result depends on; parts are JSON values, dataclasses as dicts."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:KEY_LENGTH]


def plain(settings: Any) -> dict[str, Any]:
    """A settings dataclass as JSON values (paths and tuples become strings and lists)."""
    values: dict[str, Any] = json.loads(json.dumps(asdict(settings), default=str))
    return values


@contextlib.contextmanager
def writing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` to write to; it becomes `path` when the block ends well, else it is removed."""
    temporary = path.with_name(f"{_own()}{path.name}")
    try:
        yield temporary
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def shared_mark(folder: Path) -> Iterator[Path]:
    """A new empty file in the folder while the block runs: who sees it sees this very folder.

    Raises:
        PerceptError: the folder cannot be written to.
    """
    mark = folder / f"{_own()}{secrets.token_hex(8)}"
    try:
        mark.touch(exist_ok=False)
    except OSError as error:
        raise PerceptError(f"cannot write to the folder {folder}: {error.strerror}") from None
    try:
        yield mark
    finally:
        mark.unlink(missing_ok=True)


def _own() -> str:
    """How names of temporary files of this process begin: machine and process."""
    return f"{_TEMPORARY}{_MACHINE}-{os.getpid()}-"


def _alive(temporary: Path) -> bool:
    """Whether the process that writes this temporary file may still run."""
    machine, number, *_ = [*temporary.name.removeprefix(_TEMPORARY).split("-"), ""]
    if machine != _MACHINE:
        try:
            return time.time() - temporary.stat().st_mtime < ABANDONED_S
        except FileNotFoundError:  # just finished
            return True
    try:
        os.kill(int(number), 0)
    except (ValueError, ProcessLookupError):
        return False
    except PermissionError:
        return True
    return True


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    with writing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


class Manifest:
    """The record of one output folder.

    Args:
        folder: made if it is not there.

    Raises:
        PerceptError: the folder cannot be made or written to.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "manifest.jsonl"
        self._records: dict[tuple[str, str, str, str], Record] = {}
        self._plans: dict[str, Plan] = {}
        self._read()

    def open(self) -> Manifest:
        """Make the folder ready for writing: create it, remove what a killed run left half-written."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            for left_over in self.folder.glob(f"{_TEMPORARY}*"):
                if not _alive(left_over):
                    left_over.unlink(missing_ok=True)
            with self.path.open("a+b") as file:
                if file.tell() and not self._ends_whole():
                    file.write(b"\n")
        except OSError as error:
            raise PerceptError(
                f"cannot write to the folder {self.folder}: {error.strerror}; choose another one or free it"
            ) from None
        return self

    def find(self, stage: str, item: str, condition: str = "", measure: str = "") -> Record | None:
        """The last line about this item, if any."""
        return self._records.get((stage, item, condition, measure))

    def reusable(self, name: tuple[str, str, str, str], wanted: str) -> Record | None:
        """The last line about `name` if its key is `wanted`, it is final and its artefact is whole."""
        record = self._records.get(name)
        if record is None or record.key != wanted or record.facts.get("unexpected"):
            return None
        return record if self.whole(record) else None

    def whole(self, record: Record) -> bool:
        """Whether the artefact of this line is on disk as it was written (True where there is none to be)."""
        if not record.path:
            return True
        path = self.folder / record.path
        return path.is_file() and digest(path) == record.digest

    def append(self, *records: Record) -> None:
        """Add lines.

        Raises:
            PerceptError: they could not be written (disk full, say); lines before them are safe.
        """
        self._write(*map(asdict, records))
        self._records.update((record.name, record) for record in records)

    def skip(self, draft: Record, reason: str) -> None:
        """Note that an item was not attempted, and why, unless that is noted already.

        Raises:
            PerceptError: as `append`.
        """
        skipped = replace(draft, path="", status="skipped", reason=reason)
        if self.find(*draft.name) != skipped:
            self.append(skipped)

    def plan(self, plan: Plan) -> None:
        """Note what the present run of a stage is about, so that leftovers of earlier settings are not analysed."""
        if self._plans.get(plan.stage) != plan:
            self._write(asdict(plan))
            self._plans[plan.stage] = plan

    def planned(self, stage: str) -> Plan | None:
        """What the last run of `stage` was about; None if it never ran."""
        return self._plans.get(stage)

    def records(self) -> list[Record]:
        """The last line about every item, in the order in which items first appeared."""
        return list(self._records.values())

    def _write(self, *lines: dict[str, Any]) -> None:
        text = "".join(json.dumps(line) + "\n" for line in lines)
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            raise PerceptError(
                f"cannot write to {self.path}: {error.strerror}; what is finished is kept, "
                "so free some space and start the same command again"
            ) from None

    def _ends_whole(self) -> bool:
        with self.path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read(1) == b"\n"

    def _read(self) -> None:
        if not self.path.is_file():
            return
        records, plans = read(self.path)
        self._records, self._plans = dict(records), dict(plans)
