"""Audio files in and out.

Conventions:
    Files are recognised by their content, never by their ending.
    Clips (references) are written as 16-bit PCM; degraded versions as 32-bit float WAV, because a degradation may
    exceed full scale, where 16-bit audio would clip in silence, and because 16-bit rounding is itself a degradation.

Contents: `find`, `holds_audio`, `header`, `blocks`, `read`, `read_part`, `read_mono`, `write_pcm16`, `write_float`.
"""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from percept import dsp
from percept.dsp import mono, not_finite, to_pcm16
from percept.schema import Array, Clip, Unreadable

DOCUMENT_ENDINGS = frozenset(
    [
        ".md",
        ".txt",
        ".csv",
        ".tsv",
        ".json",
        ".jsonl",
        ".toml",
        ".yaml",
        ".yml",
        ".ini",
        ".py",
        ".ipynb",
        ".sh",
        ".pdf",
        ".html",
        ".xml",
        ".rtf",
        ".doc",
        ".docx",
        ".png",
        ".jpg",
        ".jpeg",
        ".gif",
        ".svg",
        ".npy",
        ".npz",
        ".zip",
        ".gz",
        ".mid",
        ".midi",
        ".lab",
        ".textgrid",
        ".srt",
        ".log",
    ]
)
"""Endings of files that are allowed to lie among the audio: passed over when they hold none."""


@dataclass(frozen=True)
class FileFacts:
    """What the header of an audio file says."""

    format: str
    subtype: str
    rate: int
    channels: int
    frames: int


def find(source: Path) -> list[Path]:
    """All files that may be audio: `source` itself, or every file below the folder `source`, sorted.

    Hidden files and folders are left out; what is audio is only known after opening.
    """
    if source.is_file():
        return [source]
    below = (p for p in source.rglob("*") if p.is_file())
    return sorted(p for p in below if not any(part.startswith(".") for part in p.relative_to(source).parts))


def holds_audio(path: Path) -> bool:
    """Whether libsndfile recognises the content (which may still turn out to be damaged)."""
    import soundfile

    try:
        with path.open("rb") as stream:
            soundfile.info(stream)
    except (OSError, soundfile.LibsndfileError):
        return False
    return True


def header(path: Path) -> FileFacts:
    """What the header of an audio file says.

    Raises:
        Unreadable: missing, empty, not audio, or shorter than its header says where that is cheap to see.
    """
    with _opened(path) as (_, facts):
        return facts


def blocks(path: Path) -> Iterator[Array]:
    """The samples of an audio file, ``[C, T]`` with T of at most `percept.dsp.BLOCK` each (float32, full scale 1).

    Raises:
        Unreadable: as `read`; what is wrong with the samples is known, and told, only after the last of them, and
            nothing comes after the first that is not finite.
    """
    frames = bad = 0
    with _opened(path) as (file, facts):
        while (block := file.read(dsp.BLOCK, dtype="float32", always_2d=True).T).size:
            frames += block.shape[-1]
            bad += not_finite(block)
            if not bad:
                yield block
    _check(frames, bad, facts)


def read(path: Path) -> tuple[Clip, FileFacts]:
    """Read an audio file whole.

    Returns:
        The clip with samples ``[C, T]`` (float32, full scale 1) at its own rate, and what its header says.

    Raises:
        Unreadable: missing, empty, not audio, truncated, without samples, or with NaN or infinite samples.
    """
    with _opened(path) as (file, facts):
        samples = file.read(out=dsp.room(facts.frames, facts.channels)).T
    _check(samples.shape[-1], not_finite(samples), facts)
    return Clip(samples, facts.rate), facts


def read_part(path: Path, start: int, stop: int) -> Array:
    """The samples ``[C, T]`` from `start` to before `stop` of a file that was found to be whole.

    Raises:
        Unreadable: it is no more.
    """
    with _opened(path) as (file, _):
        file.seek(start)
        samples: Array = file.read(max(0, stop - start), dtype="float32", always_2d=True).T
    return samples


def read_mono(path: Path) -> Clip:
    """Read a file that stage 1 or 2 wrote, or any other, as mono ``[T]``.

    Raises:
        Unreadable: as `read`.
    """
    clip, _ = read(path)
    return Clip(mono(clip.samples), clip.rate)


def write_pcm16(path: Path, parts: Iterable[Array], rate: int) -> None:
    """Write a signal that comes in parts ``[T]`` as 16-bit WAV, rounding to the nearest step."""
    import soundfile

    with soundfile.SoundFile(path, "w", rate, channels=1, subtype="PCM_16", format="WAV") as file:
        for part in parts:
            file.write(to_pcm16(part))


def write_float(path: Path, clip: Clip) -> None:
    """Write ``[T]`` as 32-bit float WAV."""
    # scipy, because libsndfile puts the time of day into float files (PEAK chunk): two runs would differ.
    from scipy.io import wavfile

    with path.open("wb") as file:
        wavfile.write(file, clip.rate, np.ascontiguousarray(clip.samples, dtype=np.float32))


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[tuple[Any, FileFacts]]:
    """The file, ready to be read with soundfile, and its header; what goes wrong with it is told as `Unreadable`."""
    import soundfile

    try:
        if path.stat().st_size == 0:
            raise Unreadable("the file is empty (0 bytes)")
        _refuse_truncated_riff(path)
        # A stream, because a path that is no UTF-8, or that ends in .raw, is refused whatever it holds.
        with path.open("rb") as stream, soundfile.SoundFile(stream) as file:
            yield file, FileFacts(file.format, file.subtype, file.samplerate, file.channels, file.frames)
    except OSError as error:
        raise Unreadable(f"cannot be opened: {error.strerror or error}") from None
    except soundfile.LibsndfileError as error:
        raise Unreadable(f"not audio that libsndfile reads (WAV, FLAC, OGG, MP3, AIFF, ...): {_short(error)}") from None


def _refuse_truncated_riff(path: Path) -> None:
    # libsndfile shortens a cut WAV without a word, so the size in the RIFF header is compared here.
    with path.open("rb") as file:
        head = file.read(12)
    if len(head) < 12 or head[:4] != b"RIFF" or head[8:] != b"WAVE":
        return
    promised = struct.unpack("<I", head[4:8])[0] + 8
    there = path.stat().st_size
    if promised > there + 1 and promised < 0xFFFFFFF0:  # all ones: written to a pipe, length unknown
        raise Unreadable(f"the file is truncated: its header promises {promised} bytes, {there} are there")


def _check(frames: int, bad: int, facts: FileFacts) -> None:
    if frames == 0:
        raise Unreadable("the file holds no samples")
    if frames < facts.frames < 2**62 and facts.format != "MP3":  # an MP3's length is an estimate
        raise Unreadable(f"the file is truncated: its header promises {facts.frames} samples, {frames} could be read")
    if bad:
        raise Unreadable(f"{bad} of {frames * facts.channels} samples are not finite (NaN or infinite)")


def _short(error: Exception) -> str:
    return str(error).split(": ", 1)[-1].rstrip(".")
