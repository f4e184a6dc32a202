"""The sounds of a study for the page: embedded within a budget as 16-bit FLAC of one channel, or linked.

Of several channels the mean is embedded, rounded to 16 bits and clipped at full scale. Of the clips that stage 1 makes,
which are so already, that is every bit; a degraded version may lose what 16 bits do not hold.

Contents: `Sound`, `collect`, `relative`.
"""

from __future__ import annotations

import base64
import io
import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from percept import media
from percept.loudness import loudness
from percept.report._page_pictures import outline, spectrogram
from percept.schema import Array, Clip, Pair, Unreadable
from percept.store import digest

Mode = Literal["embed", "link", "none"]
REFERENCE = "reference"
MEGABYTE = 1_000_000
DIGEST_DIGITS = 16
PICTURES_ONLY_UP_TO = 400
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
        facts: seconds, samples per second, loudness in LUFS (None: too short or silent), outline and picture, and a
            digest of the file, by which ratings know what was heard.
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

    A clip's reference comes with its first version, and clips take turns with their versions: what a budget leaves out
    is spread, and every reference has a version to switch to.

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
    references = {pair.clip: pair.reference for pair in pairs if pair.reference}
    few = len(wanted) + len(references) <= PICTURES_ONLY_UP_TO
    gathered = _Gathered(page, mode, references, left=budget_mb * MEGABYTE - taken, pictured=few)
    for clip, condition, path in wanted:
        gathered.add(clip, condition, path)
    return gathered.sounds, gathered.remarks(len(wanted), len({clip for clip, _, _ in wanted}), budget_mb)


class _Gathered:
    """Sounds that fit into a budget of bytes, and what became of the others."""

    def __init__(self, page: Path, mode: Mode, references: Mapping[str, Path], *, left: float, pictured: bool) -> None:
        self.page, self.mode, self.references, self.left, self.pictured = page, mode, references, left, pictured
        self.sounds: list[Sound] = []
        self.heard: set[str] = set()
        """Clips of which the page has the reference and a version."""
        self.unread: dict[Path, str] = {}
        self.left_out = 0
        self.alone = 0
        self.tops: dict[str, float] = {}
        self.least = 0.0
        """Bytes a second of the sound that packed best so far; what would not fit even so is not read."""

    def add(self, clip: str, condition: str, path: Path) -> None:
        """Take this version, and with a clip's first one its reference, if they can be read and fit."""
        wanted = [(condition, path)]
        if clip not in self.heard:
            reference = self.references.get(clip)
            if reference is None or reference in self.unread:
                self.alone += 1
                return
            wanted = [(REFERENCE, reference), *wanted]
        found: list[Sound] = []
        for name, file in wanted:
            try:
                sound = self._made(clip, name, file, self.left - sum(sound.size for sound in found))
            except (OSError, Unreadable) as error:
                self.unread[file] = f"{clip}, {name}: {error}"
                self.alone += name == REFERENCE
                return
            if sound is None:
                self.left_out += 1
                return
            found.append(sound)
        self.left -= sum(sound.size for sound in found)
        self.heard |= {clip}
        self.sounds += found

    def _made(self, clip: str, condition: str, path: Path, left: float) -> Sound | None:
        """The sound in no more than this many bytes; None if it does not fit. Links always do, some bare."""
        header = media.header(path)
        seconds = header.frames / header.rate
        linked = self.mode == "link"
        if linked and (not self.pictured or left <= 0 or seconds >= LONGEST_S):
            return self._bare(clip, condition, path, header)
        if not linked and (seconds >= LONGEST_S or seconds * self.least > left):
            return None
        heard = media.read_mono(path)
        content = "" if linked else flac(heard.samples, heard.rate)
        if content:
            self.least = min(self.least or math.inf, len(content) / heard.seconds)
            if len(content) > left:
                return None
        facts, self.tops[clip] = _facts(heard, self.tops.get(clip))
        facts |= _name(path)
        sound = Sound(clip, condition, content, relative(path, self.page) if linked else "", facts)
        if sound.size <= left:
            return sound
        return self._bare(clip, condition, path, header) if linked else None

    def _bare(self, clip: str, condition: str, path: Path, header: media.FileFacts) -> Sound:
        """A link without pictures and loudness."""
        facts = {
            "seconds": header.frames / header.rate,
            "rate": header.rate,
            "lufs": None,
            "outline": "",
            "picture": "",
            **_name(path),
        }
        return Sound(clip, condition, "", relative(path, self.page), facts)

    def remarks(self, wanted: int, clips: int, budget_mb: float) -> list[str]:
        """What is missing, and why."""
        told = []
        if self.unread:
            told.append(f"{len(self.unread)} sounds could not be read, the first: {next(iter(self.unread.values()))}")
        minutes = LONGEST_S / 60
        if self.left_out:
            told.append(
                f"{len(self.heard)} of {clips} clips can be heard, and {self.left_out} of {wanted} versions are left "
                f"out: the page's budget of {budget_mb:g} MB is spent, or they are longer than {minutes:g} minutes. "
                "--report-budget raises the budget; --report-audio link refers to the files instead."
            )
        if self.alone:
            told.append(f"{self.alone} of {wanted} versions are left out: they have no reference to switch to.")
        bare = sum(not sound.facts["outline"] for sound in self.sounds)
        if bare:
            told.append(
                f"{bare} of {len(self.sounds)} linked sounds have no spectrogram and no level matching: they are many "
                f"(more than {PICTURES_ONLY_UP_TO}), longer than {minutes:g} minutes, or beyond the page's budget of "
                f"{budget_mb:g} MB."
            )
        return told


def _in_turns(pairs: Sequence[Pair]) -> list[tuple[str, str, Path]]:
    """A version of each clip, then a second of each, and so on."""
    versions: dict[str, list[tuple[str, Path]]] = {}
    for pair in pairs:
        if pair.degraded and not pair.problem:
            versions.setdefault(pair.clip, []).append((pair.condition, pair.degraded))
    turns = range(max(map(len, versions.values()), default=0))
    return [(clip, *own[turn]) for turn in turns for clip, own in versions.items() if turn < len(own)]


def _facts(heard: Clip, top_db: float | None) -> tuple[dict[str, Any], float]:
    """What the page shows of a sound, and the level of its picture's brightest colour."""
    picture, top = spectrogram(heard.samples, heard.rate, top_db)
    level = loudness(Clip(played(heard.samples)[None], heard.rate))
    facts = {
        "seconds": heard.seconds,
        "rate": heard.rate,
        "lufs": round(level, 2) if level is not None and math.isfinite(level) else None,
        "outline": outline(heard.samples),
        "picture": picture,
    }
    return facts, top


def _name(path: Path) -> dict[str, str]:
    """By which a rating knows this sound again."""
    return {"digest": digest(path)[:DIGEST_DIGITS]}


def played(samples: Array) -> Array:
    """The samples as loudspeakers are given them: clipped at full scale."""
    return np.clip(samples, -1, 1)


def flac(samples: Array, rate: int) -> str:
    """Base64 of the samples as 16-bit FLAC; what lies beyond full scale is clipped, as on playing."""
    import soundfile

    file = io.BytesIO()
    soundfile.write(file, played(samples), rate, format="FLAC", subtype="PCM_16")
    return base64.b64encode(file.getvalue()).decode()


def relative(path: Path, page: Path) -> str:
    """The path as a link from the page."""
    return Path(os.path.relpath(path, page.parent)).as_posix()
