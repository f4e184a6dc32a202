"""The table that may lie beside clips, ``transcripts.csv``: which clip is speech, which is music."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

from percept.runner import warn

NAME = "transcripts.csv"
KIND = "kind"
BY_FILE, BY_CLIP = "file", "clip"


def kinds(files: Iterable[Path]) -> dict[Path, str]:
    """What the tables in the files' own folders say of them.

    A row is about the file of its column ``file`` (relative to the table), or, without that column, about files whose
    stem is its ``clip``. A table that cannot be used is told, and passed over.

    Returns:
        File to kind, in lower case; files of which nothing is said are left out.
    """
    by_folder: dict[Path, list[Path]] = {}
    for path in files:
        by_folder.setdefault(path.parent, []).append(path)
    found: dict[Path, str] = {}
    for folder, own in by_folder.items():
        said = _read(folder / NAME)
        for path in own:
            kind = said.get(path.name) or said.get(path.stem)
            if kind:
                found[path] = kind
    return found


def _read(table: Path) -> dict[str, str]:
    """File name or clip to kind."""
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
    return {(row[name] or "").strip(): (row[KIND] or "").strip().lower() for row in rows}
