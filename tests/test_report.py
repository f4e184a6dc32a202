"""The report in words, and the results folder around it: every number with its n, every gap with its reason."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from test_plots import EMBEDDINGS, NOISE, TWO_FAMILIES, make_study, small_study

from percept import report
from percept.degradations import DEGRADATIONS
from percept.report import _words
from percept.schema import (
    COMPARISONS_COLUMNS,
    CORRELATIONS_COLUMNS,
    FAILURES_COLUMNS,
    MEASURES_COLUMNS,
    MONOTONICITY_COLUMNS,
    Measure,
    Pair,
    PerceptError,
)
from percept.settings import Correlate, Run
from percept.stages import report as stage
from percept.stages.correlate import correlate
from percept.store import Manifest, Plan, Record
from percept.study import Study

GAP = math.nan
RULE = re.compile(r"-+(  -+)+$")
"""The line under the heading of a table with two columns or more."""

STOI = Measure("stoi", "STOI", "", -1, 1, True, "perceptual", meant_for="speech")
SI_SDR = Measure("si_sdr", "SI-SDR", "dB", group="signal")
LSD = Measure("lsd", "Log-spectral distance", "dB", 0, math.inf, False, "signal")
OURS = Measure("ours_similarity", "Ours similarity", "", -1, 1, True, "embedding", "Ours")
THEIRS = Measure("theirs_similarity", "Theirs similarity", "", -1, 1, True, "embedding", "Theirs")
SIX_VERSIONS_OF_BOTH = (OURS.name, THEIRS.name, STOI.name, "pooled", "spearman", 6, 2)


def flat(study: Study) -> str:
    """The report as one line, so that a sentence can be looked for whatever the line breaks."""
    return " ".join(report.write(study, {}, {}).split())


def lines_of(text: str, heading: str) -> list[str]:
    """The lines of one section of a report."""
    body = text.split(f"\n{heading}\n{'-' * len(heading)}\n")[1]
    return re.split(r"\n\n[^\n]+\n-+\n", body)[0].splitlines()


def prose(text: str) -> list[str]:
    """The lines of a report that are no part of a table; a table ends at a blank line."""
    lines, found, inside = text.splitlines(), [], False
    for line, below in zip(lines, [*lines[1:], ""], strict=True):
        inside = (inside and bool(line)) or bool(RULE.match(below))
        if not inside:
            found.append(line)
    return found


def complete(study: Study) -> Study:
    """The study with all tables that stage 3b makes."""
    settings = Correlate(targets=study.targets, resamples=100, permutations=100)
    found = correlate(study.scores, study.measures, study.families, settings, Run(jobs=1, quiet=True))
    tables = {name: getattr(found, name) for name in ("correlations", "comparisons", "monotonicity")}
    return replace(study, **tables)


@pytest.fixture(scope="module")
def whole() -> Study:
    """A study of usual size: three clips, two families, two embeddings, one of them a control."""
    return complete(small_study(("a", "b", "c"), levels=TWO_FAMILIES, embeddings=EMBEDDINGS))


def table(columns: Sequence[str], rows: Sequence[Sequence[Any]] = ()) -> pd.DataFrame:
    return pd.DataFrame(list(rows), columns=list(columns))


def related(predictor: str, r: float, *, n: int = 6, clips: int = 2, p: float = 0.0123, target: str = "stoi",
            low: float = 0.7, high: float = 0.95) -> list[tuple[Any, ...]]:  # fmt: skip
    """Pooled rows of the correlations table; Pearson's r is 0.05 nearer to zero."""
    weaker = r - math.copysign(0.05, r)
    return [
        (predictor, target, "pooled", method, n, clips, value, low, high, p / 2, p)
        for method, value in (("spearman", r), ("pearson", weaker))
    ]


def scores(values: dict[str, Sequence[float]], clips: Sequence[str] = ("a", "b")) -> pd.DataFrame:
    """The long table of two levels of noise for each clip."""
    names = [(clip, f"noise_{level:g}", "noise", level) for clip in clips for level in (0.01, 0.1)]
    rows = [
        (*name, measure, value, "", "ok", "", 0.1)
        for measure, column in values.items()
        for name, value in zip(names, column, strict=True)
    ]
    return table(MEASURES_COLUMNS, rows)


