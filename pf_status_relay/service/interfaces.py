"""The monitored interfaces: which they are, and the next round of each (read, decide, write)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Callable

from pf_status_relay.config import keys
from pf_status_relay.core import bfd
from pf_status_relay.core.bfd import Sessions
from pf_status_relay.core.decision import (
    Memory,
    Pace,
    Policy,
    Readiness,
    decide,
    disabled_vfs,
    explain,
    left_disabled_event,
    settle,
    to_restore,
)
from pf_status_relay.core.drain import Drain, Drains
from pf_status_relay.core.events import (
    DriverSlow,
    Event,
    InterfaceDropped,
    InterfacesNotListed,
    InterfacesToMonitor,
    LacpDown,
    LacpStillDown,
)
from pf_status_relay.core.facts import (
    Facts,
    Master,
    PhysicalFunction,
    Unreadable,
    VfLinkState,
    VirtualFunction,
    unless_named_twice,
)
from pf_status_relay.core.portions import PAUSE_S
from pf_status_relay.core.redundancy import Place
from pf_status_relay.core.retries import Outcome
from pf_status_relay.core.vf_listing import VfListing
from pf_status_relay.kernel import sysfs
from pf_status_relay.kernel.event_socket import Affected, Watched
from pf_status_relay.kernel.request_socket import RequestSocket
from pf_status_relay.service import selection
from pf_status_relay.service.bfd import Bfd
from pf_status_relay.service.vf_writer import VfWriter

Clock = Callable[[], float]
"""Return the monotonic time in seconds (time.monotonic)."""

_NEVER = float("inf")

QUICK_S = 0.1
"""Seconds between looks at a PF that settles, and between glances at the port state of one with LACP down.

The kernel does not announce that LACP has recovered."""

CLOSED_S = 1.0
"""Maximum seconds between looks at a PF that is down or drained: the kernel does not announce new VFs."""

MASTER_S = 10.0
"""Seconds after which a PF's bond is read again without an event about it: a precaution, as the kernel
announces each change of a bond's ports."""


