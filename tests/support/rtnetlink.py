"""Netlink messages as the kernel lays them out, byte by byte, and a socket that brings them.

Written from include/uapi/linux/{netlink,rtnetlink,if_link}.h and rtnl_fill_ifinfo() in
net/core/rtnetlink.c, and on purpose without the program's own encoders.
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Iterable, Sequence
from typing import Callable, Union

NLM_F_MULTI = 0x2
NLM_F_DUMP_INTR = 0x10
NLM_F_CAPPED = 0x100
NLM_F_ACK_TLVS = 0x200
NLMSG_ERROR = 2
NLMSG_DONE = 3
RTM_NEWLINK = 16

IFF_UP = 0x1
IFF_RUNNING = 0x40

AUTO, ENABLE, DISABLE = 0, 1, 2
NLA_F_NESTED = 0x8000


def attribute(kind: int, payload: bytes) -> bytes:
    """Return struct nlattr, the payload and the padding."""
    return struct.pack("=HH", 4 + len(payload), kind) + payload + bytes(-len(payload) % 4)


def nest(kind: int, *attributes: bytes) -> bytes:
    """Return attributes inside another one, whose 16-bit length wraps as the kernel's does."""
    payload = b"".join(attributes)
    return struct.pack("=HH", (4 + len(payload)) & 0xFFFF, kind) + payload


def u8(kind: int, value: int) -> bytes:
    return attribute(kind, struct.pack("=B", value))


def u16(kind: int, value: int) -> bytes:
    return attribute(kind, struct.pack("=H", value))


def u32(kind: int, value: int) -> bytes:
    return attribute(kind, struct.pack("=I", value))


def text(kind: int, value: str) -> bytes:
    return attribute(kind, value.encode() + b"\0")


def netlink(kind: int, payload: bytes, *, flags: int = 0, sequence: int = 0) -> bytes:
    """Return struct nlmsghdr and the payload."""
    return struct.pack("=IHHII", 16 + len(payload), kind, flags, sequence, 0) + payload


def link_message(
    ifindex: int,
    *attributes: bytes,
    link_flags: int = IFF_UP | IFF_RUNNING,
    flags: int = 0,
    sequence: int = 0,
) -> bytes:
    """Return an RTM_NEWLINK."""
    header = struct.pack("=BxHiII", 0, 1, ifindex, link_flags, 0)
    return netlink(RTM_NEWLINK, header + b"".join(attributes), flags=flags, sequence=sequence)


def error_message(errno: int, said: str = "", *, sequence: int = 0) -> bytes:
    """Return an NLMSG_ERROR as with NETLINK_CAP_ACK and NETLINK_EXT_ACK; 0 acknowledges."""
    request = struct.pack("=IHHII", 48, 18, 1, sequence, 0)
    payload = struct.pack("=i", -errno) + request
    flags = NLM_F_CAPPED
    if said:
        payload += text(1, said)
        flags |= NLM_F_ACK_TLVS
    return netlink(NLMSG_ERROR, payload, flags=flags, sequence=sequence)


def vf_entry(number: int, state: int, *, link_state: bool = True, mac: bool = True) -> bytes:
    """Return IFLA_VF_INFO as Linux 6.12 fills it with RTEXT_FILTER_SKIP_STATS: 196 bytes."""
    vf = struct.pack("=I", number)
    attributes = [
        attribute(1, vf + bytes(range(6)) + bytes(26)) if mac else b"",
        attribute(13, b"\xff" * 6 + bytes(26)),  # IFLA_VF_BROADCAST
        attribute(2, vf + bytes(8)),  # IFLA_VF_VLAN
        attribute(6, vf + bytes(8)),  # IFLA_VF_RATE
        attribute(3, vf + bytes(4)),  # IFLA_VF_TX_RATE
        attribute(4, vf + struct.pack("=I", 1)),  # IFLA_VF_SPOOFCHK
        attribute(5, vf + struct.pack("=I", state)) if link_state else b"",
        attribute(7, vf + b"\xff\xff\xff\xff"),  # IFLA_VF_RSS_QUERY_EN
        attribute(9, vf + bytes(4)),  # IFLA_VF_TRUST
        nest(12, attribute(1, vf + bytes(12))),  # IFLA_VF_VLAN_LIST
    ]
    return nest(1, *attributes)


def vf_list(entries: Iterable[bytes]) -> bytes:
    """Return IFLA_VFINFO_LIST, with the length that is left of it in 16 bits."""
    return nest(22, *entries)


def vfs_of(states: Sequence[int]) -> bytes:
    """Return IFLA_NUM_VF and the list of VFs 0, 1, ... in these link states."""
    return u32(21, len(states)) + vf_list(vf_entry(number, state) for number, state in enumerate(states))


