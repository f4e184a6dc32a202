"""analyze_results.py --pairs: somebody else's audio and embeddings, named in a CSV file."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile
from conftest import RATE_HZ, chirp

from percept import cli, dsp
from percept.schema import Clip

CLIPS = ("one", "two")
VERSIONS = (0.001, 0.01, 0.1)
AUDIO = ["reference", "degraded"]
STORED = ["mine_reference", "mine_degraded"]
SIMILARITIES = ("similarity", "pooled_similarity", "corrected_similarity", "l1", "l2", "frechet")

Analyse = Callable[..., int]


def names(clip: str, ending: str) -> list[list[str]]:
    """The reference and each degraded version of a clip."""
    return [[f"{clip}.{ending}", f"{clip}_{i}.{ending}"] for i in range(len(VERSIONS))]


ROWS = [pair for clip in CLIPS for pair in names(clip, "wav")]
ROWS_WITH_FRAMES = [
    [*audio, *frames] for clip in CLIPS for audio, frames in zip(names(clip, "wav"), names(clip, "npy"), strict=True)
]


def write(header: Sequence[str], rows: Sequence[Sequence[Any]], path: str = "pairs.csv") -> None:
    with Path(path).open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])


def table(name: str) -> pd.DataFrame:
    """A table of the results, with empty text as empty text."""
    return pd.read_csv(Path("results") / name, keep_default_na=False, na_values={"value": [""], "r": [""]})


def scored(measure: str) -> pd.DataFrame:
    """The rows of one measure in the long table, by condition."""
    rows = table("measures.csv")
    return rows[rows["measure"] == measure].set_index("condition")


def report() -> str:
    return Path("results/analysis_report.txt").read_text(encoding="utf-8")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to be in: two clips of 0.5 s, three noisy versions of each, and five frames of four features a file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("percept.plots.draw", lambda study, folder, spread: ({}, {}))  # plots have tests of their own
    for seed, clip in enumerate(CLIPS):
        generator = np.random.default_rng(seed)
        wave, frames = chirp(0.5, seed=seed), generator.standard_normal((5, 4))
        soundfile.write(f"{clip}.wav", wave, RATE_HZ, subtype="FLOAT")
        np.save(f"{clip}.npy", frames)
        for number, deviation in enumerate(VERSIONS):
            noise = deviation * generator.standard_normal(wave.size)
            soundfile.write(f"{clip}_{number}.wav", wave + noise, RATE_HZ, subtype="FLOAT")
            np.save(f"{clip}_{number}.npy", frames + 3 * deviation * generator.standard_normal((5, 4)))
    return tmp_path


@pytest.fixture
def analyse() -> Analyse:
    """analyze_results.py --pairs with quick settings; returns the exit status."""
    quick = ["--jobs", "1", "--measures", "snr", "lsd", "--targets", "snr", "--permutations", "100"]
    return lambda *flags, pairs="pairs.csv": cli.analyze_results(
        [*quick, "--resamples", "100", "--pairs", pairs, *flags]
    )


# Listening tests


def listening_test(opinion: Callable[[float], float], **columns: Callable[[float], Any]) -> list[float]:
    """Ten noisy versions of each clip, and a ``mos`` that is a function of their SNR; returns the SNRs."""
    rows, ratios = [], []
    for seed, clip in enumerate(CLIPS):
        wave, _ = soundfile.read(f"{clip}.wav", dtype="float32")
        for number, snr in enumerate(np.linspace(-5, 40, 10) + seed):
            noise = np.random.default_rng(number).standard_normal(wave.size)
            noise *= np.sqrt(np.mean(wave**2) / np.mean(noise**2)) * 10 ** (-snr / 20)
            soundfile.write(f"{clip}_mos_{number}.wav", wave + noise, RATE_HZ, subtype="FLOAT")
            more = [make(snr) for make in columns.values()]
            rows.append([f"{clip}.wav", f"{clip}_mos_{number}.wav", f"{opinion(snr):.6f}", *more])
            ratios.append(float(snr))
    write([*AUDIO, "mos", *columns], rows)
    return ratios


def five_point(snr: float) -> float:
    """Opinions as a curve of the SNR that no straight line follows."""
    return float(1.1 + 3.6 / (1 + np.exp(-(snr - 15) / 4)))


def test_a_listening_test_is_recovered(analyse: Analyse) -> None:
    """Opinions that are a monotone curve of SNR: by P.1401 r is 1 and the error 0 to three digits; plain r is not."""
    listening_test(five_point)
    assert analyse() == 0
    judged = table("listening_test.csv").set_index(["measure", "scope"]).loc[("snr", "pooled")]
    assert float(judged["r"]) == pytest.approx(1, abs=5e-4) and float(judged["rmse"]) == pytest.approx(0, abs=5e-4)
    assert judged["mapping"] == "logistic" and not judged["reversed"] and judged["n"] == 20
    plain = table("correlations.csv").set_index(["predictor", "target", "scope", "method"])["r"]
    assert abs(plain[("snr", "mos", "pooled", "pearson")]) < 0.99
    assert "SNR predicts the listeners' opinions best" in " ".join(report().split())
    assert "- REVERSED" not in report() and not table("listening_test.csv")["reversed"].any()


def test_a_reversed_listening_test_is_flagged(analyse: Analyse) -> None:
    """Opinions that fall as the SNR grows are predicted just as well, and flagged."""
    listening_test(lambda snr: 6 - five_point(snr))
    analyse()
    judged = table("listening_test.csv").set_index(["measure", "scope"]).loc[("snr", "pooled")]
    assert judged["reversed"] and float(judged["r"]) == pytest.approx(1, abs=5e-4)
    assert "- REVERSED: what SNR, Log-spectral distance call better, the listeners call worse." in " ".join(
        report().split()
    )


def test_outliers_are_counted_by_the_listeners_own_doubt(analyse: Analyse) -> None:
    """``mos_ci95`` is no target; without doubt every deviation is an outlier, with much doubt none."""
    snr = listening_test(lambda snr: five_point(snr) + 0.2 * np.sin(9 * snr), mos_ci95=lambda snr: 0.001)
    assert analyse() == 0 and len(snr) == 20
    row = table("listening_test.csv").set_index(["measure", "scope"]).loc[("snr", "pooled")]
    assert float(row["outlier_ratio"]) > 0.8
    assert "mos_ci95" not in set(table("measures.csv")["measure"])
    listening_test(five_point, mos_ci95=lambda snr: 0.5)
    analyse()
    row = table("listening_test.csv").set_index(["measure", "scope"]).loc[("snr", "pooled")]
    assert float(row["outlier_ratio"]) == 0


def test_few_opinions_are_no_judgement(analyse: Analyse) -> None:
    """Four coefficients through five points: a row with the reason and no number."""
    write([*AUDIO, "mos"], [[*row, str(i)] for i, row in enumerate(ROWS[:5])])
    assert analyse() == 0
    rows = table("listening_test.csv")
    assert (rows["reason"] == "5 items have both numbers; at least 6 are needed").all() and rows["r"].isna().all()


@pytest.mark.parametrize(
    ("header", "cell", "message"),
    [
        (["mos_ci95"], "0.1", "has a column 'mos_ci95' but no 'mos'"),
        (["mos", "mos_ci95"], "-0.1", "line 2: mos_ci95 '-0.1' is not the half width of an interval"),
        (["mos", "mos_ci95"], "some", "line 2: mos_ci95 'some' is not the half width of an interval"),
    ],
)
def test_doubts_that_are_none(header: list[str], cell: str, message: str, analyse: Analyse, capsys: Any) -> None:
    """An interval without opinions, or that is none, is refused with its line."""
    write([*AUDIO, *header], [[*row, *(["3"] * (len(header) - 1)), cell] for row in ROWS])
    assert analyse() == 2
    assert message in capsys.readouterr().err


def test_kinds_of_clips_are_kept_apart(analyse: Analyse) -> None:
    """A ``kind`` column makes scopes, and marks what was made for speech on clips that are none."""
    write([*AUDIO, "kind"], [[*row, "Music" if "one" in row[0] else "speech"] for row in ROWS])
    analyse("--measures", "stoi", "snr")
    assert {"kind:music", "kind:speech"} < set(table("correlations.csv")["scope"])
    rows = table("measures.csv")
    marked = rows[rows["reason"] != ""]
    assert set(zip(marked["item"], marked["measure"], strict=True)) == {("one", "stoi")}
    assert set(marked["reason"]) == {"made for speech; the clip is music"} and (marked["status"] == "ok").all()
    assert set(table("evaluation_results.csv")["kind"]) == {"music", "speech"}


def test_a_clip_has_one_kind(analyse: Analyse, capsys: pytest.CaptureFixture[str]) -> None:
    """A kind told once holds for all versions of its clip; two kinds of one clip are refused with their lines."""
    write([*AUDIO, "kind"], [[*row, "music" if number == 0 else ""] for number, row in enumerate(ROWS)])
    assert analyse("--measures", "stoi", "snr") == 0
    rows = table("measures.csv")
    assert (rows[rows["item"] == "one"]["reason"] != "").sum() == len(VERSIONS)
    assert "The kind of 1 clips is not known (two)" in " ".join(report().split())
    write([*AUDIO, "kind"], [[*row, "music" if number == 0 else "speech"] for number, row in enumerate(ROWS)])
    assert analyse() == 2
    assert "lines 2 and 3 call clip 'one' music and speech; a clip has one kind" in capsys.readouterr().err


def test_opinions_that_are_all_the_same(analyse: Analyse) -> None:
    """Opinions that differ by rounding alone are no test: rows with the reason, and a report all the same."""
    write([*AUDIO, "mos"], [[*row, f"{3 + 1e-10 * i:.12f}"] for i, row in enumerate(ROWS)])
    assert analyse() == 0
    assert (table("listening_test.csv")["reason"] == "the measure or the opinions are all the same").all()


# What a file may look like


def test_two_columns_are_enough(analyse: Analyse) -> None:
    """Without labels a clip is called after its reference and a condition after the degraded file; all is scored."""
    write(AUDIO, ROWS)
    assert analyse() == 0
    rows = table("measures.csv")
    assert set(zip(rows["item"], rows["condition"], strict=True)) == {(a[:-4], b[:-4]) for a, b in ROWS}
    assert (rows["status"] == "ok").all() and len(rows) == 2 * len(ROWS)
    assert "No embeddings were found, so only classical measures are compared." in " ".join(report().split())


def test_scores_are_those_of_the_files(analyse: Analyse) -> None:
    """Noise of ten times the deviation has 20 dB less SNR; the reference comes first."""
    write(AUDIO, ROWS)
    analyse()
    snr = scored("snr")["value"]
    assert snr["one_0"] - snr["one_1"] == pytest.approx(20, abs=0.5)
    assert snr["one_1"] - snr["one_2"] == pytest.approx(20, abs=0.5)


def test_labels_are_taken_over(analyse: Analyse) -> None:
    """Clip, condition, family and level of the file stand in the tables; blank ones have their defaults."""
    labels = [["A", "soft", "noise", "0.001"], ["A", "", "", ""], ["A", "loud", "noise", "1e-1"]]
    write([*AUDIO, "clip", "condition", "family", "level"], [a + b for a, b in zip(ROWS, labels, strict=False)])
    assert analyse() == 0
    wide = pd.read_csv("results/evaluation_results.csv", keep_default_na=False)
    assert wide[["clip", "condition", "family", "level", "level_unit"]].to_numpy().tolist() == [
        ["A", "soft", "noise", "0.001", "standard deviation"],
        ["A", "one_1", "", "", ""],
        ["A", "loud", "noise", "0.1", "standard deviation"],
    ]


def test_families_that_nobody_knows_are_scopes(analyse: Analyse) -> None:
    """A codec's name makes a scope of the correlations; steps are only judged where the harsher direction is known."""
    labels = [[family, str(level)] for family in ("noise", "my codec") for level in VERSIONS]
    write([*AUDIO, "family", "level"], [a + b for a, b in zip(ROWS, labels, strict=True)])
    assert analyse() == 0
    assert {"family:noise", "family:my codec"} <= set(table("correlations.csv")["scope"])
    assert set(table("monotonicity.csv")["family"]) == {"noise"}


