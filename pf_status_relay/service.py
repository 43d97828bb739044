"""The loop: wait, read facts, decide, write VF states, log, tell systemd, and wait again.

What happens when a part of it fails:

    one PF cannot be read        it is logged once and read again soon; the others are not kept waiting
    a VF is refused              attempts.py holds back from it and it is tried again
    a netlink socket is dead     both are opened anew at once and everything is read again
    ... and that fails too       it is logged once and tried every second; as no cycle succeeds,
                                 systemd's watchdog acts
    link events were lost        everything is read again
    the new configuration is bad it is logged, and the one before stays in effect
"""

from __future__ import annotations

import os
import select
import signal
import socket
import time
from collections.abc import Iterable
from contextlib import suppress
from itertools import takewhile
from types import FrameType
from typing import Callable

from pf_status_relay import selection, unitjob
from pf_status_relay.config import RESTORE, Config, ConfigError
from pf_status_relay.events import (
    ConfigurationRefused,
    ConfigurationReloaded,
    Event,
    InterfaceDropped,
    InterfacesNotListed,
    InterfacesToMonitor,
    LinkEventsLost,
    NetlinkFailed,
    NetlinkReopened,
    NotRestored,
    Starting,
    Stopping,
)
from pf_status_relay.interface import Interface, next_on_grid
from pf_status_relay.link import Unreadable
from pf_status_relay.linkevents import Concern, LinkEvents, Watched
from pf_status_relay.log import Log
from pf_status_relay.notify import Notifier, status_line
from pf_status_relay.relay import Policy
from pf_status_relay.rtnl import Rtnl

REOPEN_S = 1.0
"""Seconds between attempts to open netlink sockets."""

_CYCLES_PER_WATCHDOG = 3  # so that one slow cycle is not taken for a hang
_NEVER = float("inf")


