"""Signals made from a seed, the bundled clips, the folder of reference signals, and scripts run in an empty folder."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from percept import cli, media
from percept.schema import Array, Clip

ROOT = Path(__file__).parent.parent
RATE_HZ = 16000

Script = Callable[..., int]


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with reference outputs and real signals, named by the environment variable PERCEPT_SHARED."""
    folder = os.environ.get("PERCEPT_SHARED")
    if not folder:
        pytest.skip("PERCEPT_SHARED does not name the folder of reference signals")
    return Path(folder)


@pytest.fixture(scope="session")
def speech() -> Clip:
    """A bundled speech clip, 16 kHz mono on the 16-bit grid."""
    return media.read_mono(ROOT / "original_audio" / "speech_slt.wav")


def chirp(seconds: float = 1.5, *, seed: int = 0, rate: int = RATE_HZ) -> Array:
    """A swept tone with a little noise, fading in and out, on the 16-bit grid, peak 0.5."""
    t = np.arange(round(seconds * rate)) / rate
    sweep = np.sin(2 * np.pi * (150 + 20 * seed) * t * (1 + 3 * t / seconds))
    noise = np.random.default_rng(seed).standard_normal(t.size)
    wave = (sweep + 0.02 * noise) * np.sin(np.pi * t / seconds) ** 0.5
    return (np.round(0.5 * wave / np.abs(wave).max() * 32768) / 32768).astype(np.float32)


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to be in, with two short clips under original_audio/."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PERCEPT_WEIGHTS", raising=False)
    (tmp_path / "original_audio").mkdir()
    for seed, name in enumerate(("low", "high")):
        soundfile.write(tmp_path / "original_audio" / f"{name}.wav", chirp(seed=seed), RATE_HZ)
    return tmp_path


@pytest.fixture
def scripts(workplace: Path) -> dict[str, Script]:
    """The three scripts as functions of their flags, in one process, on the weightless embedding."""
    return {
        "convert": lambda *flags: cli.audio_conversion(["--jobs", "1", *flags]),
        "extract": lambda *flags: cli.extract_embeddings(
            ["--jobs", "1", "--conditions", "noise:0.001,0.01,0.1", "bit_depth:8,4", "--embeddings", "logmel", *flags]
        ),
        "analyze": lambda *flags: cli.analyze_results(
            ["--jobs", "1", "--measures", "stoi", "si_sdr", "--targets", "stoi", "--permutations", "100",
             "--resamples", "100", *flags]
        ),
    }  # fmt: skip


@pytest.fixture
def all_three(scripts: dict[str, Script]) -> Callable[[], list[int]]:
    """Run the three scripts in order; returns their exit statuses."""
    return lambda: [scripts[name]() for name in ("convert", "extract", "analyze")]
