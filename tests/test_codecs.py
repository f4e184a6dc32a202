"""Codecs: what comes back lies where it lay, and the bits are those of a real file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from percept import dsp
from percept.codecs import CODECS, _clips, _container, _ffmpeg, _neural, ffmpeg, neural
from percept.records import Codec, Coded, Weights
from percept.schema import Array, Clip, PerceptError, Unscorable
from percept.weights import resolve

RATES_HZ = (8000, 16000, 24000, 44100, 48000)
FILES = ("mp3", "opus", "aac", "mulaw", "g722")
NETWORKS = {network.name: network for network in neural.NETWORKS}
UNTRAINED = Weights("untrained", "untrained-0")
ALONE = ("mulaw", "g722", "encodec", "dac", "mimi")
"""Codecs for one channel: two cost twice the rate."""
CODECS_AND_LEVELS = [(name, level) for name in FILES for level in CODECS[name].levels]


def signal(kind: str, rate: int, channels: int, speech: Clip, seconds: float = 1.0) -> Clip:
    """Noise, pink noise or speech; of two channels the second is softer and has a little noise of its own."""
    generator = np.random.default_rng(5)
    count = round(rate * seconds)
    noise = generator.standard_normal(count)
    if kind == "noise":
        wave = 0.1 * noise
    elif kind == "pink":
        spectrum = np.fft.rfft(noise) / np.sqrt(np.maximum(np.fft.rfftfreq(count, 1 / rate), 50))
        wave = 0.5 * np.fft.irfft(spectrum, count)
        wave /= 2 * np.abs(wave).max()
    else:
        begin = speech.samples[: round(seconds * speech.rate)]
        wave = dsp.fit_length(dsp.resample(begin, speech.rate, rate), count)
    if channels == 2:
        wave = np.stack([wave, 0.7 * wave + 0.02 * np.abs(wave).max() * generator.standard_normal(count)])
    return Clip(wave.astype(np.float32), rate)


def run(name: str, clip: Clip, level: float) -> Coded:
    """A codec by its name, the neural ones untrained; the level is that of one channel for codecs of one."""
    channels = np.atleast_2d(clip.samples).shape[0]
    kbps = level * channels if name in ALONE else level
    return CODECS[name].code(clip, kbps, *([UNTRAINED] if name in NETWORKS else []))


def lags(reference: Clip, decoded: Array) -> list[int]:
    """Where the cross-correlation of each channel with its reference peaks, in samples; positive: late."""
    size = 2 * reference.samples.shape[-1]
    both = zip(np.atleast_2d(reference.samples), np.atleast_2d(decoded), strict=True)
    found = []
    for first, second in both:
        product = np.fft.irfft(np.fft.rfft(second, size) * np.conj(np.fft.rfft(first, size)), size)
        peak = int(np.argmax(np.abs(product)))
        found.append(peak if peak < size // 2 else peak - size)
    return found


def snr(reference: Clip, decoded: Array) -> float:
    error = (reference.samples - decoded).astype(np.float64)
    return float(10 * np.log10(np.sum(reference.samples.astype(np.float64) ** 2) / np.sum(error**2)))


def band_distance(reference: Clip, decoded: Array) -> float:
    """Mean difference of the levels in 24 bands of equal logarithmic width, in dB."""
    levels = []
    for samples in (reference.samples, decoded):
        power = dsp.power_spectrogram(np.atleast_2d(samples)[0], 512, 256)
        edges = np.unique(np.geomspace(1, power.shape[1] - 1, 25).astype(int))
        levels.append(10 * np.log10(np.add.reduceat(power, edges, axis=1) + 1e-6))
    return float(np.mean(np.abs(levels[0] - levels[1])))


def check(name: str, clip: Clip, level: float) -> Coded:
    """Shape, place and bits, as the contract says."""
    coded = run(name, clip, level)
    assert coded.samples.shape == clip.samples.shape
    assert coded.samples.dtype == np.float32
    assert np.isfinite(coded.samples).all()
    assert coded.file_bits % 8 == 0
    assert 0 < coded.payload_bits <= coded.file_bits
    assert coded.facts["achieved_kbps"] == pytest.approx(coded.payload_bits / clip.seconds / 1000, abs=0.001)
    return coded


def check_place(name: str, clip: Clip, level: float) -> None:
    most = 4 if (name, level) == ("opus", 6) else 0
    assert max(map(abs, lags(clip, check(name, clip, level).samples))) <= most


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.name)
def test_a_record_is_complete(codec: Codec) -> None:
    """Levels go from mild to harsh within the limits; the licence and the files are named."""
    assert list(codec.levels) == sorted(codec.levels, reverse=True)
    assert codec.limits[0] <= codec.levels[-1] <= codec.levels[0] <= codec.limits[1]
    assert codec.licence
    assert bool(codec.files()) == (codec.name in NETWORKS)
    assert codec.condition(codec.levels[-1]).endswith("k")


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate", [8000, 44100])
@pytest.mark.parametrize(("name", "level"), CODECS_AND_LEVELS)
def test_what_comes_back_lies_where_it_lay(name: str, level: float, rate: int, channels: int, speech: Clip) -> None:
    check_place(name, signal("pink", rate, channels, speech), level)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["noise", "pink", "speech"])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate", RATES_HZ)
@pytest.mark.parametrize("name", FILES)
def test_every_rate_lies_where_it_lay_and_improves(
    name: str, rate: int, channels: int, kind: str, speech: Clip
) -> None:
    """Lag, length, growing bits, and a growing SNR or a falling distance of band levels."""
    clip = signal(kind, rate, channels, speech, seconds=2.0)
    levels = CODECS[name].levels
    for level in levels:
        check_place(name, clip, level)
    coded = [check(name, clip, level) for level in reversed(levels)]
    assert all(np.diff([c.payload_bits for c in coded]) > 0)
    assert all(np.diff([c.file_bits for c in coded]) > 0)
    quality = [snr(clip, c.samples) for c in coded]
    distance = [band_distance(clip, c.samples) for c in coded]
    assert all(np.diff(quality) > 0) or all(np.diff(distance) < 0), (quality, distance)


@pytest.mark.parametrize("name", ["mp3", "opus", "aac"])
def test_more_bits_sound_better(name: str, speech: Clip) -> None:
    clip = signal("speech", 16000, 1, speech, seconds=2.0)
    coded = [check(name, clip, level) for level in reversed(CODECS[name].levels)]
    assert all(np.diff([c.payload_bits for c in coded]) > 0)
    assert all(np.diff([band_distance(clip, c.samples) for c in coded]) < 0)
    assert all(np.diff([snr(clip, c.samples) for c in coded]) > 0)


@pytest.mark.parametrize(("name", "rate", "least"), [("mulaw", 8000, 35), ("g722", 16000, 20)])
def test_telephone_codecs_keep_what_their_standards_promise(name: str, rate: int, least: float, speech: Clip) -> None:
    clip = signal("speech", rate, 1, speech)
    coded = check(name, clip, 64)
    assert snr(clip, coded.samples) > least
    assert coded.facts["coded_rate"] == rate
    assert coded.payload_bits == pytest.approx(64000, abs=100)


@pytest.mark.parametrize("kbps", [32, 64, 128, 160, 192, 224, 256, 320])
def test_mp3_keeps_the_level(kbps: float) -> None:
    """LAME makes everything 5 % softer below 192 kbit/s; a tone comes back as loud as it was."""
    tone = (0.2 * np.sin(2 * np.pi * 440 * np.arange(44100) / 44100)).astype(np.float32)
    heard = run("mp3", Clip(tone, 44100), kbps).samples
    assert np.vdot(heard, tone) / np.vdot(tone, tone) == pytest.approx(1, abs=0.002)


def test_mulaw_follows_the_standard() -> None:
    """G.711's decision values: full scale decodes to 32124 of 32768, the first step to 8."""
    clip = Clip(np.array([0.0, 1.0, -1.0, 8 / 32768, -8 / 32768] * 50, np.float32), 8000)
    steps = np.round(run("mulaw", clip, 64).samples[:5] * 32768)
    assert list(steps) == [0, 32124, -32124, 8, -8]


