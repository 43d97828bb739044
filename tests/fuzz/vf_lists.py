"""IFLA_VFINFO_LIST: bytes → VFs, and VFs → bytes."""

from __future__ import annotations

import struct
from itertools import accumulate

from pf_status_relay.core.facts import VfLinkState, VirtualFunction
from pf_status_relay.kernel import vf_list
from tests.support.rtnetlink import nest

_COUNT = struct.Struct("=H")


def check(data: bytes) -> None:
    """Decode a list of as many VFs as the first two bytes say; then encode VFs made of the bytes."""
    if len(data) < _COUNT.size + 4:
        return
    (count,) = _COUNT.unpack_from(data)
    message = data[_COUNT.size :]
    found = vf_list.decode(message, 0, count)
    numbers = [vf.id for vf in found.vfs]
    assert numbers == sorted(set(numbers))
    assert len(numbers) <= count
    assert found.listed <= count

    steps = accumulate(byte // 3 + 1 for byte in message)
    states = [VfLinkState(byte % 3) for byte in message]
    vfs = tuple(VirtualFunction(number, state) for number, state in zip(steps, states))
    assert vf_list.decode(nest(22, vf_list.encode(vfs)), 0, len(vfs)).vfs == vfs
