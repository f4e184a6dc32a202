"""Plots: every study, however thin or odd, gives readable files and says what it could not draw."""

from __future__ import annotations

import math
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import pandas as pd
import pytest

from percept.plots import _bars, _embeddings, _levels, draw
from percept.plots._style import CONTROL_NOTE, STYLE, styled
from percept.plots._view import View
from percept.records import Degradation
from percept.schema import (
    COMPARISONS_COLUMNS,
    CORRELATIONS_COLUMNS,
    FAILURES_COLUMNS,
    MEASURES_COLUMNS,
    MONOTONICITY_COLUMNS,
    Array,
    Clip,
    Measure,
)
from percept.stats import association
from percept.study import Study

NOISE = (0.001, 0.002, 0.005, 0.01, 0.02)
MP3 = (320.0, 192.0, 128.0, 96.0, 64.0, 32.0)
TWO_FAMILIES = {"noise": NOISE, "bit_depth": (12.0, 8.0, 4.0)}
WIDE_LEVELS = {"noise": NOISE, "bandwidth": (2.0, 4.0, 6.0), "bit_depth": (12.0, 8.0, 4.0)}


def _unchanged(clip: Clip, level: float, generator: np.random.Generator) -> Array:
    return clip.samples


def _family(name: str, levels: tuple[float, ...]) -> Degradation:
    """A record as the registry would hold it; `levels` are what a study used, in any order."""
    facts: dict[str, tuple[str, str, float, Literal["higher", "lower"]]] = {
        "noise": ("White noise", "standard deviation", 0.0, "higher"),
        "bandwidth": ("Bandwidth limit", "kHz", 8.0, "lower"),
        "bit_depth": ("Bit depth", "bit", 16.0, "lower"),
        "mp3": ("MP3", "kbit/s", 320.0, "lower"),
    }
    title, unit, neutral, harsher = facts[name]
    return Degradation(
        name=name, title=title, summary="", citation="", apply=_unchanged, unit=unit, levels=levels,
        neutral=neutral, limits=(0.0, 400.0), harsher=harsher,
    )  # fmt: skip


def _measures(embeddings: Sequence[tuple[str, str]], given: Sequence[str]) -> tuple[Measure, ...]:
    columns = []
    for prefix, title in embeddings:
        for name, words, high, better in (
            ("similarity", "similarity", 1.0, True),
            ("pooled_similarity", "pooled similarity", 1.0, True),
            ("l1", "L1 distance", math.inf, False),
            ("corrected_similarity", "corrected similarity", 1.0, True),
        ):
            low = -1.0 if better else 0.0
            columns.append(Measure(f"{prefix}_{name}", f"{title} {words}", "", low, high, better, "embedding", title))
    classical = [
        Measure("pesq_wb", "PESQ wide band", "MOS-LQO", 1.04, 4.64, True, "perceptual"),
        Measure("pesq_nb", "PESQ narrow band", "MOS-LQO", 1.02, 4.56, True, "perceptual"),
        Measure("stoi", "STOI", "", -1, 1, True, "perceptual"),
        Measure("estoi", "ESTOI", "", -1, 1, True, "perceptual"),
        Measure("si_sdr", "SI-SDR", "dB", group="signal"),
        Measure("snr", "SNR", "dB", group="signal"),
        Measure("lsd", "Log-spectral distance", "dB", 0, math.inf, False, "signal"),
    ]
    return (*columns, *classical, *(Measure(name, name) for name in given))


def _value(measure: Measure, damage: float, offset: float, rng: np.random.Generator) -> float:
    """A plausible value for damage in 0..1; `offset` is the clip's own, about -1..1."""
    d = float(np.clip(damage + 0.06 * offset + rng.normal(0, 0.08), 0.01, 1.2))
    classical = {
        "pesq_wb": 1.04 + 3.5 * math.exp(-2.6 * d),
        "pesq_nb": 1.3 + 3.2 * math.exp(-2.0 * d),
        "stoi": 1 - 0.35 * d**1.5,
        "estoi": 1 - 0.5 * d**1.4,
        "si_sdr": 32 - 30 * d,
        "snr": 34 - 29 * d,
        "lsd": 0.8 + 7 * d,
        "mos": 4.7 - 3.2 * d,
    }
    if measure.group != "embedding":
        return float(classical.get(measure.name, d))
    if measure.name.endswith("_l1"):
        return 2.5 * d
    scale = {"OpenL3": 0.09, "OpenL3 (untrained)": 0.004}.get(measure.embedding, 0.03)
    return 1 - scale * d * (4.0 if "corrected" in measure.name else 0.6 if "pooled" in measure.name else 1.0)


