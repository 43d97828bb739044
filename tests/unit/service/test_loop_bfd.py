"""BFD in the loop: bfdd's messages about the sessions on a PF's bond, and what the VFs do."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Iterator
from dataclasses import replace

import pytest

from pf_status_relay.config.keys import Config
from pf_status_relay.core import events
from pf_status_relay.core.bfd import Diagnostic, State
from pf_status_relay.core.facts import BondPort, PhysicalFunction, VfLinkState
from pf_status_relay.frr.bfd_messages import Answered
from tests.support.facts import DOWN, UP
from tests.support.world import World, pf

AUTO, ENABLE, DISABLE = VfLinkState
SOCKET = "/run/frr/bfdd.sock"
GROUP = Config(("ens5f0", "ens5f1"), redundancy_groups=(("ens5f0", "ens5f1"),), bfd_socket=SOCKET)
TIMEOUT = Diagnostic.DETECTION_TIMEOUT
ALL = "all PFs of the redundancy group timed out at once while LACP is up on them"


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with World(monkeypatch) as world:
        world.facts = {"ens5f0": pf(5, UP, AUTO, AUTO), "ens5f1": pf(6, UP, AUTO, AUTO)}
        world.bfdd.append(Answered())
        for bond in ("bond5", "bond6"):
            world.tell(1.0, bond, State.UP)
        yield world


def turns(world: World, name: str, port: BondPort) -> None:
    now = world.facts[name]
    assert isinstance(now, PhysicalFunction)
    world.facts[name] = replace(now, port=port)


def written(world: World) -> list[tuple[float, int, VfLinkState]]:
    """Return the writes: time, ifindex of the PF, and link state of its VFs."""
    return list(dict.fromkeys((when, ifindex, state) for when, ifindex, state, _ in world.written))


def about_bfd(world: World) -> list[tuple[str, str, str]]:
    """Return what was logged about sessions: the event, the PF, and the reason if it has one."""
    kinds = (events.BfdUp, events.BfdTimedOut, events.BfdProvesNothing)
    return [
        (each.msg, each.interface, getattr(each, "reason", ""))
        for each in world.logged(*kinds)
        if isinstance(each, kinds)
    ]


def test_a_timeout_disables_the_vfs_at_once_and_lacp_returns_them(world: World) -> None:
    world.tell(2.35, "bond5", State.DOWN, TIMEOUT)
    world.at(4.0, lambda: turns(world, "ens5f0", DOWN))
    world.tell(6.0, "bond5", State.UP)  # it proves nothing
    world.at(8.05, lambda: turns(world, "ens5f0", UP))
    world.run(until=9.0, configured=GROUP)
    assert written(world) == [(2.45, 5, DISABLE), (8.1, 5, AUTO)]
    causes = [each.cause for each in world.logged(events.LacpDown) if isinstance(each, events.LacpDown)]
    assert causes == ["bfd session timed out"]
    assert about_bfd(world)[2:] == [
        ("bfd session timed out", "ens5f0", ""),
        ("bfd session is up", "ens5f0", ""),
    ]


def test_vfs_return_no_sooner_than_the_session_though_lacp_never_went(world: World) -> None:
    world.tell(2.35, "bond5", State.DOWN, TIMEOUT)
    world.tell(7.35, "bond5", State.UP)
    world.run(until=9.0, configured=GROUP)
    assert written(world) == [(2.45, 5, DISABLE), (7.35, 5, AUTO)]


@pytest.mark.parametrize("diagnostic", [each for each in Diagnostic if each is not TIMEOUT] + [31])
def test_any_other_end_of_a_session_proves_nothing(world: World, diagnostic: int) -> None:
    world.tell(2.35, "bond5", State.DOWN, diagnostic)
    world.run(until=4.0, configured=GROUP)
    assert written(world) == []


@pytest.mark.parametrize(
    ("state", "reason"),
    [(State.DOWN, "it went down: path down"), (State.ADMIN_DOWN, "it is administratively down")],
)
def test_why_a_session_proves_nothing_is_logged_once(world: World, state: State, reason: str) -> None:
    world.tell(2.35, "bond5", state, Diagnostic.PATH_DOWN)
    world.run(until=30.0, configured=GROUP)
    assert about_bfd(world)[2:] == [("bfd session proves nothing", "ens5f0", reason)]


def test_a_session_that_was_never_up_proves_nothing(world: World) -> None:
    world.bfdd.clear()
    world.bfdd.append(Answered())
    world.tell(0.5, "bond5", State.DOWN, TIMEOUT, number=2)  # from before a restart of bfdd or the service
    world.tell(0.5, "bond5", State.INIT, TIMEOUT, number=2)
    world.tell(0.5, "bond5", State.DOWN, TIMEOUT, number=2)
    world.run(until=0.9, configured=GROUP)
    assert written(world) == []
    assert about_bfd(world) == [("bfd session proves nothing", "ens5f0", "it has not been up yet")]


def test_a_session_that_is_up_again_at_once_disables_nothing(world: World) -> None:
    world.tell(2.35, "bond5", State.DOWN, TIMEOUT)
    world.tell(2.44, "bond5", State.UP)
    world.run(until=4.0, configured=GROUP)
    assert written(world) == []
    assert about_bfd(world)[2:] == []


def test_timeouts_of_all_pfs_at_once_are_ignored_while_lacp_is_up_on_all(world: World) -> None:
    world.tell(2.35, "bond5", State.DOWN, TIMEOUT)
    world.tell(2.44, "bond6", State.DOWN, TIMEOUT)
    world.run(until=5.0, configured=GROUP)
    assert written(world) == []
    assert ("bfd session proves nothing", "ens5f0", ALL) in about_bfd(world)
    assert ("bfd session proves nothing", "ens5f1", ALL) in about_bfd(world)


def test_a_pf_that_was_disabled_returns_as_soon_as_all_have_timed_out(world: World) -> None:
    world.tell(2.35, "bond5", State.DOWN, TIMEOUT)
    world.tell(3.25, "bond6", State.DOWN, TIMEOUT)
    world.run(until=9.0, configured=GROUP)
    assert written(world) == [(2.45, 5, DISABLE), (3.25, 5, AUTO)]


def test_what_was_ignored_counts_again_after_the_session_was_up(world: World) -> None:
    for when in (2.35, 12.35):
        world.tell(when, "bond5", State.DOWN, TIMEOUT)
        world.tell(when + 0.4, "bond5", State.UP)
        if when < 10:
            world.tell(when + 0.3, "bond6", State.DOWN, TIMEOUT)
            world.tell(when + 0.4, "bond6", State.UP)
    world.run(until=15.0, configured=GROUP)
    assert written(world) == [(2.45, 5, DISABLE), (2.65, 5, AUTO), (12.45, 5, DISABLE), (12.75, 5, AUTO)]


def test_timeouts_that_are_more_than_a_second_apart_count(world: World) -> None:
    world.tell(2.35, "bond5", State.DOWN, TIMEOUT)
    world.tell(3.45, "bond6", State.DOWN, TIMEOUT)
    world.run(until=9.0, configured=GROUP)
    # One PF of a group stays open: the one whose VFs are.
    assert written(world) == [(2.45, 5, DISABLE)]


def test_timeouts_of_all_count_if_lacp_is_down_on_one(world: World) -> None:
    world.at(2.0, lambda: turns(world, "ens5f1", DOWN))
    world.hear(2.0, 6)
    world.tell(2.35, "bond5", State.DOWN, TIMEOUT)
    world.tell(2.36, "bond6", State.DOWN, TIMEOUT)
    world.run(until=4.0, configured=GROUP)
    # The port state of ens5f0 says LACP up: it is the better of two PFs that are down, and stays open.
    assert written(world) == [(2.0, 6, DISABLE)]
    assert ALL not in [each[2] for each in about_bfd(world)]


def test_sessions_of_other_interfaces_concern_nobody(world: World) -> None:
    for bond in ("eth0", "bond5.100", ""):
        world.tell(1.0, bond, State.UP)
        world.tell(2.0, bond, State.DOWN, TIMEOUT)
    world.run(until=4.0, configured=GROUP)
    assert written(world) == []


def test_a_pf_in_no_group_is_left_to_lacp(world: World) -> None:
    alone = replace(GROUP, redundancy_groups=(("ens5f1", "ens6*"),))
    world.tell(2.35, "bond5", State.DOWN, TIMEOUT)
    world.run(until=4.0, configured=alone)
    assert written(world) == []
    assert about_bfd(world) == []


def test_without_bfdd_lacp_alone_decides_and_one_event_says_so(world: World) -> None:
    gone = OSError(errno.ENOENT, os.strerror(errno.ENOENT))
    world.tell(2.35, "bond5", State.DOWN, TIMEOUT)
    world.at(3.0, lambda: setattr(world, "bfdd_error", gone))
    world.run(until=30.0, configured=GROUP)
    assert written(world) == [(2.45, 5, DISABLE), (3.0, 5, AUTO)]
    assert world.logged(events.BfddConnected, events.BfddNotConnected) == [
        events.BfddConnected(SOCKET),
        events.BfddNotConnected(SOCKET, "No such file or directory"),
    ]
    assert world.bfdd_asked == [0.0, 8.0, 13.0, 18.0, 23.0, 28.0]


def test_a_bfdd_that_is_back_has_proved_nothing_until_a_session_is_up_again(world: World) -> None:
    world.at(3.0, lambda: setattr(world, "bfdd_error", ConnectionResetError(errno.ECONNRESET, "reset")))
    world.at(4.0, lambda: setattr(world, "bfdd_error", None))
    world.at(8.5, lambda: world.bfdd.append(Answered()))
    world.tell(8.5, "bond5", State.DOWN, TIMEOUT)
    world.tell(9.5, "bond5", State.UP)
    world.tell(10.35, "bond5", State.DOWN, TIMEOUT)
    world.run(until=12.0, configured=GROUP)
    assert written(world) == [(10.45, 5, DISABLE)]


def test_a_session_that_frr_has_no_longer_does_not_hold_the_vfs_back(world: World) -> None:
    world.tell(2.35, "bond5", State.DOWN, TIMEOUT)
    world.at(5.1, lambda: world.bfdd.append(Answered()))  # the answer to 5.0's request omits the session
    world.tell(5.1, "bond6", State.UP)
    world.run(until=12.0, configured=GROUP)
    assert written(world) == [(2.45, 5, DISABLE), (10.0, 5, AUTO)]
    assert world.bfdd_asked == [0.0, 5.0]
    assert about_bfd(world)[-1] == (
        "bfd session proves nothing",
        "ens5f0",
        "FRR has the session no longer",
    )


def test_a_session_that_flaps_for_long_is_logged_no_more_than_once_in_ten_seconds(world: World) -> None:
    for tenth in range(20, 620):
        state = State.DOWN if tenth % 2 else State.UP
        world.tell(tenth / 10, "bond5", state, Diagnostic.ECHO_FAILED)
    world.run(until=62.0, configured=GROUP)
    assert 2 <= len(about_bfd(world)) <= 9
    assert written(world) == []


def test_another_socket_of_a_new_configuration_is_connected(world: World) -> None:
    world.loads = [replace(GROUP, bfd_socket="/run/other.sock"), replace(GROUP, bfd_socket=None)]
    world.tell(2.35, "bond5", State.DOWN, TIMEOUT)
    world.at(3.0, lambda: signal.raise_signal(signal.SIGHUP))
    world.at(3.0, lambda: world.bfdd.append(Answered()))
    world.at(5.0, lambda: signal.raise_signal(signal.SIGHUP))
    world.run(until=20.0, configured=GROUP)
    assert written(world) == [(2.45, 5, DISABLE), (3.0, 5, AUTO)]
    assert [each for each in world.bfdd_asked if each >= 3] == [3.0]


def test_without_the_key_nobody_is_asked(world: World) -> None:
    world.run(until=4.0, configured=replace(GROUP, bfd_socket=None))
    assert world.bfdd_asked == []


def test_a_session_that_flaps_with_lacp_up_is_damped_as_lacp_is(world: World) -> None:
    for number in range(4):
        world.tell(2.25 + 2 * number, "bond5", State.DOWN, TIMEOUT)
        world.tell(2.75 + 2 * number, "bond5", State.UP)
    damped = replace(GROUP, restore_delay_ms=1000, restore_delay_max_ms=60_000)
    world.run(until=30.0, configured=damped)
    grown = world.logged(events.RestoreDelayGrown)
    assert grown == [events.RestoreDelayGrown("ens5f0", delay_ms) for delay_ms in (2000, 4000, 8000)]
    assert written(world)[-1] == (16.75, 5, AUTO), "8 s after the session was up for the last time"
