"""Metrics for Prometheus, in a file for the textfile collector of node_exporter.

Counters count the events of the log, by their types. Gauges show an interface as it was last read.
docs/monitoring.md describes every metric.

prometheus-client takes 8 MB and a tenth of a second, so it is loaded only if metrics are configured. It
writes a temporary file beside the named one and renames it. The temporary name does not end in `.prom`; the
file is removed if the write fails.
"""

from __future__ import annotations

import glob
import math
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Callable

from pf_status_relay import __version__
from pf_status_relay.core.bfd import Standing
from pf_status_relay.core.decision import Memory, Readiness
from pf_status_relay.core.events import (
    Event,
    LacpDown,
    LacpUp,
    LinkEventsLost,
    MetricsWrittenAgain,
    WritingMetricsFailed,
)
from pf_status_relay.core.facts import Facts, PhysicalFunction, Unreadable, VfLinkState
from pf_status_relay.core.refusals import Kind
from pf_status_relay.core.retries import Outcome
from pf_status_relay.text import reason_of

REFRESH_S = 15.0
"""Seconds after which the file is written again even if nothing has changed: its age shows that
the service is alive."""

REACTION_BUCKETS_S = (
    *(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1.0, 2.5, 5.0),
)  # fmt: skip
"""Upper bounds in seconds. A few VFs take less than a millisecond, hundreds of VFs tens of milliseconds. More
than a tenth of a second means that another process holds the lock, or that the driver is slow."""

_TRANSITIONS = {LacpUp: "up", LacpDown: "down"}
_WRITABLE = (VfLinkState.AUTO, VfLinkState.DISABLE)


class Metrics:
    """What the service counts and measures. This implementation discards everything."""

    due = math.inf
    """Monotonic time in seconds at which to write the file even if nothing has changed."""

    changed = False
    """Whether something has changed since the last write that cannot wait until `due`."""

    def happened(self, event: Event) -> None:
        """Count a logged event."""

    def looked(self, memory: Memory, facts: Facts) -> None:
        """Record a look at an interface."""

    def listed(self, interface: str, seconds: float) -> None:
        """Record how many seconds it took to read an interface with its VFs."""

    def wrote(
        self,
        interface: str,
        outcomes: Sequence[Outcome],
        reaction_s: float | None,
        write_s: float | None = None,
    ) -> None:
        """Record writes to an interface's VFs.

        `reaction_s`: seconds from the read that found LACP down, if its last VF was written; None otherwise.
        `write_s`: seconds that the writes took; None if only the outcome of earlier writes became known.
        """

    def cycle_done(self, seconds: float) -> None:
        """Record a finished cycle and the seconds that it took."""

    def netlink_failed(self) -> None:
        """Record that a netlink socket failed."""

    def forget(self, interface: str) -> None:
        """Remove an interface that is no longer configured."""

    def left(self, interface: str, disabled: int) -> None:
        """Record the number of VFs in disable of an interface that is no longer configured."""

    def write(self, now: float) -> Event | None:
        """Write the file at monotonic time `now`, and return the event to log, if any.

        The file holds the time of day. Never raises: relaying matters more than metrics.
        """
        return None

    def close(self) -> None:
        """Remove the file: nothing updates it any longer, and its values would seem current."""


