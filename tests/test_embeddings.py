"""Physics of resampler and front ends, algebra of the networks, and the words that name an embedding."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.autograd import gradcheck

from percept.embeddings import EMBEDDINGS, _frontends, _openl3_weights, _vggish_weights, describe, embed, load, parse
from percept.embeddings._embedder import Embedder
from percept.embeddings._openl3_network import OpenL3Embedder, fold
from percept.embeddings._resample import KAISER_BETA, ROLL_OFF, Table, resample
from percept.embeddings.logmel import LogMel
from percept.embeddings.openl3 import OpenL3
from percept.registry import UnknownChoice
from percept.schema import Array, Clip, PerceptError, Unscorable
from percept.weights import resolve

SMALL = ("logmel", "vggish", "openl3:mel128,512,hop=0.5")
"""One of each embedding, OpenL3 in its cheapest form."""

every_embedding = pytest.mark.parametrize("spec", SMALL)


def control(spec: str, seed: int = 0) -> Embedder:
    embedding, options = parse(spec)
    return load(spec, resolve(embedding.files(options), "untrained", seed=seed)[0])


def noise(*shape: int, seed: int = 0, level: float = 0.1) -> Array:
    return np.random.default_rng(seed).normal(0, level, shape).astype(np.float32)


def sine(hertz: float, rate: int, seconds: float = 1.0) -> Tensor:
    return torch.sin(2 * torch.pi * hertz * torch.arange(int(rate * seconds), dtype=torch.float64) / rate)[None]


def middle(waveform: Tensor) -> Tensor:
    return waveform[:, waveform.shape[1] // 4 : -waveform.shape[1] // 4]


# Names and options


def test_nothing_heavy_is_imported() -> None:
    """Names, options and weight files are known without torch, librosa or h5py."""
    code = (
        "import sys, percept.weights\n"
        "from percept.embeddings import EMBEDDINGS, describe, parse\n"
        "[(e.files(e.options()), e.dimension(e.options()), describe(e.options())) for e in EMBEDDINGS]\n"
        "parse('openl3:mel128')\n"
        "print(*sorted({'torch', 'librosa', 'h5py', 'scipy', 'tqdm', 'soundfile'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_names() -> None:
    """The folder is the list."""
    folder = Path(__file__).parent.parent / "percept" / "embeddings"
    assert sorted(EMBEDDINGS.names()) == sorted(path.stem for path in folder.glob("[a-z]*.py"))


@pytest.mark.parametrize(
    ("spec", "changed"),
    [
        ("openl3", {}),
        ("openl3:representation=mel128,size=512,hop=0.5,centre=false", {"representation": "mel128", "size": 512,
                                                                          "hop": 0.5, "centre": False}),
        ("openl3:mel128, env", {"representation": "mel128", "content": "env"}),
        ("openl3:512,training", {"size": 512, "frontend": "training"}),
        ("vggish:quantised", {"output": "quantised"}),
        ("logmel:bands=40,slaney", {"bands": 40, "scale": "slaney"}),
    ],
)  # fmt: skip
def test_specifications(spec: str, changed: dict[str, Any]) -> None:
    """Options by key, by bare value, and mixed; the canonical form reads back as the same options."""
    embedding, options = parse(spec)
    assert options == embedding.options(**changed)
    assert parse(f"{embedding.name}:{describe(options)}") == (embedding, options)


def test_canonical_form_names_every_option() -> None:
    """Keys of cached results are made from this text, so it must not depend on how the options were written."""
    text = "representation=mel256,content=music,size=512,hop=1.0,centre=true,frontend=v04,resampler=resampy"
    assert describe(OpenL3(hop=1)) == describe(parse("openl3:hop=1.00")[1]) == text


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("openl4", "did you mean 'openl3'"),
        ("openl3:mel129", r"no option or value 'mel129'; did you mean 'mel12"),
        ("openl3:sise=512", "no option 'sise'; did you mean 'size'"),
        ("openl3:size=511", "'size' cannot be '511'; did you mean '512'"),
        ("openl3:centre=perhaps", "'centre' cannot be 'perhaps'"),
        ("openl3:hop=fast", "'hop' must be a number"),
        ("openl3:hop=nan", "'hop' must be finite"),
        ("openl3:hop=0", "'hop' must be at least one sample"),
        ("openl3:size=512,512", "'size' is given twice"),
        ("logmel:bands=6.5", "'bands' must be a whole number"),
        ("logmel:bands=0", "'bands' must be 1 to 128"),
    ],
)
def test_wrong_specifications(spec: str, message: str) -> None:
    """A misspelt name, option or value is told with what is near it."""
    with pytest.raises(PerceptError, match=message):
        parse(spec)


def test_unknown_embedding_is_an_unknown_choice() -> None:
    """The registry's own error, as for every kind of choice."""
    with pytest.raises(UnknownChoice):
        parse("resnet:50")