def test_paths_are_relative_to_the_file(analyse: Analyse, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file with a byte-order mark in a sub-folder names files beside and below itself, from wherever it is run."""
    place = folder / "a set" / "clean"
    place.mkdir(parents=True)
    for clip in CLIPS:
        (folder / f"{clip}.wav").rename(place / f"{clip}.wav")
        for number in range(len(VERSIONS)):
            (folder / f"{clip}_{number}.wav").rename(place.parent / f"{clip}_{number}.wav")
    write(AUDIO, [[f"clean/{a}", b] for a, b in ROWS], "a set/pairs.csv")
    path = folder / "a set" / "pairs.csv"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    (folder / "elsewhere").mkdir()
    monkeypatch.chdir(folder / "elsewhere")
    assert analyse(pairs="../a set/pairs.csv") == 0
    assert len(table("measures.csv")) == 2 * len(ROWS)


def test_absolute_paths_are_taken_as_they_are(analyse: Analyse, folder: Path) -> None:
    """A path from the root needs no folder before it."""
    (folder / "below").mkdir()
    write(AUDIO, [[folder / a, folder / b] for a, b in ROWS], "below/pairs.csv")
    assert analyse(pairs="below/pairs.csv") == 0


def test_opinions_become_a_target(analyse: Analyse) -> None:
    """A column ``mos`` joins the targets: every measure is correlated with it, and r of a line through SNR is 1."""
    write([*AUDIO, *STORED], ROWS_WITH_FRAMES)
    analyse()
    given = [2 + float(snr) / 20 for snr in scored("snr")["value"]]
    write([*AUDIO, *STORED, "mos"], [[*row, mos] for row, mos in zip(ROWS_WITH_FRAMES, given, strict=True)])
    assert analyse() == 0
    found = table("correlations.csv")
    measures = {"snr", "lsd", *(f"mine_{name}" for name in SIMILARITIES)}
    assert set(found[found["target"] == "mos"]["predictor"]) == measures
    assert "mos" not in set(found["predictor"])  # two targets are related once
    line = found[(found["predictor"] == "snr") & (found["target"] == "mos") & (found["scope"] == "pooled")]
    assert line["r"].to_numpy() == pytest.approx(1) and set(line["n"]) == {len(ROWS)}
    assert "MOS" in report() and np.array_equal(scored("mos")["value"], given)


def test_other_numbers_become_targets_and_words_do_not(analyse: Analyse) -> None:
    """Columns of numbers join under their own names; a column of words is ignored; a blank is left out of n."""
    words, effort, rating = ["first", "second", "", "x", "y", "3"], [1, 2, 3, 3, 5, 4], [3.5, "", 2, 1, 4, 2]
    extra = zip(words, effort, rating, strict=True)
    write([*AUDIO, "remark", "effort", "rating"], [[*row, *cells] for row, cells in zip(ROWS, extra, strict=True)])
    assert analyse() == 0
    found = table("correlations.csv")
    found = found[(found["predictor"] == "snr") & (found["scope"] == "pooled")]
    assert dict(zip(found["target"], found["n"], strict=True)) == {"effort": 6, "rating": 5}
    blank = scored("rating").loc["one_1"]
    assert (blank["status"], blank["reason"]) == ("skipped", "no value was given") and np.isnan(blank["value"])
    assert "remark" not in set(table("measures.csv")["measure"])


# Files that cannot be used


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("reference,degrade\none.wav,one_0.wav\n", "has no column 'degraded'; did you mean 'degrade'?"),
        ("referenz;degraded\none.wav;one_0.wav\n", "has no column 'reference'"),
        ("", "has no column 'reference'; there are none"),
        ("reference,degraded\n", "has no rows below its header"),
        ("reference,degraded\n\n\n", "has no rows below its header"),
        ("reference,degraded,level\none.wav,one_0.wav,1\none.wav,one_1.wav,loud\n",
         "line 3: the level 'loud' is not a number"),
        ("reference,degraded,level\none.wav,one_0.wav,nan\n", "line 2: the level 'nan' is not a number"),
        ("reference,degraded\none.wav,one_0.wav\none.wav,one_1.wav\none.wav,one_0.wav\n",
         "lines 2 and 4 are both clip 'one', condition 'one_0'; give each its own condition"),
        ("reference,degraded,mine_reference\none.wav,one_0.wav,one.npy\n",
         "has a column 'mine_reference' but no 'mine_degraded'"),
        ("reference,degraded\n\xff.wav,one_0.wav\n".encode("latin-1"), "cannot read the pairs file pairs.csv: 'utf-8'"),
        (None, "cannot read the pairs file pairs.csv"),
    ],
    ids=["misspelt", "semicolons", "empty", "header only", "blank lines", "level in words", "level nan", "repeated",
         "half an embedding", "not UTF-8", "no file"],
)  # fmt: skip
def test_unusable_files_are_told_in_one_line(
    analyse: Analyse, capsys: pytest.CaptureFixture[str], content: str | bytes | None, message: str
) -> None:
    """Exit status 2 and one line that names the column, or the lines, and what would do; nothing is written."""
    if content is not None:
        Path("pairs.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    assert analyse() == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert not Path("results").exists()


# Audio that cannot be scored


def test_missing_audio_is_failed_rows(analyse: Analyse) -> None:
    """A file that is not there fails its own rows, under its name and side; the others are scored, exit status 1."""
    write(AUDIO, [*ROWS, ["one.wav", "gone.wav"], ["lost.wav", "two_0.wav"]])
    assert analyse() == 1
    failures, rows = table("failures.csv"), table("measures.csv")
    for item, words in (("one", "degraded gone.wav: cannot be opened"), ("lost", "reference lost.wav: cannot be")):
        own = failures[failures["item"] == item]
        assert set(own["measure"]) == {"snr", "lsd"} and set(own["status"]) == {"failed"}
        assert own["reason"].str.startswith(words).all()
    assert (rows["status"] == "ok").sum() == 2 * len(ROWS)
    assert rows[rows["status"] == "failed"]["value"].isna().all()


def test_unequal_lengths_are_failed_rows(analyse: Analyse) -> None:
    """Clips of different length are not cut to fit: the reason has both lengths."""
    soundfile.write("one_1.wav", chirp(0.5)[:-7], RATE_HZ)
    write(AUDIO, ROWS)
    assert analyse() == 1
    for measure in ("snr", "lsd"):
        row = scored(measure).loc["one_1"]
        assert row["status"] == "failed"
        assert row["reason"] == "lengths differ: reference 8000 samples, degraded 7993; align them first"


def test_unequal_rates_are_failed_rows(analyse: Analyse) -> None:
    """A pair at two rates is not resampled behind one's back: the reason has both rates."""
    soundfile.write("two_2.wav", chirp(0.5), 8000)
    write(AUDIO, ROWS)
    assert analyse() == 1
    assert scored("snr").loc["two_2"]["reason"] == "sample rates differ: reference 16000 Hz, degraded 8000 Hz"


def test_a_row_without_a_file_is_skipped(analyse: Analyse) -> None:
    """A blank path skips the row with the number of its line, and the rest is scored."""
    write([*AUDIO, "clip", "condition"], [[*ROWS[0], "a", "x"], ["one.wav", "", "a", "y"], ["", "one_2.wav", "a", "z"]])
    assert analyse() == 1
    rows = scored("snr")
    assert rows["status"].tolist() == ["ok", "skipped", "skipped"]
    assert rows["reason"].tolist()[1:] == [f"line {n} names no reference or no degraded" for n in (3, 4)]


@pytest.mark.parametrize("rate", [8000, 44100])
def test_other_rates_are_scored(analyse: Analyse, speech: Clip, rate: int) -> None:
    """Every measure scores clips at 8 kHz and at 44.1 kHz; those that need 16 kHz resample both."""
    clean = dsp.resample(speech.samples[16000:48000], RATE_HZ, rate)
    soundfile.write("clean.wav", clean, rate, subtype="FLOAT")
    for number, deviation in enumerate(VERSIONS):
        noise = deviation * np.random.default_rng(number).standard_normal(clean.size)
        soundfile.write(f"noisy_{number}.wav", clean + noise, rate, subtype="FLOAT")
    write(AUDIO, [["clean.wav", f"noisy_{number}.wav"] for number in range(len(VERSIONS))])
    measures = ["pesq_wb", "pesq_nb", "stoi", "estoi", "snr", "si_sdr", "lsd"]
    assert analyse("--measures", *measures) == 0
    for measure in measures:
        values = scored(measure)["value"].to_list()
        assert np.isfinite(values).all() and values == sorted(values, reverse=measure != "lsd")


def test_channels_are_averaged(analyse: Analyse) -> None:
    """A stereo file is scored as the mean of its channels."""
    wave, _ = soundfile.read("one_0.wav")
    soundfile.write("stereo.wav", np.stack([wave + 0.1, wave - 0.1], axis=1), RATE_HZ, subtype="FLOAT")
    write(AUDIO, [ROWS[0], ["one.wav", "stereo.wav"]])
    assert analyse() == 0
    assert scored("snr")["value"]["stereo"] == pytest.approx(scored("snr")["value"]["one_0"], abs=1e-3)


# Embeddings


def cosines(reference: Any, degraded: Any) -> Any:
    """Cosine of each pair of frames, one at a time."""
    frames = zip(np.atleast_2d(reference), np.atleast_2d(degraded), strict=True)
    return np.array([a @ b / np.sqrt((a @ a) * (b @ b)) for a, b in frames])


def test_any_embedding_is_compared_under_its_own_name(analyse: Analyse) -> None:
    """Columns of an embedding that the registry does not know give ``mine_similarity`` and its siblings."""
    write([*AUDIO, *STORED], ROWS_WITH_FRAMES)
    assert analyse() == 0
    for clip in CLIPS:
        for reference, degraded in names(clip, "npy"):
            ours, theirs = np.load(reference), np.load(degraded)
            found = {name: scored(f"mine_{name}")["value"][degraded[:-4]] for name in SIMILARITIES}
            assert found["similarity"] == pytest.approx(cosines(ours, theirs).mean(), abs=1e-12)
            assert found["pooled_similarity"] == pytest.approx(cosines(ours.mean(0), theirs.mean(0))[0], abs=1e-12)
            assert found["l1"] == pytest.approx(np.abs(ours - theirs).mean(), abs=1e-12)
    assert "mine similarity" in report() and "UNTRAINED" not in report()
    assert "mine_similarity" in pd.read_csv("results/similarity_metrics_table.csv").columns


def test_each_clip_counts_alike_in_the_baseline(analyse: Analyse) -> None:
    """The corrected cosine subtracts the mean of the clips' mean frames, however many frames and versions each has."""
    for number in range(len(VERSIONS)):
        np.save(f"two_{number}.npy", np.load(f"two_{number}.npy")[:2])
    np.save("two.npy", np.load("two.npy")[:2])
    write([*AUDIO, *STORED], ROWS_WITH_FRAMES[:4])  # three versions of one, one of two
    assert analyse() == 0
    baseline = (np.load("one.npy").mean(axis=0) + np.load("two.npy").mean(axis=0)) / 2
    for name in ("one_0", "one_1", "one_2", "two_0"):
        expected = cosines(np.load(f"{name[:3]}.npy") - baseline, np.load(f"{name}.npy") - baseline).mean()
        assert scored("mine_corrected_similarity")["value"][name] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("shape", [(4, 4), (6, 4), (5, 3), (1, 4)], ids=["fewer", "more", "features", "one"])
def test_embeddings_of_different_shape_are_not_cut(analyse: Analyse, shape: tuple[int, int]) -> None:
    """Unequal frames or features fail that pair's similarities with both shapes, and nothing else."""
    np.save("one_1.npy", np.ones(shape))
    write([*AUDIO, *STORED], ROWS_WITH_FRAMES)
    assert analyse() == 1
    failures = table("failures.csv")
    assert set(failures["condition"]) == {"one_1"} and set(failures["status"]) == {"failed"}
    assert set(failures["measure"]) == {f"mine_{name}" for name in SIMILARITIES}
    reason = f"the embeddings differ in shape: reference (5, 4), degraded {shape} [frames, features]"
    assert set(failures["reason"]) == {reason}


def test_references_of_different_dimension_have_no_baseline(analyse: Analyse) -> None:
    """Where one clip has other features than another, only the comparison that needs a common mean fails."""
    for name in ("two", "two_0", "two_1", "two_2"):
        np.save(f"{name}.npy", np.load(f"{name}.npy")[:, :3])
    write([*AUDIO, *STORED], ROWS_WITH_FRAMES)
    assert analyse() == 1
    failures = table("failures.csv")
    assert set(failures["measure"]) == {"mine_corrected_similarity"} and len(failures) == len(ROWS)
    assert set(failures["reason"]) == {"the reference embeddings of the run differ in their dimension"}


class Payload:
    """An object whose unpickling makes a folder."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("executed",)


def _pickled() -> None:
    np.save("two_0.npy", np.array([Payload()], dtype=object), allow_pickle=True)


def _cut(size: int) -> Callable[[], None]:
    return lambda: os.truncate("two_0.npy", size)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (_cut(0), "two_0.npy cannot be read as .npy"),
        (_cut(40), "two_0.npy cannot be read as .npy"),
        (_cut(200), "two_0.npy cannot be read as .npy"),
        (lambda: Path("two_0.npy").unlink(), "two_0.npy cannot be read as .npy"),
        (lambda: Path("two_0.npy").write_text("0.1 0.2 0.3"), "two_0.npy cannot be read as .npy"),
        (_pickled, "two_0.npy cannot be read as .npy: Object arrays cannot be loaded"),
        (lambda: np.save("two_0.npy", np.zeros((5, 4, 1))), "two_0.npy has the shape (5, 4, 1); expected [frames"),
        (lambda: np.save("two_0.npy", np.zeros((0, 4))), "two_0.npy has the shape (0, 4); expected [frames"),
        (lambda: np.save("two_0.npy", np.full((5, 4), np.nan)), "an embedding holds values that are not finite"),
        (lambda: np.save("two_0.npy", np.zeros((5, 4))), "a frame of the embedding is all zeros"),
    ],
    ids=["empty", "cut header", "cut data", "missing", "text", "pickled object", "three axes", "no frames", "NaN",
         "zeros"],
)  # fmt: skip
def test_damaged_embeddings_are_failed_rows(analyse: Analyse, damage: Callable[[], None], reason: str) -> None:
    """A file that holds no usable embedding fails its own pair with a reason; nothing in it is executed."""
    damage()
    write([*AUDIO, *STORED], ROWS_WITH_FRAMES)
    assert analyse() == 1
    assert not Path("executed").exists()
    failures = table("failures.csv")
    assert set(failures["condition"]) == {"two_0"} and "mine_similarity" in set(failures["measure"])
    row = scored("mine_similarity").loc["two_0"]
    assert row["status"] == "failed" and row["reason"].startswith(reason) and np.isnan(row["value"])
    assert (scored("snr")["status"] == "ok").all()


def test_a_damaged_reference_embedding_fails_its_own_clip(analyse: Analyse) -> None:
    """The corrected cosine of the other clips is taken from the references that can be read."""
    os.truncate("two.npy", 200)
    write([*AUDIO, *STORED], ROWS_WITH_FRAMES)
    assert analyse() == 1
    assert set(table("failures.csv")["item"]) == {"two"}
    baseline = np.load("one.npy").mean(axis=0)
    expected = cosines(np.load("one.npy") - baseline, np.load("one_0.npy") - baseline).mean()
    assert scored("mine_corrected_similarity")["value"]["one_0"] == pytest.approx(expected, abs=1e-12)


def test_a_single_frame_may_be_stored_flat(analyse: Analyse) -> None:
    """Arrays ``[D]`` are one frame of D features: frame-wise and pooled cosine are the same."""
    for path in Path().glob("*.npy"):
        np.save(path, np.load(path)[0])
    write([*AUDIO, *STORED], ROWS_WITH_FRAMES)
    assert analyse() == 0
    expected = cosines(np.load("one.npy"), np.load("one_2.npy"))[0]
    for name in ("similarity", "pooled_similarity"):
        assert scored(f"mine_{name}")["value"]["one_2"] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("left_out", [2, 3], ids=["reference", "degraded"])
def test_a_row_without_an_embedding_is_skipped(analyse: Analyse, left_out: int) -> None:
    """A blank cell of an embedding skips that pair's similarities with a reason; its audio is scored."""
    rows = [list(row) for row in ROWS_WITH_FRAMES]
    rows[1][left_out] = ""
    write([*AUDIO, *STORED], rows)
    assert analyse() == 1
    failures = table("failures.csv")
    assert set(failures["measure"]) == {f"mine_{name}" for name in SIMILARITIES}
    assert set(failures["condition"]) == {"one_1"} and set(failures["status"]) == {"skipped"}
    assert set(failures["reason"]) == {"the pairs file names no embedding for this pair"}
    assert scored("snr").loc["one_1"]["status"] == "ok"


@pytest.mark.parametrize(
    ("column", "title"),
    [("openl3_untrained", "OpenL3 (untrained)"), ("openl3", "OpenL3"), ("vggish_untrained", "VGGish (untrained)")],
)
def test_untrained_controls_are_called_so(analyse: Analyse, column: str, title: str) -> None:
    """Embeddings of a known network carry its title, and the control's a warning at the top of the report."""
    write([*AUDIO, f"{column}_reference", f"{column}_degraded"], ROWS_WITH_FRAMES)
    assert analyse() == 0
    assert f"{title} similarity" in report() and f"{column}_similarity" in set(table("measures.csv")["measure"])
    head = report().split("What was found")[0]
    assert (f"UNTRAINED CONTROL: {title} ran" in head) is title.endswith("(untrained)")


def test_two_embeddings_are_set_against_each_other(analyse: Analyse) -> None:
    """With two embeddings the comparisons ask which follows the target better, kind by kind."""
    other = ["other_reference", "other_degraded"]
    write([*AUDIO, *STORED, *other], [[*row, *row[2:]] for row in ROWS_WITH_FRAMES])
    assert analyse() == 0
    found = table("comparisons.csv")
    assert set(zip(found["first"], found["second"], strict=True)) == {(f"mine_{s}", f"other_{s}") for s in SIMILARITIES}
    assert found["difference"].to_numpy() == pytest.approx(0)  # they hold the same frames


# A second run


def test_only_what_changed_is_scored_again(analyse: Analyse, capsys: pytest.CaptureFixture[str]) -> None:
    """A second run scores nothing; after one file changed it scores what that file is part of."""
    write([*AUDIO, *STORED], ROWS_WITH_FRAMES)
    assert analyse() == 0 and "48 done, 0 cached" in capsys.readouterr().out
    assert analyse() == 0 and "0 done, 48 cached" in capsys.readouterr().out
    np.save("one_1.npy", np.load("one.npy") + 1)
    assert analyse() == 0 and "6 done, 42 cached" in capsys.readouterr().out
    np.save("one.npy", np.load("one.npy") + 1)  # six similarities of three versions, and the other clip's baseline
    assert analyse() == 0 and "21 done, 27 cached" in capsys.readouterr().out
    soundfile.write("two_2.wav", chirp(0.5, seed=3), RATE_HZ)
    assert analyse() == 0 and "2 done, 46 cached" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["snr", "stoi", "mine_similarity", "item", "level_unit"])
