"""Just enough rtnetlink to watch links without the program under test (linux/rtnetlink.h)."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

NLMSG_ERROR, NLMSG_DONE = 2, 3
NLM_F_REQUEST, NLM_F_ACK, NLM_F_DUMP_INTR, NLM_F_DUMP = 1, 4, 0x10, 0x300
RTM_NEWLINK, RTM_GETLINK, RTM_SETLINK = 16, 18, 19
RTMGRP_LINK = 1
NLA_TYPE_MASK = 0x3FFF

IFLA_IFNAME, IFLA_MASTER, IFLA_OPERSTATE, IFLA_LINKINFO, IFLA_IFALIAS, IFLA_NUM_VF = 3, 10, 16, 18, 20, 21
IFLA_VFINFO_LIST, IFLA_EXT_MASK, IFLA_CARRIER, IFLA_PROP_LIST, IFLA_ALT_IFNAME = 22, 29, 33, 52, 53
IFLA_INFO_KIND, IFLA_INFO_DATA, IFLA_INFO_SLAVE_KIND, IFLA_INFO_SLAVE_DATA = 1, 2, 4, 5
IFLA_BOND_MODE = 1
IFLA_BOND_SLAVE_AD_ACTOR_OPER_PORT_STATE, IFLA_BOND_SLAVE_AD_PARTNER_OPER_PORT_STATE = 7, 8
IFLA_VF_INFO, IFLA_VF_LINK_STATE = 1, 5
RTEXT_FILTER_VF, RTEXT_FILTER_SKIP_STATS = 1, 8
IFF_UP = 1

HEADER = struct.Struct("=IHHII")
"""struct nlmsghdr: length, type, flags, sequence, port."""
LINK = struct.Struct("=BxHiII")
"""struct ifinfomsg: family, type, ifindex, flags, changed flags."""
ATTRIBUTE = struct.Struct("=HH")
"""struct nlattr: length, type."""
RECEIVE_SIZE = 1 << 20


class Message(NamedTuple):
    """A received message without its header."""

    kind: int
    flags: int
    payload: bytes


class Attribute(NamedTuple):
    """A received attribute: its type without flags, and where its payload lies in the message."""

    kind: int
    start: int
    end: int


class RouteSocket:
    """A blocking NETLINK_ROUTE socket in the caller's network namespace, closed when it is dropped."""

    def __init__(self, groups: int = 0) -> None:
        self._socket = socket.socket(
            socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE
        )
        self._socket.bind((0, groups))
        self._sequence = 0

    def fileno(self) -> int:
        """The descriptor, for select."""
        return self._socket.fileno()

    def __del__(self) -> None:
        self._socket.close()

    def request(self, kind: int, body: bytes, flags: int = 0) -> Message:
        """Sends one request and returns its answer. Raises OSError with the kernel's errno if it refuses."""
        self._sequence += 1
        header = HEADER.pack(HEADER.size + len(body), kind, NLM_F_REQUEST | flags, self._sequence, 0)
        self._socket.send(header + body)
        answer = next(messages(self._socket.recv(RECEIVE_SIZE)))
        if answer.kind == NLMSG_ERROR:
            code = -struct.unpack_from("=i", answer.payload)[0]
            if code:
                raise OSError(code, os.strerror(code))
        return answer

    def dump(self, kind: int, body: bytes) -> list[bytes]:
        """Sends one request for a list and returns the payloads of its answer.

        It asks again if what it lists has changed meanwhile.
        """
        while True:
            self._sequence += 1
            flags = NLM_F_REQUEST | NLM_F_DUMP
            self._socket.send(HEADER.pack(HEADER.size + len(body), kind, flags, self._sequence, 0) + body)
            payloads: list[bytes] = []
            done = interrupted = False
            while not done:
                for message in self.receive():
                    interrupted |= bool(message.flags & NLM_F_DUMP_INTR)
                    done |= message.kind in (NLMSG_DONE, NLMSG_ERROR)
                    payloads.append(message.payload)
            if not interrupted:
                return payloads[:-1]

    def receive(self) -> Iterator[Message]:
        """The messages of the next datagram."""
        return messages(self._socket.recv(RECEIVE_SIZE))


def sockets() -> list[list[str]]:
    """The netlink sockets of this network namespace: the columns of /proc/net/netlink.

    Among them 1: the protocol, 2: the port, 3: the groups, 8: the messages that were dropped.
    """
    return [line.split() for line in Path("/proc/net/netlink").read_text().splitlines()[1:]]


def messages(data: bytes) -> Iterator[Message]:
    """Splits a datagram into its messages."""
    offset = 0
    while offset + HEADER.size <= len(data):
        length, kind, flags, _, _ = HEADER.unpack_from(data, offset)
        yield Message(kind, flags, data[offset + HEADER.size : offset + length])
        offset += (length + 3) & ~3


def attribute(kind: int, payload: bytes) -> bytes:
    """One attribute, padded for the next."""
    return ATTRIBUTE.pack(ATTRIBUTE.size + len(payload), kind) + payload + bytes(-len(payload) % 4)


def attributes(data: bytes, start: int, end: int) -> Iterator[Attribute]:
    """The attributes between two offsets of a message.

    Stops where a length cannot be true. A list's own length wraps at 64 KiB, so a caller that knows better
    goes on from the place it knows.
    """
    while start + ATTRIBUTE.size <= end:
        length, kind = ATTRIBUTE.unpack_from(data, start)
        if length < ATTRIBUTE.size or start + length > end:
            return
        yield Attribute(kind & NLA_TYPE_MASK, start + ATTRIBUTE.size, start + length)
        start += (length + 3) & ~3


def text(payload: bytes) -> str:
    """A NUL-terminated string."""
    return payload.rstrip(b"\0").decode()
