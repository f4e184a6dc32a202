"""The records of the registries: what is known of every degradation, metric, similarity and embedding.

Whatever a list, a table, an axis, a report or a contract test says of a choice comes from its record.

Contents: `Choice`, the common part; `Degradation`, `Metric`, `Similarity`, `Embedding`; `WeightFile` and `Weights`,
which embeddings ask for and run with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from percept.schema import Array, Array64, Clip, Measure, Score

if TYPE_CHECKING:
    pass


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
class Family(Choice):
    """What makes versions of a clip, ordered by one level: a degradation or a codec.

    Args:
        unit: unit of the level ("dB", "bit", "kbit/s"); empty for a pure number.
        suffix: follows the level in a condition's name: ``noise_snr_10dB``, ``mp3_32k``.
        levels: the default levels, mildest first.
        limits: smallest and largest allowed level.
        harsher: whether a higher or a lower level is the stronger degradation.
        whole: only whole numbers are levels.
        walks: it only takes slices of the samples, so a long recording may stay in its file (`percept.stored.Stored`).
    """

    unit: str
    suffix: str = ""
    levels: tuple[float, ...]
    limits: tuple[float, float]
    harsher: Literal["higher", "lower"]
    whole: bool = False
    walks: bool = False

    def condition(self, level: float) -> str:
        """The name of this degradation at `level`: ``noise_0.005``."""
        short = f"{level:g}"
        return f"{self.name}_{short if float(short) == level else repr(level)}{self.suffix}"

    def severity(self, level: float) -> float:
        """A number that grows as the degradation gets stronger."""
        return level if self.harsher == "higher" else -level


@dataclass(frozen=True, kw_only=True)
class Degradation(Family):
    """A family of degradations, ordered by one level.

    Args:
        apply: ``(clip, level, generator) -> samples [T]`` of the same length, rate and alignment.
        neutral: the level that changes nothing.
        control: nothing audible is lost (a delay, a level), so quality measures should not fall, and monotonicity is
            not asked of them.
        needs: what `apply` is given besides, as a fourth argument: "company", the other clips of the run (a tuple of
            `Clip`, same rate); "impulse", the user's impulse response (a `Clip`).
    """

    apply: Callable[..., Array]
    neutral: float
    control: bool = False
    needs: Literal["", "company", "impulse"] = ""


@dataclass(frozen=True)
class Coded:
    """What a codec gives back.

    Args:
        samples: decoded ``[T]`` or ``[C, T]``: same length, rate and alignment as the input.
        payload_bits: bits of the coded audio alone.
        file_bits: bits of the whole file or of the defined minimal container, headers included: 8 × bytes.
        facts: what else is to be recorded: library versions, the rate at which it was coded.
    """

    samples: Array
    payload_bits: int
    file_bits: int
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Codec(Family):
    """A real codec, ordered by its bit rate in kbit/s (of all channels together).

    Args:
        code: ``(clip, kbps) -> Coded``, or ``(clip, kbps, weights) -> Coded`` for one with `files`.
        files: ``() -> weight files`` of a neural codec; empty for the others.
        licence: of the encoder, or of the weights.
    """

    code: Callable[..., Coded]
    files: Callable[[], tuple[WeightFile, ...]] = tuple
    licence: str
    unit: str = "kbit/s"
    suffix: str = "k"
    harsher: Literal["higher", "lower"] = "lower"


@dataclass(frozen=True, kw_only=True)
class Metric(Choice):
    """A classical measure on a reference and a degraded waveform.

    Args:
        compute: ``(reference, degraded) -> float or Score``; raises `Unscorable` with the reason.
        unit: unit of the value; empty for a pure number.
        range: smallest and largest possible value.
        perfect: the value on identical input, as computed: inf where the formula has no bound, NaN without a
            reference.
        higher_is_better: the direction in which quality grows.
        group: "perceptual" or "signal".
        rate: the sample rate that it needs, in Hz; None: any. Other clips are resampled to it first.
        longest_s: longer clips are scored in equal windows of at most so many seconds, which a remark tells.
        symmetric: swapping reference and degraded gives the same value.
        meant_for: kind of clip that it was made for and validated on: "speech", or "" for any. It is computed for
            others too, and marked there.
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
    longest_s: float = inf
    symmetric: bool = False
    meant_for: Literal["", "speech"] = ""
    needs_reference: bool = True
    differentiable: bool = False
    licence: str = "MIT"

    def measure(self) -> Measure:
        """The column that this metric fills."""
        return Measure(
            self.name, self.title, self.unit, *self.range, self.higher_is_better, self.group,
            perfect=self.perfect, meant_for=self.meant_for,
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Similarity(Choice):
    """A way to compare two embeddings of equally many frames.

    Args:
        compute: ``(reference [F, D], degraded [F, D], baseline [D]) -> float``, from float32 or float64.
        range: smallest and largest possible value.
        perfect: the value on identical input.
        higher_is_better: True for similarities, False for distances.
        needs_baseline: the mean frame of all reference clips is subtracted first, so the value depends on them.
    """

    compute: Callable[[Array | Array64, Array | Array64, Array64], float]
    range: tuple[float, float]
    perfect: float
    higher_is_better: bool
    needs_baseline: bool = False

    def measure(self, prefix: str, embedding: str) -> Measure:
        """The column that this comparison fills for the embedding with this column prefix and title."""
        return Measure(
            f"{prefix}_{self.name}", f"{embedding} {self.title}", "", *self.range, self.higher_is_better, "embedding",
            embedding, self.perfect,
        )  # fmt: skip


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
        verified: every file has a published digest.
    """

    kind: Literal["pretrained", "untrained", "none"]
    identity: str
    files: Mapping[str, Path] = field(default_factory=dict)
    seed: int = 0
    verified: bool = True


@dataclass(frozen=True, kw_only=True)
class Embedding(Choice):
    """A network (or transform) from audio to frames of features.

    Args:
        rate: the sample rate it works at, in Hz; other clips are resampled to it by its own resampler.
        options: frozen dataclass of its options, each annotated with its type or a Literal of the allowed values.
        files: ``(options) -> weight files``; empty when it needs none.
        build: ``(options, weights) -> torch.nn.Module`` with the interface of `percept.embeddings._embedder.Embedder`.
        dimension: ``(options) -> D``.
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
