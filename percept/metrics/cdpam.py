"""CDPAM: a distance that learnt from listeners which differences are heard."""

from __future__ import annotations

import math

import numpy as np

from percept.metrics import METRICS
from percept.metrics._remembered import remembered
from percept.records import Metric
from percept.schema import Array, Clip

RATE_HZ = 22050
LONGEST_S = 120.0
"""It was trained on excerpts of seconds; and the mean over hours of its features tells less than that over minutes."""


def cdpam(reference: Clip, degraded: Clip) -> float:
    """Distance of the two clips' acoustic features; 0 on identical input, about 0.1 at 25 dB of white noise.

    It hears the level too: a clip at half the amplitude is far from the original. It takes the
    network on each, so it is the slowest of all measures.

    Args:
        reference: mono ``[T]`` at 22.05 kHz.
        degraded: the same length.

    Reference:
        P. Manocha et al., CDPAM: Contrastive Learning for Perceptual Audio Similarity, ICASSP 2021.
    """
    import torch

    from percept import cdpam_model

    _, comparison = cdpam_model.load()
    ours, theirs = (torch.from_numpy(_features(clip.samples)) for clip in (reference, degraded))
    with torch.no_grad():
        return float(comparison(ours, theirs))


# One reference has many versions, scored one after the other.
@remembered(1000)
def _features(samples: Array) -> Array:
    """Acoustic features ``[1, 512]`` of samples ``[T]``."""
    import torch

    from percept import cdpam_model

    encoder, _ = cdpam_model.load()
    waveform = torch.from_numpy(samples.astype(np.float64))
    with torch.no_grad():
        features = encoder(cdpam_model.sixteen_bit(waveform)[None])[:, : cdpam_model.ACOUSTIC]
    return np.asarray(features.numpy())


METRICS.add(
    Metric(
        name="cdpam",
        version=2,
        title="CDPAM",
        summary="learnt perceptual distance, from listeners' answers on what differs; beyond 2 min a mean over windows",
        citation="Manocha et al., ICASSP 2021",
        compute=cdpam,
        unit="",
        range=(0.0, math.inf),
        perfect=0.0,
        higher_is_better=False,
        group="perceptual",
        rate=RATE_HZ,
        longest_s=LONGEST_S,
        symmetric=True,
        differentiable=True,
        licence="MIT (package cdpam, code and weights)",
    )
)
