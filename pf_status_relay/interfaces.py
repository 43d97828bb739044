"""The interfaces that are monitored: which those are, and the next round of them all."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from itertools import takewhile

from pf_status_relay import selection
from pf_status_relay.event import Event
from pf_status_relay.interface import Interface, Look, next_on_grid
from pf_status_relay.linkevents import Watched
from pf_status_relay.relay import Policy
from pf_status_relay.rtnl import Rtnl
from pf_status_relay.serviceevents import InterfaceDropped, InterfacesNotListed, InterfacesToMonitor

_NEVER = float("inf")


class Interfaces:
    """The interfaces that a configuration means, in its order. With `dry_run` nothing is set."""

    def __init__(self, dry_run: bool) -> None:
        self._dry_run = dry_run
        self._by_name: dict[str, Interface] = {}
        self._selected = False
        self._select_due = 0.0
        self._not_listed = ""

    def __iter__(self) -> Iterator[Interface]:
        """Go through the interfaces in the order of the configuration."""
        return iter(self._by_name.values())

    def names(self) -> set[str]:
        """Return the names of all."""
        return set(self._by_name)

    def due(self) -> float:
        """Return when there is next something to do, in monotonic seconds."""
        return min([self._select_due, *(each.due for each in self)])

    def hurry(self) -> None:
        """Have everything done anew at once."""
        self._select_due = 0.0
        for each in self:
            each.due = 0.0

    def select(self, configured: tuple[str, ...], rtnl: Rtnl, interval_s: float) -> tuple[Event, ...]:
        """Find out which interfaces are meant, if that is due, and return what is to be logged.

        Those that are no longer meant are dropped, and their VFs left as they are. Raises OSError if the
        socket is unusable.
        """
        now = time.monotonic()
        if now < self._select_due:
            return ()
        by_host = selection.depends_on_host(configured)
        self._select_due = next_on_grid(now, interval_s) if by_host else _NEVER
        try:
            names = selection.select(configured, rtnl)
        except selection.NotListed as error:
            before, self._not_listed = self._not_listed, str(error)
            return (InterfacesNotListed(self._not_listed),) if self._not_listed != before else ()
        self._not_listed = ""
        if self._selected and names == tuple(self._by_name):
            return ()
        self._selected = True
        dropped = [each for each in self if each.name not in names]
        self._by_name = {name: self._by_name.get(name) or Interface(name, self._dry_run) for name in names}
        return (
            InterfacesToMonitor(names),
            *(InterfaceDropped(each.name, each.memory.disabled) for each in dropped),
        )

    def look(
        self, woken: Collection[str], rtnl: Rtnl, policy: Policy, interval_s: float
    ) -> Iterator[tuple[Interface, Look]]:
        """Go the round of each interface that is due or woken; those that are woken come first.

        Raises OSError if the socket is unusable.
        """
        now = time.monotonic()
        due = [each for each in self if each.name in woken or each.due <= now]
        for each in sorted(due, key=lambda each: each.name not in woken):
            yield each, each.look(rtnl, policy, interval_s, self._before(each))

    def restore(self, rtnl: Rtnl) -> Iterator[Event]:
        """Set back the VFs of all that are disabled, and yield what is to be logged.

        Raises OSError if the socket is unusable.
        """
        for each in self:
            yield from each.restore(rtnl)

    def watched(self) -> Watched:
        """Return what link events concern which interface."""
        watched = Watched({}, {}, {})
        for each in self:
            each.watch(watched)
        return watched

    def forget_masters(self, names: Collection[str]) -> None:
        """Read the masters of these anew at the next look."""
        for each in self:
            if each.name in names:
                each.forget_master()

    def _before(self, interface: Interface) -> Iterator[Interface]:
        """Go through the interfaces that are configured before this one."""
        return takewhile(lambda each: each is not interface, self)
