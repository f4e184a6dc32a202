"""Stage 3b on small tables: scopes, which rows count, Holm's correction, steps of severity, and embeddings compared."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from percept.degradations import DEGRADATIONS
from percept.metrics import SIMILARITIES
from percept.records import Degradation
from percept.schema import (
    COMPARISONS_COLUMNS,
    CORRELATIONS_COLUMNS,
    MEASURES_COLUMNS,
    MONOTONICITY_COLUMNS,
    Measure,
    Pair,
    PerceptError,
)
from percept.settings import Correlate, Run
from percept.stages.correlate import Relations, correlate

METHODS = ("pearson", "spearman", "kendall")
QUICK = Correlate(targets=("target",), resamples=100, permutations=100)
FAMILIES: Mapping[str, Degradation | None] = {"noise": DEGRADATIONS["noise"], "bit_depth": DEGRADATIONS["bit_depth"]}
GAP = math.nan

RISING = Measure("rising", "Rising", group="signal")
FALLING = Measure("falling", "Falling", higher_is_better=False, group="signal")
TARGET = Measure("target", "Target", group="perceptual")
OTHER = Measure("other", "Other", group="perceptual")

Row = tuple[str, str, float]


def long(rows: Sequence[Row], **values: Sequence[float]) -> pd.DataFrame:
    """The long table of versions (clip, family, level) with one column of values a measure."""
    lines = [
        (clip, f"{family}_{i}", family, level, name, float(column[i]), "", "ok", "", 0.1)
        for name, column in values.items()
        for i, (clip, family, level) in enumerate(rows)
    ]
    return pd.DataFrame(lines, columns=list(MEASURES_COLUMNS))


def versions(clips: str, families: Sequence[str] = ("noise",), each: int = 3) -> list[Row]:
    """So many levels of every family of every clip (a letter each)."""
    return [(clip, family, level / 100) for clip in clips for family in families for level in range(1, each + 1)]


def related(rows: Sequence[Row], seed: int = 0) -> tuple[Any, Any]:
    """Two columns that go together loosely."""
    generator = np.random.default_rng(seed)
    x = generator.normal(size=len(rows))
    return x, 0.6 * x + generator.normal(size=len(rows))


def relate(
    scores: pd.DataFrame,
    measures: Sequence[Measure] = (RISING, TARGET),
    families: Mapping[str, Degradation | None] = FAMILIES,
    **changes: Any,
) -> Relations:
    measured = tuple(target for target in QUICK.targets if target in {measure.name for measure in measures})
    settings = replace(QUICK, **{"targets": measured, **changes})
    return correlate(scores, measures, families, settings, Run(jobs=1, quiet=True))


def find(table: pd.DataFrame, **labels: str) -> dict[str, Any]:
    """The only row with these labels."""
    for column, label in labels.items():
        table = table[table[column] == label]
    assert len(table) == 1
    return dict(table.to_dict("records")[0])


def pooled(
    found: Relations, method: str = "pearson", scope: str = "pooled", predictor: str = "rising"
) -> dict[str, Any]:
    return find(found.correlations, predictor=predictor, target="target", scope=scope, method=method)


# Scopes


@pytest.mark.parametrize(
    ("rows", "scopes"),
    [
        (
            versions("ab", ("noise", "bit_depth")),
            "pooled, within clips, clip:a, clip:b, family:noise, family:bit_depth",
        ),
        (versions("ab"), "pooled, within clips, clip:a, clip:b"),
        (versions("a", ("noise", "bit_depth")), "pooled, family:noise, family:bit_depth"),
        (versions("a"), "pooled"),
        (versions("a") + versions("b", each=2), "pooled, within clips, clip:a"),
        (versions("a", ("noise", "bit_depth"), 2), "pooled"),
        (versions("a", ("noise", "")), "pooled, family:noise"),
    ],
    ids=["clips and families", "one family", "one clip", "neither", "a clip of two rows", "families of two rows",
         "an unknown family"],
)  # fmt: skip
def test_scopes(rows: list[Row], scopes: str) -> None:
    """There is a scope for each clip and family with three rows or more, where there is more than one of its kind."""
    found = relate(long(rows, rising=range(len(rows)), target=range(len(rows)))).correlations
    assert list(dict.fromkeys(found["scope"])) == scopes.split(", ")
    assert len(found) == len(scopes.split(", ")) * len(METHODS)


def test_kinds_of_clips_are_scopes() -> None:
    """Where clips are of several kinds, each kind is a scope, and each family within it; one kind is none."""
    rows = versions("abc", ("noise", "bit_depth"))
    x, y = related(rows)
    scores = long(rows, rising=x, target=y)
    labels = list(scores.drop_duplicates(["item", "condition"])[["item", "condition"]].itertuples(index=False))
    settings = replace(QUICK, targets=("target",))
    found = {}
    for name, kinds in (("two", {"a": "speech", "b": "music", "c": "music"}), ("one", dict.fromkeys("abc", "speech"))):
        pairs = [Pair(clip, condition, kind=kinds[clip]) for clip, condition in labels]
        arguments = (scores, (RISING, TARGET), FAMILIES, settings, Run(jobs=1, quiet=True))
        found[name] = correlate(*arguments, pairs=pairs)
    scopes = set(found["two"].correlations["scope"]) - set(found["one"].correlations["scope"])
    assert scopes == {
        "kind:speech", "kind:music", "kind:speech family:noise", "kind:speech family:bit_depth",
        "kind:music family:noise", "kind:music family:bit_depth", "kind:music within clips",
    }  # fmt: skip
    alone = np.array([clip == "a" for clip, *_ in rows])
    row = pooled(found["two"], "pearson", "kind:speech")
    assert row["n"] == alone.sum() and row["r"] == pytest.approx(float(np.corrcoef(x[alone], y[alone])[0, 1]))


def test_each_scope_is_its_own_rows() -> None:
    """A measure that rises in one clip and falls in the other has r 1 and -1 there, and 0 in both together."""
    rows = versions("ab")
    found = relate(long(rows, rising=[1, 2, 3, 1, 2, 3], target=[1, 2, 3, 3, 2, 1]))
    for method in METHODS:
        values = [pooled(found, method, scope)["r"] for scope in ("clip:a", "clip:b", "pooled", "within clips")]
        assert values == pytest.approx([1, -1, 0, 0], abs=1e-12)


def test_one_clip_has_no_interval() -> None:
    """Where there is one clip, pooled or as a scope, nothing can be resampled."""
    rows = versions("ab", each=5)
    found = relate(long(rows, rising=related(rows)[0], target=related(rows)[1]))
    assert math.isnan(pooled(found, scope="clip:a")["low"]) and pooled(found, scope="clip:a")["n_clips"] == 1
    assert pooled(found)["low"] < pooled(found)["high"]


def test_within_clips_sees_through_their_offsets() -> None:
    """Simpson: both clips rise, but the one with the larger values has the smaller targets."""
    found = relate(long(versions("ab"), rising=[1, 2, 3, 11, 12, 13], target=[11, 12, 13, 1, 2, 3]))
    by_hand = {"pearson": -146 / 154, "spearman": 1 - 6 * 54 / 210, "kendall": (6 - 9) / 15}
    for method, r in by_hand.items():
        assert pooled(found, method)["r"] == pytest.approx(r, abs=1e-12)
        assert pooled(found, method, "within clips")["r"] == pytest.approx(1, abs=1e-12)


def test_within_clips_ranks_each_clip_by_itself() -> None:
    """Rank methods within clips see order alone: a curve of another steepness in each clip still has r = 1."""
    found = relate(long(versions("ab"), rising=[1, 2, 9, 0, 100, 101], target=[1, 2, 3, 5, 6, 50]))
    assert pooled(found, "spearman", "within clips")["r"] == pytest.approx(1, abs=1e-12)
    assert pooled(found, "kendall", "within clips")["r"] == pytest.approx(1, abs=1e-12)
    assert pooled(found, "pearson", "within clips")["r"] < 0.9


# Which rows count


def test_only_complete_rows_count() -> None:
    """A row without the measure or without the target is in neither n, and a clip without any not in n_clips."""
    rows = versions("abc", each=4)
    rising = [1, 2, 3, 4, GAP, 5, 6, 7, 8, 9, 10, 11]
    target = [2, 1, 4, GAP, 3, 6, 5, 8, GAP, GAP, GAP, GAP]
    found = relate(long(rows, rising=rising, target=target))
    there = [i for i in range(len(rows)) if not math.isnan(rising[i] + target[i])]
    columns = {"rising": [rising[i] for i in there], "target": [target[i] for i in there]}
    alone = relate(long([rows[i] for i in there], **columns))
    for method in METHODS:
        for scope in ("pooled", "within clips"):
            row = pooled(found, method, scope)
            assert (row["n"], row["n_clips"]) == (6, 2)
            assert row["r"] == pytest.approx(pooled(alone, method, scope)["r"], abs=1e-12)
        empty = pooled(found, method, "clip:c")
        assert empty["n"] == 0 and math.isnan(empty["r"]) and math.isnan(empty["p"])


@pytest.mark.parametrize(("infinite", "last"), [(math.inf, 4), (-math.inf, 1)])
@pytest.mark.parametrize("side", ["rising", "target"])
def test_infinite_values_have_a_rank_but_no_mean(side: str, infinite: float, last: int) -> None:
    """Pearson's r leaves an infinite value out; Spearman's and Kendall's put it at the end where it belongs."""
    columns = {"rising": [2.0, 3, 3.5, 0], "target": [2.0, 3, 3.5, 0]}
    columns[side][3], columns["target" if side == "rising" else "rising"][3] = infinite, last
    found = relate(long(versions("a", each=4), **columns))
    assert pooled(found)["n"] == 3 and pooled(found)["r"] == pytest.approx(1)
    for method in ("spearman", "kendall"):
        assert pooled(found, method)["n"] == 4 and pooled(found, method)["r"] == pytest.approx(1)


