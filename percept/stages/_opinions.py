"""Every measure against a listening test, by ITU-T P.1401."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from percept.opinion import judge
from percept.schema import Measure
from percept.stages._arranged import POOLED, Wide, kind_scopes

MOS = "mos"
"""The column of mean opinion scores; other given numbers are no opinions."""


def opinions(wide: Wide, measures: Sequence[Measure], confidence: float) -> list[dict[str, Any]]:
    """A row a measure and scope: all versions, and each kind of clip where there are several.

    Args:
        wide: the rows.
        measures: what is judged; ``mos`` itself is left out.
        confidence: of the intervals.

    Returns:
        Columns `OPINION_COLUMNS`; nothing without a listening test.
    """
    if MOS not in wide.values:
        return []
    rows = []
    for scope, mask in [(POOLED, np.ones(len(wide.clips), dtype=bool)), *kind_scopes(wide)]:
        doubts = wide.mos_ci95[mask]
        for measure in measures:
            if measure.group == "given":
                continue
            found = judge(
                wide.values[measure.name][mask],
                wide.values[MOS][mask],
                higher_is_better=measure.higher_is_better,
                uncertainty=doubts,
                confidence=confidence,
            )
            rows.append({"measure": measure.name, "target": MOS, "scope": scope, **asdict(found)})
    return rows
