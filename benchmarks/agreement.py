"""Whether two contestants computed the same: a result that differs is wrong, however fast.

Contents: `Tolerance`, `compare_embeddings`, `compare_tables`, `similarities`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

Verdict = dict[str, Any]
"""agrees (bool), words, and the figures behind them."""


@dataclass(frozen=True)
class Tolerance:
    """What still counts as the same embedding.

    Args:
        relative: largest Euclidean norm of the difference, as a share of the norm of the right result.
        cosine: smallest cosine of any frame with the right one.
        why: where the difference may come from.
    """

    relative: float
    cosine: float
    why: str


def compare_embeddings(right: Path, found: Path, tolerance: Tolerance) -> Verdict:
    """Compare the ``.npy`` files ``[F, D]`` of two folders, file by file."""
    names = sorted(path.name for path in right.glob("*.npy"))
    missing = [name for name in names if not (found / name).exists()]
    if missing or not names:
        return {"agrees": False, "words": f"no result for {', '.join(missing) or 'any clip'}"}
    errors, cosines = [], []
    for name in names:
        a, b = np.load(right / name).astype(np.float64), np.load(found / name).astype(np.float64)
        if a.shape != b.shape:
            return {"agrees": False, "words": f"{name}: shape {list(b.shape)}, should be {list(a.shape)}"}
        norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
        errors.append(np.linalg.norm(a - b) / np.linalg.norm(a))
        cosines.append(((a * b).sum(axis=1) / np.where(norms > 0, norms, 1)).min())
    relative, cosine = float(np.max(errors)), float(np.min(cosines))  # NaN stays NaN
    agrees = bool(relative <= tolerance.relative and cosine >= tolerance.cosine)
    words = f"relative error {relative:.1e}, worst frame's cosine {cosine:.6f}"
    return {"agrees": agrees, "words": words, "relative": relative, "cosine": cosine}


def compare_tables(right: Path, found: Path, tolerances: dict[str, float]) -> Verdict:
    """Compare two JSON files ``{item: {measure: value}}`` in the measures that have a tolerance.

    A measure that the right table holds and the other lacks is a difference; items must be the same.
    """
    ours, theirs = (json.loads(path.read_text(encoding="utf-8")) for path in (right, found))
    if set(ours) != set(theirs):
        return {"agrees": False, "words": f"{len(theirs)} items, should be {len(ours)}"}
    worst = dict.fromkeys(tolerances, 0.0)
    for item, values in ours.items():
        for measure in tolerances:
            difference = abs(values[measure] - theirs[item].get(measure, np.nan))
            worst[measure] = max(worst[measure], float(np.nan_to_num(difference, nan=np.inf)))
    agrees = all(worst[measure] <= tolerances[measure] for measure in tolerances)
    words = ", ".join(f"{measure} within {value:.1e}" for measure, value in worst.items())
    return {"agrees": agrees, "words": f"largest differences: {words}", "worst": worst}


def similarities(folder: Path) -> dict[str, float]:
    """Mean frame-wise cosine of every degraded clip's embedding with the clean one's, by file name."""
    found = {}
    for clean in sorted(folder.glob("*_clean.npy")):
        a = np.load(clean).astype(np.float64)
        for path in sorted(folder.glob(f"{clean.name.removesuffix('clean.npy')}*.npy")):
            b = np.load(path).astype(np.float64)
            norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
            found[path.stem] = float(((a * b).sum(axis=1) / norms).mean())
    return found
