"""The tables that may lie beside clips, ``transcripts.csv``: which clip is speech, which is music."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path, PurePath

from percept.runner import warn

NAME = "transcripts.csv"
KIND = "kind"
BY_FILE, BY_CLIP = "file", "clip"


def kinds(files: Iterable[Path], root: Path) -> dict[Path, str]:
    """What the tables say of the files: those in a file's own folder, then those above it, up to `root`.

    A row is about the file of its column ``file`` (relative to the table), or, without that column, about files in the
    table's folder whose stem is its ``clip``. A table that cannot be used is told, and passed over.

    Returns:
        File to kind, in lower case; files of which nothing is said are left out.
    """
    tables: dict[Path, dict[PurePath, str]] = {}
    found: dict[Path, str] = {}
    for path in files:
        for folder in path.parents:
            if folder not in tables:
                tables[folder] = _read(folder / NAME)
            below = path.relative_to(folder)
            if kind := tables[folder].get(below) or tables[folder].get(below.with_suffix("")):
                found[path] = kind
                break
            if folder in {root, root.parent if root.is_file() else root}:
                break
    return found


def _read(table: Path) -> dict[PurePath, str]:
    """File (or stem) relative to the table, to kind."""
    if not table.is_file():
        return {}
    try:
        with table.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.DictReader(lines)
            columns = reader.fieldnames or []
            rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        warn(f"{table} cannot be read, so the kinds of its clips are not known: {error}")
        return {}
    name = next((column for column in (BY_FILE, BY_CLIP) if column in columns), None)
    if KIND not in columns or name is None:
        warn(f"{table} has no columns 'file' (or 'clip') and 'kind', so the kinds of its clips are not known")
        return {}
    said: dict[PurePath, str] = {}
    for row in rows:
        clip, kind = PurePath((row[name] or "").strip()), (row[KIND] or "").strip().lower()
        if said.setdefault(clip, kind) != kind:
            warn(f"{table} calls {clip} both {said[clip]} and {kind}; the first is taken")
    return said
