"""The three scripts together: what they write, what they reuse, and what survives a kill."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from conftest import ROOT, Script, chirp

from percept import stages
from percept.schema import CORRELATIONS_COLUMNS, FAILURES_COLUMNS, MEASURES_COLUMNS

TABLES = (
    "evaluation_results.csv", "measures.csv", "correlations.csv", "comparisons.csv", "monotonicity.csv",
    "perceptual_metrics_table.csv", "similarity_metrics_table.csv", "failures.csv",
)  # fmt: skip
TEXTS = (*TABLES, "analysis_report.txt")
PLOTS = ("Log_mel_scatter_plots", "Log_mel_correlation_matrix", "noise_level_effects", "comparison_bars")

AllThree = Callable[[], list[int]]
Scripts = dict[str, Script]


def contents(folder: Path, names: tuple[str, ...] = TEXTS) -> dict[str, bytes]:
    return {name: (folder / "results" / name).read_bytes() for name in names}


def test_every_file_of_the_design_is_there(workplace: Path, all_three: AllThree) -> None:
    """The scripts end with status 0 and leave clips, versions, embeddings, tables, plots and report."""
    assert all_three() == [0, 0, 0]
    made = {p.name for p in (workplace / "test_audio").iterdir()}
    assert {"low_clean.wav", "low_noise_0.001.wav", "high_bit_depth_4.wav", "manifest.jsonl"} <= made
    assert len(list((workplace / "logmel_embeddings").glob("*.npy"))) == 2 * 6
    results = workplace / "results"
    assert all((results / name).stat().st_size for name in (*TEXTS, "run.json", "manifest.jsonl"))
    assert all((results / f"{name}.{kind}").is_file() for name in PLOTS for kind in ("png", "svg"))


def test_columns_are_those_of_the_design(workplace: Path, all_three: AllThree) -> None:
    """Names and order of the tables' columns are fixed, one row a pair and measure."""
    all_three()
    results = workplace / "results"
    assert tuple(pd.read_csv(results / "measures.csv").columns) == MEASURES_COLUMNS
    assert tuple(pd.read_csv(results / "correlations.csv").columns) == CORRELATIONS_COLUMNS
    assert tuple(pd.read_csv(results / "failures.csv").columns) == FAILURES_COLUMNS
    wide = pd.read_csv(results / "evaluation_results.csv")
    first = ["clip", "condition", "family", "level", "level_unit", "bits_per_second", "logmel_similarity", "stoi"]
    assert list(wide.columns)[: len(first)] == first
    assert len(wide) == 2 * 5 and len(pd.read_csv(results / "measures.csv")) == 2 * 5 * 8


def test_a_second_run_does_nothing(
    workplace: Path, all_three: AllThree, scripts: dict[str, Script], capsys: pytest.CaptureFixture[str]
) -> None:
    """The second run reuses every artefact, says so, and touches no file."""
    all_three()
    before = {p: p.stat().st_mtime_ns for p in workplace.rglob("*") if p.is_file()}
    capsys.readouterr()
    assert all_three() == [0, 0, 0]
    lines = capsys.readouterr().out.splitlines()
    assert all(": 0 done, " in line and ", 0 failed" in line for line in lines) and len(lines) == 3
    assert {p: p.stat().st_mtime_ns for p in workplace.rglob("*") if p.is_file()} == before


