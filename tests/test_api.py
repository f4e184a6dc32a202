"""The package in Python: percept.embed, percept.similarity and percept.score on single clips."""

from __future__ import annotations

import subprocess
import sys
import warnings
from typing import Any

import numpy as np
import pytest
from conftest import RATE_HZ, ROOT, chirp

import percept
from percept import dsp, metrics
from percept.metrics import METRICS
from percept.records import Weights
from percept.schema import Array, Clip, PerceptError, Score, Unscorable

WARNING = "OpenL3: untrained weights are used, as a control that has learnt nothing: nothing can be reached"


@pytest.fixture
def clip() -> Array:
    """One second at 16 kHz."""
    return chirp(1.0)


@pytest.fixture
def unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pretrained weights anywhere, found out without a request."""

    def resolve(files: Any, mode: str, **settings: Any) -> tuple[Weights, str]:
        if not files:
            return Weights("none", "none"), ""
        if mode == "pretrained":
            raise PerceptError("nothing can be reached")
        return Weights("untrained", "untrained-0"), WARNING if mode == "auto" else ""

    monkeypatch.setattr("percept.weights.resolve", resolve)


def noisy(clip: Array, deviation: float) -> Array:
    noise = np.random.default_rng(0).standard_normal(clip.shape)
    return (clip + deviation * noise).astype(np.float32)


# embed


@pytest.mark.parametrize(
    ("spec", "shape"), [("logmel", (98, 64)), ("logmel:bands=40", (98, 40)), ("logmel:slaney,bands=32", (98, 32))]
)
def test_embed_gives_frames_of_features(clip: Array, spec: str, shape: tuple[int, int]) -> None:
    """A second has 1 + (16000 - 400) // 160 = 98 frames of 25 ms, with as many features as the options ask for."""
    frames = percept.embed(clip, RATE_HZ, spec)
    assert frames.shape == shape and frames.dtype == np.float32 and np.isfinite(frames).all()


def test_embed_resamples_to_the_rate_of_the_embedding() -> None:
    """The same sound at 48 kHz has the same frames, but for the bands at the edge of what 16 kHz can hold."""
    clip = chirp(1.0)
    ours = percept.embed(clip, 16000, "logmel")
    theirs = percept.embed(dsp.resample(clip, 16000, 48000), 48000, "logmel")
    assert ours.shape == theirs.shape
    assert ours[:, :60] == pytest.approx(theirs[:, :60], abs=1e-3)


def test_embed_averages_channels(clip: Array) -> None:
    """``[C, T]`` is embedded as the mean of its channels."""
    mean = percept.embed(clip, RATE_HZ, "logmel")
    assert np.array_equal(percept.embed(np.stack([1.5 * clip, 0.5 * clip]), RATE_HZ, "logmel"), mean)


def test_embed_takes_what_numpy_takes(clip: Array) -> None:
    """A list and an array in double precision are as good as float32, and the caller's array is left alone."""
    before = clip.copy()
    expected = percept.embed(clip, RATE_HZ, "logmel")
    assert np.array_equal(percept.embed(clip.astype(np.float64), RATE_HZ, "logmel"), expected)
    assert np.array_equal(percept.embed(clip.tolist(), RATE_HZ, "logmel"), expected)  # type: ignore[arg-type]
    assert np.array_equal(clip, before)


@pytest.mark.parametrize(
    ("waveform", "reason"),
    [(np.empty(0), "the clip is empty"), (np.full(16000, np.nan), "16000 of 16000 samples are NaN or infinite")],
    ids=["empty", "NaN"],
)
def test_clips_without_an_embedding_say_why(waveform: Array, reason: str) -> None:
    """No samples, and samples that are no numbers, raise with the reason."""
    with pytest.raises(Unscorable, match=reason):
        percept.embed(waveform, RATE_HZ, "logmel")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("logmell", "there is no embedding called 'logmell'; did you mean 'logmel'?"),
        ("opnel3", "there is no embedding called 'opnel3'; did you mean 'openl3'"),
        ("logmel:bandz=3", "no option 'bandz'; did you mean 'bands'?"),
        ("logmel:bands=500", "'bands' must be 1 to 128, not 500"),
    ],
)
def test_unknown_embeddings_name_the_nearest(clip: Array, spec: str, message: str) -> None:
    """A misspelt embedding or option is told with the nearest name, by embed and by similarity alike."""
    message = message.replace("?", r"\?")
    with pytest.raises(PerceptError, match=message):
        percept.embed(clip, RATE_HZ, spec)
    with pytest.raises(PerceptError, match=message):
        percept.similarity(clip, clip, RATE_HZ, spec)


