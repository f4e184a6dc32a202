"""Stage 2a: degraded versions of every clip, beside the clean one."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from percept import dsp, media
from percept.degradations import DEGRADATIONS, Condition, parse
from percept.runner import Tally, Task, perform
from percept.schema import Clip
from percept.settings import Degrade, Run
from percept.stages._folders import audio_name, clips
from percept.store import Manifest, Plan, Record, digest, key, plain, writing

VERSION = 1


def degrade(settings: Degrade, run: Run) -> Tally:
    """Make every condition of every clip in the folder.

    Args:
        settings: folder, conditions, seed.
        run: how to run.

    Raises:
        PerceptError: no clips, an unknown condition, or a folder that cannot be written.
    """
    conditions = parse(settings.conditions)
    manifest = Manifest(settings.input)
    found = clips(manifest)
    manifest.open()
    manifest.plan(Plan("degrade", [[c.name, c.family, repr(c.level)] for c in conditions], plain(settings)))
    tally, tasks = Tally(), []
    for clip in found:
        for condition in conditions:
            task = _task(manifest, clip, condition, settings)
            record = task.records[0]
            if clip.status != "ok":
                reason = f"the clip could not be converted: {clip.reason}"
                _skip(manifest, record, reason)
                tally.add("skipped")
            elif old := manifest.reusable(record.name, record.key):
                tally.add(old.status, cached=True)
            else:
                tasks.append(task)
    return tally + perform(tasks, processes=run.jobs, title="degrade", quiet=run.quiet)


def generator(seed: int, *names: str) -> np.random.Generator:
    """Randomness for one item: depends on the seed and the item's names alone, not on order or processes."""
    text = "\0".join((str(seed), *names))
    return np.random.default_rng(int.from_bytes(hashlib.sha256(text.encode()).digest()[:16]))


def _task(manifest: Manifest, clip: Record, condition: Condition, settings: Degrade) -> Task:
    record = DEGRADATIONS[condition.family]
    target = audio_name(clip.item, condition.name)
    content = [clip.digest, clip.item, condition.name, record.version, settings.seed, settings.normalise]
    draft = Record(
        "degrade",
        clip.item,
        condition.name,
        path=target,
        key=key("degrade", VERSION, content),
        facts={"family": condition.family, "level": condition.level, "clean_digest": clip.digest},
    )
    folder = manifest.folder
    arguments = (folder / clip.path, folder / target, draft, settings.seed, settings.normalise)
    return Task(manifest, (draft,), _degrade, arguments)


def _skip(manifest: Manifest, draft: Record, reason: str) -> None:
    skipped = Record(**{**draft.__dict__, "path": "", "status": "skipped", "reason": reason})
    if manifest.find(*draft.name) != skipped:
        manifest.append(skipped)


def _degrade(source: Path, target: Path, draft: Record, seed: int, normalise: str) -> list[dict[str, Any]]:
    clip = media.read_mono(source)
    randomness = generator(seed, draft.item, draft.condition)
    samples = DEGRADATIONS[draft.facts["family"]].apply(clip, draft.facts["level"], randomness)
    if samples.shape != clip.samples.shape or not np.isfinite(samples).all():
        raise RuntimeError(f"{draft.condition} changed the length or made values that are not finite")
    peak = dsp.peak(samples)
    if normalise == "peak" and peak:
        samples = (samples / peak).astype(np.float32)
    with writing(target) as temporary:
        media.write_float(temporary, Clip(samples, clip.rate))
    return [{"digest": digest(target), "facts": {"audio_seconds": clip.seconds, "peak": dsp.peak(samples)}}]