def by_hand(**changes: Any) -> Study:
    """A study of two clips whose tables are empty unless told otherwise."""
    facts: dict[str, Any] = {
        "scores": scores({"ours_similarity": [0.9, 0.8, 0.7, 0.6], "stoi": [1.0, 0.5, 0.8, 0.1]}),
        "correlations": table(CORRELATIONS_COLUMNS, related("ours_similarity", 0.85)),
        "comparisons": table(COMPARISONS_COLUMNS),
        "monotonicity": table(MONOTONICITY_COLUMNS),
        "failures": table(FAILURES_COLUMNS),
        "measures": (STOI, OURS),
        "targets": ("stoi",),
        "families": {"noise": DEGRADATIONS["noise"]},
    }
    return Study(**{**facts, **changes})


# Words


@pytest.mark.parametrize(
    ("r", "words"),
    [(1.0, "very closely follows"), (0.9, "very closely follows"), (0.8999, "closely follows"),
     (0.7, "closely follows"), (0.6999, "loosely follows"), (0.5, "loosely follows"), (0.4999, "weakly follows"),
     (0.3, "weakly follows"), (0.2999, "hardly follows"), (0.0, "hardly follows"), (-0.3, "hardly follows"),
     (-0.3001, "moves against"), (-1.0, "moves against")],
)  # fmt: skip
def test_words_for_a_correlation(r: float, words: str) -> None:
    """Each word begins at its threshold; only a clear negative r moves against."""
    assert _words.closeness(r) == words


@pytest.mark.parametrize(
    ("p", "text"),
    [(0.0002, "p < 0.001"), (0.00099, "p < 0.001"), (0.001, "p = 0.001"), (0.0123, "p = 0.012"), (1.0, "p = 1.000"),
     (GAP, "p = –")],
)  # fmt: skip
def test_p_in_words(p: float, text: str) -> None:
    """Three decimals, never 0.000, and a dash where there is none."""
    assert _words.p_value(p) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.12345, "0.123"), (-0.5, "-0.500"), (9.5, "9.500"), (12.345, "12.3"), (-120.0, "-120.0"), (math.inf, "inf"),
     (-math.inf, "-inf"), (GAP, "–")],
)  # fmt: skip
def test_numbers_in_words(value: float, text: str) -> None:
    """Three decimals below ten, one above, words for infinity, a dash for nothing."""
    assert _words.number(value) == text


@pytest.mark.parametrize(
    ("share", "text"), [(0.95, "95 %"), (0.975, "97.5 %"), (1.0, "100 %"), (0.0, "0 %"), (2 / 3, "66.7 %")]
)
def test_shares_in_words(share: float, text: str) -> None:
    """Whole per cents where they are whole, else one decimal."""
    assert _words.percent(share) == text


def test_intervals_and_differences_in_words() -> None:
    """Brackets hold the interval and are left out without one; a difference has its sign."""
    assert _words.interval({"r": 0.5, "low": -0.25, "high": 0.75}) == "0.500 [-0.250, 0.750]"
    assert _words.interval({"r": 0.5, "low": GAP, "high": GAP}) == "0.500"
    assert _words.change({"difference": 0.1, "low": 0.0, "high": 0.2}) == "+0.100 [0.000, 0.200]"
    assert _words.change({"difference": -0.1, "low": GAP, "high": GAP}) == "-0.100"


# Findings


def test_a_finding_tells_r_interval_n_and_p() -> None:
    """The sentence on an embedding and a target holds both coefficients, intervals, versions, clips and adjusted p."""
    assert (
        "- Ours similarity closely follows STOI: Spearman 0.850 [0.700, 0.950], Pearson 0.800 [0.700, 0.950], over 6 "
        "versions of 2 clips (adjusted p = 0.012)."
    ) in flat(by_hand())


def test_a_finding_on_one_clip_has_no_interval() -> None:
    """With one clip the coefficients stand without brackets, and the report says why."""
    rows = related("ours_similarity", 0.85, n=2, clips=1, low=GAP, high=GAP)
    one = scores({"ours_similarity": [0.9, 0.8], "stoi": [1.0, 0.5]}, clips=("a",))
    text = flat(by_hand(scores=one, correlations=table(CORRELATIONS_COLUMNS, rows)))
    assert "follows STOI: Spearman 0.850, Pearson 0.800, over 2 versions of 1 clip (adjusted p = 0.012)." in text
    assert "One clip only: there are no intervals, and nothing here speaks for other clips." in text
    assert "resampling" not in text and "2 degraded versions of 1 clip (white noise)" in text


