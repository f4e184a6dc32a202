"""The published noise study's three steps by the reference implementations, one file after the other.

    python reference_run.py STEP FOLDER --clips … --weights …

STEP: convert, noise, torchopenl3, tensorflow, torchvggish, scores. Each is a process of its own, as the study's scripts
are, and so that TensorFlow may live in another environment than torch. The last writes ``values.json``.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

RATE_HZ = 16000


def convert(folder: Path, given: argparse.Namespace) -> None:
    """Clips to 16 kHz mono, 16 bit: librosa reads and resamples, soundfile writes."""
    import librosa
    import soundfile

    (folder / "audio").mkdir()
    for path in sorted(given.clips.iterdir()):
        samples, _ = librosa.load(path, sr=RATE_HZ, mono=True)
        soundfile.write(folder / "audio" / f"{path.stem}_clean.wav", samples, RATE_HZ)


def noise(folder: Path, given: argparse.Namespace) -> None:
    """White noise at every level, scaled to full scale; the same random numbers as percept draws."""
    import soundfile

    for path in sorted((folder / "audio").glob("*_clean.wav")):
        samples, rate = soundfile.read(path)
        clip = path.stem.removesuffix("_clean")
        for level in given.levels:
            text = "\0".join(("0", clip, f"noise_{level:g}"))
            seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:16])
            noisy = samples + level * np.random.default_rng(seed).standard_normal(samples.size)
            soundfile.write(folder / "audio" / f"{clip}_noise_{level:g}.wav", noisy / np.abs(noisy).max(), rate)


def torchopenl3(folder: Path, given: argparse.Namespace) -> None:
    """OpenL3 by torchopenl3."""
    peer = _peer("torchopenl3_embed")
    (folder / "openl3").mkdir()
    peer.embed(peer.network(given.weights / "openl3.npz"), folder / "audio", folder / "openl3")


def tensorflow(folder: Path, given: argparse.Namespace) -> None:
    """OpenL3's network in TensorFlow."""
    peer = _peer("tensorflow_embed")
    (folder / "openl3").mkdir()
    peer.embed(peer.network(given.weights / "openl3.npz"), folder / "audio", folder / "openl3")


def torchvggish(folder: Path, given: argparse.Namespace) -> None:
    """VGGish by torchvggish, its network built anew for each file, as the study does."""
    (folder / "vggish").mkdir()
    _peer("torchvggish_embed").embed(folder / "audio", folder / "vggish", given.weights / "vggish.pth")


def scores(folder: Path, given: argparse.Namespace) -> None:
    """PESQ, STOI and mean frame-wise cosines of every noisy version."""
    import soundfile
    from pesq import pesq
    from pystoi import stoi

    found = {}
    for path in sorted((folder / "audio").glob("*_noise_*.wav")):
        clean = folder / "audio" / f"{path.stem.rpartition('_noise_')[0]}_clean.wav"
        (reference, rate), (degraded, _) = soundfile.read(clean), soundfile.read(path)
        values = {"pesq_wb": pesq(rate, reference, degraded, "wb"), "stoi": stoi(reference, degraded, rate)}
        for name in ("openl3", "vggish"):
            a, b = (np.load(folder / name / f"{p.stem}.npy").astype(float) for p in (clean, path))
            norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
            values[name] = ((a * b).sum(axis=1) / norms).mean()
        found[path.stem] = {name: float(value) for name, value in values.items()}
    (folder / "values.json").write_text(json.dumps(found), encoding="utf-8")


def _peer(name: str) -> Any:
    sys.path.insert(0, str(Path(__file__).parent))
    return importlib.import_module(name)


STEPS = {f.__name__: f for f in (convert, noise, torchopenl3, tensorflow, torchvggish, scores)}


def main() -> None:
    """One step."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("step", choices=STEPS)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--clips", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--levels", type=float, nargs="+", required=True)
    given = parser.parse_args()
    STEPS[given.step](given.folder, given)


if __name__ == "__main__":
    main()