def test_failed_rows_are_missing_rows() -> None:
    """A measure that has no line for a version is as good as NaN there."""
    rows = versions("ab")
    scores = long(rows, rising=range(6), target=[0, 2, 1, 3, 5, 4])
    scores = scores.drop(scores[(scores["measure"] == "rising") & (scores["condition"] == "noise_1")].index)
    assert pooled(relate(scores))["n"] == 5


def test_the_order_of_rows_does_not_matter() -> None:
    """Shuffled rows give the same correlations, comparisons and trends."""
    rows = versions("abcd", ("noise", "bit_depth"))
    x, y = related(rows)
    a, b = SIMILARITIES["l1"].measure("a", "A"), SIMILARITIES["l1"].measure("b", "B")
    scores = long(rows, rising=x, target=y, a_l1=np.round(x, 1), b_l1=np.round(x - y, 1))
    order = np.random.default_rng(1).permutation(len(scores))
    tables = [
        [
            table.sort_values(list(table.columns[:5])).reset_index(drop=True)
            for table in (found.correlations, found.comparisons, found.monotonicity)
        ]
        for found in (relate(s, (RISING, TARGET, a, b)) for s in (scores, scores.iloc[order]))
    ]
    for first, second in zip(*tables, strict=True):
        assert len(first)
        pd.testing.assert_frame_equal(first, second, rtol=1e-9)