# Weights


@pytest.mark.usefixtures("unreachable")
def test_asking_for_the_control_warns_of_nothing() -> None:
    """weights="untrained" embeds 0.3 s with OpenL3 without a warning: the caller asked for it."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        frames = percept.embed(chirp(0.3), RATE_HZ, "openl3", weights="untrained")
    assert frames.shape[1] == 512 and np.isfinite(frames).all()


@pytest.mark.usefixtures("unreachable")
def test_falling_back_to_the_control_warns_the_caller() -> None:
    """Where no weights can be had, "auto" embeds with the control and warns, pointing at the caller's line."""
    with pytest.warns(UserWarning, match=WARNING) as caught:
        frames = percept.embed(chirp(0.3), RATE_HZ, "openl3")
    assert [warning.filename for warning in caught] == [__file__]
    assert np.array_equal(frames, percept.embed(chirp(0.3), RATE_HZ, "openl3", weights="untrained"))


@pytest.mark.usefixtures("unreachable")
def test_insisting_on_pretrained_weights_raises() -> None:
    """weights="pretrained" never falls back."""
    with pytest.raises(PerceptError, match="nothing can be reached"):
        percept.embed(chirp(0.3), RATE_HZ, "openl3", weights="pretrained")


@pytest.mark.usefixtures("unreachable")
@pytest.mark.parametrize("weights", ["auto", "pretrained", "untrained"])
def test_what_needs_no_weights_never_warns(clip: Array, weights: percept.WeightsMode) -> None:
    """The log-mel spectrum is the same whatever is said about weights."""
    expected = percept.embed(clip, RATE_HZ, "logmel")
    assert np.array_equal(percept.embed(clip, RATE_HZ, "logmel", weights=weights), expected)


# similarity


def test_identical_clips_are_alike(clip: Array) -> None:
    """A clip has the similarity 1 with itself, and less with anything else."""
    assert percept.similarity(clip, clip, RATE_HZ, "logmel") == pytest.approx(1, abs=1e-9)
    assert percept.similarity(clip, chirp(1.0, seed=5), RATE_HZ, "logmel") < 0.999


def test_similarity_falls_with_noise(clip: Array) -> None:
    """More noise is less similar."""
    values = [percept.similarity(clip, noisy(clip, sigma), RATE_HZ, "logmel") for sigma in (0.001, 0.01, 0.1)]
    assert 1 > values[0] > values[1] > values[2]


def test_similarity_is_the_mean_cosine_of_frames(clip: Array) -> None:
    """It is what the two embeddings give by the definition."""
    other = noisy(clip, 0.05)
    ours, theirs = (percept.embed(w, RATE_HZ, "logmel").astype(np.float64) for w in (clip, other))
    cosines = [a @ b / np.sqrt((a @ a) * (b @ b)) for a, b in zip(ours, theirs, strict=True)]
    assert percept.similarity(clip, other, RATE_HZ, "logmel") == pytest.approx(np.mean(cosines), abs=1e-12)


def test_similarity_averages_channels(clip: Array) -> None:
    """Two channels whose mean is the reference are the reference."""
    stereo = np.stack([1.5 * clip, 0.5 * clip])
    assert percept.similarity(clip, stereo, RATE_HZ, "logmel") == pytest.approx(1, abs=1e-9)


