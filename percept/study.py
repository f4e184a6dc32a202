"""A finished study: everything that plots and report speak about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from percept.records import Family
from percept.schema import Measure

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Study:
    """Everything that plots and report speak about.

    Args:
        scores: the long table, columns `MEASURES_COLUMNS`, value NaN where status is not ok.
        correlations: columns `CORRELATIONS_COLUMNS`; scopes as `percept.stages._arranged` tells them.
        comparisons: columns `COMPARISONS_COLUMNS`: does `first` follow the target better than `second`?
        monotonicity: columns `MONOTONICITY_COLUMNS`; `where` lists violations, "0.001 → 0.002; 0.01 → 0.02".
        failures: columns `FAILURES_COLUMNS`, of all stages.
        measures: what the columns mean, in the order in which they are shown.
        targets: names of the measures that the others are judged against.
        families: family name to its record (None for a family that only came with the pairs).
        notes: sentences that must stand at the top: untrained controls, gain changes, windows.
        facts: how to reproduce the run: heading to text.
        confidence: of every interval.
        opinions: columns `OPINION_COLUMNS`: each measure against a listening test; None where there is none.
        kinds: clip to "speech", "music" or another kind, of clips where that is known.
        bits_per_second: (clip, condition) to the bits that a codec spent on it, headers included, a second.
    """

    scores: pd.DataFrame
    correlations: pd.DataFrame
    comparisons: pd.DataFrame
    monotonicity: pd.DataFrame
    failures: pd.DataFrame
    measures: tuple[Measure, ...]
    targets: tuple[str, ...]
    families: Mapping[str, Family | None]
    notes: tuple[str, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    confidence: float = 0.95
    bits_per_second: Mapping[tuple[str, str], float] = field(default_factory=dict)
    opinions: pd.DataFrame | None = None
    kinds: Mapping[str, str] = field(default_factory=dict)

    def measure(self, name: str) -> Measure:
        """The measure with this column name."""
        return next(m for m in self.measures if m.name == name)

    def kind(self, measure: Measure) -> str:
        """The kind of clip on which this measure is judged; "" for all.

        Where the clips are of several kinds, a measure that was made for one of them is judged on that alone.
        """
        kinds = {self.kinds.get(clip, "") for clip in self.scores["item"].unique()}
        return measure.meant_for if len(kinds) > 1 and measure.meant_for in kinds else ""

    def scope(self, measure: Measure) -> str:
        """The scope of the correlations table in which this measure is judged."""
        kind = self.kind(measure)
        return f"kind:{kind}" if kind else "pooled"

    @cached_property
    def correlation_rows(self) -> Mapping[tuple[str, str, str, str], Mapping[Any, Any]]:
        """The table of correlations by predictor, target, method and scope."""
        names = ("predictor", "target", "method", "scope")
        return {tuple(row[name] for name in names): row for row in self.correlations.to_dict("records")}

    @property
    def embeddings(self) -> tuple[str, ...]:
        """Titles of the embeddings that have columns, in order: ("OpenL3 (untrained)", "VGGish")."""
        return tuple(dict.fromkeys(m.embedding for m in self.measures if m.embedding))
