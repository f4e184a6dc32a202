"""OpenL3's network in TensorFlow (Keras), put together here after the published architecture.

The package openl3 cannot be installed without downloading its weights, so this is not that package. It has what openl3
0.4 has: resampy's ``kaiser_best``, kapre's mel layer inside the graph, the network, ``model.predict`` in batches of 32.

Source: J. Cramer et al., Look, Listen and Learn More, ICASSP 2019.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

RATE_HZ = 48000
HOP_SAMPLES = 4800
BATCH = 32
CHANNELS = (64, 64, 128, 128, 256, 256, 512, 512)
POOLED_AFTER = (2, 4, 6)
FINAL_POOL = (32, 24)
EPSILON = 1e-3
SMALLEST, RANGE = 1e-10, 80.0


def network(weights: Path) -> Any:
    """The network, from windows ``[N, 1, 48000]`` to ``[N, 512]``, with the tensors of an archive in Keras' order."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras
    from kapre.composed import get_melspectrogram_layer

    mel = get_melspectrogram_layer(
        input_shape=(1, RATE_HZ), n_fft=2048, hop_length=242, pad_end=True, sample_rate=RATE_HZ, n_mels=256,
        mel_htk=False, mel_norm="slaney", return_decibel=False, input_data_format="channels_first",
        output_data_format="channels_last",
    )  # fmt: skip
    layers: list[Any] = [keras.layers.BatchNormalization(epsilon=EPSILON)]
    for number, channels in enumerate(CHANNELS, 1):
        layers.append(keras.layers.Conv2D(channels, 3, padding="same"))
        if number < len(CHANNELS):
            layers += [keras.layers.BatchNormalization(epsilon=EPSILON), keras.layers.ReLU()]
        if number in POOLED_AFTER:
            layers.append(keras.layers.MaxPooling2D())
    layers += [keras.layers.MaxPooling2D(FINAL_POOL, padding="same"), keras.layers.Flatten()]
    windows = keras.Input((1, RATE_HZ))
    maps = keras.layers.Permute((2, 1, 3))(mel(windows))
    maps = keras.layers.Lambda(_decibels)(maps)
    for layer in layers:
        maps = layer(maps)
    with np.load(weights) as archive:
        rest = [archive[name] for name in sorted(archive.files)]
    for layer in layers:
        count = len(layer.get_weights())
        layer.set_weights(rest[:count])
        rest = rest[count:]
    return keras.Model(windows, maps)


def _decibels(amplitude: Any) -> Any:
    from keras import ops

    level = 10 * ops.log10(ops.maximum(amplitude, SMALLEST))
    return ops.maximum(level - ops.max(level, axis=(1, 2, 3), keepdims=True), -RANGE)


def windows(samples: Any, rate: int) -> Any:
    """Centred windows of one second every 0.1 s at 48 kHz: float32 ``[F, 1, 48000]``."""
    import resampy

    if rate != RATE_HZ:
        samples = resampy.resample(samples, rate, RATE_HZ, filter="kaiser_best")
    samples = np.pad(samples, (RATE_HZ // 2, 0))
    beyond = samples.size - RATE_HZ
    samples = np.pad(samples, (0, -beyond % HOP_SAMPLES if beyond > 0 else -beyond))
    cut = np.lib.stride_tricks.sliding_window_view(samples, RATE_HZ)[::HOP_SAMPLES]
    return cut[:, None].astype(np.float32)


def embed(model: Any, audio: Path, target: Path) -> None:
    """Every WAV file of a folder to a ``.npy`` file ``[F, 512]``."""
    import soundfile

    for path in sorted(audio.glob("*.wav")):
        samples, rate = soundfile.read(path)
        rows = model.predict(windows(samples, rate), batch_size=BATCH, verbose=0)
        np.save(target / f"{path.stem}.npy", rows)


def prepare(job: dict[str, Any]) -> Callable[[Path], dict[str, Any]]:
    """Ready to embed the WAV files of "audio" with the numbers of "weights"."""
    model = network(Path(job["weights"]))

    def run(target: Path) -> dict[str, Any]:
        embed(model, Path(job["audio"]), target)
        return {}

    return run
