"""MP3, Opus, AAC and the telephone codecs, from the FFmpeg that PyAV carries: no system program is needed.

Each makes a whole file in memory and decodes it again. The file is what `file_bits` counts; the packets that a reader
finds in it are what `payload_bits` counts.

An encoder that cannot reach the wanted rate at the clip's sample rate says nothing and takes the nearest rate that it
can. So each format declares here what it reaches at which sample rate; a clip is resampled to the nearest sample rate
at which the wanted bit rate is true, and where there is none, it is refused.

Sources:
    ISO/IEC 11172-3:1993 and 13818-3:1998, tables of bit rates of Layer III (MP3); RFC 6716, 2012, section 3.1 (Opus);
    ISO/IEC 14496-3:2019 (AAC); ITU-T G.711, 1988 (mu-law); ITU-T G.722, 2012.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from percept.codecs import CODECS
from percept.records import Codec, Coded
from percept.schema import Clip

VERSION = 2
"""2: clips of more than 5.8 minutes (at 48 kHz) are resampled in pieces, see `percept.codecs._clips`."""

FAR_KBPS = frozenset((32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320))
NEAR_KBPS = frozenset((8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160))
"""Rates of Layer III in MPEG-1 (32 to 48 kHz) and in MPEG-2 (16 to 24 kHz; MPEG-2.5 has those up to 64)."""

MP3_RATES_HZ = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
AAC_RATES_HZ = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
MP3_LEAST_BITS = 0.33
"""Bits a sample and channel; with fewer, LAME leaves so little of a signal that its place in time is not exact."""
MP3_GAINS = {192: 0.97, 224: 0.98, 256: 1.0, 320: 1.0}
MP3_GAIN = 0.95
"""What LAME multiplies the signal by before it codes it, so that less clips; by bit rate, and below. As measured."""
AAC_BITS = (0.33, 4.5)
AAC_LEAST_KBPS = 12
"""Bits a sample and channel between which, and kbit/s a channel from which, FFmpeg's AAC encoder meets its rate within
a tenth on noise; measured."""

OPUS_RATE_HZ = 48000
OPUS_KBPS_A_CHANNEL = (6, 256)
OPUS_MONO_KBPS = 16
"""Up to here libopus codes two channels as one, or in its speech mode."""
SILK_NARROW_DELAY, SILK_MEDIUM_DELAY = 6, 2
"""Samples at 48 kHz by which FFmpeg's decoder is late in the two narrow speech modes; measured. The others are exact.
"""
G722_DELAY = 22
"""Samples by which two passes of G.722's 24-tap filter bank are late."""


def _unset(kbps: float, channels: int) -> Mapping[str, str]:
    return {}


@dataclass(frozen=True, kw_only=True)
class Format:
    """How a codec is had from FFmpeg.

    Args:
        encoder: FFmpeg's name of the encoder.
        container: FFmpeg's name of the file format.
        sample_format: what the encoder takes.
        sample_rates: the sample rates at which it codes, in Hz.
        reaches: ``(sample rate, kbps, channels) ->`` whether the encoder keeps that bit rate there.
        range: what it reaches, in words, for the refusal.
        options: ``(kbps, channels) ->`` options of the encoder.
        muxer: options of the file format.
        delay: ``(packets) ->`` samples by which what FFmpeg decodes is late.
        gain: ``(kbps) ->`` what the encoder multiplies the signal by.
        margin: zeros appended before coding, so that the end is there after the delay is removed.
        alone: the standard knows one channel; of two, each gets a file of its own and an equal part of the rate.
    """

    encoder: str
    container: str
    sample_format: str
    sample_rates: tuple[int, ...]
    reaches: Callable[[int, float, int], bool]
    range: str
    options: Callable[[float, int], Mapping[str, str]] = _unset
    muxer: Mapping[str, str] = field(default_factory=dict)
    delay: Callable[[Sequence[bytes]], int] = lambda packets: 0
    gain: Callable[[float], float] = lambda kbps: 1.0
    margin: int = 0
    alone: bool = False


def _mp3_reaches(sample_rate: int, kbps: float, channels: int) -> bool:
    if 1000 * kbps < MP3_LEAST_BITS * sample_rate * channels:
        return False
    if sample_rate >= 32000:
        return kbps in FAR_KBPS
    return kbps in NEAR_KBPS and (sample_rate >= 16000 or kbps <= 64)


def _aac_reaches(sample_rate: int, kbps: float, channels: int) -> bool:
    low, high = AAC_BITS
    return kbps >= AAC_LEAST_KBPS * channels and low <= 1000 * kbps / (sample_rate * channels) <= high


def _opus_reaches(sample_rate: int, kbps: float, channels: int) -> bool:
    low, high = OPUS_KBPS_A_CHANNEL
    return low <= kbps <= high * channels


def _opus_options(kbps: float, channels: int) -> Mapping[str, str]:
    # With two channels the speech layer of a hybrid frame is decoded one of its samples too early, against the music
    # layer and the input; "lowdelay" is libopus's only way to ask for the music layer alone.
    stereo = channels > 1 and kbps > OPUS_MONO_KBPS
    return {"vbr": "off", "application": "lowdelay" if stereo else "audio"}


