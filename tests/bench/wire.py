"""rtnetlink without detours, for programs that measure or are measured: bytes out, a few bytes looked at.

Nothing here imports the program under test. The lab's observer, a full decoder, is the judge of this one
(test_bench.py).
"""

from __future__ import annotations

import errno
import os
import socket
import struct

from tests.lab.kit import netlink as nl

AUTO, DISABLE = 0, 2
"""IFLA_VF_LINK_STATE."""
NLM_F_DUMP = 0x300
SO_RCVBUFFORCE = 33
QUEUE_BYTES = 8 << 20
BUFFER_BYTES = 1 << 18
"""A PF with 334 VFs and their statistics answers in 110 KiB."""

_SLAVE_KIND_BOND = struct.pack("=HH5s", 9, nl.IFLA_INFO_SLAVE_KIND, b"bond\0")
_ACTOR = struct.pack("=HH", 5, nl.IFLA_BOND_SLAVE_AD_ACTOR_OPER_PORT_STATE)
_PARTNER = struct.pack("=HH", 6, nl.IFLA_BOND_SLAVE_AD_PARTNER_OPER_PORT_STATE)
_CARRIER = struct.pack("=HH", 5, nl.IFLA_CARRIER)
_FIRST_ATTRIBUTE = nl.HEADER.size + nl.LINK.size


def open_socket(groups: int = 0) -> socket.socket:
    """A NETLINK_ROUTE socket in the caller's network namespace, with room for a storm of events."""
    opened = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
    opened.bind((0, groups))
    opened.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, QUEUE_BYTES)
    return opened


def message(kind: int, flags: int, body: bytes) -> bytes:
    """A netlink message."""
    return nl.HEADER.pack(nl.HEADER.size + len(body), kind, nl.NLM_F_REQUEST | flags, 1, 0) + body


def get_link(ifindex: int, mask: int) -> bytes:
    """RTM_GETLINK of one link, with this IFLA_EXT_MASK."""
    body = nl.LINK.pack(0, 0, ifindex, 0, 0) + nl.attribute(nl.IFLA_EXT_MASK, struct.pack("=I", mask))
    return message(nl.RTM_GETLINK, 0, body)


def set_vfs(ifindex: int, count: int, state: int, *, flags: int = 0, first: int = 0) -> bytes:
    """RTM_SETLINK that gives `count` VFs from `first` on a link state, in one message."""
    entries = b"".join(
        nl.attribute(nl.IFLA_VF_INFO, nl.attribute(nl.IFLA_VF_LINK_STATE, struct.pack("=II", vf, state)))
        for vf in range(first, first + count)
    )
    body = nl.LINK.pack(0, 0, ifindex, 0, 0) + nl.attribute(nl.IFLA_VFINFO_LIST, entries)
    return message(nl.RTM_SETLINK, flags, body)


def set_alias(ifindex: int, text: bytes) -> bytes:
    """RTM_SETLINK that gives a link an alias: one event, and nobody cares."""
    return message(nl.RTM_SETLINK, 0, nl.LINK.pack(0, 0, ifindex, 0, 0) + nl.attribute(nl.IFLA_IFALIAS, text))


def lacp_up(buffer: bytearray, size: int) -> bool | None:
    """Whether a RTM_NEWLINK says that LACP is up: carrier, both ends aggregate, none defaulted or expired.

    None if the link is no port of a bond.
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
    """The link states of the `count` VFs in a RTM_NEWLINK, a byte each.

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


def ask(route: socket.socket, request: bytes, buffer: bytearray) -> int:
    """Sends a request and receives its answer: the number of bytes. Raises OSError if the kernel refuses."""
    route.send(request)
    size = route.recv_into(buffer)
    if nl.HEADER.unpack_from(buffer)[1] == nl.NLMSG_ERROR:
        code = -struct.unpack_from("=i", buffer, nl.HEADER.size)[0]
        if code:
            raise OSError(code, os.strerror(code))
    return size


def was_overrun(error: OSError) -> bool:
    """Whether a socket lost messages because nobody took them in time."""
    return error.errno == errno.ENOBUFS
