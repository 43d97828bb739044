"""IFLA_VFINFO_LIST, decoded and encoded in one pass over the bytes.

The list holds one IFLA_VF_INFO per VF. Each of these holds a dozen attributes, one of which is the
link state (include/uapi/linux/if_link.h). With hundreds of VFs, and where every millisecond counts,
a general decoder is too slow.

The length of the list is a 16-bit field that the kernel lets wrap: past 334 VFs it no longer says
how long the list is, although all entries are in the message. The decoder therefore walks the
entries by their own lengths, as many as IFLA_NUM_VF counts. It believes them only if the walk ends
where the length field, modulo 65536, says that it must.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache

from pf_status_relay.core.facts import VfLinkState, VirtualFunction
from pf_status_relay.kernel import messages

_IFLA_VF_INFO = 1
_IFLA_VF_LINK_STATE = 5

_HEADER = struct.Struct("=HH")  # struct nlattr: length with this header, type
_LINK_STATE = struct.Struct("=HHII")  # struct nlattr, then struct ifla_vf_link_state: vf, link_state
_ENTRY = struct.Struct("=HHHHII")  # IFLA_VF_INFO around one IFLA_VF_LINK_STATE
_LINK_STATES = {int(state): state for state in VfLinkState}
_KEPT = 64  # decoded lists, of up to 64 KiB each: while nobody sets a VF, a list stays the same


@dataclass(frozen=True)
class VfList:
    """A decoded list.

    `vfs` are all VFs that could be read, by rising number. `listed` is how many of them the list's
    own length covers: fewer once it has wrapped. `end` is where in the message the list ends.
    """

    vfs: tuple[VirtualFunction, ...] = ()
    listed: int = 0
    end: int = 0


def decode(message: bytes, start: int, count: int) -> VfList:
    """Decode the list whose attribute header is at `start`.

    `count` is IFLA_NUM_VF. The result has fewer VFs if the kernel cut the list, if the list's length
    has wrapped and the walk does not confirm the entries, or if a driver did not answer.
    """
    entries = start + _HEADER.size
    if entries + _HEADER.size <= len(message):
        # If the entries are not all of this length, the part lacks some, and the whole is decoded below.
        length = -(-_HEADER.unpack_from(message, entries)[0] // 4) * 4
        vf_list = _decode_kept(message[start : entries + count * length], count)
        if len(vf_list.vfs) == count:
            return replace(vf_list, end=start + vf_list.end)
    vf_list = _decode(message[start:], count)
    return replace(vf_list, end=start + vf_list.end)


def _decode(message: bytes, count: int) -> VfList:
    """Decode the list at the beginning of a message."""
    declared = _HEADER.unpack_from(message)[0]
    found: list[tuple[VirtualFunction, int]] = []
    stop = _HEADER.size
    offset = 0
    for kind, begin, end in messages.attributes(message, stop, len(message)):
        if kind != _IFLA_VF_INFO or len(found) == count:
            break
        offset = _link_state_offset(message, begin, end, offset)
        if not offset:
            break
        _, _, number, value = _LINK_STATE.unpack_from(message, begin + offset)
        if value not in _LINK_STATES or (found and number <= found[-1][0].id):
            break
        stop = end
        found.append((VirtualFunction(number, _LINK_STATES[value]), end))
    if stop & 0xFFFF != declared:
        stop = declared
    return VfList(
        vfs=tuple(vf for vf, end in found if end <= stop),
        listed=sum(end <= declared for _, end in found),
        end=stop,
    )


_decode_kept = lru_cache(maxsize=_KEPT)(_decode)


def encode(vfs: Iterable[VirtualFunction]) -> bytes:
    """Return the payload of an IFLA_VFINFO_LIST that sets the link states of these VFs."""
    return b"".join(
        _ENTRY.pack(_ENTRY.size, _IFLA_VF_INFO, _LINK_STATE.size, _IFLA_VF_LINK_STATE, vf.id, vf.link_state)
        for vf in vfs
    )


def _link_state_offset(message: bytes, begin: int, end: int, likely: int) -> int:
    """Return the offset of the link state attribute in a VF's entry, 0 if it has none.

    `likely` is the offset for the VF before: drivers write the same attributes for all VFs.
    """
    size = _LINK_STATE.size
    expected = (size, _IFLA_VF_LINK_STATE)
    if likely and begin + likely + size <= end and _HEADER.unpack_from(message, begin + likely) == expected:
        return likely
    for kind, at, stop in messages.attributes(message, begin + _HEADER.size, end):
        if kind == _IFLA_VF_LINK_STATE and stop - at >= size:
            return at - begin
    return 0
