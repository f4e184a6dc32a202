"""The words that every layer shares: clips, scores, pairs, measures, the records of choices, and errors.

Conventions:
    Letters: B batch, C channel, T sample, F frame, D feature.
    Audio is float32 in [-1, 1] at full scale, mono ``[T]`` unless a docstring says ``[C, T]``.
    The reference comes first, the degraded version second, always spelt ``reference, degraded``.
    A level is a number in the unit that its degradation declares.

Contents: errors; `Clip`; `Score`; `Pair`; `Measure`; the records `Degradation`, `Metric`, `Similarity`,
`WeightFile`, `Weights`, `Embedding`; the columns of the result tables; `Study`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

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
    "first", "second", "target", "scope", "method", "n", "n_clips", "difference", "low", "high", "p", "smallest_p",
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
        level: severity in `level_unit`; None when unknown.
        reference: path of the reference audio, or None when there is none.
        degraded: path of the degraded audio, or None when there is none.
        embeddings: column prefix (``openl3``, ``openl3_untrained``) to the two ``.npy`` paths.
        targets: further numbers that came with the pair, such as a listening test's ``mos``.
        problem: why this pair cannot be scored at all (an earlier stage failed); empty otherwise.
        problems: column prefix to the reason why that embedding is missing for this pair.
    """

    clip: str
    condition: str
    family: str = ""
    level: float | None = None
    level_unit: str = ""
    reference: Path | None = None
    degraded: Path | None = None
    embeddings: Mapping[str, tuple[Path, Path]] = field(default_factory=dict)
    targets: Mapping[str, float] = field(default_factory=dict)
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
    """

    name: str
    title: str
    unit: str = ""
    low: float = -inf
    high: float = inf
    higher_is_better: bool = True
    group: str = "given"
    embedding: str = ""

    @property
    def label(self) -> str:
        """Axis label: the title, and the unit in brackets where there is one."""
        return f"{self.title} [{self.unit}]" if self.unit else self.title


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Facts that every record of a registry has.

    Args:
        name: the name on the command line, in files and in columns.
        title: the name in sentences and on axes.
        summary: one line that says what it is.
        citation: the paper, standard or equation it follows.
        version: raised whenever the numbers it gives change, so that cached results are made anew.
    """

    name: str
    title: str
    summary: str
    citation: str
    version: int = 1


@dataclass(frozen=True, kw_only=True)
class Degradation(Choice):
    """A family of degradations, ordered by one level.

    Args:
        apply: ``(clip, level, generator) -> samples [T]`` of the same length, rate and alignment.
        unit: unit of the level ("dB", "bit"); empty for a pure number.
        suffix: follows the level in a condition's name: ``noise_snr_10dB``.
        levels: the default levels, mildest first.
        neutral: the level that changes nothing.
        limits: smallest and largest allowed level.
        harsher: whether a higher or a lower level is the stronger degradation.
        whole: only whole numbers are levels.
    """

    apply: Callable[[Clip, float, np.random.Generator], Array]
    unit: str
    suffix: str = ""
    levels: tuple[float, ...]
    neutral: float
    limits: tuple[float, float]
    harsher: Literal["higher", "lower"]
    whole: bool = False

    def condition(self, level: float) -> str:
        """The name of this degradation at `level`: ``noise_0.005``."""
        short = f"{level:g}"
        return f"{self.name}_{short if float(short) == level else repr(level)}{self.suffix}"

    def severity(self, level: float) -> float:
        """A number that grows as the degradation gets stronger."""
        return level if self.harsher == "higher" else -level


@dataclass(frozen=True, kw_only=True)
class Metric(Choice):
    """A classical measure on a reference and a degraded waveform.

    Args:
        compute: ``(reference, degraded) -> float or Score``; raises `Unscorable` with the reason.
        unit: unit of the value; empty for a pure number.
        range: smallest and largest possible value.
        perfect: the value on identical input, as computed (inf where the formula has no bound).
        higher_is_better: the direction in which quality grows.
        group: "perceptual" or "signal".
        rate: the sample rate that it needs, in Hz; None: any. Other clips are resampled to it first.
        symmetric: swapping reference and degraded gives the same value.
        needs_reference: False for measures that listen to the degraded version alone.
        differentiable: the value has a useful gradient with respect to the degraded waveform.
        licence: licence of the implementation used.
    """

    compute: Callable[[Clip, Clip], float | Score]
    unit: str
    range: tuple[float, float]
    perfect: float
    higher_is_better: bool
    group: Literal["perceptual", "signal"]
    rate: int | None = None
    symmetric: bool = False
    needs_reference: bool = True
    differentiable: bool = False
    licence: str = "MIT"

    def measure(self) -> Measure:
        """The column that this metric fills."""
        return Measure(self.name, self.title, self.unit, *self.range, self.higher_is_better, self.group)


