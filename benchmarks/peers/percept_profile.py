"""Where the time of embedding goes: timers around the parts of percept's embedder, in one process with one thread."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

PARTS = {"windows": "resampling and cutting", "spectrogram": "front end"}
REST = "network, and handing over"


def prepare(job: dict[str, Any]) -> Callable[[Path], dict[str, Any]]:
    """Ready to embed the WAV files of "audio" by "embedding"; facts are seconds by part."""
    import torch

    from percept import embeddings, media
    from percept.weights import resolve

    torch.set_num_threads(1)
    record, options = embeddings.parse(job["embedding"])
    embedder = embeddings.load(job["embedding"], resolve(record.files(options), "untrained")[0])
    seconds: dict[str, float] = {}

    def timed(part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            started = time.perf_counter()
            result = function(*arguments, **options)
            seconds[part] = seconds.get(part, 0.0) + time.perf_counter() - started
            return result

        return call

    if hasattr(embedder, "runs"):
        embedder.runs = _timed_steps(embedder.runs, PARTS["windows"], seconds)
    for method, part in PARTS.items():
        if hasattr(embedder, method):
            setattr(embedder, method, timed(part, getattr(embedder, method)))
    read, work = timed("reading", media.read_mono), timed("embedding", embeddings.embed)
    write = timed("writing", np.save)

    def run(target: Path) -> dict[str, Any]:
        seconds.clear()
        for path in sorted(Path(job["audio"]).glob("*.wav")):
            write(target / f"{path.stem}.npy", work(embedder, read(path)))
        whole = seconds.pop("embedding")
        found = {part: seconds[part] for part in ("reading", *PARTS.values(), "writing") if part in seconds}
        inner = sum(found.get(part, 0.0) for part in PARTS.values())
        return {"parts": {**found, REST: whole - inner}}

    return run


def _timed_steps(generator: Callable[..., Iterator[Any]], part: str, seconds: dict[str, float]) -> Callable[..., Any]:
    """A generator function whose steps are timed."""

    def steps(*arguments: Any) -> Iterator[Any]:
        found = generator(*arguments)
        while True:
            started = time.perf_counter()
            step = next(found, None)
            seconds[part] = seconds.get(part, 0.0) + time.perf_counter() - started
            if step is None:
                return
            yield step

    return steps
