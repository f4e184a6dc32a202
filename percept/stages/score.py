"""Stage 3a: every measure of every pair, as rows of the long table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from percept import metrics
from percept.metrics import METRICS, SIMILARITIES
from percept.records import Metric
from percept.runner import Tally, Task, perform
from percept.schema import MEASURES_COLUMNS, Array, Array64, Clip, Measure, Pair, PerceptError, Unreadable, Unscorable
from percept.settings import Run, Score
from percept.stages import _pairs
from percept.store import Manifest, Plan, Record, digest, key, plain
from percept.stored import open_mono

if TYPE_CHECKING:
    import pandas as pd

Frames = Array | Array64

VERSION = 1
GROUPS = ("perceptual", "embedding", "signal", "given")
"""The order in which measures are shown."""


@dataclass(frozen=True)
class Scored:
    """What stage 3a hands to the stages after it.

    Args:
        table: the long table, columns `MEASURES_COLUMNS`; value NaN where there is none.
        measures: what the measures mean, in the order of columns.
        pairs: what was scored.
        tally: counts.
    """

    table: pd.DataFrame
    measures: tuple[Measure, ...]
    pairs: tuple[Pair, ...]
    tally: Tally


def score(settings: Score, run: Run) -> Scored:
    """Compute what the results folder does not already hold.

    Raises:
        PerceptError: no pairs, an unknown measure, or a results folder that cannot be written.
    """
    chosen = [METRICS[name] for name in dict.fromkeys(settings.measures)] or list(METRICS)
    pairs, headings = _pairs.from_csv(settings.pairs) if settings.pairs else _pairs.from_folders(settings)
    manifest = Manifest(settings.results).open()
    manifest.plan(Plan("score", [[pair.clip, pair.condition] for pair in pairs], plain(settings)))
    baselines = _Baselines(pairs)
    tally, tasks = Tally(), []
    for pair in pairs:
        for task in _tasks(manifest, pair, chosen, headings, baselines):
            wanted = []
            for record in task.records:
                if old := manifest.reusable(record.name, record.key):
                    tally.add(old.status, cached=True)
                else:
                    wanted.append(record)
            if wanted:
                tasks.append(replace(task, records=tuple(wanted), arguments=(_names(wanted), *task.arguments)))
    tally += perform(tasks, run, title="score")
    measures = _measures(pairs, chosen, headings)
    return Scored(_table(manifest, pairs, measures), measures, tuple(pairs), tally)


def _names(records: Sequence[Record]) -> tuple[str, ...]:
    return tuple(record.measure for record in records)


def _measures(pairs: Sequence[Pair], chosen: Sequence[Metric], headings: dict[str, str]) -> tuple[Measure, ...]:
    measures = [metric.measure() for metric in chosen]
    measures += [s.measure(prefix, title) for prefix, title in headings.items() for s in SIMILARITIES]
    given = dict.fromkeys(name for pair in pairs for name in pair.targets)
    measures += [Measure(name, name.upper() if name == "mos" else name) for name in given]
    return tuple(sorted(measures, key=lambda m: GROUPS.index(m.group)))


class _Baselines:
    """The mean clean frame of all clips, per embedding; read only when a pair needs it."""

    def __init__(self, pairs: Sequence[Pair]) -> None:
        self._paths: dict[str, dict[Path, None]] = {}
        for pair in pairs:
            for prefix, (reference, _) in pair.embeddings.items():
                self._paths.setdefault(prefix, {})[reference] = None
        self._digests: dict[str, str] = {}
        self._means: dict[str, Array64 | None] = {}

    def digest(self, prefix: str) -> str:
        """A hash of the clips that the mean is made of."""
        if prefix not in self._digests:
            self._digests[prefix] = key(sorted(_digest(path) for path in self._paths[prefix]))
        return self._digests[prefix]

    def mean(self, prefix: str) -> Array64 | None:
        """The mean over clips of their mean frames, ``[D]``; None when the clips do not fit together."""
        if prefix not in self._means:
            means = []
            for path in self._paths[prefix]:
                try:
                    frames = _load(path)
                except Unreadable:
                    continue  # the pair itself gets a failure row with the reason
                if np.isfinite(frames).all():
                    means.append(frames.mean(axis=0, dtype=np.float64))
            fit = len({mean.shape for mean in means}) == 1
            self._means[prefix] = np.mean(means, axis=0) if fit else None
        return self._means[prefix]


def _tasks(
    manifest: Manifest, pair: Pair, chosen: Sequence[Metric], headings: dict[str, str], baselines: _Baselines
) -> list[Task]:
    """The pair's task for waveforms and one for each embedding, with all their records."""
    audio = [_digest(pair.reference), _digest(pair.degraded), pair.problem]
    records = tuple(
        Record("score", pair.clip, pair.condition, m.name, key=key("score", VERSION, audio, m.name, m.version))
        for m in chosen
    )
    tasks = [Task(manifest, records, _score_audio, (pair,), cost=_bytes(pair.degraded) * len(chosen))]
    for prefix in headings:
        paths = pair.embeddings.get(prefix)
        content = [_digest(path) for path in paths] if paths else [pair.problem, pair.problems.get(prefix, "")]
        corpus = baselines.digest(prefix) if paths else ""
        records = tuple(
            Record(
                "score",
                pair.clip,
                pair.condition,
                f"{prefix}_{s.name}",
                key=key("score", VERSION, content, s.name, s.version, corpus if s.needs_baseline else ""),
            )
            for s in SIMILARITIES
        )
        mean = baselines.mean(prefix) if paths and _missing(manifest, records) else None
        tasks.append(Task(manifest, records, _score_embedding, (pair, prefix, mean)))
    return tasks


