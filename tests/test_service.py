"""The loop, in a world without a kernel and with a clock that moves only while it waits."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Callable

import pytest

from pf_status_relay import events, interface, interfaces, linkevents, netlink, service, serviceevents
from pf_status_relay.config import Config, ConfigError
from pf_status_relay.event import Event
from pf_status_relay.lacp import PortState
from pf_status_relay.link import (
    Absent,
    BondPort,
    Facts,
    Master,
    PhysicalFunction,
    VfLinkState,
    VirtualFunction,
)
from pf_status_relay.linkevents import Concern, Watched
from pf_status_relay.notify import Notifier
from pf_status_relay.service import Service

AUTO, ENABLE, DISABLE = VfLinkState
UP = BondPort(PortState(63), PortState(63))
DOWN = BondPort(PortState(143), PortState(55))
GONE = Absent("Link not found")
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
Happening = tuple[str, object]


def pf(ifindex: int, port: BondPort = UP, *states: VfLinkState) -> PhysicalFunction:
    """Return a PF in a bond whose ifindex is a hundred more than its own."""
    return PhysicalFunction(
        ifindex=ifindex,
        carrier=True,
        master=Master(100 + ifindex, f"bond{ifindex}", "bond", 4, 1),
        port=port,
        vf_count=len(states),
        vfs_listed=len(states),
        vfs=tuple(VirtualFunction(*each) for each in enumerate(states)),
    )


class World:
    """The kernel, systemd, the log and the clock; `happened` is what they saw, in order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        self.facts: dict[str, Facts] = {}
        self.refused: dict[int, str] = {}
        self.happened: list[Happening] = []
        self.read_at: list[tuple[float, str]] = []
        self.link_events: list[tuple[int, bytes]] = []
        self.lost = False
        self.more = False
        self.loads: list[Config | ConfigError] = []
        self.known: list[Master | None] = []
        self.before_read: Callable[[str], None] = lambda name: None
        self.before_drain: Callable[[], None] = lambda: None
        self.before_open: Callable[[], None] = lambda: None
        self._script: list[tuple[float, Callable[[], object]]] = []
        world = self

        class Rtnl:
            def __init__(self) -> None:
                world.before_open()
                world.happened.append(("open", None))

            def read(self, name: str, count_lacpdus: bool = False, known: Master | None = None) -> Facts:
                world.read_at.append((round(world.now - 100, 6), name))
                world.known.append(known)
                assert len(world.read_at) < 2000, "the loop runs hot"
                world.before_read(name)
                return world.facts[name]

            def set_vf_link_states(self, ifindex: int, vfs: Sequence[VirtualFunction]) -> dict[int, str]:
                world.happened.append(("write", (ifindex, {vf.id: str(vf.link_state) for vf in vfs})))
                world.take(ifindex, {vf.id: vf for vf in vfs if vf.id not in world.refused})
                return {vf.id: world.refused[vf.id] for vf in vfs if vf.id in world.refused}

            def close(self) -> None:
                world.happened.append(("close", None))

        class LinkEvents:
            def __init__(self) -> None:
                world.link_events.clear()

            def fileno(self) -> int:
                return 99

            def watch(self, watched: Watched) -> bool:
                self.watched = watched
                more, world.more = world.more, False
                return more

            def drain(self) -> tuple[set[Concern], bool]:
                world.before_drain()
                heard, world.link_events = world.link_events, []
                lost, world.lost = world.lost, False
                concerned: set[Concern] = set()
                for ifindex, message in heard:
                    concerned |= self.watched.interfaces.get(ifindex, set())
                    for name, those in self.watched.names.items():
                        concerned |= those if linkevents.name_content(name) in message else set()
                    for master, those in self.watched.masters.items():
                        concerned |= those if linkevents.master_attribute(master) in message else set()
                return concerned, lost

            def close(self) -> None:
                pass

        class Poll:
            def register(self, waited_for: object, mask: int) -> None:
                pass

            def poll(self, timeout_ms: float) -> list[tuple[int, int]]:
                if not world.link_events:
                    world.pass_time(timeout_ms / 1000)
                return [(99, 1)] if world.link_events or world.lost else []

        def wait_for_any(*arguments: object) -> None:
            world.pass_time(1.0)

        monkeypatch.setattr(netlink, "Rtnl", Rtnl)
        monkeypatch.setattr(netlink, "LinkEvents", LinkEvents)
        monkeypatch.setattr(service, "socket", SimpleNamespace(socketpair=self._socketpair))
        for module in (service, interface, interfaces):
            monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: world.now))
        monkeypatch.setattr(service, "select", SimpleNamespace(poll=Poll, select=wait_for_any, POLLIN=1))

    def __enter__(self) -> World:
        self._handlers = {number: signal.getsignal(number) for number in SIGNALS}
        # The service lives as long as its process, and leaves these to it.
        self._sockets: list[socket.socket] = []
        return self

    def _socketpair(self) -> tuple[socket.socket, socket.socket]:
        pair = socket.socketpair()
        self._sockets += pair
        return pair

    def __exit__(self, *raised: object) -> None:
        signal.set_wakeup_fd(-1)
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        for each in self._sockets:
            each.close()

    def take(self, ifindex: int, vfs: Mapping[int, VirtualFunction]) -> None:
        """Set VFs as a driver does."""
        for name, facts in self.facts.items():
            if isinstance(facts, PhysicalFunction) and facts.ifindex == ifindex:
                now = tuple(vfs.get(vf.id, vf) for vf in facts.vfs)
                self.facts[name] = replace(facts, vfs=now)

    def pass_time(self, seconds: float) -> None:
        """Let time pass, up to the next thing that is to happen."""
        end = self.now + seconds
        if not self._script or self._script[0][0] > end:
            self.now = end
            return
        when, action = self._script.pop(0)
        self.now = max(self.now, when)
        action()

    def at(self, seconds: float, action: Callable[[], object]) -> None:
        """Have something happen so many seconds after the start."""
        self._script.append((100 + seconds, action))
        self._script.sort(key=lambda each: each[0])

    def hear(self, seconds: float, ifindex: int, content: bytes = b"") -> None:
        """Have a link event about an interface, which holds these bytes."""
        self.at(seconds, lambda: self.link_events.append((ifindex, content)))

    def run(
        self,
        until: float,
        *,
        interval_ms: int = 1000,
        watchdog_s: float | None = None,
        dry_run: bool = False,
        configured: Config | None = None,
        metrics_textfile: str | None = None,
    ) -> None:
        """Run the service, on all interfaces there are facts for unless configured, and end it by SIGTERM."""
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

            def status(self, line: str) -> None:
                world.happened.append(("status", line))

            def stopping(self) -> None:
                world.happened.append(("stopping", None))

        self.at(until, lambda: signal.raise_signal(signal.SIGTERM))
        config = configured or Config(tuple(self.facts), interval_ms, metrics_textfile=metrics_textfile)
        Service(config, self._log, Systemd(), self._load, dry_run).run()

    def all(self, what: str) -> list[object]:
        """Return all that happened of one sort."""
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


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with World(monkeypatch) as world:
        yield world


