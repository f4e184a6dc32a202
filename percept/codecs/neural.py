"""Neural codecs: EnCodec at 24 and 48 kHz, DAC and Mimi, with the networks of the transformers library.

The level is a bit rate, and so a number of codebooks: each adds ``frames a second × bits of a code``. A network for
one channel codes each channel of a stereo clip by itself with an equal part of the rate; the one for two channels is
given a mono clip twice, and the mean is taken of what it gives back.

The weights are the official files of the Hugging Face hub, under names that tell them apart. No digest of them is known
to us, so a file is accepted as it is; its SHA-256 is the weights' identity. The hyper-parameters are those of the
official ``config.json`` files, written down here, so that nothing but the numbers is fetched. The untrained control is
the same network with random numbers from a seed.

Sources:
    A. Défossez et al., High Fidelity Neural Audio Compression, TMLR 2023 (EnCodec); R. Kumar et al., High-Fidelity
    Audio Compression with Improved RVQGAN, NeurIPS 2023 (DAC); A. Défossez et al., Moshi: a speech-text foundation
    model for real-time dialogue, arXiv 2410.00037, 2024 (Mimi).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from math import ceil, floor
from typing import Any

from percept.codecs import CODECS
from percept.records import Codec, Coded, WeightFile, Weights
from percept.schema import Clip, Unscorable

ADDRESS = "https://huggingface.co"
MOST_CHANNELS = 2
LEVEL_TOLERANCE = 0.006
"""A level, for one channel, may be written with two digits, 7.75 for 7.752, 0.14 for 0.1375; in kbit/s."""


@dataclass(frozen=True, kw_only=True)
class Network:
    """What is known of a neural codec's network.

    Args:
        name: of the codec.
        number: in the header of its files; never used again for another.
        repository: on the hub.
        size: of the weight file, in bytes, roughly.
        model: class of the transformers library; its configuration has the same name with Config.
        settings: where it differs from that class's defaults.
        rate: sample rate, in Hz.
        hop: samples a frame.
        channels: of its input.
        codebooks: numbers of codebooks that it knows.
        bits: of a code.
        chunk: samples of a chunk and from one chunk to the next; None: the clip is one chunk.
        licence: of the weights.
    """

    name: str
    number: int
    repository: str
    size: int
    model: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    rate: int
    hop: int
    channels: int = 1
    codebooks: tuple[int, ...]
    bits: int
    chunk: tuple[int, int] | None = None
    licence: str

    @property
    def file(self) -> WeightFile:
        """The official weight file."""
        short = self.repository.partition("/")[2]
        address = f"{ADDRESS}/{self.repository}/resolve/main/model.safetensors"
        return WeightFile(f"{short}-model.safetensors", address, (), size=self.size, licence=self.licence)

    def kbps(self, codebooks: int) -> float:
        """Bit rate of the codes of one stream, in kbit/s."""
        return codebooks * self.bits * self.rate / self.hop / 1000

    def streams(self, channels: int) -> int:
        """How many times the network runs for a clip with this many channels."""
        return channels if self.channels == 1 else 1

    def codebooks_for(self, kbps: float, channels: int) -> int:
        """The number of codebooks that spends `kbps` on all channels together.

        Raises:
            Unscorable: when there is none; names those that there are.
        """
        streams = self.streams(channels)
        known = {streams * self.kbps(count): count for count in self.codebooks}
        for rate, count in known.items():
            if abs(rate - kbps) < streams * LEVEL_TOLERANCE:
                return count
        allowed = ", ".join(f"{round(rate, 2):g}" for rate in known)
        raise Unscorable(f"{self.name} has no rate of {kbps:g} kbit/s for {channels} channel(s); it has {allowed}")

    def spans(self, samples: int) -> list[tuple[int, int]]:
        """Begin and end of every chunk of a clip of `samples` samples at the network's rate."""
        if self.chunk is None:
            return [(0, samples)]
        length, step = self.chunk
        return [(start, min(start + length, samples)) for start in range(0, samples, step)]

    def frames(self, samples: int) -> list[int]:
        """Frames of every chunk; the last frame of each is filled up."""
        return [-(-(end - start) // self.hop) for start, end in self.spans(samples)]


ENCODEC = Network(
    name="encodec",
    number=1,
    repository="facebook/encodec_24khz",
    size=93_100_000,
    model="EncodecModel",
    rate=24000,
    hop=320,
    codebooks=(2, 4, 8, 16, 32),
    bits=10,
    licence="MIT (repository)",
)
ENCODEC_48 = Network(
    name="encodec_48",
    number=2,
    repository="facebook/encodec_48khz",
    size=76_300_000,
    model="EncodecModel",
    settings={
        "target_bandwidths": [3.0, 6.0, 12.0, 24.0],
        "sampling_rate": 48000,
        "audio_channels": 2,
        "normalize": True,
        "chunk_length_s": 1.0,
        "overlap": 0.01,
        "norm_type": "time_group_norm",
        "use_causal_conv": False,
    },
    rate=48000,
    hop=320,
    channels=2,
    codebooks=(2, 4, 8, 16),
    bits=10,
    chunk=(48000, 47520),
    licence="MIT (repository)",
)
DAC = Network(
    name="dac",
    number=3,
    repository="descript/dac_44khz",
    size=306_500_000,
    model="DacModel",
    settings={"sampling_rate": 44100, "downsampling_ratios": [2, 4, 8, 8], "n_codebooks": 9},
    rate=44100,
    hop=512,
    codebooks=tuple(range(1, 10)),
    bits=10,
    licence="MIT",
)
MIMI = Network(
    name="mimi",
    number=4,
    repository="kyutai/mimi",
    size=384_600_000,
    model="MimiModel",
    settings={"num_quantizers": 32},
    rate=24000,
    hop=1920,
    codebooks=tuple(range(1, 33)),
    bits=11,
    licence="CC-BY-4.0",
)
NETWORKS = (ENCODEC, ENCODEC_48, DAC, MIMI)


def code(clip: Clip, kbps: float, weights: Weights, *, network: Network) -> Coded:
    """Encode a clip into a minimal file, and decode that file.

    Args:
        clip: ``[T]``, or ``[C, T]`` with one or two channels, at any rate.
        kbps: bit rate of the codes in kbit/s, of all channels together; exact, or to two digits.
        weights: from `percept.weights.resolve`.
        network: the codec.

    Returns:
        `payload_bits` are those of the codes and scales, `file_bits` those of the file of `percept.codecs._container`.

    Raises:
        Unscorable: when the network has no such rate, or the clip is empty, not finite or has more channels.
        PerceptError: when a weight file is not what it should be.
    """
    from percept.codecs import _neural

    return _neural.code(clip, kbps, weights, network)


def _record(network: Network, title: str, summary: str, citation: str, levels: tuple[float, ...]) -> Codec:
    least = network.kbps(network.codebooks[0])
    most = network.kbps(network.codebooks[-1]) * network.streams(MOST_CHANNELS)
    return Codec(
        name=network.name,
        title=title,
        summary=summary,
        citation=citation,
        code=partial(code, network=network),
        files=lambda: (network.file,),
        levels=levels,
        limits=(floor(100 * least) / 100, ceil(100 * most) / 100),
        licence=network.licence,
    )


_ENCODEC_PAPER = "Défossez et al., High Fidelity Neural Audio Compression, TMLR 2023"

CODECS.add(_record(ENCODEC, "EnCodec", "neural codec at 24 kHz, causal, one channel", _ENCODEC_PAPER, (24.0, 6.0, 1.5)))
CODECS.add(
    _record(ENCODEC_48, "EnCodec 48 kHz", "neural codec at 48 kHz, two channels", _ENCODEC_PAPER, (24.0, 6.0, 3.0))
)
CODECS.add(
    _record(
        DAC,
        "DAC",
        "neural codec at 44.1 kHz, 1 to 9 codebooks",
        "Kumar et al., High-Fidelity Audio Compression with Improved RVQGAN, NeurIPS 2023",
        (7.75, 4.31, 1.72),
    )
)
CODECS.add(
    _record(
        MIMI,
        "Mimi",
        "neural speech codec at 24 kHz, 12.5 frames a second, 1 to 32 codebooks",
        "Défossez et al., Moshi: a speech-text foundation model for real-time dialogue, arXiv 2410.00037, 2024",
        (4.4, 1.1, 0.55),
    )
)
