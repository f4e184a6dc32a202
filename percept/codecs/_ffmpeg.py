"""Encoding and decoding in memory with PyAV."""

from __future__ import annotations

import ctypes
import functools
import io
import re
from collections.abc import Iterable, Iterator
from fractions import Fraction
from math import ceil, log
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
    count, wanted = _clips.check(clip), clip.samples.shape[-1]
    rate = coded_rate(clip.rate, kbps, count, form)
    length = ceil(wanted * rate / clip.rate)
    result = dsp.room(count, wanted)
    # A long clip is there as what was heard of it, and once more unless it stays in its file.
    rows = [slice(row, row + 1) for row in range(count)] if form.alone else [slice(count)]
    payload = size = 0
    for row in rows:
        taken = 1 if form.alone else count
        stream = (np.atleast_2d(clip.samples[..., part])[row] for part in dsp.blocks(wanted))
        parts = _clips.resampled(stream, wanted, clip.rate, rate)
        total = max(length + form.margin, SHORTEST if form.encoder == "aac" else 0)
        padded = _clips.fitted(parts, 0, total, taken)
        content = write(padded, taken, rate, kbps / len(rows), form)
        heads, bits = _summary(content)
        heard = (part / np.float32(form.gain(kbps)) for part in decoded(content))
        aligned = _clips.fitted(heard, form.delay(heads), length, taken)
        _fill(result[row], _clips.resampled(aligned, length, rate, clip.rate))
        payload += bits
        size += 8 * len(content)
    facts = _clips.rates(clip, kbps, payload, size) | {"coded_rate": rate, "encoder": form.encoder} | versions(content)
    facts |= libopus() if form.encoder == "libopus" else {}
    return Coded(result.reshape(clip.samples.shape), payload, size, facts)


def _summary(content: bytes) -> tuple[list[bytes], int]:
    """The first byte of each packet, and the bits of all."""
    heads, bits = [], 0
    for packet in packets(content):
        heads.append(packet[:1])
        bits += 8 * len(packet)
    return heads, bits


def _fill(target: Array, parts: Iterable[Array]) -> None:
    """Put the parts ``[C, T]`` side by side, as far as there is room, and then zeros."""
    begin = 0
    for part in parts:
        here = part[:, : target.shape[-1] - begin]
        target[:, begin : begin + here.shape[-1]] = here
        begin += here.shape[-1]
    target[:, begin:] = 0


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


def write(parts: Iterable[Array], channels: int, rate: int, kbps: float, form: Format) -> bytes:
    """A whole file with the parts, ``[C, T]`` each, at `rate` Hz; the same bytes for the same input, however divided.

    Args:
        parts: the signal.
        channels: C.
        rate: its sample rate.
        kbps: bit rate in kbit/s.
        form: the codec.
    """
    layout = "mono" if channels == 1 else "stereo"
    file = io.BytesIO()
    options = {"fflags": "+bitexact", **form.muxer}
    with av.open(file, "w", format=form.container, options=options) as container:
        stream: Any = container.add_stream(
            form.encoder, rate=rate, layout=layout, options=dict(form.options(kbps, channels))
        )
        stream.bit_rate = round(1000 * kbps)
        stream.codec_context.format = form.sample_format
        begin = 0
        for part in parts:
            frame = av.AudioFrame.from_ndarray(
                _arranged(part, form.sample_format), format=form.sample_format, layout=layout
            )
            frame.sample_rate = rate
            # Without a time the MP4 writer does not know how many samples the encoder put before the first one.
            frame.pts, frame.time_base = begin, Fraction(1, rate)
            container.mux(stream.encode(frame))
            begin += part.shape[-1]
        container.mux(stream.encode(None))
    return file.getvalue()


def packets(content: bytes) -> Iterator[bytes]:
    """The packets of a file; the last may be empty."""
    with av.open(io.BytesIO(content), "r") as container:
        yield from (bytes(packet) for packet in container.demux(container.streams.audio[0]))


def decoded(content: bytes) -> Iterator[Array]:
    """What a file sounds like, in parts ``[C, T]``."""
    with av.open(io.BytesIO(content), "r") as container:
        for packet in container.demux(container.streams.audio[0]):
            yield from (_planar(frame) for frame in packet.decode())


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
