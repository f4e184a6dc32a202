"""The distance of two embeddings as a loss, by the networks, front ends and resampler that score.

    waveforms [B, T] → windows → front end → network, a few windows at a time → what the distance keeps of each window
        → one number a clip

Contents: `PerceptualLoss`.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self, get_args

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from percept import embeddings, weights
from percept.loss.distances import DISTANCES
from percept.loss.terms import Loss, Reduction, monaural
from percept.records import Weights
from percept.registry import nearest
from percept.schema import PerceptError

if TYPE_CHECKING:
    from percept.embeddings import Embedder

LAST = "embedding"
RATE_HZ = 16000

Layers = str | Sequence[str] | Mapping[str, float]
State = dict[str, Any]


class PerceptualLoss(Loss):
    """How far apart a network hears two waveforms; differentiable to the waveforms, the network itself is frozen.

    Of the last layer, "l1" and "l2" are the measures of the same names that ``analyze_results.py`` writes, "cosine" is
    1 less its similarity, and "frechet" its Fréchet distance. Of an inner layer, "l1", "l2" and "cosine" compare all
    its activations window by window, and "frechet" the windows' channel means.

    The network is no part of the state dict, stays in evaluation mode and has no gradients of its own. `trained` tells
    whether it is more than the untrained control.

    Args:
        embedding: name with options: "openl3", "vggish", "cdpam", "logmel", "openl3:hop=0.5,mel128". A hop as long as
            the window costs a tenth of OpenL3's usual one.
        distance: "l1", "l2", "cosine" or "frechet".
        layers: "last": the embedding. "all": every layer. Names of layers, see `layer_names`; or names with weights:
            ``{"conv2": 1.0, "embedding": 0.5}``. The loss is the sum of weight times distance; weights that are not
            given are equal and sum to 1. Layers have units of their own: see `by_layer` and `balance`.
        weights: the network's: "pretrained" insists on them, "untrained" is the random control, "auto" falls back to it
            with a warning; or what `percept.weights.resolve` gives.
        reduction: "mean" or "sum" over the batch, or "none": ``[B]``.
        rate: of the waveforms, in Hz. Nothing in a waveform tells it: a wrong one is heard as another speed.
        checkpointing: keep no activations for the gradient and compute them again, a few windows at a time: memory
            grows with the waveforms alone, and the forward pass runs twice.

    Shape:
        Two times ``[B, T]`` or ``[B, C, T]`` to a number, or to ``[B]``.

    Raises:
        PerceptError: an unknown embedding, distance, layer or reduction; an embedding without a gradient; a rate that
            is not positive; weights that cannot be had.
    """

    def __init__(
        self,
        embedding: str = "openl3",
        distance: str = "l1",
        *,
        layers: Layers = "last",
        weights: weights.Mode | Weights = "auto",
        reduction: Reduction = "mean",
        rate: int = RATE_HZ,
        checkpointing: bool = False,
    ) -> None:
        super().__init__(reduction)
        if distance not in DISTANCES:
            raise PerceptError(f"there is no distance called '{distance}'{nearest(distance, DISTANCES)}")
        if rate <= 0 or rate != int(rate):
            raise PerceptError(f"the rate is a positive whole number of samples a second, not {rate}")
        embedder, self.trained = _built(embedding, weights)
        if not embedder.differentiable:
            raise PerceptError(f"'{embedding}' rounds its output, so it has no gradient; choose its output 'raw'")
        self.embedding, self.distance, self.rate, self.checkpointing = embedding, distance, int(rate), checkpointing
        self.layers = _weighted(layers, embedder)
        self.network = _Frozen(embedder)
        self.eval()

    @property
    def embedder(self) -> Embedder:
        """The frozen network with its front end."""
        return self.network.embedder

    @property
    def layer_names(self) -> tuple[str, ...]:
        """The layers to choose from, in order."""
        return self.embedder.layer_names

    def rows(self, reference: Tensor, degraded: Tensor) -> Tensor:
        """The loss of each pair, ``[B]``."""
        distances = self._distances(reference, degraded)
        total = torch.stack([weight * distances[name] for name, weight in self.layers.items()]).sum(dim=0)
        return total.to(torch.promote_types(degraded.dtype, torch.float32))

    def balance(self, reference: Tensor, degraded: Tensor) -> Self:
        """Set the weights so that on these pairs each chosen layer makes the same part of the loss, which is 1.

        Layers have units of their own, so equal weights leave the sum to the one with the largest numbers.

        Args:
            reference: as in `forward`; a typical batch.
            degraded: the same shape, and not identical.

        Raises:
            PerceptError: a layer does not tell the two apart.
        """
        with torch.no_grad():
            found = {name: float(rows.mean()) for name, rows in self.by_layer(reference, degraded).items()}
        for name, value in found.items():
            if not value > 0:
                raise PerceptError(f"{name} does not tell these waveforms apart: are they identical?")
        self.layers = {name: 1 / (len(found) * value) for name, value in found.items()}
        return self

    def by_layer(self, reference: Tensor, degraded: Tensor) -> dict[str, Tensor]:
        """The distance at each chosen layer, without its weight: waveforms as in `forward` to float64 ``[B]`` each."""
        return self._distances(*monaural(reference, degraded))

    def _distances(self, reference: Tensor, degraded: Tensor) -> dict[str, Tensor]:
        embedder = self.embedder
        if any(parameter.requires_grad for parameter in embedder.parameters()):  # by a parent's `requires_grad_`
            embedder.requires_grad_(False)
        found = []
        # Autocast would round away most of a small difference, and its gradient.
        with torch.autocast(embedder.device.type, enabled=False):
            for pair in zip(*(embedder.stretches(w, self.rate) for w in (reference, degraded)), strict=True):
                if self.checkpointing and torch.is_grad_enabled():
                    found.append(checkpoint(self._kept, *pair, use_reentrant=False))
                else:
                    found.append(self._kept(*pair))
        clip, count = DISTANCES[self.distance].clip, reference.shape[0]
        layers = zip(self.layers, *found, strict=True)
        return {name: clip(torch.cat(kept).reshape(count, -1, kept[0].shape[-1])).double() for name, *kept in layers}

    def _kept(self, reference: Sequence[Tensor], degraded: Sequence[Tensor]) -> list[Tensor]:
        """What the distance keeps of the windows of some pieces, for each layer in turn ``[N, K]``."""
        keep, embedder = DISTANCES[self.distance].window, self.embedder
        kept = {}
        windows = (embedder.cut(pieces) for pieces in (reference, degraded))
        layers = (embedder.activations(embedder.spectrogram(own)) for own in windows)
        for (name, ours), (_, theirs) in zip(*layers, strict=True):
            if name in self.layers:
                kept[name] = keep(_single(ours), _single(theirs))
            if len(kept) == len(self.layers):  # what comes after the last chosen layer is not computed
                break
        return [kept[name] for name in self.layers]

    def train(self, mode: bool = True) -> Self:
        """Stay in evaluation mode, whatever the module does that this one is a part of."""
        return super().train(False)

    def extra_repr(self) -> str:
        """What was chosen."""
        layers = ", ".join(f"{name}: {weight:g}" for name, weight in self.layers.items())
        control = "" if self.trained else ", untrained control"
        options = f"rate={self.rate}, reduction='{self.reduction}', checkpointing={self.checkpointing}"
        return f"'{self.embedding}', '{self.distance}', layers={{{layers}}}, {options}{control}"


class _Frozen(nn.Module):
    """Holds a network that moves with its parent, but stands in no state dict and is missed by none."""

    def __init__(self, embedder: Embedder) -> None:
        super().__init__()
        self.inner = embedder
        self.register_load_state_dict_post_hook(_forget_missing)  # type: ignore[no-untyped-call]

    @property
    def embedder(self) -> Embedder:
        """The network."""
        return self.inner

    def state_dict(self, *args: Any, destination: State | None = None, **options: Any) -> State:  # type: ignore[override]
        """Nothing."""
        return {} if destination is None else destination

    def _load_from_state_dict(self, state_dict: State, prefix: str, *rest: Any) -> None:
        # The hook that follows is told all keys that are missing anywhere, but not where this module stands.
        self._prefix = prefix
        super()._load_from_state_dict(state_dict, prefix, *rest)


def _forget_missing(module: _Frozen, incompatible: Any) -> None:
    incompatible.missing_keys[:] = [k for k in incompatible.missing_keys if not k.startswith(module._prefix)]


def _built(embedding: str, chosen: weights.Mode | Weights) -> tuple[Embedder, bool]:
    """A network of this loss's own, which may be moved and changed, and whether it is not the untrained control."""
    record, options = embeddings.parse(embedding)
    if isinstance(chosen, Weights):
        found = chosen
    else:
        if chosen not in get_args(weights.Mode):
            raise PerceptError(f"weights '{chosen}' are unknown{nearest(chosen, get_args(weights.Mode))}")
        found, warning = weights.resolve(record.files(options), chosen, quiet=True, title=record.title)
        if warning:
            warnings.warn(warning, stacklevel=3)
    network: Embedder = record.build(options, found)
    return network, found.kind != "untrained"


def _weighted(layers: Layers, embedder: Embedder) -> dict[str, float]:
    """The chosen layers with their weights."""
    if layers == "last":
        return {LAST: 1.0}
    if layers == "all":
        layers = embedder.layer_names
    if isinstance(layers, str):
        layers = [layers]
    found = dict(layers) if isinstance(layers, Mapping) else dict.fromkeys(layers, 1 / max(len(set(layers)), 1))
    for name in found:
        if name not in embedder.layer_names:
            known = ("last", "all", *embedder.layer_names)
            raise PerceptError(f"{embedder.title} has no layer '{name}'{nearest(name, known)}")
    if not found:
        raise PerceptError(f"no layer was chosen; {embedder.title} has {', '.join(embedder.layer_names)}")
    return {name: float(weight) for name, weight in found.items()}


def _single(layer: Tensor) -> Tensor:
    """In float32 at least: differences of numbers in bfloat16 are mostly rounding."""
    return layer.to(torch.promote_types(layer.dtype, torch.float32))