def test_clips_of_different_length_have_no_similarity(clip: Array) -> None:
    """A shorter degraded clip is refused with both lengths, not cut to fit."""
    with pytest.raises(Unscorable, match="differ in length: 16000 and 15999 samples; align them first"):
        percept.similarity(clip, clip[:-1], RATE_HZ, "logmel")


# score


@pytest.mark.parametrize("measures", [["snr", "si_sdr", "lsd"], ("stoi",), []])
def test_score_answers_what_was_asked(clip: Array, measures: list[str]) -> None:
    """There is one score a measure, in the order asked, equal to what the registry's record computes."""
    other = noisy(clip, 0.05)
    scores = percept.score(clip, other, RATE_HZ, measures)
    assert list(scores) == list(measures)
    for name, score in scores.items():
        assert score == metrics.score(METRICS[name], Clip(clip, RATE_HZ), Clip(other, RATE_HZ)) and score.status == "ok"


def test_score_takes_pesq_and_stoi_unless_told_otherwise(speech: Clip) -> None:
    """The default is what stands for the listener: wide-band PESQ and STOI."""
    scores = percept.score(speech.samples, noisy(speech.samples, 0.01), speech.rate)
    assert list(scores) == ["pesq_wb", "stoi"]
    assert scores["pesq_wb"].value is not None and 1 < scores["pesq_wb"].value < 2
    assert scores["stoi"].value is not None and 0.9 < scores["stoi"].value < 1


def test_the_reference_comes_first() -> None:
    """SNR is that of the first argument: 20 dB for a signal of ten times the error, in either channel layout."""
    signal, error = np.array([1.0, -1, 1, -1]), np.array([0.1, 0.1, -0.1, -0.1])
    assert percept.score(signal, signal + error, 8000, ["snr"])["snr"].value == pytest.approx(20, abs=1e-4)
    assert percept.score(0.1 * signal, 0.1 * signal + error, 8000, ["snr"])["snr"].value == pytest.approx(0, abs=1e-4)
    stereo = np.stack([signal + 2 * error, signal])
    assert percept.score(signal, stereo, 8000, ["snr"])["snr"].value == pytest.approx(20, abs=1e-4)


def test_silence_is_a_failed_score(clip: Array) -> None:
    """A silent reference fails every measure that needs one, a silent degraded clip PESQ, with the reason alone."""
    measures = [name for name in METRICS.names() if METRICS[name].needs_reference]
    scores = percept.score(0 * clip, clip, RATE_HZ, measures)
    assert scores == {name: Score(None, "failed", "the reference is silent") for name in measures}
    assert percept.score(clip, 0 * clip, RATE_HZ)["pesq_wb"] == Score(None, "failed", "the degraded clip is silent")


def test_clips_of_different_length_have_failed_scores(clip: Array) -> None:
    """A sample less is a failure with both lengths."""
    (score,) = percept.score(clip, clip[:-1], RATE_HZ, ["snr"]).values()
    assert score == Score(None, "failed", "lengths differ: reference 16000 samples, degraded 15999; align them first")


def test_unknown_measures_name_the_nearest(clip: Array) -> None:
    """A misspelt measure is told with the nearest name."""
    with pytest.raises(PerceptError, match=r"there is no measure called 'peskq_wb'; did you mean 'pesq_wb'"):
        percept.score(clip, clip, RATE_HZ, ["peskq_wb"])


# The package


def test_importing_percept_imports_nothing_large() -> None:
    """``import percept`` costs neither numpy nor torch nor anything else that is not Python's own."""
    code = "import sys, percept; print(*sorted({m.partition('.')[0] for m in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "percept" in loaded
    assert not loaded & {"numpy", "torch", "scipy", "librosa", "pandas", "matplotlib", "soundfile", "joblib"}


def test_the_package_says_what_it_offers() -> None:
    """All public names exist and carry a docstring."""
    assert set(percept.__all__) == {"embed", "similarity", "score", "PerceptualLoss", "MultiResolutionSTFTLoss"}
    assert all(getattr(percept, name).__doc__ for name in percept.__all__)