def test_too_few_versions_are_told() -> None:
    """Where r is undefined or was not computed the sentence says so and holds no number."""
    sentence = "- Ours similarity and STOI: too few versions with both values to say anything."
    undefined = table(CORRELATIONS_COLUMNS, related("ours_similarity", GAP, n=2))
    assert sentence in flat(by_hand(correlations=undefined))
    assert sentence in flat(by_hand(correlations=table(CORRELATIONS_COLUMNS)))


@pytest.mark.parametrize(("r", "words"), [(-0.95, "very closely follows"), (0.95, "moves against")])
def test_a_falling_target_is_followed_by_falling(r: float, words: str) -> None:
    """A similarity that falls as a distance grows follows it; the sign of r itself is shown as it is."""
    rows = related("ours_similarity", r, target="lsd")
    text = flat(by_hand(measures=(OURS, LSD), targets=("lsd",), correlations=table(CORRELATIONS_COLUMNS, rows)))
    assert f"- Ours similarity {words} Log-spectral distance: Spearman {r:.3f} [" in text


def test_the_best_and_the_least_measure() -> None:
    """A distance that falls exactly is the best of all, what moves against the target the least; targets stay out."""
    rows = [*related("ours_similarity", 0.5), *related("lsd", -0.97), *related("si_sdr", -0.2), *related("stoi", 1.0)]
    study = by_hand(measures=(STOI, OURS, SI_SDR, LSD), correlations=table(CORRELATIONS_COLUMNS, rows))
    assert (
        "- Leaving PESQ, STOI and their like aside, Log-spectral distance follows STOI most closely "
        "(Spearman 0.970 in the direction of quality) and SI-SDR least (-0.200)."
    ) in flat(study)
    ranking = lines_of(report.write(study, {}, {}), "How closely each measure follows each target")
    assert [line.split("  ")[0] for line in ranking[2:5]] == ["Log-spectral distance", "Ours similarity", "SI-SDR"]
    assert "0.012" in ranking[2] and "-0.970 [0.700, 0.950]" in ranking[2]


@pytest.mark.parametrize(
    ("difference", "interval", "p", "smallest_p", "verdict"),
    [
        (0.2, (0.1, 0.3), 0.03, 0.016,
         "Yes: Spearman differs by +0.200 [0.100, 0.300], over 6 versions, adjusted p = 0.030."),
        (-0.2, (-0.3, -0.1), 0.03, 0.016,
         "No, worse: Spearman differs by -0.200 [-0.300, -0.100], over 6 versions, adjusted p = 0.030."),
        (0.2, (0.1, 0.3), 0.5, 0.5,
         "This study cannot tell: Spearman differs by +0.200 [0.100, 0.300], over 6 versions, adjusted p = 0.500; "
         "before adjustment 2 clips cannot give less than 0.500."),
        (0.2, (GAP, GAP), GAP, GAP,
         "Spearman differs by +0.200, but with one clip nothing can be concluded beyond it."),
        (GAP, (GAP, GAP), GAP, GAP, "There are too few versions to tell."),
    ],
    ids=["better", "worse", "unsure", "one clip", "too few"],
)  # fmt: skip
def test_verdicts_on_two_embeddings(
    difference: float, interval: tuple[float, float], p: float, smallest_p: float, verdict: str
) -> None:
    """A verdict is given only where p allows one, with the difference, its interval and what stands in the way."""
    row = (*SIX_VERSIONS_OF_BOTH, difference, *interval, p, p, smallest_p)
    rows = [*related("ours_similarity", 0.85), *related("theirs_similarity", 0.65)]
    study = by_hand(
        measures=(STOI, OURS, THEIRS),
        correlations=table(CORRELATIONS_COLUMNS, rows),
        comparisons=table(COMPARISONS_COLUMNS, [row]),
    )
    assert f"- Does Ours similarity follow STOI better than Theirs similarity does? {verdict}" in flat(study)


def test_a_verdict_depends_on_the_confidence() -> None:
    """An adjusted p of 0.08 is no answer at 95 % and one at 90 %."""
    row = (*SIX_VERSIONS_OF_BOTH, 0.2, 0.1, 0.3, 0.02, 0.08, 0.0625)
    study = by_hand(measures=(STOI, OURS, THEIRS), comparisons=table(COMPARISONS_COLUMNS, [row]))
    assert "better than Theirs similarity does? This study cannot tell" in flat(study)
    assert "better than Theirs similarity does? Yes" in flat(replace(study, confidence=0.9))


