"""Embeddings: networks and transforms from audio to frames of features.

A specification is a name, or a name and options: ``openl3``,
``openl3:representation=mel128,size=6144,hop=0.5``. A value that only one option knows needs no key:
``openl3:mel128,env``, ``vggish:quantised``.

Modules: `openl3`, `vggish`, `logmel`: one record each. The torch code is in the modules with an underscore,
which are imported when a network is built and not before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from percept.embeddings._options import describe, read_options
from percept.records import Embedding, Weights
from percept.registry import Registry
from percept.schema import Array, Clip

if TYPE_CHECKING:
    from percept.embeddings._embedder import Embedder as Embedder
    from percept.embeddings._embedder import Precision as Precision

__all__ = ["EMBEDDINGS", "describe", "embed", "load", "parse"]

EMBEDDINGS: Registry[Embedding] = Registry("embedding", __name__)

_loaded: dict[tuple[object, ...], Embedder] = {}


def parse(spec: str) -> tuple[Embedding, Any]:
    """The record and the options that a specification names.

    Args:
        spec: ``NAME`` or ``NAME:OPTION=VALUE,…``; a bare ``VALUE`` where only one option knows it.

    Raises:
        UnknownChoice: when there is no such embedding.
        PerceptError: when an option or a value is unknown; names the nearest.
    """
    name, _, text = spec.partition(":")
    embedding = EMBEDDINGS[name.strip()]
    return embedding, read_options(embedding.options, text, embedding.title)


def load(
    spec: str, weights: Weights, *, device: str = "cpu", precision: Precision = "float32", alone: bool = False
) -> Embedder:
    """The network that a specification names, built once in each process.

    The module is shared by all callers in the process: whoever wants to move it or change it builds one of
    his own with ``embedding.build(options, weights)``.

    Args:
        spec: see `parse`.
        weights: which numbers it runs with, from `percept.weights.resolve`.
        device: a torch device.
        precision: number format inside the network; front ends always compute in double precision.
        alone: let go of all others, so that this process holds one network at a time.
    """
    embedding, options = parse(spec)
    key = (embedding.name, describe(options), weights.kind, weights.identity, weights.seed, device, precision)
    if key not in _loaded:
        if alone:
            _loaded.clear()
        _loaded[key] = embedding.build(options, weights).use(precision).to(device)
    return _loaded[key]


def embed(embedder: Embedder, clip: Clip) -> Array:
    """The embedding of a clip, float32 ``[F, D]``, without gradients.

    Args:
        embedder: from `load`.
        clip: ``[T]`` or ``[C, T]`` (the mean of the channels is taken) at any rate.

    Raises:
        Unscorable: when the clip is empty, too short for this embedding or not finite.
    """
    from percept.embeddings import _embedder

    return _embedder.embed(embedder, clip)
