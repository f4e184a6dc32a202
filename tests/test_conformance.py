"""Our ports against the outputs of the reference implementations, with deterministic untrained weights.

The vectors (see conformance/README.md in the folder that ``PERCEPT_SHARED`` names) are outputs of marl/openl3
of May 2023 on TensorFlow 2.15.1 and of torchvggish 0.1 on torch 2.13, both with resampy 0.2.2. Tolerances are
twice what that README reports for a port in double precision; the rest is the reference's own float32
rounding noise.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from percept.embeddings import embed
from percept.embeddings._openl3_network import OpenL3Embedder
from percept.embeddings._openl3_weights import layout as openl3_layout
from percept.embeddings._openl3_weights import read_keras
from percept.embeddings._vggish_network import VGGishEmbedder
from percept.embeddings._vggish_weights import layout as vggish_layout
from percept.embeddings._vggish_weights import untrained, untrained_pca
from percept.embeddings.openl3 import OpenL3
from percept.embeddings.vggish import VGGish
from percept.schema import Array, Clip

REPRESENTATIONS = ("mel256", "mel128", "linear")
CLIPS = ("speech16k", "chirp44k")
FRAMES = 2
"""OpenL3 frames to compare of each file; each costs 20 GFLOP."""

FRONT_END_DB = {  # mean |difference| on the identical samples
    ("mel256", "speech16k"): 0.006,
    ("mel256", "chirp44k"): 0.1,
    ("mel128", "speech16k"): 0.03,
    ("mel128", "chirp44k"): 0.18,
    ("linear", "speech16k"): 0.32,
    ("linear", "chirp44k"): 0.46,
}
# Lowest cosine of a frame and relative error, from the file to the embedding. The chirp is all floor and one
# line.
END_TO_END = {
    ("mel256", "speech16k"): (0.99998, 5e-3),
    ("mel128", "speech16k"): (0.9999, 7e-3),
    ("linear", "speech16k"): (0.9997, 2e-2),
    ("mel256", "chirp44k"): (0.9996, 3e-2),
    ("mel128", "chirp44k"): (0.9993, 4e-2),
    ("linear", "chirp44k"): (0.9995, 3e-2),
}


def relative_error(value: Array, reference: Array) -> float:
    return float(np.linalg.norm(value - reference) / np.linalg.norm(reference))


def worst_cosine(value: Array, reference: Array) -> float:
    norms = np.linalg.norm(value, axis=1) * np.linalg.norm(reference, axis=1)
    return float(((value * reference).sum(axis=1) / norms).min())


def clip_named(folder: Path, name: str, seconds: float) -> Clip:
    if name == "speech16k":
        samples, rate = soundfile.read(folder / "speech16k.wav", dtype="float32")
        return Clip(samples, rate)
    t = np.arange(int(44100 * seconds)) / 44100
    return Clip((0.5 * np.sin(2 * np.pi * (100 * t + 7900 / (2 * seconds) * t**2))).astype(np.float32), 44100)


@pytest.fixture(scope="module")
def openl3_tensors() -> list[Array]:
    """The weights of conformance/README.md, in Keras' order."""
    tensors: list[Array] = []
    for number, (name, shape) in enumerate(openl3_layout()):
        r = np.random.RandomState(7000 + number).standard_normal(shape)
        kind = name.split()[1]
        if kind == "kernel":
            r *= np.sqrt(2 / np.prod(shape[:3]))
        elif kind == "bias":
            r *= 0.05
        elif kind == "moving_variance":
            r = 1 + 0.1 * np.abs(r)
        else:
            r = 0.1 * r + (kind == "gamma")
        tensors.append(r.astype(np.float32))
    tensors[2][:], tensors[3][:] = -40, 400
    return tensors


