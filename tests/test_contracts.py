"""What every choice in every registry promises, tested by its being there."""

from __future__ import annotations

import math

import numpy as np
import pytest
from conftest import chirp

from percept import embeddings, metrics, weights
from percept.degradations import DEGRADATIONS
from percept.embeddings import EMBEDDINGS
from percept.metrics import METRICS, SIMILARITIES
from percept.records import Choice, Degradation, Embedding, Metric, Similarity
from percept.registry import Registry
from percept.schema import Clip, Unscorable

REGISTRIES: tuple[Registry[Choice], ...] = (DEGRADATIONS, EMBEDDINGS, METRICS, SIMILARITIES)  # type: ignore[assignment]

every_degradation = pytest.mark.parametrize("degradation", list(DEGRADATIONS), ids=lambda d: d.name)
every_metric = pytest.mark.parametrize("metric", list(METRICS), ids=lambda m: m.name)
every_similarity = pytest.mark.parametrize("similarity", list(SIMILARITIES), ids=lambda s: s.name)
every_embedding = pytest.mark.parametrize("embedding", list(EMBEDDINGS), ids=lambda e: e.name)


@pytest.mark.parametrize("registry", REGISTRIES, ids=lambda r: r.kind)
def test_every_record_tells_what_it_is(registry: Registry[Choice]) -> None:
    """No record lacks a title, a summary or a source, and its name can stand in a file name."""
    assert len(registry)
    for record in registry:
        assert record.title and record.summary and record.citation
        assert record.name.replace("_", "").isalnum() and record.name.islower()


def apply(degradation: Degradation, clip: Clip, level: float, seed: int = 0) -> np.ndarray:
    company = tuple(Clip(chirp(2.0, seed=number), clip.rate) for number in (1, 2, 3))
    response = 0.2 * np.random.default_rng(9).standard_normal(4000) * np.exp(-np.arange(4000) / 700)
    impulse = Clip(np.concatenate([[4.0], response]).astype(np.float32), clip.rate)
    beside = {"": (), "company": (company,), "impulse": (impulse,)}[degradation.needs]
    return degradation.apply(clip, level, np.random.default_rng(seed), *beside)


@every_degradation
def test_degradations_keep_length_and_type(degradation: Degradation, speech: Clip) -> None:
    """A degraded clip has the reference's length, is float32 and finite, and the reference is left alone."""
    before = speech.samples.copy()
    for level in degradation.levels:
        samples = apply(degradation, speech, level)
        assert samples.shape == speech.samples.shape
        assert samples.dtype == np.float32
        assert np.isfinite(samples).all()
    assert np.array_equal(before, speech.samples)


@every_degradation
def test_degradations_depend_on_the_seed_alone(degradation: Degradation, speech: Clip) -> None:
    """The same seed gives the same samples."""
    level = degradation.levels[-1]
    assert np.array_equal(apply(degradation, speech, level, 5), apply(degradation, speech, level, 5))


@every_degradation
def test_neutral_levels_change_nothing(degradation: Degradation, speech: Clip) -> None:
    """At its neutral level a degradation returns a 16-bit clip exactly."""
    assert np.array_equal(apply(degradation, speech, degradation.neutral), speech.samples)


every_loss = pytest.mark.parametrize("degradation", [d for d in DEGRADATIONS if not d.control], ids=lambda d: d.name)


@every_loss
def test_harsher_levels_are_further_away(degradation: Degradation, speech: Clip) -> None:
    """The distance to the reference grows along the declared order of the default levels, but for the controls."""
    severity = [degradation.severity(level) for level in degradation.levels]
    assert severity == sorted(severity)
    distances = [np.linalg.norm(apply(degradation, speech, level) - speech.samples) for level in degradation.levels]
    assert distances == sorted(distances)
    assert distances[0] > 0


@every_loss
def test_harsher_levels_sound_further_away(degradation: Degradation, speech: Clip) -> None:
    """SI-SDR falls or the log-mel distance grows along the default levels, whatever the randomness."""
    versions = [Clip(apply(degradation, speech, level), speech.rate) for level in degradation.levels]
    si_sdr, logmel = (
        [metrics.score(METRICS[name], speech, version).value for version in versions]
        for name in ("si_sdr", "logmel_distance")
    )
    assert None not in (*si_sdr, *logmel)
    assert si_sdr == sorted(si_sdr, reverse=True) or logmel == sorted(logmel)


@every_loss
def test_degradations_keep_the_alignment(degradation: Degradation, speech: Clip) -> None:
    """The cross-correlation of reference and degraded version peaks at lag 0, but for the controls."""
    degraded = apply(degradation, speech, degradation.levels[0])
    spectrum = np.fft.rfft(degraded, 2 * degraded.size) * np.conj(np.fft.rfft(speech.samples, 2 * degraded.size))
    assert int(np.argmax(np.fft.irfft(spectrum))) == 0


@every_degradation
def test_levels_lie_within_the_limits(degradation: Degradation) -> None:
    """Default and neutral levels are allowed ones, and every condition has a name of its own."""
    low, high = degradation.limits
    levels = (*degradation.levels, degradation.neutral)
    assert all(low <= level <= high for level in levels)
    assert len({degradation.condition(level) for level in levels}) == len(levels)


