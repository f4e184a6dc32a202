"""Losses: values on paper, the values of the scoring path, gradients, and life within other modules."""

from __future__ import annotations

import copy
import io
import math
import pickle
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from conftest import RATE_HZ, ROOT, Script, chirp
from torch import Tensor, nn
from torch.autograd import gradcheck

import percept
from percept import metrics, weights
from percept.embeddings import EMBEDDINGS, embed, load, parse
from percept.embeddings._resample import resample
from percept.loss import perceptual
from percept.loss.distances import DISTANCES
from percept.loss.perceptual import PerceptualLoss
from percept.loss.stft import MultiResolutionSTFTLoss
from percept.loss.terms import Loss, WeightedSum
from percept.metrics import METRICS, SIMILARITIES
from percept.schema import Clip, PerceptError, Unscorable

SPECS = {"openl3": "openl3:mel128,hop=1,centre=false", "vggish": "vggish", "cdpam": "cdpam", "logmel": "logmel"}
"""Every embedding; OpenL3 with its smaller network and few frames."""
CDPAM_WINDOW = 1102
"""Its network computes for seconds over each second of audio, so that most tests give it windows of 0.05 s."""
SECONDS = {"openl3": 0.99, "cdpam": 0.09, "vggish": 1.1, "logmel": 1.1}
"""One window of OpenL3 and VGGish, more of the others."""
LARGE = ("openl3", "vggish", "cdpam")
"""Of these, all but the mean absolute difference of the last layers is left to the slow tests; CDPAM's, too."""
CDPAM_SLOWLY = pytest.param("cdpam", marks=pytest.mark.slow)
LAYERS = ("last", "all", "inner")
COMBINATIONS = [
    pytest.param(
        name,
        distance,
        layers,
        id=f"{name}-{distance}-{layers}",
        marks=[pytest.mark.slow] if name in LARGE and ((distance, layers) != ("l1", "last") or name == "cdpam") else [],
    )
    for name, distance, layers in product(SPECS, DISTANCES, LAYERS)
    if not (name == "logmel" and layers == "inner")
]
SCORED = {"l1": "l1", "l2": "l2", "frechet": "frechet", "cosine": "similarity"}


@cache
def numbers(name: str) -> weights.Weights:
    record, options = parse(name)
    return weights.resolve(record.files(options), "untrained", title=record.title)[0]


@pytest.fixture(scope="module", autouse=True)
def nothing_is_kept() -> Iterator[None]:
    """The networks that these tests share are let go of when all have run."""
    yield
    network.cache_clear()
    scored.cache_clear()
    torch._dynamo.reset()


@cache
def network(spec: str) -> PerceptualLoss:
    """A loss whose network others borrow: VGGish has 288 MB of numbers."""
    loss = PerceptualLoss(spec, weights=numbers(spec))
    if spec == "cdpam":
        loss.embedder.window = loss.embedder.hop = CDPAM_WINDOW
    return loss


def loss_of(spec: str, distance: str = "l1", layers: Any = "last", rate: int = RATE_HZ, again: bool = False) -> Any:
    """As `PerceptualLoss`, with a network that is there already."""
    loss = copy.copy(network(spec))
    if layers == "inner":
        layers = [loss.layer_names[1], loss.layer_names[-2]]
    loss.distance, loss.rate, loss.checkpointing = distance, rate, again
    loss.layers = perceptual._weighted(layers, loss.embedder)
    return loss


def waves(batch: int = 2, seconds: float = 1.1, noise: float = 0.02) -> tuple[Tensor, Tensor]:
    """Chirps ``[B, T]``, and the same with noise."""
    clean = torch.from_numpy(np.stack([chirp(seconds, seed=seed) for seed in range(batch)]))
    generator = torch.Generator().manual_seed(0)
    return clean, clean + noise * torch.randn(clean.shape, generator=generator)


def slope(loss: Loss, reference: Tensor, degraded: Tensor) -> tuple[float, Tensor]:
    """Value and gradient at the degraded waveform."""
    waveform = degraded.clone().requires_grad_()
    value = loss(reference, waveform)
    value.sum().backward()
    assert waveform.grad is not None
    return float(value.detach().sum()), waveform.grad


# Every combination


