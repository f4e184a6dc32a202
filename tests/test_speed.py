"""The fast ways of computing an embedding give what the plain ones give."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor

from percept import weights
from percept.embeddings import _batches, load, parse
from percept.embeddings._convolutions import Convolution, ConvolutionStack
from percept.embeddings._embedder import Embedder, embed
from percept.schema import Array, Clip, PerceptError

NETWORKS = [
    *(f"openl3:{r},{size}" for r in ("linear", "mel128", "mel256") for size in (512, 6144)),
    "openl3:frontend=training",
    *(f"vggish:{output}" for output in ("raw", "relu", "quantised")),
]


def control(spec: str) -> Embedder:
    record, options = parse(spec)
    found, _ = weights.resolve(
        record.files(options), "untrained", weights_dir=None, trust=False, seed=3, quiet=True, title=record.title
    )
    return load(spec, found)


def noise(*shape: int) -> Array:
    return np.random.default_rng(5).normal(0, 0.1, shape).astype(np.float32)


@pytest.fixture
def threads() -> Iterator[Callable[[int], None]]:
    """PyTorch's number of threads, put back afterwards."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.mark.parametrize("spec", NETWORKS)
def test_fast_is_plain(spec: str) -> None:
    """Without gradients the embedding is that of the differentiable path to 1e-5 of its length, silence included."""
    embedder = control(spec)
    samples = np.concatenate([noise(30000), np.zeros(20000, np.float32)])
    windows = embedder.windows(torch.from_numpy(samples)[None], 16000)[0][:: 1 if "vggish" in spec else 9]
    with torch.no_grad():
        plain = embedder.encode(windows)
    fast = embedder.infer(windows)
    assert fast.shape == plain.shape and not fast.requires_grad
    assert float(((fast - plain).norm(dim=1) / plain.norm(dim=1)).max()) < 1e-5


@pytest.mark.parametrize(("spec", "seconds"), [("openl3:mel128,512", 1.2), ("vggish", 64.0), ("logmel", 3.0)])
def test_threads_do_not_show(spec: str, seconds: float, threads: Callable[[int], None]) -> None:
    """One clip on two cores gives the same bits as on one; VGGish's full layers see a whole batch and a rest."""
    embedder, clip = control(spec), Clip(noise(round(seconds * 16000)), 16000)
    found = []
    for count in (1, 2):
        threads(count)
        found.append(embed(embedder, clip))
    assert np.array_equal(found[0], found[1])


def test_a_stack_with_odd_sizes_and_uneven_pools() -> None:
    """Rests that a pool leaves away, windows that are not square, a last layer without ReLU, more than one example."""
    torch.manual_seed(1)
    layers = [
        Convolution("a", torch.randn(8, 3, 3, 3), torch.randn(8), pool=(2, 3)),
        Convolution("b", torch.randn(5, 8, 3, 3), torch.zeros(5), rectified=False, pool=(4, 1)),
    ]
    stack = ConvolutionStack(layers).requires_grad_(False)
    # Not contiguous, as spectrograms come from the front ends.
    maps = torch.randn(4, 3, 20, 27).transpose(2, 3)
    expected = stack(maps)
    torch.testing.assert_close(stack.infer(maps), expected, rtol=1e-5, atol=1e-4)
    torch.testing.assert_close(copy.deepcopy(stack).infer(maps), expected, rtol=1e-5, atol=1e-4)
    assert [name for name, _ in stack.activations(maps)] == ["a", "b", "output"]
    assert bool((expected < 0).any()) and expected.shape == (4, 5, 3, 6)


class Small(Embedder):
    """A made-up embedding that runs out of memory beyond so many windows, as a GPU does."""

    WINDOW_BYTES = 1000

    def __init__(self, holds: int) -> None:
        super().__init__(title="Small", rate=16000, window=10, hop=10, dimension=10)
        self.holds, self.tried = holds, list[int]()

    def infer(self, windows: Tensor) -> Tensor:
        """Twice the window, if so many fit."""
        self.tried.append(len(windows))
        if len(windows) > self.holds:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return windows * 2


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU with 0.2 MB of free memory, as far as the choice of the batch sees one."""
    monkeypatch.setattr(Embedder, "device", property(lambda self: SimpleNamespace(type="cuda")))
    monkeypatch.setattr(_batches, "there", lambda windows, device: windows)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (200_000, 400_000))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 0)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 0)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)


def test_a_batch_follows_from_free_memory_and_is_halved_where_it_was_too_large(gpu: None) -> None:
    """All windows are there in their order; what was found out is kept for the next clip."""
    embedder, windows = Small(holds=40), torch.arange(2000.0).reshape(200, 10)
    assert np.array_equal(_batches.infer(embedder, windows), 2 * windows.numpy())
    assert embedder.tried[:4] == [64, 32, 32, 32]
    assert _batches.batch(embedder) == 32


def test_a_clip_that_a_gpu_does_not_hold_goes_there_window_by_window(
    gpu: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A recording of hours may be larger than what is free."""

    def full(waveform: Tensor) -> Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(Tensor, "pin_memory", full)
    samples = np.arange(2000, dtype=np.float32) / 2000
    found = embed(Small(holds=40), Clip(samples, 16000))
    assert np.array_equal(found, 2 * samples.reshape(200, 10))


def test_a_gpu_that_does_not_hold_one_window_says_what_to_do(gpu: None) -> None:
    for windows in (1, 4):
        with pytest.raises(PerceptError, match="Small: one window does not fit on the GPU; use --device cpu"):
            _batches.infer(Small(holds=0), torch.zeros(windows, 10))


@pytest.mark.parametrize(("there", "expected"), [({}, "float32"), ({"avx512_bf16": True}, "bfloat16")])
def test_bfloat16_where_the_processor_has_it(
    there: dict[str, bool], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: there)
    precision, told = _batches.usable("bfloat16", "cpu")
    assert precision == expected and ("no bfloat16 arithmetic" in told) == (expected == "float32")
    for capability, precision in (((8, 0), "tf32"), ((7, 5), "float32")):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda found=capability: found)
        assert _batches.usable("tf32", "cuda")[0] == precision
    assert _batches.usable("float32", "cpu") == ("float32", "")
    assert _batches.usable("tf32", "cpu")[0] == "float32"


def test_tf32_is_asked_for_and_put_back() -> None:
    """Only inside the network, and only if asked for."""
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    with _batches.arithmetic("tf32"):
        assert torch.get_float32_matmul_precision() == "high" and torch.backends.cudnn.allow_tf32
    with _batches.arithmetic("float32"):
        assert torch.get_float32_matmul_precision() == "highest" and not torch.backends.cudnn.allow_tf32
    assert (torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32) == before


def test_nothing_is_left_in_the_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The numbers that are handed over in a file are gone afterwards."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    stack = ConvolutionStack([Convolution("a", torch.randn(4, 1, 3, 3), torch.zeros(4))]).requires_grad_(False)
    stack.infer(torch.randn(1, 1, 8, 8))
    assert list(tmp_path.iterdir()) == []
