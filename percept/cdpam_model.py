"""CDPAM's network, and its weights from the pip package `cdpam`, read without running code from them.

    waveform at 22.05 kHz, in 16-bit steps
        → 4 stages of 4 × (convolution of 15 taps, batch normalisation, leaky ReLU 0.1), every second sample kept
        → mean over time → 512 acoustic and 512 content features
    distance: both acoustic halves, scaled to length 1 → full layers 256, 64, 16, 4 (leaky ReLU 0.01 between)
        → sum over layers of |weight · difference|

Source: P. Manocha, Z. Jin, R. Zhang and A. Finkelstein, CDPAM: Contrastive Learning for Perceptual Audio Similarity,
ICASSP 2021; package cdpam 0.0.6 (MIT). The package itself is not imported: it asks for a GPU and for a numpy of old.

Contents: `Encoder`, `Comparison`, `load`, `sixteen_bit`, `RestrictedUnpickler`.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import io
import pickle
import types
from collections import deque
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from percept.overlap_save import correlate
from percept.schema import PerceptError, Unscorable

RATE_HZ = 22050
ACOUSTIC = 512
FEATURES = 2 * ACOUSTIC
TAPS = 15
STAGES = (64, 128, 256, 512)
"""Channels of each stage's first three convolutions; its last one has twice as many."""
STRIDE = 2 ** len(STAGES)
"""Samples from one frame of the last convolution to the next."""
REACH = 27 * STRIDE
"""Samples, in whole frames, that a frame depends on to either side: 4 · 7 · (1 + 2 + 4 + 8) = 420 at least."""
CHUNK = 5512 * STRIDE
"""Samples that are encoded at once, 4 s: in longer ones the kernels' transform costs less, but memory more."""
WIDTHS = (ACOUSTIC, 256, 64, 16, 4)
WEIGHTS_FILE = "CDPAM_trained/scratchJNDdefault_best_model.pth"
SHA256 = "453c8b6edee1a94f0120236156436ff28fe4d8d884485e4a67695c8e8570bdfe"
ALLOWED = {("collections", "OrderedDict"), ("torch._utils", "_rebuild_tensor_v2")}
"""All that the weight file names."""


