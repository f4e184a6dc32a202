"""The plots of one embedding: how it follows the targets, and how all measures follow each other."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from percept.plots._style import (
    FAINT,
    INK,
    LEGEND_INCHES,
    LEGEND_LINE_INCHES,
    MUTED,
    count,
    directed,
    diverging,
    legend,
    listed,
    new_figure,
    panels,
    plain,
)
from percept.plots._view import FEWEST_ROWS, METHODS, Chosen, TooLittle, View
from percept.schema import Array64, Measure
from percept.stats import linear_fit

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_VECTOR_POINTS = 5000
"""With more, the points of an SVG are a picture: as shapes they would make a file that no program opens."""


def scatter(view: View, embedding: str) -> tuple[Figure, str]:
    """The similarity of one embedding against each target, with fit and correlations."""
    x = view.main(embedding)
    there = view.values.notna()
    shown = {y.name: (there[x.name] & there[y.name]).to_numpy() for y in view.targets if y != x}
    drawn = [y for y in view.targets if y != x and shown[y.name].sum() >= FEWEST_ROWS]
    if not drawn:
        raise TooLittle(f"fewer than {FEWEST_ROWS} rows have both {x.title} and a target")
    columns = min(len(drawn), 3)
    any_shown = np.any([shown[y.name] for y in drawn], axis=0)
    families, clips = _family_entries(view, any_shown), view.clip_entries()
    height = max(3.4 * -(-len(drawn) // columns) + 0.6, LEGEND_LINE_INCHES * (len(families) + len(clips) + 4))
    title = f"{embedding}: similarity against the targets"
    figure = new_figure((3.5 * columns + LEGEND_INCHES, height), title, [embedding])
    for axes, y in zip(panels(figure, len(drawn), columns), drawn, strict=True):
        _scatter_panel(axes, view, (x, y), shown[y.name])
    legend(figure, families, "Family")
    legend(figure, clips, "Clip", place="outside right lower")
    return figure, _scatter_caption(view, x, drawn, any_shown)


def _scatter_panel(axes: Axes, view: View, pair: tuple[Measure, Measure], chosen: Chosen) -> None:
    x, y = (view.values[m.name].to_numpy() for m in pair)
    judged = chosen & view.judged(pair[1])
    axes.margins(0.05)
    for family in view.families:
        here = chosen & (view.rows["family"] == family).to_numpy()
        for clip, dash in view.dashes().items():
            path = here & (view.rows["clip"] == clip).to_numpy()
            axes.plot(x[path], y[path], color=view.look(family)[0], lw=0.7, ls=dash, alpha=0.45, zorder=2)
    _points(axes, view, x, y, (chosen, judged))
    _fit(axes, view, x[judged], y[judged])
    axes.locator_params(nbins=6)
    axes.set(xlabel=directed(pair[0], 44), ylabel=directed(pair[1], 36))
    axes.set_title("\n".join(_annotation(view, pair, int(judged.sum()))), fontsize=8)


def _points(axes: Axes, view: View, x: Array64, y: Array64, which: tuple[Chosen, Chosen]) -> None:
    """The points, families in turn and a few at a time where they are many, so that none buries another.

    Of those chosen, the ones that are not judged by the target are hollow.
    """
    chosen, judged = which
    size, alpha = (34, 0.9) if chosen.sum() <= 80 else (20, 0.65) if chosen.sum() <= 300 else (11, 0.55)
    turns = 1 if chosen.sum() <= 80 else 8
    as_image = bool(chosen.sum() > MOST_VECTOR_POINTS)
    for turn in range(turns):
        for family in view.families:
            here = chosen & (view.rows["family"] == family).to_numpy() & (np.arange(len(x)) % turns == turn)
            colour, marker = view.look(family)
            full, hollow = here & judged, here & ~judged
            common: dict[str, Any] = {"alpha": alpha, "marker": marker, "zorder": 3, "rasterized": as_image}
            axes.scatter(x[full], y[full], s=size, c=colour, ec="white", lw=0.4, **common)
            axes.scatter(x[hollow], y[hollow], s=0.7 * size, fc="none", ec=colour, lw=0.8, **common)


def _fit(axes: Axes, view: View, x: Array64, y: Array64) -> None:
    if not len(x) or np.ptp(x) == 0:
        return
    grid = np.linspace(x.min(), x.max(), 100)
    line, low, high = linear_fit(x, y, grid, confidence=view.study.confidence)
    # The points set the scale: the line may leave the target's range, and a band of few points is far higher.
    axes.autoscale_view()
    axes.set_ylim(axes.get_ylim())
    axes.plot(grid, line, color=MUTED, lw=1.6, zorder=1.5)
    axes.fill_between(grid, low, high, color=FAINT, alpha=0.6, lw=0, zorder=1)


def _annotation(view: View, pair: tuple[Measure, Measure], drawn: int) -> list[str]:
    found = {m: view.coefficient(pair[0].name, pair[1].name, m) for m in METHODS}
    lines = [f"{METHODS[m]} = {c}" for m, c in found.items() if c]
    used = {c.n for c in found.values() if c} or {drawn}
    kind = view.study.kind(pair[1])
    return [*lines, f"n = {listed([str(n) for n in sorted(used)])}" + (f" ({kind})" if kind else "")]


def _family_entries(view: View, chosen: Chosen) -> list[tuple[str, Artist]]:
    from matplotlib.lines import Line2D

    present = set(view.rows["family"][chosen])
    entries: list[tuple[str, Artist]] = []
    for family in (f for f in view.families if f in present):
        colour, marker = view.look(family)
        handle = Line2D([], [], color=colour, marker=marker, ls="none", ms=6, mec="white", mew=0.4)
        entries.append((plain(view.family_title(family), 24), handle))
    return entries


def _scatter_caption(view: View, x: Measure, drawn: list[Measure], chosen: Chosen) -> str:
    joined = "; thin lines join the conditions of a clip" if view.dashes() else ""
    text = (
        f"{x.title} against {listed([y.title for y in drawn])}, one point for each degraded clip "
        f"({view.sizes(chosen)}); colour and marker give the family{joined}. "
        f"The grey line is the least-squares fit with its {view.percent} band, which takes the "
        f"points as independent; {view.intervals('the brackets behind the correlations are their')}. "
        "How to read it: the closer the points lie to one line, whatever their colour, the better one number tells the "
        "other; families that lie apart are heard differently by the two."
    )
    apart = [y.title for y in drawn if view.study.kind(y)]
    if apart:
        kind = view.study.kind(next(y for y in drawn if view.study.kind(y)))
        text += (
            f" Hollow points are no {kind}, which {listed(apart)} were made for: fit and correlations leave them out."
        )
    missing = [y.title for y in view.targets if y not in (x, *drawn)]
    if missing:
        text += f" Not shown, for fewer than {FEWEST_ROWS} values: {listed(missing)}."
    return text + view.lost([x.name, *(y.name for y in drawn)])


def matrix(view: View, embedding: str) -> tuple[Figure, str]:
    """Spearman correlations of one embedding's measures and all classical ones, each with each."""
    wanted = [*view.own(embedding), *view.grouped("perceptual", "given", "signal")]
    # An infinite value has a rank, and counts as in the table of correlations; pandas alone would drop it.
    kind, rows = _one_kind(view, wanted)
    values = view.raw[[m.name for m in wanted]][rows].clip(-sys.float_info.max, sys.float_info.max)
    ranks = values.corr(method="spearman", min_periods=FEWEST_ROWS)
    off_diagonal = ranks.where(~np.eye(len(ranks), dtype=bool))
    kept = [m for m in wanted if off_diagonal[m.name].notna().any()]
    if len(kept) < 2:
        raise TooLittle(f"no two measures vary together in {FEWEST_ROWS} or more rows")
    names = [m.name for m in kept]
    n = _pair_sizes(values, names)
    side = 0.55 * len(kept)
    title = f"{embedding}: Spearman correlation of all measures ({f'{kind}, ' if kind else ''}n = {n})"
    figure = new_figure((side + 3.6, side + 2.3), title, [embedding])
    _heat_map(panels(figure, 1, 1)[0], kept, off_diagonal.loc[names, names].to_numpy())
    return figure, _matrix_caption(view, embedding, (kept, [m for m in wanted if m not in kept]), (n, kind))