@pytest.mark.parametrize(("name", "distance", "layers"), COMBINATIONS)
def test_the_contract_of_a_loss(name: str, distance: str, layers: str) -> None:
    """0 on identical input, positive otherwise, symmetric; its gradient is of use; a batch is the mean of its rows."""
    loss = loss_of(SPECS[name], distance, layers)
    reference, degraded = waves(seconds=SECONDS[name])
    assert float(loss(reference, reference)) == pytest.approx(0, abs=1e-6)
    value, gradient = slope(loss, reference, degraded)
    assert value > 1e-6 and math.isfinite(value)
    assert loss.symmetric and float(loss(degraded, reference)) == pytest.approx(value, rel=1e-5)
    assert torch.isfinite(gradient).all() and gradient.abs().max() > 0
    assert (gradient.abs().amax(dim=1) > 0).all()
    step = 0.02 * value / float(gradient.square().sum())
    assert float(loss(reference, degraded - step * gradient).detach()) < value
    loss.reduction = "none"
    rows = loss(reference, degraded)
    assert rows.shape == (2,) and float(rows.mean()) == pytest.approx(value, rel=1e-6)
    alone = torch.cat([loss(reference[i : i + 1], degraded[i : i + 1]) for i in range(2)])
    assert torch.allclose(rows, alone, rtol=1e-5)


def test_reductions() -> None:
    """The mean, the sum, or every row."""
    found = [PerceptualLoss("logmel", reduction=kind)(*waves()) for kind in ("none", "mean", "sum")]
    assert found[0].shape == (2,) and float(found[1]) == pytest.approx(float(found[0].mean()), rel=1e-6)
    assert float(found[2]) == pytest.approx(float(found[0].sum()), rel=1e-6)


@pytest.mark.parametrize(
    ("name", "distance"),
    [pytest.param(n, d, marks=[pytest.mark.slow] if n in LARGE else []) for n, d in product(SPECS, DISTANCES)],
)
def test_silence_identity_and_clipping_have_finite_gradients(name: str, distance: str) -> None:
    """No NaN from a root or a logarithm of 0, from an angle of nothing, or from a covariance without extent."""
    loss = loss_of(SPECS[name], distance, "all")
    clean, noisy = waves(1, SECONDS[name])
    silence = torch.zeros_like(clean)
    clipped = (4 * clean).clamp(-1, 1)
    for reference, degraded in (
        (clean, clean),
        (silence, silence),
        (clean, silence),
        (silence, noisy),
        (clean, clipped),
    ):
        value, gradient = slope(loss, reference, degraded)
        assert math.isfinite(value) and torch.isfinite(gradient).all()
    # Nothing leads away from digital silence, but for CDPAM's leaking units: the page names it.
    assert value > 0 and bool(slope(loss, noisy, silence)[1].any()) == (name == "cdpam")


@cache
def scored(spec: str, whole: bool = False) -> tuple[list[Clip], list[Any]]:
    """Two clips and their embeddings by the scoring path; of CDPAM with short windows, unless `whole` is set."""
    rate = 22050
    clean = chirp(2.3 if spec != "cdpam" or whole else 0.22, rate=rate)
    clips = [Clip(clean, rate), Clip(clean + 0.01 * chirp(clean.size / rate, seed=3, rate=rate), rate)]
    embedder = network(spec).embedder if spec == "cdpam" and not whole else load(spec, numbers(spec))
    return clips, [embed(embedder, clip).astype(np.float64) for clip in clips]


@pytest.mark.parametrize(
    ("name", "distance", "whole"),
    [
        *(
            pytest.param(
                name, distance, False, marks=[pytest.mark.slow] if name == "cdpam" and distance != "l1" else []
            )
            for name, distance in product(SPECS, DISTANCES)
        ),
        pytest.param("cdpam", "l2", True, marks=pytest.mark.slow),
    ],
)
def test_the_scoring_path_gives_the_same(name: str, distance: str, whole: bool) -> None:
    """The loss is the measure that scoring computes from the embeddings, to 1e-5."""
    spec = SPECS[name]
    clips, frames = scored(spec, whole)
    assert len(frames[0]) > 1
    found = SIMILARITIES[SCORED[distance]].compute(*frames, np.zeros(frames[0].shape[1]))
    expected = 1 - found if distance == "cosine" else found
    loss = loss_of(spec, distance, rate=clips[0].rate)
    if whole:
        loss = PerceptualLoss(spec, distance, rate=clips[0].rate)
    value = float(loss(*(torch.from_numpy(clip.samples)[None] for clip in clips)).detach())
    assert value == pytest.approx(expected, abs=1e-5, rel=1e-5)
    assert value > 1e-7