@pytest.mark.parametrize("name", FILES)
def test_the_same_clip_gives_the_same_bytes(name: str, speech: Clip) -> None:
    clip = signal("pink", 44100, 2, speech, seconds=0.3)
    first, second = (run(name, clip, CODECS[name].levels[0]) for _ in range(2))
    assert np.array_equal(first.samples, second.samples)
    assert (first.payload_bits, first.file_bits, first.facts) == (second.payload_bits, second.file_bits, second.facts)


def test_bits_are_those_of_the_file() -> None:
    """The Ogg file, its packets and the count agree; 20 ms of Opus at 24 kbit/s are 60 bytes."""
    samples = np.random.default_rng(0).standard_normal((1, 48000)).astype(np.float32) / 10
    content = _ffmpeg.write([samples], 1, 48000, 24, ffmpeg.OPUS)
    assert content[:4] == b"OggS"
    packets = list(_ffmpeg.packets(content))
    assert {len(packet) for packet in packets if packet} == {60}
    coded = run("opus", Clip(samples[0, :-6], 48000), 24)
    assert (coded.payload_bits, coded.file_bits) == (8 * sum(map(len, packets)), 8 * len(content))


@pytest.mark.parametrize(
    ("name", "clip_rate", "kbps", "channels", "coded_rate"),
    [
        ("mp3", 44100, 32, 1, 44100),
        ("mp3", 44100, 16, 1, 24000),
        ("mp3", 48000, 8, 2, 12000),
        ("mp3", 16000, 128, 1, 16000),
        ("mp3", 8000, 128, 1, 16000),
        ("mp3", 16000, 320, 1, 32000),
        ("aac", 8000, 64, 1, 16000),
        ("aac", 44100, 128, 2, 44100),
        ("opus", 8000, 6, 1, 48000),
        ("mulaw", 44100, 64, 1, 8000),
        ("g722", 8000, 64, 1, 16000),
    ],
)
def test_a_rate_that_would_be_clamped_is_coded_at_another_sample_rate(
    name: str, clip_rate: int, kbps: float, channels: int, coded_rate: int, speech: Clip
) -> None:
    coded = check(name, signal("pink", clip_rate, channels, speech), kbps)
    assert coded.facts["coded_rate"] == coded_rate
    assert coded.facts["requested_kbps"] == kbps
    assert coded.facts["achieved_kbps"] == pytest.approx(kbps, rel=0.16)


