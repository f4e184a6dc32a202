"""Long recordings: what is done block by block gives what is done at once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import Script, chirp

from percept import dsp, media
from percept.loudness import LoudnessMeter, loudness
from percept.schema import Array, Clip, Unreadable
from percept.store import Manifest

BLOCKS = (1000, 4096, 100_000)


def noisy(length: int, *channels: int, seed: int = 0) -> Array:
    """White noise, 30 dB louder in its middle third."""
    samples = 0.01 * np.random.default_rng(seed).standard_normal((*channels, length))
    samples[..., length // 3 : 2 * length // 3] *= 30
    return samples.astype(np.float32)


def cut(samples: Array, size: int) -> Iterator[Array]:
    """The samples in pieces of `size`."""
    return (samples[..., start : start + size] for start in range(0, samples.shape[-1], size))


@pytest.mark.parametrize("length", [0, 1, 999, 1000, 1001, 3000])
def test_blocks_cover_everything_once(length: int) -> None:
    """Neighbouring blocks, one after the other, are the whole."""
    whole = np.arange(length)
    parts = [whole[part] for part in dsp.blocks(length, 1000)]
    assert np.array_equal(np.concatenate([whole[:0], *parts]), whole) and all(0 < part.size <= 1000 for part in parts)


@pytest.mark.parametrize("rates", [(48000, 16000), (44100, 16000), (16000, 48000), (2.5, 1), (16000, 16000)], ids=str)
@pytest.mark.parametrize("size", BLOCKS)
def test_resampling_in_parts_is_resampling_at_once(rates: tuple[float, float], size: int) -> None:
    """Whatever the parts, not a bit of a sample differs."""
    samples = noisy(50_001)
    parts = list(dsp.resampled(cut(samples, size), *rates))
    assert np.array_equal(np.concatenate(parts), dsp.resample(samples, *rates))


@pytest.mark.parametrize("size", BLOCKS)
@pytest.mark.parametrize("channels", [1, 2, 8])
def test_levels_and_means_of_blocks(monkeypatch: pytest.MonkeyPatch, size: int, channels: int) -> None:
    """The mean of the channels, the peak and the count of broken samples do not depend on the size of the blocks."""
    samples = noisy(50_001, channels)
    mean = samples.mean(axis=0, dtype=np.float64).astype(np.float32)
    monkeypatch.setattr(dsp, "BLOCK", size)
    assert np.array_equal(dsp.mono(samples), mean)
    assert dsp.peak(samples) == np.abs(samples).max() and dsp.not_finite(samples) == 0
    samples[0, [0, 7000, -1]] = np.nan, np.inf, -np.inf
    assert dsp.not_finite(samples) == 3


@pytest.mark.parametrize("rate", [16000, 44100])
@pytest.mark.parametrize("channels", [1, 2, 5])
@pytest.mark.parametrize("length", [6400, 17640, 61_234, 100_000])
def test_loudness_is_that_of_pyloudnorm(rate: int, channels: int, length: int) -> None:
    """To 1e-9 dB, with both gates at work, for any size of parts."""
    from pyloudnorm import Meter

    samples = noisy(length, channels)
    if length < 0.4 * rate:
        assert loudness(Clip(samples, rate)) is None
        return
    expected = Meter(rate).integrated_loudness(samples.T.astype(np.float64))
    for size in (*BLOCKS, 37):
        meter = LoudnessMeter(rate, channels)
        for part in cut(samples[:, :20_000] if size == 37 else samples, size):
            meter.add(part)
        if size != 37 or length <= 20_000:
            assert meter.integrated() == pytest.approx(expected, abs=1e-9)


def test_parts_of_a_file_are_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of WAV, FLAC, OGG and MP3, put together, are what is read at once, and so are the complaints."""
    monkeypatch.setattr(dsp, "BLOCK", 4096)
    for name in ("a.wav", "a.flac", "a.ogg", "a.mp3"):
        soundfile.write(tmp_path / name, noisy(50_001, 2).T, 44100)
        whole, facts = media.read(tmp_path / name)
        parts = list(media.blocks(tmp_path / name))
        assert len(parts) > 10 and np.array_equal(np.concatenate(parts, axis=1), whole.samples), name
        assert media.header(tmp_path / name) == facts
    broken = noisy(50_001)
    broken[[5000, 40_000]] = np.nan
    soundfile.write(tmp_path / "nan.wav", broken, 16000, subtype="FLOAT")
    read = media.blocks(tmp_path / "nan.wav")
    assert np.isfinite(next(read)).all()
    with pytest.raises(Unreadable, match="2 of 50001 samples are not finite"):
        next(read)
    soundfile.write(tmp_path / "cut.flac", noisy(50_001), 16000)
    os.truncate(tmp_path / "cut.flac", 40_000)
    for everything in (media.read, lambda path: list(media.blocks(path))):
        with pytest.raises(Unreadable, match="not audio that libsndfile reads"):
            everything(tmp_path / "cut.flac")


@pytest.mark.parametrize("waiting", [1, 2**26], ids=["in a file", "in memory"])
@pytest.mark.parametrize(("rate", "level"), [(48000, 0.5), (44100, 40.0), (16000, 0.5), (8000, 1.0)])
def test_streamed_conversion(
    workplace: Path,
    scripts: dict[str, Script],
    monkeypatch: pytest.MonkeyPatch,
    waiting: int,
    rate: int,
    level: float,
) -> None:
    """The samples of the clip, and all facts, are those of a conversion of the whole, also where it is lowered."""
    from percept.stages import convert

    monkeypatch.setattr(dsp, "BLOCK", 5000)
    monkeypatch.setattr(convert, "IN_MEMORY_BYTES", waiting)
    samples = level * noisy(61_234, 2)
    soundfile.write(workplace / "original_audio" / "long.wav", samples.T, rate, subtype="FLOAT")
    assert scripts["convert"]() == 0
    record = Manifest(workplace / "test_audio").find("convert", "long")
    assert record is not None
    whole = dsp.resample(samples.mean(axis=0, dtype=np.float64).astype(np.float32), rate, 16000)
    excess = max(float(whole.max()) / convert.FULL_SCALE, -float(whole.min()))
    whole = (whole * (1 / excess if excess > 1 else 1.0)).astype(np.float32)
    assert (excess > 1) == (level > 10)
    found, _ = soundfile.read(workplace / "test_audio" / "long_clean.wav", dtype="int16")
    assert np.array_equal(found, dsp.to_pcm16(whole))
    assert record.facts["source_loudness_lufs"] == pytest.approx(loudness(Clip(samples, rate)), abs=1e-9)
    assert record.facts["loudness_lufs"] == pytest.approx(loudness(Clip(whole, 16000)), abs=1e-9)
    assert record.facts["source_peak_db"] == pytest.approx(20 * np.log10(np.abs(samples).max()), abs=1e-4)
    assert record.facts["peak_db"] == pytest.approx(20 * np.log10(np.abs(whole).max()), abs=1e-4)
    assert record.facts["source_seconds"] == 61_234 / rate
    assert sorted(path.name for path in (workplace / "test_audio").iterdir() if "percept" in path.name) == []


def test_short_and_long_clips_in_one_run(workplace: Path, scripts: dict[str, Script]) -> None:
    """A clip of a single block is no special case."""
    soundfile.write(workplace / "original_audio" / "brief.wav", chirp(0.02), 16000)
    assert scripts["convert"]() == 0
    record = Manifest(workplace / "test_audio").find("convert", "brief")
    assert record is not None and record.facts["loudness_lufs"] is None
