"""Long recordings: what is done block by block gives what is done at once."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from conftest import ROOT, Script, chirp

from percept import dsp, embeddings, media, metrics, stored
from percept.codecs import CODECS, _clips, _ffmpeg, ffmpeg
from percept.degradations import DEGRADATIONS
from percept.embeddings import _resample
from percept.embeddings._embedder import Embedder
from percept.embeddings._resample import Table
from percept.loudness import LoudnessMeter, loudness
from percept.metrics import METRICS, SIMILARITIES
from percept.records import Codec, Weights
from percept.schema import Array, Clip, Unreadable, Unscorable
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


def direct(name: str, samples: Array, level: float) -> Array:
    """The three simplest degradations as they are defined, at once."""
    if name == "noise":
        noise = np.random.default_rng(1).standard_normal(samples.size)
        return (samples + level * noise).astype(np.float32)
    if name == "bit_depth":
        steps = 2 ** (level - 1)
        return np.asarray(np.clip(np.round(samples.astype(np.float64) * steps), -steps, steps - 1) / steps, np.float32)
    return dsp.fit_length(dsp.resample(dsp.resample(samples, level, 1), 1, level), samples.size)


@pytest.mark.parametrize("size", BLOCKS)
@pytest.mark.parametrize("length", [1, 999, 50_001])
@pytest.mark.parametrize(
    ("name", "level"), [("noise", 0.01), ("bandwidth", 2.5), ("bandwidth", 4), ("bit_depth", 8), ("bit_depth", 2)]
)
def test_degrading_in_blocks(monkeypatch: pytest.MonkeyPatch, name: str, level: float, length: int, size: int) -> None:
    """Not a bit differs from the whole at once, noise included."""
    samples = noisy(length)
    monkeypatch.setattr(dsp, "BLOCK", size)
    made = DEGRADATIONS[name].apply(Clip(samples, 16000), level, np.random.default_rng(1))
    assert np.array_equal(made, direct(name, samples, level))


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize(("name", "level"), [("mp3", 64), ("opus", 24), ("aac", 64), ("mulaw", 64), ("g722", 64)])
def test_coding_in_blocks(monkeypatch: pytest.MonkeyPatch, name: str, level: float, channels: int) -> None:
    """Bits, and every sample that is heard, do not depend on how the clip is handed to the encoder."""
    level *= channels if name in {"mulaw", "g722"} else 1
    clip = Clip(noisy(33_333, channels), 16000)
    whole = CODECS[name].code(clip, level)
    monkeypatch.setattr(dsp, "BLOCK", 5000)
    parts = CODECS[name].code(clip, level)
    assert (parts.payload_bits, parts.file_bits) == (whole.payload_bits, whole.file_bits)
    assert np.array_equal(parts.samples, whole.samples)


def test_a_file_does_not_depend_on_its_parts() -> None:
    """An Ogg file of two channels is the same, byte for byte."""
    samples = noisy(48_000, 2)
    contents = {_ffmpeg.write(cut(samples, size), 2, 48000, 64, ffmpeg.OPUS) for size in (*BLOCKS, 960)}
    assert len(contents) == 1


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rates", [(16000, 48000), (48000, 16000), (44100, 16000)], ids=str)
@pytest.mark.parametrize("beyond", [-1, 0, 1, 4096, 9000])
def test_long_signals_are_resampled_in_pieces(
    monkeypatch: pytest.MonkeyPatch, rates: tuple[int, int], channels: int, beyond: int
) -> None:
    """Pieces of whatever lengths join to the length and, in all but the edge of the band, the samples of the whole."""
    t = np.arange(5 * 8192 + beyond) / rates[0]
    row = np.sin(2 * np.pi * 440 * t) * np.sin(2 * np.pi * 3 * t)
    samples = np.stack([row, row[::-1]][:channels]).astype(np.float32)
    whole = _clips.at_rate(samples, *rates)
    for name, value in (("WHOLE", 1000), ("PIECE", 8192), ("REACH", 4096)):
        monkeypatch.setattr(_clips, name, value)
    for size in (960, 5000, 100_000):
        parts = list(_clips.resampled(cut(samples, size), samples.shape[-1], *rates))
        joined = np.concatenate(parts, axis=1)
        assert len(parts) >= 4 and joined.shape == whole.shape
        assert np.abs(joined - whole).max() < 1e-4


@pytest.mark.parametrize(("skipped", "length"), [(0, 10), (3, 10), (3, 7), (12, 5), (0, 0)])
def test_parts_are_fitted(skipped: int, length: int) -> None:
    """The first samples go, the rest is cut or followed by zeros."""
    samples = np.arange(1, 11, dtype=np.float32)[None]
    expected = dsp.fit_length(samples[0, skipped:], length)
    for size in (1, 4, 10):
        parts = [samples[:, :0], *_clips.fitted(cut(samples, size), skipped, length, 1)]
        assert np.array_equal(np.concatenate(parts, axis=1)[0], expected)


@functools.cache
def embedder(spec: str) -> Embedder:
    """A network with seeded weights."""
    return embeddings.load(spec, Weights("none" if spec in {"logmel", "cdpam"} else "untrained", "0", seed=0))


def at_once(network: Embedder, samples: Array, rate: int) -> Array:
    """The embedding of the whole waveform, resampled and cut at once."""
    windows = network.windows(torch.from_numpy(samples)[None], rate)[0]
    return np.concatenate([network.infer(part).float().numpy() for part in torch.split(windows, network.chunk)])


@pytest.mark.parametrize(
    ("spec", "seconds", "rates"),
    [
        ("logmel", 60.3, (8000, 16000, 22050, 44100, 48000)),
        ("vggish", 4.0, (8000, 16000, 22050, 44100)),
        ("openl3:mel128,hop=0.9", 2.5, (16000, 44100)),
        ("openl3:mel128,hop=2.5", 4.0, (16000,)),
    ],
)
def test_embedding_in_parts(spec: str, seconds: float, rates: tuple[int, ...]) -> None:
    """Bit for bit that of the whole, with gaps between windows, too; 60 s are two parts of the resampler."""
    for rate in rates:
        samples = noisy(round(seconds * rate) + 7)
        made = embeddings.embed(embedder(spec), Clip(samples, rate))
        assert made.shape == (embedder(spec).frames(samples.size, rate), embedder(spec).dimension)
        assert np.array_equal(made, at_once(embedder(spec), samples, rate)), rate


@pytest.mark.parametrize("size", [1, 3, 64])
@pytest.mark.parametrize("rate", [16000, 22050, 44100])
@pytest.mark.parametrize("beyond", [-1, 0, 1])
def test_windows_come_out_the_same_in_any_parts(
    monkeypatch: pytest.MonkeyPatch, rate: int, beyond: int, size: int
) -> None:
    """Whatever the parts and chunks, around a whole number of windows: every window once, equal to rounding."""
    network = embedder("logmel")
    length = rate // 100 * (2 * 64 + 1) + beyond
    waveform = torch.from_numpy(noisy(length))[None]
    whole = network.windows(waveform, rate)[0]
    monkeypatch.setattr(_resample, "GROUPS_AT_ONCE", 2)
    monkeypatch.setattr(_resample, "PART", 777)
    runs = list(network.runs(waveform, rate, size))
    assert {len(run) for run in runs[:-1]} <= {size} and len(runs) == -(-len(whole) // size)
    assert torch.allclose(torch.cat(runs), whole, rtol=0, atol=1e-14)


@pytest.mark.parametrize("table", ["exact", "resampy"])
@pytest.mark.parametrize(
    "rates", [(16000, 48000), (44100, 16000), (48000, 16000), (44100, 22050), (22050, 16000)], ids=str
)
def test_resampler_in_parts(monkeypatch: pytest.MonkeyPatch, rates: tuple[int, int], table: Table) -> None:
    """The late clock goes on from part to part."""
    waveform = torch.from_numpy(noisy(60_001, 2)).double()
    whole = _resample.resample(waveform, *rates, table)
    monkeypatch.setattr(_resample, "GROUPS_AT_ONCE", 3)
    parts = list(_resample.resampled(waveform.float(), *rates, table))
    assert len(parts) > 3 and torch.allclose(torch.cat(parts, dim=1), whole, rtol=0, atol=1e-14)


@pytest.mark.parametrize(("spec", "length"), [("vggish", 15_599), ("logmel", 0)])
def test_too_short_for_a_window(spec: str, length: int) -> None:
    """A clip without a window is refused before any work."""
    with pytest.raises(Unscorable):
        embeddings.embed(embedder(spec), Clip(noisy(length), 16000))


def pair(length: int) -> tuple[Clip, Clip]:
    """A clip, and the same with noise."""
    clean = noisy(length)
    return Clip(clean, 16000), Clip(clean + 0.1 * noisy(length, seed=1), 16000)


ADDITIVE = ("snr", "si_sdr", "lsd", "mrstft", "logmel_distance", "seg_snr")


@pytest.mark.parametrize("length", [16_000, 50_001])
@pytest.mark.parametrize("name", ADDITIVE)
def test_measures_of_blocks(monkeypatch: pytest.MonkeyPatch, name: str, length: int) -> None:
    """Block by block they are what they are at once, to rounding."""
    monkeypatch.setattr(dsp, "FRAMED", 2**30)
    whole = metrics.score(METRICS[name], *pair(length)).value
    for size in BLOCKS:
        monkeypatch.setattr(dsp, "BLOCK", size)
        monkeypatch.setattr(dsp, "FRAMED", 10 * size)
        assert metrics.score(METRICS[name], *pair(length)).value == pytest.approx(whole, rel=1e-12)


def test_ratios_by_definition(monkeypatch: pytest.MonkeyPatch) -> None:
    """SNR and SI-SDR of blocks against their formulas on the whole."""
    monkeypatch.setattr(dsp, "BLOCK", 777)
    reference, degraded = pair(50_001)
    clean, other = (clip.samples.astype(np.float64) for clip in (reference, degraded))
    target = (other @ clean) / (clean @ clean) * clean
    ratios = {"snr": (clean, other - clean), "si_sdr": (target, other - target)}
    for name, (signal, rest) in ratios.items():
        expected = 10 * np.log10((signal @ signal) / (rest @ rest))
        assert metrics.score(METRICS[name], reference, degraded).value == pytest.approx(expected, rel=1e-12)
        assert metrics.score(METRICS[name], reference, reference).value == np.inf


@pytest.mark.parametrize("name", [similarity.name for similarity in SIMILARITIES])
def test_similarities_of_blocks(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Some frames at a time, and from float32, they are what they are at once in float64."""
    reference, degraded = (noisy(64, 203, seed=seed) for seed in (0, 1))
    baseline = reference.mean(axis=0, dtype=np.float64)
    compute = SIMILARITIES[name].compute
    whole = compute(reference.astype(np.float64), degraded.astype(np.float64), baseline)
    monkeypatch.setattr(dsp, "BLOCK", 640)
    assert compute(reference, degraded, baseline) == pytest.approx(whole, rel=1e-13)
    degraded[150] = 0
    if name == "similarity":
        with pytest.raises(Unscorable, match="all zeros"):
            compute(reference, degraded, baseline)


