"""CDPAM, DNSMOS, spectral distances and segmental SNR against published and hand-derived numbers."""

from __future__ import annotations

import io
import math
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from conftest import RATE_HZ, chirp

from percept import cdpam_model, embeddings, media, metrics
from percept.metrics import METRICS, dnsmos
from percept.records import Weights
from percept.schema import Array, Clip, PerceptError, Unscorable


def value(name: str, reference: Clip, degraded: Clip) -> float:
    score = metrics.score(METRICS[name], reference, degraded)
    assert score.value is not None, score.reason
    return score.value


def noise(seconds: float = 1.0, seed: int = 0) -> Array:
    return 0.1 * np.random.default_rng(seed).standard_normal(round(seconds * RATE_HZ)).astype(np.float32)


def test_cdpam_gives_the_published_distance(shared: Path) -> None:
    """The authors' example pair has the distance 0.1696."""
    reference, degraded = (media.read_mono(shared / "data" / "cdpam_pair" / name) for name in ("ref.wav", "2.wav"))
    assert value("cdpam", reference, degraded) == pytest.approx(0.1696, abs=1e-4)


def test_cdpam_is_a_symmetric_distance_that_hears_noise_and_level() -> None:
    """Identity is 0, both orders agree, more noise and a lower level are further away."""
    clip = Clip(chirp(0.3), RATE_HZ)
    others = [Clip(clip.samples + s * noise(0.3), RATE_HZ) for s in (0.0, 0.02, 0.5)]
    distances = [value("cdpam", clip, other) for other in others]
    assert distances[0] == 0 and distances == sorted(distances) and distances[1] > 0
    assert value("cdpam", others[2], clip) == distances[2]
    assert value("cdpam", clip, Clip(clip.samples / 2, RATE_HZ)) > 0.01


def test_cdpam_encodes_long_clips_in_chunks_as_if_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks see as much of their neighbours as a frame depends on."""
    import torch

    encoder, _ = cdpam_model.load()
    monkeypatch.setattr(cdpam_model, "CHUNK", 100 * cdpam_model.STRIDE)
    waveform = cdpam_model.sixteen_bit(torch.from_numpy(chirp(0.3)[:4333]).double())[None]
    with torch.no_grad():
        *_, (_, whole) = encoder.layers(waveform)
        assert torch.allclose(encoder(waveform), whole[..., ::2].mean(dim=-1), atol=1e-6)


def test_cdpam_weights_are_read_without_running_code(tmp_path: Path) -> None:
    """A file that is not the published one is refused, and one that names a function never gets to call it."""
    import torch

    with pytest.raises(PerceptError, match="not the published one"):
        cdpam_model.read_state(b"something else")
    target = tmp_path / "ran"

    class Malicious:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(target),)

    for zipped in (False, True):
        content = io.BytesIO()
        torch.save({"state": Malicious()}, content, _use_new_zipfile_serialization=zipped)
        with pytest.raises(pickle.UnpicklingError, match="wants to run"):
            cdpam_model.restricted_load(content.getvalue())
    with pytest.raises(pickle.UnpicklingError, match="wants to run"):
        cdpam_model.restricted_load(pickle.dumps(Malicious()))
    assert not target.exists()


def test_cdpam_embeds_with_the_encoder_of_the_distance() -> None:
    """A window's frame is what the encoder gives for it; half of it is acoustic; windows lie side by side."""
    import torch

    clip = Clip(chirp(1.3, rate=22050), 22050)
    weights = Weights("none", "none")
    rows = embeddings.embed(embeddings.load("cdpam:all", weights), clip)
    padded = np.pad(clip.samples, (0, 2 * 22050 - clip.samples.size)).reshape(2, 22050)
    encoder, _ = cdpam_model.load()
    with torch.no_grad():
        expected = encoder(cdpam_model.sixteen_bit(torch.from_numpy(padded).double())).numpy()
    assert rows.shape == (2, 1024) and np.allclose(rows, expected, atol=1e-5)
    acoustic = embeddings.load("cdpam", weights)
    with torch.no_grad():
        row = acoustic(torch.from_numpy(padded[:1])).numpy()[0]
    assert np.allclose(row, expected[:1, :512], atol=1e-5)
    assert acoustic.frames(100) == 1 and acoustic.frames(22050) == 1 and acoustic.frames(22051) == 2