def _correlate(scores: pd.DataFrame, measures: Sequence[Measure], targets: Sequence[str]) -> pd.DataFrame:
    """The pooled correlations, as the pipeline makes them."""
    wide = scores.pivot(index=["item", "condition"], columns="measure", values="value")
    wide = wide.reindex(columns=[m.name for m in measures]).astype(float)
    clips = wide.index.get_level_values("item").to_numpy()
    rows = []
    for target in targets:
        for m in measures:
            for method in ("pearson", "spearman"):
                rng = np.random.default_rng(0)
                columns = (wide[m.name].to_numpy(), wide[target].to_numpy())
                a = association(*columns, clips, method, generator=rng, resamples=200, permutations=9)
                r = (a.n, a.n_clips, a.r, a.low, a.high, a.p, a.p)
                rows.append((m.name, target, "pooled", method, *r))
    return pd.DataFrame(rows, columns=list(CORRELATIONS_COLUMNS))


def make_study(
    clips: Sequence[str],
    levels: dict[str, tuple[float, ...]],
    *,
    embeddings: Sequence[tuple[str, str]] = (("openl3", "OpenL3"), ("vggish", "VGGish")),
    targets: Sequence[str] = ("pesq_wb", "stoi"),
    change: Callable[[pd.DataFrame], None] = lambda scores: None,
) -> Study:
    """A synthetic study with realistic numbers; `change` may damage the long table before correlating."""
    rng = np.random.default_rng(7)
    weigh = np.random.default_rng(3)
    given = [t for t in targets if t not in {"pesq_wb", "stoi"}]
    measures = _measures(embeddings, given)
    families = {name: _family(name, values) for name, values in levels.items()}
    reacts = {(name, m.name): weigh.uniform(0.25, 1) for name in families for m in measures}
    rows = []
    for clip in clips:
        offset = rng.uniform(-1, 1)
        for name, record in families.items():
            ordered = sorted(record.levels, key=record.severity)
            for position, level in enumerate(ordered):
                damage = (position + 0.6) / len(ordered) * rng.uniform(0.85, 1.0)
                for m in measures:
                    value = _value(m, damage * reacts[name, m.name], offset, rng)
                    rows.append((clip, record.condition(level), name, level, m.name, value, m.unit, "ok", "", 0.1))
    scores = pd.DataFrame(rows, columns=list(MEASURES_COLUMNS))
    change(scores)
    return Study(
        scores=scores,
        correlations=_correlate(scores, measures, targets),
        comparisons=pd.DataFrame(columns=list(COMPARISONS_COLUMNS)),
        monotonicity=pd.DataFrame(columns=list(MONOTONICITY_COLUMNS)),
        failures=pd.DataFrame(columns=list(FAILURES_COLUMNS)),
        measures=measures,
        targets=tuple(targets),
        families=families,
    )


FOUR = ("speech_female", "speech_male", "piano", "drums")
EMBEDDINGS = (("openl3_untrained", "OpenL3 (untrained)"), ("vggish", "VGGish"))
DROPPED = ("pooled_similarity", "corrected_similarity", "pesq_nb", "estoi", "snr", "lsd")


def small_study(clips: Sequence[str] = FOUR, **options: Any) -> Study:
    """A study with few measures, and one embedding unless told otherwise: quick to draw."""
    levels = options.pop("levels", {"noise": NOISE})
    study = make_study(clips, levels, **{"embeddings": (("openl3", "OpenL3"),), **options})
    return replace(study, measures=tuple(m for m in study.measures if not m.name.endswith(DROPPED)))


def where(scores: pd.DataFrame, measure: str) -> pd.Index[int]:
    return scores.index[scores["measure"] == measure]


def words(path: Path) -> str:
    """The text of an SVG, which must be well-formed."""
    return "\n".join(part for part in ET.parse(path).getroot().itertext() if part.strip())