def lacp_port(actor: int, partner: int) -> bytes:
    """Return IFLA_LINKINFO of a port of an 802.3ad bond."""
    return bond_port(u16(6, 1), u8(7, actor), u16(8, partner))


def bond_port(*ad_attributes: bytes) -> bytes:
    """Return IFLA_LINKINFO of a port of a bond; outside 802.3ad it has no AD attributes."""
    common = [u8(1, 0), u8(2, 0), u32(3, 0), attribute(4, bytes(6)), u16(5, 0), u32(9, 0)]
    return nest(18, text(4, "bond"), nest(5, *common, *ad_attributes))


def bond(mode: int) -> bytes:
    """Return IFLA_LINKINFO of a bond itself."""
    return nest(18, text(1, "bond"), nest(2, u8(1, mode), u32(3, 100), u8(21, 1)))


def pf_attributes(name: str, *, master: int = 0, carrier: int = 1) -> bytes:
    """Return what the kernel puts before the VFs of every interface."""
    return b"".join(
        [
            text(3, name),
            u32(13, 1000),  # IFLA_TXQLEN
            u8(16, 6),  # IFLA_OPERSTATE
            u32(4, 1500),  # IFLA_MTU
            u32(10, master) if master else b"",
            u8(33, carrier),
            text(6, "mq"),  # IFLA_QDISC
            attribute(14, bytes(28)),  # IFLA_MAP
            attribute(1, bytes(range(6))),  # IFLA_ADDRESS
        ]
    )


def after_vfs() -> bytes:
    """Return what the kernel puts between the VFs and IFLA_LINKINFO."""
    return nest(43 | NLA_F_NESTED, u8(2, 0))  # IFLA_XDP


def request(kind: int, flags: int, *attributes: bytes, ifindex: int = 0, sequence: int = 1) -> bytes:
    header = struct.pack("=BxHiII", 0, 0, ifindex, 0, 0)
    return netlink(kind, header + b"".join(attributes), flags=flags, sequence=sequence)


Answer = Union[bytes, OSError, Callable[[int], bytes]]
"""A datagram, the failure of a call, or a datagram for the sequence number of the last request."""


class NetlinkSocket:
    """A netlink socket with the test as its kernel."""

    def __init__(self) -> None:
        self.requests: list[bytes] = []
        self.answers: list[Answer] = []
        self.options: dict[int, object] = {}
        self.sender = 0  # the kernel's port
        self.flags = 0
        self.forced_buffers = True
        self.bound: tuple[int, int] | None = None
        self.bind_error: OSError | None = None
        self.closed = False

    def setsockopt(self, level: int, option: int, value: object) -> None:
        """Set an option, as root or not."""
        if option == 33 and not self.forced_buffers:  # SO_RCVBUFFORCE
            raise PermissionError(errno.EPERM, "Operation not permitted")
        self.options[option] = value

    def setblocking(self, blocking: bool) -> None:
        """Do nothing: whether an answer is there is what the test says."""

    def bind(self, address: tuple[int, int]) -> None:
        """Bind to port and groups."""
        if self.bind_error:
            raise self.bind_error
        self.bound = address

    def fileno(self) -> int:
        """Return a descriptor."""
        return 3

    def close(self) -> None:
        """Close the socket."""
        self.closed = True

    def send(self, request: bytes) -> int:
        """Take a request."""
        self.requests.append(bytes(request))
        return len(request)

    def recvfrom_into(self, buffer: bytearray) -> tuple[int, tuple[int, int]]:
        """Give the next answer with its sender."""
        answer: Answer = self.answers.pop(0) if self.answers else BlockingIOError(errno.EAGAIN, "no answer")
        if isinstance(answer, OSError):
            raise answer
        if not isinstance(answer, bytes):
            (sequence,) = struct.unpack_from("=I", self.requests[-1], 8)
            answer = answer(sequence)
        buffer[: len(answer)] = answer
        return len(answer), (self.sender, 0)

    def recvmsg_into(self, buffers: Sequence[bytearray]) -> tuple[int, list[object], int, tuple[int, int]]:
        """Give the next answer with its sender, and whether it was cut."""
        size, sender = self.recvfrom_into(buffers[0])
        return size, [], self.flags, sender


def link(ifindex: int, *attributes: bytes, flags: int = 0) -> Answer:
    return lambda sequence: link_message(ifindex, *attributes, flags=flags, sequence=sequence)


def done(error: int = 0, flags: int = 0) -> Answer:
    payload = struct.pack("=i", -error)
    return lambda sequence: netlink(NLMSG_DONE, payload, flags=NLM_F_MULTI | flags, sequence=sequence)


def error(number: int, said: str = "") -> Answer:
    return lambda sequence: error_message(number, said, sequence=sequence)
