"""Codecs: real encoders and decoders with true bit counts. One module a library; being here registers its codecs.

Each returns the decoded signal and the bits it spent, sample-aligned, with the length and rate of its input. Where the
wanted bit rate cannot be had at the clip's sample rate, it codes at another rate and records that, or refuses.
"""

from __future__ import annotations

from percept.records import Codec
from percept.registry import Registry

CODECS: Registry[Codec] = Registry("codec", __name__)