def test_rounding_to_sixteen_bit_passes_gradients() -> None:
    """The network gets whole numbers, the waveform gets the gradient."""
    import torch

    waveform = torch.tensor([0.1, -0.5, 1 / 65536 + 1e-9], dtype=torch.float64, requires_grad=True)
    steps = cdpam_model.sixteen_bit(waveform)
    steps.sum().backward()
    assert steps.tolist() == [3277.0, -16384.0, 1.0]
    assert waveform.grad is not None and waveform.grad.tolist() == [32768.0] * 3


def test_dnsmos_hears_noise_without_the_reference(speech: Clip) -> None:
    """Noise lowers the overall and the background rating, whatever stands for the reference."""
    noisy = Clip(speech.samples + 0.5 * noise(speech.seconds), RATE_HZ)
    silence = Clip(np.zeros_like(speech.samples), RATE_HZ)
    for name in ("dnsmos_ovrl", "dnsmos_bak"):
        clean = value(name, speech, speech)
        assert 1 < value(name, speech, noisy) < clean - 0.5 and clean < 5
        assert value(name, silence, speech) == clean
        assert not METRICS[name].needs_reference


def test_dnsmos_is_the_packages(speech: Clip) -> None:
    """All three ratings agree with the package's own program, which hears up to seven windows; here one and four."""
    ours = dnsmos.rate(speech)
    assert ours["ovrl"] == pytest.approx(2.6995958844, abs=1e-4)
    assert ours["sig"] == pytest.approx(2.9150062869, abs=1e-4)
    assert ours["bak"] == pytest.approx(4.0289631114, abs=1e-4)
    longer = np.tile(speech.samples, 3)[: round(12.02 * RATE_HZ)]
    assert dnsmos.rate(Clip(longer, RATE_HZ))["ovrl"] == pytest.approx(2.7377188476, abs=1e-4)


def test_dnsmos_hears_all_of_a_clip() -> None:
    """A short clip is repeated; a longer one gives a window for each whole second beyond the first nine and a bit."""
    for seconds, windows in ((0.5, 7), (4.52, 1), (9.01, 1), (10.5, 1), (11.5, 2), (20, 11)):
        cut = list(dnsmos._windows(np.zeros(round(seconds * RATE_HZ), np.float32)))
        assert len(cut) == windows and {w.size for w in cut} == {dnsmos.WINDOW_SAMPLES}


@pytest.mark.parametrize("name", ["dnsmos_ovrl", "dnsmos_sig", "dnsmos_bak"])
def test_dnsmos_refuses_silence(name: str, speech: Clip) -> None:
    """A silent or empty degraded clip is a failure with a reason."""
    for samples, reason in ((np.zeros(16000, np.float32), "silent"), (np.zeros(0, np.float32), "no samples")):
        score = metrics.score(METRICS[name], speech, Clip(samples, RATE_HZ))
        assert score.status == "failed" and reason in score.reason


def test_mrstft_of_a_gain_is_known() -> None:
    """Half the amplitude: convergence 1/2 and a log magnitude of ln 2 at every resolution."""
    clip = Clip(noise(), RATE_HZ)
    assert value("mrstft", clip, Clip(clip.samples / 2, RATE_HZ)) == pytest.approx(0.5 + math.log(2), rel=1e-5)
    assert value("mrstft", clip, Clip(2 * clip.samples, RATE_HZ)) == pytest.approx(1 + math.log(2), rel=1e-5)