def test_a_service_starts_serves_and_stops(world: World) -> None:
    world.facts = {"ens5f0": pf(5, DOWN, AUTO)}
    world.run(until=0.05)
    assert [each for each in world.happened if not isinstance(each[1], events.PortStateChanged)] == [
        ("log", serviceevents.Starting()),
        ("open", None),
        ("log", serviceevents.InterfacesToMonitor(("ens5f0",))),
        ("write", (5, {0: "disable"})),
        ("log", events.PfReady("ens5f0")),
        ("log", events.LacpDown("ens5f0", PortState(143), PortState(55), True)),
        ("log", events.VfsDetected("ens5f0", 1)),
        ("log", events.VfLinkStateSet(0, DISABLE, "ens5f0")),
        ("status", "1 PF: 0 up, 1 down (ens5f0), 0 VFs disabled"),
        ("ready", None),
        ("alive", None),
        ("stopping", None),
        ("log", serviceevents.Stopping()),
    ]


def test_all_writes_of_a_cycle_come_before_anything_is_logged(world: World) -> None:
    world.facts = {f"ens5f{n}": pf(n, DOWN, AUTO) for n in range(1, 4)}
    world.run(until=0.05)
    served = [what for what, value in world.happened if what in ("write", "log")][2:]
    assert served == ["write"] * 3 + ["log"] * (len(served) - 3)


def test_ready_is_told_once_and_life_after_every_cycle(world: World) -> None:
    world.facts = {"ens5f0": pf(5)}
    world.run(until=3.5)
    assert len(world.all("ready")) == 1
    assert len(world.all("alive")) == len(world.read_at) == 4


def test_a_dry_run_writes_nothing_and_says_what_it_would_set_once(world: World) -> None:
    world.facts = {"ens5f0": pf(5, DOWN, AUTO, DISABLE)}
    world.run(until=3, dry_run=True)
    assert world.all("write") == []
    told = world.logged(events.VfLinkStateWouldBeSet, events.VfLinkStateSet)
    assert told == [events.VfLinkStateWouldBeSet(0, DISABLE, "ens5f0")]


def test_a_refused_vf_is_told_of_and_the_others_are_set(world: World) -> None:
    world.facts, world.refused = {"ens5f0": pf(5, DOWN, AUTO, AUTO)}, {0: "Operation not supported"}
    world.run(until=0.5)
    assert world.all("write") == [(5, {0: "disable", 1: "disable"})]
    assert world.logged(events.SettingVfFailed, events.VfLinkStateSet) == [
        events.SettingVfFailed(0, "ens5f0", "Operation not supported", DISABLE),
        events.VfLinkStateSet(1, DISABLE, "ens5f0"),
    ]


def test_an_interface_under_two_of_its_names_is_served_once(world: World) -> None:
    world.facts = {"ens5f0": pf(5, DOWN, AUTO), "enp5s0f0": pf(5, DOWN, AUTO)}
    world.run(until=0.5)
    assert world.all("write") == [(5, {0: "disable"})]
    assert world.logged(events.FetchFailed, events.PfReady) == [
        events.PfReady("ens5f0"),
        events.FetchFailed("enp5s0f0", "is the same interface as ens5f0"),
    ]


def test_the_status_is_what_was_last_read(world: World) -> None:
    world.facts = {"ens5f0": pf(5, UP, AUTO), "ens5f1": pf(6, DOWN, AUTO, AUTO), "ens5f2": GONE}
    world.run(until=0.15)
    rest = "1 not ready (ens5f2)"
    assert world.all("status") == [
        f"3 PFs: 1 up, 1 down (ens5f1), {rest}, 0 VFs disabled",
        f"3 PFs: 1 up, 1 down (ens5f1), {rest}, 2 VFs disabled",
    ]
