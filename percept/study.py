"""A finished study: everything that plots and report speak about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from percept.records import Family
from percept.schema import Measure

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Study:
    """Everything that plots and report speak about.

    Args:
        scores: the long table, columns `MEASURES_COLUMNS`, value NaN where status is not ok.
        correlations: columns `CORRELATIONS_COLUMNS`; scope is "pooled", "clip:<name>" or "family:<name>".
        comparisons: columns `COMPARISONS_COLUMNS`: does `first` follow the target better than `second`?
        monotonicity: columns `MONOTONICITY_COLUMNS`; `where` lists violations, "0.001 → 0.002; 0.01 → 0.02".
        failures: columns `FAILURES_COLUMNS`, of all stages.
        measures: what the columns mean, in the order in which they are shown.
        targets: names of the measures that the others are judged against.
        families: family name to its record (None for a family that only came with the pairs).
        notes: sentences that must stand at the top: untrained controls, gain changes, windows.
        facts: how to reproduce the run: heading to text.
        confidence: of every interval.
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

    def measure(self, name: str) -> Measure:
        """The measure with this column name."""
        return next(m for m in self.measures if m.name == name)

    @property
    def embeddings(self) -> tuple[str, ...]:
        """Titles of the embeddings that have columns, in order: ("OpenL3 (untrained)", "VGGish")."""
        return tuple(dict.fromkeys(m.embedding for m in self.measures if m.embedding))
