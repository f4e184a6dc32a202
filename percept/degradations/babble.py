"""Babble: the other clips of the run, all at once."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from percept.degradations import DEGRADATIONS
from percept.degradations._mixing import add_at_snr
from percept.records import Degradation
from percept.schema import Array, Array64, Clip, Unscorable

MOST_VOICES = 8
"""With many more, babble becomes a steady noise; with about eight it masks speech best."""


def add_babble(clip: Clip, snr_db: float, generator: np.random.Generator, company: Sequence[Clip]) -> Array:
    """Add the sum of other clips at an exact signal-to-noise ratio.

    Args:
        clip: mono ``[T]``.
        snr_db: ratio of the mean powers of clip and babble, in dB; infinite: no babble.
        generator: source of randomness: which eight where there are more, and where each begins.
        company: the other clips, mono, at the same rate, of any length.

    Returns:
        ``[T]``; may exceed full scale.

    Raises:
        Unscorable: there are no other clips, all are silent, or the clip is silent.

    Reference:
        S. A. Simpson and M. Cooke, Consonant identification in N-talker babble is a nonmonotonic function of N,
        JASA 118(5), 2005.
    """
    if any(other.rate != clip.rate for other in company):
        raise ValueError(f"the other clips must be at {clip.rate} Hz, as the clip is")
    if math.isinf(snr_db):
        return clip.samples
    voices = [other.samples for other in company if other.samples.any()]
    if not voices:
        raise Unscorable("there are no other clips to babble" if not company else "all the other clips are silent")
    return add_at_snr(clip, snr_db, lambda: babble(clip.samples.shape[-1], voices, generator))


def babble(length: int, voices: Sequence[Array], generator: np.random.Generator) -> Array64:
    """The sum ``[T]`` of at most eight voices, each of power 1 and repeated from a random sample on."""
    chosen = generator.permutation(len(voices))[:MOST_VOICES]
    total = np.zeros(length)
    for voice in (voices[index].astype(np.float64) for index in chosen):
        start = int(generator.integers(voice.size))
        total += np.resize(np.roll(voice, -start), length) / math.sqrt(float(np.mean(voice**2)))
    return total


DEGRADATIONS.add(
    Degradation(
        name="babble",
        title="Babble",
        summary="adds the sum of the other clips, at a given signal-to-noise ratio",
        citation="Simpson and Cooke, JASA 118(5), 2005",
        apply=add_babble,
        unit="dB",
        suffix="dB",
        levels=(30.0, 20.0, 10.0, 0.0),
        neutral=math.inf,
        limits=(-60.0, math.inf),
        harsher="lower",
        needs="company",
    )
)