def _one_kind(view: View, measures: list[Measure]) -> tuple[str, Chosen]:
    """The kind of clip that some of the measures are judged on, and its rows; "" and all rows without one."""
    judge = next((m for m in measures if view.study.kind(m)), measures[0])
    return view.study.kind(judge), view.judged(judge)


def _heat_map(axes: Axes, kept: list[Measure], ranks: Array64) -> None:
    """Rows 1… against columns …n-1: the half below the diagonal says everything once."""
    import seaborn

    shown = ranks[1:, :-1]
    above = ~np.tri(len(shown), dtype=bool)
    labels = [directed(m) for m in kept]
    seaborn.heatmap(
        shown,
        mask=above | np.isnan(shown),
        annot=True,
        fmt=".2f",
        annot_kws={"fontsize": 7.5, "color": INK},
        cmap=diverging(),
        vmin=-1,
        vmax=1,
        square=True,
        linewidths=1.5,
        xticklabels=labels[:-1],
        yticklabels=labels[1:],
        cbar_kws={"shrink": 0.6, "aspect": 25, "ticks": [-1, -0.5, 0, 0.5, 1], "label": "Spearman ρ"},
        ax=axes,
    )
    for row, column in np.argwhere(np.isnan(shown) & ~above):
        axes.text(column + 0.5, row + 0.5, "–", ha="center", va="center", fontsize=7.5, color=INK)
    axes.set_xticks(axes.get_xticks(), labels[:-1], rotation=45, ha="right", rotation_mode="anchor")
    axes.grid(visible=False)
    axes.tick_params(length=0)


def _pair_sizes(values: pd.DataFrame, names: list[str]) -> str:
    """How many rows the coefficients rest on: "44", or "30 to 44"."""
    present = values[names].notna().astype(int)
    pairs = (present.T @ present).to_numpy()[np.tril_indices(len(names), -1)]
    return f"{pairs.min()}" if pairs.min() == pairs.max() else f"{pairs.min()} to {pairs.max()}"


def _matrix_caption(
    view: View, embedding: str, measures: tuple[list[Measure], list[Measure]], rows: tuple[str, str]
) -> str:
    (kept, dropped), (n, kind) = measures, rows
    text = (
        f"Spearman rank correlation between the measures of {embedding} and the classical ones, pooled over "
        f"{kind + ' ' if kind else ''}clips and conditions and pairwise complete (n = {n} a pair). Blue: the two "
        "numbers rise together; orange: one falls as the other rises, as a distance does beside a quality. How to read "
        "it: the deeper the colour, the more alike the two order the versions; a pale cell is two that do not agree."
    )
    infinite = view.infinite(m.name for m in kept)
    if infinite:
        text += f" Ranked as the largest or the smallest: {count(infinite, 'infinite value')}."
    if dropped:
        text += f" Left out as constant or missing: {listed([m.title for m in dropped])}."
    return text
