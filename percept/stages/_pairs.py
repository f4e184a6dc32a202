"""Where the pairs to score come from: the folders of stages 1 and 2, or a CSV of somebody else's audio."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from percept.embeddings import EMBEDDINGS
from percept.metrics import METRICS, SIMILARITIES
from percept.registry import nearest
from percept.runner import warn
from percept.schema import CLEAN, Pair, PerceptError
from percept.settings import Score
from percept.stages._folders import clips, planned_embeddings, versions
from percept.store import Manifest, Record

AGAIN = "run extract_embeddings.py again"
RESERVED = ("item", "measure", "value", "unit", "status", "reason", "seconds", "level_unit", "bits_per_second")
TEXT_COLUMNS = ("reference", "degraded", "clip", "condition", "family", "level", "kind")
MOS_CI95 = "mos_ci95"
"""Half width of the listeners' own 95 % interval of ``mos``."""


def from_folders(settings: Score) -> tuple[list[Pair], dict[str, str]]:
    """The pairs that the last runs of stages 1 and 2 made.

    Returns:
        The pairs, and column prefix to heading of every embedding: ``{"openl3_untrained": "OpenL3 (untrained)"}``.

    Raises:
        PerceptError: no clips, or no degraded versions.
    """
    source = Manifest(settings.input)
    clean = {clip.item: clip for clip in clips(source)}
    degraded = [version for version in versions(source) if version.condition]
    if not degraded:
        raise PerceptError(
            f"the folder {settings.input} holds clips but no degraded versions of them: run extract_embeddings.py first"
        )
    folders, headings = {}, {}
    for name, kind, folder in planned_embeddings(source, settings):
        prefix = EMBEDDINGS[name].prefix(kind)
        folders[prefix], headings[prefix] = Manifest(folder), EMBEDDINGS[name].heading(kind)
    return [_pair(source, clean[version.item], version, folders) for version in degraded], headings


def _pair(source: Manifest, clean: Record, version: Record, embedded: Mapping[str, Manifest]) -> Pair:
    folder = source.folder
    family, level = version.facts["family"], version.facts["level"]
    paths, problems = {}, {}
    for prefix, manifest in embedded.items():
        ours = manifest.find("embed", clean.item, CLEAN)
        theirs = manifest.find("embed", version.item, version.condition)
        problem = _problem(manifest, (ours, theirs), (clean, version))
        if problem or ours is None or theirs is None:
            problems[prefix] = problem
        else:
            paths[prefix] = (manifest.folder / ours.path, manifest.folder / theirs.path)
    return Pair(
        version.item,
        version.condition,
        family,
        level,
        folder / clean.path if clean.path else None,
        folder / version.path if version.path else None,
        paths,
        kind=clean.facts.get("kind", ""),
        bits_per_second=_bits_per_second(version),
        problem=_audio_problem(source, clean, version),
        problems=problems,
    )


def _problem(manifest: Manifest, embedded: Sequence[Record | None], audio: Sequence[Record]) -> str:
    """Why these two embeddings cannot stand for these two versions; empty if they can."""
    made_with = set()
    for record, version in zip(embedded, audio, strict=True):
        if record is None:
            return f"it was not embedded; {AGAIN}"
        if record.status != "ok":
            return record.reason
        if not manifest.whole(record):
            return f"{record.path} is damaged or missing; {AGAIN}"
        if record.facts["audio_digest"] != version.digest:
            return f"{record.path} was made from other audio than is there now; {AGAIN}"
        made_with.add((record.facts["options"], record.facts["weights_identity"]))
    if len(made_with) > 1:
        return f"reference and degraded embeddings were made with different settings; {AGAIN}"
    return ""


def _bits_per_second(version: Record) -> float | None:
    bits, seconds = version.facts.get("file_bits"), version.facts.get("audio_seconds")
    return bits / seconds if bits and seconds else None


