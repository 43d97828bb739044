"""The hot path of rtnetlink, for programs that measure or are measured: it reads a few bytes of an answer.

test_bench.py checks it against the lab's observer, a full decoder.
"""

from __future__ import annotations

import errno
import socket
import struct

from tests.support import rtnetlink as nl

QUEUE_BYTES = 8 << 20
BUFFER_BYTES = 1 << 18
"""Size of a receive buffer, in bytes. A PF with 334 VFs and their statistics answers in 110 KiB."""

_SLAVE_KIND_BOND = nl.text(nl.IFLA_INFO_SLAVE_KIND, "bond")
_ACTOR = nl.ATTRIBUTE.pack(5, nl.IFLA_BOND_SLAVE_AD_ACTOR_OPER_PORT_STATE)
_PARTNER = nl.ATTRIBUTE.pack(6, nl.IFLA_BOND_SLAVE_AD_PARTNER_OPER_PORT_STATE)
_CARRIER = nl.ATTRIBUTE.pack(5, nl.IFLA_CARRIER)
_FIRST_ATTRIBUTE = nl.HEADER.size + nl.LINK.size


def open_socket(groups: int = 0) -> socket.socket:
    """Open a socket with room for a storm of events."""
    opened = nl.open_socket(groups)
    opened.setsockopt(socket.SOL_SOCKET, nl.SO_RCVBUFFORCE, QUEUE_BYTES)
    return opened


def ask(route: socket.socket, request: bytes, buffer: bytearray) -> int:
    """Send a request, receive its answer, return its size in bytes. Raise OSError if the kernel refuses."""
    route.send(request)
    size = route.recv_into(buffer)
    nl.check(buffer)
    return size


def was_overrun(error: OSError) -> bool:
    """Tell whether a socket lost messages because they were not read in time."""
    return error.errno == errno.ENOBUFS


def ifindex_of(buffer: bytearray) -> int:
    """Return the ifindex in an RTM_NEWLINK."""
    ifindex: int = nl.LINK.unpack_from(buffer, nl.HEADER.size)[2]
    return ifindex


def lacp_up(buffer: bytearray, size: int) -> bool | None:
    """Tell whether an RTM_NEWLINK says that LACP is up, or return None if the link is no port of a bond.

    LACP is up with carrier, and with both ends aggregating and neither defaulted or expired.
    """
    kind = buffer.find(_SLAVE_KIND_BOND, _FIRST_ATTRIBUTE, size)
    actor = buffer.find(_ACTOR, kind, size) if kind >= 0 else -1
    if actor < 0 or buffer[actor + 8 : actor + 12] != _PARTNER:
        return None
    carrier = buffer.find(_CARRIER, _FIRST_ATTRIBUTE, size)
    if carrier < 0 or buffer[carrier + 4] != 1:
        return False
    return buffer[actor + 4] & 0xFC == 60 and buffer[actor + 12] & 0xFC == 60


def vf_states(buffer: bytearray, size: int, count: int) -> bytes:
    """Return the link states of the `count` VFs in an RTM_NEWLINK, a byte each.

    All entries are laid out like the first one, so one slice of the message has them all.
    """
    start = _FIRST_ATTRIBUTE
    while start + 4 <= size:
        length, kind = nl.ATTRIBUTE.unpack_from(buffer, start)
        if kind & nl.NLA_TYPE_MASK == nl.IFLA_VFINFO_LIST:
            break
        start += (max(length, 4) + 3) & ~3
    entry = start + nl.ATTRIBUTE.size
    step = (nl.ATTRIBUTE.unpack_from(buffer, entry)[0] + 3) & ~3
    first = bytes(buffer[entry : entry + step])
    for kind, offset, _ in nl.attributes(first, nl.ATTRIBUTE.size, step):
        place = entry + offset
        if kind == nl.IFLA_VF_LINK_STATE:
            states = bytes(buffer[place + 4 : entry + step * count : step])
            last = place + step * (count - 1)
            if len(states) == count and struct.unpack_from("=I", buffer, last)[0] == count - 1:
                return states
    raise ValueError(f"no list of {count} VFs in a message of {size} bytes")
