"""What lies where in the output folders: names of artefacts, and the items that the last run was about."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from percept.schema import CLEAN, PerceptError
from percept.store import Manifest, Record, digest

CLEAN_ENDING = f"_{CLEAN}.wav"


def audio_name(clip: str, condition: str) -> str:
    """File name of one version of a clip."""
    return f"{clip}_{condition}.wav"


def embedding_folder(name: str, settings: Any) -> Path:
    """The folder of an embedding's files: the setting ``<name>_dir`` if there is one, else ``<name>_embeddings``."""
    return Path(getattr(settings, f"{name}_dir", f"{name}_embeddings"))


def clips(manifest: Manifest) -> list[Record]:
    """The clean clips of a folder: those of the last conversion, and any ``<clip>_clean.wav`` put there by hand.

    Raises:
        PerceptError: there are none.
    """
    plan = manifest.planned("convert")
    names = [item[0] for item in plan.items] if plan else []
    found = [record for name in names if (record := manifest.find("convert", name))]
    known = {record.item for record in manifest.records()}
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
    conditions = [item[0] for item in plan.items] if plan else []
    found = []
    for clip in clips(manifest):
        found.append(clip)
        found += [r for c in conditions if (r := manifest.find("degrade", clip.item, c))]
    return found