@pytest.mark.parametrize(
    ("name", "kbps", "channels"),
    [("mp3", 33, 1), ("mp3", 4, 1), ("mp3", 640, 2), ("opus", 5, 1), ("opus", 300, 1), ("aac", 8, 1), ("aac", 300, 1),
     ("aac", 16, 2), ("mulaw", 32, 1), ("mulaw", 64, 2), ("g722", 48, 1)],
)  # fmt: skip
def test_a_rate_that_nothing_reaches_is_refused(name: str, kbps: float, channels: int, speech: Clip) -> None:
    with pytest.raises(Unscorable, match=rf"no rate of {kbps} kbit/s for {channels} channel\(s\); it has"):
        CODECS[name].code(signal("pink", 16000, channels, speech, seconds=0.1), float(kbps))


@pytest.mark.parametrize("rate", [8000, 44100])
@pytest.mark.parametrize("samples", [np.full(1, 0.5), np.full((2, 7), 0.5), np.zeros(16000), np.tile([1.0, -1.0], 900),
                                     np.ones((1, 800))], ids=["one", "seven", "silence", "full", "direct"])  # fmt: skip
@pytest.mark.parametrize(("name", "level"), CODECS_AND_LEVELS)
def test_odd_clips_come_back(name: str, level: float, samples: Array, rate: int) -> None:
    check(name, Clip(samples.astype(np.float32), rate), level)


@pytest.mark.parametrize("name", ["mp3", "dac"])
@pytest.mark.parametrize(
    ("samples", "reason"),
    [(np.zeros(0), "no samples"), (np.zeros((3, 9)), "3 channels"), (np.full(9, np.nan), "not finite")],
)
def test_useless_clips_are_refused(name: str, samples: Array, reason: str) -> None:
    with pytest.raises(Unscorable, match=reason):
        run(name, Clip(samples.astype(np.float32), 16000), CODECS[name].levels[0])


@pytest.mark.parametrize("rate", [8000, 16000, 22050, 44100])
def test_a_higher_rate_and_back_changes_nothing(rate: int) -> None:
    """The whole band survives the detour to 48 kHz, but for the very ends: white noise from the first sample on."""
    samples = np.random.default_rng(0).standard_normal((2, rate)).astype(np.float32)
    back = _clips.at_rate(_clips.at_rate(samples, rate, 48000), 48000, rate)[:, :rate]
    assert np.abs(back - samples)[:, 200:-200].max() < 0.04


def test_opus_modes_are_told_apart() -> None:
    """RFC 6716, table 2: configurations 0 to 3 are the narrow speech mode, 31 is music."""
    assert ffmpeg.opus_delay([bytes([0 << 3]), bytes([3 << 3]), b""]) == 6
    assert ffmpeg.opus_delay([bytes([31 << 3])]) == ffmpeg.opus_delay([]) == 0