class Interfaces:
    """The interfaces that a configuration selects, in its order. With `dry_run` they set nothing."""

    def __init__(self, dry_run: bool, clock: Clock) -> None:
        self._dry_run = dry_run
        self._clock = clock
        self._by_name: dict[str, Interface] = {}
        self._selected = False
        self._select_due = 0.0
        self._not_listed = ""
        self._dropped: dict[str, Interface] = {}
        self._left_due = _NEVER
        self.groups: dict[str, tuple[str, ...]] = {}
        """The redundancy group of each interface that is in one, in the order of the group."""

    def __iter__(self) -> Iterator[Interface]:
        """Iterate over the interfaces in the order of the configuration."""
        return iter(self._by_name.values())

    def names(self) -> set[str]:
        """Return the names of all interfaces."""
        return set(self._by_name)

    def due(self) -> float:
        """Return the monotonic time in seconds at which the next work is due."""
        return min([self._select_due, self._left_due, *(each.due for each in self)])

    def glance_due(self) -> float:
        """Return the monotonic time in seconds of the next glance; infinity if no port state is followed."""
        return next_on_grid(self._clock(), QUICK_S) if any(each.is_followed for each in self) else _NEVER

    def glance(self) -> set[str]:
        """Read the followed port states; return the interfaces whose state differs from the last look."""
        return {each.name for each in self if each.is_followed and each.port_state_has_changed()}

    def look_now(self) -> None:
        """Make the next cycle select the interfaces and look at all of them."""
        self._select_due = 0.0
        for each in self:
            each.due = 0.0

    def select(self, config: keys.Config, requests: RequestSocket, interval_s: float) -> tuple[Event, ...]:
        """Find out which interfaces are selected, if that is due, and return the events to log.

        Interfaces that are no longer selected are dropped; their VFs stay as they are. Raises OSError if the
        socket is unusable.
        """
        now = self._clock()
        if now < self._select_due:
            return ()
        configured = config.interfaces
        by_host = selection.depends_on_host(configured) or bool(config.redundancy_groups)
        self._select_due = next_on_grid(now, interval_s) if by_host else _NEVER
        events = self._select(configured, requests)
        self._group(config.redundancy_groups or (), requests)
        return events

    def _select(self, configured: tuple[str, ...], requests: RequestSocket) -> tuple[Event, ...]:
        try:
            names = selection.select(configured, requests)
        except selection.NotListed as error:
            before, self._not_listed = self._not_listed, str(error)
            return (InterfacesNotListed(self._not_listed),) if self._not_listed != before else ()
        self._not_listed = ""
        if self._selected and names == tuple(self._by_name):
            return ()
        if not self._selected and configured == keys.AUTO:
            self._left_due = 0.0
        self._selected = True
        dropped = [each for each in self if each.name not in names]
        known = {**self._dropped, **self._by_name}
        self._by_name = {name: known.get(name) or self._interface(name) for name in names}
        self._dropped = {name: each for name, each in self._dropped.items() if name not in names}
        events: list[Event] = [InterfacesToMonitor(names)]
        for each in dropped:
            events.append(InterfaceDropped(each.name, each.memory.disabled))
            events += self._leave(each, each.memory.left_disabled)
        return tuple(events)

    def left(self) -> list[Memory]:
        """Return what is known of interfaces that are no longer selected and have VFs in disable."""
        return [each.memory for each in self._dropped.values() if each.memory.disabled]

    def look_at_left(
        self, configured: tuple[str, ...], requests: RequestSocket, interval_s: float
    ) -> Sequence[Event]:
        """Check, if that is due, whether VFs of interfaces that are not selected are still disabled.

        With "auto" this checks all PFs of the host once: "auto" does not select a PF that has left its bond,
        whichever process disabled its VFs. Raises OSError if the socket is unusable.
        """
        now = self._clock()
        if now < self._left_due:
            return ()
        events: list[Event] = []
        if configured == keys.AUTO and self._left_due == 0.0:
            for name in selection.pfs():
                if name not in self._by_name and name not in self._dropped:
                    other = self._interface(name)
                    other.look_at_left(requests)
                    events += self._leave(other, 0)
        else:
            for each in self._dropped.values():
                if each.memory.disabled:
                    each.look_at_left(requests)
        self._left_due = next_on_grid(now, interval_s) if self.left() else _NEVER
        return events

    def events_at_stop(self) -> list[Event]:
        """Return the events to log about VFs that stay disabled when the service ends.

        VFs of PFs that were not relayed for have been logged before.
        """
        relayed = (each.memory for each in self if each.memory.readiness is Readiness.READY)
        return [left_disabled_event(each.interface, each.disabled) for each in relayed if each.disabled]

    def look(
        self, woken: Collection[str], requests: RequestSocket, policy: Policy, interval_s: float
    ) -> Iterator[tuple[Interface, Round]]:
        """Run a round for each interface that is due or woken; woken ones come first.

        Raises OSError if the socket is unusable.
        """
        now = self._clock()
        due = [each for each in self if each.is_due(now, each.name in woken)]
        pending = {each.name for each in due}
        for each in sorted(due, key=lambda each: (each.left is not None, each.name not in woken)):
            pending.remove(each.name)
            place, before = self._place(each, pending), each.memory.member(0)
            may_restore = not any(other.left is VfLinkState.DISABLE for other in self if other is not each)
            may_restore |= place is not None and not place.another_is_open
            look = each.look(requests, policy, interval_s, self._before(each), may_restore, place)
            if place is not None:
                if each.memory.member(0) != before:
                    self._look_again(each)
                waits = not pending.isdisjoint(self.groups[each.name]) and each.left is None
                if waits and not each.carries:
                    each.due = 0.0  # after the looks at the others
            yield each, look
        if any(each.left is not None for each in self):
            # While writes hold the RTNL lock, the bonds lose events: the others are polled.
            soon = next_on_grid(self._clock(), QUICK_S)
            for each in self:
                each.due = min(each.due, soon)

    def restore(self, requests: RequestSocket) -> Iterator[tuple[Interface, Round]]:
        """Set the disabled VFs back on all PFs that were ready in this run; yield each portion's round.

        Whether these PFs are still ready, or still selected, does not matter. Raises OSError if the socket is
        unusable.
        """
        for each in (*self, *self._dropped.values()):
            if each.was_ready:
                for portion in each.restore(requests):
                    yield each, portion

    def drain(self, drains: Sequence[Drain], requests: RequestSocket) -> None:
        """Take the drains in effect, and make the next cycle look at interfaces whose drains changed.

        A drain names its interface by its configured name or by another of its names. Raises OSError if the
        socket is unusable.
        """
        by_name: dict[str, list[Drain]] = {}
        for drain in drains:
            name = self._configured_name(drain.interface, requests)
            by_name.setdefault(name, []).append(drain)
        for each in self:
            now = tuple(by_name.get(each.name, ()))
            if now != each.drains:
                each.drains, each.due = now, 0.0

    def hear(self, told: Bfd) -> set[str]:
        """Take the known BFD sessions, and return the interfaces whose sessions changed.

        Sessions count only for PFs of redundancy groups. A PF has the sessions of its bond.
        """
        for group in set(self.groups.values()):
            members = [self._by_name[name] for name in group]
            if bfd.is_common((told.of(each.bond), each.lacp_up) for each in members):
                told.ignore([each.bond for each in members])
        changed: set[str] = set()
        for each in self:
            sessions = told.of(each.bond) if each.name in self.groups else ()
            if sessions != each.sessions:
                each.sessions, each.due = sessions, 0.0
                changed.add(each.name)
        return changed

    def watched(self) -> Watched:
        """Return which link events concern which interface."""
        watched = Watched({}, {}, {})
        for each in self:
            each.watch(watched)
        return watched

    def forget_masters(self, names: Collection[str]) -> None:
        """Make the next look read the masters of these interfaces again."""
        for each in self:
            if each.name in names:
                each.forget_master()

    def _configured_name(self, name: str, requests: RequestSocket) -> str:
        """Return the configured name of an interface, or `name` itself if it is not selected."""
        if name in self._by_name:
            return name
        ifindex = requests.ifindex(name)
        if ifindex is None:
            return name
        called = (each.name for each in self if (each.ifindex or requests.ifindex(each.name)) == ifindex)
        return next(called, name)

    def _group(self, configured: tuple[tuple[str, ...], ...], requests: RequestSocket) -> None:
        """Find out which interfaces are in which redundancy group."""
        before = self.groups
        found = selection.groups(
            configured, tuple(self._by_name), lambda name: self._configured_name(name, requests)
        )
        self.groups = {name: group for group in found if len(group) > 1 for name in group}
        for name, group in self.groups.items():
            if before.get(name) != group:
                self._by_name[name].due = 0.0

    def _place(self, interface: Interface, pending: Collection[str]) -> Place | None:
        """Return the place of an interface in its redundancy group, None if it is in none.

        Members that are `pending` count as not looked at: this cycle is about to read them.
        """
        group = self.groups.get(interface.name)
        if group is None:
            return None
        members = [self._by_name[name].memory.member(order) for order, name in enumerate(group)]
        members = [
            replace(each, looked_at=False) if name in pending else each for name, each in zip(group, members)
        ]
        order = group.index(interface.name)
        return Place(order, tuple(members[:order] + members[order + 1 :]))

    def _look_again(self, changed: Interface) -> None:
        """Make the next cycle look at the other members of a redundancy group after one has changed."""
        for name in self.groups[changed.name]:
            other = self._by_name[name]
            if other is not changed and other.left is None:
                other.due = 0.0

    def _interface(self, name: str) -> Interface:
        return Interface(name, self._dry_run, self._clock)

    def _leave(self, interface: Interface, told: int) -> list[Event]:
        """Keep an interface that is not selected, because of its VFs in disable; return the events to log.

        There are none if the log has been `told` before that VFs are left disabled.
        """
        disabled = interface.memory.disabled
        interface.forget_master()
        interface.follow_port_state(False)
        interface.drains = interface.sessions = ()
        interface.memory = Memory(interface.name, disabled=disabled)
        if disabled or interface.was_ready:
            self._dropped[interface.name] = interface
        if not disabled:
            return []
        self._left_due = min(self._left_due, self._clock() + QUICK_S)
        return [] if told else [left_disabled_event(interface.name, disabled)]

    def _before(self, interface: Interface) -> Iterator[Interface]:
        """Iterate over the interfaces that are configured before this one."""
        return takewhile(lambda each: each is not interface, self)


