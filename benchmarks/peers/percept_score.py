"""percept's score stage on a table of pairs, in a process that lives on."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any


def prepare(job: dict[str, Any]) -> Callable[[Path], dict[str, Any]]:
    """Ready to score; "pairs" names the table, "measures" what to compute."""
    from percept.settings import Run, Score
    from percept.stages.score import score

    def run(target: Path) -> dict[str, Any]:
        settings = Score(pairs=Path(job["pairs"]), results=target, measures=tuple(job["measures"]))
        table = score(settings, Run(quiet=True)).table
        found: dict[str, dict[str, float]] = {}
        for row in table.itertuples():
            found.setdefault(str(row.condition), {})[str(row.measure)] = float(row.value)
        (target / "values.json").write_text(json.dumps(found), encoding="utf-8")
        return {}

    return run