class Encoder(nn.Module):
    """The sixteen convolutions.

    Shape:
        ``[N, T]`` in 16-bit steps to ``[N, 1024]``: 512 acoustic, then 512 content features.
    """

    def __init__(self) -> None:
        super().__init__()
        channels = [1, *(width for stage in STAGES for width in (stage, stage, stage, 2 * stage))]
        pairs = list(pairwise(channels))
        self.encoder = nn.ModuleList(nn.Conv1d(i, o, TAPS, padding="same", device="meta") for i, o in pairs)
        self.ebatch = nn.ModuleList(nn.BatchNorm1d(o, device="meta") for _, o in pairs)

    def layers(self, waveform: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Each convolution's output after its activation, ``[N, C, time]``: conv1 … conv16."""
        values = waveform[:, None].to(self.encoder[0].weight.dtype)  # type: ignore[arg-type]
        for number, (convolution, norm) in enumerate(zip(self.encoder, self.ebatch, strict=True), start=1):
            values = functional.leaky_relu(_convolved(values, convolution, norm), 0.1)
            yield f"conv{number}", values
            if number % len(STAGES) == 0:
                values = values[..., ::2]

    def forward(self, waveform: Tensor) -> Tensor:
        """The mean over time of the last convolution's frames, summed chunk by chunk."""
        length = waveform.shape[-1]
        total: Tensor = torch.zeros((), device=waveform.device)
        for start in range(0, length, CHUNK):
            before = min(start, REACH)
            part = waveform[:, start - before : start + CHUNK + REACH]
            # Each layer is let go as soon as the next is there.
            ((_, values),) = deque(self.layers(part), maxlen=1)
            # The frames of the neighbours' samples are cut off; at the clip's own ends there are none.
            frames = values[..., ::2][..., before // STRIDE : (before + CHUNK) // STRIDE]
            total = total + frames.sum(dim=-1)
        mean: Tensor = total / -(-length // STRIDE)
        return mean


def _convolved(values: Tensor, convolution: Any, norm: Any) -> Tensor:
    """Convolution and normalisation: by overlap-save on a CPU, where that takes less than half of the time."""
    if values.device.type != "cpu" or values.dtype not in {torch.float32, torch.float64} or norm.training:
        result: Tensor = norm(convolution(values))
        return result
    scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
    kernels, bias = convolution.weight * scale[:, None, None], (convolution.bias - norm.running_mean) * scale
    return correlate(values, kernels, bias + norm.bias)


class Comparison(nn.Module):
    """The distance of two clips' acoustic features.

    Shape:
        Two times ``[N, 512]``, of any length, to ``[N]``.
    """

    def __init__(self) -> None:
        super().__init__()
        pairs = list(pairwise(WIDTHS))
        self.convs = nn.ModuleList(nn.Sequential(nn.Linear(i, o, device="meta")) for i, o in pairs)
        self.chan_w = nn.ParameterList(nn.Parameter(torch.empty(o, device="meta")) for _, o in pairs)

    def forward(self, reference: Tensor, degraded: Tensor) -> Tensor:
        """Sum over layers and their units of the weighted absolute difference."""
        ours, theirs = functional.normalize(reference), functional.normalize(degraded)
        distance = ours.new_zeros(ours.shape[0])
        for number, (layer, weight) in enumerate(zip(self.convs, self.chan_w, strict=True), start=1):
            ours, theirs = layer(ours), layer(theirs)
            if number < len(self.convs):
                ours, theirs = functional.leaky_relu(ours), functional.leaky_relu(theirs)
            distance = distance + (weight * (theirs - ours)).abs().sum(dim=1)
        return distance


def sixteen_bit(waveform: Tensor) -> Tensor:
    """The waveform in whole 16-bit steps, which the network was trained on; gradients pass as if unrounded."""
    steps = waveform * 32768
    return steps + (steps.round() - steps).detach()


@functools.cache
def load() -> tuple[Encoder, Comparison]:
    """The trained network, frozen; read once in each process and shared, so copy it before changing it.

    Raises:
        Unscorable: the package is not installed.
        PerceptError: its weight file is not the published one.
    """
    state = read_state(_weights_path().read_bytes())
    encoder, comparison = Encoder(), Comparison()
    for prefix, module in (("base_encoder.", encoder), ("model_dist.", comparison)):
        module.load_state_dict(_part(state, prefix), assign=True)
        module.requires_grad_(False).eval()
    return encoder, comparison


def read_state(content: bytes) -> Mapping[str, Tensor]:
    """The tensors in the bytes of the published weight file, by name.

    Raises:
        PerceptError: these are other bytes.
    """
    found = hashlib.sha256(content).hexdigest()
    if found != SHA256:
        raise PerceptError(f"CDPAM: {WEIGHTS_FILE} is not the published one (sha256 {found}, published {SHA256})")
    return dict(restricted_load(content)["state"])


def restricted_load(content: bytes) -> Any:
    """What ``torch.load`` makes of `content` with `RestrictedUnpickler` in pickle's place.

    torch's own restricted reader does not know this file's old opcodes.

    Raises:
        pickle.UnpicklingError: the content names anything but tensors and dictionaries.
    """
    return torch.load(io.BytesIO(content), map_location="cpu", weights_only=False, pickle_module=_RESTRICTED)


class RestrictedUnpickler(pickle.Unpickler):
    """Makes tensors and dictionaries, and calls nothing else that a file may name."""

    def find_class(self, module: str, name: str) -> Any:
        """The function or class of this name, if it is one of `ALLOWED`."""
        if (module, name) not in ALLOWED:
            raise pickle.UnpicklingError(f"the file wants to run {module}.{name}")
        return super().find_class(module, name)


def _load_restricted(file: Any, **options: Any) -> Any:
    return RestrictedUnpickler(file, **options).load()


_RESTRICTED = types.SimpleNamespace(__name__="restricted", Unpickler=RestrictedUnpickler, load=_load_restricted)
"""As much of a pickle module as torch asks for."""


def _part(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}


def _weights_path() -> Path:
    # The place of a package that is not imported.
    found = importlib.util.find_spec("cdpam")
    for folder in (found and found.submodule_search_locations) or []:
        if (path := Path(folder) / WEIGHTS_FILE).is_file():
            return path
    raise Unscorable("CDPAM: the package cdpam, which carries the weights, is not installed")
