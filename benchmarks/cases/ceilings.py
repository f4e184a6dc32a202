"""The machine's measured ceilings in float32 and bfloat16, one thread and all."""

from __future__ import annotations

from typing import Any

from benchmarks.machine import facts, without_bfloat16
from benchmarks.material import Setting
from benchmarks.measuring import Contestant, Failed, once

FORMATS = ("float32", "bfloat16")


def measure(setting: Setting) -> dict[str, Any]:
    """The case's results: GFLOP/s by format, threads and operation."""
    table = []
    for kind in FORMATS:
        slow = without_bfloat16() if kind == "bfloat16" and not setting.force_bfloat16 else ""
        for threads in sorted({1, facts()["cores"]}):
            row: dict[str, Any] = {"format": kind, "threads": threads, "reason": slow, "gflops": {}}
            table.append(row)
            if slow:
                continue
            job = {"threads": threads, "format": kind}
            contestant = Contestant(f"{kind}-{threads}", "", "", "ceiling.py", job)
            try:
                row["gflops"] = once(contestant, setting.folder / "ceilings" / contestant.key)
            except Failed as problem:
                row["reason"] = f"failed: {problem}"
            print(f"  {contestant.key}: {row['gflops'] or row['reason']}", flush=True)
    return {"table": table}