def test_the_seed_is_the_only_chance() -> None:
    """The same seed gives the same tables to the last bit, another one another p."""
    rows = versions("abcd", each=4)
    x, y = related(rows)
    scores = long(rows, rising=x, target=y)
    first, second, other = (relate(scores, seed=seed).correlations for seed in (0, 0, 1))
    pd.testing.assert_frame_equal(first, second, check_exact=True)
    assert (first["r"] == other["r"]).all() and (first["p"] != other["p"]).any()


def test_a_further_measure_changes_no_other_row() -> None:
    """The random numbers of a pair come from its names: with company, only the adjusted p changes, and grows."""
    rows = versions("abcd", each=4)
    x, y = related(rows)
    scores = long(rows, rising=x, target=y, falling=-x, other=x + 2 * y)
    alone, together = pooled(relate(scores)), pooled(relate(scores, (FALLING, RISING, TARGET, OTHER)))
    assert {k: v for k, v in together.items() if k != "p_adjusted"} == {
        k: v for k, v in alone.items() if k != "p_adjusted"
    }
    assert together["p_adjusted"] > alone["p_adjusted"]


def test_a_lower_confidence_is_a_narrower_interval() -> None:
    """The interval of 60 % lies within that of 95 %."""
    rows = versions("abcde", each=4)
    x, y = related(rows)
    scores = long(rows, rising=x, target=y)
    wide, narrow = pooled(relate(scores)), pooled(relate(scores, confidence=0.6))
    assert wide["low"] < narrow["low"] < narrow["high"] < wide["high"]


