"""The history of a host: all its links as the kernel showed them, and what was done to them, with times.

`recorder.py` watches a few PFs for one story; this keeps all that is needed to judge a property,
names and masters too. It reads with the lab's own decoder, every 20 ms and after each link event.
"""

from __future__ import annotations

import select
import socket
import threading
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

from tests.lab.kit import observer
from tests.lab.kit.observer import Link
from tests.support import rtnetlink as nl

INTERVAL_S = 0.020
BOND_8023AD = 4


class Snapshot(NamedTuple):
    """The host's links by ifindex. `looked` is when they had last been seen otherwise, `time` when so.

    Times are monotonic seconds.
    """

    looked: float
    time: float
    links: Mapping[int, Link]

    def bearer(self, name: str) -> int | None:
        """Return the ifindex of the interface with this name or alternative name."""
        return next(
            (index for index, link in self.links.items() if name == link.name or name in link.altnames), None
        )

    def not_ready_reason(self, index: int) -> str:
        """Return why a PF may not be relayed for, whatever its name; empty if it may."""
        master = self.links[index].master
        if master is None:
            return "it has no master"
        if master not in self.links:
            return "its master is gone"
        if self.links[master].bond_mode != BOND_8023AD:
            return "its master is no 802.3ad bond"
        ports = sum(link.master == master for link in self.links.values())
        return "" if ports == 1 else f"its bond has {ports} ports"

    def lacp_up(self, index: int) -> bool:
        """Return whether LACP is up: both ends aggregate (60), neither being defaulted or expired (192).

        Without a carrier, or while it or its bond is set down, the port state is out of date.
        """
        link = self.links[index]
        ends = link.port_state or (0, 0)
        runs = link.up and link.carrier and link.master is not None and self.links[link.master].up
        return runs and all(end & 0xFC == 60 for end in ends)


class Act(NamedTuple):
    """Something done to the host from `begun` to `ended`.

    `ifindex` and `vf` say to what (None: to all VFs, or to something else), `became` which link state that
    gave the VF; empty if none. `accepts` says whether the driver takes link states of the VF from then on,
    `drains` which PFs are drained from then on, by name, and by whom, `timed_out` on which bonds a BFD
    session is down by a timeout from then on. Each is None if that did not change.
    """

    begun: float
    ended: float
    ifindex: int | None = None
    vf: int | None = None
    became: str = ""
    accepts: bool | None = None
    drains: frozenset[tuple[str, str]] | None = None
    timed_out: frozenset[str] | None = None


class History:
    """Records until `stop`.

    `events` has the time and ifindex of each link event, but of those of links that are `ignored`, as far as
    they could be heard.
    """

    def __init__(self) -> None:
        self.snapshots: list[Snapshot] = []
        self.acts: list[Act] = []
        self.events: list[tuple[float, int]] = []
        self.ignored: set[int] = set()
        self._decoded: dict[int, tuple[bytes, Link]] = {}
        self.ended = 0.0
        self._looked = time.monotonic()
        self._looking = threading.Lock()
        self._stop = threading.Event()
        self._heard = nl.RouteSocket(groups=nl.RTMGRP_LINK)
        self.look()
        self._thread = threading.Thread(target=self._run, name="history", daemon=True)
        self._thread.start()

    def act(
        self,
        story: str,
        do: Callable[[], object],
        *,
        ifindex: int | None = None,
        vf: int | None = None,
        became: str = "",
        accepts: bool | None = None,
        drains: frozenset[tuple[str, str]] | None = None,
        timed_out: frozenset[str] | None = None,
    ) -> str:
        """Do something to the host, record that it was done (see Act), and return its story."""
        begun = time.monotonic()
        do()
        self.acts.append(Act(begun, time.monotonic(), ifindex, vf, became, accepts, drains, timed_out))
        return story

    def look(self) -> Snapshot:
        """Look once and return what is true now."""
        with self._looking:
            now = time.monotonic()
            links = {}
            for data in observer.read_all():
                index = nl.LINK.unpack_from(data)[2]
                if self._decoded.get(index, (b"",))[0] != data:
                    self._decoded[index] = data, observer.decode(data)
                links[index] = self._decoded[index][1]
            if not self.snapshots or self.snapshots[-1].links != links:
                self.snapshots.append(Snapshot(self._looked, now, links))
            self._looked = now
            return self.snapshots[-1]

    def stop(self) -> None:
        """Take a last look and end."""
        self._stop.set()
        self._thread.join()
        self.look()
        self.ended = time.monotonic()

    def _run(self) -> None:
        due = time.monotonic()
        while not self._stop.is_set():
            left = max(0.0, due - time.monotonic())
            heard = bool(select.select([self._heard], [], [], left)[0]) and self._hear()
            if heard or time.monotonic() >= due:
                self.look()
                due = time.monotonic() + INTERVAL_S

    def _hear(self) -> bool:
        """Keep the next events; return whether they are about anything but links that are ignored.

        A bridge reports its ports in link events of another family, AF_BRIDGE.
        """
        now = time.monotonic()
        try:
            events = [nl.LINK.unpack_from(each.payload) for each in self._heard.receive()]
        except OSError:  # ENOBUFS: more came than the socket holds
            return True
        heard = [index for family, _, index, _, _ in events if family == socket.AF_UNSPEC]
        self.events += [(now, index) for index in heard if index not in self.ignored]
        return any(index not in self.ignored for index in heard)