@pytest.mark.parametrize("length", [2048, 2049, 5000])
@pytest.mark.parametrize(("window", "hop"), [(512, 128), (400, 160), (100, 300)])
def test_blocks_of_frames(monkeypatch: pytest.MonkeyPatch, window: int, hop: int, length: int) -> None:
    """Spectrograms of the blocks, one after the other, are that of the whole."""
    samples = noisy(length)
    whole = dsp.power_spectrogram(samples, window, hop)
    for framed in (1, 3 * window, 10**9):
        monkeypatch.setattr(dsp, "FRAMED", framed)
        parts = [dsp.power_spectrogram(samples[part], window, hop) for part in dsp.frame_blocks(length, window, hop)]
        assert np.array_equal(np.concatenate(parts), whole)


@pytest.mark.parametrize(("length", "count"), [(10, 3), (9, 3), (2, 5), (0, 2)])
def test_equal_parts(length: int, count: int) -> None:
    """The parts that numpy would cut."""
    whole = np.arange(length)
    for part, expected in zip(dsp.equal_parts(length, count), np.array_split(whole, count), strict=True):
        assert np.array_equal(whole[part], expected)


@pytest.mark.parametrize("name", ["stoi", "estoi", "cdpam"])
def test_windows_of_measures_that_are_no_sums(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A clip longer than the measure takes gets the mean over equal windows, and a remark; one that is not, none."""
    metric = METRICS[name]
    assert metric.longest_s == 120 and "2 min" in metric.summary
    reference, degraded = pair(16_000)
    alone = metrics.score(metric, reference, degraded)
    assert alone.reason == "" and alone.value is not None
    short = replace(metric, longest_s=0.5)
    halves = [(Clip(reference.samples[h], 16000), Clip(degraded.samples[h], 16000)) for h in dsp.equal_parts(16_000, 2)]
    expected = [metrics.score(metric, *half).value for half in halves]
    made = metrics.score(short, reference, degraded)
    assert made.value == pytest.approx(np.mean(np.array(expected, dtype=float)))
    assert made.reason == "mean of 2 windows of 0.5 s"
    reference.samples[:8000] = 0
    made = metrics.score(short, reference, degraded)
    assert made.value == expected[1]
    assert made.reason == "mean of 1 windows of 0.5 s; 1 more could not be scored (a window is silent)"


@pytest.mark.parametrize("ending", ["wav", "flac"])
def test_a_recording_that_stays_in_its_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ending: str) -> None:
    """It has the samples, the scores and the complaints of one that was read."""
    reference, degraded = pair(50_001)
    for name, clip in (("reference", reference), ("degraded", degraded)):
        soundfile.write(tmp_path / f"{name}.{ending}", np.stack([clip.samples, clip.samples / 3], axis=1), clip.rate)
    paths = [tmp_path / f"{name}.{ending}" for name in ("reference", "degraded")]
    read = [media.read_mono(path) for path in paths]
    monkeypatch.setattr(stored, "LONG", 50_001)
    monkeypatch.setattr(dsp, "BLOCK", 4096)
    opened = [stored.open_mono(path) for path in paths]
    for one, other in zip(read, opened, strict=True):
        assert isinstance(other.samples, stored.Stored) and other.seconds == one.seconds
        assert np.array_equal(other.samples, one.samples) and np.array_equal(other.samples[7:99], one.samples[7:99])
        assert np.array_equal(other.samples[-5:], one.samples[-5:]) and other.samples.any()
        assert other.samples.max() == one.samples.max() and other.samples[3] == one.samples[3]
    for name in (*ADDITIVE, "stoi", "estoi", "pesq_wb", "dnsmos_ovrl"):
        assert metrics.score(METRICS[name], *opened) == metrics.score(METRICS[name], *read), name
    monkeypatch.setattr(stored, "LONG", 50_002)
    assert isinstance(stored.open_mono(paths[0]).samples, np.ndarray)
    soundfile.write(paths[0], np.full(50_002, np.nan), 16000, format="WAV", subtype="FLOAT")
    with pytest.raises(Unreadable, match="50002 of 50002 samples are not finite"):
        stored.open_mono(paths[0])


@pytest.mark.parametrize("rate", [16000, 44100])
def test_embeddings_and_versions_of_a_recording_that_stays_in_its_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, rate: int
) -> None:
    """They are those of one that was read, bit for bit."""
    monkeypatch.setattr(stored, "LONG", 20_000)
    monkeypatch.setattr(_resample, "PART", 5000)
    monkeypatch.setattr(dsp, "BLOCK", 4096)
    clip, _ = pair(50_001)
    path = tmp_path / "clip.wav"
    soundfile.write(path, clip.samples, rate, subtype="FLOAT")
    read, opened = media.read_mono(path), stored.open_mono(path)
    assert isinstance(opened.samples, stored.Stored)
    for name in ("logmel", "vggish"):
        network = embedder(name)
        assert np.array_equal(embeddings.embed(network, opened), embeddings.embed(network, read)), name
    families = [*map(DEGRADATIONS.__getitem__, DEGRADATIONS.names()), *map(CODECS.__getitem__, CODECS.names())]
    walking = [family for family in families if family.walks]
    assert {family.name for family in walking} >= {"noise", "mp3", "opus", "aac"}
    for family in walking:
        made = []
        for given in (read, opened):
            level = family.levels[0]
            if isinstance(family, Codec):
                made.append(family.code(given, level).samples)
            else:
                made.append(family.apply(given, level, np.random.default_rng(0)))
        assert np.array_equal(*made), family.name


def test_large_arrays_have_memory_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are ordinary arrays that can be written to."""
    monkeypatch.setattr(dsp, "FRAMED", 1000)
    for shape in ((2000,), (2, 600), (10,), (0, 3)):
        made = dsp.room(*shape)
        made[...] = 1
        assert made.shape == shape and made.dtype == np.float32 and made.sum() == np.prod(shape)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="this system does not tell a process's peak")
