"""Where the time of embedding goes, now and before: one process, one thread, OpenL3."""

from __future__ import annotations

from typing import Any

from benchmarks.cases.openl3 import GFLOP_A_FRAME, SPEC
from benchmarks.installing import ROOT
from benchmarks.material import NOISE_LEVELS, Setting, degraded
from benchmarks.measuring import Contestant, take_turns


def measure(setting: Setting) -> dict[str, Any]:
    """The case's results: rows with the last turn's seconds by part in "facts"."""
    import numpy as np

    audio = degraded(setting, "profile-audio", NOISE_LEVELS[:1])
    for path in audio.glob("*_noise_*.wav"):
        path.unlink()
    job: dict[str, Any] = {"audio": str(audio), "embedding": SPEC, "packages": ["torch", "ncnn"]}
    how = "one thread, float32"
    contestants = [
        Contestant("percept", "percept", how, "percept_profile.py", {**job, "path": [str(ROOT)]}),
        Contestant(
            "before",
            f"percept before ({setting.before_name})",
            how,
            "percept_profile.py",
            {**job, "path": [str(setting.before)]},
            missing="" if setting.before else setting.before_name,
        ),
    ]
    folder = setting.folder / "profile"
    rows = take_turns(contestants, repeats=setting.repeats, folder=folder)
    frames = sum(len(np.load(path)) for path in (folder / "percept" / "last").glob("*.npy"))
    return {"rows": rows, "frames": frames, "gflop_a_frame": GFLOP_A_FRAME}