@pytest.mark.parametrize("bits", [10, 11])
@pytest.mark.parametrize("count", [1, 3, 8, 13])
def test_container_gives_back_what_was_packed(bits: int, count: int) -> None:
    """Any number of codes, so any number of odd bits; and the file is as long as the layout says."""
    generator = np.random.default_rng(count)
    codes = [generator.integers(0, 2**bits, (1, 2, frames)) for frames in (count, 1)]
    scales = generator.standard_normal(2).astype(np.float32)
    header = _container.Header(3, 2, 1, 44100, 12345)
    content = _container.pack(header, codes, scales, bits)
    assert len(content) == 16 + 8 + -(-2 * (count + 1) * bits // 8)
    assert _container.read_header(content) == header
    read, read_scales = _container.unpack(content, [chunk.shape for chunk in codes], 2, bits)
    assert all(np.array_equal(*pair) for pair in zip(read, codes, strict=True))
    assert np.array_equal(read_scales, scales)


def test_container_is_laid_out_by_hand() -> None:
    """Codes 1 and 2 in ten bits are 0000000001 0000000010 and four zeros."""
    content = _container.pack(_container.Header(3, 2, 1, 8000, 5), [np.array([1, 2])], np.zeros(0, np.float32), 10)
    assert content == b"PNCF\x01\x03\x02\x01\x40\x1f\0\0\x05\0\0\0" + bytes([0b00000000, 0b01000000, 0b00100000])


@pytest.mark.parametrize("content", [b"", b"OggS" + bytes(20), b"PNCF\x01\x09" + bytes(20)])
def test_a_damaged_neural_file_is_refused(content: bytes) -> None:
    with pytest.raises(PerceptError, match="neural codec file"):
        _neural.decode(content, UNTRAINED)


@pytest.mark.parametrize(
    ("name", "samples", "frames"),
    [("encodec", 24000, [75]), ("encodec", 24001, [76]), ("dac", 44100, [87]), ("dac", 512, [1]), ("mimi", 24000, [13]),
     ("encodec_48", 47520, [149]), ("encodec_48", 48000, [150, 2]), ("encodec_48", 1, [1])],
)  # fmt: skip
def test_frames_are_counted(name: str, samples: int, frames: list[int]) -> None:
    assert NETWORKS[name].frames(samples) == frames


@pytest.mark.parametrize(
    ("name", "levels"),
    [("encodec", [1.5, 3, 6, 12, 24]), ("encodec_48", [3, 6, 12, 24]), ("mimi", [0.1375 * k for k in range(1, 33)]),
     ("dac", [0.861328125 * k for k in range(1, 10)])],
)  # fmt: skip
def test_levels_are_numbers_of_codebooks(name: str, levels: list[float]) -> None:
    network = NETWORKS[name]
    assert [network.kbps(count) for count in network.codebooks] == pytest.approx(levels)
    assert [network.codebooks_for(level, 1) for level in levels] == list(network.codebooks)
    assert [network.codebooks_for(round(level, 2), 1) for level in levels] == list(network.codebooks)
    with pytest.raises(PerceptError, match="has no rate of 5 kbit/s for 1 channel"):
        network.codebooks_for(5, 1)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize(("name", "rate"), [("encodec", 16000), ("encodec_48", 44100), ("dac", 44100), ("mimi", 8000)])
def test_neural_codecs_keep_the_contract(name: str, rate: int, channels: int, speech: Clip) -> None:
    """Length and rate return, bits are codes × bits (+ scales), the header adds 16 bytes; the same twice."""
    clip = signal("noise", rate, channels, speech, seconds=0.11)
    network = NETWORKS[name]
    streams = network.streams(channels)
    sizes = []
    for level in reversed(CODECS[name].levels[1:]):
        first = check(name, clip, level)
        frames = sum(network.frames(int(np.ceil(clip.samples.shape[-1] * network.rate / rate))))
        count = network.codebooks_for(level, 1)
        scales = 32 if network.chunk else 0
        assert first.payload_bits == streams * count * frames * network.bits + scales
        assert first.file_bits == 8 * (16 + scales // 8 + -(-streams * count * frames * network.bits // 8))
        one_frame = network.kbps(count) * streams * network.hop / network.rate * 1000
        assert first.payload_bits - scales - 1000 * network.kbps(count) * streams * clip.seconds < one_frame + 1e-6
        sizes.append(first.payload_bits)
    assert sizes[0] < sizes[1]
    again = run(name, clip, CODECS[name].levels[1])
    assert np.array_equal(again.samples, first.samples)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "level"), [(n, v) for n in NETWORKS for v in CODECS[n].levels])