@pytest.fixture(autouse=True)
def style(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Plots that are only looked at, not written, need the style too; coarse ones are quicker."""
    monkeypatch.setitem(STYLE, "figure.dpi", 80)
    with styled():
        yield


@pytest.fixture
def unwritten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plots are made and captioned, but not written, which takes most of the time."""
    monkeypatch.setattr("percept.plots._save", lambda figure, folder, stem, caption: None)


@pytest.fixture(scope="module")
def four(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str], dict[str, str]]:
    """A study of usual size, drawn: folder, captions, what was left out."""
    folder = tmp_path_factory.mktemp("four")
    return folder, *draw(small_study(levels=TWO_FAMILIES, embeddings=EMBEDDINGS), folder)


def test_every_plot_is_written_as_png_and_svg(four: tuple[Path, dict[str, str], dict[str, str]]) -> None:
    """The promised stems, both formats, nothing else in the folder, and no plot without content."""
    folder, drawn, left_out = four
    assert list(drawn) == [
        "OpenL3_untrained_scatter_plots",
        "OpenL3_untrained_correlation_matrix",
        "VGGish_scatter_plots",
        "VGGish_correlation_matrix",
        "noise_level_effects",
        "bit_depth_level_effects",
        "comparison_bars",
        "similarity_by_condition",
    ]
    assert left_out == {}
    assert {path.name for path in folder.iterdir()} == {f"{s}.{kind}" for s in drawn for kind in ("png", "svg")}
    for stem in drawn:
        png = (folder / f"{stem}.png").read_bytes()
        assert png.startswith(b"\x89PNG") and len(png) > 20_000
        assert len(words(folder / f"{stem}.svg")) > 200


def test_captions_say_how_to_read_the_plot(four: tuple[Path, dict[str, str], dict[str, str]]) -> None:
    """Every caption does, and goes with both files; PNG has 200 dots an inch."""
    from PIL import Image

    folder, drawn, _ = four
    for stem, caption in drawn.items():
        assert caption.count("How to read it: ") == 1, stem
        with Image.open(folder / f"{stem}.png") as picture:
            assert picture.info["Description"] == caption
            assert picture.info["dpi"] == pytest.approx((200, 200), abs=0.1)
        described = ET.parse(folder / f"{stem}.svg").getroot().iter("{http://purl.org/dc/elements/1.1/}description")
        assert [element.text for element in described] == [caption]


def test_captions_state_n(four: tuple[Path, dict[str, str], dict[str, str]]) -> None:
    """Rows, clips and conditions, or where n stands."""
    _, drawn, _ = four
    assert "n = 32: 4 clips, 8 conditions" in drawn["VGGish_scatter_plots"]
    assert "n = 32 a pair" in drawn["VGGish_correlation_matrix"]
    assert "n = 20: 4 clips, 5 conditions" in drawn["noise_level_effects"]
    assert "n is on each panel" in drawn["comparison_bars"]
    assert "n = 32: 4 clips, 8 conditions" in drawn["similarity_by_condition"]
    assert "infinite" not in "".join(drawn.values())


def test_the_control_is_named(four: tuple[Path, dict[str, str], dict[str, str]]) -> None:
    """Wherever the untrained network is drawn its name and the note stand, and nowhere else."""
    folder, drawn, _ = four
    for stem in drawn:
        text = words(folder / f"{stem}.svg")
        control = not stem.startswith("VGGish")
        assert ("OpenL3 (untrained)" in text) == (CONTROL_NOTE in text) == control
    assert "OpenL3 (untrained): similarity" in words(folder / "OpenL3_untrained_scatter_plots.svg")


def test_two_draws_are_identical(tmp_path: Path) -> None:
    """Byte for byte, in another folder, with intervals that come from resampling."""
    study = small_study([f"clip_{n}" for n in range(14)], targets=("stoi",))
    for name in ("first", "second"):
        draw(study, tmp_path / name)
    files = sorted((tmp_path / "first").iterdir())
    assert len(files) == 10
    for path in files:
        assert path.read_bytes() == (tmp_path / "second" / path.name).read_bytes()


