"""Stage 1: any audio to mono clips of one rate, 16-bit PCM."""

from __future__ import annotations

import math
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np

from percept import dsp, media
from percept.loudness import LoudnessMeter
from percept.runner import Tally, Task, perform, warn
from percept.schema import CLEAN, Array, PerceptError, Unreadable
from percept.settings import Convert, Run
from percept.stages._clips_table import kinds
from percept.stages._folders import audio_name
from percept.store import Manifest, Plan, Record, digest, key, plain, writing

VERSION = 1
FULL_SCALE = (dsp.PCM16_STEPS - 1) / dsp.PCM16_STEPS
"""The largest positive value that 16-bit audio holds."""
IN_MEMORY_BYTES = 64 * 2**20
"""Up to here a clip, whose peak must be known before it is written, waits in memory; a longer one in a file."""


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
    known = {"kind": kind, "source_digest": content}
    target = audio_name(name, CLEAN)
    record = Record("convert", name, path=target, key=key("convert", VERSION, content, settings.rate, kind))
    arguments = (path, manifest.folder / target, settings.rate, known)
    return Task(manifest, (record,), _convert, arguments, cost=path.stat().st_size if path.is_file() else 0)


def _convert(source: Path, target: Path, rate: int, known: dict[str, str]) -> list[dict[str, Any]]:
    header = media.header(source)
    before, after = _Level(header.rate, header.channels), _Level(rate, 1)
    # In the target's folder, because a temporary folder may lie in memory.
    with tempfile.SpooledTemporaryFile(IN_MEMORY_BYTES, dir=str(target.parent)) as waiting:
        whole = (dsp.mono(block) for block in before.watch(media.blocks(source)))
        low, high, count = _put(waiting, dsp.resampled(whole, header.rate, rate))
        if not count:
            raise Unreadable(f"too short: {header.frames} samples at {header.rate} Hz leave none at {rate} Hz")
        # Band-limiting overshoots at steep edges; the whole clip is lowered rather than clipped, and the gain is told.
        # 16-bit audio reaches down to -1 but only up to one step below +1.
        excess = max(high / FULL_SCALE, -low)
        gain = 1 / excess if excess > 1 else 1.0
        with writing(target) as temporary:
            media.write_pcm16(temporary, after.watch(_scaled(waiting, gain)), rate)
    facts = {
        "source": str(source),
        **known,
        "source_format": f"{header.format} {header.subtype}",
        "source_rate": header.rate,
        "source_channels": header.channels,
        "source_seconds": before.seconds,
        "source_peak_db": _db(before.peak),
        "source_loudness_lufs": before.loudness,
        "rate": rate,
        "audio_seconds": after.seconds,
        "peak_db": _db(after.peak),
        "loudness_lufs": after.loudness,
        "gain_db": _db(gain),
    }
    return [{"digest": digest(target), "facts": facts}]


class _Level:
    """Length, peak and loudness of a signal that passes by in blocks."""

    def __init__(self, rate: int, channels: int) -> None:
        self.peak = 0.0
        self._rate = rate
        self._frames = 0
        self._meter = LoudnessMeter(rate, channels)

    def watch(self, blocks: Iterable[Array]) -> Iterator[Array]:
        """The blocks, ``[T]`` or ``[C, T]``, as they are."""
        for block in blocks:
            self.peak = max(self.peak, dsp.peak(block))
            self._frames += block.shape[-1]
            self._meter.add(np.atleast_2d(block))
            yield block

    @property
    def seconds(self) -> float:
        """Duration of what was seen."""
        return self._frames / self._rate

    @property
    def loudness(self) -> float | None:
        """Its loudness in LUFS; None where it has none."""
        return self._meter.integrated()


def _put(file: IO[bytes], blocks: Iterable[Array]) -> tuple[float, float, int]:
    """Append the blocks ``[T]`` to the file; their smallest and largest sample, and how many there are."""
    low, high, count = math.inf, -math.inf, 0
    for block in blocks:
        if block.size:
            low, high, count = min(low, float(block.min())), max(high, float(block.max())), count + block.size
            file.write(block.tobytes())
    return low, high, count


def _scaled(file: IO[bytes], gain: float) -> Iterator[Array]:
    """The samples in the file times the gain, in blocks ``[T]``."""
    file.seek(0)
    while content := file.read(dsp.BLOCK * np.dtype(np.float32).itemsize):
        yield (np.frombuffer(content, dtype=np.float32) * gain).astype(np.float32)


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
