"""One interface that is monitored: what was last read of it, what is known, and when to look again."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pf_status_relay.attempts import Outcome
from pf_status_relay.event import Event
from pf_status_relay.link import Facts, Master, PhysicalFunction, VirtualFunction, unless_named_twice
from pf_status_relay.linkevents import Concern, Watched
from pf_status_relay.relay import Decision, Memory, Pace, Policy, Standing, decide, settle, to_restore
from pf_status_relay.rtnl import Rtnl

QUICK_S = 0.1
"""Seconds between looks at a PF whose LACP is down: the kernel does not announce its recovery."""

MASTER_S = 10.0
"""Seconds after which a PF's bond is read again although no event was about it: for good measure,
as the kernel announces each change of a bond's ports."""


@dataclass(frozen=True)
class Look:
    """What one round came to: `events` are to be logged, `outcomes` are those of the decision's writes.

    The writes were done `seconds` after the PF was read.
    """

    decision: Decision
    events: tuple[Event, ...]
    outcomes: tuple[Outcome, ...] = ()
    seconds: float = 0.0


class Interface:
    """The round of one interface: read, decide, write. `due` is when to go it next, in monotonic seconds.

    With `dry_run` it says what it would set and sets nothing.
    """

    def __init__(self, name: str, dry_run: bool) -> None:
        self.name = name
        self.memory = Memory(name)
        self.facts: Facts | None = None
        self.due = 0.0
        self._dry_run = dry_run
        self._master: Master | None = None  # of a PF that is ready
        self._master_until = 0.0

    def look(self, rtnl: Rtnl, policy: Policy, interval_s: float, earlier: Iterable[Interface]) -> Look:
        """Go the round once. Raises OSError if the socket is unusable.

        An interface that is one of the `earlier` ones under another name is left to that.
        """
        count_lacpdus = policy.early_detection_s is not None
        known = self._master if time.monotonic() < self._master_until else None
        before = {each.name: each.facts for each in earlier if each.facts is not None}
        self.facts = unless_named_twice(rtnl.read(self.name, count_lacpdus, known), before)
        now = time.monotonic()
        decision = decide(self.memory, self.facts, now, policy)
        self.memory = decision.memory
        look = Look(decision, decision.events)
        if decision.writes and isinstance(self.facts, PhysicalFunction):
            outcomes = self._write(rtnl, self.facts.ifindex, decision.writes)
            done = time.monotonic()
            self.memory, settled = settle(self.memory, outcomes, done)
            look = Look(decision, decision.events + settled, outcomes, done - now)
        self._keep_master(known, now)
        wait_s = min(QUICK_S, interval_s) if decision.pace is Pace.QUICK else interval_s
        self.due = next_on_grid(now, wait_s)
        if decision.again_in_s is not None:
            self.due = min(self.due, now + decision.again_in_s)
        return look

    def restore(self, rtnl: Rtnl) -> Sequence[Event]:
        """Set the VFs back that are disabled, whatever LACP says, and return what is to be logged.

        Raises OSError if the socket is unusable.
        """
        facts = rtnl.read(self.name)
        writes = to_restore(facts)
        if not writes or not isinstance(facts, PhysicalFunction):
            return ()
        _, events = settle(Memory(self.name), self._write(rtnl, facts.ifindex, writes), time.monotonic())
        return events

    def forget_master(self) -> None:
        """Read the master anew at the next look."""
        self._master = None

    def watch(self, watched: Watched) -> None:
        """Add which link events concern this interface: those about it, its master, or a port of its master.

        If it is not there, those about an interface of its name.
        """
        if not isinstance(self.facts, PhysicalFunction):
            watched.names.setdefault(self.name, set()).add(Concern(self.name))
            return
        watched.interfaces.setdefault(self.facts.ifindex, set()).add(Concern(self.name))
        if self.facts.master:
            master = Concern(self.name, master=True)
            watched.interfaces.setdefault(self.facts.master.ifindex, set()).add(master)
            watched.masters.setdefault(self.facts.master.ifindex, set()).add(master)

    def _write(self, rtnl: Rtnl, ifindex: int, vfs: tuple[VirtualFunction, ...]) -> tuple[Outcome, ...]:
        if self._dry_run:
            return tuple(Outcome(vf, dry_run=True) for vf in vfs)
        refused = rtnl.set_vf_link_states(ifindex, vfs)
        return tuple(Outcome(vf, error=refused.get(vf.id, "")) for vf in vfs)

    def _keep_master(self, known: Master | None, now: float) -> None:
        if isinstance(self.facts, PhysicalFunction) and self.memory.standing is Standing.READY:
            if self.facts.master is not known:
                self._master, self._master_until = self.facts.master, now + MASTER_S
        else:
            self._master = None


def next_on_grid(now: float, step_s: float) -> float:
    """Return the next multiple of a step, to the millisecond: looks that share a grid share wake-ups."""
    step_ms = round(step_s * 1000)
    return (round(now * 1000) // step_ms + 1) * step_ms / 1000
