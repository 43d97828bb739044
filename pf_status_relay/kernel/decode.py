"""Decoding of the kernel's link messages: bytes in, a `Link` out. No socket, no state."""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, NamedTuple

from pf_status_relay.core.facts import BondPort, VirtualFunction
from pf_status_relay.core.lacp import PortState
from pf_status_relay.kernel import messages
from pf_status_relay.kernel import vf_list as vflist
from pf_status_relay.kernel.vf_list import VfList
from pf_status_relay.text import LONGEST, one_line

HEADER_BYTES = 32
"""Bytes before the attributes: struct nlmsghdr and struct ifinfomsg."""

_NLMSGHDR_BYTES = 16
_KEPT = 256  # decoded links: decoding one takes longer than asking for it
_IFF_UP = 1
_IFINDEX = struct.Struct("=i")
_IFINDEX_AT = 20
_MAX_IFINDEX = 0x7FFFFFFF
_U32 = struct.Struct("=I")
_WANTED = frozenset(
    (
        messages.IFLA_IFNAME,
        messages.IFLA_MASTER,
        messages.IFLA_LINKINFO,
        messages.IFLA_CARRIER,
    )
)


_ACTIVE_AGGREGATOR = ("IFLA_BOND_AD_INFO", "IFLA_BOND_AD_INFO_AGGREGATOR")


class MalformedMessage(ValueError):
    """The bytes are not a valid message."""


@dataclass(frozen=True)
class Link:
    """What one link message says of an interface.

    `up` is the administrative state. `carrier` is true when the interface is up and has carrier: an
    interface that is down passes no traffic, whatever its driver says of the carrier.
    `name` is safe to print: an invisible character is shown by its number.
    `master` is an ifindex, 0 where there is none. `kind` is empty for hardware.
    `miimon_ms`, `lacp_fast` and `lacp_active` are a bond's settings, None where it is no bond; the last also
    where the kernel is too old to say. `active_aggregator` is a bond's, `aggregator` is a port's.
    `port` is None unless the interface is a port of an 802.3ad bond.
    """

    ifindex: int
    name: str
    up: bool
    carrier: bool
    master: int
    kind: str
    bond_mode: int | None
    port: BondPort | None
    vf_count: int
    vfs_listed: int
    vfs: tuple[VirtualFunction, ...]
    miimon_ms: int | None = None
    lacp_fast: bool | None = None
    lacp_active: bool | None = None
    active_aggregator: int | None = None
    aggregator: int | None = None


class LinkNames(NamedTuple):
    """The names of an interface, its type (empty for hardware), and its master's ifindex or 0."""

    ifindex: int
    name: str
    altnames: tuple[str, ...]
    kind: str
    master: int


def ifindex_of(message: bytes) -> int:
    """Return the ifindex in a link message, without decoding the rest. Raises MalformedMessage."""
    if len(message) < HEADER_BYTES:
        raise MalformedMessage(f"link message of {len(message)} bytes")
    index: int = _IFINDEX.unpack_from(message, _IFINDEX_AT)[0]
    return index


def decode(message: bytes) -> Link:
    """Decode one RTM_NEWLINK message. Raises MalformedMessage."""
    ifindex_of(message)  # raises if it is too short
    short, count, vf_list = _without_vfs(message)
    link = _decode_short(short)
    return replace(link, vf_count=count, vfs_listed=vf_list.listed, vfs=vf_list.vfs) if count else link


@lru_cache(maxsize=_KEPT)
def _decode_short(message: bytes) -> Link:
    """Decode a message without VFs, netlink header and statistics: it is the same while nothing changes."""
    ifindex = ifindex_of(message)
    try:
        link = messages.link_message(message)
        link.decode()
        info = link.get_attr("IFLA_LINKINFO")
        kind = _text(info and info.get_attr("IFLA_INFO_KIND"))
        bond: Any = info.get_attr("IFLA_INFO_DATA") if kind == "bond" else None
        master = _number(link.get_attr("IFLA_MASTER")) or 0
        up = bool(link["flags"] & _IFF_UP)
        active = _number(bond.get_attr("IFLA_BOND_AD_LACP_ACTIVE")) if kind == "bond" else None
        if ifindex < 1 or master > _MAX_IFINDEX:  # no request could ask for it
            raise ValueError(f"no interface has these ifindexes, with the master's {master}")
        return Link(
            ifindex=ifindex,
            name=_text(link.get_attr("IFLA_IFNAME")),
            up=up,
            carrier=up and bool(_number(link.get_attr("IFLA_CARRIER"))),
            master=master,
            kind=kind,
            bond_mode=_number(bond.get_attr("IFLA_BOND_MODE")) if kind == "bond" else None,
            port=_port(info) if info else None,
            vf_count=0,
            vfs_listed=0,
            vfs=(),
            miimon_ms=_number(bond.get_attr("IFLA_BOND_MIIMON")) if kind == "bond" else None,
            lacp_fast=bool(_number(bond.get_attr("IFLA_BOND_AD_LACP_RATE"))) if kind == "bond" else None,
            lacp_active=None if active is None else bool(active),
            active_aggregator=_number(bond.get_nested(*_ACTIVE_AGGREGATOR)) if kind == "bond" else None,
            aggregator=_aggregator(info) if info else None,
        )
    # pyroute2 raises whatever its decoders run into: struct, key, index, Unicode errors.
    except Exception as error:
        raise MalformedMessage(f"link message of interface {ifindex}: {error!r:.{LONGEST}}") from error


