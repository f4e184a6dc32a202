"""Encoding and decoding in memory with PyAV."""

from __future__ import annotations

import ctypes
import functools
import io
import re
from fractions import Fraction
from math import log
from pathlib import Path
from typing import Any

import av
import numpy as np

from percept import dsp
from percept.codecs import _clips
from percept.codecs.ffmpeg import Format
from percept.records import Coded
from percept.schema import Array, Clip, Unscorable

SIGNATURE = re.compile(rb"LAME(\d+\.\d+)")
SHORTEST = 2048
"""Samples of AAC, zeros included: two frames, of which the MP4 edit list removes one; less decodes to nothing."""


def code(clip: Clip, kbps: float, form: Format) -> Coded:
    """See `percept.codecs.ffmpeg.code`."""
    samples = _clips.channels(clip)
    count = samples.shape[0]
    rate = coded_rate(clip.rate, kbps, count, form)
    wanted = _clips.at_rate(samples, clip.rate, rate)
    streams = [wanted[[row]] for row in range(count)] if form.alone else [wanted]
    decoded, payload, size = [], 0, 0
    for stream in streams:
        length = max(stream.shape[-1] + form.margin, SHORTEST if form.encoder == "aac" else 0)
        content = write(np.stack([dsp.fit_length(row, length) for row in stream]), rate, kbps / len(streams), form)
        heard, packets = read(content)
        delay = form.delay(packets)
        decoded += [dsp.fit_length(row[delay:], stream.shape[-1]) for row in heard / np.float32(form.gain(kbps))]
        payload += 8 * sum(map(len, packets))
        size += 8 * len(content)
    facts = _clips.rates(clip, kbps, payload, size) | {"coded_rate": rate, "encoder": form.encoder} | versions(content)
    facts |= libopus() if form.encoder == "libopus" else {}
    return Coded(_clips.restored(np.stack(decoded), rate, clip), payload, size, facts)


def coded_rate(clip_rate: int, kbps: float, channels: int, form: Format) -> int:
    """The sample rate, nearest to the clip's, at which the encoder keeps the wanted bit rate, in Hz.

    Raises:
        Unscorable: when there is none.
    """
    able = [rate for rate in form.sample_rates if form.reaches(rate, kbps, channels)]
    if not able:
        raise Unscorable(
            f"{form.encoder} has no rate of {kbps:g} kbit/s for {channels} channel(s); it has (kbit/s): {form.range}"
        )
    return min(able, key=lambda rate: abs(log(rate / clip_rate)))


def write(samples: Array, rate: int, kbps: float, form: Format) -> bytes:
    """A whole file with ``[C, T]`` at `rate` Hz; the same bytes for the same input."""
    layout = "mono" if samples.shape[0] == 1 else "stereo"
    frame = av.AudioFrame.from_ndarray(_arranged(samples, form.sample_format), format=form.sample_format, layout=layout)
    frame.sample_rate = rate
    # Without a time the MP4 writer does not know how many samples the encoder put before the first one.
    frame.pts, frame.time_base = 0, Fraction(1, rate)
    file = io.BytesIO()
    options = {"fflags": "+bitexact", **form.muxer}
    with av.open(file, "w", format=form.container, options=options) as container:
        stream: Any = container.add_stream(
            form.encoder, rate=rate, layout=layout, options=dict(form.options(kbps, samples.shape[0]))
        )
        stream.bit_rate = round(1000 * kbps)
        stream.codec_context.format = form.sample_format
        for last in (frame, None):
            container.mux(stream.encode(last))
    return file.getvalue()


def read(content: bytes) -> tuple[Array, list[bytes]]:
    """What a file holds: the decoded signal ``[C, T]``, and its packets."""
    parts, packets = [], []
    with av.open(io.BytesIO(content), "r") as container:
        stream = container.streams.audio[0]
        for packet in container.demux(stream):
            packets.append(bytes(packet))
            parts += [_planar(frame) for frame in packet.decode()]
        count = stream.channels
    return np.concatenate([np.zeros((count, 0), np.float32), *parts], axis=1), packets


def versions(content: bytes) -> dict[str, str]:
    """Versions of PyAV, of the libraries it carries that encode, and of LAME (which signs its files) or libopus."""
    used = ("libavcodec", "libavformat")
    found = {"pyav": av.__version__} | {name: ".".join(map(str, av.library_versions[name])) for name in used}
    signed = SIGNATURE.search(content)
    return found | ({"lame": signed[1].decode()} if signed else {})


@functools.cache
def libopus() -> dict[str, str]:
    """The version that the libopus in PyAV's wheel tells of itself; nothing where PyAV was built against another."""
    package = Path(av.__file__).parent
    for folder in (package.parent / "av.libs", package / ".dylibs"):
        for library in sorted(folder.glob("*opus*")):
            tell = ctypes.CDLL(str(library)).opus_get_version_string
            tell.restype = ctypes.c_char_p
            return {"libopus": tell().decode().removeprefix("libopus ")}
    return {}


def _arranged(samples: Array, sample_format: str) -> np.ndarray[Any, Any]:
    """``[C, T]`` in the number format and order that the encoder takes."""
    numbers = dsp.to_pcm16(samples) if sample_format.startswith("s16") else samples
    return np.ascontiguousarray(numbers if sample_format.endswith("p") else numbers.T.reshape(1, -1))


def _planar(frame: av.AudioFrame) -> Array:
    """A decoded frame as float32 ``[C, T]``."""
    numbers = frame.to_ndarray()
    if not frame.format.is_planar:
        numbers = numbers.reshape(-1, frame.layout.nb_channels).T
    scale = dsp.PCM16_STEPS if numbers.dtype == np.int16 else 1
    return (numbers / np.float32(scale)).astype(np.float32)
