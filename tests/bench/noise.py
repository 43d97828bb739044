"""A busy node: link events that concern nobody.

`python -m tests.bench.noise NAME PER_SECOND` changes the alias of a dummy interface, so often,
until it is killed. It makes the interface if there is none.
"""

from __future__ import annotations

import sys
import time

from tests.bench import wire
from tests.lab.kit import observer
from tests.lab.kit.commands import ip

TICK_S = 0.010


def send_events(name: str, per_second: int) -> None:
    """Sends events for ever, a burst every 10 ms; unacknowledged, to cost the guest as little as possible."""
    if observer.read(name) is None:
        ip(f"link add name {name} type dummy", f"link set dev {name} up")  # one that is down sends no events
    link = observer.read(name)
    assert link is not None
    route = wire.open_socket()
    sent = 0
    start = time.monotonic()
    print("ready", flush=True)
    while True:
        due = int((time.monotonic() - start) * per_second) - sent
        if due > 0:
            route.send(b"".join(wire.set_alias(link.ifindex, b"%08x" % (sent + n)) for n in range(due)))
            sent += due
        time.sleep(TICK_S)


if __name__ == "__main__":
    send_events(sys.argv[1], int(sys.argv[2]))
