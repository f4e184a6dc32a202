"""A study arranged for drawing, and the questions that several plots ask of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from percept.plots._style import COLOURS, DASHES, MARKERS, MUTED, count, listed, plain
from percept.schema import Array64, Measure
from percept.stats import mean_interval
from percept.study import Study

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.artist import Artist

Chosen = npt.NDArray[np.bool_]
"""Which rows of a `View` a plot shows."""

METHODS = {"pearson": "Pearson r", "spearman": "Spearman ρ"}
FEWEST_ROWS = 3


class TooLittle(Exception):
    """Why a plot is left out, in words."""


@dataclass(frozen=True)
class Coefficient:
    """One correlation; `low` and `high` are NaN where it has no interval.

    Args:
        n: rows that it rests on.
        r: the coefficient.
        low: lower end of its interval.
        high: upper end of its interval.
    """

    n: int
    r: float
    low: float
    high: float

    def turned(self, sign: int) -> Coefficient:
        """The coefficient of a predictor with the opposite sign where `sign` is -1."""
        return self if sign > 0 else Coefficient(self.n, -self.r, -self.high, -self.low)

    def __str__(self) -> str:
        if not np.isfinite(self.r):
            return "n/a"
        interval = f" [{self.low:.2f}, {self.high:.2f}]" if np.isfinite([self.low, self.high]).all() else ""
        return f"{self.r:.2f}{interval}".replace("-", "−")


@dataclass(frozen=True)
class View:
    """A study arranged for drawing: one row per clip and condition, in order of family and severity.

    Args:
        study: the study.
        rows: columns clip, condition, family, level.
        values: a column per measure, aligned with `rows`; NaN where there is no finite value.
        raw: like `values`, with the infinite values.
        families: names of the families in the order of their colours.
    """

    study: Study
    rows: pd.DataFrame
    values: pd.DataFrame
    raw: pd.DataFrame
    families: tuple[str, ...]

    @classmethod
    def of(cls, study: Study) -> View:
        """Arrange the long table of a study."""
        # Text even where every name is a number or none is given, as in a table read back from a file.
        text = study.scores[["item", "condition", "family"]].astype(object)
        scores = study.scores.assign(**text.where(text.notna(), "").astype(str))
        names = [m.name for m in study.measures]
        wide = scores.drop_duplicates(["item", "condition", "measure"])
        wide = wide.pivot(index=["item", "condition"], columns="measure", values="value")
        wide = wide.reindex(columns=names).astype(float)
        families = tuple(dict.fromkeys([*study.families, *scores["family"]]))
        rows = _rows(study, scores, families)
        wide = wide.reindex(rows.set_index(["clip", "condition"]).index).reset_index(drop=True)
        return cls(study, rows, wide.mask(wide.abs() == np.inf), wide, families)

    @property
    def clips(self) -> list[str]:
        """Names of the clips, sorted."""
        return sorted(set(self.rows["clip"]))

    @property
    def targets(self) -> list[Measure]:
        """The targets that have a column."""
        return [m for name in self.study.targets for m in self.study.measures if m.name == name]

    @property
    def percent(self) -> str:
        """The confidence of the intervals as people write it."""
        return f"{100 * self.study.confidence:g} %"

    def own(self, embedding: str) -> list[Measure]:
        """The measures of one embedding."""
        return [m for m in self.study.measures if m.embedding == embedding]

    def main(self, embedding: str) -> Measure:
        """The frame-wise similarity, which an embedding lists first."""
        own = self.own(embedding)
        return next((m for m in own if m.name.endswith("_similarity")), own[0])

    def grouped(self, *groups: str) -> list[Measure]:
        """The measures of these groups, group by group."""
        return [m for group in groups for m in self.study.measures if m.group == group]

    def look(self, family: str) -> tuple[str, str]:
        """Colour and marker of a family."""
        position = self.families.index(family)
        return COLOURS[position % len(COLOURS)], MARKERS[position % len(MARKERS)]

    def family_title(self, family: str) -> str:
        """How people read the name of a family."""
        record = self.study.families.get(family)
        return record.title if record else plain(family) or "no family given"

    def dashes(self) -> dict[str, Any]:
        """Clip to dash pattern; empty where there is one clip, or too many to tell apart."""
        return dict(zip(self.clips, DASHES, strict=False)) if 1 < len(self.clips) <= len(DASHES) else {}

    def clip_entries(self) -> list[tuple[str, Artist]]:
        """Legend of the clips, empty as `dashes` is."""
        from matplotlib.lines import Line2D

        dashes = self.dashes().items()
        return [(plain(clip, 24), Line2D([], [], color=MUTED, lw=0.9, ls=dash)) for clip, dash in dashes]

    def coefficient(self, predictor: str, target: str, method: str) -> Coefficient | None:
        """The correlation over all versions on which the target is judged, None where the study has none."""
        table = self.study.correlations
        scope = self.study.scope(self.study.measure(target))
        here = (table["predictor"] == predictor) & (table["target"] == target) & (table["scope"] == scope)
        found = table[here & (table["method"].str.lower() == method)]
        if found.empty:
            return None
        first = found.iloc[0]
        return Coefficient(int(first["n"]), float(first["r"]), float(first["low"]), float(first["high"]))

    def judged(self, target: Measure) -> Chosen:
        """The rows on which a target is judged: those of the kind of clip that it was made for, else all."""
        kind = self.study.kind(target)
        return np.array([kind in {"", self.study.kinds.get(clip, "")} for clip in self.rows["clip"]], dtype=bool)

    def mean(self, values: Array64, clips: Array64) -> tuple[float, float, float]:
        """Mean of the values that are there, and its interval by clips; a fixed seed makes plots repeat."""
        there = np.isfinite(values)
        if not there.any():
            return (np.nan, np.nan, np.nan)
        generator = np.random.default_rng(0)
        return mean_interval(values[there], clips[there], generator=generator, confidence=self.study.confidence)

    def sizes(self, chosen: Chosen) -> str:
        """The n of a caption: rows, and clips times conditions."""
        rows = self.rows[chosen]
        clips, conditions = rows["clip"].nunique(), rows["condition"].nunique()
        return f"n = {len(rows)}: {count(clips, 'clip')}, {count(conditions, 'condition')}"

    def intervals(self, mark: str) -> str:
        """What a caption says of the intervals that `mark` shows."""
        if len(self.clips) == 1:
            return "intervals would take more than one clip"
        return f"{mark} {self.percent} intervals by clips"

    def infinite(self, names: Iterable[str], chosen: Chosen | None = None) -> int:
        """How many values of these measures are infinite."""
        raw = self.raw[list(dict.fromkeys(names))]
        return int(np.isinf((raw if chosen is None else raw[chosen]).to_numpy()).sum())

    def lost(self, names: Iterable[str], chosen: Chosen | None = None) -> str:
        """The sentence of a caption that owns up to values that cannot be shown; empty when there are none."""
        measures = list(dict.fromkeys(names))
        values = self.values[measures] if chosen is None else self.values[measures][chosen]
        infinite = self.infinite(measures, chosen)
        numbers = {"missing": int(values.isna().to_numpy().sum()) - infinite, "infinite": infinite}
        parts = [count(number, f"{kind} value") for kind, number in numbers.items() if number]
        return f" Not shown: {listed(parts)}." if parts else ""


def _rows(study: Study, scores: pd.DataFrame, families: Sequence[str]) -> pd.DataFrame:
    """One row per clip and condition, by family, severity, condition and clip."""
    rows = scores.drop_duplicates(["item", "condition"])[["item", "condition", "family", "level"]]
    rows = rows.rename(columns={"item": "clip"}).astype({"level": float})
    rank = [families.index(family) for family in rows["family"]]
    falling = {name for name, record in study.families.items() if record and record.harsher == "lower"}
    severity = rows["level"].where(~rows["family"].isin(falling), -rows["level"])
    order = rows.assign(rank=rank, severity=severity)
    order = order.sort_values(["rank", "severity", "condition", "clip"], kind="stable")
    return order[["clip", "condition", "family", "level"]].reset_index(drop=True)
