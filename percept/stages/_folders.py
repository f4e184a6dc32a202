"""What lies where in the output folders: names of artefacts, and the items that the last run was about."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from percept.schema import CLEAN, PerceptError
from percept.store import Manifest, Record, digest

SCRIPTS = {"convert": "audio_conversion.py", "degrade": "extract_embeddings.py", "embed": "extract_embeddings.py"}
"""The script that runs a stage."""
CLEAN_ENDING = f"_{CLEAN}.wav"


def audio_name(clip: str, condition: str) -> str:
    """File name of one version of a clip."""
    return f"{clip}_{condition}.wav"


def embedding_folder(name: str, settings: Any) -> Path:
    """The folder of an embedding's files: the setting ``<name>_dir`` if there is one, else ``<name>_embeddings``."""
    return Path(getattr(settings, f"{name}_dir", f"{name}_embeddings"))


def planned_embeddings(source: Manifest, settings: Any) -> list[tuple[str, str, Path]]:
    """Name, weights kind and folder of every embedding of the last extraction.

    A folder named for this run (``--openl3-dir``) counts before the one that the extraction noted.
    """
    plan = source.planned("embed")
    found = []
    for name, kind, noted in plan.items if plan else []:
        given, usual = embedding_folder(name, settings), embedding_folder(name, type(settings)())
        found.append((name, kind, given if given != usual else Path(noted)))
    return found


def clips(manifest: Manifest) -> list[Record]:
    """The clean clips of a folder: those of the last conversion, and any ``<clip>_clean.wav`` put there by hand.

    Raises:
        PerceptError: there are none.
    """
    plan = manifest.planned("convert")
    names = [item[0] for item in plan.items] if plan else []
    found = [manifest.find("convert", name) or _unfinished("convert", name) for name in names]
    known = {record.item for record in manifest.records() if record.stage == "convert"}.union(names)
    for path in sorted(manifest.folder.glob(f"*{CLEAN_ENDING}")):
        clip = path.name.removesuffix(CLEAN_ENDING)
        if clip not in known:
            found.append(Record("convert", clip, path=path.name, digest=digest(path)))
    if not found:
        raise PerceptError(
            f"no clips in the folder {manifest.folder}: expected <clip>{CLEAN_ENDING} files; "
            "run audio_conversion.py first, or name another folder with --input"
        )
    return found


def versions(manifest: Manifest) -> list[Record]:
    """Every version of every clip, the clean one first, with conditions in the order of the last run."""
    plan = manifest.planned("degrade")
    found = []
    for clip in clips(manifest):
        found.append(clip)
        for condition, family, level in plan.items if plan else []:
            facts = {"family": family, "level": float(level), "clean_digest": clip.digest}
            made = manifest.find("degrade", clip.item, condition)
            found.append(made or _unfinished("degrade", clip.item, condition, facts))
    return found


def _unfinished(stage: str, item: str, condition: str = "", facts: dict[str, Any] | None = None) -> Record:
    """What stands for an item that was planned but not made: a run was cut short."""
    reason = f"not made yet: the run was cut short; run {SCRIPTS[stage]} again"
    return Record(stage, item, condition, status="skipped", reason=reason, facts=facts or {})
