"""The ways of computing OpenL3's convolutions that were tried, one frame each, one thread."""

from __future__ import annotations

from typing import Any

from benchmarks.cases.openl3 import GFLOP_A_FRAME, SPEC
from benchmarks.installing import ROOT
from benchmarks.machine import facts, without_bfloat16
from benchmarks.material import Setting
from benchmarks.measuring import Contestant, once


def measure(setting: Setting) -> dict[str, Any]:
    """The case's results: milliseconds a frame and error by way."""
    reason = "" if setting.force_bfloat16 else without_bfloat16()
    job = {"embedding": SPEC, "path": [str(ROOT)], "threads": facts()["cores"], "bfloat16": not reason}
    found = once(Contestant("ways", "", "", "ways.py", job), setting.folder / "ways")
    for name, way in found.items():
        print(f"  {name}: {way['ms']:.1f} ms", flush=True)
    return {"ways": found, "gflop_a_frame": GFLOP_A_FRAME, "reason": reason}