@pytest.mark.slow
def test_two_runs_from_scratch_agree(workplace: Path, all_three: AllThree, tmp_path_factory: pytest.TempPathFactory,
                                     monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    """Tables and report of two fresh runs in two folders are byte for byte the same."""
    all_three()
    first = contents(workplace)
    other = tmp_path_factory.mktemp("again")
    (other / "original_audio").symlink_to(workplace / "original_audio")
    monkeypatch.chdir(other)
    all_three()
    assert contents(other) == first


@pytest.mark.slow
def test_results_do_not_depend_on_processes_or_company(
    workplace: Path, scripts: dict[str, Script], all_three: AllThree
) -> None:
    """Two processes, and a clip more beside them, give the same values for the same clips."""
    all_three()
    before = pd.read_csv(workplace / "results" / "measures.csv")
    soundfile.write(workplace / "original_audio" / "a_third.wav", chirp(seed=7), 16000)
    for folder in ("test_audio", "logmel_embeddings", "results"):
        for path in (workplace / folder).iterdir():
            path.unlink()
    assert [scripts[name]("--jobs", "2") for name in ("convert", "extract", "analyze")] == [0, 0, 0]
    after = pd.read_csv(workplace / "results" / "measures.csv")
    after = after[after["item"] != "a_third"].reset_index(drop=True)
    own = before["measure"] != "logmel_corrected_similarity"  # its baseline is the mean of all clips
    pd.testing.assert_frame_equal(before[own], after[own])


def test_only_what_changed_is_made_again(
    workplace: Path, all_three: AllThree, scripts: dict[str, Script], capsys: pytest.CaptureFixture[str]
) -> None:
    """Editing one input remakes that clip's artefacts and no other's; a new condition adds its own only."""
    all_three()
    soundfile.write(workplace / "original_audio" / "low.wav", chirp(seed=9), 16000)
    capsys.readouterr()
    scripts["convert"]()
    scripts["extract"]()
    out = capsys.readouterr().out
    assert "1 done, 1 cached" in out and "11 done, 11 cached" in out
    scripts["extract"]("--conditions", "noise:0.001,0.01,0.1", "bit_depth:8,4,2")
    assert "4 done, 22 cached" in capsys.readouterr().out


def test_leftovers_of_other_settings_are_not_analysed(workplace: Path, scripts: dict[str, Script]) -> None:
    """A run with fewer conditions after one with more has the same tables as that run alone."""
    scripts["convert"]()
    few = ("--conditions", "noise:0.01,0.1,0.3")
    scripts["extract"](*few)
    scripts["analyze"]("--results", "alone")
    scripts["extract"]()
    scripts["extract"](*few)
    scripts["analyze"]("--results", "after")
    assert (workplace / "alone" / "measures.csv").read_bytes() == (workplace / "after" / "measures.csv").read_bytes()


@pytest.mark.slow
def test_a_damaged_cache_is_made_again(
    workplace: Path, all_three: AllThree, scripts: dict[str, Script], capsys: pytest.CaptureFixture[str]
) -> None:
    """A cut .npy and a flipped byte in a .wav are noticed; the tables come out as before."""
    all_three()
    before = contents(workplace)
    os.truncate(workplace / "logmel_embeddings" / "low_noise_0.01.npy", 100)
    path = workplace / "test_audio" / "high_noise_0.1.wav"
    content = bytearray(path.read_bytes())
    content[500] ^= 1
    path.write_bytes(content)
    assert scripts["analyze"]() == 1
    capsys.readouterr()
    scripts["extract"]()
    assert "2 done, 20 cached" in capsys.readouterr().out
    assert scripts["analyze"]() == 0
    assert contents(workplace) == before


def test_versions_of_an_earlier_clip_are_not_scored(workplace: Path, all_three: AllThree, scripts: Scripts) -> None:
    """After a clip was edited and converted, its old degraded versions are no longer compared with it."""
    all_three()
    soundfile.write(workplace / "original_audio" / "low.wav", chirp(seed=9), 16000)
    scripts["convert"]()
    assert scripts["analyze"]() == 1
    rows = pd.read_csv(workplace / "results" / "measures.csv").set_index("item")
    assert rows.loc["low", "value"].isna().all() and rows.loc["high", "value"].notna().all()
    assert rows.loc["low", "reason"].str.contains("earlier version of the clip|made from other audio").all()


def test_a_foreign_weight_file_fails_its_own_rows(
    workplace: Path, scripts: Scripts, capsys: pytest.CaptureFixture[str]
) -> None:
    """A weight file of the wrong shape is failed rows with the reason; the other embedding has all its values."""
    import h5py

    name = "openl3_audio_mel256_music-v0_4_0.h5"
    with h5py.File(workplace / name, "w") as file:
        file.attrs["layer_names"] = [b"dense"]
        group = file.create_group("dense")
        group.attrs["weight_names"] = [b"kernel"]
        group["kernel"] = np.zeros((3, 3))
    scripts["convert"]()
    flags = ["--embeddings", "openl3", "logmel", "--weights-dir", ".", "--weights", "pretrained"]
    assert scripts["extract"](*flags) == 2
    assert "not the official file" in capsys.readouterr().err
    assert scripts["extract"](*flags, "--trust-weights") == 1
    assert scripts["analyze"]() == 1
    rows = pd.read_csv(workplace / "results" / "measures.csv").set_index("measure")
    assert rows.loc["logmel_similarity", "value"].notna().all()
    assert rows.loc["openl3_similarity", "value"].isna().all()
    assert rows.loc["openl3_similarity", "reason"].str.contains(name).all()


def test_items_that_were_planned_but_not_made_stay_rows(workplace: Path, all_three: AllThree, scripts: Scripts) -> None:
    """A run that was cut short leaves rows with a reason, not a smaller study."""
    all_three()
    for folder, lost in (("test_audio", "noise_0.1"), ("logmel_embeddings", "bit_depth_8")):
        manifest = workplace / folder / "manifest.jsonl"
        lines = manifest.read_text().splitlines(keepends=True)
        manifest.write_text("".join(line for line in lines if f'"condition": "{lost}"' not in line))
    assert scripts["analyze"]() == 1
    rows = pd.read_csv(workplace / "results" / "measures.csv")
    assert len(rows) == 2 * 5 * 8
    lost = rows[rows["status"] == "skipped"]
    assert len(lost) == 2 * (8 + 6) and lost["reason"].str.contains("run extract_embeddings.py again").all()


def test_a_clip_put_there_by_hand_is_used(workplace: Path, scripts: Scripts) -> None:
    """A folder that holds nothing but <clip>_clean.wav can be degraded, embedded and analysed, twice."""
    (workplace / "test_audio").mkdir()
    soundfile.write(workplace / "test_audio" / "mine_clean.wav", chirp(), 16000)
    for _ in range(2):
        assert [scripts["extract"](), scripts["analyze"]()] == [0, 0]
    assert set(pd.read_csv(workplace / "results" / "measures.csv")["item"]) == {"mine"}
    run = json.loads((workplace / "results" / "run.json").read_text())
    assert list(run["digests"]) == ["test_audio/mine_clean.wav"]


def test_embeddings_are_found_where_they_were_put(workplace: Path, scripts: Scripts) -> None:
    """A folder named for the extraction need not be named again for the analysis."""
    scripts["convert"]()
    flags = ["--embeddings", "vggish:quantised", "--weights", "untrained", "--vggish-dir", "elsewhere"]
    assert scripts["extract"](*flags, "--conditions", "noise:0.1") == 0
    assert not (workplace / "vggish_embeddings").exists()
    assert scripts["analyze"]() == 0
    rows = pd.read_csv(workplace / "results" / "measures.csv").set_index("measure")
    assert rows.loc["vggish_untrained_similarity", "value"].notna().all()


def test_quiet_runs_still_tell_failures(workplace: Path, scripts: Scripts, capsys: pytest.CaptureFixture[str]) -> None:
    """With --quiet there is no word when all is well, and one line on standard error when something failed."""
    assert scripts["convert"]("--quiet") == 0
    assert capsys.readouterr() == ("", "")
    (workplace / "original_audio" / "bad.wav").write_text("not audio")
    assert scripts["convert"]("--quiet") == 1
    told = capsys.readouterr()
    assert not told.out and "1 failed" in told.err


def test_a_removed_clip_leaves_no_failure_behind(workplace: Path, all_three: AllThree) -> None:
    """A bad clip that was taken out of the input is in no table of the next run."""
    bad = workplace / "original_audio" / "bad.wav"
    bad.write_text("not audio")
    all_three()
    bad.unlink()
    assert all_three() == [0, 0, 0]
    assert not len(pd.read_csv(workplace / "results" / "failures.csv"))


def test_codecs_are_conditions_with_their_bits(workplace: Path, scripts: Scripts) -> None:
    """A coded version is a row like any other, and tells what it cost; what is not coded has no bit rate."""
    scripts["convert"]()
    assert scripts["extract"]("--conditions", "mp3:64,32", "babble:0") == 0
    assert scripts["analyze"]() == 0
    table = pd.read_csv(workplace / "results" / "evaluation_results.csv").set_index(["clip", "condition"])
    for clip in ("low", "high"):
        rates = [table.loc[(clip, f"mp3_{level}k"), "bits_per_second"] for level in (64, 32)]
        assert rates == pytest.approx([64000, 32000], rel=0.12)
        assert table.loc[(clip, "mp3_64k"), "si_sdr"] > table.loc[(clip, "mp3_32k"), "si_sdr"]
    assert table.xs("babble_0dB", level="condition")["bits_per_second"].isna().all()
    coder = json.loads((workplace / "results" / "run.json").read_text())["codecs"]
    assert set(coder) == {"mp3"} and coder["mp3"]["encoder"] == "libmp3lame" and coder["mp3"]["lame"].startswith("3.")
    assert table.xs("babble_0dB", level="condition")["si_sdr"].to_numpy() == pytest.approx(0, abs=0.6)


def test_the_clips_table_keeps_speech_and_music_apart(workplace: Path, scripts: Scripts) -> None:
    """``transcripts.csv`` beside the clips tells their kinds; a changed kind changes the results alone."""
    table = workplace / "original_audio" / "transcripts.csv"
    table.write_text("clip,file,kind\nlow,low.wav,speech\nhigh,high.wav,Music\n")
    for name in ("convert", "extract", "analyze"):
        assert scripts[name]() == 0
    rows = pd.read_csv(workplace / "results" / "measures.csv", keep_default_na=False)
    marked = rows[rows["reason"] != ""]
    assert set(zip(marked["item"], marked["measure"], strict=True)) == {("high", "stoi")}
    report = " ".join((workplace / "results" / "analysis_report.txt").read_text().split())
    assert "On speech, Log-mel similarity" in report
    assert "STOI: made for speech; the clip is music (5 values)." in report
    versions = (workplace / "test_audio" / "high_noise_0.1.wav").stat().st_mtime_ns
    table.write_text("clip,kind\nlow,speech\nhigh,speech\n")
    for name in ("convert", "extract", "analyze"):
        assert scripts[name]() == 0
    assert (pd.read_csv(workplace / "results" / "measures.csv", keep_default_na=False)["reason"] == "").all()
    assert (workplace / "test_audio" / "high_noise_0.1.wav").stat().st_mtime_ns == versions


def test_an_untrained_codec_never_passes_for_the_codec(workplace: Path, scripts: Scripts) -> None:
    """The control's versions, tables and report carry (untrained), and a note stands on top."""
    scripts["convert"]()
    assert scripts["extract"]("--conditions", "encodec:6", "noise:0.1", "--weights", "untrained") == 0
    assert (workplace / "test_audio" / "low_encodec_untrained_6k.wav").exists()
    assert scripts["analyze"]() == 0
    assert set(pd.read_csv(workplace / "results" / "measures.csv")["family"]) == {"encodec_untrained", "noise"}
    head = (workplace / "results" / "analysis_report.txt").read_text().split("What was found")[0]
    assert "UNTRAINED CONTROL: EnCodec" in head


def test_an_impulse_response_of_the_users(
    workplace: Path, scripts: Scripts, capsys: pytest.CaptureFixture[str]
) -> None:
    """The condition impulse_response asks for a file; another file makes the versions anew."""
    scripts["convert"]()
    flags = ["--conditions", "impulse_response:1", "noise:0.1"]
    assert scripts["extract"](*flags) == 2
    assert "name its file with --impulse-response" in capsys.readouterr().err
    for number in (1, 2):
        echo = np.zeros(2000)
        echo[[0, 500 * number]] = 1, 0.5
        soundfile.write(workplace / "room.wav", echo, 16000)
        assert scripts["extract"](*flags, "--impulse-response", "room.wav") == 0
    assert "4 done, 6 cached" in capsys.readouterr().out.splitlines()[-1]  # two versions, two embeddings


def test_a_bad_clip_is_rows_with_a_reason(workplace: Path, all_three: AllThree) -> None:
    """A clip that cannot be read stays in the tables as failed and skipped rows; the others have their values."""
    (workplace / "original_audio" / "bad.wav").write_text("not audio")
    assert all_three() == [1, 1, 1]
    failures = pd.read_csv(workplace / "results" / "failures.csv")
    assert set(failures["item"]) == {"bad"}
    assert set(failures[failures["status"] == "failed"]["stage"]) == {"convert"}
    rows = pd.read_csv(workplace / "results" / "measures.csv")
    assert len(rows) == 3 * 5 * 8
    bad = rows[rows["item"] == "bad"]
    assert (bad["status"] == "skipped").all() and bad["value"].isna().all() and bad["reason"].str.len().gt(10).all()
    assert (rows[rows["item"] != "bad"]["status"] == "ok").all()
    assert "not audio that libsndfile reads" in (workplace / "results" / "analysis_report.txt").read_text()


def test_silence_and_moments_are_failed_rows(workplace: Path, scripts: dict[str, Script], all_three: AllThree) -> None:
    """A silent clip and one of 0.1 s have reasons where a measure cannot score them, and never a number."""
    soundfile.write(workplace / "original_audio" / "silent.wav", np.zeros(16000), 16000)
    soundfile.write(workplace / "original_audio" / "moment.wav", chirp(0.1), 16000)
    assert all_three() == [0, 0, 1]
    scores = pd.read_csv(workplace / "results" / "measures.csv")
    stoi = scores[(scores["measure"] == "stoi") & (scores["status"] == "failed")]
    assert set(stoi["item"]) == {"silent", "moment"} and stoi["value"].isna().all()
    assert set(stoi["reason"]) == {"the reference is silent", "STOI needs 0.41 s of signal that is not silent"}


def test_an_odd_name_goes_through(workplace: Path, all_three: AllThree) -> None:
    """A clip called <script>$x_1$ 'ü' is only a name."""
    (workplace / "original_audio" / "low.wav").rename(workplace / "original_audio" / "<script>$x_1$ 'ü'.wav")
    assert all_three() == [0, 0, 0]
    assert "<script>$x_1$ 'ü'" in set(pd.read_csv(workplace / "results" / "measures.csv")["item"])


def test_plots_of_an_earlier_study_are_removed(workplace: Path, scripts: dict[str, Script]) -> None:
    """After a run without noise, no noise plot is left in the results."""
    scripts["convert"]()
    scripts["extract"]()
    scripts["analyze"]()
    assert (workplace / "results" / "noise_level_effects.png").exists()
    scripts["extract"]("--conditions", "bit_depth:8,4")
    scripts["analyze"]()
    assert not (workplace / "results" / "noise_level_effects.png").exists()


@pytest.mark.parametrize(
    ("script", "flags", "message"),
    [
        ("extract", ["--input", "nowhere"], "no clips in the folder nowhere"),
        ("extract", ["--conditions", "nois:0.1"], "no degradation or codec called 'nois'; did you mean 'noise'"),
        ("extract", ["--conditions", "noise:loud"], "'loud' is not a level"),
        ("extract", ["--conditions", "bit_depth:99"], "whole numbers from 2 to 24 bit"),
        ("extract", ["--embeddings", "openl4"], "no embedding called 'openl4'; did you mean 'openl3'"),
        ("extract", ["--embeddings", "logmel:bandz=3"], "bandz"),
        ("extract", ["--embeddings", "logmel", "logmel:bands=32"], "'logmel' is named twice"),
        ("extract", ["--seed", "-1"], "--seed -1 is out of range"),
        ("analyze", ["--targets", "stoy"], "no measure called 'stoy' to be a target; did you mean 'stoi'"),
        ("extract", ["--device", "cuda"], "no CUDA device"),
        ("analyze", ["--measures", "peskq_wb"], "no measure called 'peskq_wb'; did you mean 'pesq_wb'"),
        ("analyze", ["--input", "nowhere"], "no clips in the folder nowhere"),
        ("analyze", ["--results", "original_audio/low.wav"], "cannot write to the folder original_audio/low.wav"),
        ("analyze", ["--permutations", "3"], "too few"),
        ("analyze", ["--config", "none.toml"], "cannot read the settings file none.toml"),
    ],
)
def test_wrong_settings_are_one_line_and_status_2(
    workplace: Path, scripts: dict[str, Script], capsys: pytest.CaptureFixture[str], script: str, flags: list[str],
    message: str,
) -> None:  # fmt: skip
    """Settings that cannot be used are told in one line that says what was found and what would do."""
    import torch

    if "cuda" in flags and torch.cuda.is_available():
        pytest.skip("this machine has a CUDA device")
    scripts["convert"]()
    if script == "analyze":
        scripts["extract"]()
    capsys.readouterr()
    assert scripts[script](*flags) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


def test_stages_out_of_order_are_told(
    workplace: Path, scripts: dict[str, Script], capsys: pytest.CaptureFixture[str]
) -> None:
    """Step 2 before step 1, and step 3 before step 2, say which script to run first."""
    assert scripts["extract"]() == 2
    assert "run audio_conversion.py first" in capsys.readouterr().err
    scripts["convert"]()
    assert scripts["analyze"]() == 2
    assert "run extract_embeddings.py first" in capsys.readouterr().err


def test_interrupting_says_how_to_resume(
    workplace: Path, scripts: dict[str, Script], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ctrl-C ends with status 130 and a line that says how to go on."""
    import percept.stages.convert as stage

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(stage, "convert", interrupt)
    assert stages.__doc__
    assert scripts["convert"]() == 130
    assert "Start the same command again to go on" in capsys.readouterr().err


def test_a_killed_extraction_resumes_to_the_same_tables(
    workplace: Path, all_three: AllThree, scripts: dict[str, Script]
) -> None:
    """SIGKILL in the middle of extract_embeddings.py, then a restart: tables as of an undisturbed run."""
    all_three()
    undisturbed = contents(workplace)
    for lines_before_kill in (3, 12, 20):
        for folder in ("test_audio", "logmel_embeddings", "results"):
            for path in (workplace / folder).iterdir():
                path.unlink()
        scripts["convert"]()
        _kill_extraction(workplace, lines_before_kill)
        assert scripts["extract"]() == 0
        assert scripts["analyze"]() == 0
        assert contents(workplace) == undisturbed


def _kill_extraction(folder: Path, lines: int) -> None:
    """Start the extraction as a process of its own and kill it once its manifests have `lines` lines."""
    process = subprocess.Popen(
        [sys.executable, ROOT / "extract_embeddings.py", "--jobs", "1", "--embeddings", "logmel", "--conditions",
         "noise:0.001,0.01,0.1", "bit_depth:8,4"],
        cwd=folder, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    manifests = (folder / "test_audio" / "manifest.jsonl", folder / "logmel_embeddings" / "manifest.jsonl")
    while process.poll() is None:
        written = sum(m.read_bytes().count(b"\n") for m in manifests if m.exists())
        if written >= lines + 3:  # the conversion wrote three
            os.killpg(process.pid, signal.SIGKILL)
            break
        time.sleep(0.001)
    process.wait()
