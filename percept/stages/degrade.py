"""Stage 2a: degraded and coded versions of every clip, beside the clean one."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from percept import dsp, media, weights
from percept.degradations import DEGRADATIONS
from percept.records import Degradation, Weights
from percept.runner import Tally, Task, perform, warn
from percept.schema import Array, Clip, PerceptError, Unreadable
from percept.settings import Degrade, Embed, Run
from percept.stages._conditions import UNTRAINED, Condition, codec, family, parse
from percept.stages._folders import audio_name, clips
from percept.store import Manifest, Plan, Record, digest, key, plain, writing
from percept.stored import open_mono

VERSION = 1
MOST_COMPANY = 64
"""Clips among which a babble's eight voices are chosen."""
NETWORK_COST = 20.0
"""How much longer a neural codec takes than any other condition, roughly: it only decides what is started first."""


@dataclass(frozen=True)
class _Means:
    """What the conditions of a run need besides the clip.

    Args:
        settings: seed, scaling, impulse response.
        found: all clean clips, as company.
        weights: family name to the weights of a neural codec.
        impulse: digest of the impulse response; empty where there is none.
    """

    settings: Degrade
    found: Sequence[Record]
    weights: Mapping[str, Weights]
    impulse: str


def degrade(settings: Degrade, run: Run, *, networks: Embed | None = None) -> Tally:
    """Make every condition of every clip in the folder.

    Args:
        settings: folder, conditions, seed.
        run: how to run.
        networks: which weights neural codecs run with; None: as by default.

    Raises:
        PerceptError: no clips, an unknown condition, weights or an impulse response that cannot be had, or a folder
            that cannot be written.
    """
    conditions, found_weights, notes = _resolved(parse(settings.conditions), networks or Embed(), settings.seed, run)
    manifest = Manifest(settings.input)
    found = clips(manifest)
    means = _Means(settings, found, found_weights, _impulse(settings, conditions))
    manifest.open()
    manifest.plan(Plan("degrade", [[c.name, c.family, repr(c.level)] for c in conditions], plain(settings)))
    tally, tasks = Tally(notes=notes), []
    for clip in found:
        for condition in conditions:
            task = _task(manifest, clip, condition, means)
            record = task.records[0]
            if clip.status != "ok":
                reason = f"the clip could not be converted: {clip.reason}"
                manifest.skip(record, reason)
                tally.add("skipped")
            elif old := manifest.reusable(record.name, record.key):
                tally.add(old.status, cached=True)
            else:
                tasks.append(task)
    return tally + perform(tasks, run, title="degrade")


def _resolved(
    conditions: Sequence[Condition], networks: Embed, seed: int, run: Run
) -> tuple[list[Condition], dict[str, Weights], list[str]]:
    """The conditions with neural codecs under the name of what they run with, their weights, and what to tell."""
    found: dict[str, Weights] = {}
    names: dict[str, str] = {}
    notes = []
    for name in dict.fromkeys(condition.family for condition in conditions):
        record = codec(name)
        files = record.files() if record else ()
        names[name] = name
        if not record or not files:
            continue
        numbers, warning = weights.resolve(
            files,
            "untrained" if name.endswith(UNTRAINED) else networks.weights,
            weights_dir=networks.weights_dir,
            trust=networks.trust_weights,
            seed=seed,
            quiet=run.quiet,
            title=record.title,
        )
        if warning:
            warn(warning)
        if numbers.kind == "untrained":
            names[name] = record.name + UNTRAINED
            notes.append(f"{record.title} (untrained) is a control with random weights, not the codec")
        found[names[name]] = numbers
    return [replace(c, family=names[c.family]) for c in conditions], found, notes


def _impulse(settings: Degrade, conditions: Sequence[Condition]) -> str:
    path = settings.impulse_response
    needed = [c.name for c in conditions if getattr(family(c.family), "needs", "") == "impulse"]
    if not needed:
        return ""
    if path is None:
        raise PerceptError(f"'{needed[0]}' needs an impulse response: name its file with --impulse-response")
    try:
        media.read_mono(path)
    except Unreadable as reason:
        raise PerceptError(f"the impulse response {path}: {reason}") from None
    return digest(path)


