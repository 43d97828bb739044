"""RTM_NEWSTATS of a bond port: bytes → LACPDUs received, or MalformedMessage."""

from __future__ import annotations

import struct

from pf_status_relay.kernel.decode import MalformedMessage, decode_lacpdus_received
from tests.fuzz import lines
from tests.support.rtnetlink import attribute, nest, netlink

RTM_NEWSTATS = 92


def check(data: bytes) -> None:
    """Decode; then the count, encoded as the kernel does, decodes to the same."""
    try:
        count = decode_lacpdus_received(data)
    except MalformedMessage as error:
        lines.check([str(error)])
        return
    if count is not None:
        assert decode_lacpdus_received(laid_out(count)) == count


def laid_out(count: int) -> bytes:
    """Return the statistics of a port that has received `count` LACPDUs."""
    lacp = nest(1, attribute(0, struct.pack("=Q", count)), attribute(1, struct.pack("=Q", 1)))
    header = struct.pack("=B3xII", 0, 5, 4)
    return netlink(RTM_NEWSTATS, header + nest(3, nest(2, lacp)))
