"""What all contestants get: the same clips, degraded versions and untrained weights, in a scratch folder."""

from __future__ import annotations

import csv
import io
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.installing import ROOT, Peers
from benchmarks.measuring import Failed, finish

SEED = 0
NOISE_LEVELS = (0.001, 0.002, 0.005, 0.01, 0.02)
"""Standard deviations of the published noise study."""


@dataclass(frozen=True)
class Setting:
    """How to measure.

    Args:
        folder: scratch folder, empty at the start.
        originals: folder with the clips as they come.
        repeats: measurements of each contestant.
        quick: less work, for development; the page says so.
        before: tree of an earlier revision to measure beside the present one; None: none.
        before_name: that revision; or why there is none.
        peers: where the peers are.
        force_bfloat16: measure bfloat16 even where it is only emulated.
    """

    folder: Path
    originals: Path
    repeats: int
    quick: bool
    before: Path | None
    before_name: str
    peers: Peers
    force_bfloat16: bool = False


def script(name: str, *words: str, tree: Path = ROOT) -> list[str]:
    """Command line of one of the project's scripts."""
    return [sys.executable, str(tree / name), *words, "--quiet"]


def bundled(target: Path) -> Path:
    """The bundled speech clips, copied into a folder."""
    target.mkdir(parents=True)
    with (ROOT / "original_audio" / "transcripts.csv").open(newline="", encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            if row["kind"] == "speech":
                shutil.copy(ROOT / "original_audio" / row["file"], target)
    return target


def degraded(setting: Setting, name: str, levels: Sequence[float]) -> Path:
    """Clean and noisy versions of every clip, made by stages 1 and 2 of percept, in a folder of that name."""
    audio = setting.folder / name
    finish(script("audio_conversion.py", "--input", str(setting.originals), "--output", str(audio)), setting.folder)
    words = ["--input", str(audio), "--conditions", condition(levels), "--embeddings", "logmel"]
    finish(script("extract_embeddings.py", *words), setting.folder)
    return audio


def condition(levels: Sequence[float]) -> str:
    """White noise of these standard deviations, as percept's flag names it."""
    return f"noise:{','.join(f'{level:g}' for level in levels)}"


def seconds_of(audio: Path) -> float:
    """Seconds of all WAV files of a folder."""
    import soundfile

    return sum(soundfile.info(path).duration for path in audio.glob("*.wav"))


def weights(folder: Path) -> Path:
    """Untrained weights of both networks as files that need nothing of percept: openl3.npz, vggish.pth."""
    import torch

    from percept.embeddings import _openl3_weights, _vggish_weights

    folder.mkdir()
    tensors = _openl3_weights.untrained(SEED)
    np.savez(folder / "openl3.npz", **{f"{index:02d}": tensor for index, tensor in enumerate(tensors)})
    content = {"network": dict(_vggish_weights.untrained(SEED)), "pca": _vggish_weights.untrained_pca(SEED)}
    torch.save(content, folder / "vggish.pth")
    return folder


def earlier(revision: str, target: Path) -> Path:
    """The tree of an earlier revision, unpacked into a folder.

    Raises:
        Failed: this is no git checkout, or it does not know the revision.
    """
    done = subprocess.run(["git", "archive", "--format=zip", revision], cwd=ROOT, capture_output=True, check=False)
    if done.returncode:
        raise Failed(f"revision {revision} cannot be had: {done.stderr.decode(errors='replace').strip()}")
    with zipfile.ZipFile(io.BytesIO(done.stdout)) as archive:
        archive.extractall(target)
    return target
