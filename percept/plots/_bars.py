"""The plots that set embeddings side by side: how each follows the targets, what a condition does to it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from percept.plots._style import COLOURS, INK, MUTED, count, is_control, legend, listed, new_figure, panels, plain
from percept.plots._view import METHODS, Coefficient, TooLittle, View
from percept.schema import Array64, Measure

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

OTHER = "Other measure"
COMPARABLE = 5.0
"""Embeddings share an axis while the longest bar of each is within this factor of the others'."""

Bar = tuple[str, Measure, float]


def comparison(view: View) -> tuple[Figure, str]:
    """How closely each measure follows each target: correlations, turned so that 1 is perfect."""
    bars = _predictors(view)
    ways = [(m, method) for _, m, _ in bars for method in METHODS]
    shown = [t for t in view.targets if any(_turned(view, m, t, method) for m, method in ways)]
    if not shown:
        raise TooLittle("there is no pooled correlation of an embedding or another measure with a target")
    height = max(0.19 * (bars[-1][2] + 1) + 0.7, 1.3)
    title = "How closely does each measure follow the targets?"
    figure = new_figure((10.5, height * len(shown) + 0.6), title, view.study.embeddings)
    axes = panels(figure, len(METHODS) * len(shown), len(METHODS), sharex=True, sharey=True)
    for number, (target, method) in enumerate((t, m) for t in shown for m in METHODS):
        _comparison_panel(axes[number], view, bars, (target, method))
    axes[0].set_xlim(_left_end(view, bars, shown), 1)
    for lowest in axes[-len(METHODS) :]:
        lowest.set_xlabel("correlation in the direction of quality")
    series = list(dict.fromkeys(m.embedding for _, m, _ in bars))
    legend(figure, [(plain(name or OTHER, 26), _patch(view, name)) for name in series])
    return figure, _comparison_caption(view, shown, [m.name for _, m, _ in bars])


def _predictors(view: View) -> list[Bar]:
    """Kind, measure and place of each bar, downwards: embeddings together by kind, then others.

    Targets, and the other predictions of speech quality, would say little beside themselves.
    """
    kinds: dict[str, list[Measure]] = {}
    for measure in view.grouped("embedding", "perceptual", "signal"):
        if measure in view.targets or measure.meant_for:
            continue
        kind = measure.title.removeprefix(measure.embedding).strip()
        kinds.setdefault(kind[:1].upper() + kind[1:], []).append(measure)
    bars: list[Bar] = []
    place = 0.0
    for kind, measures in kinds.items():
        bars += [(kind, measure, place + number) for number, measure in enumerate(measures)]
        place += len(measures) + 0.7
    return bars


def _turned(view: View, predictor: Measure, target: Measure, method: str) -> Coefficient | None:
    """The correlation with the sign that it would have if both numbers grew with quality."""
    found = view.coefficient(predictor.name, target.name, method)
    if found is None or not np.isfinite(found.r) or predictor.name == target.name:
        return None
    return found.turned(1 if predictor.higher_is_better == target.higher_is_better else -1)


def _left_end(view: View, bars: list[Bar], shown: list[Measure]) -> float:
    """Where the axis begins: at 0, or at the tenth below the smallest correlation or end of an interval."""
    found = [_turned(view, m, target, method) for _, m, _ in bars for target in shown for method in METHODS]
    ends = [min(c.r, c.low) if np.isfinite(c.low) else c.r for c in found if c]
    return max(-1.0, math.floor(round(10 * min([0.0, *ends]), 6)) / 10)


def _comparison_panel(axes: Axes, view: View, bars: list[Bar], what: tuple[Measure, str]) -> None:
    target, method = what
    sizes = set()
    for _, measure, place in bars:
        found = _turned(view, measure, target, method)
        text = f"{found.r:.2f}".replace("-", "−") if found else "–"
        axes.text(1.02, place, text, transform=axes.get_yaxis_transform(), va="center", fontsize=7)
        if found:
            sizes.add(found.n)
            _bar(axes, view, measure.embedding, (place, 0.0, found.r, 0.92), (found.low, found.high))
    kinds: dict[str, list[float]] = {}
    for kind, _, place in bars:
        kinds.setdefault(kind, []).append(place)
    axes.set_yticks([float(np.mean(places)) for places in kinds.values()], [plain(kind) for kind in kinds])
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(bars[-1][2] + 0.8, -0.8)
    axes.grid(visible=False, axis="y")
    axes.axvline(0, color=MUTED, lw=0.8)
    axes.spines["left"].set_visible(False)
    n = f"{min(sizes)}" if len(sizes) == 1 else f"{min(sizes)} to {max(sizes)}" if sizes else "0"
    kind = view.study.kind(target)
    axes.set_title(f"{target.title}: {METHODS[method]} ({f'{kind}, ' if kind else ''}n = {n})")


def _bar(
    axes: Axes, view: View, embedding: str, bar: tuple[float, float, float, float], ends: tuple[float, float]
) -> None:
    """A bar at ``(place, from, to, thickness)`` with its interval, where it has one."""
    place, start, value, thick = bar
    axes.barh(place, value - start, left=start, height=0.94 * thick, **_fill(view, embedding))
    if np.isfinite(ends).all():
        axes.plot(ends, [place, place], color=INK, lw=1.1, solid_capstyle="butt", zorder=3)
        axes.plot(ends, [place, place], color=INK, ls="none", marker="|", ms=4, zorder=3)