def test_steps_are_counted() -> None:
    """The finding counts steps over all measures, the table each measure's own, the list where quality rose."""
    rows = [("stoi", "noise", "a", 4, 1, 0.5, "0.01 → 0.1"), ("stoi", "noise", "b", 4, 0, 1.0, ""),
            ("ours_similarity", "noise", "a", 4, 2, 0.1, "0.1 → 0.2; 0.3 → 0.4")]  # fmt: skip
    study = by_hand(monotonicity=table(MONOTONICITY_COLUMNS, rows))
    assert "measured quality does not rise in 9 of 12 steps (75 %)." in flat(study)
    body = lines_of(report.write(study, {}, {}), "Do measures fall as degradations grow?")
    assert [line.split()[-1] for line in body[2:4]] == ["7/8", "2/4"]
    assert "- STOI, a, white noise: 0.01 → 0.1" in body
    assert "- Ours similarity, a, white noise: 0.1 → 0.2; 0.3 → 0.4" in body
    assert sum(line.startswith("- ") for line in body) == 2


def test_steps_without_a_violation() -> None:
    """Where nothing rose the report says so."""
    study = by_hand(monotonicity=table(MONOTONICITY_COLUMNS, [("stoi", "noise", "a", 1, 0, GAP, "")]))
    assert "(100 %)" in flat(study) and "No measure ever rose." in flat(study)


def test_long_lists_of_violations_are_cut() -> None:
    """After forty the rest is counted and found in the table."""
    rows = [("stoi", "noise", f"clip {i}", 4, 1, 0.5, "0.01 → 0.1") for i in range(43)]
    body = lines_of(
        report.write(by_hand(monotonicity=table(MONOTONICITY_COLUMNS, rows)), {}, {}),
        "Do measures fall as degradations grow?",
    )
    assert sum("0.01 → 0.1" in line for line in body) == 40 and body[-1] == "- ... and 3 more in monotonicity.csv"


def test_values_are_means_over_clips() -> None:
    """Each condition's row holds the mean over its clips, without those that have no value."""
    values = scores({"ours_similarity": [0.9, 0.8, 0.7, GAP], "stoi": [1.0, 0.5, 0.8, 0.1]})
    body = lines_of(report.write(by_hand(scores=values), {}, {}), "Values by condition (mean over clips)")
    assert body[0].split("  ")[0] == "condition" and "Ours similarity" in body[0]
    assert [line.split() for line in body[2:]] == [
        ["noise_0.01", "0.80000", "0.900"],
        ["noise_0.1", "0.80000", "0.300"],
    ]


# Doubts


def test_intervals_are_explained() -> None:
    """With several clips the report says what its intervals mean, at which confidence, and when clips are few."""
    assert "intervals (95 %) come from resampling whole clips" in flat(by_hand())
    assert "intervals (90 %) come" in flat(by_hand(confidence=0.9))
    assert "2 clips are few" in flat(by_hand())
    many = scores({"ours_similarity": [0.5] * 20, "stoi": [0.5] * 20}, clips=[f"c{i}" for i in range(10)])
    used = table(CORRELATIONS_COLUMNS, related("ours_similarity", 0.5, clips=10))
    assert "clips are few" not in flat(by_hand(scores=many, correlations=used))
    assert "2 clips are few" in flat(by_hand(scores=many))  # of ten, two had values


def test_measures_of_speech_carry_a_caveat() -> None:
    """A measure made for speech is called so; without one there is no such caveat, nor where all clips are speech."""
    caveat = "STOI was made for and validated on speech."
    assert caveat in flat(by_hand())
    assert caveat not in flat(by_hand(measures=(OURS, SI_SDR), targets=("si_sdr",)))
    assert caveat not in flat(by_hand(kinds={"a": "speech", "b": "speech"}))


def kinds_apart() -> Study:
    """Clip a is speech, b and c are music; on music the similarity runs against STOI."""
    rows = versions_of_three()
    values = {"ours_similarity": [], "stoi": []}
    for clip, _, _, level in rows:
        values["ours_similarity"].append(1 - level)
        values["stoi"].append(0.9 - 0.1 * level if clip == "a" else 0.2 + 0.1 * level + 0.01 * (clip == "c"))
    lines = [
        (*row, name, value, "", "ok", "", 1.0)
        for name, column in values.items()
        for row, value in zip(rows, column, strict=True)
    ]
    kinds = {"a": "speech", "b": "music", "c": "music"}
    pairs = [Pair(clip, condition, kind=kinds[clip]) for clip, condition, *_ in rows]
    facts = {"scores": table(MEASURES_COLUMNS, lines), "measures": (STOI, OURS), "kinds": kinds}
    families = {name: DEGRADATIONS[name] for name in ("noise", "bit_depth")}
    study = by_hand(**facts, families=families)
    settings = Correlate(targets=("stoi",), resamples=100, permutations=100)
    found = correlate(study.scores, study.measures, families, settings, Run(jobs=1, quiet=True), pairs=pairs)
    return replace(study, correlations=found.correlations, monotonicity=found.monotonicity)