def test_the_report_has_the_same_numbers(workplace: Path, scripts: dict[str, Script]) -> None:
    """What `analyze_results.py` writes for a pair is what the loss of the two files is."""
    assert [scripts[name]() for name in ("convert", "extract", "analyze")] == [0, 0, 0]
    import pandas as pd

    table = pd.read_csv(workplace / "results" / "measures.csv")
    rows = table[(table["item"] == "low") & (table["condition"] == "noise_0.01")].set_index("measure")["value"]
    read = [soundfile.read(workplace / "test_audio" / f"low_{version}.wav", dtype="float32")[0] for version in
            ("clean", "noise_0.01")]  # fmt: skip
    pair = [torch.from_numpy(samples)[None] for samples in read]
    for distance, measure in SCORED.items():
        value = float(loss_of("logmel", distance)(*pair))
        expected = rows[f"logmel_{measure}"]
        assert value == pytest.approx(1 - expected if distance == "cosine" else expected, rel=1e-5, abs=1e-6)


# Arithmetic


def test_distances_by_hand() -> None:
    """Two frames of two features have the values that the definitions give on paper."""
    ours, theirs = torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([[2.0, 0.0], [1.0, 0.0]])
    expected = {"l1": 3 / 4, "l2": math.sqrt(3 / 4), "cosine": 1 / 2, "frechet": 5 / 4 + 3 / 2 - 1}
    for name, distance in DISTANCES.items():
        assert float(distance.clip(distance.window(ours, theirs)[None])) == pytest.approx(expected[name], abs=1e-6)


@pytest.mark.parametrize("name", DISTANCES)
@pytest.mark.parametrize(("frames", "features"), [(3, 5), (7, 4)])
def test_distances_have_right_gradients(name: str, frames: int, features: int) -> None:
    """In double precision the gradient is that of finite differences, with few frames and with many."""
    distance = DISTANCES[name]
    generator = torch.Generator().manual_seed(1)
    ours, theirs = (torch.randn(2 * frames, features, generator=generator, dtype=torch.float64) for _ in range(2))

    def whole(a: Tensor, b: Tensor) -> Tensor:
        kept = distance.window(a, b)
        return distance.clip(kept.reshape(2, frames, -1))

    assert gradcheck(whole, (ours.requires_grad_(), theirs.requires_grad_()))


def test_frechet_of_random_frames() -> None:
    """Of two sets with covariances A and B it is the trace of A + B - 2 (AB)^½, with numbers of eigenvalues."""
    generator = np.random.default_rng(0)
    ours, theirs = generator.standard_normal((50, 3)), 2 * generator.standard_normal((50, 3)) + 1
    a, b = np.cov(ours.T), np.cov(theirs.T)
    root = np.sqrt(np.linalg.eigvals(a @ b).real).sum()
    expected = np.square(ours.mean(0) - theirs.mean(0)).sum() + np.trace(a) + np.trace(b) - 2 * root
    frechet = DISTANCES["frechet"]
    found = frechet.clip(frechet.window(*(torch.from_numpy(x) for x in (ours, theirs)))[None])
    assert float(found) == pytest.approx(expected, rel=1e-9)
    assert SIMILARITIES["frechet"].compute(ours, theirs, np.zeros(3)) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    "distance", [pytest.param(d, marks=[] if d == "frechet" else [pytest.mark.slow]) for d in DISTANCES]
)
def test_gradcheck_to_the_waveform(distance: str) -> None:
    """From the waveform through front end and distance, in double precision, at another rate."""
    loss = PerceptualLoss("logmel:bands=12", distance, rate=8000)
    generator = torch.Generator().manual_seed(0)
    reference, degraded = (0.1 * torch.randn(1, 420, generator=generator, dtype=torch.float64) for _ in range(2))
    assert gradcheck(loss, (reference.requires_grad_(), degraded.requires_grad_()), atol=1e-6, rtol=1e-4)


FRONT_ENDS = ["openl3", "openl3:linear,hop=0.5", "openl3:frontend=training", "vggish", "logmel"]