# Targets and Holm's correction


def test_targets_follow_one_another_but_not_themselves() -> None:
    """Every measure is related with every target but itself; two targets are related once."""
    rows = versions("ab")
    scores = long(rows, rising=range(6), target=range(6), other=range(6))
    found = relate(scores, (RISING, TARGET, OTHER), targets=("target", "other"))
    pairs = set(zip(found.correlations["predictor"], found.correlations["target"], strict=True))
    assert found.targets == ("target", "other")
    assert pairs == {("rising", "target"), ("rising", "other"), ("target", "other")}


def test_given_numbers_are_targets() -> None:
    """What came with the pairs joins the targets asked for, once, and a default target without values is none."""
    rows = versions("ab")
    mos = Measure("mos", "MOS", group="given")
    scores = long(rows, rising=range(6), target=range(6), mos=range(6))
    for asked in (("target",), ("target", "mos"), ("target", "pesq_wb", "target")):
        assert relate(scores, (RISING, TARGET, mos), targets=asked).targets == ("target", "mos")


def test_no_target_makes_empty_tables() -> None:
    """Without targets the tables have their columns and no rows, and steps are still judged."""
    rows = versions("ab")
    found = relate(long(rows, rising=range(6)), (RISING,), targets=())
    assert tuple(found.correlations.columns) == CORRELATIONS_COLUMNS and not len(found.correlations)
    assert tuple(found.comparisons.columns) == COMPARISONS_COLUMNS and not len(found.comparisons)
    assert tuple(found.monotonicity.columns) == MONOTONICITY_COLUMNS and len(found.monotonicity) == 2


def test_holm_runs_over_one_scope_and_method() -> None:
    """Of m tests the smallest p is multiplied by m, the next by m - 1 and so on, never falling and never above 1."""
    rows = versions("abcd", ("noise", "bit_depth"))
    x, y = related(rows)
    columns = {"rising": x, "falling": np.roll(x, 3), "target": y, "other": y + np.roll(y, 1) + np.roll(x, 5)}
    found = relate(long(rows, **columns), (RISING, FALLING, TARGET, OTHER), targets=("target", "other")).correlations
    assert len(found) == 8 * len(METHODS) * 5
    for _, group in found.groupby(["scope", "method"]):
        group = group.sort_values("p").dropna(subset="p")
        floor = 0.0
        for place, row in enumerate(group.to_dict("records")):
            floor = max(floor, min(1.0, (len(group) - place) * row["p"]))
            assert row["p_adjusted"] == pytest.approx(floor, abs=1e-12) and row["p_adjusted"] >= row["p"]


def test_undefined_tests_do_not_count_in_holms_correction() -> None:
    """A constant measure has no r, no p and no adjusted p, and makes no other adjusted p larger."""
    rows = versions("ab", each=4)
    x, y = related(rows)
    found = relate(long(rows, rising=x, falling=[1.0] * 8, target=y), (RISING, FALLING, TARGET))
    constant = pooled(found, predictor="falling")
    assert all(math.isnan(constant[name]) for name in ("r", "low", "high", "p", "p_adjusted"))
    assert pooled(found)["p_adjusted"] == pooled(found)["p"]