def test_peak_memory_of_a_long_recording(tmp_path: Path) -> None:
    """Twenty minutes at 48 kHz stereo, through all three scripts in one process each, stay under 700 MB."""
    (tmp_path / "original_audio").mkdir()
    with soundfile.SoundFile(tmp_path / "original_audio" / "long.flac", "w", 48000, channels=2) as file:
        for seed in range(120):
            file.write(0.1 * noisy(480_000, 2, seed=seed).T)
    scripts = {
        "audio_conversion": [],
        "extract_embeddings": ["--embeddings", "logmel", "--conditions", "noise:0.01", "opus:24"],
        "analyze_results": ["--measures", "snr", "lsd", "mrstft", "--targets", "snr", "--resamples", "100"],
    }
    for script, flags in scripts.items():
        program = (
            f"import sys\nfrom percept import cli\nstatus = cli.{script}(sys.argv[1:])\n"
            # Not resource.getrusage: its peak begins with that of the process that started this one.
            "lines = open('/proc/self/status').read().splitlines()\n"
            "peak = next(line.split()[1] for line in lines if line.startswith('VmHWM'))\n"
            "print(status, peak, file=sys.stderr)"
        )
        done = subprocess.run(
            [sys.executable, "-c", program, "--quiet", "--jobs", "1", *flags],
            cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True,
        )  # fmt: skip
        status, peak = map(int, done.stderr.split()[-2:])
        assert status == 0, done.stderr
        assert peak < 700 * 1024, f"{script}: {peak / 1024:.0f} MB"
