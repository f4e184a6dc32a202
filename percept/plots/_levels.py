"""The plots of one family of degradations: how every measure moves with the level."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import numpy as np

from percept.plots._style import MUTED, directed, legend, listed, new_figure, panels, plain
from percept.plots._view import Chosen, TooLittle, View
from percept.records import Family
from percept.schema import Array64, Measure

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_CLIP_LINES = 12
MOST_COLUMNS = 4
PANEL_INCHES = 1.9
DIGIT_INCHES = 0.067


def level_effects(view: View, family: str) -> tuple[Figure, str]:
    """Every measure against the level of one family, one panel each."""
    title = view.family_title(family)
    chosen = ((view.rows["family"] == family) & np.isfinite(view.rows["level"])).to_numpy()
    rows = view.rows[chosen]
    levels = np.unique(rows["level"].to_numpy(dtype=float))
    if levels.size < 2:
        raise TooLittle(f"{title} has fewer than two numeric levels")
    wanted = view.grouped("perceptual", "given", "embedding", "signal")
    shown = [m for m in wanted if view.values.loc[rows.index, m.name].notna().any()]
    if not shown:
        raise TooLittle(f"no measure has a finite value under {title}")
    slots, columns = _slots(shown)
    size = (2.7 * columns + 1.8, 2.0 * len(slots) / columns + 0.9)
    figure = new_figure(size, f"{title}: effect of the level", dict.fromkeys(m.embedding for m in shown))
    for position, (axes, measure) in enumerate(zip(panels(figure, len(slots), columns), slots, strict=True)):
        if measure is None:
            axes.remove()
            continue
        _level_lines(axes, view, (family, measure), _by_level(view, rows, measure))
        _level_axis(axes, levels, view.study.families.get(family))
        axes.set_ylabel(directed(measure, 22), fontsize=8)
        if all(below is None for below in slots[position + columns :: columns]):
            axes.set_xlabel(_level_label(view, family), fontsize=8)
    figure.align_ylabels()
    legend(figure, *_level_legend(view, family, sorted(rows["clip"].unique())))
    return figure, _level_caption(view, chosen, shown, [m.title for m in wanted if m not in shown])


def _slots(shown: list[Measure]) -> tuple[list[Measure | None], int]:
    """Measures by row with gaps, and the columns: each group begins a row unless that wastes much room."""
    kinds = {kind: [m for m in shown if m.group == kind] for kind in ("perceptual", "given", "signal")}
    first, last = kinds["perceptual"] + kinds["given"], kinds["signal"]
    if len(first) > MOST_COLUMNS:
        first, last = kinds["perceptual"], last + kinds["given"]
    embeddings = dict.fromkeys(m.embedding for m in shown if m.embedding)
    groups = [g for g in (first, *([m for m in shown if m.embedding == e] for e in embeddings), last) if g]
    columns = min(MOST_COLUMNS, max(map(len, groups)))
    slots = [slot for group in groups for slot in [*group, *[None] * (-len(group) % columns)]]
    if len(slots) <= 1.5 * len(shown):
        return slots, columns
    columns = min(MOST_COLUMNS, len(shown))
    return [*shown, *[None] * (-len(shown) % columns)], columns


def _by_level(view: View, rows: pd.DataFrame, measure: Measure) -> pd.DataFrame:
    """Values of one measure: a row per level, a column per clip."""
    values = view.values.loc[rows.index, measure.name]
    grid: pd.DataFrame = values.groupby([rows["level"], rows["clip"]]).mean().unstack()
    return grid


def _level_lines(axes: Axes, view: View, what: tuple[str, Measure], grid: pd.DataFrame) -> None:
    """Clips, and the mean of those on which the measure is judged."""
    colour, marker = view.look(what[0])
    kind = view.study.kind(what[1])
    judged = grid[[clip for clip in grid.columns if kind in {"", view.study.kinds.get(clip, "")}]]
    levels, values = grid.index.to_numpy(), grid.to_numpy()
    if 1 < len(grid.columns) <= MOST_CLIP_LINES:
        for clip, line in zip(grid.columns, values.T, strict=True):
            dash = view.dashes().get(clip, "-")
            axes.plot(levels, line, color=MUTED, lw=0.8, ls=dash, marker=".", ms=3, alpha=0.8)
    elif len(grid.columns) > MOST_CLIP_LINES:
        ends = np.array([view.mean(line, judged.columns.to_numpy())[1:] for line in judged.to_numpy()])
        axes.fill_between(levels, ends[:, 0], ends[:, 1], color=colour, alpha=0.22, lw=0)
    mean = judged.mean(axis=1).to_numpy()
    axes.plot(levels, mean, color=colour, lw=2, marker=marker, ms=5, mec="white", mew=0.5)


def _level_axis(axes: Axes, levels: Array64, record: Family | None) -> None:
    """Ticks at the levels, severity growing to the right; labels turn, then thin, where they would touch."""
    logarithmic = bool(levels[0] > 0 and levels[-1] >= 10 * levels[0])
    axes.set_xscale("log" if logarithmic else "linear")
    places = np.log10(levels) if logarithmic else levels
    inches = PANEL_INCHES * 0.9 * (places - places[0]) / np.ptp(places)
    labels = [f"{level:g}".replace("-", "−") for level in levels]
    widths = DIGIT_INCHES * np.array([len(label) - 0.5 * label.count(".") for label in labels])
    turned = bool(np.any(np.diff(inches) < (widths[1:] + widths[:-1]) / 2 + 0.04))
    if turned:
        free = -np.inf
        for position, place in enumerate(inches):
            labels[position], free = ("", free) if place < free else (labels[position], place + 0.13)
    axes.set_xticks(levels, labels, rotation=90 if turned else 0)
    axes.set_xticks([], minor=True)
    margin = 0.06 * np.ptp(places) * np.array([-1, 1])
    ends = places[[0, -1]] + margin
    left, right = 10**ends if logarithmic else ends
    axes.set_xlim((right, left) if record and record.harsher == "lower" else (left, right))


def _level_label(view: View, family: str) -> str:
    record = view.study.families.get(family)
    unit = record.unit if record else "level"
    label = plain(view.family_title(family), 26) + (f" [{unit}]" if unit else "")
    return textwrap.fill(f"{label} (harsher\u00a0→)" if record else label, 30)


def _level_legend(view: View, family: str, clips: list[str]) -> tuple[list[tuple[str, Artist]], str]:
    """Entries and heading."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    colour, marker = view.look(family)
    mean = Line2D([], [], color=colour, lw=2, marker=marker, ms=5, mec="white", mew=0.5)
    if len(clips) == 1:
        return [(plain(clips[0], 24), mean)], "1 clip"
    if len(clips) > MOST_CLIP_LINES:
        band = Patch(color=colour, alpha=0.22, lw=0)
        return [("mean", mean), (f"{view.percent} interval", band)], f"{len(clips)} clips"
    each = view.clip_entries() or [("each clip", Line2D([], [], color=MUTED, lw=0.8))]
    return [("mean", mean), *each], f"{len(clips)} clips"


def _level_caption(view: View, chosen: Chosen, shown: list[Measure], missing: list[str]) -> str:
    rows = view.rows[chosen]
    clips = rows["clip"].nunique()
    what = "Thin lines are clips, the bold line is the mean of those that have a value"
    if clips == 1:
        what = "The line is the only clip"
    elif clips > MOST_CLIP_LINES:
        what = f"The line is the mean of the clips that have a value, the band its {view.percent} interval by clips"
    known = view.study.families.get(rows["family"].iloc[0]) is not None
    order = "the degradation grows harsher to the right" if known else "levels are in numeric order"
    text = (
        f"Each measure against the level ({view.sizes(chosen)}); {order}. {what}. How to read it: a measure that minds "
        "this damage moves to its worse side from level to level; where a line is flat or turns back, it does not."
    )
    kind = next((view.study.kind(m) for m in shown if view.study.kind(m)), "")
    if kind and clips > 1:
        text += f" Measures made for {kind} have the mean of the {kind} clips alone."
    if missing:
        text += f" Without any finite value: {listed(missing)}."
    return text + view.lost([m.name for m in shown], chosen)