def opus_delay(packets: Sequence[bytes]) -> int:
    """Samples at 48 kHz by which FFmpeg's Opus decoder is late, by the mode of most packets.

    Reference:
        RFC 6716, 2012, section 3.1, table 2: the first five bits of a packet are its mode.
    """
    modes = sorted(packet[0] >> 3 for packet in packets if packet)
    mode = modes[len(modes) // 2] if modes else -1
    return SILK_NARROW_DELAY if 0 <= mode < 4 else SILK_MEDIUM_DELAY if 4 <= mode < 8 else 0


MP3 = Format(
    encoder="libmp3lame",
    container="mp3",
    sample_format="fltp",
    sample_rates=MP3_RATES_HZ,
    reaches=_mp3_reaches,
    range=", ".join(map(str, sorted(FAR_KBPS | NEAR_KBPS))),
    muxer={"id3v2_version": "0"},
    gain=lambda kbps: MP3_GAINS.get(round(kbps), MP3_GAIN),
)
OPUS = Format(
    encoder="libopus",
    container="ogg",
    sample_format="flt",
    sample_rates=(OPUS_RATE_HZ,),
    reaches=_opus_reaches,
    range="6 to 256 for one channel, to 512 for two",
    options=_opus_options,
    delay=opus_delay,
    margin=SILK_NARROW_DELAY,
)
AAC = Format(
    encoder="aac",
    container="mp4",
    sample_format="fltp",
    sample_rates=AAC_RATES_HZ,
    reaches=_aac_reaches,
    range="12 to 216 for each channel",
)
MULAW = Format(
    encoder="pcm_mulaw",
    container="wav",
    sample_format="s16",
    sample_rates=(8000,),
    reaches=lambda sample_rate, kbps, channels: kbps == 64 * channels,
    range="64 for each channel",
    alone=True,
)
G722 = Format(
    encoder="g722",
    container="wav",
    sample_format="s16",
    sample_rates=(16000,),
    reaches=lambda sample_rate, kbps, channels: kbps == 64 * channels,
    range="64 for each channel",
    delay=lambda packets: G722_DELAY,
    margin=G722_DELAY,
    alone=True,
)


def code(clip: Clip, kbps: float, *, form: Format) -> Coded:
    """Encode and decode a clip.

    Args:
        clip: ``[T]``, or ``[C, T]`` with one or two channels, at any rate. Beyond full scale, Opus, mu-law and G.722
            may clip it.
        kbps: bit rate in kbit/s, of all channels together.
        form: the codec.

    Raises:
        Unscorable: when no sample rate allows this bit rate, or the clip is empty, not finite or has more channels.
    """
    from percept.codecs import _ffmpeg

    return _ffmpeg.code(clip, kbps, form)


CODECS.add(
    Codec(
        name="mp3",
        title="MP3",
        summary="MPEG-1/2/2.5 Layer III at a constant rate, by LAME",
        citation="ISO/IEC 11172-3:1993 and ISO/IEC 13818-3:1998",
        version=VERSION,
        code=partial(code, form=MP3),
        walks=True,
        levels=(128.0, 64.0, 32.0),
        limits=(8.0, 320.0),
        whole=True,
        licence="LGPL-2.0 (LAME)",
    )
)
CODECS.add(
    Codec(
        name="opus",
        title="Opus",
        summary="speech and music codec at a constant rate, frames of 20 ms, by libopus",
        citation="RFC 6716, Definition of the Opus Audio Codec, 2012",
        version=VERSION,
        code=partial(code, form=OPUS),
        walks=True,
        levels=(64.0, 24.0, 6.0),
        limits=(6.0, 512.0),
        licence="BSD-3-Clause (libopus)",
    )
)
CODECS.add(
    Codec(
        name="aac",
        title="AAC",
        summary="AAC-LC, by FFmpeg's own encoder",
        citation="ISO/IEC 14496-3:2019",
        version=VERSION,
        code=partial(code, form=AAC),
        walks=True,
        levels=(128.0, 64.0, 32.0),
        limits=(12.0, 432.0),
        licence="LGPL-2.1 (FFmpeg)",
    )
)
CODECS.add(
    Codec(
        name="mulaw",
        title="G.711 mu-law",
        summary="8 logarithmic bits a sample at 8 kHz, as on the telephone; 64 kbit/s a channel",
        citation="ITU-T Recommendation G.711, 1988",
        version=VERSION,
        code=partial(code, form=MULAW),
        walks=True,
        levels=(64.0,),
        limits=(64.0, 128.0),
        whole=True,
        licence="LGPL-2.1 (FFmpeg)",
    )
)
CODECS.add(
    Codec(
        name="g722",
        title="G.722",
        summary="two-band ADPCM at 16 kHz, as in wide-band telephony; 64 kbit/s a channel",
        citation="ITU-T Recommendation G.722, 2012",
        version=VERSION,
        code=partial(code, form=G722),
        walks=True,
        levels=(64.0,),
        limits=(64.0, 128.0),
        whole=True,
        licence="LGPL-2.1 (FFmpeg)",
    )
)