@pytest.fixture(scope="module")
def vggish_tensors() -> dict[str, torch.Tensor]:
    """The weights of conformance/README.md, under torchvggish's names."""
    tensors = {}
    for number, (name, shape) in enumerate(vggish_layout().items()):
        r = np.random.RandomState(7100 + number).standard_normal(shape)
        r *= np.sqrt(2 / np.prod(shape[1:])) if name.endswith("weight") else 0.05
        tensors[name] = torch.from_numpy(r.astype(np.float32))
    return tensors


@pytest.mark.parametrize("clip", CLIPS)
@pytest.mark.parametrize("representation", REPRESENTATIONS)
def test_openl3_front_end(shared: Path, representation: Any, clip: str) -> None:
    """The spectrogram of identical samples is the reference's, but for its float32 rounding noise."""
    from percept.embeddings._frontends import openl3_decibels

    vectors = np.load(shared / f"conformance/openl3/{clip}_{representation}_frontend.npz")
    ours = openl3_decibels(torch.from_numpy(vectors["frame_48k"][0]).double(), representation, "v04").numpy()
    assert ours.shape == vectors["db"].shape
    assert np.abs(ours - vectors["db"]).mean() < FRONT_END_DB[representation, clip]


@pytest.mark.parametrize("clip", CLIPS)
@pytest.mark.parametrize("size", [512, 6144])
@pytest.mark.parametrize("representation", REPRESENTATIONS)
def test_openl3_network(shared: Path, openl3_tensors: list[Array], representation: Any, size: Any, clip: str) -> None:
    """On the reference's own spectrogram the network gives the reference's embedding to float32 rounding."""
    folder = shared / "conformance/openl3"
    spectrogram = np.load(folder / f"{clip}_{representation}_frontend.npz")["db"]
    reference = np.load(folder / f"{clip}_{representation}_{size}_nocenter_hop0.5.npz")["embedding"][:1]
    embedder = OpenL3Embedder(OpenL3(representation=representation, size=size), openl3_tensors)
    with torch.no_grad():
        ours = dict(embedder.activations(torch.from_numpy(spectrogram).double()))["embedding"].numpy()
    assert relative_error(ours, reference) < 1e-5


@pytest.mark.parametrize("clip", CLIPS)
@pytest.mark.parametrize("size", [512, 6144])
@pytest.mark.parametrize("representation", REPRESENTATIONS)
def test_openl3_end_to_end(
    shared: Path, openl3_tensors: list[Array], representation: Any, size: Any, clip: str
) -> None:
    """From the file to the embedding, centred or not, at both hops: same frames, same times, same numbers."""
    folder = shared / "conformance/openl3"
    audio = clip_named(folder, clip, 1.7)
    cosine, error = END_TO_END[representation, clip]
    for centring, hop in (("center", 0.1), ("nocenter", 0.5)):
        vectors = np.load(folder / f"{clip}_{representation}_{size}_{centring}_hop{hop}.npz")
        options = OpenL3(representation=representation, size=size, hop=hop, centre=centring == "center")
        embedder = OpenL3Embedder(options, openl3_tensors)
        count = embedder.frames(audio.samples.size, audio.rate)
        np.testing.assert_allclose(embedder.timestamps(count), vectors["timestamps"], atol=1e-9)
        windows = embedder.windows(torch.from_numpy(audio.samples)[None], audio.rate)[0]
        assert len(windows) == count
        with torch.no_grad():
            ours = torch.cat([embedder.encode(window[None]) for window in windows[:FRAMES]]).numpy()
        reference = vectors["embedding"][:FRAMES]
        assert worst_cosine(ours, reference) > cosine
        assert relative_error(ours, reference) < error


def test_openl3_file_of_the_reference(shared: Path, openl3_tensors: list[Array]) -> None:
    """The file that the reference saved holds the seeded weights, in the order in which we read them."""
    found = read_keras(shared / "conformance/openl3/weights_seed7000_mel256.h5")
    assert len(found) == len(openl3_tensors)
    assert all(np.array_equal(a, b) for a, b in zip(found, openl3_tensors, strict=True))


