"""OpenL3 with nothing clever: percept's front end, then every layer by itself in PyTorch float32, one window a call.

Not timed. Batch normalisations are not folded and windows not batched, so whatever the product does for speed is
compared with arithmetic that anybody can check.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

EPSILON = 1e-3
FINAL_POOL = (32, 24)
POOLED_AFTER = (2, 4, 6)
CONVOLUTIONS = 8


def prepare(job: dict[str, Any]) -> Callable[[Path], dict[str, Any]]:
    """Ready to embed the WAV files of "audio" by "embedding" (mel256, 512 features), numbers from "weights"."""
    import torch

    from percept import embeddings, media
    from percept.weights import resolve

    record, options = embeddings.parse(job["embedding"])
    embedder = embeddings.load(job["embedding"], resolve(record.files(options), "untrained")[0])
    with np.load(job["weights"]) as archive:
        tensors = [torch.from_numpy(archive[name]) for name in sorted(archive.files)]

    def run(target: Path) -> dict[str, Any]:
        for path in sorted(Path(job["audio"]).glob("*.wav")):
            clip = media.read_mono(path)
            with torch.no_grad():
                windows = embedder.windows(torch.from_numpy(clip.samples.astype(np.float32))[None], clip.rate)[0]
                rows = [_network(embedder.spectrogram(window[None]).float()[:, None], tensors) for window in windows]
            np.save(target / f"{path.stem}.npy", torch.cat(rows).numpy())
        return {}

    return run


def _network(maps: Any, tensors: list[Any]) -> Any:
    from torch.nn import functional

    rest = iter(tensors)

    def normalised(values: Any) -> Any:
        gamma, beta, mean, variance = (next(rest) for _ in range(4))
        return functional.batch_norm(values, mean, variance, gamma, beta, eps=EPSILON)

    maps = normalised(maps)
    for number in range(1, CONVOLUTIONS + 1):
        kernel, bias = next(rest), next(rest)
        maps = functional.conv2d(maps, kernel.permute(3, 2, 0, 1), bias, padding=1)
        if number < CONVOLUTIONS:
            maps = normalised(maps).relu()
        if number in POOLED_AFTER:
            maps = functional.max_pool2d(maps, 2)
    return functional.max_pool2d(maps, FINAL_POOL).permute(0, 2, 3, 1).flatten(1)