def _boxes(figure: Any) -> dict[str, list[Any]]:
    """Where things are on the drawn figure, by kind."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    shapes = [*figure.axes, *figure.legends, *figure.texts]
    boxes = {"shapes": [shape.get_tightbbox(renderer) for shape in shapes]}
    for axes in figure.axes:
        for name in "xy":
            axis = getattr(axes, f"{name}axis")
            labels = [tick.label1 for tick in axis.get_major_ticks() if tick.label1.get_text()]
            # Slanted labels overlap as boxes without touching.
            upright = [label for label in labels if label.get_rotation() in (0, 90)]
            boxes[f"{id(axes)} {name}"] = [label.get_window_extent(renderer) for label in upright]
    return boxes


@pytest.mark.parametrize(
    ("clips", "targets"),
    [(FOUR, ("pesq_wb",)), (tuple("abcdefghijklm"), ("pesq_wb", "stoi", "mos"))],
    ids=["narrow", "wide"],
)
def test_nothing_overlaps(clips: tuple[str, ...], targets: tuple[str, ...]) -> None:
    """Panels with their labels, legends, title and note keep clear of each other and stay inside."""
    levels = {"noise": NOISE, "mp3": MP3}
    view = View.of(small_study(clips, levels=levels, embeddings=EMBEDDINGS, targets=targets))
    for figure, _ in (
        _embeddings.scatter(view, "OpenL3 (untrained)"),
        _levels.level_effects(view, "mp3"),
        _bars.comparison(view),
        _bars.by_condition(view),
    ):
        width, height = figure.bbox.size
        for kind, boxes in _boxes(figure).items():
            for first, second in combinations(boxes, 2):
                shared = min(first.x1, second.x1) - max(first.x0, second.x0)
                tall = min(first.y1, second.y1) - max(first.y0, second.y0)
                assert shared <= 1 or tall <= 1, (kind, first, second)
            for box in boxes if kind == "shapes" else ():
                assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height


def test_one_clip_has_no_intervals(tmp_path: Path) -> None:
    """The first study: one clip, five levels. All is drawn, without brackets and bars of error."""
    drawn, left_out = draw(small_study(("speech",)), tmp_path)
    assert left_out == {}
    assert len(drawn) == 5
    assert "n = 5: 1 clip, 5 conditions" in drawn["noise_level_effects"]
    assert "[0." not in words(tmp_path / "OpenL3_scatter_plots.svg")
    for stem in ("OpenL3_scatter_plots", "comparison_bars", "similarity_by_condition"):
        assert "intervals would take more than one clip" in drawn[stem]


@pytest.mark.usefixtures("unwritten")
def test_missing_infinite_and_constant_values_are_owned_up_to(tmp_path: Path) -> None:
    """They do not stop a plot, and its caption or its panel says what is not there."""

    def damage(scores: pd.DataFrame) -> None:
        scores["value"] = scores["value"].astype(object)
        scores.loc[where(scores, "pesq_wb")[:2], ["value", "status"]] = (None, "failed")
        scores.loc[where(scores, "si_sdr")[3], "value"] = math.inf
        scores.loc[where(scores, "stoi"), "value"] = 1.0
        scores["value"] = scores["value"].astype(float)

    study = small_study(change=damage)
    drawn, left_out = draw(study, tmp_path)
    assert left_out == {}
    assert "n = 20" in drawn["OpenL3_scatter_plots"]
    assert drawn["OpenL3_scatter_plots"].endswith("Not shown: 2 missing values.")
    panels = _embeddings.scatter(View.of(study), "OpenL3")[0].axes
    assert [axes.get_title("left").count("n/a") for axes in panels] == [0, 2]
    assert "Left out as constant or missing: STOI." in drawn["OpenL3_correlation_matrix"]
    assert "n = 18 to 20 a pair" in drawn["OpenL3_correlation_matrix"]
    assert "Ranked as the largest or the smallest: 1 infinite value." in drawn["OpenL3_correlation_matrix"]
    assert drawn["noise_level_effects"].endswith("Not shown: 2 missing values and 1 infinite value.")
    assert "No correlation is defined with STOI." in drawn["comparison_bars"]
    assert drawn["comparison_bars"].endswith("Pearson's r leaves out 1 infinite value.")
    assert "infinite" not in drawn["similarity_by_condition"]


@pytest.mark.usefixtures("unwritten")
def test_a_study_without_embeddings_says_so(tmp_path: Path) -> None:
    """The classical measures are still drawn; the plots of an embedding are named with the reason."""
    study = make_study(FOUR, {"noise": NOISE}, embeddings=())
    drawn, left_out = draw(study, tmp_path)
    assert list(drawn) == ["noise_level_effects", "comparison_bars"]
    assert list(left_out) == ["scatter_plots", "correlation_matrix", "similarity_by_condition"]
    assert all("embedding" in reason for reason in left_out.values())


def test_too_little_is_left_out_with_its_reason(tmp_path: Path) -> None:
    """Two rows are no scatter plot, one level is no effect of a level."""
    drawn, left_out = draw(small_study(("a",), levels={"noise": (0.001,), "bit_depth": (8.0,)}), tmp_path)
    assert list(drawn) == ["similarity_by_condition"]
    assert "fewer than 3 rows" in left_out["OpenL3_scatter_plots"]
    assert "fewer than two numeric levels" in left_out["noise_level_effects"]
    assert "no pooled correlation" in left_out["comparison_bars"]
    assert {path.name for path in tmp_path.iterdir()} == {f"{s}.{k}" for s in drawn for k in ("png", "svg")}


def test_a_study_without_values_or_rows_is_left_out(tmp_path: Path) -> None:
    """Everything failed, or nothing was there to begin with."""

    def fail(scores: pd.DataFrame) -> None:
        scores["value"] = math.nan

    failed = small_study(change=fail)
    for study in (failed, replace(failed, scores=failed.scores[:0], correlations=failed.correlations[:0])):
        drawn, left_out = draw(study, tmp_path)
        assert drawn == {}
        assert len(left_out) == 5
    assert list(tmp_path.iterdir()) == []


def test_names_are_drawn_as_they_are(tmp_path: Path) -> None:
    """Dollar signs are no mathematics, angle brackets no mark-up, long names are cut, no alphabet stops us."""
    odd = ("<script>$x_1$", "a_very_long_name_of_a_clip_that_goes_on_and_on.take_2", "夜\x07", "50%")
    study = small_study(odd)
    scores = study.scores.assign(condition=[c.replace("noise", "$\\frac{<b>") for c in study.scores["condition"]])
    draw(replace(study, scores=scores), tmp_path)
    assert "<script>$x_1$" in words(tmp_path / "noise_level_effects.svg")
    assert "a_very_long…" in words(tmp_path / "noise_level_effects.svg")
    assert "$\\frac{<b>_0.001" in words(tmp_path / "similarity_by_condition.svg")
    assert "<script>" not in (tmp_path / "noise_level_effects.svg").read_text()


@pytest.mark.usefixtures("unwritten")
def test_names_that_look_like_numbers_or_are_missing(tmp_path: Path) -> None:
    """A table read back from a file: clips 1 and 2, families empty."""
    study = small_study(("1", "2"))
    scores = study.scores.astype({"item": int}).assign(family=math.nan)
    drawn, _ = draw(replace(study, scores=scores, families={}), tmp_path)
    assert "n = 10: 2 clips, 5 conditions" in drawn["OpenL3_scatter_plots"]
    assert "levels are in numeric order" in drawn["unnamed_level_effects"]


def test_a_given_target_has_its_panel() -> None:
    """A listening test's column is a target like any other; the panels are one per target."""
    view = View.of(small_study(targets=("pesq_wb", "stoi", "mos")))
    figure, caption = _embeddings.scatter(view, "OpenL3")
    assert [axes.get_ylabel() for axes in figure.axes] == ["PESQ wide band [MOS-LQO]", "STOI", "mos"]
    assert "PESQ wide band, STOI and mos" in caption


