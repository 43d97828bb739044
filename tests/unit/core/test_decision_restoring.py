"""When VFs go back to auto: at once, after a delay, or because the service is stopped."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pf_status_relay.core import events
from pf_status_relay.core.decision import Pace, Policy, to_restore
from pf_status_relay.core.facts import Absent, Facts, Unreadable, VfLinkState, VirtualFunction
from tests.support.facts import DOWN, UP, Watched, pf

AUTO, ENABLE, DISABLE = VfLinkState
BACK = (VirtualFunction(0, AUTO),)


@pytest.fixture
def watched() -> Watched:
    return Watched(Policy(restore_delay_s=5.0))


def test_vfs_stay_disabled_until_lacp_has_been_up_for_the_delay(watched: Watched) -> None:
    assert watched.look(pf(DOWN, AUTO)).writes == (VirtualFunction(0, DISABLE),)
    first = watched.look(pf(UP, DISABLE), after=1)
    assert (first.writes, first.again_in_s) == ((), 5.0)
    assert events.RestoreDelayed("ens5f0", 5000) in first.events
    almost = watched.look(pf(UP, DISABLE), after=4.75)
    assert (almost.writes, almost.again_in_s, almost.events) == ((), 0.25, ())
    assert almost.pace is Pace.INTERVAL, "there is nothing to see until then"
    at_last = watched.look(pf(UP, DISABLE), after=0.25)
    assert (at_last.writes, at_last.again_in_s) == (BACK, None)


def test_a_flap_begins_the_delay_anew(watched: Watched) -> None:
    watched.look(pf(DOWN, DISABLE))
    watched.look(pf(UP, DISABLE))
    watched.look(pf(DOWN, DISABLE), after=4)
    again = watched.look(pf(UP, DISABLE), after=1)
    assert (again.writes, again.again_in_s) == ((), 5.0)
    assert events.RestoreDelayed("ens5f0", 5000) in again.events
    assert watched.look(pf(UP, DISABLE), after=5).writes == BACK


def test_down_is_never_delayed_and_takes_back_what_was_set_to_auto_meanwhile(watched: Watched) -> None:
    watched.look(pf(DOWN, AUTO))
    waiting = watched.look(pf(UP, AUTO, DISABLE))
    assert waiting.writes == ()
    assert watched.look(pf(DOWN, AUTO, DISABLE)).writes == (VirtualFunction(0, DISABLE),)


def test_a_start_waits_as_well_because_nobody_knows_for_how_long_lacp_has_been_up(watched: Watched) -> None:
    assert watched.look(pf(UP, DISABLE)).again_in_s == 5.0
    assert watched.look(pf(UP, DISABLE), after=5).writes == BACK


def test_nothing_is_said_of_a_delay_that_keeps_no_vf(watched: Watched) -> None:
    decision = watched.look(pf(UP, AUTO, ENABLE))
    assert decision.again_in_s is None
    assert not any(isinstance(each, events.RestoreDelayed) for each in decision.events)


def test_one_failed_read_does_not_begin_the_delay_anew(watched: Watched) -> None:
    watched.look(pf(UP, DISABLE))
    watched.look(Unreadable("busy"), after=2)
    assert watched.look(pf(UP, DISABLE), after=3).writes == BACK


def test_leaving_the_bond_begins_the_delay_anew(watched: Watched) -> None:
    watched.look(pf(UP, DISABLE))
    watched.look(replace(pf(UP, DISABLE), master=None), after=4)
    assert watched.look(pf(UP, DISABLE), after=1).again_in_s == 5.0


@pytest.mark.parametrize(
    ("facts", "restored"),
    [
        pytest.param(pf(DOWN, DISABLE, ENABLE, AUTO, DISABLE), (0, 3), id="LACP down"),
        pytest.param(pf(UP, DISABLE), (0,), id="LACP up"),
        pytest.param(pf(DOWN, AUTO, ENABLE), (), id="none is disabled"),
        pytest.param(replace(pf(DOWN, DISABLE), master=None), (0,), id="in no bond any more"),
        pytest.param(Absent("Link not found"), (), id="absent"),
        pytest.param(Unreadable("busy"), (), id="unreadable"),
    ],
)
def test_a_stop_restores_the_disabled_vfs_of_a_pf(facts: Facts, restored: tuple[int, ...]) -> None:
    assert to_restore(facts) == tuple(VirtualFunction(number, AUTO) for number in restored)
