"""What was to be reached, and whether it was.

Contents: `TARGETS`, `evaluate`.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import Any, Literal

Results = dict[str, Any]
"""Case to its results; see `benchmarks.cases`."""


MIB, GB = 2**20, 1e9
EMULATED = "computed in float32"
"""What the title of a row says whose processor lacks the wanted number format."""


class NotMeasured(Exception):
    """A figure that the results do not hold; the message says why."""


@dataclass(frozen=True)
class Target:
    """One thing to reach.

    Args:
        words: what it is, in words.
        case: in which case's results the figure lies.
        kind: "ratio": time of `theirs` over time of `ours`; "cores": processor time over wall time of `ours`, or of
            its step `step`; "seconds": time of `ours`; "figure": entry `step` of the verdict on `ours`; "growth": last
            over least of column `step`; "gigabytes": largest of column `step`, which is in MiB.
        bound: the value to reach.
        ours: key of a row.
        theirs: key of a row.
        step: see `kind`.
    """

    words: str
    case: str
    kind: Literal["ratio", "cores", "seconds", "figure", "growth", "gigabytes"]
    bound: float
    ours: str = ""
    theirs: str = ""
    step: str = ""

    @property
    def at_least(self) -> bool:
        """Whether more is better."""
        return self.kind in ("ratio", "cores")


SECOND_RUN = [
    Target(f"second run of `{name}` over 200 files", "startup", "seconds", 3.0, f"again {name}")
    for name in ("audio_conversion.py", "extract_embeddings.py", "analyze_results.py")
]
TARGETS = [
    Target("OpenL3 float32 against TensorFlow", "openl3", "ratio", 1.2, "percept-float32", "tensorflow"),
    Target(
        "OpenL3 float32 against torchopenl3 (where there is no TensorFlow)",
        "openl3",
        "ratio",
        3.0,
        "percept-float32",
        "torchopenl3",
    ),
    Target(
        "OpenL3 float32: relative error against the plain network",
        "openl3",
        "figure",
        1e-4,
        "percept-float32",
        step="relative",
    ),
    Target("OpenL3 bfloat16 against TensorFlow", "openl3", "ratio", 2.2, "percept-bfloat16", "tensorflow"),
    Target(
        "OpenL3 bfloat16: similarities against float32", "openl3", "figure", 2e-4, "percept-bfloat16", step="similarity"
    ),
    Target(
        "VGGish against torchvggish, network built anew for each file",
        "vggish",
        "ratio",
        3.0,
        "percept",
        "torchvggish-anew",
    ),
    Target("VGGish against torchvggish, network reused", "vggish", "ratio", 1.0, "percept", "torchvggish-reused"),
    Target("PESQ and STOI against one call after the other", "scores", "ratio", 1.8, "percept", "sequential"),
    Target(
        "cores busy through stage 2", "whole", "cores", 1.7, "percept-float32", step="2 extract_embeddings.py"
    ),
    Target("cores busy through stage 3", "whole", "cores", 1.7, "percept-float32", step="3 analyze_results.py"),
    Target("cores busy through PESQ and STOI alone", "scores", "cores", 1.7, "percept"),
    Target("whole run float32 against TensorFlow", "whole", "ratio", 1.3, "percept-float32", "tensorflow"),
    Target("whole run bfloat16 against TensorFlow", "whole", "ratio", 2.2, "percept-bfloat16", "tensorflow"),
    *SECOND_RUN,
    Target("two-hour recording: memory of the leading process", "memory", "gigabytes", 1.5, step="leader_mib"),
    Target("two-hour recording: memory of the heaviest worker", "memory", "gigabytes", 1.5, step="worker_mib"),
    Target("two-hour recording: memory of all processes together", "memory", "gigabytes", 1.5, step="together_mib"),
    Target("cost an audio second, most clips over least cost", "growth", "growth", 1.1,
           step="seconds_per_audio_second"),
    Target("memory of the leading process, most clips over least", "growth", "growth", 1.1, step="leader_mib"),
    Target("memory of a worker, most clips over least", "growth", "growth", 1.1, step="worker_mib"),
]  # fmt: skip


def evaluate(target: Target, results: Results) -> tuple[str, str]:
    """The figure reached, and "met", "not met: FIGURE reached" or "not measured: REASON"."""
    try:
        figure, spread = _figure(target, results)
    except NotMeasured as reason:
        return "–", f"not measured: {str(reason).replace('not measured: ', '')}"
    text = _text(target, figure) + spread
    good = figure >= target.bound if target.at_least else figure <= target.bound
    return text, "met" if good else f"not met: {_text(target, figure)} reached"


def bound(target: Target) -> str:
    """The target's value in words."""
    return f"{'at least' if target.at_least else 'at most'} {_text(target, target.bound)}"


