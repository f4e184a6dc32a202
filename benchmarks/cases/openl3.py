"""OpenL3 (mel256, music, 512 features, hop 0.1 s), from 16 kHz audio to the saved ``.npy`` files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.agreement import Tolerance, compare_embeddings, similarities
from benchmarks.installing import ROOT
from benchmarks.machine import without_bfloat16
from benchmarks.material import Setting, condition, degraded, seconds_of, weights
from benchmarks.measuring import Contestant, Row, once, take_turns
from benchmarks.targets import EMULATED

SPEC = "openl3:representation=mel256,content=music,size=512,hop=0.1"
TRAINING = f"{SPEC},frontend=training"
"""torchopenl3 has the front end of the weights' training."""
LEVELS = (0.01,)
RATE_HZ = 48000
PEERS = ("tensorflow", "torchopenl3")
GFLOP_A_FRAME = sum(
    2 * 9 * inputs * outputs * bands * frames / 1e9
    for inputs, outputs, bands, frames in (
        (1, 64, 256, 199), (64, 64, 256, 199), (64, 128, 128, 99), (128, 128, 128, 99),
        (128, 256, 64, 49), (256, 256, 64, 49), (256, 512, 32, 24), (512, 512, 32, 24),
    )
)  # fmt: skip
"""Direct convolution: two operations a weight and output."""

SIMILARITY_TOLERANCE = 2e-4
PLAIN = Tolerance(1e-4, 0.99999, "order of summation")
BFLOAT16 = Tolerance(5e-2, 0.998, "8 bits of mantissa")
PEER = Tolerance(4e-2, 0.999, "resampy 0.4's shorter filter, whose stop band OpenL3 hears 160 dB down")
PEER_48K = Tolerance(2e-3, 0.9999, "a spectrogram in float32, whose rounding lies at the floor of the decibels")
"""At 48 kHz nobody resamples, so this one holds network and front end to account."""
WARM = "warm: one process with its worker processes lives through all repetitions"
PEER_WARM = "warm: network built once, both cores by its own threads"


def contestants(setting: Setting, audio: Path, numbers: Path) -> list[Contestant]:
    """Everybody who does this case."""
    job: dict[str, Any] = {"audio": str(audio), "conditions": [condition(LEVELS)], "embedding": SPEC}
    job = {**job, "precision": "float32", "path": [str(ROOT)], "packages": ["torch", "ncnn"]}
    ours = Contestant("percept-float32", "percept, float32", f"stage 2, {WARM}", "percept_embed.py", job)
    half_title = f"percept, bfloat16{f', {EMULATED}' if without_bfloat16() else ''}"
    half = {**job, "precision": "bfloat16"}
    old = {**job, "path": [str(setting.before)]}
    theirs = {"audio": str(audio), "weights": str(numbers / "openl3.npz")}
    return [
        ours,
        replace(ours, key="percept-bfloat16", title=half_title, job=half),
        replace(
            ours,
            key="before",
            title=f"percept before, float32 ({setting.before_name})",
            job=old,
            missing="" if setting.before else setting.before_name,
        ),
        Contestant(
            "tensorflow",
            "OpenL3's network in TensorFlow (Keras) with kapre's front end, put together here: not the package openl3, "
            "which cannot be installed without downloading its weights",
            f"resampy, `predict` in batches of 32, {PEER_WARM}",
            "tensorflow_embed.py",
            {**theirs, "packages": ["tensorflow-cpu", "keras", "kapre", "resampy", "numpy"]},
            setting.peers.tensorflow,
            setting.peers.missing.get("tensorflow", ""),
        ),
        Contestant(
            "torchopenl3",
            "torchopenl3",
            f"`get_audio_embedding`, batches of 32, {PEER_WARM}; mel bands put right, which today's librosa changes",
            "torchopenl3_embed.py",
            {
                **theirs,
                "path": [str(setting.peers.torchopenl3)],
                "packages": ["torchopenl3", "julius", "resampy", "torch"],
            },
            missing=setting.peers.missing.get("torchopenl3", ""),
        ),
    ]


