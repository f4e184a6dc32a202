"""Signal processing: what a change of rate keeps and kills, and levels and powers by hand."""

from __future__ import annotations

import numpy as np
import pytest

from percept import dsp
from percept.loudness import loudness
from percept.schema import Array, Array64, Clip, Unscorable

RATES = [(48000, 16000), (44100, 16000), (22050, 16000), (16000, 48000), (16000, 44100), (16000, 8000), (8000, 16000)]
FULL_SCALE_SINE_LUFS = -3.01
DB_OF_TWO = 20 * np.log10(2)


def tone(hertz: float, rate: int, seconds: float = 1.0, phase: float = 0.3) -> Array:
    """A full-scale sine."""
    return ideal(hertz, rate, round(seconds * rate), phase).astype(np.float32)


def ideal(hertz: float, rate: int, length: int, phase: float = 0.3) -> Array64:
    return np.asarray(np.sin(2 * np.pi * hertz * np.arange(length) / rate + phase))


def middle(samples: Array) -> slice:
    """The inner half, which no filter sees the ends from."""
    return slice(samples.size // 4, 3 * samples.size // 4)


def test_mono_is_the_mean_of_the_channels() -> None:
    """Channels of 1 and 0.5 become 0.75, not 1.5, and those that cancel become silence."""
    mixed = dsp.mono(np.array([[1.0, 0.25], [0.5, -0.25]], dtype=np.float32))
    assert mixed.tolist() == [0.75, 0.0] and mixed.dtype == np.float32


@pytest.mark.parametrize("channels", [1, 2, 3, 6])
def test_mono_of_equal_channels_is_the_channel(channels: int) -> None:
    """The same samples in every channel come back bit by bit."""
    channel = tone(440, 16000, 0.1)
    assert np.array_equal(dsp.mono(np.stack([channel] * channels)), channel)


def test_mono_leaves_one_channel_alone() -> None:
    """``[T]`` is not averaged over time."""
    channel = tone(440, 16000, 0.1)
    assert dsp.mono(channel) is channel


@pytest.mark.parametrize(("old", "new"), RATES)
def test_a_tone_passes_a_change_of_rate(old: int, new: int) -> None:
    """A 1 kHz tone keeps frequency, amplitude and phase to a millionth: there is no delay."""
    samples = dsp.resample(tone(1000, old), old, new)
    inner = middle(samples)
    assert samples.dtype == np.float32
    assert samples[inner] == pytest.approx(ideal(1000, new, samples.size)[inner], abs=1e-6)


@pytest.mark.parametrize(("old", "new"), [(old, new) for old, new in RATES if new < old])
def test_a_tone_above_the_new_nyquist_vanishes(old: int, new: int) -> None:
    """A tone a tenth above half of the new rate is at least 120 dB down; it does not fold back."""
    samples = dsp.resample(tone(0.55 * new, old), old, new)
    assert dsp.peak(samples[middle(samples)]) < 1e-6


@pytest.mark.parametrize(("old", "new"), RATES)
@pytest.mark.parametrize("length", [1000, 4001, 16123])
def test_a_change_of_rate_keeps_the_duration(old: int, new: int, length: int) -> None:
    """T samples become T · new / old, rounded."""
    assert abs(dsp.resample(np.zeros(length, np.float32), old, new).size - length * new / old) <= 0.5


def test_only_the_ratio_of_the_rates_matters() -> None:
    """From 48000 to 16000 Hz is from 3 to 1."""
    samples = tone(1000, 48000, 0.2)
    assert np.array_equal(dsp.resample(samples, 48000, 16000), dsp.resample(samples, 3, 1))


def test_a_change_of_rate_keeps_a_constant() -> None:
    """Direct current passes with gain 1."""
    samples = dsp.resample(np.full(4410, 0.5, np.float32), 44100, 16000)
    assert samples[middle(samples)] == pytest.approx(0.5, abs=1e-6)


def test_the_same_rate_changes_nothing() -> None:
    """Neither the same rate nor none given filters the samples."""
    clip = Clip(tone(7900, 16000, 0.1), 16000)
    assert dsp.resample(clip.samples, 16000, 16000) is clip.samples
    assert dsp.at_rate(clip, None) is clip and dsp.at_rate(clip, 16000) is clip


@pytest.mark.parametrize(("old", "new"), RATES)
def test_a_clip_at_another_rate(old: int, new: int) -> None:
    """A clip brought to a rate says so, lasts as long, and holds the resampled samples."""
    clip = Clip(tone(300, old, 0.5), old)
    other = dsp.at_rate(clip, new)
    assert other.rate == new and other.seconds == pytest.approx(clip.seconds, abs=1 / new)
    assert other.samples == pytest.approx(dsp.resample(clip.samples, old, new), abs=1e-6)


@pytest.mark.parametrize(
    ("length", "expected"), [(0, []), (2, [1, 2]), (3, [1, 2, 3]), (5, [1, 2, 3, 0, 0])], ids=lambda v: str(v)
)
def test_fitting_a_length(length: int, expected: list[float]) -> None:
    """Longer clips lose their end, shorter ones get zeros behind."""
    fitted = dsp.fit_length(np.array([1, 2, 3], dtype=np.float32), length)
    assert fitted.tolist() == expected and fitted.dtype == np.float32


@pytest.mark.parametrize(("samples", "expected"), [([0.25, -0.75, 0.5], 0.75), ([0.0], 0.0), ([], 0.0)])
def test_the_peak_is_the_largest_magnitude(samples: list[float], expected: float) -> None:
    """A negative peak counts; nothing has the peak 0."""
    assert dsp.peak(np.array(samples, dtype=np.float32)) == expected


@pytest.mark.parametrize("rate", [16000, 44100, 48000])
def test_loudness_of_a_full_scale_sine(rate: int) -> None:
    """BS.1770: a full-scale sine of 997 Hz in one channel has -3.01 LUFS."""
    assert loudness(Clip(tone(997, rate), rate)) == pytest.approx(FULL_SCALE_SINE_LUFS, abs=0.1)


def test_loudness_follows_the_level() -> None:
    """Half the amplitude is 6.02 LU less, a second equal channel 3.01 LU more, a low hum less by its weighting."""
    samples = tone(997, 48000)
    loud, soft, both, hum = (
        loudness(Clip(s, 48000)) for s in (samples, samples / 2, np.stack([samples] * 2), tone(40, 48000))
    )
    assert loud is not None and soft is not None and both is not None and hum is not None
    assert loud - soft == pytest.approx(DB_OF_TWO, abs=1e-6)
    assert both - loud == pytest.approx(DB_OF_TWO / 2, abs=1e-6)
    assert hum < loud - 3


@pytest.mark.parametrize(
    "samples",
    [np.zeros(16000, np.float32), tone(997, 16000, 0.3), np.empty(0, np.float32), 1e-6 * tone(997, 16000),
     np.stack([tone(997, 16000)] * 6)],
    ids=["silence", "under 0.4 s", "no samples", "under the gate of -70 LUFS", "six channels"],
)  # fmt: skip
def test_what_has_no_loudness(samples: Array) -> None:
    """Silence, moments and more channels than the standard knows have None, and no warning."""
    assert loudness(Clip(samples, 16000)) is None


def test_five_channels_have_a_loudness() -> None:
    """The standard's five channels are measured, not refused."""
    assert loudness(Clip(np.stack([tone(997, 16000)] * 5), 16000)) is not None


def test_every_16_bit_value_survives() -> None:
    """All 65536 integers, read as integer / 32768, are written as themselves."""
    integers = np.arange(-32768, 32768)
    written = dsp.to_pcm16((integers / 32768).astype(np.float32))
    assert written.dtype == np.int16 and np.array_equal(written, integers)


@pytest.mark.parametrize(
    ("value", "expected"),
    [(1, 32767), (1.5, 32767), (-1, -32768), (-1.5, -32768), (0.4 / 32768, 0), (0.6 / 32768, 1), (-0.6 / 32768, -1)],
)
def test_16_bit_rounds_and_saturates(value: float, expected: int) -> None:
    """Values go to the nearest step; beyond full scale they stay at the last one and do not wrap around."""
    assert dsp.to_pcm16(np.array([value], dtype=np.float32)).tolist() == [expected]


@pytest.mark.parametrize(("window", "bin_"), [(64, 8), (512, 100)])
def test_power_of_a_sine_on_a_bin(window: int, bin_: int) -> None:
    """A full-scale sine has (window / 4)² in its bin, a quarter of it in the two beside, and nothing elsewhere."""
    power = dsp.power_spectrogram(tone(bin_, window, 2.0), window, window // 2)
    expected = np.zeros(window // 2 + 1)
    expected[bin_ - 1 : bin_ + 2] = np.array([0.25, 1, 0.25]) * (window / 4) ** 2
    assert power == pytest.approx(np.tile(expected, (3, 1)), abs=(window / 4) ** 2 * 1e-6)


def test_power_of_a_constant() -> None:
    """The window's mean is a half, so a constant 1 has (window / 2)² at 0 Hz."""
    power = dsp.power_spectrogram(np.ones(64, np.float32), 64, 32)
    assert power[0, 0] == pytest.approx(32**2)


@pytest.mark.parametrize(("length", "frames"), [(64, 1), (79, 1), (80, 2), (128, 5)])
def test_frames_of_a_spectrogram(length: int, frames: int) -> None:
    """There are 1 + (T - window) // hop frames of window / 2 + 1 bins, and none is padded."""
    assert dsp.power_spectrogram(np.ones(length, np.float32), 64, 16).shape == (frames, 33)


@pytest.mark.parametrize("length", [0, 63])
def test_less_than_a_window_has_no_spectrum(length: int) -> None:
    """A clip shorter than one window is refused with both lengths."""
    with pytest.raises(Unscorable, match=f"{length} samples are fewer than one analysis window of 64"):
        dsp.power_spectrogram(np.ones(length, np.float32), 64, 16)
