"""VGGish after PCA and quantisation, from 16 kHz audio to the saved ``.npy`` files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.installing import ROOT
from benchmarks.material import NOISE_LEVELS, Setting, condition, degraded, seconds_of, weights
from benchmarks.measuring import Contestant, take_turns

SPEC = "vggish:output=quantised"
STEPS = 1.0
SHARE = 0.01
"""After rounding to 0 … 255 no number may be off by more than one step, and no more than this share of them."""


def measure(setting: Setting) -> dict[str, Any]:
    """The case's results."""
    levels = NOISE_LEVELS[:1] if setting.quick else NOISE_LEVELS
    audio = degraded(setting, "vggish-audio", levels)
    numbers = weights(setting.folder / "vggish-weights") / "vggish.pth"
    job: dict[str, Any] = {"audio": str(audio), "conditions": [condition(levels)], "embedding": SPEC}
    job = {**job, "precision": "float32", "path": [str(ROOT)], "packages": ["torch", "ncnn"]}
    how = "stage 2, warm: one process with its worker processes lives through all repetitions"
    ours = Contestant("percept", "percept, float32", how, "percept_embed.py", job)
    theirs = {"audio": str(audio), "weights": str(numbers), "packages": ["torchvggish", "resampy", "torch"]}
    lacking = setting.peers.missing.get("torchvggish", "")
    anew = Contestant(
        "torchvggish-anew",
        "torchvggish, network built anew for each file",
        "warm process; as the published noise study uses it, but for the download",
        "torchvggish_embed.py",
        {**theirs, "reused": False},
        missing=lacking,
    )
    contestants = [
        ours,
        replace(
            ours,
            key="before",
            title=f"percept before, float32 ({setting.before_name})",
            job={**job, "path": [str(setting.before)]},
            missing="" if setting.before else setting.before_name,
        ),
        anew,
        replace(
            anew,
            key="torchvggish-reused",
            title="torchvggish, network reused",
            how="warm: network built once, both cores by its own threads",
            job={**theirs, "reused": True},
        ),
    ]
    folder = setting.folder / "vggish"
    rows = take_turns(contestants, repeats=setting.repeats, folder=folder)
    for row in rows[1:]:
        if row["seconds"] and not row["reason"]:
            row["verdict"] = _verdict(folder / "percept" / "last", folder / row["key"] / "last")
    return {"rows": rows, "audio_seconds": seconds_of(audio), "files": len(list(audio.glob("*.wav")))}


def _verdict(ours: Path, theirs: Path) -> dict[str, Any]:
    off, count, largest = 0, 0, 0.0
    for path in sorted(ours.glob("*.npy")):
        other = theirs / path.name
        a, b = np.load(path), np.load(other) if other.exists() else np.empty(0)
        if a.shape != b.shape:
            return {"agrees": False, "words": f"{path.stem}: shape {list(b.shape)}, percept's is {list(a.shape)}"}
        largest = max(largest, float(np.abs(a - b).max()))
        off, count = off + int((a != b).sum()), count + a.size
    agrees = bool(count and largest <= STEPS and off <= SHARE * count)
    words = f"{off} of {count} numbers differ from percept's, by at most {largest:g} of 255 steps"
    return {"agrees": agrees, "words": words, "tolerance": f"{STEPS:g} step, in {SHARE:.0%} of the numbers"}