def ratios(ours: list[float], theirs: list[float]) -> list[float]:
    """Their time over ours, turn by turn."""
    return [b / a for a, b in zip(ours, theirs, strict=False)]


def row_of(case: Results, key: str) -> dict[str, Any]:
    """A measured row of a case.

    Raises:
        NotMeasured: there is none, it failed, or its result is wrong.
    """
    found: dict[str, Any] | None = next((row for row in case.get("rows", []) if row["key"] == key), None)
    if found is None:
        raise NotMeasured(f"no row '{key}'")
    if found["reason"] or not found["seconds"]:
        raise NotMeasured(f"{found['title']}: {found['reason'] or 'no measurement'}")
    if EMULATED in found["title"]:
        raise NotMeasured(f"this processor has no bfloat16: {found['title']}")
    if found["verdict"] and not found["verdict"]["agrees"]:
        raise NotMeasured(f"{found['title']}: its result is WRONG")
    return found


def _figure(target: Target, results: Results) -> tuple[float, str]:
    case = results.get(target.case)
    if not case:
        raise NotMeasured(f"the case '{target.case}' was not run")
    if "failed" in case:
        raise NotMeasured(case["failed"])
    if target.kind == "gigabytes":
        return max(_column(case, target.step)) * MIB / GB, ""
    if target.kind == "growth":
        return _growth(case, target.step), ""
    if target.kind == "figure":
        return _verdict_figure(case, target), ""
    ours = row_of(case, target.ours)
    if target.kind == "ratio":
        turns = ratios(ours["seconds"], row_of(case, target.theirs)["seconds"])
    elif target.kind == "cores":
        if target.step and target.step not in ours["steps"]:
            raise NotMeasured(f"no step '{target.step}'")
        turns = cores(ours["steps"][target.step] if target.step else ours)
    else:
        turns = ours["seconds"]
    if not turns:
        raise NotMeasured("this system does not tell processor time")
    spread = f" ({_text(target, min(turns))} to {_text(target, max(turns))})" if len(turns) > 1 else ""
    return statistics.median(turns), spread


def cores(measured: dict[str, Any]) -> list[float]:
    """Processor time over wall time, turn by turn; empty where processor time is not known."""
    if any(value is None for value in measured["cpu"]):
        return []
    return [cpu / wall for cpu, wall in zip(measured["cpu"], measured["seconds"], strict=True)]


def _verdict_figure(case: Results, target: Target) -> float:
    row = next((row for row in case["rows"] if row["key"] == target.ours), None)
    if row is None or row["reason"] or target.step not in (row["verdict"] or {}):
        raise NotMeasured((row or {}).get("reason") or "no comparison")
    if EMULATED in row["title"]:
        raise NotMeasured(f"this processor has no bfloat16: {row['title']}")
    return float(row["verdict"][target.step])


def _column(case: Results, name: str) -> list[float]:
    """The numbers of a column, in order of the rows."""
    found = [float(line[name]) for line in case.get("lines", []) if line.get(name) is not None]
    if not found:
        raise NotMeasured(case.get("reason") or f"no column '{name}'")
    return found


def _growth(case: Results, name: str) -> float:
    values = _column(case, name)
    if len(values) < 2 or min(values) <= 0:
        raise NotMeasured(case.get("reason") or "too few numbers of clips")
    return values[-1] / min(values)


def _text(target: Target, value: float) -> str:
    units = {"ratio": " ×", "cores": " cores", "seconds": " s", "figure": "", "growth": " ×", "gigabytes": " GB"}
    return (f"{value:.1e}" if target.kind == "figure" else f"{value:.2f}") + units[target.kind]
