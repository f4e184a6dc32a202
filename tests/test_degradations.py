"""What each degradation does to a signal, as physics."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from conftest import RATE_HZ, chirp

from percept.degradations import DEGRADATIONS, packet_loss
from percept.degradations.hum import hum
from percept.degradations.pink_noise import pink_noise
from percept.degradations.reverb import room_response
from percept.schema import Array, Clip, Unscorable

PACKET = 320


def degraded(name: str, clip: Clip, level: float, *extra: object, seed: int = 0) -> Array:
    return DEGRADATIONS[name].apply(clip, level, np.random.default_rng(seed), *extra)


def tone(hertz: float, seconds: float = 1.0) -> Clip:
    t = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    return Clip((0.5 * np.sin(2 * np.pi * hertz * t)).astype(np.float32), RATE_HZ)


def change_db(clip: Clip, samples: Array) -> float:
    """Level of the middle of a signal relative to the clip's: the ends of a tone click in any filter."""
    middle = slice(clip.samples.size // 4, -clip.samples.size // 4)
    powers = [float(np.mean(x[middle].astype(np.float64) ** 2)) for x in (samples, clip.samples)]
    return 10 * np.log10(powers[0] / powers[1] + 1e-30)


def snr_db(clip: Clip, samples: Array) -> float:
    signal = clip.samples.astype(np.float64)
    return float(10 * np.log10(np.sum(signal**2) / np.sum((samples - signal) ** 2)))


@pytest.mark.parametrize("depth", [0.0, 3.0, 6.0, 20.0])
def test_clipping_limits_the_peak_and_nothing_else(speech: Clip, depth: float) -> None:
    """The peak falls by the depth; samples below the limit keep their value."""
    samples = degraded("clipping", speech, depth)
    peak = np.abs(speech.samples).max()
    assert 20 * np.log10(peak / np.abs(samples).max()) == pytest.approx(depth, abs=1e-4)
    below = np.abs(speech.samples) < np.abs(samples).max()
    assert np.array_equal(samples[below], speech.samples[below])
    assert not degraded("clipping", Clip(np.zeros(100, np.float32), RATE_HZ), depth).any()


@pytest.mark.parametrize("cutoff", [300.0, 2000.0, 6000.0])
def test_filters_pass_one_side_of_the_cutoff_and_stop_the_other(cutoff: float) -> None:
    """Flat to 0.01 dB on one side of the transition band, 75 dB down on the other, half the amplitude between."""
    band = min(cutoff, RATE_HZ / 2 - cutoff) / 4
    below, at, above = tone(cutoff - band), tone(cutoff), tone(cutoff + band)
    for name, passed, stopped in (("lowpass", below, above), ("highpass", above, below)):
        assert change_db(passed, degraded(name, passed, cutoff)) == pytest.approx(0, abs=0.01)
        assert change_db(stopped, degraded(name, stopped, cutoff)) < -75
        assert change_db(at, degraded(name, at, cutoff)) == pytest.approx(-6.02, abs=0.1)


def test_filters_delay_nothing_and_share_the_signal(speech: Clip) -> None:
    """An impulse stays where it is, symmetrically; low-pass and high-pass add up to the clip."""
    impulse = np.zeros(4001, np.float32)
    impulse[2000] = 1
    response = degraded("lowpass", Clip(impulse, RATE_HZ), 2000)
    assert int(np.argmax(response)) == 2000 and np.allclose(response, response[::-1], atol=1e-7)
    both = degraded("lowpass", speech, 1500) + degraded("highpass", speech, 1500)
    assert np.allclose(both, speech.samples, atol=1e-6)


def test_filters_at_the_edge_of_the_band(speech: Clip) -> None:
    """A low-pass at half the rate changes nothing, a high-pass there leaves nothing and says so."""
    assert np.array_equal(degraded("lowpass", speech, 8000), speech.samples)
    with pytest.raises(Unscorable, match="leaves nothing"):
        degraded("highpass", speech, 8000)
    assert np.isfinite(degraded("lowpass", speech, 7999)).all()


@pytest.mark.parametrize("name", ["noise_snr", "pink_noise", "hum", "babble"])
@pytest.mark.parametrize("level", [30.0, 0.0, -7.5])
def test_ratios_are_exact(speech: Clip, name: str, level: float) -> None:
    """The signal-to-noise ratio is the level to 0.001 dB; a silent clip has none, a neutral level adds nothing."""
    extra = ([Clip(chirp(), RATE_HZ)],) if name == "babble" else ()
    assert snr_db(speech, degraded(name, speech, level, *extra)) == pytest.approx(level, abs=1e-3)
    with pytest.raises(Unscorable, match="the clip is silent"):
        degraded(name, Clip(np.zeros(1600, np.float32), RATE_HZ), level, *extra)


@pytest.mark.parametrize("rate", [8000, 48000])
def test_pink_noise_falls_by_three_decibels_an_octave(rate: int) -> None:
    """The slope of the spectral density is -3.01 dB an octave, and there is nothing below 20 Hz."""
    noise = pink_noise(20 * rate, rate, np.random.default_rng(0))
    power = np.abs(np.fft.rfft(noise)) ** 2
    frequency = np.fft.rfftfreq(noise.size, 1 / rate)
    edges = 25.0 * 2 ** np.arange(0, np.log2(rate / 2 / 25), 1 / 2)
    bands = [(frequency >= low) & (frequency < high) for low, high in pairwise(edges)]
    density = [10 * np.log10(power[band].mean()) for band in bands]
    slope = np.polyfit(np.arange(len(density)) / 2, density, 1)[0]
    assert slope == pytest.approx(-3.01, abs=0.3)
    assert power[frequency < 20].max() < 1e-12 * power.max()


def test_noise_that_a_clip_is_too_short_for_is_refused() -> None:
    """One sample holds no pink noise."""
    with pytest.raises(Unscorable, match="too short"):
        degraded("pink_noise", Clip(np.ones(1, np.float32), RATE_HZ), 10)


def test_hum_has_lines_at_multiples_of_fifty_hertz() -> None:
    """All power is at 50, 100, … 1000 Hz, falling as the square of the number; none above half the rate."""
    power = np.abs(np.fft.rfft(hum(RATE_HZ, RATE_HZ, np.random.default_rng(0))) / (RATE_HZ / 2)) ** 2
    lines = np.arange(50, 1001, 50)
    assert np.allclose(power[lines], 1.0 / np.arange(1, 21) ** 2, rtol=1e-6)
    assert power.sum() == pytest.approx(power[lines].sum())
    slow = np.abs(np.fft.rfft(hum(1000, 1000, np.random.default_rng(0))))
    assert slow[450] > 1 and slow[500] < 1e-6


def test_babble_is_made_of_the_other_clips() -> None:
    """Two steady tones come in equally loud, whatever their levels and lengths."""
    company = [tone(500, 0.5), Clip(0.01 * tone(1000, 3).samples, RATE_HZ)]
    clip = tone(3000)
    added = degraded("babble", clip, 10, company) - clip.samples
    power = np.abs(np.fft.rfft(added)) ** 2
    assert power[500] == pytest.approx(power[1000], rel=1e-3)
    assert power[[500, 1000]].sum() == pytest.approx(power.sum(), rel=1e-3)


def test_babble_begins_anywhere_and_by_the_seed(speech: Clip) -> None:
    """Another seed gives another babble, of no more than eight voices."""
    company = [Clip(chirp(0.7, seed=seed), RATE_HZ) for seed in range(12)]
    first, again, other = (degraded("babble", speech, 0, company, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_babble_needs_company(speech: Clip) -> None:
    """Alone, or among silent clips, there is no babble and a reason; clips at another rate are a bug."""
    silence = Clip(np.zeros(10, np.float32), RATE_HZ)
    for company, reason in (([], "no other clips"), ([silence], "silent")):
        with pytest.raises(Unscorable, match=reason):
            degraded("babble", speech, 10, company)
    with pytest.raises(ValueError, match="16000 Hz"):
        degraded("babble", speech, 10, [Clip(speech.samples, 8000)])


@pytest.mark.parametrize("seconds", [0.2, 0.5, 1.0, 3.0])
def test_reverberation_decays_in_the_reverberation_time(seconds: float) -> None:
    """Backward integration gives the reverberation time to 5 %, and the energies have the stated ratio.

    Reference:
        M. R. Schroeder, New method of measuring reverberation time, JASA 37, 1965.
    """
    response = room_response(seconds, RATE_HZ, np.random.default_rng(0))
    tail = response[1:]
    assert response[0] == 1 and tail @ tail == pytest.approx(seconds)
    decay = 10 * np.log10(np.cumsum(tail[::-1] ** 2)[::-1] / (tail @ tail))
    falls = np.flatnonzero((decay < -5) & (decay > -35))
    slope = np.polyfit(falls / RATE_HZ, decay[falls], 1)[0]
    assert -60 / slope == pytest.approx(seconds, rel=0.05)


def test_reverberation_starts_with_the_direct_sound(speech: Clip) -> None:
    """What an impulse becomes is the room's response, cut at the end of the clip."""
    impulse = np.zeros(2000, np.float32)
    impulse[0] = 1
    response = room_response(0.5, RATE_HZ, np.random.default_rng(0))[:2000]
    assert np.allclose(degraded("reverb", Clip(impulse, RATE_HZ), 0.5), response, atol=1e-6)


def test_an_impulse_response_is_aligned_scaled_and_mixed() -> None:
    """Delay, level and polarity of a measured response do not matter; the share mixes, at any rate of the response."""
    clip = Clip(chirp(), RATE_HZ)
    response = np.zeros(400, np.float32)
    response[150] = -0.02
    assert np.allclose(degraded("impulse_response", clip, 1, Clip(response, RATE_HZ)), clip.samples, atol=1e-6)
    response[190] = 0.01
    wet = degraded("impulse_response", clip, 1, Clip(response, RATE_HZ)).astype(np.float64)
    expected = clip.samples.astype(np.float64)
    expected[40:] -= 0.5 * clip.samples[:-40]
    assert np.corrcoef(wet, expected)[0, 1] == pytest.approx(1)
    assert np.sum(wet**2) == pytest.approx(np.sum(clip.samples.astype(np.float64) ** 2), rel=1e-5)
    half = degraded("impulse_response", clip, 0.5, Clip(response, RATE_HZ))
    assert np.allclose(half, (wet + clip.samples) / 2, atol=1e-6)
    slow = degraded("impulse_response", clip, 1, Clip(np.r_[0, 0, 1, 0.5, 0.2].astype(np.float32), 8000))
    assert slow.shape == clip.samples.shape and np.isfinite(slow).all()
    with pytest.raises(Unscorable, match="response is silent"):
        degraded("impulse_response", clip, 1, Clip(np.zeros(9, np.float32), RATE_HZ))


@pytest.mark.parametrize("percentage", [1, 5, 20, 50, 80, 100])
def test_packets_are_lost_in_the_stated_share(percentage: float) -> None:
    """The share is exact on every clip; the first packet arrives."""
    for packets in (2, 7, 100, 5000):
        lost = packet_loss.losses(packets, percentage, np.random.default_rng(1))
        assert lost.sum() == min(max(1, round(packets * percentage / 100)), packets - 1) and not lost[0]


@pytest.mark.parametrize(("percentage", "longest_mean"), [(2, 2.0), (10, 2.0), (30, 2.0)])
def test_packets_are_lost_in_bursts(percentage: float, longest_mean: float) -> None:
    """Bursts are 2 packets long on average, and half of them are single packets, as in a geometric distribution."""
    lost = packet_loss.losses(200_000, percentage, np.random.default_rng(1)).astype(int)
    edges = np.flatnonzero(np.diff(np.r_[0, lost, 0]))
    bursts = edges[1::2] - edges[::2]
    assert bursts.mean() == pytest.approx(longest_mean, rel=0.05)
    assert np.mean(bursts == 1) == pytest.approx(0.5, abs=0.03)


def test_a_higher_loss_holds_every_lower_one() -> None:
    """With one seed, packets lost at a level are lost at all higher ones."""
    before = np.zeros(500, bool)
    for percentage in (0.5, 1, 5, 10, 20, 45, 60, 90):
        lost = packet_loss.losses(500, percentage, np.random.default_rng(3))
        assert (lost | ~before).all() and lost.sum() > before.sum()
        before = lost


def test_lost_packets_are_silent_or_concealed() -> None:
    """Lost packets are zeros, or fading copies of the last that arrived; all others are untouched."""
    clip = Clip(np.random.default_rng(0).uniform(0.1, 0.9, 100 * PACKET + 7).astype(np.float32), RATE_HZ)
    lost = packet_loss.losses(101, 30, np.random.default_rng(0))
    silent, concealed = (degraded(name, clip, 30) for name in ("packet_loss", "packet_loss_concealed"))
    samplewise = np.repeat(lost, PACKET)[: clip.samples.size]
    assert not silent[samplewise].any() and (concealed > 0).all()
    assert np.array_equal(silent[~samplewise], clip.samples[~samplewise])
    assert np.array_equal(concealed[~samplewise], clip.samples[~samplewise])
    first = int(np.flatnonzero(lost[:-1] & np.roll(lost, -1)[:-1])[0]) * PACKET
    last_good = clip.samples[first - PACKET : first]
    fade = 10 ** (-6 / 20 * np.arange(2 * PACKET) / PACKET)
    assert np.allclose(concealed[first : first + 2 * PACKET], np.tile(last_good, 2) * fade, atol=1e-6)


def test_one_packet_cannot_be_lost() -> None:
    """A clip of one packet is refused with a reason."""
    for name in ("packet_loss", "packet_loss_concealed"):
        with pytest.raises(Unscorable, match="one packet"):
            degraded(name, Clip(np.ones(PACKET, np.float32), RATE_HZ), 10)


def test_a_time_shift_moves_whole_samples(speech: Clip) -> None:
    """20 ms are 320 samples at 16 kHz; a shift beyond the end leaves silence."""
    samples = degraded("time_shift", speech, 20)
    assert not samples[:320].any() and np.array_equal(samples[320:], speech.samples[:-320])
    assert not degraded("time_shift", Clip(np.ones(10, np.float32), RATE_HZ), 100).any()


def test_a_gain_is_exact(speech: Clip) -> None:
    """-20 dB is a tenth, and positive gains are allowed beyond full scale."""
    assert np.allclose(degraded("gain", speech, -20), speech.samples / 10, rtol=1e-6, atol=0)
    assert np.allclose(degraded("gain", speech, 20), speech.samples * 10, rtol=1e-6, atol=0)


def test_controls_are_declared() -> None:
    """Only the delay and the level say that nothing audible is lost; only two need something besides."""
    assert [d.name for d in DEGRADATIONS if d.control] == ["time_shift", "gain"]
    assert {d.name: d.needs for d in DEGRADATIONS if d.needs} == {"babble": "company", "impulse_response": "impulse"}