def versions_of_three() -> list[tuple[str, str, str, float]]:
    noise = [("noise", level) for level in (0.1, 0.2, 0.3, 0.4)]
    depths = [("bit_depth", level) for level in (4.0, 6.0, 8.0)]
    return [(clip, f"{name}_{level:g}", name, level) for clip in "abc" for name, level in (*noise, *depths)]


def test_speech_and_music_are_kept_apart() -> None:
    """A target made for speech is followed on speech, whatever happens on music; both stand in the table, apart."""
    study = kinds_apart()
    text = flat(study)
    assert "On speech, Ours similarity very closely follows STOI" in text and "over 7 versions of 1 clip" in text
    assert "So other measures are judged by them on the speech clips alone" in text
    (heading,) = [line for line in report.write(study, {}, {}).splitlines() if line.startswith("STOI, on speech")][:1]
    assert heading.split("  ")[0] == "STOI, on speech"
    assert "Spearman, all clips" in heading and "Spearman, music" in heading
    assert "speech: condition" in text and "music: condition" in text


def test_failures_on_single_degradations_are_marked() -> None:
    """What does not follow the target within a degradation is marked there, and counted."""
    study = kinds_apart()
    lines = lines_of(report.write(study, {}, {}), "Which measure fails on which degradation")
    (ours,) = [line.split() for line in lines if line.startswith("Ours similarity")]
    assert ours[2:] == ["(1.000)", "1.000"]  # noise moves STOI by 0.03, hardly more than nothing beside 0.79
    (spans,) = [line.split() for line in lines if line.startswith("(STOI spans)")]
    assert spans[2:] == ["0.860–0.890", "0.100–0.500"]
    against = replace(study, measures=(STOI, replace(OURS, higher_is_better=False)))
    lines = lines_of(report.write(against, {}, {}), "Which measure fails on which degradation")
    assert [line.split()[2:] for line in lines if line.startswith("Ours similarity")] == [["(-1.000)", "-1.000!"]]
    assert "On speech, no measure follows STOI within every single degradation" in flat(against)
    assert "On speech, 1 of 1 measures follow STOI within every single degradation" in flat(study)


def test_what_a_control_does_to_a_measure_is_told() -> None:
    """A delay loses nothing audible: the means of its conditions stand beside the value on identical input."""
    rows = [("a", "time_shift_5ms", "time_shift", 5.0, "stoi", 0.75, "", "ok", "", 1.0)]
    families = {"time_shift": DEGRADATIONS["time_shift"]}
    study = by_hand(scores=table(MEASURES_COLUMNS, rows), measures=(replace(STOI, perfect=1.0),), families=families)
    lines = lines_of(report.write(study, {}, {}), "What measures do where nothing audible is lost")
    assert lines[2].split() == ["STOI", "1.000", "0.750"]
    assert "nothing audible is lost" not in report.write(by_hand(), {}, {})


def test_infinite_values_are_told() -> None:
    """Values of a version that equals its reference are counted, as Pearson's r leaves them out."""
    caveat = "infinite (no difference that the measure counts), left out of Pearson's r."
    infinite = scores({"ours_similarity": [0.9, 0.8, 0.7, 0.6], "stoi": [math.inf, 0.5, math.inf, 0.1]})
    assert f"- 2 values {caveat}" in flat(by_hand(scores=infinite))
    assert caveat not in flat(by_hand())


def test_notes_stand_on_top() -> None:
    """The warning about an untrained control comes before any finding, marked, each note on lines of its own."""
    notes = ("UNTRAINED CONTROL: OpenL3 (untrained) ran with seeded random weights.", "a was lowered by 0.10 dB.")
    text = report.write(by_hand(notes=notes), {}, {})
    top = text.split("What was found")[0].splitlines()
    assert f"! {notes[0]}" in top and f"! {notes[1]}" in top


# Failures