@pytest.mark.parametrize(
    ("family", "scale", "ticks", "reversed_axis"),
    [
        ("noise", "log", ["0.001", "0.002", "0.005", "0.01", "0.02"], False),
        ("bandwidth", "linear", ["2", "4", "6"], True),
        ("mp3", "log", ["32", "64", "96", "128", "192", "320"], True),
    ],
)
def test_severity_grows_to_the_right(family: str, scale: str, ticks: list[str], reversed_axis: bool) -> None:
    """Ticks stand exactly at the levels, and the axis runs towards the harsher ones."""
    view = View.of(small_study(levels={**WIDE_LEVELS, "mp3": MP3}))
    figure, _ = _levels.level_effects(view, family)
    axes = figure.axes[0]
    left, right = axes.get_xlim()
    assert axes.get_xscale() == scale
    assert (left > right) == reversed_axis
    assert list(axes.get_xticks()) == [float(tick) for tick in ticks]
    assert [label.get_text() for label in axes.get_xticklabels()] == ticks
    assert "harsher" in figure.axes[-1].get_xlabel()


@pytest.mark.parametrize(("clips", "lines", "bands"), [(1, 1, 0), (12, 13, 0), (13, 1, 1)])
def test_many_clips_become_a_band(clips: int, lines: int, bands: int) -> None:
    """Up to twelve clips are lines under their mean; more are a mean with its interval."""
    view = View.of(small_study([f"clip_{n}" for n in range(clips)]))
    axes = _levels.level_effects(view, "noise")[0].axes[0]
    assert (len(axes.lines), len(axes.collections)) == (lines, bands)


