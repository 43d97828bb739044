"""The stopwatch: sees a PF's LACP go down or up, and its VFs follow, to a fraction of a millisecond.

The lab's recorder decodes whole links and keeps all that changes, which in virtual time costs nothing. In
real time that would disturb what is measured, so the stopwatch looks at a few bytes of one PF at a time.

It runs before everything else in the guest and sleeps until there is something to see, so that it stamps
things when they happen, without waiting for its turn:

- An event for the PF wakes it. It takes the time, and the port state from the event's own bytes.
- The kernel does not announce everything. So it also reads the port state every 2 ms, or less often if
  reading would cost more than 10 % of the CPU. A moment is known to within that (`Moment.uncertain_s`).
- It then does not listen for 5 ms, unless another PF is about to change. Each write of the relay is an event
  and would wake it before the relay; a relay that writes in several messages would seem slower.
- The next event is the relay's own write. 5 ms later it reads all VFs, for the same reason. If only some are
  set, it goes on by the clock, again for at most 10 % of the CPU. The time at which the last VF was set comes
  from the driver, which keeps it in debugfs.
"""

from __future__ import annotations

import select
import time
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from tests.bench import wire
from tests.support import rtnetlink as nl

LOOK_S = 0.002
"""Minimum seconds between two looks."""
SHARE = 0.1
"""Maximum share of the CPU for looking."""


class Moment(NamedTuple):
    """When something was seen (seconds, monotonic), and how much earlier it can have happened (seconds)."""

    at: float
    uncertain_s: float


class Heard(NamedTuple):
    """An event of a PF: when it came, and whether it says that LACP is up."""

    ifindex: int
    at: float
    up: bool | None


class Stopwatch:
    """Watches PFs, given as ifindex → number of VFs, in the caller's network namespace."""

    def __init__(self, vfs: Mapping[int, int], look_s: float = LOOK_S) -> None:
        self.look_s = look_s
        self.lost_events = 0
        self._vfs = dict(vfs)
        self._route = wire.open_socket()
        self._events = wire.open_socket(nl.RTMGRP_LINK)
        self._events.setblocking(False)
        self._poll = select.poll()
        self._poll.register(self._events, select.POLLIN)
        self._buffer = bytearray(wire.BUFFER_BYTES)
        no_vfs = nl.RTEXT_FILTER_SKIP_STATS
        self._get_port = {index: nl.get_link(no_vfs, ifindex=index) for index in vfs}
        with_vfs = no_vfs | nl.RTEXT_FILTER_VF
        self._get_vfs = {index: nl.get_link(with_vfs, ifindex=index) for index in vfs}

    def lacp_up(self, ifindex: int) -> bool:
        """Read whether LACP is up."""
        size = wire.ask(self._route, self._get_port[ifindex], self._buffer)
        return bool(wire.lacp_up(self._buffer, size))

    def vf_states(self, ifindex: int) -> bytes:
        """Read the VFs' link states, a byte each."""
        size = wire.ask(self._route, self._get_vfs[ifindex], self._buffer)
        return wire.vf_states(self._buffer, size, self._vfs[ifindex])

    def set_vfs(self, ifindex: int, state: int, vfs: Iterable[int] = ()) -> None:
        """Set VFs, all if none is named, to a link state."""
        runs = [(vf, 1) for vf in vfs] or [(0, self._vfs[ifindex])]
        for first, count in runs:
            request = nl.set_vfs(ifindex, count, state, flags=nl.NLM_F_ACK, first=first)
            wire.ask(self._route, request, self._buffer)

    def wait(self, until: float, *, deaf: bool = False) -> list[Heard]:
        """Wait until a moment (seconds, monotonic) or a watched PF's event; `deaf`: for the moment alone."""
        left_s = until - time.monotonic()
        if deaf:
            time.sleep(max(0.0, left_s))
        elif not self._poll.poll(max(0.0, left_s) * 1000):
            return []
        return self.hear()

    def hear(self) -> list[Heard]:
        """Return the events that have come for watched PFs, each with the time at which it was read."""
        heard: list[Heard] = []
        while True:
            try:
                size = self._events.recv_into(self._buffer)
            except BlockingIOError:
                return heard
            except OSError as error:
                if not wire.was_overrun(error):
                    raise
                self.lost_events += 1
                continue
            at = time.monotonic()
            ifindex = wire.ifindex_of(self._buffer)
            if ifindex in self._vfs:
                heard.append(Heard(ifindex, at, wire.lacp_up(self._buffer, size)))