def directional(spec: str) -> tuple[float, float]:
    """The derivative of a front end's weighted sum along a random direction: by the gradient, and by differences."""
    embedder = load(spec, numbers(spec))
    generator = torch.Generator().manual_seed(0)
    window, way = (torch.randn(1, embedder.window, generator=generator, dtype=torch.float64) for _ in range(2))
    # Positive, so that what all points share, such as their maximum, counts.
    probe = 1 + torch.rand(embedder.spectrogram(window).shape, generator=generator, dtype=torch.float64)

    def value(waveform: Tensor) -> Tensor:
        return (embedder.spectrogram(0.1 * waveform) * probe).sum()

    window.requires_grad_()
    (gradient,) = torch.autograd.grad(value(window), window)
    step = 1e-6
    with torch.no_grad():
        difference = value(window + step * way) - value(window - step * way)
    return float((gradient * way).sum()), float(difference) / (2 * step)


@pytest.mark.parametrize("spec", FRONT_ENDS)
def test_front_ends_have_right_gradients(spec: str) -> None:
    """In double precision the gradient through each front end is that of finite differences."""
    embedder = load(spec, numbers(spec.split(":")[0]))
    generator = torch.Generator().manual_seed(0)
    window = 0.1 * torch.randn(1, embedder.window, generator=generator, dtype=torch.float64)
    assert gradcheck(embedder.spectrogram, window.requires_grad_(), fast_mode=True, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("rate", [8000, 44100])
@pytest.mark.parametrize("table", ["resampy", "exact"])
def test_resamplers_have_right_gradients(rate: int, table: Any) -> None:
    """In double precision so is that through each filter of the resampler."""
    waveform = torch.randn(2, 900, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert gradcheck(lambda w: resample(w, rate, 16000, table), waveform.requires_grad_(), fast_mode=True)


def test_the_maximum_of_the_decibels_has_its_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Were OpenL3's maximum held constant, as in some implementations, the gradient would be another one."""
    maximum = Tensor.amax
    monkeypatch.setattr(Tensor, "amax", lambda tensor, **options: maximum(tensor, **options).detach())
    gradient, difference = directional("openl3")
    assert gradient != pytest.approx(difference, rel=1e-2)


def test_sixteen_bit_steps_pass_gradients() -> None:
    """CDPAM hears 16-bit steps; their rounding does not stop the gradient."""
    embedder = load("cdpam", numbers("cdpam"))
    window = torch.full((1, 4), 0.3, dtype=torch.float64, requires_grad=True)
    embedder.spectrogram(window).sum().backward()
    assert window.grad is not None and torch.equal(window.grad, torch.full_like(window, 32768))


# Waveforms


def test_channels_and_rates() -> None:
    """Channels are averaged; at another rate the same sound gives the same embedding's loss."""
    loss = loss_of("logmel")
    reference, degraded = waves()
    both = [torch.stack([0.5 * w, 1.5 * w], dim=1) for w in (reference, degraded)]
    assert float(loss(*both)) == pytest.approx(float(loss(reference, degraded)), rel=1e-5)
    halves = [torch.from_numpy(np.stack([chirp(2.0, seed=s, rate=rate) for s in (0, 1)])) for rate in (16000, 48000)]
    at_16, at_48 = loss_of("logmel", "l2"), loss_of("logmel", "l2", rate=48000)
    quiet = [0.5 * w for w in halves]
    assert float(at_48(halves[1], quiet[1])) == pytest.approx(float(at_16(halves[0], quiet[0])), rel=0.05)


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float32, torch.float64])
def test_formats(kind: torch.dtype) -> None:
    """Waveforms in any format of floats; the loss is float32 or wider, and the gradient in the waveform's own."""
    reference, degraded = (w.to(kind) for w in waves())
    waveform = degraded.clone().requires_grad_()
    value = loss_of("vggish")(reference, waveform)
    value.backward()
    assert value.dtype == (torch.float64 if kind == torch.float64 else torch.float32)
    assert waveform.grad is not None and waveform.grad.dtype == kind and torch.isfinite(waveform.grad).all()