@dataclass(frozen=True)
class Round:
    """The result of one round: `events` to log, and the `outcomes` of the writes.

    `reaction_s`: seconds from the read that found LACP down until the last VF was written; None if this round
    did not write the last VF. `write_s` and `list_s`: seconds that writing VFs, and reading the PF with its
    VFs, took; None if the round did not do that.
    """

    events: tuple[Event, ...]
    outcomes: tuple[Outcome, ...] = ()
    reaction_s: float | None = None
    write_s: float | None = None
    list_s: float | None = None


class Interface:
    """The round of one interface: read, decide, write. `due`: monotonic time of the next look, in seconds.

    With `dry_run` it says what it would set and sets nothing.
    """

    def __init__(self, name: str, dry_run: bool, clock: Clock) -> None:
        self.name = name
        self.memory = Memory(name)
        self.facts: Facts | None = None
        self.due = 0.0
        self.drains: Drains = ()
        self.sessions: Sessions = ()
        self.was_ready = False
        self._dry_run = dry_run
        self._clock = clock
        self._master: Master | None = None  # of a PF that is ready
        self._master_until = 0.0
        self._listing = VfListing()
        self._list_s: float | None = None
        self._writer = VfWriter(clock)
        self._lost_at: float | None = None  # when LACP was found down, until all VFs are written for it
        self._wrong_since = 0.0  # when the VFs of the last message were read as wrong
        self._slow: set[str] = set()  # what has been logged about the driver
        self._port_state: sysfs.PortStateFiles | None = None  # while it is followed

    @property
    def left(self) -> VfLinkState | None:
        """Return the state in which VFs are still to be written because a portion could not hold them all."""
        return self._writer.left

    @property
    def carries(self) -> bool:
        """Return whether LACP was up and no drain was in effect at the last look."""
        return bool(self.memory.lacp_up) and not self.memory.drains

    def is_due(self, now: float, woken: bool) -> bool:
        """Tell whether to look at it now. VFs that a portion left wait, so that others get the RTNL lock."""
        return self.due <= now or (woken and self.left is None)

    @property
    def ifindex(self) -> int | None:
        """Return its ifindex as last read; None if reading failed or it was not there."""
        return self.facts.ifindex if isinstance(self.facts, PhysicalFunction) else None

    @property
    def bond(self) -> str:
        """Return the name of its master as last read, empty if it has none."""
        master = self.facts.master if isinstance(self.facts, PhysicalFunction) else None
        return "" if master is None else master.name

    @property
    def lacp_up(self) -> bool:
        """Return whether LACP is up by its port state, as last read."""
        return isinstance(self.facts, PhysicalFunction) and self.facts.lacp_up

    def look(
        self,
        requests: RequestSocket,
        policy: Policy,
        interval_s: float,
        earlier: Iterable[Interface],
        may_restore: bool = True,
        place: Place | None = None,
    ) -> Round:
        """Run one round. Raises OSError if the socket is unusable.

        An interface that is one of the `earlier` ones under another name is skipped: that one handles it.
        Unless it `may_restore`, VFs that are to be set to auto wait for a later round. `place` is that in its
        redundancy group, if it is in one.
        """
        count_lacpdus = policy.early_detection_s is not None
        began = self._clock()
        known = self._master if began < self._master_until else None
        facts, now = self._read(requests, count_lacpdus, known, began)
        before = {each.name: each.facts for each in earlier if each.facts is not None}
        self.facts = unless_named_twice(facts, before)
        resolved = self._resolve(self.facts)
        told: tuple[Event, ...] = ()
        if resolved:
            self.memory, told = settle(self.memory, resolved, now, now - self._wrong_since)
        decision = decide(self.memory, self.facts, now, policy, self.drains, place, self.sessions)
        self.memory = decision.memory
        self.was_ready |= self.memory.readiness is Readiness.READY
        if any(isinstance(event, LacpDown) for event in decision.events):
            self._lost_at = now
        elif self.memory.lacp_up:
            self._lost_at = None
        look = Round(told + decision.events, resolved)
        if not decision.writes or not isinstance(self.facts, PhysicalFunction):
            self._writer.left = self._lost_at = None
        elif decision.writes[0].link_state is VfLinkState.AUTO and not may_restore:
            self._writer.left = VfLinkState.AUTO
        else:
            outcomes = self._write(requests, self.facts.ifindex, decision.writes)
            done = self._clock()
            self._wrong_since = now if self._lost_at is None else self._lost_at
            self.memory, settled = settle(self.memory, outcomes, done, done - self._wrong_since)
            look = Round(look.events + settled, resolved + outcomes, self._reaction_s(done), done - now)
        self._keep_master(known, now)
        self.follow_port_state(decision.pace is Pace.PORT_STATE)
        if decision.pace is not Pace.INTERVAL:
            interval_s = min(interval_s, CLOSED_S if self.is_followed else QUICK_S)
        self.due = next_on_grid(now, interval_s)
        if decision.again_in_s is not None:
            self.due = min(self.due, now + decision.again_in_s)
        if self.left is not None:
            self.due = self._clock() + PAUSE_S
        return replace(look, events=look.events + self._slow_events(), list_s=self._list_s)

    @property
    def is_followed(self) -> bool:
        """Return whether glances read its port state between looks."""
        return self._port_state is not None

    def follow_port_state(self, follow: bool) -> None:
        """Start or stop following its port state. Where sysfs does not show it, it is not followed."""
        if self._port_state is not None and not follow:
            self._port_state.close()
            self._port_state = None
        elif self._port_state is None and follow and self.ifindex is not None:
            with suppress(OSError):
                self._port_state = sysfs.PortStateFiles(self.ifindex)

    def port_state_has_changed(self) -> bool:
        """Tell whether its port state differs from the last look, or cannot be read any more."""
        assert self._port_state is not None
        try:
            port = self._port_state.read()
        except (OSError, ValueError):
            self.follow_port_state(False)
            return True
        return not isinstance(self.facts, PhysicalFunction) or port != self.facts.port

    def explain(self, requests: RequestSocket, events: tuple[Event, ...]) -> tuple[Event, ...]:
        """Return the events of a look; add the cause of an outage where finding it takes more requests.

        Call it after the writes. Raises OSError if the socket is unusable.
        """
        down = any(isinstance(event, (LacpDown, LacpStillDown)) for event in events)
        if down and isinstance(self.facts, PhysicalFunction):
            pf = requests.read_details(self.facts)
            self.memory, events = explain(self.memory, events, pf, self._clock())
        return events

    def look_at_left(self, requests: RequestSocket) -> Facts:
        """Read an interface that is not relayed for, and count its VFs in disable.

        Raises OSError if the socket is unusable.
        """
        self.facts = facts = requests.read(self.name)
        if not isinstance(facts, Unreadable):
            self.memory = replace(self.memory, disabled=disabled_vfs(facts))
        return facts

    def restore(self, requests: RequestSocket) -> Iterator[Round]:
        """Set the disabled VFs back, whatever LACP says; yield the round of each portion.

        Afterwards `facts` and `memory` hold the VFs as they are then. Raises OSError if the socket is
        unusable.
        """
        if self.memory.unknown.invented:
            return
        facts = self.look_at_left(requests)
        writes = to_restore(facts)
        began = self._clock()
        while writes and isinstance(facts, PhysicalFunction):
            wrote = self._clock()
            outcomes = self._write(requests, facts.ifindex, writes)
            if self._writer.unsure:
                outcomes += self._resolve(requests.read(self.name))
            done = self._clock()
            _, events = settle(Memory(self.name), outcomes, done, done - began)
            yield Round(events, outcomes, write_s=done - wrote)
            writes = writes[len(outcomes) :]
        if to_restore(facts):
            self.look_at_left(requests)
        yield Round(())

    def forget_master(self) -> None:
        """Make the next look read the master again."""
        self._master = None

    def watch(self, watched: Watched) -> None:
        """Add the link events that concern this interface: about it, its master, or a port of its master.

        If the host does not have it, add those about an interface of its name.
        """
        if not isinstance(self.facts, PhysicalFunction):
            watched.names.setdefault(self.name, set()).add(Affected(self.name))
            return
        watched.interfaces.setdefault(self.facts.ifindex, set()).add(Affected(self.name))
        if self.facts.master:
            master = Affected(self.name, master=True)
            watched.interfaces.setdefault(self.facts.master.ifindex, set()).add(master)
            watched.masters.setdefault(self.facts.master.ifindex, set()).add(master)

    def _write(
        self, requests: RequestSocket, ifindex: int, vfs: tuple[VirtualFunction, ...]
    ) -> tuple[Outcome, ...]:
        if self._dry_run:
            return tuple(Outcome(vf, dry_run=True) for vf in vfs)
        goes_on = self.left is vfs[0].link_state
        attempts = (self.memory.attempts.get(vf.id) for vf in vfs)
        singly = any(attempt is not None and attempt.refusal is not None for attempt in attempts)
        outcomes = self._writer.write(requests, ifindex, vfs, singly)
        if self._listing.slow_s:
            taken = [outcome.vf for outcome in outcomes if outcome.refusal is None]
            self._listing = self._listing.wrote(taken)
            if not goes_on or self.left is None or self._writer.unsure:
                self._listing = self._listing.soon()
        return outcomes

    def _resolve(self, facts: Facts) -> tuple[Outcome, ...]:
        """Return the outcomes of a message that the driver refused, as this read shows them."""
        return self._writer.resolve(facts.vfs) if isinstance(facts, PhysicalFunction) else ()

    def _read(
        self, requests: RequestSocket, count_lacpdus: bool, known: Master | None, began: float
    ) -> tuple[Facts, float]:
        """Read the PF, with its VFs if listing them is quick or due. Also return when that was done."""
        listed = self._listing.due <= began
        facts = requests.read(self.name, count_lacpdus, known, listed)
        if isinstance(facts, PhysicalFunction) and not listed and facts.ifindex != self._listing.ifindex:
            listed, began = True, self._clock()
            facts = requests.read(self.name, count_lacpdus, known)
        now = self._clock()
        self._list_s = None
        if not isinstance(facts, PhysicalFunction):
            self._listing = VfListing()
        elif listed:
            self._list_s = now - began
            self._listing = self._listing.read(facts, now, now - began)
        else:
            facts = self._listing.added_to(facts)
        return facts, now

    def _reaction_s(self, now: float) -> float | None:
        if self._lost_at is None or self.left is not None:
            return None
        reaction_s, self._lost_at = now - self._lost_at, None
        return reaction_s

    def _slow_events(self) -> tuple[Event, ...]:
        events: list[Event] = []
        for operation, seconds in (
            ("setting a VF", self._writer.slow_s),
            ("listing the VFs", self._listing.slow_s),
        ):
            if seconds and operation not in self._slow:
                self._slow.add(operation)
                events.append(DriverSlow(self.name, operation, round(seconds * 1000)))
        return tuple(events)

    def _keep_master(self, known: Master | None, now: float) -> None:
        """Keep the master of a PF that is ready, unless it has other ports: its aggregator can change."""
        master = self.facts.master if isinstance(self.facts, PhysicalFunction) else None
        if master is None or master.port_count != 1 or self.memory.readiness is not Readiness.READY:
            self._master = None
        elif master is not known:
            self._master, self._master_until = master, now + MASTER_S


def next_on_grid(now: float, step_s: float) -> float:
    """Return the next multiple of a step, to the millisecond: looks that share a grid share wake-ups."""
    step_ms = round(step_s * 1000)
    return (round(now * 1000) // step_ms + 1) * step_ms / 1000
