"""Rtnetlink without the program under test: messages as bytes, and a socket that carries them.

Written from include/uapi/linux/{netlink,rtnetlink,if_link}.h and rtnl_fill_ifinfo() in
net/core/rtnetlink.c, on purpose without the program's own encoders and decoders. Unit tests, the fuzzer,
the lab and the benchmark use it.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

NLMSG_ERROR, NLMSG_DONE = 2, 3
NLM_F_REQUEST, NLM_F_MULTI, NLM_F_ACK, NLM_F_DUMP_INTR = 1, 2, 4, 0x10
NLM_F_CAPPED, NLM_F_ACK_TLVS, NLM_F_DUMP = 0x100, 0x200, 0x300
RTM_NEWLINK, RTM_GETLINK, RTM_SETLINK = 16, 18, 19
RTMGRP_LINK = 1
NLA_F_NESTED, NLA_TYPE_MASK = 0x8000, 0x3FFF
SO_RCVBUFFORCE = 33

IFLA_IFNAME, IFLA_MASTER, IFLA_OPERSTATE, IFLA_LINKINFO, IFLA_IFALIAS, IFLA_NUM_VF = 3, 10, 16, 18, 20, 21
IFLA_VFINFO_LIST, IFLA_EXT_MASK, IFLA_CARRIER, IFLA_PROP_LIST, IFLA_ALT_IFNAME = 22, 29, 33, 52, 53
IFLA_INFO_KIND, IFLA_INFO_DATA, IFLA_INFO_SLAVE_KIND, IFLA_INFO_SLAVE_DATA = 1, 2, 4, 5
IFLA_BOND_MODE = 1
IFLA_BOND_SLAVE_AD_ACTOR_OPER_PORT_STATE, IFLA_BOND_SLAVE_AD_PARTNER_OPER_PORT_STATE = 7, 8
IFLA_VF_INFO, IFLA_VF_MAC, IFLA_VF_LINK_STATE, IFLA_VF_VLAN_LIST, IFLA_VF_VLAN_INFO = 1, 1, 5, 12, 1
RTEXT_FILTER_VF, RTEXT_FILTER_SKIP_STATS = 1, 8
IFF_UP, IFF_RUNNING = 1, 0x40
AUTO, ENABLE, DISABLE = 0, 1, 2
"""IFLA_VF_LINK_STATE_*."""

HEADER = struct.Struct("=IHHII")
"""struct nlmsghdr: length, type, flags, sequence, port."""
LINK = struct.Struct("=BxHiII")
"""struct ifinfomsg: family, type, ifindex, flags, changed flags."""
ATTRIBUTE = struct.Struct("=HH")
"""struct nlattr: length, type."""
RECEIVE_SIZE = 1 << 20


# Attributes


def attribute(kind: int, payload: bytes) -> bytes:
    """Return struct nlattr, the payload and the padding."""
    return ATTRIBUTE.pack(ATTRIBUTE.size + len(payload), kind) + payload + bytes(-len(payload) % 4)


def nest(kind: int, *inner: bytes) -> bytes:
    """Return attributes inside another one, whose 16-bit length wraps as the kernel's does."""
    payload = b"".join(inner)
    return ATTRIBUTE.pack((ATTRIBUTE.size + len(payload)) & 0xFFFF, kind) + payload


def u8(kind: int, value: int) -> bytes:
    """Return an attribute of one byte."""
    return attribute(kind, struct.pack("=B", value))


def u16(kind: int, value: int) -> bytes:
    """Return an attribute of two bytes."""
    return attribute(kind, struct.pack("=H", value))


def u32(kind: int, value: int) -> bytes:
    """Return an attribute of four bytes."""
    return attribute(kind, struct.pack("=I", value))


def text(kind: int, value: str) -> bytes:
    """Return an attribute that is a NUL-terminated string."""
    return attribute(kind, value.encode() + b"\0")


def string(payload: bytes) -> str:
    """Return the string in the payload of a `text` attribute."""
    return payload.rstrip(b"\0").decode()


class Attribute(NamedTuple):
    """A received attribute: its type without flags, and where its payload lies in the message."""

    kind: int
    start: int
    end: int


def attributes(data: bytes, start: int, end: int) -> Iterator[Attribute]:
    """Yield the attributes between two offsets of a message.

    Stop where a length cannot be true. A list's own length wraps at 64 KiB, so a caller that knows where the
    list ends goes on from there.
    """
    while start + ATTRIBUTE.size <= end:
        length, kind = ATTRIBUTE.unpack_from(data, start)
        if length < ATTRIBUTE.size or start + length > end:
            return
        yield Attribute(kind & NLA_TYPE_MASK, start + ATTRIBUTE.size, start + length)
        start += (length + 3) & ~3


# Messages


