"""When the loop looks at a PF: at which interval, and woken by which event."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import replace

import pytest

from pf_status_relay.config.keys import Config
from pf_status_relay.core import events
from pf_status_relay.core.facts import Master
from pf_status_relay.kernel import event_socket
from tests.support.facts import AUTO, DISABLE, DOWN, GONE, UP
from tests.support.world import World, pf


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with World(monkeypatch) as world:
        yield world


def test_a_pf_is_read_at_the_interval_and_its_port_state_ten_times_a_second_while_down(world: World) -> None:
    world.facts = {"up": pf(5), "down": pf(6, DOWN)}
    world.run(until=2.05)
    assert [at for at, name in world.read_at if name == "up"] == [0, 1, 2]
    assert [at for at, name in world.read_at if name == "down"] == [0, 1, 2]
    assert world.glances == [(tenth / 10, 6) for tenth in range(1, 21) if tenth % 10]


def test_a_pf_whose_port_state_has_changed_is_read_at_once(world: World) -> None:
    world.facts = {"ens5f0": pf(5, DOWN, DISABLE), "ens5f1": pf(6, DOWN, DISABLE)}
    world.at(0.25, lambda: world.facts.update(ens5f0=pf(5, UP, DISABLE)))
    world.run(until=0.55)
    assert world.written == [(0.3, 5, AUTO, 0)]
    assert [at for at, name in world.read_at if name == "ens5f1"] == [0]
    assert {ifindex for at, ifindex in world.glances if at > 0.3} == {6}, "LACP is up on the other"


def test_a_port_state_that_cannot_be_read_any_more_is_read_with_all_the_rest(world: World) -> None:
    world.facts = {"ens5f0": pf(5, DOWN)}
    world.at(0.25, lambda: world.facts.update(ens5f0=GONE))
    world.run(until=1.05)
    assert [at for at, _ in world.read_at] == [0, 0.3, 1]


def test_without_sysfs_a_pf_is_read_ten_times_a_second_while_down(world: World) -> None:
    world.sysfs = False
    world.facts = {"ens5f0": pf(5, DOWN)}
    world.run(until=1.05)
    assert [at for at, _ in world.read_at] == [tenth / 10 for tenth in range(11)]


def test_a_port_state_is_not_followed_once_its_pf_is_not_meant_any_more(world: World) -> None:
    world.facts = {"ens5f0": pf(5, DOWN), "ens5f1": pf(6)}
    world.loads = [Config(("ens5f1",))]
    world.at(0.25, lambda: os.kill(os.getpid(), signal.SIGHUP))
    world.run(until=0.95)
    assert world.glances == [(0.1, 5), (0.2, 5)]


@pytest.mark.parametrize(
    ("interval_ms", "watchdog_s", "reads"),
    [(500, None, 7), (1000, 0.75, 13), (1000, 30.0, 4), (100, 0.75, 31)],
)
def test_the_interval_is_capped_by_a_third_of_the_watchdog_time(
    world: World, interval_ms: int, watchdog_s: float | None, reads: int
) -> None:
    world.facts = {"ens5f0": GONE}
    world.run(until=3.05, interval_ms=interval_ms, watchdog_s=watchdog_s)
    assert len(world.read_at) == reads


WHOM_AN_EVENT_WAKES = [
    pytest.param(5, b"", ["ens5f0"], id="about the PF"),
    pytest.param(105, b"", ["ens5f0"], id="about its bond"),
    pytest.param(9, event_socket.master_attribute(106), ["ens5f1"], id="about a port of its bond"),
    pytest.param(9, b"\0\0ens5f2\0", ["ens5f2"], id="about the name that is missed"),
    pytest.param(9, b"\0\0ens5f0\0", [], id="about a name that is there"),
    pytest.param(9, b"veth0\0", [], id="about something else"),
]


@pytest.mark.parametrize(("ifindex", "content", "woken"), WHOM_AN_EVENT_WAKES)
def test_an_event_wakes_exactly_the_pf_that_it_is_about(
    world: World, ifindex: int, content: bytes, woken: list[str]
) -> None:
    world.facts = {"ens5f0": pf(5), "ens5f1": pf(6), "ens5f2": GONE}
    world.hear(0.25, ifindex, content)
    world.run(until=0.5)
    assert world.read_at[3:] == [(0.25, name) for name in woken]


@pytest.mark.parametrize(
    ("ifindex", "content", "read_again"),
    [
        pytest.param(5, b"", False, id="an event about the PF itself"),
        pytest.param(105, b"", True, id="about its bond"),
        pytest.param(9, event_socket.master_attribute(105), True, id="about another port of its bond"),
    ],
)
def test_a_woken_look_does_without_reading_the_bond_again_unless_the_event_is_about_it(
    world: World, ifindex: int, content: bytes, read_again: bool
) -> None:
    world.facts = {"ens5f0": pf(5)}
    world.hear(0.25, ifindex, content)
    world.run(until=0.5)
    assert [known is None for known in world.known] == [True, read_again]


def test_the_bond_is_read_again_every_ten_seconds_without_an_event(world: World) -> None:
    world.facts = {"ens5f0": pf(5)}
    world.run(until=20.5)
    assert [at for (at, _), known in zip(world.read_at, world.known) if known is None] == [0, 10, 20]


def test_pfs_that_were_looked_at_apart_are_polled_together(world: World) -> None:
    world.facts = {"ens5f0": pf(5), "ens5f1": pf(6)}
    world.hear(0.25, 5)
    world.run(until=1.9)
    assert world.read_at[2:] == [(0.25, "ens5f0"), (1, "ens5f0"), (1, "ens5f1")]


def test_the_bond_of_a_pf_that_is_not_ready_is_read_at_every_look(world: World) -> None:
    crowded = Master(105, "bond0", "bond", 4, port_count=2)
    world.facts = {"ens5f0": replace(pf(5), master=crowded)}
    world.hear(0.25, 5)
    world.run(until=0.5)
    assert world.known == [None, None]


def test_a_pf_without_a_master_is_woken_by_its_own_events(world: World) -> None:
    world.facts = {"ens5f0": replace(pf(5), master=None)}
    world.hear(0.25, 5)
    world.run(until=0.5)
    assert world.read_at[1:] == [(0.25, "ens5f0")]


def test_an_interface_that_was_recreated_is_woken_and_written_to_by_its_new_ifindex(world: World) -> None:
    world.facts = {"ens5f0": pf(5, UP, AUTO)}
    world.at(1.5, lambda: world.facts.update(ens5f0=pf(8, DOWN, AUTO)))
    world.hear(2.25, 5)
    world.hear(2.26, 8)
    world.run(until=2.3)
    assert world.all("write") == [(8, {0: "disable"})]
    assert (2.26, "ens5f0") in world.read_at


def test_a_woken_pf_comes_before_those_that_are_merely_due(world: World) -> None:
    world.facts = {f"ens5f{n}": pf(n) for n in range(4)}
    world.hear(1.0, 2)
    world.run(until=1.5)
    assert [name for at, name in world.read_at if at == 1] == ["ens5f2", "ens5f0", "ens5f1", "ens5f3"]


def test_lost_events_wake_everybody(world: World) -> None:
    world.facts = {"ens5f0": pf(5), "ens5f1": GONE}
    world.at(0.25, lambda: setattr(world, "lost", True))
    world.run(until=0.5)
    assert world.read_at[2:] == [(0.25, "ens5f0"), (0.25, "ens5f1")]
    assert world.logged(events.LinkEventsLost) == [events.LinkEventsLost()]


def test_whoever_is_newly_watched_is_looked_at_once_more(world: World) -> None:
    world.facts = {"ens5f0": pf(5), "ens5f1": GONE}
    world.at(0.25, lambda: setattr(world, "more", True))
    world.hear(0.25, 5)
    world.run(until=0.5)
    assert world.read_at[2:] == [(0.25, "ens5f0"), (0.25, "ens5f0"), (0.25, "ens5f1")]


def test_new_vfs_of_a_pf_that_is_down_or_drained_are_found_within_a_second_whatever_the_interval(
    world: World,
) -> None:
    world.facts = {"ens5f0": pf(5, DOWN)}
    world.at(0.25, lambda: world.facts.update(ens5f0=pf(5, DOWN, AUTO)))
    world.run(until=1.5, interval_ms=60_000)
    assert world.written == [(1, 5, DISABLE, 0)]
