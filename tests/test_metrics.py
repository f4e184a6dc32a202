"""Measures of waveforms and of embeddings: published and hand-derived values, invariances, and refusals."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from conftest import RATE_HZ

from percept import dsp, metrics
from percept.metrics import METRICS, SIMILARITIES, pesq
from percept.records import Metric
from percept.schema import Array, Clip, Score, Unscorable

DB_OF_TWO = 20 * math.log10(2)

both_bands = pytest.mark.parametrize("measure", ["pesq_wb", "pesq_nb"])
both_stois = pytest.mark.parametrize("measure", ["stoi", "estoi"])


def score(measure: str, reference: Any, degraded: Any, rate: int = RATE_HZ) -> Score:
    """One measure of two lists or arrays of samples."""
    ours, theirs = (Clip(np.asarray(samples, dtype=np.float32), rate) for samples in (reference, degraded))
    return metrics.score(METRICS[measure], ours, theirs)


def value(measure: str, reference: Any, degraded: Any, rate: int = RATE_HZ) -> float:
    """The same where there must be a number."""
    found = score(measure, reference, degraded, rate)
    assert found.status == "ok" and found.value is not None, found.reason
    return found.value


def noisy(samples: Array, deviation: float = 0.01, seed: int = 0) -> Array:
    noise = np.random.default_rng(seed).standard_normal(samples.size)
    return (samples + deviation * noise).astype(np.float32)


def long_speech(speech: Clip, seconds: float = 65) -> Array:
    """The clip again and again."""
    return np.resize(speech.samples, round(seconds * RATE_HZ))


def failed(found: Score, *parts: str) -> bool:
    """Whether this is a failure without a value whose reason has all the parts."""
    return found.status == "failed" and found.value is None and all(part in found.reason for part in parts)


# SNR, SI-SDR


@pytest.mark.parametrize(("measure", "expected"), [("snr", 16.1805), ("si_sdr", 18.4030)])
def test_the_example_of_torchmetrics(measure: str, expected: float) -> None:
    """The four samples of torchmetrics' documentation have its values to four digits."""
    assert value(measure, [3.0, -0.5, 2.0, 7.0], [2.5, 0.0, 2.0, 8.0]) == pytest.approx(expected, abs=1e-4)


def test_snr_by_hand() -> None:
    """A signal of energy 4 with an error of energy 0.04 has 20 dB, and a clip gone silent 0 dB."""
    assert value("snr", [1, -1, 1, -1], [1.1, -1.1, 1.1, -0.9]) == pytest.approx(20, abs=1e-5)
    assert value("snr", [1, -1, 1, -1], [0, 0, 0, 0]) == 0


@pytest.mark.parametrize("ratio", [0.1, 1.0, 10.0])
def test_si_sdr_by_hand(ratio: float) -> None:
    """An error at right angles to the signal counts whole: the ratio of the two lengths, in dB."""
    signal, error = np.array([1.0, 1, 1, 1]), np.array([1.0, -1, 1, -1])
    assert value("si_sdr", signal, signal + ratio * error) == pytest.approx(-20 * math.log10(ratio), abs=1e-5)


@pytest.mark.parametrize("gain", [0.001, 0.3, -1.0, 7.0])
def test_si_sdr_does_not_see_the_scale(speech: Clip, gain: float) -> None:
    """Scaling or inverting the degraded clip leaves SI-SDR where it was, and moves SNR."""
    degraded = noisy(speech.samples)
    scaled = np.float32(gain) * degraded
    assert value("si_sdr", speech.samples, scaled) == pytest.approx(value("si_sdr", speech.samples, degraded), abs=1e-4)
    assert value("snr", speech.samples, scaled) < value("snr", speech.samples, degraded) - 3


def test_si_sdr_keeps_the_means() -> None:
    """An offset is a distortion: [1, -1] against [2, 0] has 0 dB, where removing the means would give infinity."""
    assert value("si_sdr", [1.0, -1.0], [2.0, 0.0]) == pytest.approx(0, abs=1e-9)


def test_si_sdr_of_silence_is_refused(speech: Clip) -> None:
    """A silent degraded clip has no direction, so it is a failure and not minus infinity."""
    assert failed(score("si_sdr", speech.samples, 0 * speech.samples), "the degraded clip is silent")


# Log-spectral distance