@pytest.mark.parametrize("name", [CDPAM_SLOWLY if name == "cdpam" else name for name in SPECS])
def test_autocast_leaves_it_alone(name: str) -> None:
    """Under autocast a loss and its gradient keep the precision that they have without."""
    loss = loss_of(SPECS[name])
    reference, degraded = waves(1, SECONDS[name])
    value, gradient = slope(loss, reference, degraded)
    waveform = degraded.clone().requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = loss(reference, waveform)
    half.backward()  # outside, as PyTorch asks for
    assert float(half.detach()) == pytest.approx(value, rel=1e-6) and waveform.grad is not None
    assert torch.allclose(waveform.grad, gradient, rtol=1e-3, atol=1e-6 * float(gradient.abs().max()))


def test_a_network_in_bfloat16() -> None:
    """Front end and distance keep their precision: of a plain difference about the same loss, and a gradient."""
    loss = PerceptualLoss("vggish", weights=numbers("vggish"))
    reference, degraded = waves(1, SECONDS["vggish"], noise=0.1)
    value, _ = slope(loss, reference, degraded)
    half, gradient = slope(loss.bfloat16(), reference, degraded)
    assert half == pytest.approx(value, rel=0.1) and torch.isfinite(gradient).all() and gradient.abs().max() > 0


@pytest.mark.parametrize("name", ["openl3", "vggish", "logmel", CDPAM_SLOWLY])
def test_compiled(name: str) -> None:
    """`torch.compile` gives the same value and gradient."""
    loss = loss_of(SPECS[name])
    reference, degraded = waves(1, SECONDS[name])
    value, gradient = slope(loss, reference, degraded)
    torch._dynamo.reset()
    compiled, other = slope(torch.compile(loss, backend="aot_eager"), reference, degraded)  # type: ignore[arg-type]
    assert compiled == pytest.approx(value, rel=1e-5)
    assert torch.allclose(other, gradient, rtol=1e-3, atol=1e-5 * float(gradient.abs().max()))


@pytest.mark.parametrize("name", ["logmel", *(pytest.param(n, marks=pytest.mark.slow) for n in ("openl3", "vggish"))])
def test_compiled_first(name: str) -> None:
    """A compiled loss needs no call of the plain one before it: what is made once can be made then."""
    program = (
        "import torch\nfrom percept.loss.perceptual import PerceptualLoss\n"
        f"loss = PerceptualLoss({SPECS[name]!r}, weights='untrained', rate=22050)\n"
        "clean = torch.zeros(1, 21900).uniform_(-1, 1)\nnoisy = (0.9 * clean + 0.01 * clean.flip(1)).requires_grad_()\n"
        "value = torch.compile(loss, backend='aot_eager')(clean, noisy)\nvalue.backward()\n"
        "assert noisy.grad.abs().max() > 0\n"
        "assert abs(float(loss(clean, noisy)) / float(value) - 1) < 1e-5\n"
    )
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)


