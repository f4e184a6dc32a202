"""OpenL3 by the package torchopenl3: its network, its ``get_audio_embedding``, its batch of 32 windows."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

HOP_S = 0.1


def network(weights: Path) -> Any:
    """Its network with the numbers of an archive that holds OpenL3's tensors in Keras' order.

    A batch normalisation is gamma, beta, moving mean, moving variance; a kernel ``[3, 3, in, out]``.
    """
    import librosa
    import torch
    from torchopenl3.models import PytorchOpenl3

    model = PytorchOpenl3(content_type="music", input_repr="mel256", embedding_size=512)
    state = model.state_dict()
    with np.load(weights) as archive:
        rest = iter([archive[name] for name in sorted(archive.files)])
    layers = ["batch_normalization_1"]
    for number in range(1, 8):
        layers += [f"conv2d_{number}", f"batch_normalization_{number + 1}"]
    for layer in [*layers, "audio_embedding_layer"]:
        normal = layer.startswith("batch")
        for part in ("weight", "bias", "running_mean", "running_var") if normal else ("weight", "bias"):
            values = next(rest)
            values = values.transpose(3, 2, 0, 1) if values.ndim == 4 else values
            if tuple(state[f"{layer}.{part}"].shape) != values.shape:
                raise SystemExit(f"torchopenl3's {layer}.{part} has another shape than OpenL3's")
            state[f"{layer}.{part}"] = torch.from_numpy(values.copy())
    # It asks librosa for norm=1, which meant Slaney's area normalisation once and means another since librosa 0.10.
    bank = librosa.filters.mel(sr=48000, n_fft=2048, n_mels=256, htk=True, norm="slaney")
    state["speclayer.mel_basis"] = torch.from_numpy(bank)
    model.load_state_dict(state)
    return model.eval()


def embed(model: Any, audio: Path, target: Path) -> None:
    """Every WAV file of a folder to a ``.npy`` file ``[F, 512]``, as the package's own ``process_audio_file`` does."""
    import soundfile
    import torchopenl3

    for path in sorted(audio.glob("*.wav")):
        samples, rate = soundfile.read(path)
        rows, _ = torchopenl3.get_audio_embedding(samples, rate, model=model, hop_size=HOP_S, center=True)
        np.save(target / f"{path.stem}.npy", rows[0].numpy())


def prepare(job: dict[str, Any]) -> Callable[[Path], dict[str, Any]]:
    """Ready to embed the WAV files of "audio" with the numbers of "weights"."""
    logging.disable(logging.WARNING)  # it warns at every call that resampling runs on the processor
    warnings.filterwarnings("ignore", message="Empty filters detected")
    model = network(Path(job["weights"]))

    def run(target: Path) -> dict[str, Any]:
        embed(model, Path(job["audio"]), target)
        return {}

    return run
