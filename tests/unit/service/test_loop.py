"""The loop, in a world without a kernel; its clock moves only while the loop waits."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from pf_status_relay.core import events
from pf_status_relay.core.lacp import PortState
from pf_status_relay.service import loop
from pf_status_relay.service.lock import Lock
from tests.support.facts import AUTO, DISABLE, DOWN, GONE, UP
from tests.support.world import World, pf


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with World(monkeypatch) as world:
        yield world


def test_a_service_starts_serves_and_stops(world: World) -> None:
    world.facts = {"ens5f0": pf(5, DOWN, AUTO)}
    world.run(until=0.05)
    assert [each for each in world.happened if not isinstance(each[1], events.PortStateChanged)] == [
        ("log", events.Starting()),
        ("open", None),
        ("log", events.InterfacesToMonitor(("ens5f0",))),
        ("write", (5, {0: "disable"})),
        ("details", 5),
        ("log", events.PfReady("ens5f0")),
        ("log", events.LacpDown("ens5f0", PortState(143), PortState(55), True, "LACPDUs have stopped")),
        ("log", events.VfsDetected("ens5f0", 1)),
        ("log", events.VfLinkStateSet(0, DISABLE, "ens5f0", 0.0)),
        ("status", "1 PF: 0 up, 1 down (ens5f0), 0 VFs disabled"),
        ("ready", None),
        ("alive", None),
        ("stopping", None),
        ("log", events.Stopping()),
    ]


def test_all_writes_of_a_cycle_come_before_anything_is_logged(world: World) -> None:
    world.facts = {f"ens5f{n}": pf(n, DOWN, AUTO) for n in range(1, 4)}
    world.run(until=0.05)
    served = [what for what, value in world.happened if what in ("write", "log")][2:]
    assert served == ["write"] * 3 + ["log"] * (len(served) - 3)


def test_why_lacp_went_down_is_asked_after_all_writes_and_once(world: World) -> None:
    world.facts = {f"ens5f{n}": pf(n, DOWN, AUTO) for n in range(1, 4)}
    world.details = {"lacpdus_received": 0}
    world.run(until=0.95)
    asked = [what for what, _ in world.happened if what in ("write", "details")]
    assert asked == ["write"] * 3 + ["details"] * 3
    causes = [event.cause for event in world.logged(events.LacpDown) if isinstance(event, events.LacpDown)]
    assert causes == ["no LACPDU has come yet"] * 3


def test_a_kernel_that_does_not_say_why_keeps_nobody_waiting(world: World) -> None:
    world.facts = {f"ens5f{n}": pf(n, DOWN, AUTO) for n in range(1, 4)}
    world.details_error = TimeoutError()
    world.run(until=0.95)
    assert len(world.all("details")) == 1, "the others are not asked for"
    assert len(world.logged(events.LacpDown)) == 3


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
    assert world.all("write") == [(5, {0: "disable"}), (5, {1: "disable"})]
    assert world.logged(events.SettingVfFailed, events.VfLinkStateSet) == [
        events.SettingVfFailed(0, "ens5f0", "Operation not supported", DISABLE),
        events.VfLinkStateSet(1, DISABLE, "ens5f0", 0.0),
    ]


def test_the_log_says_how_long_a_slow_driver_took_for_the_vfs_of_a_pf(world: World) -> None:
    world.facts, world.cost_s = {"ens5f0": pf(5, DOWN, AUTO, AUTO)}, {DISABLE: 0.0127}
    world.run(until=0.5)
    assert world.logged(events.VfLinkStateSet) == [
        events.VfLinkStateSet(number, DISABLE, "ens5f0", 25.4) for number in (0, 1)
    ]


def test_over_several_portions_that_is_counted_from_when_lacp_was_found_down(world: World) -> None:
    world.facts, world.cost_s = {"ens5f0": pf(5, DOWN, AUTO, AUTO, AUTO)}, {DISABLE: 0.3}
    world.run(until=2)
    took = [event.took_ms for event in world.logged(events.VfLinkStateSet) if hasattr(event, "took_ms")]
    assert took == [round((at - world.written[0][0]) * 1000 + 300, 3) for at, *_ in world.written]
    assert took[0] == 300
    assert took[2] > 900


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


def test_a_wait_ends_with_what_can_be_read_first() -> None:
    waiting, other = socket.socketpair()
    silent, _ = pair = socket.socketpair()
    with waiting, other, pair[0], pair[1]:
        other.send(b"\0")
        assert loop.poll([silent, waiting], 1e6) == [waiting.fileno()]
        assert loop.poll([silent], 0) == []


class AnothersLock(Lock):
    """A lock that another relay holds all the time."""

    def __init__(self) -> None:
        super().__init__({})
        self.asked = 0

    def take(self) -> int | None:
        """Return the holder's PID."""
        self.asked += 1
        return 812


def test_a_signal_ends_the_wait_for_the_lock(world: World) -> None:
    lock = AnothersLock()
    world.run(until=2.5, lock=lock)
    assert lock.asked == 3
    assert world.all("write") == []
    assert world.logged(events.AnotherRelayRuns) == [events.AnotherRelayRuns(812)]
    assert world.all("log")[-1] == events.Stopping()
    assert world.now == 102.5