@pytest.mark.parametrize(("count", "seconds"), [(1, 12.0), (4, 3.0)])
def test_the_backward_pass_is_linear(count: int, seconds: float) -> None:
    """Four times the audio takes four times the memory traffic, as one long clip and as a batch."""
    embedder = load("openl3", numbers("openl3"))

    def allocated(clips: int, length: float) -> int:
        """Bytes that going back from the windows to the waveforms asks for, all together."""
        waveforms = torch.zeros(clips, round(RATE_HZ * length), requires_grad=True)
        total = torch.stack([embedder.cut(pieces).sum() for pieces in embedder.stretches(waveforms, RATE_HZ)]).sum()
        with torch.profiler.profile(profile_memory=True) as profile:
            total.backward()
        return sum(max(0, event.self_cpu_memory_usage) for event in profile.events())

    assert allocated(count, seconds) < 5 * allocated(1, 3.0)


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("spec", ["openl3:mel128,hop=0.3", "vggish", "logmel", "cdpam"])
def test_stretches_hold_all_windows(spec: str, count: int) -> None:
    """Cut from pieces, the windows of a batch are those of the padded waveforms, in order, with the same gradient."""
    embedder = load(spec, numbers(spec.split(":")[0]))
    noise = torch.randn(count, 40_001, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = []
    for way in (
        lambda w: embedder.windows(w, 22050).flatten(0, 1),
        lambda w: torch.cat([embedder.cut(pieces) for pieces in embedder.stretches(w, 22050)]),
    ):
        waveforms = noise.clone().requires_grad_()
        windows = way(waveforms)
        windows.square().sum().backward()
        found.append((windows.detach(), waveforms.grad))
    assert torch.equal(found[0][0], found[1][0]) and torch.allclose(found[0][1], found[1][1], rtol=1e-9)


@pytest.mark.parametrize(
    ("name", "layers"),
    [("vggish", "all"), pytest.param("cdpam", "last", marks=pytest.mark.slow), ("logmel", "last")],
)
def test_checkpointing_changes_memory_alone(name: str, layers: str) -> None:
    """Computed again a few windows at a time, value and gradient are the same."""
    reference, degraded = waves(1, 0.27 if name == "cdpam" else 5.2)
    plain = slope(loss_of(SPECS[name], layers=layers), reference, degraded)
    again = slope(loss_of(SPECS[name], layers=layers, again=True), reference, degraded)
    assert again[0] == pytest.approx(plain[0], rel=1e-6) and torch.allclose(again[1], plain[1], rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize("name", ["openl3", "vggish", "logmel", CDPAM_SLOWLY])
def test_inference_mode_first(name: str) -> None:
    """What the first call keeps for later ones serves training, too, also if that call was in inference mode."""
    program = (
        "import torch\nfrom percept.loss.perceptual import PerceptualLoss\n"
        f"loss = PerceptualLoss({SPECS[name]!r}, weights='untrained', rate=16000)\n"
        "clean = torch.zeros(1, 15900).uniform_(-1, 1)\n"
        "with torch.inference_mode():\n    loss(clean, 0.9 * clean)\n"
        "noisy = (0.9 * clean + 0.01 * clean.flip(1)).requires_grad_()\n"
        "loss(clean, noisy).backward()\nassert noisy.grad.abs().max() > 0\n"
    )
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("name", SPECS)
def test_on_a_gpu(name: str) -> None:
    """On a GPU value and gradient are those of the processor, to rounding."""
    loss = PerceptualLoss(SPECS[name], weights=numbers(SPECS[name]))
    reference, degraded = waves()
    value, gradient = slope(loss, reference, degraded)
    again, there = slope(loss.cuda(), reference.cuda(), degraded.cuda())
    assert again == pytest.approx(value, rel=1e-4)
    assert float((there.cpu() - gradient).norm() / gradient.norm()) < 1e-2


def test_gradients_are_switched_nowhere() -> None:
    """The loss leaves the global switch as it is, and obeys it."""
    reference, degraded = waves()
    assert torch.is_grad_enabled()
    loss = loss_of("logmel")
    with torch.no_grad():
        assert not loss(reference, degraded.requires_grad_()).requires_grad
    assert torch.is_grad_enabled() and loss(reference, degraded).requires_grad


# Within other modules


class Model(nn.Module):
    """A parent with a number to train and a loss."""

    def __init__(self, loss: PerceptualLoss) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(()))
        self.loss = loss

    def forward(self, reference: Tensor, degraded: Tensor) -> Tensor:
        """The loss of the louder waveform."""
        result: Tensor = self.loss(reference, self.gain * degraded)
        return result


def test_frozen_and_in_evaluation_mode() -> None:
    """Whatever the parent does with `.train()`, the network is not trained and does not change."""
    spec = SPECS["openl3"]
    loss = PerceptualLoss(spec, weights=numbers(spec))
    assert not any(module.training for module in loss.modules())
    model = Model(loss).train()
    assert model.training and not any(module.training for module in model.loss.modules())
    assert [name for name, parameter in model.named_parameters() if parameter.requires_grad] == ["gain"]
    model(*waves(1, SECONDS["openl3"])).backward()
    assert model.gain.grad is not None and all(p.grad is None for p in model.loss.parameters())


def test_a_parent_that_trains_all_its_parameters() -> None:
    """`requires_grad_` of a parent, as adversarial training calls it, does not make the network trainable."""
    model = Model(PerceptualLoss(SPECS["vggish"], weights=numbers("vggish")))
    model.requires_grad_(True)
    model(*waves(1, SECONDS["vggish"])).backward()
    assert model.gain.grad is not None and all(p.grad is None for p in model.loss.parameters())


def test_layers_in_balance() -> None:
    """Each layer makes the same part of a loss of 1; identical waveforms give nothing to balance by."""
    loss = loss_of(SPECS["vggish"], layers="all")
    reference, degraded = waves(seconds=SECONDS["vggish"])
    assert loss.balance(reference, degraded) is loss and len(loss.layers) == len(loss.layer_names)
    parts = [loss.layers[name] * float(d.mean()) for name, d in loss.by_layer(reference, degraded).items()]
    assert parts == pytest.approx([1 / len(parts)] * len(parts), rel=1e-6)
    assert float(loss(reference, degraded)) == pytest.approx(1, rel=1e-6)
    with pytest.raises(PerceptError, match="identical"):
        loss.balance(reference, reference)


def test_state_dict_without_the_network(tmp_path: Path) -> None:
    """A parent's checkpoint holds what was trained; it loads strictly, with and without the loss."""
    model = Model(PerceptualLoss("cdpam"))
    assert list(model.state_dict()) == ["gain"]
    assert not PerceptualLoss("cdpam").state_dict()
    torch.save(model.state_dict(), tmp_path / "model.pth")
    found = Model(PerceptualLoss("cdpam")).load_state_dict(torch.load(tmp_path / "model.pth"), strict=True)
    assert not found.missing_keys and not found.unexpected_keys
    with pytest.raises(RuntimeError, match="gain"):
        Model(PerceptualLoss("logmel")).load_state_dict({}, strict=True)


def test_copied_pickled_and_parallel() -> None:
    """A deep copy, a pickled one and one within DataParallel give the same."""
    spec = SPECS["openl3"]
    loss = PerceptualLoss(spec, "cosine", layers=["conv2", "embedding"], weights=numbers(spec))
    reference, degraded = waves(1, SECONDS["openl3"])
    value = float(loss(reference, degraded))
    file = io.BytesIO()
    torch.save(loss, file)
    file.seek(0)
    others = [copy.deepcopy(loss), pickle.loads(pickle.dumps(loss)), torch.load(file, weights_only=False)]
    assert [float(other(reference, degraded)) for other in others] == pytest.approx([value] * 3, rel=1e-6)
    assert float(nn.DataParallel(loss)(reference, degraded)) == pytest.approx(value, rel=1e-6)
    assert others[0].embedder is not loss.embedder


def replica(module: nn.Module) -> nn.Module:
    """What DataParallel makes of a module for another device: tensors in the place of parameters."""
    made: nn.Module = module._replicate_for_data_parallel()
    for name, parameter in module._parameters.items():
        setattr(made, name, None if parameter is None else parameter.detach())
    for name, child in module._modules.items():
        made._modules[name] = None if child is None else replica(child)
    return made


@pytest.mark.parametrize("name", SPECS)
def test_replicas_have_no_parameters_to_ask(name: str) -> None:
    """A replica gives the same value."""
    loss = loss_of(SPECS[name])
    reference, degraded = waves(1, SECONDS[name])
    assert float(replica(loss)(reference, degraded)) == pytest.approx(float(loss(reference, degraded)), rel=1e-6)


def test_it_moves_with_its_parent() -> None:
    """`.to()` of the parent reaches the network; losses do not share one."""
    loss, other = (PerceptualLoss("cdpam") for _ in range(2))
    Model(loss).to("meta")
    assert loss.embedder.device.type == "meta" and other.embedder.device.type == "cpu"


# Multi-resolution STFT, sums


def test_the_stft_loss_is_the_measure() -> None:
    """`MultiResolutionSTFTLoss` gives what `mrstft` scores."""
    reference, degraded = waves(1)
    scored = metrics.score(METRICS["mrstft"], *(Clip(w[0].numpy(), RATE_HZ) for w in (reference, degraded)))
    assert float(percept.MultiResolutionSTFTLoss()(reference, degraded)) == pytest.approx(scored.value, rel=1e-5)
    assert not MultiResolutionSTFTLoss().symmetric


def test_the_stft_loss_has_right_gradients() -> None:
    """Finite differences agree; silence and identity have finite gradients."""
    loss = MultiResolutionSTFTLoss((16, 32))
    generator = torch.Generator().manual_seed(0)
    pair = [0.1 * torch.randn(2, 90, generator=generator, dtype=torch.float64) for _ in range(2)]
    assert gradcheck(loss, tuple(w.requires_grad_() for w in pair))
    silence = torch.zeros(1, 90)
    for reference, degraded in (
        (silence, silence),
        (silence, pair[0][:1].float().detach()),
        (pair[0][:1].float().detach(), silence),
    ):
        value, gradient = slope(loss, reference, degraded)
        assert math.isfinite(value) and torch.isfinite(gradient).all()


def test_sums_of_losses() -> None:
    """``a + 0.1 * b`` is what it says; `balance` gives every term its share of the gradient."""
    reference, degraded = waves()
    first, second = MultiResolutionSTFTLoss(), loss_of("logmel")
    total = first + 0.1 * second
    expected = float(first(reference, degraded)) + 0.1 * float(second(reference, degraded))
    assert isinstance(total, WeightedSum) and float(total(reference, degraded)) == pytest.approx(expected, rel=1e-6)
    assert not total.symmetric and len((total + 2 * total).weights) == 4
    assert float(sum([first, second])(reference, degraded)) > float(first(reference, degraded))
    for other in (0.1, nn.L1Loss()):
        with pytest.raises(TypeError, match="unsupported operand"):
            first + other
    balanced = total.balance(reference, degraded, shares=(3, 1))
    norms = [
        weight * float(slope(term, reference, degraded)[1].norm(dim=1).mean()) * len(reference)
        for term, weight in zip(balanced.losses, balanced.weights, strict=True)
    ]
    assert norms == pytest.approx([0.75, 0.25], rel=1e-4)
    with pytest.raises(PerceptError, match="identical"):
        total.balance(reference, reference)
    with pytest.raises(PerceptError, match="shares"):
        total.balance(reference, degraded, shares=(1, 0))
    with pytest.raises(PerceptError, match="reduce alike"):
        first + MultiResolutionSTFTLoss(reduction="sum")


# Mistakes


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"embedding": "opnel3"}, "did you mean 'openl3'"),
        ({"distance": "cosin"}, "did you mean 'cosine'"),
        ({"layers": ["conv1", "embeding"]}, "did you mean 'embedding'"),
        ({"layers": []}, "no layer was chosen"),
        ({"reduction": "meen"}, "did you mean 'mean'"),
        ({"rate": 0}, "positive"),
        ({"rate": 22050.5}, "whole number"),
        ({"layers": "lats"}, "did you mean 'last'"),
        ({"weights": "pretraind"}, "did you mean 'pretrained'"),
        ({"embedding": "vggish:quantised"}, "no gradient"),
    ],
)
def test_mistakes_name_what_is_there(options: dict[str, Any], message: str) -> None:
    """A wrong choice is told with the nearest right one."""
    chosen = {"embedding": "cdpam" if "layers" in options else "logmel", **options}
    if chosen["embedding"] == "vggish:quantised":
        chosen["weights"] = "untrained"
    with pytest.raises(PerceptError, match=message):
        PerceptualLoss(chosen.pop("embedding"), **chosen)


