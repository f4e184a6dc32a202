"""The networks of the neural codecs: built, filled with their numbers, run."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from percept import dsp
from percept.codecs import _clips, _container
from percept.codecs.neural import NETWORKS, Network
from percept.records import Coded, Weights
from percept.schema import Array, Clip, PerceptError

if TYPE_CHECKING:
    from percept.codecs._container import Codes

CODEBOOKS = (".codebook.embed", ".codebook.embed_sum")
"""Codebooks that the library begins with zeros, so that every code would be 0."""

_built: dict[tuple[object, ...], Any] = {}


def code(clip: Clip, kbps: float, weights: Weights, network: Network) -> Coded:
    """See `percept.codecs.neural.code`."""
    samples = _clips.channels(clip)
    codebooks = network.codebooks_for(kbps, samples.shape[0])
    content, payload = encode(clip, codebooks, weights, network)
    decoded = decode(content, weights)
    size = 8 * len(content)
    facts = _clips.rates(clip, kbps, payload, size) | {
        "coded_rate": network.rate,
        "codebooks": codebooks,
        "weights": weights.identity,
        "torch": torch.__version__,
        "transformers": importlib.import_module("transformers").__version__,
    }
    return Coded(decoded.reshape(clip.samples.shape), payload, size, facts)


def encode(clip: Clip, codebooks: int, weights: Weights, network: Network) -> tuple[bytes, int]:
    """The file of a clip, and the bits of the codes and scales in it."""
    samples = _clips.channels(clip)
    header = _container.Header(network.number, codebooks, samples.shape[0], clip.rate, samples.shape[1])
    model = load(network, weights)
    signal = _batch(_clips.at_rate(samples, clip.rate, network.rate), network)
    codes, scales = [], []
    with torch.inference_mode():
        for start, end in network.spans(signal.shape[-1]):
            found, scale = _encode_chunk(model, signal[..., start:end], codebooks, network)
            codes.append(found.numpy())
            scales += [] if scale is None else [float(scale)]
    bits = sum(chunk.size for chunk in codes) * network.bits + 32 * len(scales)
    return _container.pack(header, codes, np.array(scales, np.float32), network.bits), bits


def decode(content: bytes, weights: Weights) -> Array:
    """The clip in a file, ``[C, T]`` at the clip's own rate; needs nothing but the file and the weights.

    Raises:
        PerceptError: when it is no such file, or not whole.
    """
    header = _container.read_header(content)
    network = {known.number: known for known in NETWORKS}.get(header.network)
    if network is None:
        raise PerceptError(f"the neural codec file was made by a network with the unknown number {header.network}")
    samples = ceil(header.samples * network.rate / header.rate)
    frames = network.frames(samples)
    streams = network.streams(header.channels)
    shapes = [(streams, header.codebooks, count) for count in frames]
    codes, scales = _container.unpack(content, shapes, len(frames) if network.chunk else 0, network.bits)
    heard = _decode_chunks(load(network, weights), codes, scales, network)
    if header.channels < heard.shape[0]:
        heard = dsp.mono(heard)[None]
    empty = np.zeros((header.channels, header.samples), np.float32)
    return _clips.restored(heard[:, :samples], network.rate, Clip(empty, header.rate))


def load(network: Network, weights: Weights) -> Any:
    """The network with these weights, built once in each process, on the CPU.

    Raises:
        PerceptError: when the weight file cannot be read or does not fit.
    """
    key = (network.name, weights.kind, weights.identity, weights.seed)
    if key not in _built:
        _built[key] = pretrained(network, weights) if weights.kind == "pretrained" else untrained(network, weights.seed)
    return _built[key]


def untrained(network: Network, seed: int) -> Any:
    """The control: the library's own initial numbers, drawn from a seed, and standard normal codebooks."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = _class(network)(_configuration(network)).eval()
        for name, numbers in model.named_buffers():
            if name.endswith(CODEBOOKS):
                numbers.normal_()
    return model


def pretrained(network: Network, weights: Weights) -> Any:
    """The network with the numbers of the official file.

    The library maps older names in the file to its present ones; every tensor must then be there, in its shape, and
    none may be left over.

    Raises:
        PerceptError: when the file cannot be read or does not fit.
    """
    path = weights.files[network.file.name]
    tensors = _tensors(path)
    with _quiet(), torch.random.fork_rng(devices=[]):
        model, found = _class(network).from_pretrained(
            None,
            config=_configuration(network),
            state_dict=tensors,
            dtype=torch.float32,
            ignore_mismatched_sizes=True,
            output_loading_info=True,
        )
    for word, kind in (("lacks", "missing_keys"), ("has another shape for", "mismatched_keys"),
                       ("has unknown", "unexpected_keys")):  # fmt: skip
        if names := sorted(str(name) for name in found[kind]):
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            raise PerceptError(f"{path} is not {network.repository}'s weight file: it {word} {names[0]}{more}")
    return model.eval()


def _tensors(path: Path) -> Mapping[str, torch.Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (OSError, SafetensorError) as problem:
        raise PerceptError(f"{path} is not a safetensors file that can be read ({problem})") from None


def _class(network: Network) -> Any:
    return getattr(importlib.import_module("transformers"), network.model)


def _configuration(network: Network) -> Any:
    name = network.model.replace("Model", "Config")
    return getattr(importlib.import_module("transformers"), name)(**network.settings)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the library's progress bar and report off the terminal; what is wrong is told in one line by us."""
    logging = importlib.import_module("transformers.utils.logging")
    level, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(logging.CRITICAL)
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bar:
            logging.enable_progress_bar()


def _batch(samples: Array, network: Network) -> torch.Tensor:
    """``[C, T]`` as the network wants it: ``[C, 1, T]``, or ``[1, 2, T]`` for a network of two channels."""
    if network.channels == 1:
        return torch.from_numpy(samples)[:, None]
    return torch.from_numpy(np.broadcast_to(samples, (network.channels, samples.shape[-1])).copy())[None]


def _encode_chunk(
    model: Any, signal: torch.Tensor, codebooks: int, network: Network
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Codes ``[streams, K, F]`` of one chunk, and its scale where the network normalises."""
    if network.model == "EncodecModel":
        found = model.encode(signal, bandwidth=network.kbps(codebooks))
        return found.audio_codes[0], found.audio_scales[0]
    if network.model == "DacModel":  # drops what does not fill a frame
        filled = torch.nn.functional.pad(signal, (0, -signal.shape[-1] % network.hop))
        return model.encode(filled, n_quantizers=codebooks).audio_codes, None
    return model.encode(signal, num_quantizers=codebooks).audio_codes, None


def _decode_chunks(model: Any, codes: list[Codes], scales: Array, network: Network) -> Array:
    """``[C, T']`` at the network's rate, with T' ≥ T."""
    tensors = [torch.from_numpy(chunk) for chunk in codes]
    with torch.inference_mode():
        if network.model == "EncodecModel":
            last = tensors[-1]
            missing = tensors[0].shape[-1] - last.shape[-1]
            tensors[-1] = torch.nn.functional.pad(last, (0, missing))
            factors: list[Any] = [torch.tensor([[scale]]) for scale in scales] or [None]
            heard = model.decode(torch.stack(tensors), factors, last_frame_pad_length=missing).audio_values
        else:
            heard = model.decode(audio_codes=tensors[0]).audio_values
    values: Array = heard.numpy()
    return values.reshape(-1, values.shape[-1])
