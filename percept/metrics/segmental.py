"""Segmental SNR: the signal-to-noise ratio of short frames, averaged in dB."""

from __future__ import annotations

import numpy as np

from percept import dsp
from percept.metrics import METRICS
from percept.records import Metric
from percept.schema import Clip, Unscorable

FRAME_MS = 30
LOWEST_DB, HIGHEST_DB = -10.0, 35.0
"""Beyond these a frame's ratio says nothing more of quality and would rule the mean."""
ACTIVE_DB = 40.0
"""Frames of the reference further below its loudest one are pauses, in which a ratio means nothing."""


def seg_snr(reference: Clip, degraded: Clip) -> float:
    """Mean over the reference's active frames of the SNR in dB, each limited to -10 … 35 dB; 35 on identical input.

    Args:
        reference: mono ``[T]``, not silent, at least one frame of 30 ms; what is left of a frame at the end is ignored.
        degraded: the same length.

    Raises:
        Unscorable: shorter than one frame, or silent in all whole frames.

    Reference:
        J. H. L. Hansen and B. L. Pellom, An effective quality evaluation protocol for speech enhancement algorithms,
        ICSLP 1998.
    """
    size = round(reference.rate * FRAME_MS / 1000)
    count = reference.samples.size // size
    if not count:
        raise Unscorable(f"{reference.seconds:.3g} s are shorter than one frame of {FRAME_MS} ms")
    signal, noise = np.empty(count), np.empty(count)
    for part in dsp.blocks(count, max(1, dsp.BLOCK // size)):
        samples = slice(part.start * size, part.stop * size)
        ours, theirs = (clip.samples[samples].reshape(-1, size).astype(np.float64) for clip in (reference, degraded))
        signal[part], noise[part] = (ours**2).sum(axis=1), ((theirs - ours) ** 2).sum(axis=1)
    active = (signal > 0) & (signal >= signal.max() * 10 ** (-ACTIVE_DB / 10))
    if not active.any():
        raise Unscorable("the reference is silent in every whole frame")
    signal, noise = signal[active], noise[active]
    # A frame without noise has the limit, not a division by zero.
    ratio = signal / np.maximum(noise, signal * 10 ** (-HIGHEST_DB / 10))
    return float(np.clip(10 * np.log10(ratio), LOWEST_DB, HIGHEST_DB).mean())


METRICS.add(
    Metric(
        name="seg_snr",
        title="Segmental SNR",
        summary="signal-to-noise ratio of 30 ms frames, each limited to -10 … 35 dB",
        citation="Hansen and Pellom, ICSLP 1998",
        compute=seg_snr,
        unit="dB",
        range=(LOWEST_DB, HIGHEST_DB),
        perfect=HIGHEST_DB,
        higher_is_better=True,
        group="signal",
        differentiable=True,
    )
)
