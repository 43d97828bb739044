"""The service in a world without a kernel; its clock moves only while the service waits."""

from __future__ import annotations

import errno
import signal
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Callable

import pytest

from pf_status_relay.config.keys import Config
from pf_status_relay.config.load import ConfigError
from pf_status_relay.core.bfd import Peer, State, Told
from pf_status_relay.core.events import Event
from pf_status_relay.core.facts import BondPort, Facts, Master, PhysicalFunction, VfLinkState, VirtualFunction
from pf_status_relay.core.refusals import Refusal
from pf_status_relay.frr.bfd_messages import Message
from pf_status_relay.kernel import event_socket, sockets, sysfs
from pf_status_relay.kernel.event_socket import Affected, Watched
from pf_status_relay.service import bfd, drains, vf_writer
from pf_status_relay.service.lock import Lock
from pf_status_relay.service.loop import Readable, Service
from pf_status_relay.service.systemd import Notifier
from tests.support.facts import ERRORS, UP, numbered

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGURG)
Happening = tuple[str, object]
LINK_EVENTS = 9999
"""The descriptor of the event socket."""
BFDD = 9998
"""The descriptor of the connection to bfdd."""


def pf(ifindex: int, port: BondPort = UP, *states: VfLinkState) -> PhysicalFunction:
    """Return a PF in a bond whose ifindex is a hundred more than its own."""
    return PhysicalFunction(
        ifindex=ifindex,
        carrier=True,
        master=Master(100 + ifindex, f"bond{ifindex}", "bond", 4, 1),
        port=port,
        vf_count=len(states),
        vfs_listed=len(states),
        vfs=numbered(states),
    )