# Steps of severity


@pytest.mark.parametrize(
    ("family", "levels", "measure", "values", "where"),
    [
        ("noise", [0.001, 0.01, 0.02], RISING, [0.9, 0.5, 0.6], "0.01 → 0.02"),
        ("noise", [0.02, 0.001, 0.01], RISING, [0.6, 0.9, 0.5], "0.01 → 0.02"),
        ("noise", [0.001, 0.01, 0.02], FALLING, [1.0, 3.0, 2.0], "0.01 → 0.02"),
        ("noise", [0.001, 0.01, 0.02], FALLING, [1.0, 2.0, 3.0], ""),
        ("noise", [0.001, 0.01, 0.02, 0.05], RISING, [0.5, 0.6, 0.2, 0.3], "0.001 → 0.01; 0.02 → 0.05"),
        ("noise", [0.001, 0.01, 0.02], RISING, [0.5, 0.5, 0.5 + 1e-12], ""),
        ("bit_depth", [4, 8, 12], RISING, [0.2, 0.95, 0.9], "12 → 8"),
        ("bit_depth", [12, 8, 4], FALLING, [1.0, 3.0, 2.0], "8 → 4"),
        ("bit_depth", [12, 8, 4], RISING, [0.9, 0.5, 0.1], ""),
    ],
)
def test_violations_name_both_levels(
    family: str, levels: list[float], measure: Measure, values: list[float], where: str
) -> None:
    """A step at which quality rose is told as milder → harsher, whichever way levels and measure are counted."""
    rows = [("a", family, level) for level in levels]
    trend = find(relate(long(rows, **{measure.name: values}), (measure,)).monotonicity, family=family)
    assert trend["where"] == where
    assert (trend["steps"], trend["violations"]) == (len(levels) - 1, where.count("→"))


def test_steps_are_those_of_one_clip_and_family() -> None:
    """Each clip and family has its own row; levels of another are not between its own."""
    rows = versions("ab", ("noise", "bit_depth"))
    found = relate(long(rows, rising=[3, 2, 1, 1, 2, 3, 1, 2, 3, 1, 3, 2]), (RISING,)).monotonicity
    assert len(found) == 4
    for clip, family, violations, tau in (
        ("a", "noise", 0, 1),
        ("a", "bit_depth", 0, 1),
        ("b", "noise", 2, -1),
        ("b", "bit_depth", 1, 1 / 3),
    ):
        trend = find(found, clip=clip, family=family)
        assert trend["violations"] == violations and trend["tau"] == pytest.approx(tau)


def test_a_missing_value_is_stepped_over() -> None:
    """The levels on either side of a gap are compared with each other."""
    rows = [("a", "noise", level) for level in (0.001, 0.01, 0.02)]
    trend = find(relate(long(rows, rising=[0.5, GAP, 0.6]), (RISING,)).monotonicity, family="noise")
    assert (trend["steps"], trend["where"]) == (1, "0.001 → 0.02")


@pytest.mark.parametrize(
    "rows",
    [[("a", "codec", 1.0), ("a", "codec", 2.0)], [("a", "noise", 0.1)], [("a", "noise", GAP), ("a", "noise", 0.1)]],
    ids=["unknown family", "one level", "one level known"],
)
def test_what_has_no_steps(rows: list[Row]) -> None:
    """A family whose harsher direction nobody knows, and fewer than two levels, have no row."""
    families = {"codec": None, "noise": DEGRADATIONS["noise"]}
    assert not len(relate(long(rows, rising=range(len(rows))), (RISING,), families).monotonicity)


# Embeddings against each other


def embedding(*titles: str) -> list[Measure]:
    """Frame-wise similarity and L1 distance of each embedding."""
    return [SIMILARITIES[name].measure(title.lower(), title) for title in titles for name in ("similarity", "l1")]


