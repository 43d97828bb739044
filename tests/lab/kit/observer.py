"""The independent observer: what the kernel says about a link, read without the program under test."""

from __future__ import annotations

import errno
import struct
import threading
from typing import NamedTuple

from tests.support import rtnetlink as nl

OPERSTATES = ("unknown", "notpresent", "down", "lowerlayerdown", "testing", "dormant", "up")
VF_LINK_STATES = ("auto", "enable", "disable")
MISSING = "missing"
"""Stands for the link state of a VF that is not in the list."""
IFLA_VF_INFO = 1

_own = threading.local()


class Link(NamedTuple):
    """One link. `actor` and `partner` are IEEE 802.1AX port states, None outside a bond.

    `up` is the administrator's word, `carrier` the driver's. `kind` is empty for hardware, and `bond_mode`
    the number of a bond's mode (4: 802.3ad). `vf_states` are by the VFs' numbers, and empty without a list.
    """

    ifindex: int
    name: str
    altnames: tuple[str, ...]
    up: bool
    kind: str
    bond_mode: int | None
    carrier: bool
    operstate: str
    master: int | None
    actor: int | None
    partner: int | None
    vf_count: int
    vf_states: tuple[str, ...]

    @property
    def port_state(self) -> tuple[int, int] | None:
        """Return (actor, partner), or None outside a bond."""
        return None if self.actor is None or self.partner is None else (self.actor, self.partner)


def read(link: str | int, *, vfs: bool = False) -> Link | None:
    """Read a link by name, altname or ifindex; None if there is none. With `vfs`, its VFs' link states too.

    VFs are listed completely even past 334, where the kernel's own list length has wrapped.
    """
    mask = nl.RTEXT_FILTER_SKIP_STATS | (nl.RTEXT_FILTER_VF if vfs else 0)
    if isinstance(link, int):
        return _ask(nl.get_link(mask, ifindex=link))
    # A short name can be an altname as well, which is not found as IFLA_IFNAME.
    found = _ask(nl.get_link(mask, nl.text(nl.IFLA_IFNAME, link))) if len(link) < 16 else None
    return found or _ask(nl.get_link(mask, nl.text(nl.IFLA_ALT_IFNAME, link)))


def read_all() -> list[bytes]:
    """Read all links of the network namespace, VFs and all, each for `decode`."""
    mask = nl.RTEXT_FILTER_SKIP_STATS | nl.RTEXT_FILTER_VF
    return _socket().dump(nl.get_link(mask, flags=nl.NLM_F_DUMP))


def _ask(request: bytes) -> Link | None:
    """Return the one link that is asked for, or None if there is none."""
    try:
        return decode(_socket().ask(request).payload)
    except OSError as error:
        if error.errno == errno.ENODEV:
            return None
        raise


def _socket() -> nl.RouteSocket:
    """Return the socket of the calling thread."""
    if not hasattr(_own, "socket"):
        _own.socket = nl.RouteSocket()
    route_socket: nl.RouteSocket = _own.socket
    return route_socket


def decode(data: bytes) -> Link:
    """Decode the payload of an RTM_NEWLINK."""
    _, _, index, flags, _ = nl.LINK.unpack_from(data)
    kind_of_link, bond_mode = "", None
    name, carrier, operstate, master = "", False, "unknown", None
    altnames: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    port: tuple[int | None, int | None] = (None, None)
    count, offset = 0, nl.LINK.size
    while True:
        resume = len(data)
        for kind, start, end in nl.attributes(data, offset, len(data)):
            if kind == nl.IFLA_IFNAME:
                name = nl.string(data[start:end])
            elif kind == nl.IFLA_CARRIER:
                carrier = data[start] == 1
            elif kind == nl.IFLA_OPERSTATE:
                operstate = OPERSTATES[data[start]]
            elif kind == nl.IFLA_MASTER:
                master = _u32(data, start)
            elif kind == nl.IFLA_NUM_VF:
                count = _u32(data, start)
            elif kind == nl.IFLA_PROP_LIST:
                altnames = tuple(nl.string(data[a:b]) for _, a, b in nl.attributes(data, start, end))
            elif kind == nl.IFLA_LINKINFO:
                port = _port_states(data, start, end)
                kind_of_link, bond_mode = _kind(data, start, end)
            elif kind == nl.IFLA_VFINFO_LIST:
                states, resume = _vf_states(data, start, count)
                break
        if resume >= len(data):
            break
        offset = resume
    return Link(
        ifindex=index,
        name=name,
        altnames=altnames,
        up=bool(flags & nl.IFF_UP),
        kind=kind_of_link,
        bond_mode=bond_mode,
        carrier=carrier,
        operstate=operstate,
        master=master,
        actor=port[0],
        partner=port[1],
        vf_count=count,
        vf_states=states,
    )


def _u32(data: bytes, offset: int) -> int:
    value: int = struct.unpack_from("=I", data, offset)[0]
    return value


def _kind(data: bytes, start: int, end: int) -> tuple[str, int | None]:
    """Return the type of a link, and a bond's mode, in an IFLA_LINKINFO."""
    kind, mode = "", None
    for attribute, a, b in nl.attributes(data, start, end):
        if attribute == nl.IFLA_INFO_KIND:
            kind = nl.string(data[a:b])
        elif attribute == nl.IFLA_INFO_DATA and kind == "bond":
            mode = next(
                (data[c] for inner, c, _ in nl.attributes(data, a, b) if inner == nl.IFLA_BOND_MODE), None
            )
    return kind, mode


def _port_states(data: bytes, start: int, end: int) -> tuple[int | None, int | None]:
    """Return actor's and partner's port state in an IFLA_LINKINFO."""
    actor = partner = None
    bond = False
    for kind, a, b in nl.attributes(data, start, end):
        if kind == nl.IFLA_INFO_SLAVE_KIND:
            bond = nl.string(data[a:b]) == "bond"
        elif kind == nl.IFLA_INFO_SLAVE_DATA and bond:
            for inner, place, _ in nl.attributes(data, a, b):
                if inner == nl.IFLA_BOND_SLAVE_AD_ACTOR_OPER_PORT_STATE:
                    actor = data[place]
                elif inner == nl.IFLA_BOND_SLAVE_AD_PARTNER_OPER_PORT_STATE:
                    partner = struct.unpack_from("=H", data, place)[0]
    return actor, partner


def _vf_states(data: bytes, start: int, count: int) -> tuple[tuple[str, ...], int]:
    """Return the link states of `count` VFs in an IFLA_VFINFO_LIST, and where it really ends.

    A VF that the driver does not report is not in the list.
    """
    states = [MISSING] * count
    for _ in range(count):
        if start + nl.ATTRIBUTE.size > len(data):
            break
        length, kind = nl.ATTRIBUTE.unpack_from(data, start)
        if kind != IFLA_VF_INFO:
            break
        for kind, place, _ in nl.attributes(data, start + nl.ATTRIBUTE.size, start + length):
            if kind == nl.IFLA_VF_LINK_STATE:
                states[_u32(data, place)] = VF_LINK_STATES[_u32(data, place + 4)]
        start += (length + 3) & ~3
    return tuple(states), start
