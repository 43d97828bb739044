"""Input as a row of datagrams: each a 16-bit length and that many bytes."""

from __future__ import annotations

import struct

_LENGTH = struct.Struct("=H")


def split(data: bytes) -> list[bytes]:
    """Return the datagrams; the last one is the rest, which may be short."""
    found: list[bytes] = []
    while len(data) > _LENGTH.size:
        end = _LENGTH.size + _LENGTH.unpack_from(data)[0]
        found.append(data[_LENGTH.size : end])
        data = data[end:]
    return found


def join(datagrams: list[bytes]) -> bytes:
    """Return the input that `split` turns into these datagrams."""
    return b"".join(_LENGTH.pack(len(each)) + each for each in datagrams)
