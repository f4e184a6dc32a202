"""The sounds of a study for the page: embedded losslessly within a budget, or linked.

Contents: `Sound`, `collect`, `relative`.
"""

from __future__ import annotations

import base64
import io
import json
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from percept import media
from percept.loudness import loudness
from percept.report._page_pictures import outline, spectrogram
from percept.schema import Array, Clip, Pair, Unreadable

Mode = Literal["embed", "link", "none"]
REFERENCE = "reference"
MEGABYTE = 1_000_000
PICTURES_ONLY_UP_TO = 600
"""Sounds; of more, a page of linked sounds has no pictures."""
TAG_BYTES = 64
"""What stands around an embedded sound."""
LONGEST_S = 900.0
"""Longer sounds are neither embedded nor pictured: to read them whole would take much memory."""


@dataclass
class Sound:
    """One version of a clip on the page.

    Args:
        clip: name of the clip.
        condition: "reference" or the version's name.
        content: base64 of a FLAC file; empty where it is not embedded.
        link: path relative to the page; empty where there is none.
        facts: seconds, samples per second, loudness in LUFS (None: too short or silent), outline and picture.
    """

    clip: str
    condition: str
    content: str
    link: str
    facts: dict[str, Any]

    @property
    def size(self) -> int:
        """Bytes that it takes on the page."""
        return len(self.content) + len(json.dumps(self.listed())) + TAG_BYTES

    def listed(self) -> dict[str, Any]:
        """All but the content, as JSON values."""
        names = {"clip": self.clip, "condition": self.condition, "link": self.link, "embedded": bool(self.content)}
        return {**names, **self.facts}


def collect(
    pairs: Sequence[Pair], page: Path, mode: Mode, budget_mb: float, taken: int = 0
) -> tuple[list[Sound], list[str]]:
    """The sounds of all pairs, and remarks about what is missing.

    Every clip's reference comes before its versions, and clips take turns, so that what a budget leaves out is spread.
    A version whose reference is left out is left out too: there is nothing to switch to.

    Args:
        pairs: what the study is about.
        page: the page's own path.
        mode: "embed", "link" (refer to the files) or "none".
        budget_mb: most megabytes that the page may take.
        taken: bytes of it that are spent already.
    """
    if mode == "none":
        return [], ["The page was made without sounds (--report-audio none)."]
    wanted = _in_turns(pairs)
    gathered = _Gathered(page, mode, budget_mb * MEGABYTE - taken, pictured=len(wanted) <= PICTURES_ONLY_UP_TO)
    for clip, condition, path in wanted:
        gathered.add(clip, condition, path)
    return gathered.sounds, gathered.remarks(len(wanted), budget_mb)


class _Gathered:
    """Sounds that fit into a budget of bytes, and what became of the others."""

    def __init__(self, page: Path, mode: Mode, left: float, *, pictured: bool) -> None:
        self.page, self.mode, self.left, self.pictured = page, mode, left, pictured
        self.sounds: list[Sound] = []
        self.unread: list[str] = []
        self.left_out = 0
        self.bare = 0
        self.tops: dict[str, float] = {}
        self.references: set[str] = set()
        self.too_long = LONGEST_S
        """Seconds; sounds of this length and more are not even read. Falls to that of the shortest that did not fit."""

    def add(self, clip: str, condition: str, path: Path) -> None:
        """Take this sound, if it can be read and fits."""
        try:
            header = media.header(path)
            seconds = header.frames / header.rate
            heard = condition == REFERENCE or clip in self.references
            if self.mode == "embed" and (seconds >= self.too_long or not heard):
                self.left_out += 1
                return
            drawn = self.mode == "embed" or (self.pictured and self.left > 0 and seconds < self.too_long)
            sound = _sound(clip, condition, path, self.page, self.mode, self.tops) if drawn else None
        except Unreadable as error:
            self.unread.append(f"{clip}, {condition}: {error}")
            return
        size = sound.size if sound else 0
        if self.mode == "embed" and size > self.left:
            self.left_out += 1
            self.too_long = seconds
            return
        if sound is None or size > self.left:
            self.bare += 1
            facts = {"seconds": seconds, "rate": header.rate, "lufs": None, "outline": "", "picture": ""}
            sound = Sound(clip, condition, "", relative(path, self.page), facts)
        self.left -= sound.size
        self.references |= {clip} if condition == REFERENCE else set()
        self.sounds.append(sound)

    def remarks(self, wanted: int, budget_mb: float) -> list[str]:
        """What is missing, and why."""
        told = []
        if self.unread:
            told.append(f"{len(self.unread)} sounds could not be read, the first: {self.unread[0]}")
        minutes = LONGEST_S / 60
        if self.left_out:
            told.append(
                f"{self.left_out} of {wanted} sounds are left out: the page's budget of {budget_mb:g} MB is spent, or "
                f"they are longer than {minutes:g} minutes. --report-budget raises the budget; --report-audio link "
                "refers to the files instead."
            )
        if self.bare:
            told.append(
                f"{self.bare} of {wanted} linked sounds have no spectrogram and no level matching: they are many (more "
                f"than {PICTURES_ONLY_UP_TO}), longer than {minutes:g} minutes, or beyond the page's budget of "
                f"{budget_mb:g} MB."
            )
        return told


def _in_turns(pairs: Sequence[Pair]) -> list[tuple[str, str, Path]]:
    """References and versions: first all references, then a version of each in turn."""
    references = {pair.clip: pair.reference for pair in pairs if pair.reference}
    found = [(clip, REFERENCE, path) for clip, path in references.items()]
    versions: dict[str, list[Pair]] = {}
    for pair in pairs:
        if pair.degraded and not pair.problem:
            versions.setdefault(pair.clip, []).append(pair)
    for turn in range(max(map(len, versions.values()), default=0)):
        for clip, own in versions.items():
            if turn < len(own) and own[turn].degraded:
                found.append((clip, own[turn].condition, own[turn].degraded))  # type: ignore[arg-type]
    return found


def _sound(  # noqa: PLR0917 -- all of it is needed for each
    clip: str, condition: str, path: Path, page: Path, mode: Mode, tops: dict[str, float]
) -> Sound:
    heard = media.read_mono(path)
    picture, tops[clip] = spectrogram(heard.samples, heard.rate, tops.get(clip))
    level = loudness(Clip(heard.samples[None], heard.rate))
    facts = {
        "seconds": heard.seconds,
        "rate": heard.rate,
        "lufs": round(level, 2) if level is not None and math.isfinite(level) else None,
        "outline": outline(heard.samples),
        "picture": picture,
    }
    content = flac(heard.samples, heard.rate) if mode == "embed" else ""
    return Sound(clip, condition, content, relative(path, page) if mode == "link" else "", facts)


def flac(samples: Array, rate: int) -> str:
    """Base64 of the samples as 16-bit FLAC; what lies beyond full scale is clipped, as on playing."""
    import soundfile

    file = io.BytesIO()
    soundfile.write(file, np.clip(samples, -1, 1), rate, format="FLAC", subtype="PCM_16")
    return base64.b64encode(file.getvalue()).decode()


def relative(path: Path, page: Path) -> str:
    """The path as a link from the page."""
    return Path(os.path.relpath(path, page.parent)).as_posix()
