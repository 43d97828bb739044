"""A busy node: link events that are nobody's business."""

from __future__ import annotations

import errno
import struct
import threading
import time

from tests.lab.kit import netlink as nl
from tests.lab.kit import observer
from tests.lab.kit.commands import ip

TICK = 0.010
"""Seconds between two bursts: a guest's kernel timers are not much finer."""


class LinkStorm:
    """Changes the alias of an interface over and over: one RTM_NEWLINK each. `sent` counts them.

    A dummy interface of that name is made if there is none.
    """

    def __init__(self, per_second: int, seconds: float, name: str = "bystander0") -> None:
        # Only of an interface that is up does the kernel announce a changed alias.
        if observer.read(name) is None:
            ip(f"link add name {name} up type dummy")
        link = observer.read(name)
        assert link is not None
        self.sent = 0
        self._ifindex = link.ifindex
        self._burst = max(1, round(per_second * TICK))
        self._total = round(per_second * seconds)
        self._thread = threading.Thread(target=self._run, name="storm", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        route, listener = nl.RouteSocket(), nl.RouteSocket(groups=nl.RTMGRP_LINK)
        head = nl.LINK.pack(0, 0, self._ifindex, 0, 0)
        next_burst = time.monotonic()
        while self.sent < self._total:
            for _ in range(min(self._burst, self._total - self.sent)):
                self.sent += 1
                body = head + nl.attribute(nl.IFLA_IFALIAS, struct.pack("=I", self.sent).hex().encode())
                route.request(nl.RTM_SETLINK, body, nl.NLM_F_ACK)
                self._hear(listener)
            next_burst += TICK
            time.sleep(max(0.001, next_burst - time.monotonic()))

    def _hear(self, listener: nl.RouteSocket) -> None:
        """Waits for the event of the last change: a storm that nobody can hear would prove nothing."""
        try:
            while all(nl.LINK.unpack_from(each.payload)[2] != self._ifindex for each in listener.receive()):
                pass
        except OSError as error:
            if (
                error.errno != errno.ENOBUFS
            ):  # a port of a bridge has several events a change: more than enough
                raise

    def running(self) -> bool:
        """Whether events are still to come."""
        return self._thread.is_alive()

    def wait(self) -> None:
        """Waits until all events have been sent."""
        self._thread.join()
