"""The loop: wait, read facts, decide, write VF states, log, notify systemd, and wait again.

What happens when a part of it fails:

    one PF cannot be read        it is logged once and read again soon; the others do not wait for it
    a VF is refused              retries.py delays the next attempt
    a netlink socket is dead     both are opened again at once, and everything is read again
    ... and that fails too       it is logged once and tried every second; as no cycle succeeds,
                                 systemd's watchdog acts
    link events were lost        everything is read again
    metrics cannot be written    it is logged once and tried again when they change, or after 15 s
    the new configuration is bad it is logged, and the previous one stays in effect
    a drain's file is faulty     it is logged once and ignored
    bfdd cannot be reached       it is logged once and tried every 5 s; until then LACP alone decides
    another relay runs           it is logged, and nothing is done until that has ended
"""

from __future__ import annotations

import os
import select
import signal
import socket
import time
from collections.abc import Collection, Sequence
from contextlib import suppress
from types import FrameType
from typing import Callable, Protocol

from pf_status_relay.config.keys import RESTORE, Config
from pf_status_relay.config.load import ConfigError
from pf_status_relay.core.decision import Memory, Policy
from pf_status_relay.core.events import (
    ConfigurationLeftOut,
    ConfigurationRefused,
    ConfigurationReloaded,
    Event,
    InterfaceDropped,
    LinkEventsLost,
    NotRestored,
    Starting,
    Stopping,
)
from pf_status_relay.core.facts import Unreadable
from pf_status_relay.core.portions import PAUSE_S
from pf_status_relay.kernel.event_socket import Affected, LinkEvents
from pf_status_relay.kernel.request_socket import RequestSocket
from pf_status_relay.kernel.sockets import REOPEN_S, Netlink
from pf_status_relay.log.output import Log
from pf_status_relay.service import drains, lock
from pf_status_relay.service.bfd import Bfd
from pf_status_relay.service.interfaces import Clock, Interface, Interfaces, Round
from pf_status_relay.service.lock import Lock
from pf_status_relay.service.metrics import open_metrics
from pf_status_relay.service.state_file import StateFile
from pf_status_relay.service.systemd import Notifier, restart_reason, status_line
from pf_status_relay.text import reason_of

_CYCLES_PER_WATCHDOG = 3  # so that systemd does not take one slow cycle for a hang


class Readable(Protocol):
    """A source that `poll` can wait for."""

    def fileno(self) -> int:
        """Return the descriptor."""


Poll = Callable[[Sequence[Readable], float], Collection[int]]
"""Wait for the seconds, or until a source can be read; return the descriptors that can be read."""


def poll(sources: Sequence[Readable], seconds: float) -> Collection[int]:
    """Wait as the kernel does (poll(2)). A signal ends the wait through a wake-up socket."""
    poller = select.poll()
    for source in sources:
        poller.register(source, select.POLLIN)
    return [descriptor for descriptor, _ in poller.poll(seconds * 1000)]


