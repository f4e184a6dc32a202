"""The growth curve: cost an audio second, and memory, by number of clips."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

COUNT = "clips"
CURVES = ("seconds_per_audio_second", "leader_mib", "worker_mib")
"""The columns to draw."""


def draw(lines: Sequence[dict[str, Any]], target: Path) -> str:
    """Draw the curve.

    Args:
        lines: what the growth script printed; the columns "clips" and `CURVES`, as far as they are there.
        target: SVG file.

    Returns:
        The file's name; empty if there is nothing to draw, and then any old file is removed.
    """
    names = [name for name in CURVES if any(name in line for line in lines)]
    if len(lines) < 2 or COUNT not in lines[0] or not names:
        target.unlink(missing_ok=True)
        return ""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    with pyplot.rc_context({"svg.hashsalt": "growth"}):
        figure, axes = pyplot.subplots(1, len(names), figsize=(4.2 * len(names), 2.8), squeeze=False)
        for axis, name in zip(axes[0], names, strict=True):
            points = sorted((line[COUNT], line[name]) for line in lines if name in line and COUNT in line)
            axis.semilogx([x for x, _ in points], [y for _, y in points], marker="o")
            axis.set_xlabel(COUNT)
            axis.set_ylabel(name.replace("_", " "))
            axis.set_ylim(bottom=0)
        figure.tight_layout()
        figure.savefig(target, metadata={"Date": None})
        pyplot.close(figure)
    return target.name