def test_failures_are_counted_by_reason() -> None:
    """Items with the same stage, status and reason are one row with their number; failed ones are told above too."""
    rows = [
        *(("score", f"clip {i}", "noise_0.1", "pesq_wb", "failed", "too short") for i in range(3)),
        ("score", "clip 9", "noise_0.1", "stoi", "failed", "silent"),
        ("embed", "clip 9", "clean", "", "skipped", "too short"),
        ("score", "clip 9", "clean", "", "skipped", "too short"),
    ]
    text = report.write(by_hand(failures=table(FAILURES_COLUMNS, rows)), {}, {})
    body = [line.split(maxsplit=3) for line in lines_of(text, "Failures")[2:6]]
    assert sorted(body) == [
        ["embed", "skipped", "1", "too short"],
        ["score", "failed", "1", "silent"],
        ["score", "failed", "3", "too short"],
        ["score", "skipped", "1", "too short"],
    ]
    assert "- 4 items failed and took no part; the reasons stand below." in text


def test_no_failures_are_told_too() -> None:
    """Without failures the report says so, and counts none among the findings."""
    text = flat(by_hand())
    assert "None: every item has a value." in text and "took no part" not in text


@pytest.mark.parametrize("words", ["{0} {x!r} }{", "100 % of %s %(x)d", r"C:\new\table $x_1$ \d", "<b>&amp;</b>"])
def test_odd_text_is_only_text(words: str) -> None:
    """Braces, per-cent signs, backslashes and markup in reasons, notes, names and captions come out as they are."""
    rows = [("score", "clip", "x", "stoi", "failed", words)]
    rises = [("stoi", "noise", words, 4, 1, 0.5, "0.01 → 0.1")]
    study = by_hand(
        failures=table(FAILURES_COLUMNS, rows),
        monotonicity=table(MONOTONICITY_COLUMNS, rises),
        notes=(words,),
        facts={"Command": words},
    )
    text = report.write(study, {"plot": words}, {"other": words})
    assert text.count(words) == 6
    assert f"- plot.png: {words}\n- other was not drawn: {words}\n" in text


# The whole


def test_every_measure_is_in_the_report(whole: Study) -> None:
    """No measure's title is missing, and every embedding's is told against every target."""
    text = flat(whole)
    assert all(measure.title in text for measure in whole.measures)
    for title in whole.embeddings:
        for target in whole.targets:
            ours, theirs = re.escape(title), whole.measure(target).title
            assert re.search(rf"- (In these versions )?{ours} similarity [a-z ]+ {theirs}[^.]*: Spearman", text)


def test_every_scope_is_in_the_report(whole: Study) -> None:
    """Single clips, single families and the view within clips each have a row with their n."""
    body = lines_of(report.write(whole, {}, {}), "Within single clips and single degradations")
    assert [line.split("  ")[0] for line in body[2:8]] == [
        "within clips", "clip:a", "clip:b", "clip:c", "family:noise", "family:bit_depth",
    ]  # fmt: skip
    assert [re.split(r"\s{2,}", line)[1] for line in body[2:8]] == ["24", "8", "8", "8", "15", "9"]
    assert "[" not in body[3] and "[" in body[2]


def test_prose_fits_into_a_hundred_columns(whole: Study) -> None:
    """No line outside tables is longer than 100 columns, however long notes, captions and commands are."""
    long = " ".join(["a note that goes on and on"] * 12)
    study = replace(whole, notes=(long,), facts={"Command": long})
    lines = prose(report.write(study, {"plot": long}, {"other": long}))
    assert len(lines) > 50 and max(map(len, lines)) <= 100
    assert max(map(len, lines)) > 90  # and the width is used


def test_the_report_is_the_same_every_time(whole: Study) -> None:
    """Two calls give the same text, and how long anything took is not in it."""
    slower = replace(whole, scores=whole.scores.assign(seconds=99.25))
    first = report.write(whole, {"plot": "caption"}, {})
    assert first == report.write(whole, {"plot": "caption"}, {}) == report.write(slower, {"plot": "caption"}, {})
    assert first.endswith("\n") and not first.endswith("\n\n")


