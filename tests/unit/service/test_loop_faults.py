"""The loop when a part of it fails, and its status line."""

from __future__ import annotations

import errno
from collections.abc import Iterator

import pytest

from pf_status_relay.core import events
from pf_status_relay.core.decision import Memory, Readiness
from pf_status_relay.core.facts import Absent, Unreadable, VfLinkState
from pf_status_relay.service.systemd import status_line
from tests.support.facts import DOWN, GONE, UP
from tests.support.world import World, pf

AUTO, ENABLE, DISABLE = VfLinkState
DEAD = OSError(errno.EBADF, "Bad file descriptor")
BUSY = Unreadable("Device or resource busy")


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with World(monkeypatch) as world:
        yield world


class Failing:
    """A function that raises an error at some of its calls, numbered from 0."""

    def __init__(self, error: OSError, *calls: int) -> None:
        self.error, self.calls, self.count = error, calls, 0

    def __call__(self, *_: object) -> None:
        """Count the call, and raise if it is one of those."""
        self.count += 1
        if self.count - 1 in self.calls or not self.calls:
            raise self.error


def test_a_service_that_cannot_read_anything_is_neither_ready_nor_alive(world: World) -> None:
    world.facts = {"ens5f0": BUSY, "ens5f1": BUSY}
    world.run(until=1.05)
    assert len(world.read_at) == 22
    assert world.all("ready") == world.all("alive") == world.all("status") == []
    assert world.logged(events.FetchFailed) == [
        events.FetchFailed("ens5f0", "Device or resource busy"),
        events.FetchFailed("ens5f1", "Device or resource busy"),
    ]


def test_a_service_that_can_read_nothing_any_more_is_not_alive_until_it_can(world: World) -> None:
    world.facts = {"ens5f0": pf(5)}
    world.at(0.5, lambda: world.facts.update(ens5f0=BUSY))
    world.at(2.5, lambda: world.happened.append(("mark", None)))
    world.at(2.51, lambda: world.facts.update(ens5f0=pf(5)))
    world.run(until=3.7)
    alive = [what for what, _ in world.happened if what in ("alive", "mark")]
    assert alive == ["alive", "mark", "alive", "alive"]


def test_one_pf_that_cannot_be_read_does_not_keep_the_others_waiting(world: World) -> None:
    world.facts = {"ens5f0": BUSY, "ens5f1": pf(6, DOWN, AUTO)}
    world.run(until=0.05)
    assert world.all("write") == [(6, {0: "disable"})]
    assert world.all("ready") == [None]


def test_an_absent_interface_is_no_failure_of_the_service(world: World) -> None:
    world.facts = {"ens5f0": Absent("Link not found")}
    world.run(until=2.5)
    assert len(world.all("alive")) == 3
    assert world.all("ready") == [None]


def test_a_dead_socket_is_opened_anew_and_everything_is_read_again(world: World) -> None:
    world.facts = {"ens5f0": pf(5), "ens5f1": pf(6)}
    world.before_read = Failing(DEAD, 3)
    world.run(until=1.5)
    assert world.read_at[2:] == [(1, "ens5f0"), (1, "ens5f1"), (1, "ens5f0"), (1, "ens5f1")]
    assert world.logged(events.NetlinkReopened) == [events.NetlinkReopened("Bad file descriptor")]
    assert [what for what, _ in world.happened if what in ("open", "close")] == ["open", "close", "open"]


def test_a_dead_event_socket_is_opened_anew_and_everything_is_read_again(world: World) -> None:
    world.facts = {"ens5f0": pf(5)}
    world.before_drain = Failing(DEAD, 0)
    world.hear(0.25, 5)
    world.run(until=0.5)
    assert world.read_at == [(0, "ens5f0"), (0.25, "ens5f0")]
    assert len(world.logged(events.NetlinkReopened)) == 1


def test_sockets_that_cannot_be_opened_are_tried_every_second_until_they_can(world: World) -> None:
    world.facts = {"ens5f0": pf(5)}
    world.before_open = Failing(OSError(errno.EMFILE, "Too many open files"), *range(6))
    world.run(until=30)
    assert world.logged(events.NetlinkFailed)[0] == events.NetlinkFailed("Too many open files")
    assert 2 <= world.read_at[0][0] <= 6
    assert world.all("ready") == [None]


