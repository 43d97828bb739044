"""A busy node: link events of interfaces that no relay serves.

`python -m tests.lab.kit.storm NAME PER_SECOND` sends them until it is killed.
"""

from __future__ import annotations

import errno
import sys
import threading
import time
from collections.abc import Iterator

from tests.lab.kit import observer
from tests.lab.kit.commands import ip
from tests.support import rtnetlink as nl

TICK_S = 0.010
"""Seconds between two bursts: a guest's kernel timers are not much finer."""


def bystander(name: str) -> int:
    """Return an interface's ifindex. Make a dummy interface of that name if there is none."""
    # The kernel announces a changed alias only of an interface that is up.
    if observer.read(name) is None:
        ip(f"link add name {name} up type dummy")
    link = observer.read(name)
    assert link is not None
    return link.ifindex


def bursts(
    ifindex: int, per_second: int, total: int = sys.maxsize, *, flags: int = 0
) -> Iterator[list[bytes]]:
    """Yield requests to change an interface's alias, a burst whenever one is due.

    The kernel sends an RTM_NEWLINK for each request.
    """
    size = max(1, round(per_second * TICK_S))
    made = 0
    due = time.monotonic()
    while made < total:
        numbers = range(made, min(made + size, total))
        yield [nl.set_alias(ifindex, b"%08x" % number, flags=flags) for number in numbers]
        made += len(numbers)
        due += TICK_S
        time.sleep(max(0.001, due - time.monotonic()))


class LinkStorm:
    """Sends events from a thread, and waits for each of them. `sent` counts them."""

    def __init__(self, per_second: int, seconds: float, name: str = "bystander0") -> None:
        self.sent = 0
        self._ifindex = bystander(name)
        self._bursts = bursts(self._ifindex, per_second, round(per_second * seconds), flags=nl.NLM_F_ACK)
        self._thread = threading.Thread(target=self._run, name="storm", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        route, listener = nl.RouteSocket(), nl.RouteSocket(groups=nl.RTMGRP_LINK)
        for burst in self._bursts:
            for request in burst:
                self.sent += 1
                route.ask(request)
                self._hear(listener)

    def _hear(self, listener: nl.RouteSocket) -> None:
        """Wait for the event of the last change: a storm that nobody can hear would prove nothing."""
        try:
            while all(nl.LINK.unpack_from(each.payload)[2] != self._ifindex for each in listener.receive()):
                pass
        except OSError as error:
            # One change of a bridge's port causes several events: more than enough.
            if error.errno != errno.ENOBUFS:
                raise

    def running(self) -> bool:
        """Tell whether events are still to come."""
        return self._thread.is_alive()

    def wait(self) -> None:
        """Wait until all events have been sent."""
        self._thread.join()


def main(name: str, per_second: int) -> None:
    """Send events for ever. Have none acknowledged, to cost the guest as little as possible."""
    route, ifindex = nl.RouteSocket(), bystander(name)
    print("ready", flush=True)
    for burst in bursts(ifindex, per_second):
        route.send(b"".join(burst))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