def measure(setting: Setting) -> dict[str, Any]:
    """The case's results."""
    audio = degraded(setting, "openl3-audio", LEVELS)
    numbers = weights(setting.folder / "openl3-weights")
    folder = setting.folder / "openl3"
    found = contestants(setting, audio, numbers)
    rows = take_turns(found, repeats=setting.repeats, folder=folder)
    right = {spec: _plain(spec, audio, numbers, folder / name) for spec, name in ((SPEC, "v04"), (TRAINING, "old"))}
    for row, contestant in zip(rows, found, strict=True):
        if row["seconds"] and not row["reason"]:
            row["verdict"] = _verdict(row, folder, right)
            if row["key"] in PEERS:
                _without_resampling(row["verdict"], contestant, audio, numbers, folder)
    frames = sum(len(np.load(path)) for path in right[SPEC].glob("*.npy"))
    seconds = seconds_of(audio)
    return {
        "rows": rows,
        "audio_seconds": seconds,
        "files": len(list(audio.glob("*.wav"))),
        "frames": frames,
        "gflop_a_frame": GFLOP_A_FRAME,
    }


def _plain(spec: str, audio: Path, numbers: Path, folder: Path) -> Path:
    job = {"audio": str(audio), "embedding": spec, "weights": str(numbers / "openl3.npz"), "path": [str(ROOT)]}
    once(Contestant("plain", "", "", "plain.py", job), folder)
    return folder / "last"


def _verdict(row: Row, folder: Path, right: dict[str, Path]) -> dict[str, Any]:
    tolerance = {"percept-bfloat16": BFLOAT16, "tensorflow": PEER, "torchopenl3": PEER}.get(row["key"], PLAIN)
    plain = right[TRAINING if row["key"] == "torchopenl3" else SPEC]
    found = folder / row["key"] / "last"
    verdict = compare_embeddings(plain, found, tolerance)
    verdict["tolerance"] = f"{tolerance.relative:g} and {tolerance.cosine:g} ({tolerance.why})"
    if row["key"] == "percept-bfloat16":
        ours, exact = similarities(found), similarities(plain)
        worst = max(abs(ours[name] - exact[name]) for name in exact)
        verdict["similarity"] = worst
        verdict["agrees"] = verdict["agrees"] and worst <= SIMILARITY_TOLERANCE
        verdict["words"] += f"; similarities within {worst:.1e} of float32 (tolerance {SIMILARITY_TOLERANCE:g})"
    return verdict


def _without_resampling(
    verdict: dict[str, Any], contestant: Contestant, audio: Path, numbers: Path, folder: Path
) -> None:
    """Compare once more on the first clip brought to 48 kHz beforehand, the same samples for both."""
    import soundfile
    import soxr

    place = folder / f"48k-{contestant.key}"
    (place / "audio").mkdir(parents=True)
    first = sorted(audio.glob("*_clean.wav"))[0]
    samples, rate = soundfile.read(first, dtype="float32")
    soundfile.write(place / "audio" / first.name, soxr.resample(samples, rate, RATE_HZ), RATE_HZ, subtype="FLOAT")
    spec = TRAINING if contestant.key == "torchopenl3" else SPEC
    right = _plain(spec, place / "audio", numbers, place / "plain")
    once(replace(contestant, job={**contestant.job, "audio": str(place / "audio")}), place / "peer")
    found = compare_embeddings(right, place / "peer" / "last", PEER_48K)
    verdict["agrees"] = verdict["agrees"] and found["agrees"]
    verdict["words"] += f"; on a clip at 48 kHz {found['words']}"
    verdict["tolerance"] += f"; at 48 kHz {PEER_48K.relative:g} and {PEER_48K.cosine:g} ({PEER_48K.why})"