@pytest.mark.parametrize(
    ("study", "present", "absent"),
    [
        (
            lambda: make_study(("a", "b"), {"noise": NOISE}, embeddings=()),
            "their like aside",
            "Which embedding follows",
        ),
        (lambda: by_hand(families={}), "2 clips (degradations of unknown family)", "Do measures fall"),
        (lambda: by_hand(families={"my codec": None}), "2 clips (my codec)", "Do measures fall"),
        (lambda: by_hand(targets=(), correlations=table(CORRELATIONS_COLUMNS)), "no target", "How closely each"),
        (lambda: by_hand(scores=scores({"ours_similarity": [GAP] * 4, "stoi": [GAP] * 4})), "noise_0.1 – –", "nan"),
        (lambda: make_study(("a",), {"noise": NOISE[:1]}), "too few versions with both values", "Spearman 0"),
    ],
    ids=["no embeddings", "no families", "unknown family", "no targets", "no values", "one version"],
)
def test_thin_studies_have_a_report(study: Callable[[], Study], present: str, absent: str) -> None:
    """Whatever a study lacks, there is a report; the parts that would be empty are left out."""
    text = flat(study())
    assert present in text and absent not in text
    assert "How sure this is" in text and "Failures" in text


# The results folder


DRAWN = ("scatter", "bars")


def drawing(stems: Sequence[str]) -> Any:
    """Stands for `percept.plots.draw`: quick, and tells which plots there are."""

    def draw(study: Study, folder: Path, spread: object) -> tuple[dict[str, str], dict[str, str]]:
        for stem in stems:
            for ending in ("png", "svg"):
                (folder / f"{stem}.{ending}").write_text(stem)
        return dict.fromkeys(stems, "a caption"), {"heatmap": "a reason"}

    return draw


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for results, with plots that are quickly drawn."""
    monkeypatch.setattr("percept.plots.draw", drawing(DRAWN))
    return tmp_path / "results"


def test_publishing_writes_what_it_says(whole: Study, results: Path) -> None:
    """The names returned are the files there, beside the manifest: tables, plots in both formats, report, page, run."""
    names = stage.publish(whole, results, "key", {"settings": {}})
    assert len(names) == len(set(names)) == 8 + 2 * len(DRAWN) + 3
    assert {path.name for path in results.iterdir()} == {*names, "manifest.jsonl"}
    text = (results / "analysis_report.txt").read_text(encoding="utf-8")
    assert "- scatter.png: a caption" in text and "- heatmap was not drawn: a reason" in text


def test_tables_hold_the_study(whole: Study, results: Path) -> None:
    """The wide table has a row a version and a column a measure, similarities first; the others are the study's own."""
    stage.publish(whole, results, "key", {})
    wide = pd.read_csv(results / "evaluation_results.csv")
    labels = ["clip", "condition", "family", "level", "level_unit", "bits_per_second"]
    similarities = ["openl3_untrained_similarity", "vggish_similarity"]
    assert list(wide.columns[:8]) == labels + similarities
    assert set(wide.columns[8:-1]) == {m.name for m in whole.measures} - set(similarities)
    assert wide.columns[-1] == "kind"
    assert len(wide) == 3 * 8 and not wide.duplicated(["clip", "condition"]).any()
    assert wide["stoi"].to_numpy() == pytest.approx(whole.scores.query("measure == 'stoi'")["value"].to_numpy())
    assert list(pd.read_csv(results / "similarity_metrics_table.csv").columns) == [*labels[:2], "level", *similarities]
    for name in ("correlations", "comparisons", "monotonicity"):
        stored = pd.read_csv(results / f"{name}.csv", keep_default_na=False, na_values={"r": ""})
        assert len(stored) == len(getattr(whole, name)) and list(stored) == list(getattr(whole, name))


def test_the_run_is_on_record(whole: Study, results: Path) -> None:
    """run.json holds what it was given, the versions of everything that computes, and the command."""
    stage.publish(whole, results, "key", {"settings": {"score": {"measures": ["stoi"]}}, "facts": {"a": "b"}})
    run = json.loads((results / "run.json").read_text())
    assert run["settings"] == {"score": {"measures": ["stoi"]}} and run["facts"] == {"a": "b"}
    assert {"percept", "python", "numpy", "torch", "pesq", "pystoi"} <= set(run["versions"])
    assert run["versions"]["numpy"] == np.__version__
    assert {"command", "machine", "git_revision"} <= set(run)


