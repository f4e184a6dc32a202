"""The sounds of a study for the page: embedded losslessly within a budget, or linked.

Contents: `Sound`, `collect`, `relative`.
"""

from __future__ import annotations

import base64
import io
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


@dataclass
class Sound:
    """One version of a clip on the page.

    Args:
        clip: name of the clip.
        condition: "reference" or the version's name.
        content: base64 of a FLAC file; empty where it is not embedded.
        link: path relative to the page; empty where there is none.
        facts: seconds, loudness in LUFS (None: too short or silent), outline and picture.
    """

    clip: str
    condition: str
    content: str
    link: str
    facts: dict[str, Any]

    def listed(self) -> dict[str, Any]:
        """All but the content, as JSON values."""
        names = {"clip": self.clip, "condition": self.condition, "link": self.link, "embedded": bool(self.content)}
        return {**names, **self.facts}


def collect(pairs: Sequence[Pair], page: Path, mode: Mode, budget_mb: float) -> tuple[list[Sound], list[str]]:
    """The sounds of all pairs, and remarks about what is missing.

    Every clip's reference comes before its versions, and clips take turns, so that what a budget leaves out is spread.

    Args:
        pairs: what the study is about.
        page: the page's own path.
        mode: "embed", "link" (refer to the files) or "none".
        budget_mb: most megabytes that embedded sounds and pictures take.
    """
    if mode == "none":
        return [], ["The page was made without sounds (--report-audio none)."]
    wanted = _in_turns(pairs)
    sounds: list[Sound] = []
    unread: list[str] = []
    left = budget_mb * MEGABYTE
    left_out = 0
    tops: dict[str, float] = {}
    for clip, condition, path in wanted:
        if mode == "embed" and left <= 0:
            left_out += 1
            continue
        try:
            sound = _sound(clip, condition, path, page, mode, tops, len(wanted) <= PICTURES_ONLY_UP_TO)
        except Unreadable as error:
            unread.append(f"{clip}, {condition}: {error}")
            continue
        size = len(sound.content) + len(sound.facts["picture"])
        if mode == "embed" and size > left:
            left_out += 1
            continue
        left -= size
        sounds.append(sound)
    remarks = [f"{len(unread)} sounds could not be read, the first: {unread[0]}"] if unread else []
    if left_out:
        remarks.append(
            f"{left_out} of {len(wanted)} sounds are left out: the budget of {budget_mb:g} MB is spent. "
            "--report-budget raises it; --report-audio link refers to the files instead."
        )
    return sounds, remarks


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
    clip: str, condition: str, path: Path, page: Path, mode: Mode, tops: dict[str, float], pictured: bool
) -> Sound:
    if mode == "link" and not pictured:
        header = media.header(path)
        facts: dict[str, Any] = {"seconds": header.frames / header.rate, "lufs": None, "outline": "", "picture": ""}
        return Sound(clip, condition, "", relative(path, page), facts)
    heard = media.read_mono(path)
    picture, tops[clip] = spectrogram(heard.samples, heard.rate, tops.get(clip))
    level = loudness(Clip(heard.samples[None], heard.rate))
    facts = {
        "seconds": heard.seconds,
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
