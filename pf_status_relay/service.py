"""The loop: wait, read facts, decide, write VF states, log, tell systemd, and wait again.

What happens when a part of it fails:

    one PF cannot be read        it is logged once and read again soon; the others are not kept waiting
    a VF is refused              relay.py holds back from it and tries again
    a netlink socket is dead     both are opened anew at once and everything is read again
    ... and that fails too       it is logged once and tried every second; as no cycle succeeds,
                                 systemd's watchdog acts
    link events were lost        everything is read again
"""

from __future__ import annotations

import os
import select
import signal
import socket
import time
from collections.abc import Iterable, Sequence
from types import FrameType

from pf_status_relay.config import Config
from pf_status_relay.events import (
    Event,
    InterfacesToMonitor,
    LinkEventsLost,
    NetlinkFailed,
    NetlinkReopened,
    Starting,
    Stopping,
)
from pf_status_relay.link import (
    Facts,
    Master,
    PhysicalFunction,
    Unreadable,
    VirtualFunction,
    unless_named_twice,
)
from pf_status_relay.linkevents import Concern, LinkEvents, master_attribute, name_content
from pf_status_relay.log import Log
from pf_status_relay.notify import Notifier
from pf_status_relay.relay import Memory, Outcome, Pace, Policy, Standing, decide, settle
from pf_status_relay.rtnl import Rtnl
from pf_status_relay.statefile import StateFile

QUICK_S = 0.1
"""Seconds between looks at a PF whose LACP is down: the kernel does not announce its recovery."""

REOPEN_S = 1.0
"""Seconds between attempts to open netlink sockets."""

_CYCLES_PER_WATCHDOG = 3  # so that one slow cycle is not taken for a hang


