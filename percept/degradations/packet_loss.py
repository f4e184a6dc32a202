"""Lost packets of 20 ms, in bursts; silent, or concealed by repetition.

Which packets are lost follows the simple Gilbert model: a packet after one that arrived is lost with probability q, a
packet after a lost one with probability 1/2, so that bursts are 2 packets long on average. (Above q = 1/2 both are q,
so that more than half can be lost.) With one uniform number for each packet, q at which it is lost first is known: so
packets are lost in that order until the percentage is met. Percentages are thus exact on each clip, and with the same
seed a higher one loses the packets of every lower one and more.

Reference:
    E. N. Gilbert, Capacity of a burst-noise channel, Bell System Technical Journal 39(5), 1960.
    O. J. Wasem et al., The effect of waveform substitution on the quality of PCM packet communications, IEEE TASSP
    36(3), 1988: repetition of the last packet.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from percept.degradations import DEGRADATIONS
from percept.records import Degradation
from percept.schema import Array, Array64, Clip, Unscorable

PACKET_MS = 20
STAY_LOST = 0.5
"""Probability that the packet after a lost one is lost too: bursts are 1 / (1 - 0.5) = 2 packets long on average."""
FADE_DB = 6.0
"""How much a repetition gets quieter a packet, from its first sample on."""

Packets = npt.NDArray[np.bool_]


def lose_packets(clip: Clip, percentage: float, generator: np.random.Generator) -> Array:
    """Put silence in the place of lost packets.

    Args:
        clip: mono ``[T]``.
        percentage: share of packets that are lost, 0 to 100; 0 changes nothing.
        generator: source of randomness: which packets.

    Returns:
        ``[T]``.

    Raises:
        Unscorable: the clip is no longer than one packet.
    """
    if percentage == 0:
        return clip.samples
    packet = _packet(clip)
    lost = losses(math.ceil(clip.samples.shape[-1] / packet), percentage, generator)
    return np.where(np.repeat(lost, packet)[: clip.samples.shape[-1]], np.float32(0), clip.samples)


def conceal_packets(clip: Clip, percentage: float, generator: np.random.Generator) -> Array:
    """Put the last packet that arrived in the place of lost ones, over and over, 6 dB a packet quieter.

    Args:
        clip: mono ``[T]``.
        percentage: share of packets that are lost, 0 to 100; 0 changes nothing.
        generator: source of randomness: which packets; the same as `lose_packets` with the same seed.

    Returns:
        ``[T]``.

    Raises:
        Unscorable: the clip is no longer than one packet.
    """
    if percentage == 0:
        return clip.samples
    packet, length = _packet(clip), clip.samples.shape[-1]
    lost = losses(math.ceil(length / packet), percentage, generator)
    packets = np.pad(clip.samples, (0, lost.size * packet - length)).reshape(lost.size, packet)
    number = np.arange(lost.size)
    last = np.maximum.accumulate(np.where(lost, 0, number))
    packets_ago = (number - last)[:, None] - 1 + np.arange(packet) / packet
    gain = np.where(lost[:, None], 10 ** (-FADE_DB / 20 * packets_ago), 1.0)
    return (packets[last] * gain).astype(np.float32).reshape(-1)[:length]


def losses(packets: int, percentage: float, generator: np.random.Generator) -> Packets:
    """Which packets are lost ``[N]``: the rounded percentage of them, at least one, and never the first.

    The first arrives, so that a concealment has something to repeat.
    """
    count = min(max(1, round(packets * percentage / 100)), packets - 1)
    lost = np.zeros(packets, dtype=bool)
    lost[np.argsort(_lost_from(generator.random(packets)), kind="stable")[:count]] = True
    return lost


def _lost_from(draws: Array64) -> Array64:
    """The smallest q at which each packet is lost ``[N]``: its own draw, or the burst's that reaches it."""
    first = draws.copy()
    first[0] = math.inf
    for number in range(2, first.size):
        if draws[number] < STAY_LOST:
            first[number] = min(first[number], first[number - 1])
    return first


def _packet(clip: Clip) -> int:
    """Samples of a packet."""
    packet = round(clip.rate * PACKET_MS / 1000)
    if clip.samples.shape[-1] <= packet:
        raise Unscorable(f"{clip.seconds:.3g} s are no more than one packet of {PACKET_MS} ms")
    return packet


for _name, _title, _apply, _words in (
    ("packet_loss", "Packet loss", lose_packets, "leaves silence for"),
    ("packet_loss_concealed", "Concealed packet loss", conceal_packets, "repeats the last packet for"),
):
    DEGRADATIONS.add(
        Degradation(
            name=_name,
            title=_title,
            summary=f"{_words} a percentage of the packets of {PACKET_MS} ms, lost in bursts of two on average",
            citation="Gilbert, Bell System Technical Journal 39(5), 1960",
            apply=_apply,
            unit="%",
            suffix="pct",
            levels=(1.0, 5.0, 10.0, 20.0),
            neutral=0.0,
            limits=(0.0, 100.0),
            harsher="higher",
        )
    )