def test_logmel_distance_of_a_gain_is_the_gain() -> None:
    """Every band moves by 20 dB at a tenth of the amplitude, at any rate."""
    for rate in (8000, 16000, 48000):
        clip = Clip(noise(), rate)
        quieter = Clip(clip.samples / np.float32(10), rate)
        assert value("logmel_distance", clip, quieter) == pytest.approx(20, abs=1e-3)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("rate", [4000, 8000, 44100, 96000])
def test_mel_bands_are_all_heard(rate: int) -> None:
    """No band lies between two lines of the spectrum, and between the outer ones each line counts once in all."""
    from percept.metrics.spectral import MEL_WINDOW_MS, _mel_bank

    window = round(rate * MEL_WINDOW_MS / 1000)
    bank = _mel_bank(window, rate)
    assert bank.shape == (window // 2 + 1, 80) and (bank.sum(axis=0) > 0).all()
    inner = bank[np.argmax(bank[:, 0]) + 1 : np.argmax(bank[:, -1])]
    assert np.allclose(inner.sum(axis=1), 1)


def test_spectral_distances_do_not_hear_digital_silence() -> None:
    """A pause of zeros is as good as one at -110 dB."""
    pause = np.r_[noise(), np.zeros(16000, np.float32)]
    nearly = pause + np.float32(3e-6) * np.sign(noise(2, 1))
    for name in ("mrstft", "logmel_distance"):
        assert value(name, Clip(pause, RATE_HZ), Clip(nearly, RATE_HZ)) < 0.02


def test_segmental_snr_of_known_frames() -> None:
    """Frames with 20 and 0 dB have the mean 10 dB; limits hold; pauses and the incomplete last frame do not count."""
    frame = noise(0.03)
    clip = Clip(np.r_[frame, frame, np.zeros(100, np.float32)], RATE_HZ)
    off = np.r_[0.1 * frame, frame, np.ones(100, np.float32)]
    assert value("seg_snr", clip, Clip(clip.samples + off, RATE_HZ)) == pytest.approx(10, abs=1e-4)
    off = np.r_[1e-4 * frame, 10 * frame, np.zeros(100, np.float32)]
    assert value("seg_snr", clip, Clip(clip.samples + off, RATE_HZ)) == pytest.approx((35 - 10) / 2, abs=1e-4)
    paused = Clip(np.r_[frame, 0.001 * frame], RATE_HZ)
    off = np.r_[0.1 * frame, frame]
    assert value("seg_snr", paused, Clip(paused.samples + off, RATE_HZ)) == pytest.approx(20, abs=1e-4)


@pytest.mark.parametrize("name", ["mrstft", "logmel_distance", "seg_snr"])
def test_clips_shorter_than_a_frame_are_refused(name: str) -> None:
    """10 ms are a failure with a reason."""
    clip = Clip(noise(0.01), RATE_HZ)
    score = metrics.score(METRICS[name], clip, clip)
    assert score.status == "failed" and score.reason


def test_segmental_snr_needs_a_sounding_frame() -> None:
    """A click in the incomplete last frame is no speech."""
    clip = Clip(np.r_[np.zeros(480, np.float32), np.ones(3, np.float32)], RATE_HZ)
    assert "silent in every whole frame" in metrics.score(METRICS["seg_snr"], clip, clip).reason


def test_mrstft_needs_a_sounding_frame() -> None:
    """Sound that lies past the last whole frame alone is none."""
    clip = Clip(np.r_[np.zeros(2148, np.float32), np.ones(200, np.float32)], RATE_HZ)
    assert "silent in every whole frame" in metrics.score(METRICS["mrstft"], clip, clip).reason


@pytest.mark.parametrize("package", ["cdpam", "speechmos"])
def test_a_missing_package_is_a_reason(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the package that carries a network there is no value, but a reason."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(Unscorable, match=f"the package {package}"):
        cdpam_model._weights_path() if package == "cdpam" else dnsmos._model()
