"""The kernel's answers to requests: datagrams → facts, or the failure of the socket.

The first byte says how the socket behaves. The rest is a row of datagrams; the last can be the failure of
a call.
"""

from __future__ import annotations

import socket
import struct
from typing import Callable
from unittest import mock

from pf_status_relay.core.facts import Absent, PhysicalFunction, Unreadable, VfLinkState, VirtualFunction
from pf_status_relay.kernel.request_socket import RequestSocket
from tests.fuzz import datagrams, lines
from tests.support.netlink_socket import NetlinkSocket

ANY_SEQUENCE, TRUNCATED, NOT_THE_KERNEL, FAILS, WRITES = 1, 2, 4, 8, 16
"""Bits of the first byte: sequence numbers stay as they are; each datagram was longer; another process sends;
the last call fails, and the length of the last datagram is its errno; VFs are set instead of read."""

_MOST_REQUESTS = 16  # three looks at a PF and its master, three lists of ports in each, one count of LACPDUs
_VFS = [VirtualFunction(number, VfLinkState.DISABLE) for number in range(3)]


def check(data: bytes) -> None:
    """Read a PF, or set the link states of its VFs, with these answers alone."""
    if not data:
        return
    kind, rows = data[0], datagrams.split(data[1:])
    kernel = NetlinkSocket()
    kernel.answers = [row if kind & ANY_SEQUENCE else answering(row) for row in rows]
    kernel.flags = socket.MSG_TRUNC if kind & TRUNCATED else 0
    kernel.sender = 4711 if kind & NOT_THE_KERNEL else 0
    if kind & FAILS and rows:
        kernel.answers[-1] = OSError(len(rows[-1]), "a call fails")
    with mock.patch("socket.socket", return_value=kernel):
        rtnl = RequestSocket()
    try:
        if kind & WRITES:
            refusal = rtnl.set_vf_link_states(5, _VFS)
            lines.check([refusal.reason] if refusal else [])
        else:
            facts = rtnl.read("ens5f0", count_lacpdus=True)
            assert isinstance(facts, (PhysicalFunction, Absent, Unreadable))
            if not isinstance(facts, PhysicalFunction):
                lines.check([facts.error])
            elif facts.master:
                assert facts.master.name.isprintable()
                assert facts.master.kind.isprintable()
    except OSError as error:
        lines.check([error.strerror or str(error)])
    assert len(kernel.requests) <= _MOST_REQUESTS


def answering(datagram: bytes) -> Callable[[int], bytes]:
    """Return the datagram as an answer, with the last request's sequence number in its messages."""

    def answer(sequence: int) -> bytes:
        filled = bytearray(datagram)
        position = 0
        while position + 16 <= len(filled):
            struct.pack_into("=I", filled, position + 8, sequence)
            (length,) = struct.unpack_from("=I", filled, position)
            position += max((length + 3) & ~3, 16)
        return bytes(filled)

    return answer
