"""The words that every layer shares: clips, scores, pairs, measures, and errors.

Conventions:
    Letters: B batch, C channel, T sample, F frame, D feature.
    Audio is float32 in [-1, 1] at full scale, mono ``[T]`` unless a docstring says ``[C, T]``.
    The reference comes first, the degraded version second, always spelt ``reference, degraded``.
    A level is a number in the unit that its degradation declares.

Contents: errors; `Clip`; `Score`; `Pair`; `Measure`; the columns of the result tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf, nan
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Array: TypeAlias = npt.NDArray[np.float32]
    Array64: TypeAlias = npt.NDArray[np.float64]
else:  # numpy is not imported for ``--help``
    Array = Array64 = Any

Status = Literal["ok", "failed", "skipped"]

CLEAN = "clean"
"""Name of the condition that is no degradation: ``<clip>_clean.wav``."""

MEASURES_COLUMNS = (
    "item", "condition", "family", "level", "measure", "value", "unit", "status", "reason", "seconds",
)  # fmt: skip
CORRELATIONS_COLUMNS = (
    "predictor", "target", "scope", "method", "n", "n_clips", "r", "low", "high", "p", "p_adjusted",
)  # fmt: skip
COMPARISONS_COLUMNS = (
    "first", "second", "target", "scope", "method", "n", "n_clips", "difference", "low", "high", "p",
    "p_adjusted", "smallest_p",
)  # fmt: skip
OPINION_COLUMNS = (
    "measure", "target", "scope", "mapping", "n", "r", "low", "high", "rmse", "rmse_low", "rmse_high", "outlier_ratio",
    "outlier_n", "reversed", "reason",
)  # fmt: skip
MONOTONICITY_COLUMNS = ("measure", "family", "clip", "steps", "violations", "tau", "where")
FAILURES_COLUMNS = ("stage", "item", "condition", "measure", "status", "reason")


class PerceptError(Exception):
    """A mistake in the input or the settings, told in one line; anything else that is raised is a bug."""


class Unreadable(PerceptError):
    """A file that holds no usable audio or embedding."""


class Unscorable(PerceptError):
    """A clip or a pair of clips for which a measure or an embedding has no value."""


@dataclass(frozen=True, eq=False)
class Clip:
    """Audio and its sample rate, which never travel apart.

    Args:
        samples: float32 ``[T]``, or ``[C, T]`` straight from a file; full scale is 1.
        rate: samples per second.
    """

    samples: Array
    rate: int

    @property
    def seconds(self) -> float:
        """Duration in seconds."""
        return float(self.samples.shape[-1] / self.rate)


@dataclass(frozen=True)
class Score:
    """One value of one measure, or the reason why there is none.

    `reason` may also annotate a good value, for example "mean of 3 windows of 25.0 s".
    """

    value: float | None
    status: Status = "ok"
    reason: str = ""

    @classmethod
    def failed(cls, reason: str) -> Score:
        """A score that could not be computed."""
        return cls(None, "failed", reason)

    @classmethod
    def skipped(cls, reason: str) -> Score:
        """A score that was not attempted because something before it failed."""
        return cls(None, "skipped", reason)


@dataclass(frozen=True)
class Pair:
    """A reference and one degraded version of it: what a row of the results is about.

    Args:
        clip: name of the reference; versions of one clip share it.
        condition: name of the version, for example ``noise_0.005``.
        family: name of the degradation, for example ``noise``; empty when unknown.
        level: severity in the family's unit; None when unknown.
        reference: path of the reference audio, or None when there is none.
        degraded: path of the degraded audio, or None when there is none.
        embeddings: column prefix (``openl3``, ``openl3_untrained``) to the two ``.npy`` paths.
        targets: further numbers that came with the pair, such as a listening test's ``mos``.
        mos_ci95: half width of the listeners' own 95 % interval of ``mos``; None when unknown.
        kind: "speech", "music" or another word of the clips' table; empty when unknown.
        bits_per_second: what a codec spent on it, headers included; None for what is not coded.
        problem: why this pair cannot be scored at all (an earlier stage failed); empty otherwise.
        problems: column prefix to the reason why that embedding is missing for this pair.
    """

    clip: str
    condition: str
    family: str = ""
    level: float | None = None
    reference: Path | None = None
    degraded: Path | None = None
    embeddings: Mapping[str, tuple[Path, Path]] = field(default_factory=dict)
    targets: Mapping[str, float] = field(default_factory=dict)
    mos_ci95: float | None = None
    kind: str = ""
    bits_per_second: float | None = None
    problem: str = ""
    problems: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Measure:
    """What a column of the results means; derived from the registries, read by statistics, plots and report.

    Args:
        name: column name, ``pesq_wb`` or ``openl3_untrained_similarity``.
        title: how people read it: "PESQ wide band", "OpenL3 (untrained) similarity".
        unit: "dB", "MOS-LQO", or "" for a pure number.
        low: smallest possible value (may be -inf).
        high: largest possible value (may be inf).
        higher_is_better: the direction in which quality grows.
        group: "perceptual" (PESQ, STOI), "signal" (SNR), "embedding", or "given" (came with the pairs).
        embedding: title of the embedding, "OpenL3 (untrained)"; empty for other groups.
        perfect: the value on identical input; NaN where there is no such value.
        meant_for: kind of clip that it was made for, "speech"; empty for any.
    """

    name: str
    title: str
    unit: str = ""
    low: float = -inf
    high: float = inf
    higher_is_better: bool = True
    group: str = "given"
    embedding: str = ""
    perfect: float = nan
    meant_for: str = ""

    @property
    def label(self) -> str:
        """Axis label: the title, and the unit in brackets where there is one."""
        return f"{self.title} [{self.unit}]" if self.unit else self.title