class World:
    """Kernel, systemd, log and clock of the service; `happened` lists what they saw, in order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        self.facts: dict[str, Facts] = {}
        self.refused: dict[int, str] = {}
        self.cost_s: dict[VfLinkState, float] = {}
        self.list_s = 0.0
        self.sleeps = 0
        self.written: list[tuple[float, int, VfLinkState, int]] = []
        self.busy_at: list[float] = []
        self.listed_at: list[tuple[float, str]] = []
        self.details: dict[str, Any] = {}
        self.details_error: OSError | None = None
        self.happened: list[Happening] = []
        self.read_at: list[tuple[float, str]] = []
        self.link_events: list[tuple[int, bytes]] = []
        self.lost = False
        self.more = False
        self.loads: list[Config | ConfigError] = []
        self.known: list[Master | None] = []
        self.other_names: dict[str, str] = {}
        self.drain_folder = Path("/nonexistent")
        self.glances: list[tuple[float, int]] = []
        self.sysfs = True
        self.bfdd: list[Message] = []
        self.bfdd_error: OSError | None = None
        self.bfdd_asked: list[float] = []
        self.before_read: Callable[[str], None] = lambda name: None
        self.before_drain: Callable[[], None] = lambda: None
        self.before_open: Callable[[], None] = lambda: None
        self._script: list[tuple[float, Callable[[], object]]] = []
        world = self

        class RequestSocket:
            def __init__(self) -> None:
                world.before_open()
                world.happened.append(("open", None))

            def read(
                self,
                name: str,
                count_lacpdus: bool = False,
                known: Master | None = None,
                list_vfs: bool = True,
            ) -> Facts:
                world.read_at.append((round(world.now - 100, 6), name))
                world.known.append(known)
                assert len(world.read_at) < 2000, "the loop runs hot"
                world.before_read(name)
                facts = world.facts[name]
                if not isinstance(facts, PhysicalFunction):
                    return facts
                if not list_vfs:
                    return replace(facts, vf_count=0, vfs_listed=0, vfs=())
                if world.list_s:
                    world.listed_at.append((round(world.now - 100, 6), name))
                    world.spend(world.list_s)
                return facts

            def read_details(self, pf: PhysicalFunction) -> PhysicalFunction:
                world.happened.append(("details", pf.ifindex))
                if world.details_error:
                    raise world.details_error
                return replace(pf, **world.details)

            def ifindex(self, name: str) -> int | None:
                facts = world.facts.get(world.other_names.get(name, name))
                return facts.ifindex if isinstance(facts, PhysicalFunction) else None

            def set_vf_link_states(self, ifindex: int, vfs: Sequence[VirtualFunction]) -> Refusal | None:
                world.happened.append(("write", (ifindex, {vf.id: str(vf.link_state) for vf in vfs})))
                for vf in vfs:
                    world.spend(world.cost_s.get(vf.link_state, 0.0))
                    if vf.id in world.refused:
                        return Refusal(ERRORS[world.refused[vf.id]], world.refused[vf.id])
                    world.take(ifindex, {vf.id: vf})
                    world.written.append((round(world.now - 100, 6), ifindex, vf.link_state, vf.id))
                return None

            def close(self) -> None:
                world.happened.append(("close", None))

        class LinkEvents:
            def __init__(self) -> None:
                world.link_events.clear()

            def fileno(self) -> int:
                return LINK_EVENTS

            def watch(self, watched: Watched) -> bool:
                self.watched = watched
                more, world.more = world.more, False
                return more

            def drain(self) -> tuple[set[Affected], bool]:
                world.before_drain()
                heard, world.link_events = world.link_events, []
                lost, world.lost = world.lost, False
                affected: set[Affected] = set()
                for ifindex, message in heard:
                    affected |= self.watched.interfaces.get(ifindex, set())
                    for name, those in self.watched.names.items():
                        affected |= those if event_socket.name_content(name) in message else set()
                    for master, those in self.watched.masters.items():
                        affected |= those if event_socket.master_attribute(master) in message else set()
                return affected, lost

            def close(self) -> None:
                pass

        class PortStateFiles:
            def __init__(self, ifindex: int) -> None:
                self._ifindex = ifindex
                self._open = world.sysfs
                if not self._open:
                    raise FileNotFoundError

            def read(self) -> BondPort:
                assert self._open
                world.glances.append((round(world.now - 100, 6), self._ifindex))
                for facts in world.facts.values():
                    if isinstance(facts, PhysicalFunction) and facts.ifindex == self._ifindex and facts.port:
                        return facts.port
                raise OSError(errno.ENODEV, "No such device")

            def close(self) -> None:
                self._open = False

        class BfdSocket:
            def __init__(self, path: str) -> None:
                self.ask()

            def fileno(self) -> int:
                return BFDD

            def close(self) -> None:
                world.bfdd.clear()

            def ask(self) -> None:
                world.bfdd_asked.append(round(world.now - 100, 6))
                if world.bfdd_error:
                    raise world.bfdd_error

            def receive(self) -> list[Message]:
                if world.bfdd_error:
                    raise world.bfdd_error
                heard, world.bfdd = world.bfdd, []
                return heard

        monkeypatch.setattr(bfd, "BfdSocket", BfdSocket)
        monkeypatch.setattr(sysfs, "PortStateFiles", PortStateFiles)
        monkeypatch.setattr(vf_writer, "usage", lambda: vf_writer.Usage(world.sleeps, 0.0))
        monkeypatch.setattr(sockets, "RequestSocket", RequestSocket)
        monkeypatch.setattr(sockets, "LinkEvents", LinkEvents)

    def __enter__(self) -> World:
        self._handlers = {number: signal.getsignal(number) for number in SIGNALS}
        return self

    def __exit__(self, *raised: object) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def spend(self, seconds: float) -> None:
        """Let time pass in a call that sleeps, and do everything scheduled for that time."""
        self.sleeps += seconds > 0
        end = self.now + seconds
        while self._script and self._script[0][0] <= end:
            when, action = self._script.pop(0)
            self.now = max(self.now, when)
            action()
        self.now = end

    def take(self, ifindex: int, vfs: Mapping[int, VirtualFunction]) -> None:
        """Set VFs as a driver does."""
        for name, facts in self.facts.items():
            if isinstance(facts, PhysicalFunction) and facts.ifindex == ifindex:
                now = tuple(vfs.get(vf.id, vf) for vf in facts.vfs)
                self.facts[name] = replace(facts, vfs=now)

    def poll(self, sources: Sequence[Readable], seconds: float) -> Collection[int]:
        """Wait as the service's poll does; return the descriptors that can be read."""
        descriptors = [source.fileno() for source in sources]
        if not self._readable(descriptors):
            self.pass_time(seconds)
        return self._readable(descriptors)

    def _readable(self, descriptors: Collection[int]) -> list[int]:
        """Return which of these descriptors can be read now."""
        pending = {LINK_EVENTS: self.link_events or self.lost, BFDD: self.bfdd or self.bfdd_error}
        return [each for each in descriptors if pending.get(each)]

    def pass_time(self, seconds: float) -> None:
        """Let time pass, at most up to the next scheduled action, and do that."""
        end = self.now + seconds
        if not self._script or self._script[0][0] > end:
            self.now = end
            return
        when, action = self._script.pop(0)
        self.now = max(self.now, when)
        action()

    def at(self, seconds: float, action: Callable[[], object]) -> None:
        """Schedule an action for a time in seconds after the start."""
        self._script.append((100 + seconds, action))
        self._script.sort(key=lambda each: each[0])

    def hear(self, seconds: float, ifindex: int, content: bytes = b"") -> None:
        """Schedule a link event about an interface, which holds these bytes."""
        self.at(seconds, lambda: self.link_events.append((ifindex, content)))

    def tell(
        self, seconds: float, interface: str, state: State, diagnostic: int = 0, number: int = 1
    ) -> None:
        """Schedule bfdd's message that the session on an interface has this state."""
        told = Told(Peer(interface, "192.0.2.2"), state, number, diagnostic)
        self.at(seconds, lambda: self.bfdd.append(told))

    def run(
        self,
        until: float,
        *,
        interval_ms: int = 1000,
        watchdog_s: float | None = None,
        dry_run: bool = False,
        configured: Config | None = None,
        metrics_textfile: str | None = None,
        lock: Lock | None = None,
    ) -> None:
        """Run the service and end it by SIGTERM. Unless configured, it watches all interfaces with facts."""
        world = self

        class Systemd(Notifier):
            def __init__(self) -> None:
                self.watchdog_s = watchdog_s

            def ready(self) -> None:
                world.happened.append(("ready", None))

            def reloading(self) -> None:
                world.happened.append(("reloading", None))

            def cycle_done(self) -> None:
                world.happened.append(("alive", None))

            def busy(self, now: float) -> None:
                world.busy_at.append(round(now - 100, 6))

            def status(self, line: str) -> None:
                world.happened.append(("status", line))

            def stopping(self) -> None:
                world.happened.append(("stopping", None))

        self.at(until, lambda: signal.raise_signal(signal.SIGTERM))
        config = configured or Config(tuple(self.facts), interval_ms, metrics_textfile=metrics_textfile)
        Service(
            config,
            self._log,
            Systemd(),
            self._load,
            dry_run,
            lock,
            clock=lambda: self.now,
            poll=self.poll,
            drain_folder=drains.Folder(self.drain_folder, now=lambda: self.now),
        ).run()

    def all(self, what: str) -> list[object]:
        """Return all that happened of one kind."""
        return [value for kind, value in self.happened if kind == what]

    def _load(self) -> Config:
        loaded = self.loads.pop(0)
        if isinstance(loaded, ConfigError):
            raise loaded
        return loaded

    def _log(self, logged: Sequence[Event]) -> None:
        self.happened += [("log", event) for event in logged]

    def logged(self, *kinds: type[Event]) -> list[object]:
        """Return the events of these types."""
        return [event for event in self.all("log") if isinstance(event, kinds)]
