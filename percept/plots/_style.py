"""How every plot of `percept.plots` looks and words its labels.

Conventions:
    A colour and a marker belong to a family of degradations, or, where no family is shown, to an embedding.
    Both come from sets that colour-blind readers can tell apart; hatching marks the untrained control.
    Names come from files and are drawn as they are: mathtext is off, so ``$`` and ``_`` mean themselves.

Contents: `STYLE`, `styled`, `diverging`; `plain`, `count`, `listed`, `directed`; `new_figure`, `panels`, `legend`.
"""

from __future__ import annotations

import textwrap
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

from percept.schema import Measure

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

INK, MUTED, FAINT = "#262626", "#6b6b6b", "#d9d9d9"
COLOURS = ("#0173b2", "#de8f05", "#029e73", "#d55e00", "#cc78bc", "#56b4e9", "#ca9161", "#5d5d5d")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "h", "*", "d")
DASHES = ("-", (0, (5, 1.5)), (0, (1, 1)), (0, (5, 1.5, 1, 1.5)), (0, (3, 1, 1, 1, 1, 1)), (0, (7, 3)))
RISES, FALLS = "#5b9fe3", "#f0993f"
"""Colours of correlations of 1 and −1, as in report.html: pale enough for dark numbers."""
CONTROL_NOTE = "untrained network: control, not a trained ear"
PNG_DOTS_PER_INCH = 200
LEGEND_INCHES = 1.9
LEGEND_LINE_INCHES = 0.17
TITLE_LETTER_INCHES = 0.095
NOTE_LETTER_INCHES = 0.06

STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.size": 8.5,
    "text.color": INK,
    "text.parse_math": False,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "axes.linewidth": 0.8,
    "axes.labelsize": 8.5,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.formatter.useoffset": False,
    "axes.unicode_minus": True,
    "grid.color": "#ebebeb",
    "grid.linewidth": 0.7,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "legend.title_fontsize": 8,
    "figure.dpi": PNG_DOTS_PER_INCH,
    "figure.titlesize": 11,
    "figure.titleweight": "bold",
    "figure.facecolor": "white",
    "figure.constrained_layout.h_pad": 0.09,
    "figure.constrained_layout.w_pad": 0.09,
    "figure.constrained_layout.wspace": 0.04,
    "hatch.linewidth": 0.7,
    "savefig.facecolor": "white",
    "svg.fonttype": "none",
    "svg.hashsalt": "percept",
}
"""The one look of all plots; used through `styled`, never set globally."""


@contextmanager
def styled() -> Iterator[None]:
    """Matplotlib's own defaults plus `STYLE`, whatever the user's matplotlibrc says; undone at the end."""
    import matplotlib

    with matplotlib.rc_context(), warnings.catch_warnings():
        # A clip may be named in a script that the font lacks; a box in its place is no reason to stop.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        yield


def diverging() -> Colormap:
    """From −1 by white to 1."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("percept", [FALLS, "white", RISES])


def is_control(embedding: str) -> bool:
    """Whether the title of an embedding is that of the untrained control."""
    return embedding.endswith("(untrained)")


def plain(name: str, longest: int = 32) -> str:
    """A name from a file, fit to be drawn: printable, and cut in the middle when it is long."""
    text = "".join(c if c.isprintable() else " " for c in name).strip()
    keep = (longest - 1) // 2
    return text if len(text) <= longest else f"{text[:keep]}…{text[-keep:]}"


def count(number: int, noun: str) -> str:
    """A number and its noun: "1 clip", "4 clips"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def listed(names: Sequence[str]) -> str:
    """Names as a sentence lists them: "a, b and c"."""
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)


def directed(measure: Measure, width: int = 200) -> str:
    """Axis label that also says when lower is better, in lines of at most `width` characters."""
    text = plain(measure.label, 60)
    if not measure.higher_is_better:
        text += " (↓\u00a0better)"
    return "\n".join(textwrap.wrap(text, width, break_on_hyphens=False)) or measure.name


def new_figure(size: tuple[float, float], title: str, embeddings: Iterable[str] = ()) -> Figure:
    """An empty figure, in inches, with its title and the line that names the controls among `embeddings`."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    letters = int((size[0] - LEGEND_INCHES) / TITLE_LETTER_INCHES)
    figure.suptitle(textwrap.fill(title, letters), x=0.012, ha="left")
    controls = [name for name in embeddings if is_control(name)]
    if controls:
        note = textwrap.fill(f"{listed(controls)} – {CONTROL_NOTE}", int(size[0] / NOTE_LETTER_INCHES))
        figure.supxlabel(note, x=0.012, ha="left", fontsize=7.5, fontstyle="italic", color=MUTED)
    return figure


def panels(figure: Figure, number: int, columns: int, **shared: Any) -> list[Axes]:
    """`number` axes, row by row; the rest of the grid stays empty."""
    columns = min(number, columns)
    grid = figure.subplots(-(-number // columns), columns, squeeze=False, **shared)
    for spare in grid.ravel()[number:]:
        spare.remove()
    return list(grid.ravel()[:number])


def legend(
    figure: Figure,
    entries: Sequence[tuple[str, Artist]],
    title: str = "",
    *,
    place: Literal["outside right upper", "outside right lower"] = "outside right upper",
) -> None:
    """A legend right of the axes, which make room for it, so that it covers nothing.

    Args:
        figure: where it is drawn.
        entries: labels and handles; none, no legend.
        title: heading.
        place: one figure can have both.
    """
    if entries:
        labels, handles = zip(*entries, strict=True)
        box = figure.legend(handles, labels, loc=place, title=title or None, alignment="left")
        box.get_title().set_fontweight("bold")
