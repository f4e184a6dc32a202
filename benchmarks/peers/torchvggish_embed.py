"""VGGish by the package torchvggish: its front end and its network, anew for every file or once for all."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np


def network(weights: Path) -> Any:
    """Its network with quantised output; numbers from a file ``{"network": state, "pca": (vectors, means)}``.

    Its own way to the weights is a download by ``torch.hub``; here a file on the disk takes the download's place, and
    everything else is as there: the module is built with fresh random numbers, which the file's then replace.
    """
    import torch
    from torchvggish import torchvggish

    content = torch.load(weights, weights_only=True)
    model = torchvggish._vgg(postprocess=False)
    model.load_state_dict(content["network"])
    model.pproc = torchvggish.Postprocessor.__new__(torchvggish.Postprocessor)
    model.pproc._pca_matrix = content["pca"][0].float()
    model.pproc._pca_means = content["pca"][1].float()[:, None]
    model.postprocess = True
    return model.eval()


def embed(audio: Path, target: Path, weights: Path, model: Any = None) -> None:
    """Every WAV file of a folder to a ``.npy`` file ``[F, 128]``; without a model, one is built anew for each file."""
    import soundfile
    from torchvggish.vggish_input import waveform_to_examples

    for path in sorted(audio.glob("*.wav")):
        used = model or network(weights)
        samples, rate = soundfile.read(path)
        rows = used(waveform_to_examples(samples, rate)).detach().numpy()
        np.save(target / f"{path.stem}.npy", np.atleast_2d(rows))


def prepare(job: dict[str, Any]) -> Callable[[Path], dict[str, Any]]:
    """Ready to embed the WAV files of "audio" with the numbers of "weights"; "reused": keep the network."""
    warnings.simplefilter("ignore")
    import torchvggish  # noqa: F401

    weights = Path(job["weights"])
    model = network(weights) if job["reused"] else None

    def run(target: Path) -> dict[str, Any]:
        embed(Path(job["audio"]), target, weights, model)
        return {}

    return run
