"""Stage 1: any audio to mono clips of one rate, 16-bit PCM."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from typing import Any

from percept import dsp, media
from percept.runner import Tally, Task, perform, warn
from percept.schema import CLEAN, Clip, PerceptError, Unreadable
from percept.settings import Convert, Run
from percept.stages._clips_table import kinds
from percept.stages._folders import audio_name
from percept.store import Manifest, Plan, Record, digest, key, plain, writing

VERSION = 1
FULL_SCALE = (dsp.PCM16_STEPS - 1) / dsp.PCM16_STEPS
"""The largest positive value that 16-bit audio holds."""


def convert(settings: Convert, run: Run) -> Tally:
    """Convert every audio file below the input to ``<clip>_clean.wav``.

    Args:
        settings: folders and rate.
        run: how to run.

    Returns:
        Counts; its notes tell renamed clips, files that hold no audio, and lowered levels.

    Raises:
        PerceptError: the input does not exist or holds no audio, the output cannot be written or is the input.
    """
    files, ignored = _inputs(settings)
    manifest = Manifest(settings.output).open()
    names = _names(files, settings.input)
    renamed = [(path, name) for path, name in names if name != path.stem]
    for path, name in renamed:
        warn(f"{path} is called '{name}': another file has the same stem, or its name is no UTF-8")
    notes = [f"{len(renamed)} clips renamed"] if renamed else []
    if ignored:
        shown = ", ".join(path.name for path in ignored[:3])
        notes.append(f"{len(ignored)} files without audio passed over ({shown}{', ...' if ignored[3:] else ''})")
    manifest.plan(Plan("convert", [[name] for _, name in names], plain(settings)))
    tally, tasks = Tally(), []
    told = kinds(files, settings.input)
    for path, name in names:
        task = _task(manifest, path, name, told.get(path, ""), settings)
        record = manifest.reusable(task.records[0].name, task.records[0].key)
        if record:
            tally.add(record.status, cached=True)
        else:
            tasks.append(task)
    tally += perform(tasks, run, title="convert")
    tally.notes += notes + _lowered(manifest, [name for _, name in names])
    return tally


def _inputs(settings: Convert) -> tuple[list[Path], list[Path]]:
    source = settings.input
    if not source.exists():
        raise PerceptError(f"the input {source} does not exist; name a folder or an audio file with --input")
    output = settings.output.resolve()
    if source.is_dir() and source.resolve() in (output, *output.parents):
        raise PerceptError(f"--output {settings.output} lies in the input folder, which is never written to")
    if not 1000 <= settings.rate <= 768000:
        raise PerceptError(f"--rate {settings.rate} is not a sample rate: expected 1000 to 768000 Hz, usually 16000")
    files = media.find(source)
    ignored = [path for path in files if path.suffix.lower() in media.DOCUMENT_ENDINGS and not media.holds_audio(path)]
    documents = set(ignored)
    audio = [path for path in files if path not in documents]
    if not audio:
        raise PerceptError(f"no audio found in {source}: expected files that libsndfile reads (WAV, FLAC, OGG, MP3)")
    return audio, ignored


def _names(files: list[Path], source: Path) -> list[tuple[Path, str]]:
    """A name for each file: its stem, or, where stems collide, its path below the input with the ending."""
    # A name that is no UTF-8 could not be written to a table.
    stem = {path: path.stem.encode("utf-8", "surrogateescape").decode("utf-8", "replace") for path in files}
    stems = Counter(name.casefold() for name in stem.values())
    named = []
    for path in files:
        below = path.relative_to(source) if source.is_dir() else Path(path.name)
        parts = (*below.parent.parts, stem[path], below.suffix.removeprefix("."))
        unique = stems[stem[path].casefold()] == 1
        named.append((path, stem[path] if unique else "_".join(part for part in parts if part)))
    taken = Counter(name.casefold() for _, name in named)
    return [(path, name if taken[name.casefold()] == 1 else f"{name}_{digest(path)[:8]}") for path, name in named]


def _task(manifest: Manifest, path: Path, name: str, kind: str, settings: Convert) -> Task:
    try:
        content = digest(path)
    except OSError as error:
        content = f"unreadable: {error}"
    target = audio_name(name, CLEAN)
    record = Record("convert", name, path=target, key=key("convert", VERSION, content, settings.rate, kind))
    arguments = (path, manifest.folder / target, settings.rate, kind)
    return Task(manifest, (record,), _convert, arguments, cost=path.stat().st_size if path.is_file() else 0)


def _convert(source: Path, target: Path, rate: int, kind: str) -> list[dict[str, Any]]:
    original, header = media.read(source)
    samples = dsp.at_rate(Clip(dsp.mono(original.samples), original.rate), rate).samples
    if samples.size == 0:
        raise Unreadable(f"too short: {header.frames} samples at {header.rate} Hz leave none at {rate} Hz")
    # Band-limiting overshoots at steep edges; the whole clip is lowered rather than clipped, and the gain is told.
    # 16-bit audio reaches down to -1 but only up to one step below +1.
    excess = max(float(samples.max()) / FULL_SCALE, -float(samples.min()))
    gain = 1 / excess if excess > 1 else 1.0
    clip = Clip((samples * gain).astype(samples.dtype), rate)
    with writing(target) as temporary:
        media.write_pcm16(temporary, clip)
    facts = {
        "source": str(source),
        "kind": kind,
        "source_digest": digest(source),
        "source_format": f"{header.format} {header.subtype}",
        "source_rate": header.rate,
        "source_channels": header.channels,
        "source_seconds": original.seconds,
        "source_peak_db": _db(dsp.peak(original.samples)),
        "source_loudness_lufs": dsp.loudness(original),
        "rate": rate,
        "audio_seconds": clip.seconds,
        "peak_db": _db(dsp.peak(clip.samples)),
        "loudness_lufs": dsp.loudness(clip),
        "gain_db": _db(gain),
    }
    return [{"digest": digest(target), "facts": facts}]


def _db(amplitude: float) -> float | None:
    return round(20 * math.log10(amplitude), 4) if amplitude > 0 else None


def _lowered(manifest: Manifest, names: list[str]) -> list[str]:
    """What to tell about clips that would have clipped, or that are silent."""
    notes = []
    for name in names:
        record = manifest.find("convert", name)
        facts = record.facts if record and record.status == "ok" else {}
        if facts.get("gain_db"):
            notes.append(f"{name} was lowered by {-facts['gain_db']:.2f} dB: it would have clipped after resampling")
        if facts and facts["peak_db"] is None:
            notes.append(f"{name} is silent")
    for note in notes:
        warn(note)
    return notes
