"""percept: when a signal is degraded, which number tells us what a listener, or a machine, loses?

Layers, each importing only those before it:
    schema, records, study, registry, dsp, loudness,
    stats                                               words and arithmetic; no files
    settings, constants, media, stored, store, weights  the only place with input and output
    degradations, codecs, embeddings, metrics, tasks    the choices; one file adds one
    jobs, cluster, engines, runner, plots, report, loss running and telling; losses to train with
    stages                                              convert, degrade, embed, score, correlate, report
    cli                                                 the scripts

In Python:
    `embed`, `similarity` and `score` answer for single clips what the scripts answer for folders. `PerceptualLoss` and
    `MultiResolutionSTFTLoss` are the same distances as modules of PyTorch, to train with.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, get_args

if TYPE_CHECKING:
    from percept.loss.perceptual import PerceptualLoss as PerceptualLoss
    from percept.loss.stft import MultiResolutionSTFTLoss as MultiResolutionSTFTLoss
    from percept.records import Weights
    from percept.schema import Array, Clip, Score

__version__ = "0.1.0"
__all__ = ["MultiResolutionSTFTLoss", "PerceptualLoss", "embed", "score", "similarity"]

WeightsMode = Literal["auto", "pretrained", "untrained"]
_LOSSES = {"PerceptualLoss": "percept.loss.perceptual", "MultiResolutionSTFTLoss": "percept.loss.stft"}


def __getattr__(name: str) -> Any:
    # Losses are modules of PyTorch, which nobody has to wait for who does not ask for one.
    if name in _LOSSES:
        import importlib

        return getattr(importlib.import_module(_LOSSES[name]), name)
    raise AttributeError(f"module 'percept' has no attribute '{name}'")


def embed(waveform: Array, rate: int, embedding: str = "openl3", *, weights: WeightsMode = "auto") -> Array:
    """The embedding of a clip.

    Args:
        waveform: float ``[T]`` or ``[C, T]``, full scale 1; channels are averaged.
        rate: samples per second.
        embedding: name with options, such as ``"openl3:representation=mel128,size=6144"``.
        weights: ``"pretrained"`` insists, ``"untrained"`` takes the random control, ``"auto"`` falls back to the
            control with a warning.

    Returns:
        float32 ``[F, D]``.

    Raises:
        percept.schema.PerceptError: unknown embedding, weights that cannot be had, or a clip without an embedding.
    """
    from percept import embeddings

    return embeddings.embed(embeddings.load(embedding, _weights(embedding, weights)), _clip(waveform, rate))


def similarity(
    reference: Array,
    degraded: Array,
    rate: int,
    embedding: str = "openl3",
    *,
    weights: WeightsMode = "auto",
) -> float:
    """Mean frame-wise cosine of the embeddings of two aligned clips, in [-1, 1]; 1 for identical clips.

    Args:
        reference: float ``[T]`` or ``[C, T]``, full scale 1.
        degraded: the same shape.
        rate: samples per second of both.
        embedding: as in `embed`.
        weights: as in `embed`.

    Raises:
        percept.schema.PerceptError: as `embed`; or the clips differ in length.
    """
    import numpy as np

    from percept.metrics import SIMILARITIES
    from percept.schema import Unscorable

    lengths = np.shape(reference)[-1], np.shape(degraded)[-1]
    if lengths[0] != lengths[1]:
        raise Unscorable(f"the clips differ in length: {lengths[0]} and {lengths[1]} samples; align them first")
    ours, theirs = (embed(w, rate, embedding, weights=weights).astype(np.float64) for w in (reference, degraded))
    return SIMILARITIES["similarity"].compute(ours, theirs, np.zeros(ours.shape[1]))


def score(
    reference: Array, degraded: Array, rate: int, measures: Sequence[str] = ("pesq_wb", "stoi")
) -> dict[str, Score]:
    """Classical measures of one pair.

    Args:
        reference: float ``[T]`` or ``[C, T]``, full scale 1.
        degraded: the same length, aligned.
        rate: samples per second of both.
        measures: names, such as ``["pesq_wb", "stoi", "si_sdr"]``; ``--list`` prints them all.

    Returns:
        Measure to `percept.schema.Score`: value, status and reason. What cannot be scored has status "failed".

    Raises:
        percept.schema.PerceptError: unknown measure.
    """
    from percept import metrics

    pair = _clip(reference, rate), _clip(degraded, rate)
    if isinstance(measures, str):
        measures = [measures]
    return {name: metrics.score(metrics.METRICS[name], *pair) for name in measures}


def _clip(waveform: Array, rate: int) -> Clip:
    import numpy as np

    from percept.dsp import mono
    from percept.schema import Clip, PerceptError

    samples = np.asarray(waveform)
    if samples.dtype.kind != "f" or samples.ndim not in (1, 2):
        raise PerceptError(
            f"a waveform is [T] or [C, T] of floats, full scale 1; this one is {samples.dtype} {list(samples.shape)}"
        )
    return Clip(mono(samples.astype(np.float32)), int(rate))


def _outside() -> int:
    """How many calls up the caller of this package is."""
    import sys

    depth = 2
    while sys._getframe(depth).f_globals.get("__name__", "").startswith("percept"):
        depth += 1
    return depth


def _weights(embedding: str, mode: WeightsMode) -> Weights:
    import warnings

    from percept import embeddings, weights
    from percept.registry import nearest
    from percept.schema import PerceptError

    if mode not in get_args(WeightsMode):
        raise PerceptError(f"weights '{mode}' are unknown{nearest(mode, get_args(WeightsMode))}")
    record, options = embeddings.parse(embedding)
    found, warning = weights.resolve(
        record.files(options), mode, weights_dir=None, trust=False, seed=0, quiet=True, title=record.title
    )
    if warning:
        warnings.warn(warning, stacklevel=_outside())
    return found