class Service:
    """Relays for the configured interfaces until SIGTERM or SIGINT.

    With `dry_run` it says what it would set and sets nothing.
    """

    def __init__(self, config: Config, log: Log, notifier: Notifier, dry_run: bool = False) -> None:
        self._names = config.interfaces
        early_ms = config.early_detection_ms
        self._policy = Policy(early_detection_s=None if early_ms is None else early_ms / 1000)
        self._interval_s = config.polling_interval_ms / 1000
        if notifier.watchdog_s is not None:
            self._interval_s = min(self._interval_s, notifier.watchdog_s / _CYCLES_PER_WATCHDOG)
        self._log = log
        self._notifier = notifier
        self._state_file = StateFile(os.environ)
        self._dry_run = dry_run
        self._stop = False
        self._memories = {name: Memory(name) for name in self._names}
        self._facts: dict[str, Facts] = {}
        self._due = dict.fromkeys(self._names, 0.0)
        self._masters: dict[str, tuple[Master, float]] = {}  # of PFs that are ready, and until when known
        self._netlink_error = ""
        self._netlink_failed = False
        self._rtnl: Rtnl | None = None
        self._link_events: LinkEvents | None = None

    def run(self) -> None:
        """Relay until the process is asked to end. VF link states are left as they are then."""
        wake, wakeup = socket.socketpair()
        for end in (wake, wakeup):
            end.setblocking(False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        signal.set_wakeup_fd(wakeup.fileno(), warn_on_full_buffer=False)

        self._log(Starting())
        self._log(InterfacesToMonitor(self._names))
        ready = False
        woken: set[str] = set()
        while not self._stop:
            try:
                self._open()
                if self._cycle(woken):
                    self._netlink_works()
                    self._notifier.status(status_line(self._memories.values()))
                    self._state_file.write(self._memories.values())
                    if not ready:
                        self._notifier.ready()
                        ready = True
                    self._notifier.cycle_done()
                woken = self._wait(wake)
            except OSError as error:
                woken = set(self._names)
                self._netlink_fails(error, wake)
        self._notifier.stopping()
        self._log(Stopping())

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._stop = True

    def _cycle(self, woken: set[str]) -> bool:
        """Look at the PFs that are due or woken; return whether any could be read.

        Those that an event was about come first, and all VF states are written before anything
        is logged.
        """
        now = time.monotonic()
        due = [name for name in self._names if name in woken or self._due[name] <= now]
        events: list[Event] = []
        try:
            for name in sorted(due, key=lambda name: name not in woken):
                events += self._look(name)
        finally:
            for event in events:
                self._log(event)
        return not due or any(not isinstance(self._facts[name], Unreadable) for name in due)

    def _look(self, name: str) -> Sequence[Event]:
        assert self._rtnl is not None
        count_lacpdus = self._policy.early_detection_s is not None
        known = self._known_master(name)
        facts = self._unless_named_twice(name, self._rtnl.read(name, count_lacpdus, known))
        self._facts[name] = facts
        now = time.monotonic()
        decision = decide(self._memories[name], facts, now, self._policy)
        memory, events = decision.memory, decision.events
        if decision.writes and isinstance(facts, PhysicalFunction):
            outcomes = self._write(facts.ifindex, decision.writes)
            memory, settled = settle(memory, outcomes, time.monotonic())
            events += settled
        self._memories[name] = memory
        if isinstance(facts, PhysicalFunction) and facts.master and memory.standing is Standing.READY:
            if facts.master is not known:
                self._masters[name] = facts.master, now + self._interval_s
        else:
            self._masters.pop(name, None)
        wait_s = min(QUICK_S, self._interval_s) if decision.pace is Pace.QUICK else self._interval_s
        self._due[name] = now + wait_s
        return events

    def _known_master(self, name: str) -> Master | None:
        """Return the PF's master if it was read within the interval and no event was about it since."""
        master, until = self._masters.get(name, (None, 0.0))
        return master if time.monotonic() < until else None

    def _unless_named_twice(self, name: str, facts: Facts) -> Facts:
        earlier = self._names[: self._names.index(name)]
        return unless_named_twice(facts, {each: self._facts[each] for each in earlier if each in self._facts})

    def _write(self, ifindex: int, vfs: tuple[VirtualFunction, ...]) -> tuple[Outcome, ...]:
        if self._dry_run:
            return tuple(Outcome(vf, dry_run=True) for vf in vfs)
        assert self._rtnl is not None
        refused = self._rtnl.set_vf_link_states(ifindex, vfs)
        return tuple(Outcome(vf, error=refused.get(vf.id, "")) for vf in vfs)

    def _wait(self, wake: socket.socket) -> set[str]:
        """Wait until a PF is due, an event concerns one, or a signal comes; return who is woken."""
        assert self._link_events is not None
        poller = select.poll()
        poller.register(wake, select.POLLIN)
        poller.register(self._link_events, select.POLLIN)
        concerned: set[Concern] = set()
        by_ifindex, by_content = self._watched()
        while not self._stop and not concerned:
            left_s = min(self._due.values()) - time.monotonic()
            if left_s <= 0:
                break
            ready = [descriptor for descriptor, _ in poller.poll(left_s * 1000)]
            if self._link_events.fileno() in ready:
                concerned, lost = self._link_events.drain(by_ifindex, by_content)
                if lost:
                    self._log(LinkEventsLost())
                    concerned = {Concern(name, master=True) for name in self._names}
        for name in (each.interface for each in concerned if each.master):
            self._masters.pop(name, None)
        return {each.interface for each in concerned}

    def _watched(self) -> tuple[dict[int, set[Concern]], dict[bytes, set[Concern]]]:
        """Return what link events concern which PF: by the ifindex of it or its master, and by content.

        An event about another interface concerns a PF if it has the PF's name, which so far no
        interface had, or if it is a port of the PF's master.
        """
        by_ifindex: dict[int, set[Concern]] = {}
        by_content: dict[bytes, set[Concern]] = {}
        for name in self._names:
            facts = self._facts.get(name)
            if not isinstance(facts, PhysicalFunction):
                by_content.setdefault(name_content(name), set()).add(Concern(name))
                continue
            by_ifindex.setdefault(facts.ifindex, set()).add(Concern(name))
            if facts.master:
                master = Concern(name, master=True)
                by_ifindex.setdefault(facts.master.ifindex, set()).add(master)
                by_content.setdefault(master_attribute(facts.master.ifindex), set()).add(master)
        return by_ifindex, by_content

    def _open(self) -> None:
        if self._rtnl is None:
            self._rtnl = Rtnl()
        if self._link_events is None:
            self._link_events = LinkEvents()

    def _close(self) -> None:
        for each in (self._rtnl, self._link_events):
            if each is not None:
                each.close()
        self._rtnl = None
        self._link_events = None
        self._masters.clear()

    def _netlink_fails(self, error: OSError, wake: socket.socket) -> None:
        """Drop the sockets, for the next cycle to open new ones: at once the first time, then slowly."""
        self._close()
        reason = error.strerror or str(error)
        if not self._netlink_error:
            self._netlink_error = reason
            return
        if not self._netlink_failed:
            self._netlink_failed = True
            self._log(NetlinkFailed(reason))
        select.select([wake], [], [], REOPEN_S)

    def _netlink_works(self) -> None:
        if self._netlink_error:
            self._log(NetlinkReopened(self._netlink_error))
        self._netlink_error = ""
        self._netlink_failed = False


def status_line(memories: Iterable[Memory]) -> str:
    """Say in one line what matters: `3 PFs: 2 up, 1 down (ens5f1), 8 VFs disabled`."""
    memories = list(memories)
    up = [memory for memory in memories if memory.standing is Standing.READY and memory.lacp_up]
    down = [memory for memory in memories if memory.standing is Standing.READY and not memory.lacp_up]
    rest = [memory for memory in memories if memory.standing is not Standing.READY]
    parts = [f"{len(up)} up"]
    parts += [
        f"{len(group)} {what} ({', '.join(memory.interface for memory in group)})"
        for what, group in (("down", down), ("not ready", rest))
        if group
    ]
    disabled = sum(memory.disabled for memory in memories)
    parts.append(f"{disabled} VF{'s' * (disabled != 1)} disabled")
    return f"{len(memories)} PF{'s' * (len(memories) != 1)}: {', '.join(parts)}"