@dataclass(frozen=True, kw_only=True)
class Similarity(Choice):
    """A way to compare two embeddings of equally many frames.

    Args:
        compute: ``(reference [F, D], degraded [F, D], baseline [D]) -> float``, in float64.
        range: smallest and largest possible value.
        perfect: the value on identical input.
        higher_is_better: True for similarities, False for distances.
        needs_baseline: the mean frame of all reference clips is subtracted first, so the value depends on them.
    """

    compute: Callable[[Array64, Array64, Array64], float]
    range: tuple[float, float]
    perfect: float
    higher_is_better: bool
    needs_baseline: bool = False

    def measure(self, prefix: str, embedding: str) -> Measure:
        """The column that this comparison fills for the embedding with this column prefix and title."""
        title = f"{embedding} {self.title}"
        return Measure(f"{prefix}_{self.name}", title, "", *self.range, self.higher_is_better, "embedding", embedding)


@dataclass(frozen=True)
class WeightFile:
    """An official weight file.

    Args:
        name: its official name.
        url: its official address.
        digests: published digests, each ``"sha256:<hex or leading hex>"`` or ``"gitblob:<hex>"``; any one suffices.
        alternatives: official names of the same numbers in another packing, with their own digests.
        size: bytes, roughly, for the message before a download.
        licence: licence of the weights.
    """

    name: str
    url: str
    digests: tuple[str, ...]
    alternatives: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    size: int = 0
    licence: str = ""


@dataclass(frozen=True)
class Weights:
    """Which numbers a network runs with.

    Args:
        kind: "pretrained", "untrained" (the seeded random control) or "none" (nothing to train).
        identity: goes into every key: digest of the files, or the seed.
        files: official name to the path where it was found.
        seed: seed of the untrained control.
    """

    kind: Literal["pretrained", "untrained", "none"]
    identity: str
    files: Mapping[str, Path] = field(default_factory=dict)
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Embedding(Choice):
    """A network (or transform) from audio to frames of features.

    Args:
        rate: the sample rate it works at, in Hz; other clips are resampled to it by its own resampler.
        options: frozen dataclass of its options, each annotated with its type or a Literal of the allowed values.
        files: ``(options) -> weight files``; empty when it needs none.
        build: ``(options, weights) -> torch.nn.Module`` with the interface of `percept.embeddings._embedder.Embedder`.
        dimension: ``(options) -> D``.
        layers: names of the layers a loss may listen to.
        licence: licence of the weights.
        differentiable: gradients reach the waveform.
    """

    rate: int
    options: type
    files: Callable[[Any], tuple[WeightFile, ...]]
    build: Callable[[Any, Weights], Any]
    dimension: Callable[[Any], int]
    licence: str
    differentiable: bool = True

    def prefix(self, weights_kind: str) -> str:
        """Column prefix: ``openl3``, or ``openl3_untrained`` for the control."""
        return f"{self.name}_untrained" if weights_kind == "untrained" else self.name

    def heading(self, weights_kind: str) -> str:
        """Title for people: "OpenL3", or "OpenL3 (untrained)" for the control."""
        return f"{self.title} (untrained)" if weights_kind == "untrained" else self.title


@dataclass(frozen=True)
class Study:
    """Everything that plots and report speak about.

    Args:
        scores: the long table, columns `MEASURES_COLUMNS`, value NaN where status is not ok.
        correlations: columns `CORRELATIONS_COLUMNS`; scope is "pooled", "clip:<name>" or "family:<name>".
        comparisons: columns `COMPARISONS_COLUMNS`: does `first` follow the target better than `second`?
        monotonicity: columns `MONOTONICITY_COLUMNS`; `where` lists violations, "0.001>0.002; 0.01>0.02".
        failures: columns `FAILURES_COLUMNS`, of all stages.
        measures: what the columns mean, in the order in which they are shown.
        targets: names of the measures that the others are judged against.
        families: family name to its `Degradation` (None for a family that only came with the pairs).
        notes: sentences that must stand at the top: untrained controls, gain changes, windows.
        facts: how to reproduce the run: heading to text.
        confidence: of every interval.
    """

    scores: pd.DataFrame
    correlations: pd.DataFrame
    comparisons: pd.DataFrame
    monotonicity: pd.DataFrame
    failures: pd.DataFrame
    measures: tuple[Measure, ...]
    targets: tuple[str, ...]
    families: Mapping[str, Degradation | None]
    notes: tuple[str, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    confidence: float = 0.95

    def measure(self, name: str) -> Measure:
        """The measure with this column name."""
        return next(m for m in self.measures if m.name == name)

    @property
    def embeddings(self) -> tuple[str, ...]:
        """Titles of the embeddings that have columns, in order: ("OpenL3 (untrained)", "VGGish")."""
        return tuple(dict.fromkeys(m.embedding for m in self.measures if m.embedding))