@pytest.mark.parametrize("rate", RATES_HZ)
def test_neural_codecs_at_every_rate(name: str, level: float, rate: int, speech: Clip) -> None:
    for channels in (1, 2):
        check(name, signal("pink", rate, channels, speech, seconds=0.1), level)
    for samples in (np.ones(1), np.zeros((2, 1000))):
        check(name, Clip(samples.astype(np.float32), rate), level)


def test_encodec_has_its_bits_exactly(speech: Clip) -> None:
    """A fifth of a second is 15 frames: no frame is filled up."""
    clip = signal("speech", 24000, 1, speech, seconds=0.2)
    assert [run("encodec", clip, kbps).payload_bits for kbps in (1.5, 3, 6, 12, 24)] == [300, 600, 1200, 2400, 4800]


def test_encodec_48_splits_a_clip_into_seconds(speech: Clip) -> None:
    clip = signal("pink", 48000, 2, speech, seconds=1.05)
    coded = check("encodec_48", clip, 3)
    assert coded.payload_bits == 2 * 10 * (150 + 9) + 2 * 32


def test_the_control_leaves_the_global_generator_alone_and_follows_its_seed() -> None:
    network = NETWORKS["encodec_48"]
    before = torch.get_rng_state()
    first, same, other = (_neural.untrained(network, seed).state_dict() for seed in (1, 1, 2))
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(first[name], same[name]) for name in first)
    assert not torch.equal(first["encoder.layers.0.conv.weight"], other["encoder.layers.0.conv.weight"])
    assert first["quantizer.layers.0.codebook.embed"].std() == pytest.approx(1, abs=0.02)


def official(name: str, folder: Path, seed: int = 7) -> Path:
    """The control's numbers in the layout of the official file, under its name."""
    network = NETWORKS[name]
    _neural.untrained(network, seed).save_pretrained(folder / name)
    tensors = load_file(folder / name / "model.safetensors")
    # The files on the hub are older than torch's parametrizations.
    for new, old in (
        ("parametrizations.weight.original0", "weight_g"),
        ("parametrizations.weight.original1", "weight_v"),
    ):
        tensors = {key.replace(new, old): numbers for key, numbers in tensors.items()}
    assert any(key.endswith("weight_g") for key in tensors) == (name == "encodec")
    save_file(tensors, folder / network.file.name)
    return folder / network.file.name


@pytest.mark.parametrize(
    "name", ["encodec", "encodec_48", *(pytest.param(n, marks=pytest.mark.slow) for n in ("dac", "mimi"))]
)
def test_official_files_are_loaded(name: str, tmp_path: Path, speech: Clip, capsys: pytest.CaptureFixture[str]) -> None:
    """Found by the rules for all weights, told by their digest, and the output is that of the same numbers."""
    official(name, tmp_path)
    codec = CODECS[name]
    weights, warning = resolve(codec.files(), "pretrained", weights_dir=tmp_path, title=codec.title)
    assert weights.kind == "pretrained"
    assert not warning
    clip = signal("noise", 24000, 1, speech, seconds=0.1)
    capsys.readouterr()
    loaded = codec.code(clip, codec.levels[1], weights)
    assert capsys.readouterr() == ("", "")
    same = codec.code(clip, codec.levels[1], Weights("untrained", "untrained-7", seed=7))
    other = codec.code(clip, codec.levels[1], UNTRAINED)
    assert np.array_equal(loaded.samples, same.samples)
    assert not np.array_equal(loaded.samples, other.samples)
    assert loaded.facts["weights"] == weights.identity


def test_a_file_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    """A tensor of another shape, one too few, one too many, and something else altogether: one line each."""
    path = official("encodec_48", tmp_path)
    network = NETWORKS["encodec_48"]
    weights = Weights("pretrained", "broken", {network.file.name: path})
    tensors = load_file(path)
    name = "decoder.layers.0.conv.bias"
    without = {key: numbers for key, numbers in tensors.items() if key != name}
    for content, word in (
        (tensors | {name: torch.zeros(3)}, "another shape for"),
        (without, "lacks"),
        (tensors | {"stranger": torch.zeros(3)}, "unknown stranger"),
    ):
        save_file(content, path)
        with pytest.raises(PerceptError, match=word):
            _neural.pretrained(network, weights)
    path.write_bytes(b"<html>")
    with pytest.raises(PerceptError, match="not a safetensors file"):
        _neural.pretrained(network, weights)
