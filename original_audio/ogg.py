"""Ogg pages with a fixed serial number, so that encoding the same samples twice gives the same bytes.

Reference:
    RFC 3533, The Ogg Encapsulation Format Version 0, 2003.
"""

from __future__ import annotations

import functools

OGG_SERIAL = 1
OGG_POLYNOMIAL = 0x04C11DB7
OGG_HEADER_BYTES = 27


@functools.cache
def ogg_crc_table() -> tuple[int, ...]:
    """Return the 256 steps of the checksum that Ogg pages carry."""
    table = []
    for value in range(256):
        register = value << 24
        for _ in range(8):
            register = (register << 1) ^ (OGG_POLYNOMIAL if register & 0x80000000 else 0)
        table.append(register & 0xFFFFFFFF)
    return tuple(table)


def ogg_crc(page: bytes) -> int:
    """Return the checksum of an Ogg page whose checksum field is zero."""
    table, register = ogg_crc_table(), 0
    for value in page:
        register = (register << 8 & 0xFFFFFFFF) ^ table[register >> 24 ^ value]
    return register


def with_fixed_serial(data: bytes) -> bytes:
    """Give every page of an Ogg file the same stream serial, which the encoder draws at random.

    Args:
        data: The bytes of an Ogg file with one stream.

    Returns:
        The same stream under a constant serial.
    """
    fixed, at = b"", 0
    while at < len(data):
        segments = data[at + OGG_HEADER_BYTES - 1]
        table_end = at + OGG_HEADER_BYTES + segments
        end = table_end + sum(data[at + OGG_HEADER_BYTES : table_end])
        page = bytearray(data[at:end])
        page[14:18] = OGG_SERIAL.to_bytes(4, "little")
        page[22:26] = bytes(4)
        page[22:26] = ogg_crc(bytes(page)).to_bytes(4, "little")
        fixed += page
        at = end
    return fixed
