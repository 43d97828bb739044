"""The rtnetlink link messages, declared with pyroute2's message classes.

Only what the relay reads and writes is declared: struct ifinfomsg and the attributes below, by
their numbers in include/uapi/linux/if_link.h and if_bonding.h. pyroute2's own `ifinfmsg` has
ten times as many, and lacks the two that matter most: the LACP port states of a bond port.

`import pyroute2` loads every subsystem of the library: 370 modules and 24 MB, of which message
classes need four modules. Python does not run a package's `__init__` if a package of that name
is already loaded, so this module first loads an empty one. The version range in pyproject.toml
and tests/unit/kernel/test_messages.py guard what this relies on.
"""

from __future__ import annotations

import logging
import struct
import sys
from collections.abc import Iterator
from importlib.machinery import PathFinder
from types import ModuleType

if "pyroute2" not in sys.modules:
    _spec = PathFinder.find_spec("pyroute2")
    if _spec is None or _spec.submodule_search_locations is None:
        raise ModuleNotFoundError("No module named 'pyroute2'", name="pyroute2")
    _package = ModuleType("pyroute2")
    _package.__path__ = list(_spec.submodule_search_locations)
    sys.modules["pyroute2"] = _package

from pyroute2.netlink import nla, nlmsg

# pyroute2 logs a traceback of each message that it cannot decode, and also raises an exception.
logging.getLogger("pyroute2").setLevel(logging.CRITICAL + 1)

NLMSG_ERROR = 2
NLMSG_DONE = 3
RTM_NEWLINK = 16
RTM_GETLINK = 18
RTM_SETLINK = 19
RTM_GETSTATS = 94

IFLA_IFNAME = 3
IFLA_MASTER = 10
IFLA_LINKINFO = 18
IFLA_NUM_VF = 21
IFLA_VFINFO_LIST = 22
IFLA_EXT_MASK = 29
IFLA_CARRIER = 33
IFLA_PROP_LIST = 52
IFLA_ALT_IFNAME = 53

IFLA_INFO_KIND = 1

_ATTRIBUTE = struct.Struct("=HH")  # struct nlattr: length with this header, type
_TYPE_MASK = 0x3FFF  # without NLA_F_NESTED and NLA_F_NET_BYTEORDER


def attributes(message: bytes, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield the attributes in `message[start:end]`: type, where the header begins, where it ends.

    Stops at the first attribute that does not fit. The last one may lack its padding.
    """
    while start + _ATTRIBUTE.size <= end:
        length, kind = _ATTRIBUTE.unpack_from(message, start)
        if length < _ATTRIBUTE.size or start + length > end:
            return
        yield kind & _TYPE_MASK, start, start + length
        start += (length + 3) & ~3


class link_info(nla):  # type: ignore[misc]
    """IFLA_LINKINFO: the type of an interface, and the type of its master."""

    prefix = "IFLA_INFO_"
    nla_map = (
        (1, "IFLA_INFO_KIND", "asciiz"),
        (2, "IFLA_INFO_DATA", "info_data"),
        (4, "IFLA_INFO_SLAVE_KIND", "asciiz"),
        (5, "IFLA_INFO_SLAVE_DATA", "info_slave_data"),
    )

    @staticmethod
    def info_data(self: link_info, *_: object, **__: object) -> type[nla]:
        return link_info.bond if self.get_attr("IFLA_INFO_KIND") == "bond" else nla.hex

    @staticmethod
    def info_slave_data(self: link_info, *_: object, **__: object) -> type[nla]:
        return link_info.bond_port if self.get_attr("IFLA_INFO_SLAVE_KIND") == "bond" else nla.hex

    class bond(nla):  # type: ignore[misc]
        prefix = "IFLA_"
        nla_map = (
            (1, "IFLA_BOND_MODE", "uint8"),
            (3, "IFLA_BOND_MIIMON", "uint32"),
            (21, "IFLA_BOND_AD_LACP_RATE", "uint8"),
            (23, "IFLA_BOND_AD_INFO", "info"),
            (29, "IFLA_BOND_AD_LACP_ACTIVE", "uint8"),
        )

        class info(nla):  # type: ignore[misc]
            prefix = "IFLA_"
            nla_map = ((1, "IFLA_BOND_AD_INFO_AGGREGATOR", "uint16"),)

    class bond_port(nla):  # type: ignore[misc]
        prefix = "IFLA_"
        nla_map = (
            (6, "IFLA_BOND_SLAVE_AD_AGGREGATOR_ID", "uint16"),
            (7, "IFLA_BOND_SLAVE_AD_ACTOR_OPER_PORT_STATE", "uint8"),
            (8, "IFLA_BOND_SLAVE_AD_PARTNER_OPER_PORT_STATE", "uint16"),
        )


class link_message(nlmsg):  # type: ignore[misc]
    """RTM_NEWLINK, RTM_GETLINK, RTM_SETLINK: struct ifinfomsg and the attributes in use here.

    The VF list is declared as bytes: pyroute2 takes 60 microseconds to encode a VF and 300 to
    decode one. vf_list.py does both in one pass.
    """

    prefix = "IFLA_"
    fields = (
        ("family", "B"),
        ("_pad", "x"),
        ("ifi_type", "H"),
        ("index", "i"),
        ("flags", "I"),
        ("change", "I"),
    )
    nla_map = (
        (IFLA_IFNAME, "IFLA_IFNAME", "asciiz"),
        (IFLA_MASTER, "IFLA_MASTER", "uint32"),
        (IFLA_LINKINFO, "IFLA_LINKINFO", "link_info"),
        (IFLA_VFINFO_LIST, "IFLA_VFINFO_LIST", "cdata"),
        (IFLA_EXT_MASK, "IFLA_EXT_MASK", "uint32"),
        (IFLA_CARRIER, "IFLA_CARRIER", "uint8"),
        (IFLA_ALT_IFNAME, "IFLA_ALT_IFNAME", "asciiz"),
    )
    link_info = link_info


class stats_message(nlmsg):  # type: ignore[misc]
    """RTM_NEWSTATS, RTM_GETSTATS: struct if_stats_msg, and a bond port's LACPDU counters."""

    fields = (("family", "B"), ("_pad", "3x"), ("ifindex", "I"), ("filter_mask", "I"))
    nla_map = ((3, "IFLA_STATS_LINK_XSTATS_SLAVE", "slave"),)

    class slave(nla):  # type: ignore[misc]
        nla_map = ((2, "LINK_XSTATS_TYPE_BOND", "bond"),)

        class bond(nla):  # type: ignore[misc]
            nla_map = ((1, "BOND_XSTATS_3AD", "lacp"),)

            class lacp(nla):  # type: ignore[misc]
                nla_map = ((0, "BOND_3AD_STAT_LACPDU_RX", "uint64"),)