@pytest.fixture
def excerpt(metric: Metric, speech: Clip) -> Clip:
    """1.5 s of speech, because the slowest network takes its time; all of it where there is no reference.

    Such a network is unsure about a moment.
    """
    return Clip(speech.samples[8000:32000], speech.rate) if metric.needs_reference else speech


def noisy(clip: Clip, snr_db: float) -> Clip:
    noise = np.random.default_rng(1).standard_normal(clip.samples.size).astype(np.float32)
    gain = math.sqrt(np.mean(clip.samples**2) / np.mean(noise**2) / 10 ** (snr_db / 10))
    return Clip(clip.samples + np.float32(gain) * noise, clip.rate)


@every_metric
def test_metrics_are_perfect_on_identical_input(metric: Metric, excerpt: Clip) -> None:
    """A clip compared with itself has the declared perfect value; without a reference no value is perfect."""
    score = metrics.score(metric, excerpt, excerpt)
    assert score.status == "ok" and score.value is not None
    assert math.isnan(metric.perfect) is not metric.needs_reference
    assert metric.range[0] <= score.value <= metric.range[1]
    assert not metric.needs_reference or score.value == pytest.approx(metric.perfect, abs=1e-9)


@every_metric
def test_metrics_move_in_the_declared_direction(metric: Metric, excerpt: Clip) -> None:
    """From 30 to 10 to 0 dB of noise the value moves as declared and stays in its range."""
    values = [metrics.score(metric, excerpt, noisy(excerpt, snr)).value for snr in (30, 10, 0)]
    assert all(value is not None and metric.range[0] <= value <= metric.range[1] for value in values)
    assert values == sorted(values, reverse=metric.higher_is_better)


@every_metric
def test_metrics_tell_whether_order_matters(metric: Metric, excerpt: Clip) -> None:
    """Swapping reference and degraded gives the same value exactly where a metric says so."""
    other = noisy(excerpt, 5)
    forth, back = metrics.score(metric, excerpt, other), metrics.score(metric, other, excerpt)
    assert (forth.value == pytest.approx(back.value, rel=1e-9)) is metric.symmetric


@every_metric
def test_metrics_refuse_silence(metric: Metric, excerpt: Clip) -> None:
    """A silent reference, and two clips that do not fit together, are failures with a reason, not numbers.

    A measure without a reference refuses a silent degraded clip.
    """
    silence = Clip(np.zeros_like(excerpt.samples), excerpt.rate)
    shorter = Clip(excerpt.samples[:-1], excerpt.rate)
    pairs = ((silence, excerpt), (excerpt, shorter)) if metric.needs_reference else ((excerpt, silence),)
    for reference, degraded in pairs:
        score = metrics.score(metric, reference, degraded)
        assert score.status == "failed" and score.reason and score.value is None


@every_similarity
def test_similarities_know_identity_and_direction(similarity: Similarity) -> None:
    """Identical frames give the perfect value; more noise moves the value as declared, within the range."""
    generator = np.random.default_rng(0)
    reference, noise, baseline = (generator.standard_normal((5, 8)) for _ in range(3))
    values = [similarity.compute(reference, reference + s * noise, baseline[0]) for s in (0.0, 0.1, 1.0, 3.0)]
    assert values[0] == pytest.approx(similarity.perfect, abs=1e-12)
    assert values == sorted(values, reverse=similarity.higher_is_better)
    assert all(similarity.range[0] <= v <= similarity.range[1] + 1e-12 for v in values)


def network(embedding: Embedding) -> embeddings.Embedder:
    options = embedding.options()
    numbers, _ = weights.resolve(embedding.files(options), "untrained", seed=0, title=embedding.title)
    return embeddings.load(embedding.name, numbers)


@every_embedding
def test_embeddings_have_the_declared_shape(embedding: Embedding) -> None:
    """Dimension and number of frames are as declared, values are float32 and finite, and a second run agrees."""
    clip = Clip(chirp(1.2), 16000)
    embedder = network(embedding)
    first, second = (embeddings.embed(embedder, clip) for _ in range(2))
    assert first.shape == (
        embedder.frames(clip.samples.size, clip.rate),
        embedding.dimension(embedding.options()),
    )
    assert first.dtype == np.float32 and np.isfinite(first).all()
    assert np.array_equal(first, second)


@every_embedding
def test_embeddings_of_silence_and_of_a_moment_are_defined(embedding: Embedding) -> None:
    """Silence has finite features; 0.1 s has some too, or a reason why not."""
    embedder = network(embedding)
    assert np.isfinite(embeddings.embed(embedder, Clip(np.zeros(16000, np.float32), 16000))).all()
    try:
        moment = embeddings.embed(embedder, Clip(chirp(0.1), 16000))
    except Unscorable as reason:
        assert "0.1" in str(reason)
    else:
        assert np.isfinite(moment).all() and len(moment)


@every_embedding
def test_gradients_reach_the_waveform(embedding: Embedding) -> None:
    """An embedding that says it is differentiable has a finite gradient that is not zero."""
    import torch

    waveform = torch.tensor(chirp(1.0)[None], requires_grad=True)
    network(embedding)(waveform, 16000).square().mean().backward()
    assert waveform.grad is not None
    assert bool(torch.isfinite(waveform.grad).all()) and bool(waveform.grad.abs().max() > 0)