def _missing(manifest: Manifest, records: Sequence[Record]) -> bool:
    return any(manifest.reusable(record.name, record.key) is None for record in records)


def _bytes(path: Path | None) -> int:
    """Size of a file, which tells how long its audio is; 0 where there is none."""
    try:
        return path.stat().st_size if path else 0
    except OSError:  # told when it is to be read
        return 0


def _digest(path: Path | None) -> str:
    """SHA-256 of a file's content, or why there is none."""
    if path is None:
        return "none"
    try:
        return digest(path)
    except OSError as error:
        return f"unreadable: {error.strerror}"


def _score_audio(names: Sequence[str], pair: Pair) -> list[dict[str, Any]]:
    if pair.problem:
        return [{"status": "skipped", "reason": pair.problem}] * len(names)
    if pair.reference is None or pair.degraded is None:
        return [{"status": "skipped", "reason": "there is no audio"}] * len(names)
    try:
        reference, degraded = _read("reference", pair.reference), _read("degraded", pair.degraded)
    except Unreadable as error:
        return [{"status": "failed", "reason": str(error)} for _ in names]
    results = []
    for name in names:
        result = metrics.score(METRICS[name], reference, degraded)
        facts = {"value": result.value, "audio_seconds": reference.seconds}
        results.append({"status": result.status, "reason": result.reason, "facts": facts})
    return results


def _read(which: str, path: Path) -> Clip:
    try:
        return open_mono(path)
    except Unreadable as error:
        raise Unreadable(f"{which} {path.name}: {error}") from None


def _score_embedding(names: Sequence[str], pair: Pair, prefix: str, baseline: Array64 | None) -> list[dict[str, Any]]:
    if prefix not in pair.embeddings:
        reason = pair.problem or pair.problems.get(prefix) or "there is no embedding"
        return [{"status": "skipped", "reason": reason} for _ in names]
    try:
        reference, degraded = (_load(path) for path in pair.embeddings[prefix])
        _comparable(reference, degraded)
    except (Unreadable, Unscorable) as error:
        return [{"status": "failed", "reason": str(error)} for _ in names]
    return [_compare(name.removeprefix(f"{prefix}_"), reference, degraded, baseline) for name in names]


def _compare(name: str, reference: Frames, degraded: Frames, baseline: Array64 | None) -> dict[str, Any]:
    similarity = SIMILARITIES[name]
    if baseline is None:
        if similarity.needs_baseline:
            return {
                "status": "failed",
                "reason": "the reference embeddings of the run differ in their dimension",
            }
        baseline = np.zeros(reference.shape[1])
    try:
        value = similarity.compute(reference, degraded, baseline)
    except Unscorable as error:
        return {"status": "failed", "reason": str(error)}
    return {"facts": {"value": value}}


def _load(path: Path) -> Frames:
    """An embedding ``[F, D]`` in float32 or float64; a single frame stored as ``[D]`` counts as one."""
    try:
        frames = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise Unreadable(f"{path.name} cannot be read as .npy: {error}") from None
    if not isinstance(frames, np.ndarray) or frames.dtype.kind not in "fiu":
        kind = frames.dtype if isinstance(frames, np.ndarray) else "several arrays"
        raise Unreadable(f"{path.name} holds {kind}; expected one array of real numbers")
    frames = np.atleast_2d(frames if frames.dtype in {np.dtype("f4"), np.dtype("f8")} else frames.astype(np.float64))
    if frames.ndim != 2 or not frames.size:
        raise Unreadable(f"{path.name} has the shape {frames.shape}; expected [frames, features]")
    return np.asarray(frames)


def _comparable(reference: Frames, degraded: Frames) -> None:
    if reference.shape != degraded.shape:
        raise Unscorable(
            f"the embeddings differ in shape: reference {reference.shape}, degraded {degraded.shape} [frames, features]"
        )
    if not (np.isfinite(reference).all() and np.isfinite(degraded).all()):
        raise Unscorable("an embedding holds values that are not finite")


def _table(manifest: Manifest, pairs: Sequence[Pair], measures: Sequence[Measure]) -> pd.DataFrame:
    import pandas as pd

    rows = [_row(manifest, pair, measure) for pair in pairs for measure in measures]
    return pd.DataFrame(rows, columns=list(MEASURES_COLUMNS)).astype({"value": float, "level": float})


def _row(manifest: Manifest, pair: Pair, measure: Measure) -> tuple[Any, ...]:
    if measure.group == "given":
        value = pair.targets.get(measure.name)
        status, reason, seconds = ("ok", "", None) if value is not None else ("skipped", "no value was given", None)
    else:
        record = manifest.find("score", pair.clip, pair.condition, measure.name)
        if record is None:
            raise PerceptError(f"{manifest.path} lost the row {pair.clip}, {pair.condition}, {measure.name}")
        value, seconds = record.facts.get("value"), record.facts.get("audio_seconds")
        status, reason = record.status, record.reason
        if status == "ok" and measure.meant_for and pair.kind not in {"", measure.meant_for}:
            reason = "; ".join(filter(None, [reason, f"made for {measure.meant_for}; the clip is {pair.kind}"]))
    number = math.nan if value is None else value
    return (
        pair.clip, pair.condition, pair.family, pair.level, measure.name, number, measure.unit, status, reason, seconds,
    )  # fmt: skip