def test_bars_are_turned_into_the_direction_of_quality() -> None:
    """A distance that falls as quality rises has a positive bar, and one that rises with it a negative."""
    study = small_study()
    rows = [(m, "stoi", "pooled", "pearson", 20, 4, r, r - 0.1, r + 0.1, 0.1, 0.1) for m, r in
            (("openl3_similarity", 0.7), ("openl3_l1", -0.6), ("si_sdr", -0.2))]  # fmt: skip
    study = replace(study, correlations=pd.DataFrame(rows, columns=list(CORRELATIONS_COLUMNS)))
    figure, _ = _bars.comparison(View.of(study))
    pearson, spearman = cast(list[Any], figure.axes)
    assert [bar.get_width() for bar in pearson.patches] == pytest.approx([0.7, 0.6, -0.2])
    ends = [(0.6, 0.8), (0.5, 0.7), (-0.3, -0.1)]
    whiskers = [tuple(line.get_xdata()) for line in pearson.lines[:6:2]]
    assert whiskers == [pytest.approx(end) for end in ends]
    assert pearson.get_xlim() == pytest.approx((-0.3, 1.0))
    assert [text.get_text() for text in pearson.texts] == ["0.70", "0.60", "−0.20"]
    assert [text.get_text() for text in spearman.texts] == ["–", "–", "–"]


def test_bars_of_similarity_begin_at_an_undamaged_clip() -> None:
    """The bar of a condition reaches from 1 to its mean; embeddings of other ranges have other axes."""
    study = make_study(FOUR, {"noise": NOISE}, embeddings=EMBEDDINGS)
    figure, caption = _bars.by_condition(View.of(study))
    assert len(figure.axes) == 2
    assert "its own scale" in caption
    wide = study.scores[study.scores["measure"] == "vggish_similarity"]
    means = wide.groupby("level")["value"].mean()
    bars: Any = figure.axes[1].patches
    assert [bar.get_x() + bar.get_width() for bar in bars] == pytest.approx(list(means))
    assert [bar.get_x() for bar in bars] == [1.0] * 5


def test_similar_embeddings_share_one_axis() -> None:
    """Bars of embeddings with like ranges stand side by side."""
    view = View.of(make_study(FOUR, {"noise": NOISE}))
    figure, _ = _bars.by_condition(view)
    assert len(figure.axes) == 1
    assert len(figure.axes[0].patches) == 10


@pytest.mark.usefixtures("unwritten")
def test_two_families_of_one_stem_are_both_drawn(tmp_path: Path) -> None:
    """File names that a file system would take for one are kept apart."""
    study = small_study(levels={"noise": (0.001, 0.01)})
    more = study.scores.assign(family="Noise!", condition="other_" + study.scores["condition"])
    drawn, _ = draw(replace(study, scores=pd.concat([study.scores, more], ignore_index=True)), tmp_path)
    assert {"noise_level_effects", "Noise__level_effects"} <= set(drawn)


def test_nothing_global_is_left_behind() -> None:
    """Drawing opens no figure of pyplot, keeps its style to itself, and importing the module is light."""
    code = """
import sys, tempfile, pathlib
sys.path.insert(0, "tests")
import percept.plots
assert not {"matplotlib", "pandas", "seaborn", "torch"} & set(sys.modules), "import is heavy"
import matplotlib, test_plots
before = matplotlib.rcParams.copy()
with tempfile.TemporaryDirectory() as folder:
    percept.plots.draw(test_plots.small_study(("a",), levels={"noise": (0.001,)}), pathlib.Path(folder))
assert "matplotlib.pyplot" not in sys.modules
after = matplotlib.rcParams.copy()
assert [key for key in after if key != "backend" and after[key] != before[key]] == []
"""
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, cwd=Path(__file__).parents[1])