def _fill(view: View, embedding: str) -> dict[str, Any]:
    """How the bars of an embedding look: the untrained control pale and hatched, other measures grey."""
    if not embedding:
        return {"facecolor": "#b5b5b5", "edgecolor": "white", "linewidth": 0.5}
    colour = COLOURS[view.study.embeddings.index(embedding) % len(COLOURS)]
    if is_control(embedding):
        return {"facecolor": f"{colour}40", "edgecolor": colour, "linewidth": 0.7, "hatch": "////"}
    return {"facecolor": colour, "edgecolor": "white", "linewidth": 0.5}


def _patch(view: View, embedding: str) -> Artist:
    from matplotlib.patches import Patch

    return Patch(**_fill(view, embedding))


def _comparison_caption(view: View, shown: list[Measure], names: list[str]) -> str:
    text = (
        "Correlation of each embedding measure, and of other measures beside them, with "
        f"{listed([t.title for t in shown])}, pooled over clips (of the kind that a panel names) and conditions; n is "
        "on each panel. "
        "Signs are turned by the direction of the measure, so 1 follows quality perfectly and a negative bar "
        f"runs against it; {view.intervals('lines are')}. How to read it: the longer the bar, the closer the measure "
        "follows; where intervals overlap much, which is longer may be chance."
    )
    absent = [t.title for t in view.targets if t not in shown]
    if absent:
        text += f" No correlation is defined with {listed(absent)}."
    infinite = view.infinite([*names, *(t.name for t in shown)])
    return text + (f" Pearson's r leaves out {count(infinite, 'infinite value')}." if infinite else "")


def by_condition(view: View) -> tuple[Figure, str]:
    """Mean frame-wise similarity of every condition, for each embedding."""
    mains = [m for m in map(view.main, view.study.embeddings) if view.values[m.name].notna().any()]
    if not mains:
        raise TooLittle("no embedding has a finite similarity")
    means = {m.name: _means(view, m) for m in mains}
    together = _comparable(mains, means)
    columns = [mains] if together else [[m] for m in mains]
    height = len(_conditions(view)) * max(0.22, 0.17 * len(columns[0])) + 1.5
    width = 5.6 if together else 2.6 * len(columns)
    title = "Similarity of the degraded to the clean clip, by condition"
    figure = new_figure((width + 3.6, height), title, [m.embedding for m in mains])
    for axes, column in zip(panels(figure, len(columns), len(columns), sharey=True), columns, strict=True):
        _condition_panel(axes, view, column, means)
    legend(figure, [(plain(m.embedding, 26), _patch(view, m.embedding)) for m in mains])
    return figure, _condition_caption(view, mains, together)


def _conditions(view: View) -> dict[str, str]:
    """Condition to family, in order."""
    return dict(zip(view.rows["condition"], view.rows["family"], strict=True))


def _means(view: View, measure: Measure) -> Array64:
    """Mean, low and high of each condition: ``[conditions, 3]``."""
    clips = view.rows["clip"].to_numpy()
    values = view.values[measure.name].to_numpy()
    chosen = [(view.rows["condition"] == condition).to_numpy() for condition in _conditions(view)]
    return np.array([view.mean(values[rows], clips[rows]) for rows in chosen])


def _perfect(measure: Measure) -> float:
    """The value of an undamaged clip, where the bars begin: a bar then shows what was lost."""
    best = measure.high if measure.higher_is_better else measure.low
    return best if math.isfinite(best) else 0.0


def _comparable(mains: list[Measure], means: Mapping[str, Array64]) -> bool:
    """Whether the bars of all embeddings can be read on one axis."""
    longest = [float(np.nanmax(np.abs(means[m.name][:, 0] - _perfect(m)))) for m in mains]
    return max(longest) <= COMPARABLE * min(longest) and len({_perfect(m) for m in mains}) == 1


def _condition_panel(axes: Axes, view: View, column: list[Measure], means: Mapping[str, Array64]) -> None:
    places, previous, place = [], None, 0.0
    for family in _conditions(view).values():
        place += 1.0 if previous in (None, family) else 1.5
        places.append(place)
        previous = family
    thick = 0.8 / len(column)
    for number, measure in enumerate(column):
        for place, (mean, low, high) in zip(places, means[measure.name], strict=True):
            middle = place + thick * (number - (len(column) - 1) / 2)
            start = _perfect(measure)
            if np.isfinite(mean):
                _bar(axes, view, measure.embedding, (middle, start, mean, thick), (low, high))
            else:
                axes.text(start, middle, "no value", fontsize=6.5, color=MUTED, va="center", ha="right")
    axes.axvline(_perfect(column[0]), color=MUTED, lw=0.8)
    axes.spines["left"].set_visible(False)
    axes.locator_params(axis="x", nbins=10 if len(column) > 1 else 4)
    axes.set_yticks(places, [plain(condition) for condition in _conditions(view)])
    axes.set_ylim(places[-1] + 0.7, places[0] - 0.7)
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")
    kind = column[0].title.removeprefix(column[0].embedding).strip()
    axes.set_xlabel(column[0].label if len(column) == 1 else f"frame-wise {kind}")


def _condition_caption(view: View, mains: list[Measure], together: bool) -> str:
    chosen = view.values[[m.name for m in mains]].notna().any(axis=1).to_numpy()
    text = (
        f"Mean of {listed([m.title for m in mains])} for each condition ({view.sizes(chosen)}), by family "
        "and growing severity. Bars begin at the value of an undamaged clip, so their length is what was "
        f"lost; {view.intervals('lines are')}. How to read it: a long bar is damage that the embedding notices; a "
        "family whose bars do not grow downwards is one whose levels it does not tell apart."
    )
    if not together:
        text += " Each embedding has its own scale, because their ranges differ much."
    return text + view.lost([m.name for m in mains])