def test_wrong_waveforms_are_refused() -> None:
    """Shapes that differ, too few dimensions, whole numbers, and clips without a window."""
    loss = loss_of("vggish")
    reference, degraded = waves()
    with pytest.raises(Unscorable, match="differ in shape"):
        loss(reference, degraded[:, :-1])
    with pytest.raises(PerceptError, match=r"\[B, T\] or \[B, C, T\]"):
        loss(reference[0], degraded[0])
    with pytest.raises(PerceptError, match="floats"):
        loss(*((w * 32767).to(torch.int16) for w in (reference, degraded)))
    with pytest.raises(Unscorable, match=r"at least 0\.975 s"):
        loss(reference[:, :8000], degraded[:, :8000])
    with pytest.raises(Unscorable, match="window of 2048"):
        MultiResolutionSTFTLoss()(reference[:, :2000], degraded[:, :2000])


def test_the_control_is_announced(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without pretrained weights, "auto" warns, and what it prints tells what was chosen."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(weights, "_find", _nowhere)
    with pytest.warns(UserWarning, match="untrained weights are used"):
        loss = percept.PerceptualLoss("openl3:hop=0.5", layers={"conv1": 0.25})
    assert "layers={conv1: 0.25}, rate=16000" in repr(loss) and "untrained control" in repr(loss)


def _nowhere(*_: Any, **__: Any) -> Any:
    raise weights.Unavailable("there is no network here")


def test_every_embedding_can_be_a_loss() -> None:
    """The losses above are those of all embeddings."""
    assert set(SPECS) == {record.name for record in EMBEDDINGS}