def netlink(kind: int, payload: bytes, *, flags: int = 0, sequence: int = 0) -> bytes:
    """Return struct nlmsghdr and the payload."""
    return HEADER.pack(HEADER.size + len(payload), kind, flags, sequence, 0) + payload


class Message(NamedTuple):
    """A received message without its header."""

    kind: int
    flags: int
    payload: bytes


def messages(data: bytes) -> Iterator[Message]:
    """Split a datagram into its messages."""
    offset = 0
    while offset + HEADER.size <= len(data):
        length, kind, flags, _, _ = HEADER.unpack_from(data, offset)
        yield Message(kind, flags, data[offset + HEADER.size : offset + length])
        offset += (length + 3) & ~3


def check(answer: bytes | bytearray) -> None:
    """Raise OSError with the kernel's errno if a datagram is the kernel's refusal."""
    if HEADER.unpack_from(answer)[1] == NLMSG_ERROR:
        code = -struct.unpack_from("=i", answer, HEADER.size)[0]
        if code:
            raise OSError(code, os.strerror(code))


# Requests to the kernel


def request(kind: int, flags: int, *inner: bytes, ifindex: int = 0, sequence: int = 1) -> bytes:
    """Return a request about one link, or about all links."""
    header = LINK.pack(0, 0, ifindex, 0, 0)
    return netlink(kind, header + b"".join(inner), flags=flags, sequence=sequence)


def get_link(mask: int, *inner: bytes, ifindex: int = 0, flags: int = 0) -> bytes:
    """Return RTM_GETLINK with this IFLA_EXT_MASK."""
    return request(RTM_GETLINK, NLM_F_REQUEST | flags, *inner, u32(IFLA_EXT_MASK, mask), ifindex=ifindex)


def set_vfs(ifindex: int, count: int, state: int, *, flags: int = 0, first: int = 0) -> bytes:
    """Return RTM_SETLINK that gives `count` VFs from `first` on a link state, in one message."""
    entries = [
        nest(IFLA_VF_INFO, attribute(IFLA_VF_LINK_STATE, struct.pack("=II", vf, state)))
        for vf in range(first, first + count)
    ]
    return request(RTM_SETLINK, NLM_F_REQUEST | flags, nest(IFLA_VFINFO_LIST, *entries), ifindex=ifindex)


def set_alias(ifindex: int, alias: bytes, *, flags: int = 0) -> bytes:
    """Return RTM_SETLINK that gives a link an alias: it causes one event and has no other effect."""
    return request(RTM_SETLINK, NLM_F_REQUEST | flags, attribute(IFLA_IFALIAS, alias), ifindex=ifindex)


# Answers and events of the kernel


def link_message(
    ifindex: int,
    *inner: bytes,
    link_flags: int = IFF_UP | IFF_RUNNING,
    flags: int = 0,
    sequence: int = 0,
) -> bytes:
    """Return an RTM_NEWLINK."""
    header = LINK.pack(0, 1, ifindex, link_flags, 0)
    return netlink(RTM_NEWLINK, header + b"".join(inner), flags=flags, sequence=sequence)


def error_message(number: int, said: str = "", *, sequence: int = 0) -> bytes:
    """Return an NLMSG_ERROR as NETLINK_CAP_ACK and NETLINK_EXT_ACK make it; 0 acknowledges."""
    payload = struct.pack("=i", -number) + HEADER.pack(48, RTM_GETLINK, NLM_F_REQUEST, sequence, 0)
    flags = NLM_F_CAPPED
    if said:
        payload += text(1, said)  # NLMSGERR_ATTR_MSG
        flags |= NLM_F_ACK_TLVS
    return netlink(NLMSG_ERROR, payload, flags=flags, sequence=sequence)


def vf_entry(number: int, state: int, *, link_state: bool = True, mac: bool = True) -> bytes:
    """Return IFLA_VF_INFO as Linux 6.12 fills it with RTEXT_FILTER_SKIP_STATS: 196 bytes."""
    vf = struct.pack("=I", number)
    return nest(
        IFLA_VF_INFO,
        attribute(1, vf + bytes(range(6)) + bytes(26)) if mac else b"",  # IFLA_VF_MAC
        attribute(13, b"\xff" * 6 + bytes(26)),  # IFLA_VF_BROADCAST
        attribute(2, vf + bytes(8)),  # IFLA_VF_VLAN
        attribute(6, vf + bytes(8)),  # IFLA_VF_RATE
        attribute(3, vf + bytes(4)),  # IFLA_VF_TX_RATE
        attribute(4, vf + struct.pack("=I", 1)),  # IFLA_VF_SPOOFCHK
        attribute(IFLA_VF_LINK_STATE, vf + struct.pack("=I", state)) if link_state else b"",
        attribute(7, vf + b"\xff\xff\xff\xff"),  # IFLA_VF_RSS_QUERY_EN
        attribute(9, vf + bytes(4)),  # IFLA_VF_TRUST
        nest(12, attribute(1, vf + bytes(12))),  # IFLA_VF_VLAN_LIST
    )