def test_a_target_must_have_a_name_of_its_own(analyse: Analyse, capsys: pytest.CaptureFixture[str], name: str) -> None:
    """A column of numbers that is called like something the results hold is refused."""
    write([*AUDIO, *STORED, name], [[*row, 1.0 + i] for i, row in enumerate(ROWS_WITH_FRAMES)])
    assert analyse() == 2
    assert f"the column '{name}' has a name that the results use" in capsys.readouterr().err


def test_a_score_that_is_no_number_is_refused(analyse: Analyse, capsys: pytest.CaptureFixture[str]) -> None:
    """A mos of "n/a" is an error that names the line; the same in another column is a warning."""
    cells = ["1", "n/a", "3", "4", "5", "2"]
    write([*AUDIO, "mos"], [[*row, cell] for row, cell in zip(ROWS, cells, strict=True)])
    assert analyse() == 2
    assert "the column 'mos' is not all numbers (line 3 says 'n/a')" in capsys.readouterr().err
    write([*AUDIO, "effort"], [[*row, cell] for row, cell in zip(ROWS, cells, strict=True)])
    assert analyse() == 0
    assert "the column 'effort' is not all numbers" in capsys.readouterr().err


def test_one_clip_spoilt_by_nan_spoils_no_other(analyse: Analyse, tmp_path: Path) -> None:
    """A NaN in one reference embedding fails that clip's rows; the baseline of the others leaves it out."""
    write([*AUDIO, *STORED], ROWS_WITH_FRAMES)
    path = Path(ROWS_WITH_FRAMES[0][2])
    frames = np.load(path)
    frames[0, 0] = np.nan
    np.save(path, frames)
    analyse()
    found = table("measures.csv").set_index("measure").loc["mine_corrected_similarity"]
    failed = found[found["status"] == "failed"]
    assert 0 < len(failed) < len(found) and failed["value"].isna().all()
    assert found[found["status"] == "ok"]["value"].notna().all()


def test_two_references_of_one_stem_are_two_clips(analyse: Analyse) -> None:
    """Without a column ``clip``, files of one stem in two folders are told apart by their path."""
    Path("x").mkdir()
    Path("y").mkdir()
    rows = []
    for folder, row in zip(("x", "y"), (ROWS[0], ROWS[-1]), strict=True):
        for source, name in zip(row[:2], ("ref.wav", "deg.wav"), strict=True):
            (Path(folder) / name).write_bytes(Path(source).read_bytes())
        rows.append([f"{folder}/ref.wav", f"{folder}/deg.wav"])
    write(["reference", "degraded"], rows)
    analyse()
    assert set(table("measures.csv")["item"]) == {"x_ref", "y_ref"}