class Service:
    """Relays for the configured interfaces until SIGTERM or SIGINT.

    `load` reads the configuration again, on SIGHUP, and raises ConfigError as config.load does. With
    `dry_run` it says what it would set and sets nothing.
    """

    def __init__(
        self, config: Config, log: Log, notifier: Notifier, load: Callable[[], Config], dry_run: bool = False
    ) -> None:
        self._log = log
        self._notifier = notifier
        self._load = load
        self._dry_run = dry_run
        self._stop = False
        self._reload = False
        self._refused = False
        self._interfaces: dict[str, Interface] = {}
        self._selected = False
        self._select_due = 0.0
        self._not_listed = ""
        self._netlink_error = ""
        self._netlink_failed = False
        self._rtnl: Rtnl | None = None
        self._link_events: LinkEvents | None = None
        self._configure(config)

    def run(self) -> None:
        """Relay until the process is asked to end."""
        wake, wakeup = socket.socketpair()
        for end in (wake, wakeup):
            end.setblocking(False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        signal.set_wakeup_fd(wakeup.fileno(), warn_on_full_buffer=False)

        self._log([Starting()])
        ready = False
        woken: set[str] = set()
        while not self._stop:
            try:
                if self._reload:
                    self._reload_configuration()
                self._open()
                if self._cycle(woken):
                    self._netlink_works()
                    self._notifier.status(self._status())
                    if not ready:
                        self._notifier.ready()
                        ready = True
                    self._notifier.cycle_done()
                woken = self._wait(wake)
            except OSError as error:
                woken = set(self._interfaces)
                self._netlink_fails(error, wake)
        self._notifier.stopping()
        if self._config.on_stop == RESTORE:
            self._restore()
        self._log([Stopping()])

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGHUP:
            self._reload = True
        else:
            self._stop = True

    # Configuration

    def _configure(self, config: Config) -> None:
        """Take a configuration, and look at everything anew."""
        early_ms = config.early_detection_ms
        self._config = config
        self._policy = Policy(
            early_detection_s=None if early_ms is None else early_ms / 1000,
            restore_delay_s=config.restore_delay_ms / 1000,
        )
        self._interval_s = config.polling_interval_ms / 1000
        if self._notifier.watchdog_s is not None:
            self._interval_s = min(self._interval_s, self._notifier.watchdog_s / _CYCLES_PER_WATCHDOG)
        self._select_due = 0.0
        for interface in self._interfaces.values():
            interface.due = 0.0

    def _reload_configuration(self) -> None:
        self._reload = False
        self._notifier.reloading()
        try:
            self._configure(self._load())
        except ConfigError as error:
            self._refused = True
            self._log([ConfigurationRefused(fault) for fault in error.faults])
        else:
            self._refused = False
            self._log([ConfigurationReloaded()])
        self._notifier.status(self._status())
        self._notifier.ready()

    def _select(self, rtnl: Rtnl) -> None:
        """Find out which interfaces are meant, and follow those that come and go."""
        now = time.monotonic()
        if now < self._select_due:
            return
        configured = self._config.interfaces
        by_host = selection.depends_on_host(configured)
        self._select_due = next_on_grid(now, self._interval_s) if by_host else _NEVER
        try:
            names = selection.select(configured, rtnl)
        except selection.NotListed as error:
            if str(error) != self._not_listed:
                self._not_listed = str(error)
                self._log([InterfacesNotListed(self._not_listed)])
            return
        self._not_listed = ""
        if names == tuple(self._interfaces) and self._selected:
            return
        self._selected = True
        dropped = [each for name, each in self._interfaces.items() if name not in names]
        self._interfaces = {
            name: self._interfaces.get(name) or Interface(name, self._dry_run) for name in names
        }
        events: list[Event] = [InterfacesToMonitor(names)]
        events += [InterfaceDropped(each.name, each.memory.disabled) for each in dropped]
        self._log(events)

    # The round

    def _cycle(self, woken: set[str]) -> bool:
        """Look at the PFs that are due or woken; return whether any could be read.

        Those that an event was about come first, and all VF states are written before anything
        is logged.
        """
        assert self._rtnl is not None
        self._select(self._rtnl)
        now = time.monotonic()
        due = [each for each in self._interfaces.values() if each.name in woken or each.due <= now]
        events: list[Event] = []
        try:
            for each in sorted(due, key=lambda each: each.name not in woken):
                events += each.look(self._rtnl, self._policy, self._interval_s, self._before(each))
        finally:
            self._log(events)
        return not due or any(not isinstance(each.facts, Unreadable) for each in due)

    def _before(self, interface: Interface) -> Iterable[Interface]:
        """Return the interfaces that are configured before this one."""
        return takewhile(lambda each: each is not interface, self._interfaces.values())

    def _restore(self) -> None:
        """Set back the VFs that are disabled, if the service is not to go on after this."""
        reason = unitjob.why_not_for_good(os.environ)
        events: list[Event] = []
        try:
            if not reason:
                self._open()
                assert self._rtnl is not None
                for each in self._interfaces.values():
                    events += each.restore(self._rtnl)
        except OSError as error:
            reason = error.strerror or str(error)
        if reason:
            events.append(NotRestored(reason))
        self._log(events)

    # Waiting

    def _wait(self, wake: socket.socket) -> set[str]:
        """Wait until a PF is due, an event concerns one, or a signal comes; return who is woken."""
        assert self._link_events is not None
        if self._link_events.watch(self._watched()):
            return set(self._interfaces)  # of what changed before it was watched nothing was heard
        poller = select.poll()
        poller.register(wake, select.POLLIN)
        poller.register(self._link_events, select.POLLIN)
        concerned: set[Concern] = set()
        due = min([self._select_due, *(each.due for each in self._interfaces.values())])
        while not self._stop and not self._reload and not concerned:
            left_s = due - time.monotonic()
            if left_s <= 0:
                break
            ready = [descriptor for descriptor, _ in poller.poll(left_s * 1000)]
            if self._link_events.fileno() in ready:
                concerned, lost = self._link_events.drain()
                if lost:
                    self._log([LinkEventsLost()])
                    concerned = {Concern(name, master=True) for name in self._interfaces}
        _empty(wake)
        for each in concerned:
            if each.master:
                self._interfaces[each.interface].forget_master()
        return {each.interface for each in concerned}

    def _watched(self) -> Watched:
        """Return what link events concern which PF."""
        watched = Watched({}, {}, {})
        for each in self._interfaces.values():
            each.watch(watched)
        return watched

    # Netlink

    def _open(self) -> None:
        if self._rtnl is None:
            self._rtnl = Rtnl()
        if self._link_events is None:
            self._link_events = LinkEvents()

    def _close(self) -> None:
        for socket_ in (self._rtnl, self._link_events):
            if socket_ is not None:
                socket_.close()
        self._rtnl = None
        self._link_events = None
        for each in self._interfaces.values():
            each.forget_master()

    def _netlink_fails(self, error: OSError, wake: socket.socket) -> None:
        """Drop the sockets, for the next cycle to open new ones: at once the first time, then slowly."""
        self._close()
        reason = error.strerror or str(error)
        if not self._netlink_error:
            self._netlink_error = reason
            return
        if not self._netlink_failed:
            self._netlink_failed = True
            self._log([NetlinkFailed(reason)])
        select.select([wake], [], [], REOPEN_S)
        _empty(wake)

    def _netlink_works(self) -> None:
        if self._netlink_error:
            self._log([NetlinkReopened(self._netlink_error)])
        self._netlink_error = ""
        self._netlink_failed = False

    def _status(self) -> str:
        line = status_line(each.memory for each in self._interfaces.values())
        return f"{line}; the new configuration is refused, see the log" if self._refused else line


def _empty(wake: socket.socket) -> None:
    """Take what signals have left: each has set its flag."""
    with suppress(BlockingIOError):
        wake.recv(4096)
