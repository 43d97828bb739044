"""The floor: the least that a program in Python must do. It gets the event and sends one RTM_SETLINK.

`python -m tests.bench.floor IFINDEX:VFS …` decides by the event's own bytes, reads nothing, never polls, logs
nothing, and never sets a VF back to "auto". It is no relay; it shows how fast one could be.
"""

from __future__ import annotations

import socket
import sys

from tests.bench import wire
from tests.support import rtnetlink as nl


def main() -> None:
    """Disable the VFs of each PF that has lost LACP according to an event, once per loss."""
    vfs = {int(ifindex): int(count) for ifindex, count in (word.split(":") for word in sys.argv[1:])}
    requests = {ifindex: nl.set_vfs(ifindex, count, nl.DISABLE) for ifindex, count in vfs.items()}
    events, route = wire.open_socket(nl.RTMGRP_LINK), wire.open_socket()
    buffer = bytearray(1 << 16)
    disabled: set[int] = set()
    print("ready", flush=True)
    while True:
        try:
            size = events.recv_into(buffer)
        except OSError:  # events were lost
            continue
        ifindex = wire.ifindex_of(buffer)
        if ifindex not in requests:
            continue
        up = wire.lacp_up(buffer, size)
        if up:
            disabled.discard(ifindex)
        elif up is False and ifindex not in disabled:
            route.send(requests[ifindex], socket.MSG_DONTWAIT)
            disabled.add(ifindex)


if __name__ == "__main__":
    main()
