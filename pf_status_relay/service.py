"""The loop: wait, read facts, decide, write VF states, log, tell systemd, and wait again.

What happens when a part of it fails:

    one PF cannot be read        it is logged once and read again soon; the others are not kept waiting
    a VF is refused              attempts.py holds back from it and it is tried again
    a netlink socket is dead     both are opened anew at once and everything is read again
    ... and that fails too       it is logged once and tried every second; as no cycle succeeds,
                                 systemd's watchdog acts
    link events were lost        everything is read again
    metrics cannot be written    it is logged once and tried again when they change, or after 15 s
    the new configuration is bad it is logged, and the one before stays in effect
    another relay runs           it is logged, and nothing is done until that has ended
"""

from __future__ import annotations

import os
import select
import signal
import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from types import FrameType
from typing import Callable

from pf_status_relay import lines, lock
from pf_status_relay.config import RESTORE, Config, ConfigError
from pf_status_relay.event import Event
from pf_status_relay.interface import Interface, Look
from pf_status_relay.interfaces import Interfaces
from pf_status_relay.link import Unreadable
from pf_status_relay.linkevents import Concern, LinkEvents
from pf_status_relay.lock import Lock
from pf_status_relay.log import Log
from pf_status_relay.metrics import open_metrics
from pf_status_relay.netlink import REOPEN_S, Netlink
from pf_status_relay.notify import Notifier, status_line
from pf_status_relay.relay import Policy
from pf_status_relay.rtnl import Rtnl
from pf_status_relay.serviceevents import (
    ConfigurationRefused,
    ConfigurationReloaded,
    InterfaceDropped,
    LinkEventsLost,
    NotRestored,
    Starting,
    Stopping,
)
from pf_status_relay.statefile import StateFile

_CYCLES_PER_WATCHDOG = 3  # so that one slow cycle is not taken for a hang


