"""The published noise study, redone: its numbers from its audio and embeddings, and its protocol with our noise."""

from __future__ import annotations

import csv
from pathlib import Path

import pandas as pd
import pytest
from conftest import ROOT

from percept import cli, media, metrics
from percept.degradations.noise import add_noise
from percept.metrics import METRICS
from percept.schema import Clip
from percept.stages.degrade import generator

LEVELS = (0.001, 0.002, 0.005, 0.01, 0.02)
PUBLISHED_CORRELATIONS = {
    ("openl3_similarity", "pesq_wb"): 0.894,
    ("openl3_similarity", "stoi"): 0.947,
    ("vggish_similarity", "pesq_wb"): 0.970,
    ("vggish_similarity", "stoi"): 0.768,
}


@pytest.fixture(scope="module")
def study(shared: Path) -> Path:
    return shared / "data" / "noise_study"


@pytest.fixture(scope="module")
def published(study: Path) -> pd.DataFrame:
    return pd.read_csv(study / "published_results.csv")


@pytest.fixture(scope="module")
def analysed(study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results folder of analyze_results.py --pairs on the published audio and embeddings."""
    folder = tmp_path_factory.mktemp("noise_study")
    header = ["reference", "degraded", "clip", "condition", "family", "level"]
    header += [f"{name}_{side}" for name in ("openl3", "vggish") for side in ("reference", "degraded")]
    rows = []
    for number, level in enumerate(LEVELS, start=1):
        embeddings = [
            study / f"{name}_embeddings" / f"test_audio_{version}.npy"
            for name in ("openl3", "vggish")
            for version in ("clean", f"degraded_{number}")
        ]
        audio = [study / "test_audio.wav", study / f"test_audio_degraded_{number}.wav"]
        rows.append([*audio, "test_audio", f"noise_{level}", "noise", level, *embeddings])
    with (folder / "pairs.csv").open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    flags = ["--pairs", folder / "pairs.csv", "--results", folder / "results", "--jobs", "1"]
    flags += ["--measures", "pesq_wb", "stoi", "si_sdr", "--targets", "pesq_wb", "stoi"]
    assert cli.analyze_results([str(flag) for flag in flags]) == 0
    return folder / "results"


def test_published_values_are_reproduced(analysed: Path, published: pd.DataFrame) -> None:
    """Similarities agree to six digits, PESQ within 1e-3 and STOI within 1e-4."""
    ours = pd.read_csv(analysed / "evaluation_results.csv")
    for column, theirs, tolerance in (
        ("openl3_similarity", "OpenL3_Similarity", 1e-6),
        ("vggish_similarity", "VGGish_Similarity", 1e-6),
        ("pesq_wb", "PESQ_Score", 1e-3),
        ("stoi", "STOI_Score", 1e-4),
    ):
        assert ours[column].to_numpy() == pytest.approx(published[theirs].to_numpy(), abs=tolerance), column


def test_published_correlations_are_reproduced(analysed: Path) -> None:
    """The four published Pearson correlations agree to three digits; one clip has no interval, and n is told."""
    table = pd.read_csv(analysed / "correlations.csv")
    table = table[(table["scope"] == "pooled") & (table["method"] == "pearson")].set_index(["predictor", "target"])
    for pair, value in PUBLISHED_CORRELATIONS.items():
        row = table.loc[pair]
        assert row["r"] == pytest.approx(value, abs=5e-4)
        assert (row["n"], row["n_clips"]) == (5, 1) and pd.isna(row["low"])


def test_our_noise_gives_the_published_scores(study: Path, published: pd.DataFrame) -> None:
    """White noise of our own on the published clean clip: PESQ within 0.1 and STOI within 0.003 of the table."""
    clean = media.read_mono(study / "test_audio.wav")
    for level, row in zip(LEVELS, published.to_dict("records"), strict=True):
        noisy = Clip(add_noise(clean, level, generator(0, "test_audio", f"noise_{level}")), clean.rate)
        assert metrics.score(METRICS["pesq_wb"], clean, noisy).value == pytest.approx(row["PESQ_Score"], abs=0.1)
        assert metrics.score(METRICS["stoi"], clean, noisy).value == pytest.approx(row["STOI_Score"], abs=0.003)


def test_the_protocol_scales_every_version_to_full_scale(
    study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """experiments/noise_study.toml on the study's own recording: five versions with a peak of 1."""
    monkeypatch.chdir(tmp_path)
    config = ["--config", str(ROOT / "experiments" / "noise_study.toml"), "--jobs", "1"]
    assert cli.audio_conversion([*config, "--input", str(study / "original")]) == 0
    assert cli.extract_embeddings([*config, "--embeddings", "logmel"]) == 0
    for level in LEVELS:
        path = tmp_path / "results_noise_study" / "test_audio" / f"test_audio_noise_{level}.wav"
        assert abs(media.read_mono(path).samples).max() == pytest.approx(1.0)


def test_speech_pair(shared: Path) -> None:
    """PESQ and STOI of the ITU-style pair are the reference implementations' values, ESTOI to rounding."""
    folder = shared / "data" / "speech_pair"
    pair = media.read_mono(folder / "speech.wav"), media.read_mono(folder / "speech_bab_0dB.wav")
    for name, value in (
        ("pesq_wb", 1.0832337141036987),
        ("pesq_nb", 1.6072081327438354),
        ("stoi", 0.6739177895331303),
        ("estoi", 0.39044999103355),
    ):
        assert metrics.score(METRICS[name], *pair).value == pytest.approx(value, abs=1e-6), name


@pytest.mark.slow
def test_the_protocol_runs_from_the_recording_to_the_report(
    study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The three scripts with experiments/noise_study.toml, on the recording, with both networks: all values there."""
    monkeypatch.chdir(tmp_path)
    config = ["--config", str(ROOT / "experiments" / "noise_study.toml")]
    assert cli.audio_conversion([*config, "--input", str(study / "original")]) == 0
    assert cli.extract_embeddings([*config, "--weights", "untrained"]) == 0
    assert cli.analyze_results(config) == 0
    table = pd.read_csv(tmp_path / "results_noise_study" / "evaluation_results.csv")
    unknown = ["bits_per_second", "kind"]  # noise is no codec, and no clips' table says what the recording is
    assert len(table) == len(LEVELS) and table.drop(columns=unknown).notna().all(axis=None)
    assert table[unknown].isna().all(axis=None)
    for column in ("pesq_wb", "stoi", "openl3_untrained_similarity", "vggish_untrained_similarity"):
        assert table[column].is_monotonic_decreasing, column
    report = (tmp_path / "results_noise_study" / "analysis_report.txt").read_text()
    assert "UNTRAINED CONTROL" in report and "quantised" in report and "One clip only" in report