def test_stale_plots_are_removed(whole: Study, results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Plots that the new study does not have disappear; what somebody else put there stays."""
    stage.publish(whole, results, "key", {})
    (results / "my notes.txt").write_text("mine")
    monkeypatch.setattr("percept.plots.draw", drawing(("bars",)))
    names = stage.publish(whole, results, "other", {})
    assert "scatter.png" not in names
    assert {path.name for path in results.iterdir()} == {*names, "manifest.jsonl", "my notes.txt"}


def test_a_report_is_up_to_date_while_it_is_whole(whole: Study, results: Path) -> None:
    """The same key and untouched files mean nothing to do; another key, a changed or a missing file mean writing."""
    assert not stage.up_to_date(results, "key")
    stage.publish(whole, results, "key", {})
    assert stage.up_to_date(results, "key") and not stage.up_to_date(results, "other")
    report_file = results / "analysis_report.txt"
    text = report_file.read_text(encoding="utf-8")
    report_file.write_text(text + "changed", encoding="utf-8")
    assert not stage.up_to_date(results, "key")
    report_file.write_text(text, encoding="utf-8")
    assert stage.up_to_date(results, "key")
    (results / "bars.svg").unlink()
    assert not stage.up_to_date(results, "key")


def test_the_key_of_a_study_is_its_content(whole: Study) -> None:
    """Another value, another failure or another setting is another key; the same ones are the same."""
    failures = table(FAILURES_COLUMNS)
    same = stage.study_key(whole.scores, failures, {"seed": 0})
    assert same == stage.study_key(whole.scores.copy(), failures.copy(), {"seed": 0})
    changed = whole.scores.copy()
    changed.loc[0, "value"] += 1e-9
    failed = table(FAILURES_COLUMNS, [("score", "a", "b", "c", "failed", "why")])
    others = {
        stage.study_key(changed, failures, {"seed": 0}),
        stage.study_key(whole.scores, failed, {"seed": 0}),
        stage.study_key(whole.scores, failures, {"seed": 1}),
    }
    assert len(others | {same}) == 4


def test_a_full_disk_is_told(whole: Study, results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of the operating system while writing becomes one line that says what to do."""

    def full(path: Path, text: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(stage, "write_text", full)
    with pytest.raises(PerceptError, match="No space left on device; free some space and start the same command again"):
        stage.publish(whole, results, "key", {})
    assert not stage.up_to_date(results, "key")


def manifest(folder: Path, plans: dict[str, list[list[str]]], records: Sequence[Record]) -> Path:
    """A folder as a stage leaves it."""
    found = Manifest(folder).open()
    for name, items in plans.items():
        found.plan(Plan(name, items))
    for record in records:
        found.append(record)
    return folder


def test_failures_come_from_every_stage(tmp_path: Path) -> None:
    """Failed and skipped records of all folders, and rows of the long table without a value, are listed as they are."""
    audio = manifest(
        tmp_path / "audio",
        {"convert": [["a"], ["b"]], "degrade": [["noise_0.1"]]},
        [
            Record("convert", "a"),
            Record("convert", "b", status="failed", reason="not audio"),
            Record("degrade", "a", "noise_0.1", status="failed", reason="silent"),
        ],
    )
    embedded = manifest(
        tmp_path / "logmel",
        {"embed": [["a", "clean"], ["a", "noise_0.1"]]},
        [Record("embed", "a", "clean", status="failed", reason="short"), Record("embed", "a", "noise_0.1")],
    )
    long = scores({"stoi": [0.5, GAP, 0.5, 0.5]})
    long.loc[1, ["status", "reason"]] = ["failed", "too short"]
    found = stage.failures(long, [audio, embedded])
    assert tuple(found.columns) == FAILURES_COLUMNS
    assert found.to_numpy().tolist() == [
        ["convert", "b", "", "", "failed", "not audio"],
        ["degrade", "a", "noise_0.1", "", "failed", "silent"],
        ["embed", "a", "clean", "", "failed", "short"],
        ["score", "a", "noise_0.1", "stoi", "failed", "too short"],
    ]


def test_failures_of_earlier_settings_are_not_listed(tmp_path: Path) -> None:
    """A clip, a condition or an embedding that the last run was not about, or that went well later, is no failure."""
    failed: dict[str, Any] = {"status": "failed", "reason": "old"}
    audio = manifest(
        tmp_path / "audio",
        {"convert": [["a"]], "degrade": [["noise_0.1"]]},
        [
            Record("convert", "gone", **failed),
            Record("degrade", "a", "noise_0.5", **failed),
            Record("convert", "a", **failed),
            Record("convert", "a"),
        ],
    )
    embedded = manifest(
        tmp_path / "logmel",
        {"embed": [["a", "clean"]]},
        [Record("embed", "a", "noise_0.5", **failed), Record("embed", "gone", "clean", **failed)],
    )
    assert not len(stage.failures(scores({"stoi": [0.5] * 4}), [audio, embedded]))