def test_that_sockets_cannot_be_opened_is_told_once(world: World) -> None:
    world.facts = {"ens5f0": pf(5)}
    world.before_open = Failing(OSError(errno.EMFILE, "Too many open files"))
    world.run(until=10)
    assert len(world.logged(events.NetlinkFailed)) == 1


def test_that_sockets_could_be_opened_at_last_is_told(world: World) -> None:
    world.facts = {"ens5f0": pf(5)}
    world.before_open = Failing(OSError(errno.EMFILE, "Too many open files"), *range(2))
    world.run(until=10)
    assert len(world.logged(events.NetlinkReopened)) == 1


def test_a_socket_that_dies_at_every_read_is_not_reopened_without_a_pause(world: World) -> None:
    world.facts = {"ens5f0": pf(5)}
    world.before_read = Failing(DEAD)
    world.run(until=10)
    assert len(world.read_at) <= 100


def test_what_was_done_before_a_socket_died_is_told(world: World) -> None:
    world.facts = {"ens5f0": pf(5, DOWN, AUTO), "ens5f1": pf(6)}
    world.before_read = Failing(DEAD, 1)
    world.run(until=0.5)
    assert world.all("write") == [(5, {0: "disable"})]
    assert events.VfLinkStateSet(0, DISABLE, "ens5f0", 0.0) in world.all("log")


@pytest.mark.parametrize(
    ("reason", "writes"),
    [("No such device", 20), ("Operation not permitted", 5), ("Device or resource busy", 23)],
)
def test_a_pf_that_cannot_be_written_to_costs_the_others_nothing_and_is_told_once(
    world: World, reason: str, writes: int
) -> None:
    world.facts = {"ens5f0": pf(5, DOWN, AUTO), "ens5f1": pf(6, DOWN, ENABLE, AUTO)}
    world.refused = {0: reason}
    world.run(until=20)
    assert world.logged(events.SettingVfFailed) == [events.SettingVfFailed(0, "ens5f0", reason, DISABLE)]
    assert events.VfLinkStateSet(1, DISABLE, "ens5f1", 0.0) in world.all("log")
    assert world.all("write").count((5, {0: "disable"})) == pytest.approx(writes, abs=2)


def test_a_pf_that_goes_between_reading_and_writing_is_absent_then(world: World) -> None:
    world.facts, world.refused = {"ens5f0": pf(5, DOWN, AUTO)}, {0: "No such device"}
    world.at(0.05, lambda: world.facts.update(ens5f0=GONE))
    world.run(until=5)
    assert len(world.all("write")) == 1
    assert len(world.logged(events.FetchFailed)) == 1


def test_why_an_interface_is_not_served_is_told_when_the_reason_changes(world: World) -> None:
    world.facts = {"ens5f0": GONE, "enp5s0f0": GONE}
    world.at(0.5, lambda: world.facts.update(ens5f0=pf(5, UP), enp5s0f0=pf(5, UP)))
    world.run(until=1.5)
    assert events.FetchFailed("enp5s0f0", "is the same interface as ens5f0") in world.all("log")


def memory(
    name: str, readiness: Readiness = Readiness.READY, *, up: bool = True, disabled: int = 0
) -> Memory:
    return Memory(name, readiness, lacp_up=up, disabled=disabled)


@pytest.mark.parametrize(
    ("memories", "line"),
    [
        (
            [memory("ens5f0"), memory("ens5f1", up=False, disabled=8), memory("ens5f2")],
            "3 PFs: 2 up, 1 down (ens5f1), 8 VFs disabled",
        ),
        ([memory("a")], "1 PF: 1 up, 0 VFs disabled"),
        ([memory("a", up=False, disabled=1)], "1 PF: 0 up, 1 down (a), 1 VF disabled"),
        ([Memory("a"), Memory("b")], "2 PFs: 0 up, 2 not ready (a, b), 0 VFs disabled"),
        (
            [memory("a", Readiness.NOT_READY), memory("b", Readiness.ABSENT)],
            "2 PFs: 0 up, 2 not ready (a, b), 0 VFs disabled",
        ),
        (
            [memory("a", up=False, disabled=2), memory("b", up=False, disabled=3)],
            "2 PFs: 0 up, 2 down (a, b), 5 VFs disabled",
        ),
    ],
)
def test_the_status_line_says_what_matters(memories: list[Memory], line: str) -> None:
    assert status_line(memories) == line