def test_control_is_deterministic_and_shared() -> None:
    """One seed gives one network, another seed another; a process builds each once."""
    assert control("vggish", 1) is control("vggish", 1)
    first, again, other = (_openl3_weights.untrained(seed) for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[4], other[4])
    assert sum(tensor.size for tensor in first) == 4_689_860
    assert first[46].std() == pytest.approx(np.sqrt(2 / (9 * 512)), rel=0.01)


def test_vggish_control_has_vggish_size() -> None:
    """VGGish has 72,141,184 numbers, as published."""
    assert sum(parameter.numel() for parameter in control("vggish").parameters()) == 72_141_184


# Resampling

RATES = [(44100, 48000), (16000, 48000), (200000, 16000), (44100, 16000), (11025, 48000), (8000, 11025)]


@pytest.mark.parametrize("table", ["exact", "resampy"])
@pytest.mark.parametrize(("old", "new"), RATES)
def test_a_tone_stays(old: int, new: int, table: Table) -> None:
    """A tone comes out as the same tone at the new rate, in phase; to 2.5 % with resampy's cut steps."""
    found, wanted = resample(sine(997, old), old, new, table), sine(997, new)
    assert found.shape == wanted.shape
    tolerance = 0.025 if table == "resampy" and new < old else 3e-5 if table == "resampy" else 1e-7
    assert (middle(found) - middle(wanted)).abs().max() < tolerance


@pytest.mark.parametrize(("old", "new"), [(48000, 16000), (200000, 16000), (44100, 16000)])
def test_a_tone_above_the_new_nyquist_vanishes(old: int, new: int) -> None:
    """What the new rate cannot hold is not folded down."""
    assert middle(resample(sine(9000, old), old, new)).abs().max() < 1e-6


@pytest.mark.parametrize(("old", "new"), RATES)
def test_a_constant_stays(old: int, new: int) -> None:
    """A constant is a tone of 0 Hz."""
    assert (middle(resample(torch.ones(1, old, dtype=torch.float64), old, new)) - 1).abs().max() < 1e-7


