"""Stage 2b: embeddings of every version of every clip, cached as ``.npy`` files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from percept import embeddings, weights
from percept.engines import cores
from percept.records import Weights
from percept.runner import Tally, Task, perform, warn
from percept.schema import CLEAN, PerceptError
from percept.settings import Embed, Run
from percept.stages._folders import embedding_folder, versions
from percept.store import Manifest, Plan, Record, digest, key, plain, writing
from percept.stored import open_mono

VERSION = 1


@dataclass(frozen=True)
class Chosen:
    """An embedding with its options and weights, ready to be sent to a worker."""

    name: str
    version: int
    spec: str
    weights: Weights
    precision: Literal["float32", "tf32", "bfloat16"]
    device: str

    @property
    def facts(self) -> dict[str, Any]:
        """What the manifest says of every artefact made with it."""
        return {
            "embedding": self.name,
            "options": self.spec,
            "weights": self.weights.kind,
            "weights_identity": self.weights.identity,
            "weights_verified": self.weights.verified,
            "precision": self.precision,
        }


def embed(settings: Embed, run: Run, *, audio: Path, seed: int) -> Tally:
    """Embed every version of every clip in the folder `audio`.

    Args:
        settings: which embeddings, weights, device.
        run: how to run.
        audio: folder that stages 1 and 2a filled.
        seed: seed of the untrained control's weights.

    Returns:
        Counts; its notes name the embeddings that run as untrained controls.

    Raises:
        PerceptError: unknown embedding or option, weights that cannot be had, no clips, unwritable folder.
    """
    source = Manifest(audio)
    found = versions(source)
    settings = _usable(settings)
    chosen, notes = _choose(settings, run, seed)
    folders = {choice.name: embedding_folder(choice.name, settings) for choice in chosen}
    items = [[c.name, c.weights.kind, str(folders[c.name])] for c in chosen]
    source.open().plan(Plan("embed", items, plain(settings)))
    tally, tasks = Tally(notes=notes), []
    for choice in chosen:
        manifest = Manifest(folders[choice.name]).open()
        manifest.plan(Plan("embed", [[version.item, version.condition or CLEAN] for version in found]))
        for version in found:
            task = _task(manifest, audio, version, choice)
            record = task.records[0]
            if version.status != "ok":
                manifest.skip(record, f"there is no audio: {version.reason}")
                tally.add("skipped")
            elif old := manifest.reusable(record.name, record.key):
                tally.add(old.status, cached=True)
            else:
                tasks.append(task)
    if not tasks:
        return tally
    return tally + _perform(tasks, chosen, settings, run)


def _usable(settings: Embed) -> Embed:
    """The settings with a precision that the device has."""
    if settings.precision == "float32":
        return settings
    from percept.embeddings import _batches

    precision, told = _batches.usable(settings.precision, _device(settings.device))
    if told:
        warn(told)
    return replace(settings, precision=precision)


def _choose(settings: Embed, run: Run, seed: int) -> tuple[list[Chosen], list[str]]:
    chosen: list[Chosen] = []
    notes = []
    for spec in settings.embeddings:
        record, options = embeddings.parse(spec)
        if record.name in (choice.name for choice in chosen):
            raise PerceptError(f"'{record.name}' is named twice; use one at a time, each with its own folder")
        found, warning = weights.resolve(
            record.files(options),
            settings.weights,
            weights_dir=settings.weights_dir,
            trust=settings.trust_weights,
            seed=seed,
            quiet=run.quiet,
            title=record.title,
        )
        if warning:
            warn(warning)
        if found.kind == "untrained":
            notes.append(f"{record.heading(found.kind)} is a control with random weights, not a trained ear")
        full = f"{record.name}:{embeddings.describe(options)}"
        chosen.append(Chosen(record.name, record.version, full, found, settings.precision, settings.device))
    return chosen, notes


def _task(manifest: Manifest, audio: Path, version: Record, choice: Chosen) -> Task:
    condition = version.condition or CLEAN
    target = f"{version.item}_{condition}.npy"
    draft = Record(
        "embed",
        version.item,
        condition,
        path=target,
        key=key("embed", VERSION, version.digest, choice.version, choice.facts),
        facts={**choice.facts, "audio_digest": version.digest},
    )
    cost = version.facts.get("audio_seconds", 0.0)
    return Task(manifest, (draft,), _embed, (audio / version.path, manifest.folder / target, choice), cost)


def _perform(tasks: Sequence[Task], chosen: Sequence[Chosen], settings: Embed, run: Run) -> Tally:
    device = _device(settings.device)
    broken = _broken(chosen, device)
    tally, good = Tally(), []
    for task in tasks:
        record = task.records[0]
        reason = broken.get(record.facts["embedding"])
        if reason:
            task.manifest.append(replace(record, path="", status="failed", reason=reason))
            tally.add("failed")
        else:
            good.append(task)
    # One process has the GPU of this machine to itself.
    alone = replace(run, jobs=1) if device == "cuda" else run
    # One embedding after the other, so that a process holds one network, and builds it once.
    for choice in chosen:
        own = [task for task in good if task.records[0].facts["embedding"] == choice.name]
        threads = max(1, (run.jobs or cores()) // max(1, len(own))) if run.engine == "local" else 1
        own = [replace(task, arguments=(*task.arguments, threads)) for task in own]
        tally += perform(own, alone, title=f"embed {choice.name}")
    return tally


def _broken(chosen: Sequence[Chosen], device: str) -> dict[str, str]:
    """Embeddings whose weight files cannot be used, with the reason, told once and before any work."""
    reasons = {}
    for choice in chosen:
        if choice.weights.files:
            try:
                embeddings.load(choice.spec, choice.weights, precision=choice.precision, device=device)
            except PerceptError as error:
                reasons[choice.name] = str(error)
                warn(str(error))
    return reasons


def _device(wanted: str, threads: int = 1) -> str:
    """The device there is.

    On a processor work is spread over processes of one thread each; where there are fewer clips than cores, each
    gets several. Results do not depend on it.
    """
    import torch

    there = torch.cuda.is_available()
    if wanted == "cuda" and not there:
        raise PerceptError("--device cuda: torch finds no CUDA device; use --device cpu, or auto")
    torch.set_num_threads(threads)
    return "cuda" if there and wanted != "cpu" else "cpu"


def _embed(source: Path, target: Path, choice: Chosen, threads: int) -> list[dict[str, Any]]:
    clip = open_mono(source)
    device = _device(choice.device, threads)
    embedder = embeddings.load(choice.spec, choice.weights, device=device, precision=choice.precision, alone=True)
    frames = embeddings.embed(embedder, clip)
    with writing(target) as temporary, temporary.open("wb") as file:
        np.save(file, frames, allow_pickle=False)
    facts = {"frames": frames.shape[0], "dimension": frames.shape[1], "device": device}
    return [{"digest": digest(target), "facts": facts}]