@pytest.mark.parametrize("clip", CLIPS)
def test_vggish_log_mel(shared: Path, vggish_tensors: dict[str, torch.Tensor], clip: str) -> None:
    """Examples are the reference's to 1e-5, at 16 kHz and also through resampy 0.2's filter from 44.1 kHz."""
    folder = shared / "conformance/vggish"
    audio = clip_named(folder, clip, 3.1)
    embedder = VGGishEmbedder(VGGish(), vggish_tensors)
    windows = embedder.windows(torch.from_numpy(audio.samples)[None], audio.rate)[0]
    reference = np.load(folder / f"{clip}.npz")["examples"]
    assert np.abs(embedder.spectrogram(windows[:2]).numpy() - reference).max() < 1e-5


@pytest.mark.parametrize("clip", CLIPS)
@pytest.mark.parametrize("output", ["raw", "relu", "quantised"])
def test_vggish_embedding(shared: Path, vggish_tensors: dict[str, torch.Tensor], output: Any, clip: str) -> None:
    """Every output is the reference's to 1e-5; of the rounded ones hardly any falls to the other side."""
    folder = shared / "conformance/vggish"
    rotation, _ = np.linalg.qr(np.random.RandomState(7200).standard_normal((128, 128)))
    means = 0.3 * np.random.RandomState(7201).standard_normal((128, 1))
    pca = (torch.from_numpy(rotation.astype(np.float32)), torch.from_numpy(means.astype(np.float32)[:, 0]))
    ours = embed(VGGishEmbedder(VGGish(output=output), vggish_tensors, pca), clip_named(folder, clip, 3.1))
    reference = np.load(folder / f"{clip}.npz")[output]
    assert ours.shape == reference.shape
    if output == "quantised":
        assert np.abs(ours - reference).max() <= 1
        assert (ours != reference).mean() < 0.01
    else:
        assert relative_error(ours, reference) < 1e-5


def test_vggish_exact_filter_is_not_resampy(shared: Path, vggish_tensors: dict[str, torch.Tensor]) -> None:
    """With the exact filter a chirp from 44.1 kHz is 5 % off the reference, whose filter is coarse there."""
    folder = shared / "conformance/vggish"
    embedder = VGGishEmbedder(VGGish(resampler="exact"), vggish_tensors)
    ours, reference = (
        embed(embedder, clip_named(folder, "chirp44k", 3.1)),
        np.load(folder / "chirp44k.npz")["raw"],
    )
    assert 1e-2 < relative_error(ours, reference) < 6e-2


@pytest.mark.filterwarnings("ignore::SyntaxWarning", "ignore::DeprecationWarning")
def test_vggish_is_torchvggish() -> None:
    """The installed torchvggish, given our untrained weights, computes what we compute."""
    theirs = pytest.importorskip("torchvggish.torchvggish", reason="torchvggish is not installed")
    examples = pytest.importorskip("torchvggish.vggish_input", reason="torchvggish cannot be imported")
    samples = np.random.default_rng(1).normal(0, 0.1, 3 * 16000).astype(np.float32)
    tensors, pca = untrained(0), untrained_pca(0)
    with torch.device("meta"):
        network = theirs._vgg(postprocess=False)
    network.load_state_dict(tensors, assign=True)
    network.pproc = theirs.Postprocessor.__new__(theirs.Postprocessor)
    network.pproc._pca_matrix, network.pproc._pca_means = pca[0].float(), pca[1].float()[:, None]
    with torch.no_grad():
        relu = network(examples.waveform_to_examples(samples.astype(np.float64), 16000)).numpy()
        network.postprocess = True
        quantised = network(examples.waveform_to_examples(samples.astype(np.float64), 16000)).numpy()
    clip = Clip(samples, 16000)
    assert relative_error(embed(VGGishEmbedder(VGGish("relu"), tensors), clip), relu) < 1e-5
    ours = embed(VGGishEmbedder(VGGish("quantised"), tensors, pca), clip)
    assert np.abs(ours - quantised).max() <= 1 and (ours != quantised).mean() < 0.01