@pytest.mark.parametrize("length", [0, 1, 2, 3, 100, 441, 442, 5000])
@pytest.mark.parametrize(("old", "new"), [*RATES, (3, 2), (4001, 4003)])
def test_length(length: int, old: int, new: int) -> None:
    """T·new/old, rounded down; an empty waveform stays empty."""
    for table in ("exact", "resampy"):
        assert resample(torch.zeros(2, length, dtype=torch.float64), old, new, table).shape == (2, length * new // old)


@pytest.mark.parametrize(("old", "new"), [(160, 441), (441, 160), (4001, 4003), (12, 1)])
def test_weights_are_the_formula(old: int, new: int) -> None:
    """Groups, periods and edges: every output equals the sum over all inputs, written out."""
    x = np.random.default_rng(0).standard_normal(1200)
    n, i = np.arange(x.size * new // old)[:, None], np.arange(x.size)
    scale = min(1, new / old)
    t = scale * (n * old - i * new) / new
    taper = np.i0(KAISER_BETA * np.sqrt(np.clip(1 - (t / 64) ** 2, 0, None))) / np.i0(KAISER_BETA)
    wanted = scale * (ROLL_OFF * np.sinc(ROLL_OFF * t) * np.where(np.abs(t) <= 64, taper, 0)) @ x
    found = resample(torch.from_numpy(x)[None], old, new)[0].numpy()
    np.testing.assert_allclose(found, wanted, atol=1e-12)


def resampy_loop(x: np.ndarray[Any, Any], old: int, new: int) -> list[float]:
    """Resampy 0.2's loop as its documentation describes it, one output after the other, with its running clock."""
    ratio = new / old
    scale, step, steps = min(1, ratio), int(min(1, ratio) * 512), 512
    t = np.linspace(0, 64, 64 * steps + 1)
    table = scale * ROLL_OFF * np.sinc(ROLL_OFF * t) * np.kaiser(2 * 64 * steps + 1, KAISER_BETA)[64 * steps :]
    result, clock = [], 0.0
    for _ in range(int(x.size * ratio)):
        here, value = int(clock), 0.0
        late = scale * (clock - here)
        for wing, begin in ((x[here::-1], late), (x[here + 1 :], scale - late)):
            offset, part = divmod(begin * steps, 1)
            points = int(offset) + step * np.arange(min(wing.size, (table.size - int(offset)) // step))
            slopes = table[np.minimum(points + 1, table.size - 1)] - table[points]
            value += float((table[points] + part * slopes) @ wing[: points.size])
        result.append(value)
        clock += 1 / ratio
    return result


@pytest.mark.parametrize(("old", "new"), [(44100, 16000), (16000, 48000), (22050, 16000), (200000, 16000)])
def test_resampy_table(old: int, new: int) -> None:
    """The "resampy" reading equals resampy 0.2's own loop, cut steps and late clock included."""
    x = np.random.default_rng(0).standard_normal(old // 10)
    found = resample(torch.from_numpy(x)[None], old, new, "resampy")[0].numpy()
    np.testing.assert_allclose(found, resampy_loop(x, old, new), atol=1e-7)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(("old", "new"), [(44100, 48000), (16000, 48000), (48000, 16000), (44100, 16000)])
def test_installed_resampy_agrees(old: int, new: int) -> None:
    """Today's resampy, whose ``kaiser_best`` is another one (50 zero crossings), agrees on tones well inside."""
    resampy = pytest.importorskip("resampy", reason="resampy is not installed")
    x = (sine(440, old) + sine(3001, old) / 3)[0].numpy()
    theirs = resampy.resample(x, old, new, filter="kaiser_best")
    found = resample(torch.from_numpy(x)[None], old, new)
    # Where the rate falls it too cuts its steps, of 8192 a zero crossing.
    assert middle(found - torch.from_numpy(theirs)[None]).abs().max() < (1e-5 if new > old else 1e-3)


@pytest.mark.parametrize("table", ["exact", "resampy"])
def test_resampler_gradient(table: Table) -> None:
    """The resampler is linear, and its gradient is its transpose."""
    x = torch.from_numpy(noise(2, 50)).double().requires_grad_()
    assert gradcheck(lambda w: resample(w, 441, 160, table), (x,), fast_mode=True)
    assert gradcheck(lambda w: resample(w, 2, 3, table), (x,), fast_mode=True)


# Front ends


def openl3_reference(window: np.ndarray[Any, Any], bands: int, training: bool) -> np.ndarray[Any, Any]:
    """OpenL3's decibels, made with numpy and librosa."""
    import librosa

    fft = 2048 if bands else 512
    pad = ((982, 982) if training else (0, 1964)) if bands else (0, 0)
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(window, pad), fft)[::242]
    magnitude = np.abs(np.fft.rfft(frames * np.hanning(fft + 1)[:-1])).T
    if bands:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            bank = librosa.filters.mel(sr=48000, n_fft=fft, n_mels=bands, htk=training, dtype=np.float64)
        magnitude = np.sqrt(bank @ magnitude**2) if training else bank @ magnitude
    return np.asarray(librosa.power_to_db(magnitude, ref=np.max, amin=1e-10, top_db=80))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("variant", ["v04", "training"])
@pytest.mark.parametrize(("representation", "bands"), [("linear", 0), ("mel128", 128), ("mel256", 256)])
def test_openl3_front_ends(representation: str, bands: int, variant: str) -> None:
    """Both variants equal an independent construction; shapes are those of the paper's networks."""
    t = np.arange(48000) / 48000
    window = np.sin(2 * np.pi * 300 * t) * np.exp(-3 * t) + 1e-4 * noise(48000)
    found = _frontends.openl3_decibels(torch.from_numpy(window)[None], representation, variant)[0].numpy()
    assert found.shape == (bands or 257, 199 if bands else 197)
    assert found.max() == 0 and found.min() >= -80
    np.testing.assert_allclose(found, openl3_reference(window, bands, variant == "training"), atol=1e-6)


def test_silence_has_no_decibels() -> None:
    """A window of zeros is its own maximum everywhere: 0, not -80."""
    for representation in ("linear", "mel128", "mel256"):
        for variant in ("v04", "training"):
            window = torch.zeros(1, 48000, dtype=torch.float64)
            assert (_frontends.openl3_decibels(window, representation, variant) == 0).all()


def test_log_mel_of_a_full_scale_sine() -> None:
    """Power is 1 at the top of a band that a full-scale sine sits in, so its logarithm is near 0 there."""
    frames = embed(control("logmel"), Clip(sine(1000, 16000)[0].numpy().astype(np.float32), 16000))
    assert frames[10:20].max() == pytest.approx(np.log(2), abs=0.7)
    assert len(set(frames[10:20].argmax(axis=1))) == 1


@pytest.mark.parametrize("scale", ["htk", "slaney"])
def test_no_log_mel_band_is_empty(scale: Any) -> None:
    """Every default band holds bins, and noise of equal power in all frequencies reaches each."""
    bank = _frontends.mel_triangles(LogMel().bands, 50, 8000, 1024, scale)
    assert bank.shape == (513, 64)
    assert (bank.max(axis=0) > 0.5).all()


@pytest.mark.parametrize(
    ("front_end", "samples"),
    [
        (lambda w: _frontends.log_mel(w, 64, "htk"), 400),
        (_frontends.vggish_log_mel, 15600),
        (lambda w: _frontends.openl3_decibels(w, "linear", "v04"), 48000),
        (lambda w: _frontends.openl3_decibels(w, "mel128", "v04"), 48000),
        (lambda w: _frontends.openl3_decibels(w, "mel128", "training"), 48000),
    ],
    ids=["logmel", "vggish", "openl3-linear", "openl3-mel", "openl3-training"],
)
def test_gradients_of_front_ends(front_end: Any, samples: int) -> None:
    """Gradients equal finite differences in double precision."""
    window = torch.from_numpy(noise(1, samples)).double().requires_grad_()
    assert gradcheck(front_end, (window,), fast_mode=True, eps=1e-7, atol=1e-4)


# Networks


def test_folding_is_exact() -> None:
    """The folded network equals one with its batch normalisations written out, in double precision."""
    generator = np.random.default_rng(0)
    tensors = []
    for name, shape in _openl3_weights.layout():
        spread = np.sqrt(2 / np.prod(shape[:3])) if "kernel" in name else 0.2
        values = generator.normal(0, spread, shape)
        tensors.append(np.abs(values) + 0.9 if name.endswith(("gamma", "variance")) else values)
    rest = iter([torch.from_numpy(tensor) for tensor in tensors])

    def normalisation(channels: int) -> nn.Module:
        layer = nn.BatchNorm2d(channels, eps=1e-3, dtype=torch.float64)
        gamma, beta, mean, variance = (next(rest) for _ in range(4))
        layer.load_state_dict({"weight": gamma, "bias": beta, "running_mean": mean, "running_var": variance,
                               "num_batches_tracked": torch.tensor(0)})  # fmt: skip
        return layer

    layers: list[nn.Module] = [normalisation(1)]
    for number, channels in enumerate((64, 64, 128, 128, 256, 256, 512, 512), 1):
        kernel, bias = next(rest), next(rest)
        layer = nn.Conv2d(kernel.shape[2], channels, 3, padding=1, dtype=torch.float64)
        layer.load_state_dict({"weight": kernel.permute(3, 2, 0, 1), "bias": bias})
        layers += [layer, normalisation(channels), nn.ReLU()] if number < 8 else [layer]
        layers += [nn.MaxPool2d(2)] if number in (2, 4, 6) else []
    spectrogram = torch.from_numpy(generator.normal(0, 1, (1, 64, 64)))
    with torch.no_grad():
        maps = nn.Sequential(*layers).eval()(spectrogram[:, None])
        wanted = nn.functional.max_pool2d(maps, 8).permute(0, 2, 3, 1).flatten(1)
        folded = OpenL3Embedder(OpenL3(size=6144), tensors).double()
        # The embedder has rounded them to float32.
        unrounded = [tensor for kernel, bias in fold(tensors)[2] for tensor in (kernel.transpose(3, 2, 0, 1), bias)]
        for parameter, value in zip(folded.network.parameters(), unrounded, strict=True):
            parameter.copy_(torch.from_numpy(value))
        found = dict(folded.activations(spectrogram))["embedding"]
    assert (found - wanted).norm() / wanted.norm() < 1e-12


@every_embedding
def test_a_batch_is_its_rows(spec: str) -> None:
    """A waveform's embedding does not depend on what else is in the batch."""
    embedder, batch = control(spec), torch.from_numpy(noise(2, 20000))
    with torch.no_grad():
        together, alone = embedder(batch, 16000), embedder(batch[1:], 16000)
    assert together.shape == (2, embedder.frames(20000, 16000), embedder.dimension)
    torch.testing.assert_close(together[1:], alone, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("spec", ["logmel", "vggish"])
def test_chunks_do_not_show(spec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A frame is the same however many windows go through the network at once, and however long the clip is."""
    embedder, samples = control(spec), noise(80000)
    whole = embed(embedder, Clip(samples, 16000))
    start = embed(embedder, Clip(samples[:40000], 16000))
    monkeypatch.setattr(embedder, "CHUNK_CPU", 3)
    np.testing.assert_allclose(embed(embedder, Clip(samples, 16000)), whole, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(start, whole[: len(start)], rtol=1e-4, atol=1e-4)


@every_embedding
def test_gradients(spec: str) -> None:
    """Gradients reach a noisy waveform through resampler, front end and network; on silence they are finite."""
    embedder = control(spec)
    for waveform, moves in ((noise(1, 16000), True), (np.zeros((1, 16000), np.float32), False)):
        x = torch.from_numpy(waveform).requires_grad_()
        embedder(x, 16000).square().mean().backward()
        assert x.grad is not None and bool(torch.isfinite(x.grad).all())
        assert bool(x.grad.abs().max() > 0) or not moves
    assert all(parameter.grad is None for parameter in embedder.parameters())


@every_embedding
def test_frozen(spec: str) -> None:
    """Being a part of a module that is trained changes nothing in the embedder."""
    embedder = control(spec)
    nn.Sequential(embedder).train()
    assert not any(module.training for module in embedder.modules())
    assert not any(parameter.requires_grad for parameter in embedder.parameters())


@every_embedding
def test_layers(spec: str) -> None:
    """Layers have the declared names in order, and the last is the embedding itself."""
    embedder = control(spec)
    windows = embedder.windows(torch.from_numpy(noise(1, 16000)), 16000)[0, :1]
    with torch.no_grad():
        layers = embedder.layers(windows)
        assert tuple(layers) == embedder.layer_names
        assert torch.equal(layers["embedding"], embedder.encode(windows))


@pytest.mark.parametrize("spec", ["vggish", "openl3:mel128,512,hop=1"])
def test_bfloat16(spec: str) -> None:
    """A network in bfloat16 gives float32 results that are close, and leaves the float32 one alone."""
    embedding, options = parse(spec)
    weights = resolve(embedding.files(options), "untrained")[0]
    clip = Clip(noise(16000), 16000)
    exact = embed(load(spec, weights), clip)
    coarse = embed(load(spec, weights, precision="bfloat16"), clip)
    assert coarse.dtype == np.float32
    assert 0 < np.linalg.norm(coarse - exact) / np.linalg.norm(exact) < 0.05


def test_double_precision_all_the_way() -> None:
    """The log-mel embedding of a float64 waveform is float64, so that a loss on it can be checked."""
    waveform = torch.from_numpy(noise(1, 500)).double().requires_grad_()
    assert control("logmel")(waveform).dtype == torch.float64
    assert gradcheck(control("logmel"), (waveform,), fast_mode=True)


def test_channels_are_averaged() -> None:
    """A clip of two channels has the embedding of their mean."""
    stereo = noise(2, 8000)
    both, mean = (embed(control("logmel"), Clip(x, 16000)) for x in (stereo, stereo.mean(axis=0)))
    np.testing.assert_allclose(both, mean, atol=1e-4)


@every_embedding
def test_clips_without_an_embedding(spec: str) -> None:
    """An empty clip and one that holds NaN or infinity have a reason instead of numbers."""
    broken = noise(16000)
    broken[[3, 5]] = np.nan, np.inf
    with pytest.raises(Unscorable, match="2 of 16000 samples are NaN or infinite"):
        embed(control(spec), Clip(broken, 16000))
    for empty in (np.zeros(0, np.float32), np.zeros((2, 0), np.float32)):
        with pytest.raises(Unscorable, match="empty"):
            embed(control(spec), Clip(empty, 16000))


def test_short_clips() -> None:
    """VGGish needs 15,600 samples and says so; the others fill up with zeros to one window."""
    with pytest.raises(Unscorable, match=r"VGGish needs at least 0\.975 s; the clip lasts 0\.5 s"):
        embed(control("vggish"), Clip(noise(8000), 16000))
    with pytest.raises(Unscorable, match=r"0\.975"):
        embed(control("vggish"), Clip(noise(15599), 16000))
    assert embed(control("vggish"), Clip(noise(15600), 16000)).shape == (1, 128)
    assert embed(control("logmel"), Clip(noise(10), 16000)).shape == (1, 64)
    assert control("openl3:centre=false").frames(10, 16000) == 1
    assert control("vggish").frames(15599) == 0


@pytest.mark.parametrize(
    ("samples", "rate", "frames"),
    [(179_305, 16000, 109), (364_417, 16000, 224), (48_000, 48000, 6), (1, 48000, 1), (24_001, 48000, 2)],
)
def test_openl3_frame_counts(samples: int, rate: int, frames: int) -> None:
    """Frames of the published study's clips, centred and 0.1 s apart."""
    assert control("openl3").frames(samples, rate) == frames


# VGGish's files


def save_pca(path: Path, form: str) -> Path:
    vectors, means = np.eye(128, dtype=np.float64), np.arange(128, dtype=np.float64)[:, None]
    arrays: dict[str, Any] = {"pca_eigen_vectors": vectors, "pca_means": means}
    if form == "tensors":
        arrays = {name: torch.from_numpy(array).float() for name, array in arrays.items()}
    torch.save(arrays, path, _use_new_zipfile_serialization=form != "old numpy")
    if form == "old numpy":
        content = path.read_bytes()
        assert b"numpy._core.multiarray" in content
        path.write_bytes(content.replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n"))
    return path


@pytest.mark.parametrize("form", ["tensors", "new numpy", "old numpy"])
def test_pca_file(tmp_path: Path, form: str) -> None:
    """The PCA is read from tensors, and from arrays that numpy pickled before or after it renamed its core."""
    vectors, means = _vggish_weights.read_pca(save_pca(tmp_path / "pca.pth", form))
    assert vectors.shape == (128, 128) and means.tolist() == list(range(128))


class Malice:
    """A pickle that runs a command when it is loaded."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, (f"touch {self.trace}",)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("way", ["zip", "legacy", "pickle"])
def test_malicious_file(tmp_path: Path, way: str) -> None:
    """A file that wants to run code is refused, and its code does not run."""
    trace, path = tmp_path / "trace", tmp_path / "evil.pth"
    if way == "pickle":
        path.write_bytes(pickle.dumps({"pca_means": Malice(trace)}))
    else:
        torch.save({"pca_means": Malice(trace)}, path, _use_new_zipfile_serialization=way == "zip")
    for read in (_vggish_weights.read_pca, _vggish_weights.read_network):
        with pytest.raises(
            PerceptError, match=r"evil\.pth is damaged, or no weight file that can be read without running"
        ):
            read(path)
    assert not trace.exists()


def test_network_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The network's file is read by names and shapes; what lacks or differs is named."""
    shapes = {"features.0.weight": (64, 1, 3, 3), "features.0.bias": (64,)}
    monkeypatch.setattr(_vggish_weights, "layout", lambda: shapes)
    tensors = {name: torch.randn(shape) for name, shape in shapes.items()}
    path = tmp_path / "vggish.pth"
    torch.save(tensors, path)
    assert torch.equal(_vggish_weights.read_network(path)["features.0.weight"], tensors["features.0.weight"])
    torch.save({**tensors, "features.0.bias": torch.zeros(32)}, path)
    with pytest.raises(PerceptError, match=r"'features\.0\.bias' has shape \[32\]; VGGish expects \[64\]"):
        _vggish_weights.read_network(path)
    torch.save({"conv": torch.zeros(1)}, path)
    with pytest.raises(PerceptError, match=r"has no tensor 'features\.0\.weight'; it holds conv"):
        _vggish_weights.read_network(path)
    torch.save([1], path)
    with pytest.raises(PerceptError, match="holds a list"):
        _vggish_weights.read_network(path)


def test_quantised_is_whole_and_says_that_it_has_no_gradient() -> None:
    """Quantised VGGish is whole numbers from 0 to 255; its embedder declares that it cannot be a loss."""
    embedder = control("vggish:quantised")
    values = embed(embedder, Clip(noise(16000), 16000))
    assert np.array_equal(values, np.round(values)) and values.min() >= 0 and values.max() <= 255
    assert not embedder.differentiable and control("vggish").differentiable
