"""The packages pesq and pystoi, one pair after the other in one process."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any


def prepare(job: dict[str, Any]) -> Callable[[Path], dict[str, Any]]:
    """Ready to score; "pairs" names the table, whose paths are relative to it."""
    import soundfile
    from pesq import pesq
    from pystoi import stoi

    table = Path(job["pairs"])

    def run(target: Path) -> dict[str, Any]:
        found = {}
        with table.open(newline="", encoding="utf-8") as lines:
            for pair in csv.DictReader(lines):
                reference, rate = soundfile.read(table.parent / pair["reference"])
                degraded, _ = soundfile.read(table.parent / pair["degraded"])
                found[pair["condition"]] = {
                    "pesq_wb": float(pesq(rate, reference, degraded, "wb")),
                    "stoi": float(stoi(reference, degraded, rate)),
                }
        (target / "values.json").write_text(json.dumps(found), encoding="utf-8")
        return {}

    return run
