"""The requests to rtnetlink(7), as bytes.

They are cached: encoding one takes longer than the kernel's answer. Their sequence number is zero; the socket
that sends them sets it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from functools import lru_cache

from pf_status_relay.core.facts import VirtualFunction
from pf_status_relay.kernel import messages, vf_list

NLMSGHDR = struct.Struct("=IHHII")
"""struct nlmsghdr: length, type, flags, sequence number, port."""

NLM_F_DUMP = 0x300

_NLM_F_REQUEST = 0x1
_NLM_F_ACK = 0x4

_RTEXT_FILTER_VF = 1
_RTEXT_FILTER_SKIP_STATS = 8
_STATS_LINK_XSTATS_SLAVE = 1 << 2  # IFLA_STATS_FILTER_BIT(IFLA_STATS_LINK_XSTATS_SLAVE)

_IFNAMSIZ = 16
_KEPT = 256


@lru_cache(maxsize=_KEPT)
def get_link(name: str, ifindex: int, list_vfs: bool = True) -> bytes:
    """Ask for one link and its VFs: by name or alternative name if `name` is set, else by ifindex."""
    mask = _RTEXT_FILTER_SKIP_STATS | (_RTEXT_FILTER_VF if list_vfs else 0)
    attributes: list[tuple[str, object]] = [("IFLA_EXT_MASK", mask)]
    if name:
        short = len(name.encode()) < _IFNAMSIZ
        attributes.append(("IFLA_IFNAME" if short else "IFLA_ALT_IFNAME", name))
    return _of_link(messages.RTM_GETLINK, 0, attributes, ifindex)


@lru_cache(maxsize=1)
def list_links() -> bytes:
    """Ask for all links, without their VFs."""
    return _of_link(messages.RTM_GETLINK, NLM_F_DUMP, [("IFLA_EXT_MASK", _RTEXT_FILTER_SKIP_STATS)])


@lru_cache(maxsize=1)
def list_bonds() -> bytes:
    """Ask for all bonds."""
    kind = {"attrs": [("IFLA_INFO_KIND", "bond")]}
    attributes = [("IFLA_EXT_MASK", _RTEXT_FILTER_SKIP_STATS), ("IFLA_LINKINFO", kind)]
    return _of_link(messages.RTM_GETLINK, NLM_F_DUMP, attributes)


@lru_cache(maxsize=_KEPT)
def list_ports(master: int) -> bytes:
    """Ask for the ports of a master, given by its ifindex."""
    attributes = [("IFLA_EXT_MASK", _RTEXT_FILTER_SKIP_STATS), ("IFLA_MASTER", master)]
    return _of_link(messages.RTM_GETLINK, NLM_F_DUMP, attributes)


@lru_cache(maxsize=_KEPT)
def get_stats(ifindex: int) -> bytes:
    """Ask for the LACPDU counters of a bond port."""
    request = messages.stats_message()
    request["ifindex"] = ifindex
    request["filter_mask"] = _STATS_LINK_XSTATS_SLAVE
    return _encoded(request, messages.RTM_GETSTATS, 0)


def set_vfs(ifindex: int, vfs: Iterable[VirtualFunction]) -> bytes:
    """Ask a PF's driver to set the link states of VFs."""
    attributes = [("IFLA_VFINFO_LIST", vf_list.encode(vfs))]
    return _of_link(messages.RTM_SETLINK, _NLM_F_ACK, attributes, ifindex)


def _of_link(kind: int, flags: int, attributes: Sequence[tuple[str, object]], ifindex: int = 0) -> bytes:
    request = messages.link_message()
    request["index"] = ifindex
    request["attrs"] = list(attributes)
    return _encoded(request, kind, flags)


def _encoded(request: messages.link_message | messages.stats_message, kind: int, flags: int) -> bytes:
    request["header"] = {"type": kind, "flags": _NLM_F_REQUEST | flags, "sequence_number": 0, "pid": 0}
    request.encode()
    return bytes(request.data)
