"""The decision for one PF, situation by situation."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pf_status_relay.core import events
from pf_status_relay.core.decision import Decision, Pace, Readiness, not_ready_reason
from pf_status_relay.core.events import Event
from pf_status_relay.core.facts import (
    BondPort,
    Master,
    Unreadable,
    VfLinkState,
    VirtualFunction,
)
from pf_status_relay.core.lacp import PortState
from tests.support.facts import AUTO, BOND, DISABLE, DOWN, ENABLE, GONE, SLOW, UP, Watched, numbered, pf, port

States = tuple[VfLinkState, ...]


@pytest.fixture
def watched() -> Watched:
    return Watched()


def of_interest(decision: Decision) -> list[Event]:
    return [each for each in decision.events if not isinstance(each, events.PortStateChanged)]


@pytest.mark.parametrize(
    ("port", "carrier", "states", "written"),
    [
        pytest.param(UP, True, (AUTO, ENABLE, DISABLE), {2: AUTO}, id="up"),
        pytest.param(SLOW, True, (AUTO, ENABLE, DISABLE), {2: AUTO}, id="up at the slow rate"),
        pytest.param(DOWN, True, (AUTO, ENABLE, DISABLE), {0: DISABLE}, id="down"),
        pytest.param(UP, False, (AUTO, ENABLE, DISABLE), {0: DISABLE}, id="no carrier"),
        pytest.param(None, True, (AUTO, ENABLE, DISABLE), {0: DISABLE}, id="no port state"),
        pytest.param(UP, True, (ENABLE, AUTO), {}, id="up and nothing to do"),
        pytest.param(DOWN, True, (ENABLE, DISABLE), {}, id="down and nothing to do"),
        pytest.param(DOWN, True, (AUTO,) * 3, {0: DISABLE, 1: DISABLE, 2: DISABLE}, id="all of them"),
        pytest.param(DOWN, True, (), {}, id="no VFs"),
    ],
)
def test_the_law_holds_at_the_very_first_look(
    watched: Watched, port: BondPort | None, carrier: bool, states: States, written: dict[int, VfLinkState]
) -> None:
    decision = watched.look(pf(port, *states, carrier=carrier))
    assert {vf.id: vf.link_state for vf in decision.writes} == written


NOT_READY = [
    (None, "link has no master interface"),
    (replace(BOND, kind="bridge", bond_mode=None), "master interface bond0 is not a bond (bridge)"),
    (replace(BOND, kind="", bond_mode=None), "master interface bond0 is not a bond (unknown type)"),
    (replace(BOND, bond_mode=1), "bond bond0 does not have mode 802.3ad"),
    (replace(BOND, bond_mode=0, port_count=2), "bond bond0 does not have mode 802.3ad"),
    (replace(BOND, port_count=2), "bond bond0 has 2 ports instead of one; multi_port_bonds allows it"),
    (replace(BOND, port_count=0), "bond bond0 has 0 ports instead of one; multi_port_bonds allows it"),
]


@pytest.mark.parametrize(("master", "reason"), NOT_READY)
def test_a_pf_that_is_not_ready_has_one_reason_and_its_vfs_are_left_alone(
    watched: Watched, master: Master | None, reason: str
) -> None:
    facts = replace(pf(DOWN, AUTO, DISABLE), master=master)
    assert not_ready_reason(facts) == reason
    decision = watched.look(facts)
    assert decision.writes == ()
    left = events.VfsLeftDisabled("ens5f0", 1, "pf-status-relay restore ens5f0")
    assert decision.events == (events.PfNotReady("ens5f0", reason), left)
    assert decision.pace is Pace.INTERVAL
    assert watched.look(facts).events == ()


def test_the_story_of_an_outage(watched: Watched) -> None:
    assert of_interest(watched.look(pf(UP, AUTO, ENABLE))) == [
        events.PfReady("ens5f0"),
        events.LacpUp("ens5f0", PortState(63), PortState(63)),
        events.VfsDetected("ens5f0", 2),
    ]
    assert watched.look(pf(DOWN, AUTO, ENABLE)).events == (
        events.PortStateChanged("ens5f0", PortState(143), PortState(55), True),
        events.LacpDown("ens5f0", PortState(143), PortState(55), True, "LACPDUs have stopped"),
        events.VfLinkStateSet(0, DISABLE, "ens5f0", 0.0),
    )
    assert watched.look(pf(DOWN, DISABLE, ENABLE)).events == ()
    assert of_interest(watched.look(pf(UP, DISABLE, ENABLE))) == [
        events.LacpUp("ens5f0", PortState(63), PortState(63)),
        events.VfLinkStateSet(0, AUTO, "ens5f0", 0.0),
    ]
    assert watched.look(pf(UP, AUTO, ENABLE)).events == ()


def test_a_port_state_that_changes_without_the_verdict_is_told_to_who_debugs(watched: Watched) -> None:
    watched.look(pf(DOWN))
    defaulted = BondPort(PortState(79), PortState(0))
    assert watched.look(pf(defaulted)).events == (
        events.PortStateChanged("ens5f0", PortState(79), PortState(0), True),
    )


def test_a_slow_rate_is_warned_of_once_per_up_transition(watched: Watched) -> None:
    warning = events.SlowLacpRate("ens5f0")
    told = [watched.look(pf(port)).events for port in (SLOW, UP, SLOW, DOWN, SLOW, SLOW)]
    assert [warning in each for each in told] == [True, False, False, False, True, False]


def test_a_slow_rate_is_no_warning_while_lacp_is_down(watched: Watched) -> None:
    defaulted = BondPort(PortState(77), PortState(0))
    assert events.SlowLacpRate("ens5f0") not in watched.look(pf(defaulted)).events
    assert events.SlowLacpRate("ens5f0") not in watched.look(pf(SLOW, carrier=False)).events


def test_the_number_of_vfs_is_told_when_it_changes(watched: Watched) -> None:
    counts = (0, 0, 2, 2, 1, 0)
    told = [[each for each in watched.look(pf(UP, *[AUTO] * n)).events if "VFs" in each.msg] for n in counts]
    none, one, two = events.NoVfs("ens5f0"), *(events.VfsDetected("ens5f0", count) for count in (1, 2))
    assert told == [[none], [], [two], [], [one], [none]]


def test_vfs_that_are_listed_are_served_though_the_list_is_incomplete_which_is_told_once(
    watched: Watched,
) -> None:
    cut = replace(pf(DOWN, AUTO, AUTO), vf_count=335)
    decision = watched.look(cut)
    assert len(decision.writes) == 2
    assert events.VfListIncomplete("ens5f0", 335, 2, 2) in decision.events
    assert watched.look(replace(cut, vfs=numbered([DISABLE, DISABLE]))).events == ()


def test_a_list_whose_length_has_wrapped_is_told_of_though_every_vf_is_served(watched: Watched) -> None:
    decision = watched.look(replace(pf(DOWN, AUTO, AUTO), vfs_listed=0))
    assert len(decision.writes) == 2
    assert events.VfListIncomplete("ens5f0", 2, 0, 2) in decision.events


@pytest.mark.parametrize(("count", "listed"), [(336, 2), (335, 1)])
def test_an_incomplete_list_is_told_again_when_it_is_another_one(
    watched: Watched, count: int, listed: int
) -> None:
    watched.look(replace(pf(UP, AUTO, AUTO), vf_count=335))
    decision = watched.look(replace(pf(UP, AUTO, AUTO), vf_count=count, vfs_listed=listed))
    assert events.VfListIncomplete("ens5f0", count, listed, 2) in decision.events


def test_the_vfs_in_disable_are_counted_for_the_status_line(watched: Watched) -> None:
    watched.look(pf(DOWN, DISABLE, ENABLE, DISABLE, AUTO))
    assert watched.memory.disabled == 2


def test_vfs_that_are_left_disabled_are_counted_and_told_once(watched: Watched) -> None:
    out = replace(pf(DOWN, DISABLE, DISABLE), master=None)
    left = events.VfsLeftDisabled("ens5f0", 2, "pf-status-relay restore ens5f0")
    watched.look(pf(DOWN, DISABLE, DISABLE))
    assert watched.memory.left_disabled == 0, "the service sees to them"
    assert left in watched.look(out).events
    assert (watched.memory.disabled, watched.memory.left_disabled) == (2, 2)
    assert watched.look(out).events == ()
    assert watched.look(replace(pf(DOWN, AUTO, DISABLE), master=None)).events == ()
    assert watched.memory.left_disabled == 1
    watched.look(replace(pf(DOWN, AUTO, AUTO), master=None))
    assert watched.look(out).events == (left,), "somebody has disabled them since"
    watched.look(GONE)
    assert watched.memory.left_disabled == 0


def test_an_absent_interface_is_told_once(watched: Watched) -> None:
    assert watched.look(GONE).events == (events.FetchFailed("ens5f0", "Link not found"),)
    assert watched.look(GONE).events == ()
    assert watched.look(GONE).pace is Pace.INTERVAL


def test_a_ready_pf_that_disappears_is_not_ready_and_comes_back_ready(watched: Watched) -> None:
    first = of_interest(watched.look(pf(UP, AUTO)))
    assert watched.look(GONE).events == (
        events.FetchFailed("ens5f0", "Link not found"),
        events.PfNotReady("ens5f0", "Link not found"),
    )
    assert of_interest(watched.look(pf(UP, AUTO))) == first


def test_a_failed_read_is_told_once_and_forgets_nothing(watched: Watched) -> None:
    watched.look(pf(UP, AUTO))
    failed = watched.look(Unreadable("Input/output error"))
    assert failed.events == (events.FetchFailed("ens5f0", "Input/output error"),)
    assert (failed.writes, failed.pace) == ((), Pace.QUICK)
    assert watched.look(Unreadable("Input/output error")).events == ()
    assert watched.look(Unreadable("Interrupted")).events == (events.FetchFailed("ens5f0", "Interrupted"),)
    assert watched.look(pf(UP, AUTO)).events == ()
    assert watched.look(Unreadable("Interrupted")).events == (events.FetchFailed("ens5f0", "Interrupted"),)


@pytest.mark.parametrize(
    ("port", "states", "pace"),
    [
        pytest.param(UP, (AUTO,), Pace.INTERVAL, id="up and settled"),
        pytest.param(DOWN, (DISABLE,), Pace.PORT_STATE, id="recovery is not announced"),
        pytest.param(DOWN, (AUTO,), Pace.QUICK, id="a write is to be seen to work, in an outage, too"),
        pytest.param(None, (DISABLE,), Pace.QUICK, id="no port state to follow"),
        pytest.param(UP, (DISABLE,), Pace.QUICK, id="a write is to be seen to work"),
    ],
)
def test_how_soon_to_look_again(watched: Watched, port: BondPort | None, states: States, pace: Pace) -> None:
    assert watched.look(pf(port, *states)).pace is pace


def test_a_refused_vf_is_told_once_tried_again_after_a_second_and_hinders_no_other(watched: Watched) -> None:
    refusal = events.SettingVfFailed(0, "ens5f0", "Operation not supported", DISABLE)
    first = watched.look(pf(DOWN, AUTO), error="Operation not supported")
    assert refusal in first.events
    assert not any(isinstance(each, events.VfLinkStateSet) for each in first.events)

    other = watched.look(pf(DOWN, AUTO, AUTO), after=0.9)
    assert other.writes == (VirtualFunction(1, DISABLE),)

    again = watched.look(pf(DOWN, AUTO, DISABLE), after=0.1, error="Operation not supported")
    assert again.writes == (VirtualFunction(0, DISABLE),)
    assert again.events == ()

    otherwise = watched.look(pf(DOWN, AUTO, DISABLE), after=2, error="Input/output error")
    assert otherwise.events == (events.SettingVfFailed(0, "ens5f0", "Input/output error", DISABLE),)

    at_last = watched.look(pf(DOWN, AUTO, DISABLE), after=1)
    assert at_last.events == (events.VfLinkStateSet(0, DISABLE, "ens5f0", 0.0),)


def test_a_vf_that_is_held_back_from_is_looked_at_soon_however_long_the_interval(watched: Watched) -> None:
    watched.look(pf(UP, DISABLE), error="Device or resource busy")
    held_back = watched.look(pf(UP, DISABLE))
    assert (held_back.writes, held_back.pace) == ((), Pace.QUICK)


def test_a_refusal_of_one_state_does_not_hold_back_the_other(watched: Watched) -> None:
    watched.look(pf(DOWN, AUTO, AUTO), error="Device or resource busy")
    decision = watched.look(pf(UP, AUTO, DISABLE))
    assert decision.writes == (VirtualFunction(1, AUTO),)


def test_a_vf_that_somebody_sets_back_is_set_again_at_once_each_time(watched: Watched) -> None:
    for _ in range(5):
        assert watched.look(pf(DOWN, AUTO)).writes == (VirtualFunction(0, DISABLE),)
        assert watched.look(pf(DOWN, DISABLE)).writes == ()


def test_a_driver_that_takes_a_state_without_effect_is_told_of_once_and_not_written_to_at_every_look(
    watched: Watched,
) -> None:
    looks = [watched.look(pf(DOWN, AUTO), after=0.1) for _ in range(40)]
    set_ = events.VfLinkStateSet(0, DISABLE, "ens5f0", 0.0)
    error = "the driver took disable without an error, and the VF still is auto"
    failed = events.SettingVfFailed(0, "ens5f0", error, DISABLE)
    told = [each for look in looks[1:] for each in look.events]
    assert told == [set_, failed]
    assert sum(len(look.writes) for look in looks) == pytest.approx(5, abs=1)


def test_a_dry_run_says_once_what_it_would_set(watched: Watched) -> None:
    would = events.VfLinkStateWouldBeSet(0, DISABLE, "ens5f0")
    told = [would in watched.look(pf(DOWN, AUTO), dry_run=True, after=0.7).events for _ in range(5)]
    assert told == [True, False, False, False, False]


def test_a_dry_run_says_it_again_in_the_next_outage(watched: Watched) -> None:
    would = events.VfLinkStateWouldBeSet(0, DISABLE, "ens5f0")
    told = [would in watched.look(pf(port, AUTO), dry_run=True).events for port in (DOWN, UP, DOWN)]
    assert told == [True, False, True]


@pytest.mark.parametrize(
    ("state", "own", "active", "reason"),
    [
        (UP, 1, 1, ""),
        (UP, 1, 2, "it is not in the active aggregator of bond bond0"),
        (UP, 1, None, "it is not in the active aggregator of bond bond0"),
        (UP, None, None, "it is not in the active aggregator of bond bond0"),
        (DOWN, 1, 2, ""),
        (DOWN, None, None, ""),
        (port(7, 15), 1, 2, "it is not in the active aggregator of bond bond0"),
        (port(7, 15), 1, 1, ""),
        (port(79, 0), 1, 2, ""),
    ],
)
def test_one_of_several_ports_counts_while_it_is_in_the_active_aggregator(
    state: BondPort, own: int | None, active: int | None, reason: str
) -> None:
    """Count a port without a partner as down, whatever its aggregator."""
    shared = replace(BOND, port_count=2, active_aggregator=active)
    facts = replace(pf(state, AUTO), master=shared, aggregator=own, multi_port=True)
    assert not_ready_reason(facts) == reason
    assert not_ready_reason(replace(facts, master=BOND)) == ""


def test_a_port_that_hears_again_has_a_while_to_join_the_others(watched: Watched) -> None:
    shared = replace(BOND, port_count=2, active_aggregator=1)
    up = replace(pf(UP, AUTO), master=shared, aggregator=1, multi_port=True)
    elsewhere = replace(up, port=port(7, 15), aggregator=2, vfs=numbered([DISABLE]))
    reason = "it is not in the active aggregator of bond bond0"
    watched.look(up)
    assert watched.look(replace(up, port=DOWN, aggregator=2)).writes == (VirtualFunction(0, DISABLE),)
    joins = watched.look(elsewhere, after=20.0)
    assert (joins.writes, joins.memory.readiness) == ((), Readiness.READY)
    too_soon = watched.look(replace(elsewhere, port=UP), after=1.0)
    assert (too_soon.writes, too_soon.memory.lacp_up) == ((), False)
    assert watched.look(replace(elsewhere, port=UP, aggregator=1), after=1.0).writes == (
        VirtualFunction(0, AUTO),
    )
    watched.look(replace(up, port=DOWN, aggregator=2))
    watched.look(elsewhere, after=1.0)
    assert watched.look(elsewhere, after=9.0).memory.readiness is Readiness.READY
    stays = watched.look(elsewhere, after=1.0)
    assert events.PfNotReady("ens5f0", reason) in stays.events
    assert events.PfNotReady("ens5f0", reason) in Watched().look(elsewhere).events
