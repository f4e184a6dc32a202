"""The scores arranged for statistics: one row a version, and the scopes within which rows are related.

Scopes:
    ``pooled``: all versions of all clips. ``within clips``: the same after each clip's mean (for rank methods: of its
    ranks) is subtracted, so that differences between clips count neither for nor against. ``clip:<name>``,
    ``family:<name>`` and ``kind:<speech, music>``: those rows alone. When the clips' table tells of several kinds, the
    scopes within and by family are there for each kind, too: ``kind:<kind> within clips``.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from percept.schema import Array64, Measure, Pair

if TYPE_CHECKING:
    import pandas as pd

POOLED = "pooled"
WITHIN = "within clips"
FEWEST_ROWS = 3


@dataclass(frozen=True)
class Wide:
    """One value a measure and row, with the labels of the rows.

    Args:
        values: measure to its column ``[n]``; NaN where there is none.
        clips: ``[n]``.
        families: ``[n]``.
        levels: ``[n]``; NaN where there is none.
        kinds: of the rows' clips ``[n]``; empty where unknown.
        mos_ci95: half width of the listeners' own interval ``[n]``; NaN where unknown.
    """

    values: Mapping[str, Array64]
    clips: Any
    families: Any
    levels: Array64
    kinds: Any
    mos_ci95: Array64

    def take(self, rows: Any, measures: Iterable[str]) -> Wide:
        """The part that a job needs: these rows (mask or indices) of these measures."""
        values = {name: self.values[name][rows] for name in measures}
        labels = (self.clips[rows], self.families[rows], self.levels[rows], self.kinds[rows], self.mos_ci95[rows])
        return Wide(values, *labels)


def alike(labels: Any) -> dict[str, Any]:
    """Each label with the indices of its rows, in the order in which labels first appear; time grows with n log n."""
    names, first, code = np.unique(labels, return_index=True, return_inverse=True)
    rows = np.split(np.argsort(code, kind="stable"), np.cumsum(np.bincount(code, minlength=len(names)))[:-1])
    return {str(names[i]): rows[i] for i in np.argsort(first)}


def arrange(scores: pd.DataFrame, measures: Sequence[Measure], pairs: Sequence[Pair]) -> Wide:
    """One row a version, in the order of the table.

    Args:
        scores: the long table.
        measures: those that get a column.
        pairs: what is known of the rows besides.
    """
    rows = scores.drop_duplicates(["item", "condition"])
    index = list(zip(rows["item"], rows["condition"], strict=True))
    kinds = {(pair.clip, pair.condition): pair.kind for pair in pairs}
    doubts = {(p.clip, p.condition): math.nan if p.mos_ci95 is None else p.mos_ci95 for p in pairs}
    values = {}
    for measure in measures:
        own = scores[scores["measure"] == measure.name]
        by_row = dict(zip(zip(own["item"], own["condition"], strict=True), own["value"], strict=True))
        values[measure.name] = np.array([by_row.get(row, math.nan) for row in index], dtype=np.float64)
    return Wide(
        values,
        rows["item"].to_numpy(str),
        rows["family"].to_numpy(str),
        rows["level"].to_numpy(np.float64),
        np.array([kinds.get(row, "") for row in index], dtype=str),
        np.array([doubts.get(row, math.nan) for row in index], dtype=np.float64),
    )


def kind_scopes(wide: Wide) -> Iterator[tuple[str, Any]]:
    """Name and row mask of every kind of clip, where there are several."""
    kinds = dict.fromkeys(wide.kinds)
    if len(kinds) > 1:
        for kind in filter(None, kinds):
            if (mask := wide.kinds == kind).sum() >= FEWEST_ROWS:
                yield f"kind:{kind}", mask


def scopes(wide: Wide) -> Iterator[tuple[str, Any]]:
    """Name and rows (mask or indices) of every scope with enough rows to correlate."""
    everything = np.ones(len(wide.clips), dtype=bool)
    yield POOLED, everything
    if len(set(wide.clips)) > 1:
        yield WITHIN, everything
        for clip, rows in alike(wide.clips).items():
            if len(rows) >= FEWEST_ROWS:
                yield f"clip:{clip}", rows
    kinds = list(kind_scopes(wide))
    for name, mask in kinds:
        yield name, mask
        if len(set(wide.clips[mask])) > 1:
            yield f"{name} {WITHIN}", mask
    families = [family for family in dict.fromkeys(wide.families) if family]
    if len(set(wide.families)) > 1:
        for prefix, own in [("", everything), *((f"{name} ", mask) for name, mask in kinds)]:
            for family in families:
                if (mask := own & (wide.families == family)).sum() >= FEWEST_ROWS:
                    yield f"{prefix}family:{family}", mask


def usable(column: Array64, method: str) -> Array64:
    """The column with what the method has no place for as missing."""
    return np.where(np.isfinite(column), column, math.nan) if method == "pearson" else column


def generator(seed: int, *names: str) -> np.random.Generator:
    """The source of randomness for what has these names, whatever else is computed and in which order."""
    text = "\0".join((str(seed), *names))
    return np.random.default_rng(int.from_bytes(hashlib.sha256(text.encode()).digest()[:16]))