class Service:
    """Relays for the configured interfaces until SIGTERM or SIGINT.

    `load` reads the configuration again, on SIGHUP, and raises ConfigError as config.load does. With
    `dry_run` it says what it would set and sets nothing; it writes no metrics, which are those
    of the service that runs beside it. Raises ImportError if metrics are configured and
    prometheus-client is not installed.

    While another relay has the lock `alone`, it waits. Without a lock it does not.
    """

    def __init__(
        self,
        config: Config,
        log: Log,
        notifier: Notifier,
        load: Callable[[], Config],
        dry_run: bool = False,
        alone: Lock | None = None,
    ) -> None:
        self._log = log
        self._notifier = notifier
        self._load = load
        self._state_file = StateFile(os.environ)
        self._dry_run = dry_run
        self._alone = alone
        self._stop = False
        self._reload = False
        self._refused = False
        self._interfaces = Interfaces(dry_run)
        self._metrics = open_metrics(None if dry_run else config.metrics_textfile)
        self._netlink = Netlink()
        self._configure(config)

    def run(self) -> None:
        """Relay until the process is asked to end."""
        wake, wakeup = socket.socketpair()
        for end in (wake, wakeup):
            end.setblocking(False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        signal.set_wakeup_fd(wakeup.fileno(), warn_on_full_buffer=False)

        self._tell([Starting()])
        relays = self._alone is None
        ready = False
        woken: set[str] = set()
        while not self._stop:
            if self._alone is not None:
                relays = lock.wait(self._alone, self._notifier, self._tell, wake, lambda: self._stop)
                if not relays:
                    break
            try:
                if self._reload:
                    self._reload_configuration()
                rtnl, link_events = self._netlink.open()
                began = time.monotonic()
                relaying = self._cycle(woken, rtnl)
                self._metrics.cycle_done(time.monotonic() - began)
                if relaying:
                    self._tell(self._netlink.works())
                    self._notifier.status(self._status())
                    self._state_file.write(each.memory for each in self._interfaces)
                    if not ready:
                        self._notifier.ready()
                        ready = True
                    self._notifier.cycle_done()
                self._write_metrics(link_events)
                woken = self._wait(wake, link_events)
            except OSError as error:
                woken = self._interfaces.names()
                self._netlink_fails(error, wake)
        self._notifier.stopping()
        if relays and self._config.on_stop == RESTORE:
            self._restore()
        self._tell([Stopping()])

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
        self._interfaces.hurry()

    def _reload_configuration(self) -> None:
        self._reload = False
        self._notifier.reloading()
        faults = self._take_new_configuration()
        self._refused = bool(faults)
        self._tell([ConfigurationRefused(fault) for fault in faults] or [ConfigurationReloaded()])
        self._notifier.status(self._status())
        self._notifier.ready()

    def _take_new_configuration(self) -> list[str]:
        """Read the configuration again; return what is wrong with it, and keep the one before then."""
        try:
            config = self._load()
            if config.metrics_textfile != self._config.metrics_textfile and not self._dry_run:
                before, self._metrics = self._metrics, open_metrics(config.metrics_textfile)
                before.close()
        except ConfigError as error:
            return error.faults
        except ImportError as error:
            return [f"metrics_textfile needs prometheus-client: {error}"]
        self._configure(config)
        return []

    # The round

    def _cycle(self, woken: set[str], rtnl: Rtnl) -> bool:
        """Look at the PFs that are due or woken; return whether any could be read.

        All VF states are written before anything is logged.
        """
        self._select(rtnl)
        looks: list[tuple[Interface, Look]] = []
        try:
            for each in self._interfaces.look(woken, rtnl, self._policy, self._interval_s):
                looks.append(each)
        finally:
            self._tell([event for _, look in looks for event in look.events])
        for interface, look in looks:
            assert interface.facts is not None
            self._metrics.looked(interface.memory, interface.facts)
            if look.outcomes:
                self._metrics.wrote(look.decision, look.outcomes, look.seconds)
        return not looks or any(not isinstance(interface.facts, Unreadable) for interface, _ in looks)

    def _select(self, rtnl: Rtnl) -> None:
        events = self._interfaces.select(self._config.interfaces, rtnl, self._interval_s)
        self._tell(events)
        for event in events:
            if isinstance(event, InterfaceDropped):
                self._metrics.forget(event.interface)

    def _restore(self) -> None:
        """Set back the VFs that are disabled, if the service is not to go on after this."""
        from pf_status_relay import unitjob  # only here: it takes what no start should wait for

        reason = unitjob.why_not_for_good(os.environ)
        events: list[Event] = []
        try:
            if not reason:
                rtnl, _ = self._netlink.open()
                events += self._interfaces.restore(rtnl)
        except OSError as error:
            reason = lines.reason(error)
        if reason:
            events.append(NotRestored(reason))
        self._tell(events)

    def _tell(self, events: Sequence[Event]) -> None:
        self._log(events)
        for event in events:
            self._metrics.happened(event)

    def _write_metrics(self, link_events: LinkEvents | None = None) -> None:
        """Write the metrics if they will be due before another cycle, or have changed and no event waits.

        A file takes as long to write as some VFs to set, and after a write to VFs an event always
        waits: the PF is then read again first, and the file written once.
        """
        due = self._metrics.due < self._interfaces.due()
        if due or (self._metrics.changed and not _event_waits(link_events)):
            event = self._metrics.write(time.monotonic())
            if event:
                self._log([event])

    # Waiting

    def _wait(self, wake: socket.socket, link_events: LinkEvents) -> set[str]:
        """Wait until a PF is due, an event concerns one, or a signal comes; return who is woken."""
        if link_events.watch(self._interfaces.watched()):
            return self._interfaces.names()  # of what changed before it was watched nothing was heard
        poller = select.poll()
        poller.register(wake, select.POLLIN)
        poller.register(link_events, select.POLLIN)
        concerned: set[Concern] = set()
        due = min(self._interfaces.due(), self._metrics.due)
        while not self._stop and not self._reload and not concerned:
            left_s = due - time.monotonic()
            if left_s <= 0:
                break
            ready = [descriptor for descriptor, _ in poller.poll(left_s * 1000)]
            if link_events.fileno() in ready:
                concerned, lost = link_events.drain()
                if lost:
                    self._tell([LinkEventsLost()])
                    concerned = {Concern(name, master=True) for name in self._interfaces.names()}
        _empty(wake)
        self._interfaces.forget_masters({each.interface for each in concerned if each.master})
        return {each.interface for each in concerned}

    def _netlink_fails(self, error: OSError, wake: socket.socket) -> None:
        """Have the next cycle open new sockets, and read everything again."""
        self._metrics.netlink_failed()
        self._interfaces.forget_masters(self._interfaces.names())
        again = self._netlink.failing
        self._tell(self._netlink.fails(error))
        if again:
            self._write_metrics()
            select.select([wake], [], [], REOPEN_S)
            _empty(wake)

    def _status(self) -> str:
        line = status_line(each.memory for each in self._interfaces)
        return f"{line}; the new configuration is refused, see the log" if self._refused else line


def _event_waits(link_events: LinkEvents | None) -> bool:
    if link_events is None:
        return False
    poller = select.poll()
    poller.register(link_events, select.POLLIN)
    return bool(poller.poll(0))


def _empty(wake: socket.socket) -> None:
    """Take what signals have left: each has set its flag."""
    with suppress(BlockingIOError):
        wake.recv(4096)