def vf_list(entries: Iterable[bytes]) -> bytes:
    """Return IFLA_VFINFO_LIST, its length wrapped to 16 bits."""
    return nest(IFLA_VFINFO_LIST, *entries)


def vfs_of(states: Sequence[int]) -> bytes:
    """Return IFLA_NUM_VF and the list of VFs 0, 1, ... in these link states."""
    entries = (vf_entry(number, state) for number, state in enumerate(states))
    return u32(IFLA_NUM_VF, len(states)) + vf_list(entries)


def lacp_port(actor: int, partner: int) -> bytes:
    """Return IFLA_LINKINFO of a port of an 802.3ad bond."""
    return bond_port(
        u16(6, 1),  # IFLA_BOND_SLAVE_AD_AGGREGATOR_ID
        u8(IFLA_BOND_SLAVE_AD_ACTOR_OPER_PORT_STATE, actor),
        u16(IFLA_BOND_SLAVE_AD_PARTNER_OPER_PORT_STATE, partner),
    )


def bond_port(*ad_attributes: bytes) -> bytes:
    """Return IFLA_LINKINFO of a port of a bond; outside 802.3ad it has no AD attributes."""
    # State, MII status, link failures, permanent address, queue, priority.
    common = [u8(1, 0), u8(2, 0), u32(3, 0), attribute(4, bytes(6)), u16(5, 0), u32(9, 0)]
    port = nest(IFLA_INFO_SLAVE_DATA, *common, *ad_attributes)
    return nest(IFLA_LINKINFO, text(IFLA_INFO_SLAVE_KIND, "bond"), port)


def bond(mode: int) -> bytes:
    """Return IFLA_LINKINFO of a bond itself."""
    # IFLA_BOND_MIIMON, IFLA_BOND_AD_LACP_RATE and IFLA_BOND_AD_INFO (aggregator, ports) follow its mode.
    info = nest(23, u16(1, 1), u16(2, 1))
    data = nest(IFLA_INFO_DATA, u8(IFLA_BOND_MODE, mode), u32(3, 100), u8(21, 1), info)
    return nest(IFLA_LINKINFO, text(IFLA_INFO_KIND, "bond"), data)


def pf_attributes(name: str, *, master: int = 0, carrier: int = 1) -> bytes:
    """Return the attributes that the kernel puts before the VFs of every interface."""
    return b"".join(
        [
            text(IFLA_IFNAME, name),
            u32(13, 1000),  # IFLA_TXQLEN
            u8(IFLA_OPERSTATE, 6),
            u32(4, 1500),  # IFLA_MTU
            u32(IFLA_MASTER, master) if master else b"",
            u8(IFLA_CARRIER, carrier),
            text(6, "mq"),  # IFLA_QDISC
            attribute(14, bytes(28)),  # IFLA_MAP
            attribute(1, bytes(range(6))),  # IFLA_ADDRESS
        ]
    )


def after_vfs() -> bytes:
    """Return the attributes that the kernel puts between the VFs and IFLA_LINKINFO."""
    return nest(43 | NLA_F_NESTED, u8(2, 0))  # IFLA_XDP


# Sockets


def open_socket(groups: int = 0) -> socket.socket:
    """Open a NETLINK_ROUTE socket in the caller's network namespace."""
    opened = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
    opened.bind((0, groups))
    return opened


class RouteSocket:
    """A blocking socket that decodes what it receives. It closes when nothing refers to it."""

    def __init__(self, groups: int = 0) -> None:
        self._socket = open_socket(groups)

    def fileno(self) -> int:
        """Return the descriptor, for select."""
        return self._socket.fileno()

    def __del__(self) -> None:
        self._socket.close()

    def send(self, requests: bytes) -> None:
        """Send requests without waiting for an answer."""
        self._socket.send(requests)

    def ask(self, request: bytes) -> Message:
        """Send one request and return its answer. Raise OSError with the kernel's errno if it refuses."""
        self.send(request)
        answer = self._socket.recv(RECEIVE_SIZE)
        check(answer)
        return next(messages(answer))

    def dump(self, request: bytes) -> list[bytes]:
        """Send one request for a list and return the payloads of its answer.

        Ask again if the list changed meanwhile.
        """
        while True:
            self.send(request)
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
        """Return the messages of the next datagram."""
        return messages(self._socket.recv(RECEIVE_SIZE))


def sockets() -> list[list[str]]:
    """Return the netlink sockets of this network namespace: the columns of /proc/net/netlink.

    Among them 1: the protocol, 2: the port, 3: the groups, 8: the number of dropped messages.
    """
    return [line.split() for line in Path("/proc/net/netlink").read_text().splitlines()[1:]]