def test_comparisons_pair_like_with_like() -> None:
    """Each pair of embeddings is compared under each similarity, for each target, by two methods."""
    rows = versions("abc")
    measures = embedding("A", "B", "C")
    columns = {measure.name: related(rows, seed)[0] for seed, measure in enumerate(measures)}
    found = relate(long(rows, target=range(9), other=range(9), **columns), [*measures, TARGET, OTHER],
                   targets=("target", "other")).comparisons  # fmt: skip
    pairs = set(zip(found["first"], found["second"], strict=True))
    assert pairs == {(f"{a}_{n}", f"{b}_{n}") for a, b in ("ab", "ac", "bc") for n in ("similarity", "l1")}
    assert len(found) == 6 * 2 * 2 and set(found["method"]) == {"pearson", "spearman"}
    assert found["smallest_p"].to_numpy() == pytest.approx(2 / 2**3)


@pytest.mark.parametrize("method", ["pearson", "spearman"])
@pytest.mark.parametrize(("kind", "sign"), [("similarity", 1), ("l1", -1)])
def test_the_better_embedding_has_the_positive_difference(kind: str, sign: int, method: str) -> None:
    """A distance that falls exactly with the target beats one that does so loosely by 1 - |r|, like a similarity."""
    rows = versions("abc")
    target = np.array([1.0, 2, 3, 4, 5, 6, 7, 8, 9])
    loose = np.array([2.0, 1, 4, 3, 6, 5, 8, 7, 9])
    measures = [m for m in embedding("Loose", "Exact") if m.name.endswith(kind)]
    scores = long(rows, target=target, **{f"loose_{kind}": sign * loose, f"exact_{kind}": sign * target})
    found = relate(scores, [*measures, TARGET])
    strength = sign * pooled(found, method, predictor=f"loose_{kind}")["r"]
    row = find(found.comparisons, first=f"loose_{kind}", method=method)
    assert 0.8 < strength < 1 and row["difference"] == pytest.approx(strength - 1, abs=1e-12)
    assert row["low"] <= row["difference"] <= row["high"]


def test_comparisons_use_rows_that_both_have() -> None:
    """A row that one of the two embeddings or the target lacks takes no part in their comparison."""
    rows = versions("ab")
    measures = [m for m in embedding("A", "B") if m.name.endswith("l1")]
    scores = long(rows, target=[1, 2, 3, 4, 5, GAP], a_l1=[GAP, 2, 3, 1, 5, 6], b_l1=[1, GAP, 4, 2, 5, 6])
    row = find(relate(scores, [*measures, TARGET]).comparisons, method="spearman")
    assert (row["n"], row["n_clips"]) == (3, 2)


def test_one_embedding_has_nothing_to_be_compared_with() -> None:
    """The table then has its columns and no rows."""
    rows = versions("ab")
    found = relate(long(rows, target=range(6), a_similarity=range(6), a_l1=range(6)), [*embedding("A"), TARGET])
    assert tuple(found.comparisons.columns) == COMPARISONS_COLUMNS and not len(found.comparisons)


# Settings


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"confidence": 0.49}, "--confidence 0.49 is out of range"),
        ({"confidence": 1.0}, "--confidence 1 is out of range"),
        ({"confidence": 95.0}, "--confidence 95 is out of range"),
        ({"confidence": GAP}, "--confidence nan is out of range"),
        ({"resamples": 99}, "--resamples 99 is too few: expected at least 100"),
        ({"permutations": 0}, "--permutations 0 is too few: expected at least 100"),
    ],
    ids=lambda v: str(v) if isinstance(v, dict) else "",
)
def test_settings_out_of_range(change: dict[str, Any], message: str) -> None:
    """Settings without meaning are refused with the flag, the value and what would do."""
    with pytest.raises(PerceptError, match=message):
        relate(long(versions("a"), rising=range(3), target=range(3)), **change)