def _audio_problem(folder: Manifest, clean: Record, version: Record) -> str:
    """Why this version cannot be compared with its clip; empty if it can."""
    if version.status != "ok":
        return version.reason
    if version.facts["clean_digest"] != clean.digest:
        return f"{version.path} was made from an earlier version of the clip; {AGAIN}"
    damaged = next((record for record in (clean, version) if not folder.whole(record)), None)
    return f"{damaged.path} is damaged or missing; run the scripts again from step 1" if damaged else ""


def from_csv(path: Path) -> tuple[list[Pair], dict[str, str]]:
    """The pairs of a CSV file; paths in it are relative to the file.

    Returns:
        As `from_folders`. Columns ``<name>_reference`` and ``<name>_degraded`` make the embedding ``<name>``; every
        further column that holds numbers becomes a target.

    Raises:
        PerceptError: no such file, no rows, a missing column, a level that is no number, a pair named twice.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            columns = list(reader.fieldnames or [])
            rows = [(reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise PerceptError(f"cannot read the pairs file {path}: {error}") from None
    for name in ("reference", "degraded"):
        if name not in columns:
            raise PerceptError(f"{path} has no column '{name}'{nearest(name, columns)}")
    if not rows:
        raise PerceptError(f"{path} has no rows below its header")
    names = _embedding_names(path, columns)
    used = {*TEXT_COLUMNS, *(f"{n}_{side}" for n in names for side in ("reference", "degraded"))}
    extra = [c for c in columns if c and c.strip() and c not in used and _is_target(path, rows, c)]
    _check_doubts(path, columns, rows)
    _refuse_measure_names(path, extra, names)
    pairs = [_row(path, number, row, names, extra) for number, row in rows]
    pairs = _distinct_clips([row for _, row in rows], pairs)
    pairs = _one_kind_a_clip(path, pairs, [number for number, _ in rows])
    _refuse_repeats(path, pairs, [number for number, _ in rows])
    return pairs, {name: _heading(name) for name in names}


def _embedding_names(path: Path, columns: list[str]) -> list[str]:
    names = [c.removesuffix("_reference") for c in columns if c.endswith("_reference")]
    names += [c.removesuffix("_degraded") for c in columns if c.endswith("_degraded")]
    names = list(dict.fromkeys(names))
    for name in names:
        for there, missing in (("reference", "degraded"), ("degraded", "reference")):
            if f"{name}_{missing}" not in columns:
                raise PerceptError(f"{path} has a column '{name}_{there}' but no '{name}_{missing}'")
    return names


def _heading(name: str) -> str:
    base = name.removesuffix("_untrained")
    if base in EMBEDDINGS:
        return EMBEDDINGS[base].heading("untrained" if base != name else "pretrained")
    return name


def _is_target(path: Path, rows: list[tuple[int, dict[str, str]]], column: str) -> bool:
    """Whether a further column holds numbers; one that holds some and something else is told, and left out."""
    cells = [(number, row[column]) for number, row in rows if (row[column] or "").strip()]
    wrong = [(number, text) for number, text in cells if _number(text) is None]
    if cells and not wrong:
        return True
    if len(wrong) < len(cells) or column == "mos":
        where = f"line {wrong[0][0]} says '{wrong[0][1]}'" if wrong else "it is empty"
        problem = f"{path}: the column '{column}' is not all numbers ({where})"
        if column == "mos":
            raise PerceptError(f"{problem}; leave a cell empty where there is no score")
        warn(f"{problem}, so it is no target")
    return False


def _check_doubts(path: Path, columns: list[str], rows: list[tuple[int, dict[str, str]]]) -> None:
    """Intervals of opinions belong to opinions, and are no negative numbers."""
    if MOS_CI95 not in columns:
        return
    if "mos" not in columns:
        raise PerceptError(f"{path} has a column '{MOS_CI95}' but no 'mos' that it could belong to")
    for number, row in rows:
        text = (row[MOS_CI95] or "").strip()
        value = _number(text)
        if text and (value is None or value < 0):
            raise PerceptError(f"{path}, line {number}: {MOS_CI95} '{text}' is not the half width of an interval")


def _refuse_measure_names(path: Path, extra: list[str], names: list[str]) -> None:
    ours = {*RESERVED, *METRICS.names(), *(f"{name}_{s.name}" for name in names for s in SIMILARITIES)}
    for column in extra:
        if column in ours:
            raise PerceptError(f"{path}: the column '{column}' has a name that the results use; give it another")


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _row(path: Path, number: int, row: dict[str, str], names: list[str], extra: list[str]) -> Pair:
    def cell(column: str) -> str:
        """The text of a column, empty where it is missing."""
        return (row.get(column) or "").strip()

    def file(column: str) -> Path:
        """The path in a column, relative to the table."""
        return path.parent / cell(column)

    if "\0" in "".join(value or "" for value in row.values() if isinstance(value, str)):
        raise PerceptError(f"{path}, line {number}: there is a NUL character")
    if cell("level") and _number(cell("level")) is None:
        raise PerceptError(f"{path}, line {number}: the level '{cell('level')}' is not a number")
    family = cell("family")
    present = [n for n in names if cell(f"{n}_reference") and cell(f"{n}_degraded")]
    absent = {n: "the pairs file names no embedding for this pair" for n in names if n not in present}
    return Pair(
        cell("clip") or Path(cell("reference")).stem,
        cell("condition") or Path(cell("degraded")).stem,
        family,
        _number(cell("level")),
        file("reference"),
        file("degraded"),
        {n: (file(f"{n}_reference"), file(f"{n}_degraded")) for n in present},
        _targets(row, [column for column in extra if column != MOS_CI95]),
        mos_ci95=_number(row.get(MOS_CI95)),
        kind=cell("kind").lower(),
        problem="" if cell("reference") and cell("degraded") else f"line {number} names no reference or no degraded",
        problems=absent,
    )


def _targets(row: Mapping[str, str], extra: list[str]) -> dict[str, float]:
    return {column: value for column in extra if (value := _number(row[column])) is not None}


def _distinct_clips(rows: list[dict[str, str]], pairs: list[Pair]) -> list[Pair]:
    """Pairs whose clip is only a file's stem: two files of one stem get their path as the clip's name."""
    files: dict[str, set[Path | None]] = {}
    for pair in pairs:
        files.setdefault(pair.clip, set()).add(pair.reference)
    named = []
    for row, pair in zip(rows, pairs, strict=True):
        ambiguous = not (row.get("clip") or "").strip() and len(files[pair.clip]) > 1
        path = Path((row["reference"] or "").strip())
        name = "_".join((*path.parent.parts, path.stem))
        named.append(replace(pair, clip=name) if ambiguous and path.name else pair)
    return named


def _one_kind_a_clip(path: Path, pairs: list[Pair], numbers: list[int]) -> list[Pair]:
    """The pairs with the kind of their clip, wherever the file names it."""
    kinds: dict[str, tuple[str, int]] = {}
    for number, pair in zip(numbers, pairs, strict=True):
        kind, line = kinds.setdefault(pair.clip, (pair.kind, number)) if pair.kind else ("", 0)
        if kind != pair.kind:
            raise PerceptError(
                f"{path}: lines {line} and {number} call clip '{pair.clip}' {kind} and {pair.kind}; a clip has one kind"
            )
    return [replace(pair, kind=kinds.get(pair.clip, ("", 0))[0]) for pair in pairs]


def _refuse_repeats(path: Path, pairs: list[Pair], numbers: list[int]) -> None:
    lines: dict[tuple[str, str], int] = {}
    for number, pair in zip(numbers, pairs, strict=True):
        name = (pair.clip, pair.condition)
        if name in lines:
            raise PerceptError(
                f"{path}: lines {lines[name]} and {number} are both clip '{pair.clip}', condition '{pair.condition}'; "
                "give each its own condition"
            )
        lines[name] = number