class Textfile(Metrics):
    """Metrics that are written to `path`. Raises ImportError if prometheus-client is not installed.

    `time_of_day` returns the seconds since 1970, by the host's clock.
    """

    def __init__(self, path: str, time_of_day: Callable[[], float] = time.time) -> None:
        # Only here: the library is not always installed, and not small.
        import prometheus_client
        from prometheus_client import Counter, Gauge, Histogram, Info, Summary

        # Do not add to each counter a gauge with its start time.
        prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
        self._write = prometheus_client.write_to_textfile
        self._path = path
        self._registry = registry = prometheus_client.CollectorRegistry()
        self._error = ""
        self._displayed: dict[str, tuple[object, ...]] = {}
        self._not_read: set[str] = set()  # interfaces whose last read failed
        self._with_bfd: set[str] = set()  # interfaces that have had a BFD session
        self._time_of_day = time_of_day
        self.due = 0.0
        for left in glob.iglob(f"{glob.escape(path)}.[0-9]*.[0-9]*"):  # a service killed during a write
            with suppress(OSError):
                os.unlink(left)

        name, interface = "pf_status_relay", ("interface",)
        Info(f"{name}_build", "What is running", registry=registry).info({"version": __version__})
        # With the path as a label, so that two files in one folder are two series: if two files have the
        # same series, node_exporter shows one of them without an error.
        self._written = Gauge(
            f"{name}_written_timestamp_seconds",
            "When the service last wrote this file, in seconds since 1970",
            ("file",),
            registry=registry,
        ).labels(os.fsencode(path).decode(errors="replace"))
        self._ready = Gauge(
            f"{name}_ready",
            "Whether the PF is the one port of an 802.3ad bond, and relayed for",
            interface,
            registry=registry,
        )
        self._lacp_up = Gauge(
            f"{name}_lacp_up", "Whether LACP is up on a PF that is ready", interface, registry=registry
        )
        self._actor = Gauge(
            f"{name}_actor_port_state",
            "LACP port state of our end (IEEE 802.1AX), 0 to 255",
            interface,
            registry=registry,
        )
        self._partner = Gauge(
            f"{name}_partner_port_state",
            "LACP port state of the switch's end (IEEE 802.1AX), 0 to 255",
            interface,
            registry=registry,
        )
        self._vfs = Gauge(
            f"{name}_vfs", "VFs of the PF by link state", ("interface", "link_state"), registry=registry
        )
        self._drained = Gauge(
            f"{name}_drained",
            "Whether somebody drains the PF: its VFs are disabled although LACP may be up",
            interface,
            registry=registry,
        )
        self._kept = Gauge(
            f"{name}_kept_open",
            "Whether the PF's VFs stay in auto because no other PF of its redundancy group is open",
            interface,
            registry=registry,
        )
        self._bfd_sessions = Gauge(
            f"{name}_bfd_sessions",
            "BFD sessions on the PF's bond, by what they say of the path; none where BFD is not used",
            ("interface", "standing"),
            registry=registry,
        )
        self._left = Gauge(
            f"{name}_vfs_left_disabled",
            "VFs in disable of a PF that is not relayed for: nothing sets them back",
            interface,
            registry=registry,
        )
        self._delayed = Gauge(
            f"{name}_restore_delayed",
            "Whether VFs stay disabled although LACP is up, until it has been up for restore_delay_ms",
            interface,
            registry=registry,
        )
        self._unreadable = Gauge(
            f"{name}_unreadable",
            "Whether the last read of the PF failed: what the other metrics say of it is older",
            interface,
            registry=registry,
        )
        self._transitions = Counter(
            f"{name}_lacp_transitions_total",
            "Times that LACP was found to be up or down after it was not",
            ("interface", "to"),
            registry=registry,
        )
        self._writes = Counter(
            f"{name}_vf_writes_total",
            "VF link states that the driver was asked to set",
            ("interface", "link_state"),
            registry=registry,
        )
        self._refused = Counter(
            f"{name}_vf_writes_refused_total",
            "VF link states that the driver refused to set",
            ("interface", "link_state"),
            registry=registry,
        )
        self._refusals = Counter(
            f"{name}_vf_refusals_total",
            "VF link states that the driver refused to set, by what the refusal means",
            ("interface", "kind"),
            registry=registry,
        )
        self._write_times = Summary(
            f"{name}_vf_write_seconds",
            "Portions of VF link states that were set, and how long they took",
            interface,
            registry=registry,
        )
        self._lists = Summary(
            f"{name}_vf_list_seconds",
            "Reads of the PF with the list of its VFs, and how long they took",
            interface,
            registry=registry,
        )
        self._reactions = Histogram(
            f"{name}_reaction_seconds",
            "From the port state read as down until the last VF of the PF was set",
            buckets=REACTION_BUCKETS_S,
            registry=registry,
        )
        self._cycles = Summary(
            f"{name}_cycle_duration_seconds", "Cycles of the service, without waiting", registry=registry
        )
        self._netlink_errors = Counter(
            f"{name}_netlink_errors_total",
            "Netlink sockets that failed, and PFs that could not be read",
            registry=registry,
        )
        self._overruns = Counter(
            f"{name}_link_event_overruns_total",
            "Times that the kernel had more link events than the socket could hold",
            registry=registry,
        )

    def happened(self, event: Event) -> None:
        """Count a logged event by its type."""
        if isinstance(event, (LacpUp, LacpDown)):
            self._transitions.labels(event.interface, _TRANSITIONS[type(event)]).inc()
            self.changed = True
        elif isinstance(event, LinkEventsLost):
            self._overruns.inc()

    def looked(self, memory: Memory, facts: Facts) -> None:
        """Show an interface as it was read. If reading failed, keep the old values and mark it unread."""
        name, port = memory.interface, memory.port
        if name not in self._displayed:
            self._begin(name)
        self._mark_unreadable(name, isinstance(facts, Unreadable))
        if isinstance(facts, Unreadable):
            self._netlink_errors.inc()
            return
        states = [vf.link_state for vf in facts.vfs] if isinstance(facts, PhysicalFunction) else []
        counts = tuple(states.count(state) for state in VfLinkState)
        drained, kept, delayed = bool(memory.drains), memory.kept, memory.delayed
        standings = [session.standing for session in memory.sessions]
        displayed = (memory.readiness, memory.lacp_up, port, counts, drained, kept, delayed, standings)
        if displayed == self._displayed[name]:
            return
        self._displayed[name] = displayed
        self.changed = True
        self._ready.labels(name).set(memory.readiness is Readiness.READY)
        self._drained.labels(name).set(drained)
        self._kept.labels(name).set(kept)
        self._delayed.labels(name).set(delayed)
        self._left.labels(name).set(memory.left_disabled)
        for gauge, value in (
            (self._lacp_up, memory.lacp_up),
            (self._actor, port.actor if port else None),
            (self._partner, port.partner if port else None),
        ):
            if value is None:
                gauge.remove(name)
            else:
                gauge.labels(name).set(value)
        for state, count in zip(VfLinkState, counts):
            self._vfs.labels(name, state).set(count)
        if standings:
            self._with_bfd.add(name)
        if name in self._with_bfd:
            for standing in Standing:
                self._bfd_sessions.labels(name, standing).set(standings.count(standing))

    def listed(self, interface: str, seconds: float) -> None:
        """Measure a read. A next look always follows, so a read alone is no reason to write the file."""
        self._lists.labels(interface).observe(seconds)

    def wrote(
        self,
        interface: str,
        outcomes: Sequence[Outcome],
        reaction_s: float | None,
        write_s: float | None = None,
    ) -> None:
        """Count writes and refusals; measure the writes, and the reaction if it is over."""
        for state in {outcome.vf.link_state for outcome in outcomes}:
            refused = [bool(outcome.error) for outcome in outcomes if outcome.vf.link_state is state]
            self._writes.labels(interface, state).inc(len(refused))
            self._refused.labels(interface, state).inc(sum(refused))
        for outcome in outcomes:
            if outcome.refusal:
                self._refusals.labels(interface, outcome.refusal.kind.value).inc()
        if write_s is not None:
            self._write_times.labels(interface).observe(write_s)
        if reaction_s is not None:
            self._reactions.observe(reaction_s)
        self.changed = True

    def cycle_done(self, seconds: float) -> None:
        """Measure a cycle. A next one always follows, so a cycle alone is no reason to write the file."""
        self._cycles.observe(seconds)

    def netlink_failed(self) -> None:
        """Count the failure. No interface can be read until a new socket is open."""
        self._netlink_errors.inc()
        for name in self._displayed:
            self._mark_unreadable(name, True)
        self.changed = True

    def forget(self, interface: str) -> None:
        """Drop every series of the interface."""
        self._displayed.pop(interface, None)
        self._not_read.discard(interface)
        self.changed = True
        for gauge in (self._ready, self._lacp_up, self._actor, self._partner):
            gauge.remove(interface)
        for gauge in (self._drained, self._kept, self._left, self._delayed, self._unreadable):
            gauge.remove(interface)
        for state in VfLinkState:
            self._vfs.remove(interface, state)
        for standing in Standing:
            if interface in self._with_bfd:
                self._bfd_sessions.remove(interface, standing)
        self._with_bfd.discard(interface)
        for to in _TRANSITIONS.values():
            self._transitions.remove(interface, to)
        for state in _WRITABLE:
            self._writes.remove(interface, state)
            self._refused.remove(interface, state)
        for kind in Kind:
            self._refusals.remove(interface, kind.value)
        for summary in (self._write_times, self._lists):
            summary.remove(interface)

    def left(self, interface: str, disabled: int) -> None:
        """Show the number while it is not 0."""
        self.changed = True
        if disabled:
            self._left.labels(interface).set(disabled)
        else:
            self._left.remove(interface)

    def write(self, now: float) -> Event | None:
        """Write the file so that node_exporter, another user, can read it whatever the umask is."""
        self.due = now + REFRESH_S
        self.changed = False
        before, self._error = self._error, ""
        umask = os.umask(0o022)
        self._written.set(self._time_of_day())
        try:
            self._write(self._path, self._registry)
        except (OSError, ValueError) as error:
            self._error = f"{self._path}: {reason_of(error)}"
        finally:
            os.umask(umask)
        if self._error == before:
            return None
        return WritingMetricsFailed(self._error) if self._error else MetricsWrittenAgain()

    def close(self) -> None:
        """Remove the file, if it can be."""
        with suppress(OSError):
            os.unlink(self._path)

    def _mark_unreadable(self, interface: str, unreadable: bool) -> None:
        if unreadable == (interface in self._not_read):
            return
        (self._not_read.add if unreadable else self._not_read.discard)(interface)
        self._unreadable.labels(interface).set(unreadable)
        self.changed = True

    def _begin(self, interface: str) -> None:
        """Show counters at 0: Prometheus sees no increase when a series first appears with another value."""
        self._displayed[interface] = ()
        self.changed = True
        self._ready.labels(interface).set(0)
        self._unreadable.labels(interface).set(0)
        for to in _TRANSITIONS.values():
            self._transitions.labels(interface, to)
        for state in _WRITABLE:
            self._writes.labels(interface, state)
            self._refused.labels(interface, state)
        for kind in Kind:
            self._refusals.labels(interface, kind.value)
        for summary in (self._write_times, self._lists):
            summary.labels(interface)


def open_metrics(path: str | None) -> Metrics:
    """Return metrics that are written to the file, or without a path metrics that discard everything.

    Raises ImportError if there is a path and prometheus-client is not installed.
    """
    return Metrics() if path is None else Textfile(path)