class Service:
    """Relays for the configured interfaces until SIGTERM or SIGINT.

    `load` reads the configuration again on SIGHUP, and raises ConfigError as config.load does. With
    `dry_run` the service logs what it would set and sets nothing. It then writes no metrics: the file
    belongs to the service that runs beside it. Raises ImportError if metrics are configured and
    prometheus-client is not installed.

    While another relay has the lock, the service waits. Without a lock it does not.
    """

    def __init__(
        self,
        config: Config,
        log: Log,
        notifier: Notifier,
        load: Callable[[], Config],
        dry_run: bool = False,
        lock: Lock | None = None,
        clock: Clock = time.monotonic,
        poll: Poll = poll,
        drain_folder: drains.Folder | None = None,
    ) -> None:
        self._log = log
        self._notifier = notifier
        self._load = load
        self._state_file = StateFile(os.environ)
        self._dry_run = dry_run
        self._lock = lock
        self._clock = clock
        self._poll = poll
        self._wake: socket.socket  # a signal leaves a byte in it, which ends a wait
        self._stop = False
        self._reload = False
        self._refused = False
        self._drains_changed = False
        self._drains = drain_folder or drains.Folder()
        self._interfaces = Interfaces(dry_run, clock)
        self._bfd = Bfd(config.bfd_socket, clock)
        self._metrics = open_metrics(None if dry_run else config.metrics_textfile)
        self._netlink = Netlink()
        self._configure(config)

    def run(self) -> None:
        """Relay until SIGTERM or SIGINT."""
        wakeup, self._wake = socket.socketpair()
        with wakeup, self._wake:
            for end in (wakeup, self._wake):
                end.setblocking(False)
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, drains.CHANGED):
                signal.signal(number, self._on_signal)
            signal.set_wakeup_fd(wakeup.fileno(), warn_on_full_buffer=False)
            try:
                self._relay()
            finally:
                signal.set_wakeup_fd(-1)

    def _relay(self) -> None:
        self._tell([Starting(), *self._left_out()])
        relays = self._lock is None
        ready = False
        woken: set[str] = set()
        while not self._stop:
            if self._lock is not None:
                relays = lock.wait(self._lock, self._notifier, self._tell, self._sleep, lambda: self._stop)
                if not relays:
                    break
            try:
                if self._reload:
                    self._reload_configuration()
                requests, link_events = self._netlink.open()
                requests.multi_port_bonds = self._config.multi_port_bonds
                began = self._clock()
                relaying = self._cycle(woken, requests)
                self._metrics.cycle_done(self._clock() - began)
                if relaying:
                    self._tell(self._netlink.on_success())
                    self._notifier.status(self._status())
                    memories = (each.memory for each in self._interfaces)
                    self._state_file.write(memories, self._interfaces.groups)
                    if not ready:
                        self._notifier.ready()
                        ready = True
                    self._notifier.cycle_done()
                self._look_at_drains(requests)
                self._interfaces.hear(self._bfd)  # for PFs that were read on another bond than before
                self._look_at_left(requests)
                self._write_metrics(link_events)
                woken = self._wait(link_events)
            except OSError as error:
                woken = self._interfaces.names()
                self._netlink_failed(error)
        self._notifier.stopping()
        if relays and self._config.on_stop == RESTORE:
            self._restore()
        elif relays and not self._dry_run:
            self._tell(self._interfaces.events_at_stop())
        self._tell([Stopping()])
        if relays and self._metrics.changed:
            self._write_metrics()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGHUP:
            self._reload = True
        elif number == drains.CHANGED:
            self._drains_changed = True
        else:
            self._stop = True

    # Configuration

    def _configure(self, config: Config) -> None:
        """Apply a configuration, and look at everything at once."""
        early_ms, delay_max_ms = config.early_detection_ms, config.restore_delay_max_ms
        self._config = config
        self._policy = Policy(
            early_detection_s=None if early_ms is None else early_ms / 1000,
            restore_delay_s=config.restore_delay_ms / 1000,
            restore_delay_max_s=None if delay_max_ms is None else delay_max_ms / 1000,
        )
        if config.bfd_socket != self._bfd.path:
            self._bfd.close()
            self._bfd = Bfd(config.bfd_socket, self._clock)
        self._interval_s = config.polling_interval_ms / 1000
        if self._notifier.watchdog_s is not None:
            self._interval_s = min(self._interval_s, self._notifier.watchdog_s / _CYCLES_PER_WATCHDOG)
        self._interfaces.look_now()

    def _reload_configuration(self) -> None:
        self._reload = False
        self._notifier.reloading()
        faults = self._take_new_configuration()
        self._refused = bool(faults)
        refusals = [ConfigurationRefused(fault) for fault in faults]
        self._tell(refusals or [ConfigurationReloaded(), *self._left_out()])
        self._notifier.status(self._status())
        self._notifier.ready()

    def _take_new_configuration(self) -> list[str]:
        """Read the configuration again. If it is wrong, return its faults and keep the previous one."""
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

    def _left_out(self) -> list[ConfigurationLeftOut]:
        return [ConfigurationLeftOut(warning) for warning in self._config.warnings]

    # The round

    def _cycle(self, woken: set[str], requests: RequestSocket) -> bool:
        """Look at the PFs that are due or woken; return whether any could be read.

        It writes all VF states before it asks the kernel why LACP went down, and before it logs.
        """
        if self._select(requests) or self._drains_changed:
            self._look_at_drains(requests)  # first, so that no look uses outdated drains
        looks: list[tuple[Interface, Round]] = []
        usable = False
        try:
            for interface, look in self._interfaces.look(woken, requests, self._policy, self._interval_s):
                looks.append((interface, look))
                if not isinstance(interface.facts, Unreadable):
                    self._notifier.busy(self._clock())
            usable = True
        finally:
            for interface, look in looks:
                events = look.events
                if usable:
                    try:
                        events = interface.explain(requests, events)
                    except OSError:  # the next look finds it, too; until then the others do not wait
                        usable = False
                self._tell(events)
        for interface, look in looks:
            self._show(interface, look)
        return not looks or any(not isinstance(interface.facts, Unreadable) for interface, _ in looks)

    def _show(self, interface: Interface, look: Round) -> None:
        """Put into the metrics what a round of a monitored interface found and did."""
        assert interface.facts is not None
        self._metrics.looked(interface.memory, interface.facts)
        if look.list_s is not None:
            self._metrics.listed(interface.name, look.list_s)
        if look.outcomes:
            self._metrics.wrote(interface.name, look.outcomes, look.reaction_s, look.write_s)

    def _look_at_drains(self, requests: RequestSocket) -> None:
        """Find out which drains are in effect, and make the next cycle look at PFs whose drains changed.

        It runs after the writes, so that no reaction to LACP waits for it.
        """
        self._drains_changed = False
        self._tell(self._drains.look())
        self._interfaces.drain(self._drains.drains, requests)

    def _look_at_left(self, requests: RequestSocket) -> None:
        """Check, if that is due, for VFs that stay disabled on PFs that are no longer selected."""
        before = self._interfaces.left()
        self._tell(self._interfaces.look_at_left(self._config.interfaces, requests, self._interval_s))
        if self._interfaces.left() != before:
            self._show_left(before)
            self._notifier.status(self._status())

    def _show_left(self, before: Sequence[Memory]) -> None:
        """Put left disabled VFs into the metrics, for interfaces that had some `before` and for new ones."""
        now = {each.interface: each.disabled for each in self._interfaces.left()}
        watched = self._interfaces.names()
        for name in {*now, *(each.interface for each in before)} - watched:
            self._metrics.left(name, now.get(name, 0))

    def _select(self, requests: RequestSocket) -> bool:
        """Find out which interfaces are selected, if that is due; return whether they changed."""
        events = self._interfaces.select(self._config, requests, self._interval_s)
        self._tell(events)
        for event in events:
            if isinstance(event, InterfaceDropped):
                self._metrics.forget(event.interface)
        if events:
            self._show_left(())
        return bool(events)

    def _restore(self) -> None:
        """Set the disabled VFs back if this stop of the service is final."""
        reason = restart_reason(os.environ)
        events: list[Event] = []
        left = self._interfaces.left()
        try:
            if not reason:
                requests, _ = self._netlink.open()
                self._notifier.busy(self._clock())
                for interface, portion in self._interfaces.restore(requests):
                    events += portion.events
                    if interface.name in self._interfaces.names():
                        self._show(interface, portion)
                    self._notifier.busy(self._clock())
                    self._poll([], PAUSE_S)
        except OSError as error:
            reason = reason_of(error)
        if reason:
            events.append(NotRestored(reason))
        self._show_left(left)
        self._tell(events)

    def _tell(self, events: Sequence[Event]) -> None:
        self._log(events)
        for event in events:
            self._metrics.happened(event)

    def _write_metrics(self, link_events: LinkEvents | None = None) -> None:
        """Write the metrics if they will be due before another cycle, or have changed and no event waits.

        Writing the file takes as long as setting some VFs. After a write to VFs an event always waits: the
        service then reads the PF again first, and writes the file once.
        """
        due = self._metrics.due < self._interfaces.due()
        if due or (self._metrics.changed and not (link_events and self._poll([link_events], 0))):
            event = self._metrics.write(self._clock())
            if event:
                self._log([event])

    # Waiting

    def _wait(self, link_events: LinkEvents) -> set[str]:
        """Wait until a PF is due, an event concerns one, or a signal comes; return the woken interfaces."""
        if link_events.watch(self._interfaces.watched()):
            return self._interfaces.names()  # events before the filter widened may have been missed
        affected: set[Affected] = set()
        changed: set[str] = set()
        glance_due = self._interfaces.glance_due()
        due = min(self._interfaces.due(), self._metrics.due)
        if self._drains.ends_in_s is not None:
            due = min(due, self._clock() + self._drains.ends_in_s)
        while not (self._stop or self._reload or self._drains_changed or affected or changed):
            now = self._clock()
            if due <= now:
                break
            if glance_due <= now:
                changed = self._interfaces.glance()
                glance_due = self._interfaces.glance_due()
                continue
            if self._bfd.due() <= now:
                changed = self._hear_bfd()
                continue
            sources: list[Readable] = [self._wake, link_events, *self._bfd.sources()]
            readable = self._poll(sources, min(due, glance_due, self._bfd.due()) - now)
            if any(each.fileno() in readable for each in self._bfd.sources()):
                changed = self._hear_bfd()
            if self._wake.fileno() in readable:
                self._take_wakeups()
            if link_events.fileno() in readable:
                affected, lost = link_events.drain()
                if lost:
                    self._tell([LinkEventsLost()])
                    affected = {Affected(name, master=True) for name in self._interfaces.names()}
        self._interfaces.forget_masters({each.interface for each in affected if each.master})
        return changed.union(each.interface for each in affected)

    def _hear_bfd(self) -> set[str]:
        """Read what bfdd reports, and return the interfaces whose sessions changed."""
        self._tell(self._bfd.look())
        return self._interfaces.hear(self._bfd)

    def _netlink_failed(self, error: OSError) -> None:
        """Make the next cycle open new sockets, and read everything again."""
        self._metrics.netlink_failed()
        self._interfaces.forget_masters(self._interfaces.names())
        again = self._netlink.failing
        self._tell(self._netlink.on_failure(error))
        if again:
            self._write_metrics()
            self._sleep(REOPEN_S)

    def _sleep(self, seconds: float) -> None:
        """Wait for the seconds, or until a signal comes."""
        self._poll([self._wake], seconds)
        self._take_wakeups()

    def _take_wakeups(self) -> None:
        """Discard the bytes that signals left in the wake-up socket: each signal has set its flag."""
        with suppress(BlockingIOError):
            self._wake.recv(4096)

    def _status(self) -> str:
        line = status_line((each.memory for each in self._interfaces), self._interfaces.left())
        if self._refused:
            return f"{line}; the new configuration is refused, see the log"
        return (
            f"{line}; part of the configuration is left out, see the log" if self._config.warnings else line
        )
