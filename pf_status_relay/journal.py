"""The journal, by its native protocol (https://systemd.io/JOURNAL_NATIVE_PROTOCOL).

Not systemd-python: its sendv keeps the interpreter's lock while it waits for journald, so that with a
journald that hangs every thread does.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Mapping

SOCKET = "/run/systemd/journal/socket"
"""Where journald listens."""

_LENGTH = struct.Struct("<Q")


def send(fields: Mapping[str, str]) -> None:
    """Send one entry. Waits while journald's queue is full; raises OSError if it is not there."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.sendto(entry(fields), SOCKET)


def entry(fields: Mapping[str, str]) -> bytes:
    """Return an entry as journald takes it: its fields, in order."""
    return b"".join(_field(name.encode(), value) for name, value in fields.items())


def _field(name: bytes, value: str) -> bytes:
    data = value.encode("utf-8", "surrogateescape")
    if b"\n" in data:
        return b"%s\n%s%s\n" % (name, _LENGTH.pack(len(data)), data)
    return b"%s=%s\n" % (name, data)
