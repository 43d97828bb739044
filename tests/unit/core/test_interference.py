"""Someone else sets VFs: the relay reports a fight, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pf_status_relay.core import events
from pf_status_relay.core.facts import BondPort, VfLinkState
from pf_status_relay.core.interference import QUIET_S, WINDOW_S
from tests.support.facts import AUTO, DISABLE, DOWN, ENABLE, UP, Watched, pf

FOUGHT = events.VfsSetBySomebodyElse


class Host(Watched):
    """A PF whose driver accepts all writes, and someone else who sets its VFs."""

    def __init__(self, vfs: int = 2, port: BondPort = DOWN) -> None:
        super().__init__()
        self.port = port
        self.vfs = [AUTO] * vfs
        self.log: list[events.Event] = []

    def passes(self, seconds: float) -> None:
        """Let the service look once, after some seconds; its writes succeed."""
        decision = self.look(pf(self.port, *self.vfs), after=seconds)
        self.log += decision.events
        for vf in decision.writes:
            self.vfs[vf.id] = vf.link_state

    def settles(self) -> None:
        """Let the service look until there is nothing to do."""
        self.passes(0.1)
        self.passes(0.1)

    def sets_back(self, state: VfLinkState, *vfs: int) -> None:
        """Let someone set VFs, and the service find and correct that."""
        for vf in vfs:
            self.vfs[vf] = state
        self.settles()

    def warned(self) -> list[int]:
        """Return the numbers of the VFs in the warnings."""
        return [event.id for event in self.log if isinstance(event, FOUGHT)]


@pytest.mark.parametrize(("port", "wrong"), [(DOWN, AUTO), (UP, DISABLE)])
def test_a_vf_set_back_three_times_in_a_minute_is_a_fight(port: BondPort, wrong: VfLinkState) -> None:
    host = Host(port=port)
    host.settles()
    host.sets_back(wrong, 1)
    host.sets_back(wrong, 1)
    assert host.warned() == []
    host.sets_back(wrong, 1)
    assert host.warned() == [1]


def test_a_fight_is_logged_once_however_many_vfs_and_however_long() -> None:
    host = Host(vfs=8)
    host.settles()
    for _ in range(200):
        host.sets_back(AUTO, *range(8))
        host.passes(10)
    assert host.warned() == [0]


def test_a_fight_is_logged_again_after_a_quiet_time() -> None:
    host = Host()
    host.settles()
    for _ in range(2):
        for _ in range(5):
            host.sets_back(AUTO, 0)
        host.passes(QUIET_S)
    assert host.warned() == [0, 0]


def test_who_sets_all_vfs_one_by_one_is_no_fight() -> None:
    host = Host(vfs=8)
    host.settles()
    for vf in range(8):
        host.sets_back(AUTO, vf)
    assert host.warned() == []


def test_who_sets_a_vf_now_and_then_is_no_fight() -> None:
    host = Host()
    host.settles()
    for _ in range(20):
        host.sets_back(AUTO, 0)
        host.passes(WINDOW_S / 2)
    assert host.warned() == []


@pytest.mark.parametrize("looks", [1, 2])
def test_a_switch_that_flaps_is_no_fight(looks: int) -> None:
    host = Host()
    for _ in range(20):
        for host.port in (UP, DOWN):
            for _ in range(looks):
                host.passes(0.1)
    assert host.warned() == []


def test_vfs_made_anew_in_an_outage_are_no_fight() -> None:
    host = Host()
    host.settles()
    for _ in range(10):
        for count in (4, 2, 0, 2):
            host.vfs = [AUTO] * count
            host.settles()
    assert host.warned() == []


def test_a_driver_that_takes_writes_and_ignores_them_is_no_fight() -> None:
    host = Host()
    for _ in range(100):
        host.vfs = [AUTO] * 2
        host.passes(0.5)
    assert host.warned() == []


def test_a_vf_that_is_taken_out_of_the_relays_hands_is_no_fight() -> None:
    host = Host()
    host.settles()
    for _ in range(10):
        host.sets_back(ENABLE, 0)
        host.sets_back(DISABLE, 0)
    assert host.warned() == []


@given(st.lists(st.tuples(st.sampled_from([UP, DOWN]), st.integers(0, 4), st.floats(0, 200))))
def test_what_the_world_and_the_relay_do_is_never_a_fight(
    happenings: Iterable[tuple[BondPort, int, float]],
) -> None:
    host = Host()
    for host.port, count, seconds in happenings:
        if count != len(host.vfs):
            host.vfs = [AUTO] * count
        host.passes(seconds)
    assert host.warned() == []


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from([AUTO, ENABLE, DISABLE]), st.floats(0, 100))))
def test_whatever_somebody_does_what_is_remembered_stays_small_and_warnings_apart(
    doings: Iterable[tuple[int, VfLinkState, float]],
) -> None:
    host = Host(vfs=4)
    warned_at: list[float] = []
    for vf, state, seconds in doings:
        host.vfs[vf] = state
        host.passes(seconds)
        if len(host.warned()) > len(warned_at):
            warned_at.append(host.now)
        remembered = host.memory.interference.set_back
        assert set(remembered) <= set(range(4))
        assert all(len(moments) <= 3 for moments in remembered.values())
    assert all(later - earlier >= QUIET_S for earlier, later in zip(warned_at, warned_at[1:]))
