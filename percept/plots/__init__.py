"""Draws a study: scatter plots, correlation matrices, effects of the level, comparison of the embeddings.

Each plot is written as PNG (200 dpi) and as SVG whose text stays text, with its caption as the file's description; two
runs on one study give identical files.

Contents: `draw`. The plots themselves are in ``_embeddings``, ``_levels`` and ``_bars``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from percept.plots import _bars, _embeddings, _levels
from percept.plots._style import styled
from percept.plots._view import TooLittle, View
from percept.store import writing
from percept.study import Study

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LONGEST_STEM = 80
PNG_METADATA = {"Software": None}
SVG_METADATA = {"Date": None, "Creator": None}
NO_EMBEDDING = "the study has no embedding"

Plot = Callable[[], "tuple[Figure, str]"]
Spread = Callable[[Callable[[str], Any], "list[str]"], Iterable[Any]]


def draw(study: Study, folder: Path, spread: Spread = map) -> tuple[dict[str, str], dict[str, str]]:
    """Write every plot of a study.

    Args:
        study: what to draw.
        folder: where ``<stem>.png`` and ``<stem>.svg`` go; made if it is not there.
        spread: calls a picklable function with each of the stems and gives what it returns, in order: `map`, or
            something that works in several processes.

    Returns:
        stem to caption of the plots that were drawn, and stem to reason of those that were left out.

    Raises:
        OSError: a file could not be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    drawn: dict[str, str] = {}
    left_out: dict[str, str] = {}
    if not study.embeddings:
        left_out |= dict.fromkeys(("scatter_plots", "correlation_matrix"), NO_EMBEDDING)
    view = View.of(study)
    for result in spread(partial(_draw_one, view, folder), list(_plan(view))):
        if result.error:
            raise result.error
        elif result.left_out:
            left_out[result.stem] = result.left_out
        else:
            drawn[result.stem] = result.caption
    return drawn, left_out


class Drawn(NamedTuple):
    """What became of one plot: its caption, or why it was left out, or why it could not be written."""

    stem: str
    caption: str = ""
    left_out: str = ""
    error: OSError | None = None


def _draw_one(view: View, folder: Path, stem: str) -> Drawn:
    with styled():
        try:
            figure, caption = _plan(view)[stem]()
            _save(figure, folder, stem, caption)
        except TooLittle as reason:
            return Drawn(stem, left_out=str(reason))
        except OSError as error:
            return Drawn(stem, error=error)
    return Drawn(stem, caption)


def _plan(view: View) -> dict[str, Plot]:
    """Stem to plot, in the order in which a report shows them."""
    plots: dict[str, Plot] = {}
    for title in view.study.embeddings:
        plots[_stem(title, "scatter_plots", plots)] = partial(_embeddings.scatter, view, title)
        plots[_stem(title, "correlation_matrix", plots)] = partial(_embeddings.matrix, view, title)
    for family in view.families:
        plots[_stem(family, "level_effects", plots)] = partial(_levels.level_effects, view, family)
    plots["comparison_bars"] = partial(_bars.comparison, view)
    plots["similarity_by_condition"] = partial(_bars.by_condition, view)
    return plots


def _stem(name: str, kind: str, taken: Iterable[str]) -> str:
    """A file name that is free: "OpenL3 (untrained)" gives ``OpenL3_untrained_scatter_plots``."""
    plain = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_")[:LONGEST_STEM] or "unnamed"
    # Some file systems take names that differ in case for one.
    known = {stem.lower() for stem in taken}
    while f"{plain}_{kind}".lower() in known:
        plain += "_"
    return f"{plain}_{kind}"


def _save(figure: Figure, folder: Path, stem: str, caption: str) -> None:
    """Write both formats from one layout, which costs more than the drawing; the caption goes with each file."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    with writing(folder / f"{stem}.png") as part:
        raster = FigureCanvasAgg(figure)
        raster.print_png(part, metadata={**PNG_METADATA, "Description": caption})  # type: ignore[no-untyped-call, unused-ignore]
    figure.set_layout_engine("none")
    with writing(folder / f"{stem}.svg") as part:
        vector = FigureCanvasSVG(figure)
        vector.print_svg(part, metadata={**SVG_METADATA, "Description": caption})  # type: ignore[no-untyped-call, unused-ignore]