def test_lsd_of_half_the_amplitude() -> None:
    """Every bin of white noise at half its amplitude is 20 log10(2) = 6.02 dB lower."""
    noise = noisy(np.zeros(RATE_HZ, np.float32), 0.1)
    assert value("lsd", noise, noise / 2) == pytest.approx(DB_OF_TWO, abs=1e-9)


def test_lsd_of_silence_by_hand() -> None:
    """A click in mid-window has -20 log10(128) dB in every bin, and silence counts as -100 dB, so it is finite."""
    click = np.zeros(512, np.float32)
    click[256] = 1
    assert value("lsd", click, 0 * click) == pytest.approx(100 - 20 * math.log10(128), abs=1e-9)


def test_lsd_does_not_see_what_is_under_its_floor() -> None:
    """A click at -122 dB is as good as silence."""
    click = np.zeros(512, np.float32)
    click[256] = 1e-4
    assert value("lsd", click, 0 * click) == 0


def test_lsd_is_a_mean_over_frames() -> None:
    """Where the second half alone is halved, the distance is half of 6.02 dB but for the one frame across."""
    noise = noisy(np.zeros(512 * 64, np.float32), 0.1)
    degraded = noise.copy()
    degraded[noise.size // 2 :] /= 2
    assert value("lsd", noise, degraded) == pytest.approx(DB_OF_TWO / 2, abs=0.1)


def test_lsd_needs_a_window() -> None:
    """Less than 32 ms is refused with both lengths; 32 ms is scored."""
    noise = noisy(np.zeros(512, np.float32))
    assert failed(score("lsd", noise[:511], noise[:511]), "511 samples", "512")
    assert value("lsd", noise, noise) == 0


# PESQ


@pytest.mark.parametrize(("measure", "slope", "offset"), [("pesq_wb", -1.3669, 3.8224), ("pesq_nb", -1.4945, 4.6607)])
def test_pesq_of_identical_clips(speech: Clip, measure: str, slope: float, offset: float) -> None:
    """A clip against itself has the raw score 4.5, mapped by the formula of P.862.2 or P.862.1."""
    mapped = 0.999 + 4 / (1 + math.exp(slope * 4.5 + offset))
    assert value(measure, speech.samples, speech.samples) == pytest.approx(mapped, abs=1e-5)


@both_bands
@pytest.mark.parametrize("gain", [0.25, 4.0])
def test_pesq_does_not_hear_the_level(speech: Clip, measure: str, gain: float) -> None:
    """PESQ aligns levels first: a degraded clip at another level has the same score."""
    degraded = noisy(speech.samples)
    louder = value(measure, speech.samples, np.float32(gain) * degraded)
    assert louder == pytest.approx(value(measure, speech.samples, degraded), abs=1e-3)


@pytest.mark.parametrize("rate", [8000, 44100, 48000])
def test_narrow_band_pesq_at_other_rates(speech: Clip, rate: int) -> None:
    """The telephone band fits into any of these rates, so resampling both clips does not change its score."""
    degraded = noisy(speech.samples)
    other = [dsp.resample(samples, RATE_HZ, rate) for samples in (speech.samples, degraded)]
    expected = value("pesq_nb", speech.samples, degraded)
    assert value("pesq_nb", other[0], other[1], rate) == pytest.approx(expected, abs=1e-3)


@both_bands
def test_pesq_of_a_moment_is_refused(speech: Clip, measure: str) -> None:
    """Less than a quarter of a second is a failure with a reason."""
    short = speech.samples[20000:23900]
    assert failed(score(measure, short, short), "shorter than the 0.25 s that PESQ needs")


@both_bands
def test_pesq_of_silence_is_refused(speech: Clip, measure: str) -> None:
    """A silent degraded clip is a failure, where the reference implementation answers NaN."""
    assert failed(score(measure, speech.samples, 0 * speech.samples), "the degraded clip is silent")


@both_bands
def test_pesq_without_speech_is_refused(speech: Clip, measure: str) -> None:
    """Where the reference implementation finds no utterance, its words are the reason."""
    pause = speech.samples[8000:12000]
    assert failed(score(measure, pause, noisy(pause)), "PESQ: No utterances detected")


def test_pesq_of_a_long_clip_is_a_mean_of_windows(speech: Clip) -> None:
    """65 s are scored in three equal windows, and the remark says so."""
    reference = long_speech(speech)
    degraded = noisy(reference)
    found = score("pesq_nb", reference, degraded)
    thirds = zip(np.array_split(reference, 3), np.array_split(degraded, 3), strict=True)
    assert found.status == "ok" and found.reason == "mean of 3 windows of 21.7 s"
    assert found.value == pytest.approx(np.mean([value("pesq_nb", *third) for third in thirds]), abs=1e-9)


def test_pesq_of_a_long_clip_with_a_silent_window(speech: Clip) -> None:
    """A window that cannot be scored takes no part, and the remark tells how many there were and why."""
    reference = long_speech(speech)
    degraded = noisy(reference)
    degraded[: reference.size // 3 + 1] = 0
    found = score("pesq_nb", reference, degraded)
    assert found.status == "ok" and found.value is not None and 1.5 < found.value < 2.5
    assert found.reason == "mean of 2 windows of 21.7 s; 1 more could not be scored (a window is silent)"


@pytest.mark.parametrize(
    ("samples", "windows", "remark"),
    [
        (RATE_HZ * 30, [480000], ""),
        (RATE_HZ * 30 + 1, [240001, 240000], "mean of 2 windows of 15.0 s"),
        (RATE_HZ * 60, [480000, 480000], "mean of 2 windows of 30.0 s"),
        (RATE_HZ * 60 + 1, [320001, 320000, 320000], "mean of 3 windows of 20.0 s"),
    ],
)
def test_pesq_windows(monkeypatch: pytest.MonkeyPatch, samples: int, windows: list[int], remark: str) -> None:
    """No window is longer than 30 s, all are equally long, every sample is in one, and 30 s still make one."""
    seen: list[int] = []

    def count(reference: Array, degraded: Array, mode: str) -> float:
        seen.append(reference.size)
        return float(len(seen))

    monkeypatch.setattr(pesq, "_window", count)
    clip = Clip(np.ones(samples, np.float32), RATE_HZ)
    found = pesq.pesq_wb(clip, clip)
    assert seen == windows
    assert found == Score((1 + len(windows)) / 2, reason=remark)


def test_pesq_without_any_scorable_window_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """When no window has a score the clip has none, for the reason of the first."""

    def refuse(reference: Array, degraded: Array, mode: str) -> float:
        raise Unscorable(f"a reason about {reference.size} samples")

    monkeypatch.setattr(pesq, "_window", refuse)
    ones = np.ones(RATE_HZ * 40, np.float32)
    assert failed(score("pesq_wb", ones, ones), "a reason about 320000 samples")


# STOI


@both_stois
def test_stoi_needs_active_signal(speech: Clip, measure: str) -> None:
    """A quarter of a second of speech, alone or in silence, is a failure, where pystoi answers 1e-5."""
    word = speech.samples[16000:20000]
    within = np.concatenate([0 * speech.samples[:30000], word, 0 * speech.samples[:30000]])
    for samples in (word, within):
        assert failed(score(measure, samples, noisy(samples, 1e-4)), "0.41 s of signal that is not silent")


@both_stois
def test_stoi_of_the_shortest_speech(speech: Clip, measure: str) -> None:
    """0.42 s of running speech are enough, 0.40 s are not."""
    start = 16000
    enough, short = (speech.samples[start : start + round(seconds * RATE_HZ)] for seconds in (0.42, 0.40))
    assert value(measure, enough, enough) == pytest.approx(1, abs=1e-6)
    assert score(measure, short, short).status == "failed"


@both_stois
@pytest.mark.parametrize("gain", [0.01, 4.0])
def test_stoi_does_not_hear_the_level(speech: Clip, measure: str, gain: float) -> None:
    """STOI compares envelopes band by band, at any level of the degraded clip."""
    degraded = noisy(speech.samples)
    louder = value(measure, speech.samples, np.float32(gain) * degraded)
    assert louder == pytest.approx(value(measure, speech.samples, degraded), abs=1e-6)


@both_stois
def test_stoi_is_the_same_on_every_call(speech: Clip, measure: str) -> None:
    """Where pystoi adds random numbers (ESTOI of a clip half silent) the value is still one, whatever the seed."""
    degraded = speech.samples.copy()
    degraded[degraded.size // 2 :] = 0
    values = []
    for seed in (1, 2):
        np.random.seed(seed)
        values.append(value(measure, speech.samples, degraded))
    assert values[0] == values[1]


@both_stois
@pytest.mark.parametrize("samples", [40000, 3000], ids=["scored", "refused"])
def test_stoi_leaves_the_global_random_state_alone(speech: Clip, measure: str, samples: int) -> None:
    """The caller's np.random goes on as if STOI had not been called, also after a failure."""
    np.random.seed(5)
    expected = np.random.random(3)
    np.random.seed(5)
    score(measure, speech.samples[:samples], noisy(speech.samples[:samples]))
    assert np.array_equal(np.random.random(3), expected)


# What every measure of waveforms refuses


@pytest.mark.parametrize("metric", [m for m in METRICS if m.needs_reference], ids=lambda m: m.name)
def test_clips_that_do_not_fit_are_refused(metric: Metric, speech: Clip) -> None:
    """Other rates, other lengths and no samples are failures that name what differs."""
    halved = Clip(speech.samples, 8000)
    cut = Clip(speech.samples[:-1], RATE_HZ)
    empty = Clip(speech.samples[:0], RATE_HZ)
    length = speech.samples.size
    assert failed(metrics.score(metric, speech, halved), "reference 16000 Hz", "degraded 8000 Hz")
    assert failed(metrics.score(metric, cut, speech), f"reference {length - 1} samples", f"degraded {length}")
    assert failed(metrics.score(metric, empty, empty), "no samples")


# Similarities of embeddings

# Of these two pairs of frames the first are parallel and the second at right angles.
REFERENCE = np.array([[1.0, 0.0], [0.0, 1.0]])
DEGRADED = np.array([[2.0, 0.0], [1.0, 0.0]])
BASELINE = np.array([0.5, 0.0])


def compare(similarity: str, reference: Any, degraded: Any, baseline: Any = BASELINE) -> float:
    arrays = (np.asarray(array, dtype=np.float64) for array in (reference, degraded, baseline))
    return SIMILARITIES[similarity].compute(*arrays)


@pytest.mark.parametrize(
    ("similarity", "expected"),
    [
        ("similarity", (1 + 0) / 2),
        ("pooled_similarity", 1 / math.sqrt(2)),  # mean frames (1/2, 1/2) and (3/2, 0)
        ("l1", (1 + 0 + 1 + 1) / 4),
        ("l2", math.sqrt((1 + 0 + 1 + 1) / 4)),
        # means 5/4 apart, covariances of trace 1 and 1/2 whose product's root has the trace 1/2
        ("frechet", 5 / 4 + 1 + 1 / 2 - 2 * 1 / 2),
        # less the baseline: (1/2, 0) with (3/2, 0), and (-1/2, 1) with (1/2, 0)
        ("corrected_similarity", (1 - 1 / math.sqrt(5)) / 2),
    ],
)
def test_similarities_by_hand(similarity: str, expected: float) -> None:
    """Two frames of two features have the values that the definitions give on paper."""
    assert compare(similarity, REFERENCE, DEGRADED) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("similarity", "power"), [("similarity", 0), ("pooled_similarity", 0), ("l1", 1), ("l2", 1), ("frechet", 2)]
)
def test_similarities_and_scale(similarity: str, power: int) -> None:
    """Cosines do not see a common scale; L1 and L2 distance grow with it, the Fréchet distance with its square."""
    scaled = compare(similarity, 3 * REFERENCE, 3 * DEGRADED)
    assert scaled == pytest.approx(3**power * compare(similarity, REFERENCE, DEGRADED), abs=1e-12)


def test_the_frame_wise_cosine_counts_frames_alike() -> None:
    """A loud frame counts no more than a soft one in the frame-wise mean, but does in the pooled one."""
    loud = np.array([[100.0, 0.0], [0.0, 1.0]])
    assert compare("similarity", loud, DEGRADED) == compare("similarity", REFERENCE, DEGRADED)
    assert compare("pooled_similarity", loud, DEGRADED) > 0.99


@pytest.mark.parametrize("similarity", ["similarity", "pooled_similarity", "l1"])
def test_the_baseline_matters_to_one_similarity_only(similarity: str) -> None:
    """Only the corrected cosine depends on the mean frame of all references."""
    assert compare(similarity, REFERENCE, DEGRADED, [7.0, -3.0]) == compare(similarity, REFERENCE, DEGRADED)


def test_the_corrected_cosine_takes_the_common_part_away() -> None:
    """Frames that share all but a small part have a cosine near 1, and -1 once the shared part is subtracted."""
    shared, own = np.array([10.0, 10, 10]), np.array([[0.1, 0, -0.1]])
    assert compare("similarity", shared + own, shared - own, shared) > 0.999
    assert compare("corrected_similarity", shared + own, shared - own, shared) == pytest.approx(-1, abs=1e-9)


@pytest.mark.parametrize(
    ("similarity", "degraded", "baseline", "reason"),
    [
        ("similarity", [[1.0, 0.0], [0.0, 0.0]], BASELINE, "a frame of the embedding is all zeros"),
        ("pooled_similarity", [[1.0, 1.0], [-1.0, -1.0]], BASELINE, "all zeros"),
        ("corrected_similarity", DEGRADED, REFERENCE[1], "a frame equals the mean of all reference frames"),
        ("corrected_similarity", DEGRADED, DEGRADED[0], "a frame equals the mean of all reference frames"),
    ],
    ids=["zero frame", "mean frame zero", "reference frame is the baseline", "degraded frame is the baseline"],
)
def test_frames_without_direction_are_refused(similarity: str, degraded: Any, baseline: Any, reason: str) -> None:
    """A frame of zeros has no cosine: a reason, neither NaN nor a number."""
    with pytest.raises(Unscorable, match=reason):
        compare(similarity, REFERENCE, degraded, baseline)


def test_zero_frames_have_a_distance() -> None:
    """The L1 distance of two frames of zeros is 0."""
    assert compare("l1", 0 * REFERENCE, 0 * REFERENCE) == 0


@pytest.mark.parametrize("swap", [lambda a: a[::-1], lambda a: a[:, ::-1]], ids=["frames", "features"])
@pytest.mark.parametrize("similarity", ["similarity", "pooled_similarity", "l1"])
def test_order_of_frames_and_features(similarity: str, swap: Callable[[Any], Any]) -> None:
    """Swapping frames, or features, in both embeddings changes nothing."""
    assert compare(similarity, swap(REFERENCE), swap(DEGRADED)) == pytest.approx(
        compare(similarity, REFERENCE, DEGRADED), abs=1e-12
    )


def test_pesq_survives_more_utterances_than_it_has_room_for() -> None:
    """Seventy bursts in 28 s, on which the implementation may crash, have a score in windows or a reason in words."""
    generator = np.random.default_rng(0)
    wave = np.zeros(28 * 16000, np.float32)
    for start in range(0, wave.size - 6400, 6400):
        wave[start : start + 4000] = 0.3 * generator.standard_normal(4000)
    noisy = wave + 0.01 * generator.standard_normal(wave.size).astype(np.float32)
    score = metrics.score(METRICS["pesq_wb"], Clip(wave, 16000), Clip(noisy.astype(np.float32), 16000))
    assert (score.status == "ok" and 1 <= (score.value or 0) < 4.64) or "more than 50 utterances" in score.reason


def test_a_crash_is_followed_by_shorter_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a whole clip crashes PESQ's process, its halves are scored, and the remark says so."""
    from percept.metrics import pesq
    from percept.metrics._isolated import Crashed

    def fragile(function: object, reference: np.ndarray, degraded: np.ndarray, mode: str) -> float:
        if reference.size > 16000:
            raise Crashed("crashed")
        return 2.0

    monkeypatch.setattr(pesq, "isolated", fragile)
    wave = np.random.default_rng(0).standard_normal(40000).astype(np.float32)
    clip = Clip(wave, 16000)
    assert pesq.pesq_wb(clip, clip) == Score(2.0, reason="mean of 4 windows of 0.6 s")


@pytest.mark.parametrize("metric", list(METRICS), ids=lambda m: m.name)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_samples_that_are_no_numbers_are_failures(metric: Metric, bad: float) -> None:
    """A NaN or infinite sample in a clip that the measure hears is a failure that counts them."""
    good = np.random.default_rng(0).standard_normal(16000).astype(np.float32)
    spoilt = good.copy()
    spoilt[5] = bad
    for pair in ((good, spoilt), (spoilt, good))[: 2 if metric.needs_reference else 1]:
        score = metrics.score(metric, *(Clip(samples, 16000) for samples in pair))
        assert score.status == "failed" and "1 of 16000 samples" in score.reason