def generator(seed: int, *names: str) -> np.random.Generator:
    """Randomness for one item: depends on the seed and the item's names alone, not on order or processes."""
    text = "\0".join((str(seed), *names))
    return np.random.default_rng(int.from_bytes(hashlib.sha256(text.encode()).digest()[:16]))


def _task(manifest: Manifest, clip: Record, condition: Condition, means: _Means) -> Task:
    record, settings, folder = family(condition.family), means.settings, manifest.folder
    target = audio_name(clip.item, condition.name)
    needs = getattr(record, "needs", "")
    others = _company(clip, means) if needs == "company" else []
    numbers = means.weights.get(condition.family)
    content = [clip.digest, clip.item, condition.name, record.version, settings.seed, settings.normalise]
    content.append(numbers.identity if numbers else "")
    content += sorted(other.digest for other in others)
    content += [means.impulse] if needs == "impulse" else []
    draft = Record(
        "degrade",
        clip.item,
        condition.name,
        path=target,
        key=key("degrade", VERSION, content),
        facts={"family": condition.family, "level": condition.level, "clean_digest": clip.digest},
    )
    beside: tuple[Path, ...] = ()
    if needs == "company":
        beside = tuple(folder / other.path for other in others)
    elif needs == "impulse" and settings.impulse_response:
        beside = (settings.impulse_response,)
    work = _Work(folder / clip.path, folder / target, beside, numbers, settings.seed, settings.normalise == "peak")
    cost = clip.facts.get("audio_seconds", 0.0) * (NETWORK_COST if numbers else 1.0)
    return Task(manifest, (draft,), _degrade, (work, draft), cost)


def _company(clip: Record, means: _Means) -> list[Record]:
    """The other clips; of very many, some that the seed chooses, so that one clip's work does not grow with them."""
    found: Sequence[Record] = means.found
    if len(found) > MOST_COMPANY:
        drawn = generator(means.settings.seed, "company", clip.item).choice(len(found), MOST_COMPANY, replace=False)
        found = [found[index] for index in sorted(drawn)]
    return [other for other in found if other.item != clip.item and other.status == "ok"]


@dataclass(frozen=True)
class _Work:
    """One version to make, ready to be sent to a worker."""

    source: Path
    target: Path
    beside: tuple[Path, ...]
    weights: Weights | None
    seed: int
    full_scale: bool


def _degrade(work: _Work, draft: Record) -> list[dict[str, Any]]:
    record = family(draft.facts["family"])
    clip = (open_mono if record.walks else media.read_mono)(work.source)
    samples, facts = _version(clip, work, draft)
    if samples.shape != clip.samples.shape or dsp.not_finite(samples):
        raise RuntimeError(f"{draft.condition} changed the length or made values that are not finite")
    peak = dsp.peak(samples)
    if work.full_scale and peak:
        samples = np.divide(samples, np.float32(peak), dtype=np.float32)
    with writing(work.target) as temporary:
        media.write_float(temporary, Clip(samples, clip.rate))
    facts = {**facts, "audio_seconds": clip.seconds, "peak": dsp.peak(samples)}
    return [{"digest": digest(work.target), "facts": facts}]


def _version(clip: Clip, work: _Work, draft: Record) -> tuple[Array, dict[str, Any]]:
    """The degraded samples, and for a codec the bits that they cost."""
    name, level = draft.facts["family"], draft.facts["level"]
    if chosen := codec(name):
        coded = chosen.code(clip, level, work.weights) if work.weights else chosen.code(clip, level)
        bits = {"payload_bits": coded.payload_bits, "file_bits": coded.file_bits}
        return coded.samples, {**coded.facts, **bits}
    record: Degradation = DEGRADATIONS[name]
    randomness = generator(work.seed, draft.item, draft.condition)
    beside = tuple(media.read_mono(path) for path in work.beside)
    extra = {"": (), "company": (beside,), "impulse": beside}[record.needs]
    return record.apply(clip, level, randomness, *extra), {}