def decode_names(message: bytes) -> LinkNames:
    """Decode the names of the interface in one RTM_NEWLINK message. Raises MalformedMessage."""
    ifindex = ifindex_of(message)
    name, altnames, kind, master = "", [], "", 0
    for attribute, begin, end in messages.attributes(message, HEADER_BYTES, len(message)):
        if attribute == messages.IFLA_IFNAME:
            name = _text(message[begin + 4 : end])
        elif attribute == messages.IFLA_MASTER and end - begin >= 8:
            master = _U32.unpack_from(message, begin + 4)[0]
        elif attribute == messages.IFLA_PROP_LIST:
            altnames += _texts(message, begin + 4, end, messages.IFLA_ALT_IFNAME)
        elif attribute == messages.IFLA_LINKINFO:
            kind = "".join(_texts(message, begin + 4, end, messages.IFLA_INFO_KIND)[:1])
    return LinkNames(ifindex, name, tuple(altnames), kind, master)


def _texts(message: bytes, start: int, stop: int, wanted: int) -> list[str]:
    """Return the texts of the attributes of one type in `message[start:stop]`."""
    found = messages.attributes(message, start, stop)
    return [_text(message[begin + 4 : end]) for kind, begin, end in found if kind == wanted]


def decode_lacpdus_received(message: bytes) -> int | None:
    """Decode an RTM_NEWSTATS message of a bond port: LACPDUs received, None where they are not counted.

    Raises MalformedMessage.
    """
    try:
        stats = messages.stats_message(message)
        stats.decode()
        return _number(
            stats.get_nested(
                "IFLA_STATS_LINK_XSTATS_SLAVE",
                "LINK_XSTATS_TYPE_BOND",
                "BOND_XSTATS_3AD",
                "BOND_3AD_STAT_LACPDU_RX",
            )
        )
    except Exception as error:
        raise MalformedMessage(f"statistics message: {error!r:.{LONGEST}}") from error


def _without_vfs(message: bytes) -> tuple[bytes, int, VfList]:
    """Split a message: a message with only the attributes for pyroute2, the count of VFs, and the VFs.

    If there are two counts of VFs, the first one holds. Raises MalformedMessage.
    """
    count: int | None = None
    vf_list = VfList()
    kept: list[bytes] = []
    position = HEADER_BYTES
    while True:
        for kind, begin, end in messages.attributes(message, position, len(message)):
            if kind == messages.IFLA_VFINFO_LIST:
                vf_list = vflist.decode(message, begin, count or 0)
                position = vf_list.end
                break
            if kind == messages.IFLA_NUM_VF and count is None:
                if end - begin < 8:
                    raise MalformedMessage("link message with a count of VFs that is too short")
                count = _U32.unpack_from(message, begin + 4)[0]
            if kind in _WANTED:
                kept.append(message[begin:end] + bytes(-(end - begin) % 4))
        else:
            break
    attributes = b"".join(kept)
    header = _U32.pack(HEADER_BYTES + len(attributes)) + bytes(_NLMSGHDR_BYTES - 4)
    return header + message[_NLMSGHDR_BYTES:HEADER_BYTES] + attributes, count or 0, vf_list


def _text(value: str | bytes | None) -> str:
    """Return a name, safe to print. The kernel takes any bytes; pyroute2 keeps bytes that are no text."""
    if isinstance(value, bytes):
        value = value.strip(b"\0").decode("utf-8", "backslashreplace")
    return one_line(value or "")


def _number(value: object) -> int | None:
    """Return a number. Raises TypeError for bytes: pyroute2 gives these if an attribute is too short."""
    if value is None or isinstance(value, int):
        return value
    raise TypeError(f"{value!r:.40} is no number")


def _port(info: messages.link_info) -> BondPort | None:
    if info.get_attr("IFLA_INFO_SLAVE_KIND") != "bond":
        return None
    data = info.get_attr("IFLA_INFO_SLAVE_DATA")
    actor = data.get_attr("IFLA_BOND_SLAVE_AD_ACTOR_OPER_PORT_STATE")
    partner = data.get_attr("IFLA_BOND_SLAVE_AD_PARTNER_OPER_PORT_STATE")
    if actor is None or partner is None:
        return None
    return BondPort(PortState(actor), PortState(partner & 0xFF))


def _aggregator(info: messages.link_info) -> int | None:
    if info.get_attr("IFLA_INFO_SLAVE_KIND") != "bond":
        return None
    return _number(info.get_attr("IFLA_INFO_SLAVE_DATA").get_attr("IFLA_BOND_SLAVE_AD_AGGREGATOR_ID"))
