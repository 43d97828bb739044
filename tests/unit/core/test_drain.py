"""Drains: what they do to VFs, and what is logged about them."""

from __future__ import annotations

from pf_status_relay.core import events
from pf_status_relay.core.decision import Memory, Policy, decide
from pf_status_relay.core.drain import Drain
from pf_status_relay.core.events import PfDrained, PfUndrained
from pf_status_relay.core.facts import Facts, VirtualFunction
from tests.support.facts import AUTO, DISABLE, DOWN, ENABLE, GONE, UP, pf

ALICE = Drain("ens5f0", "alice", "firmware", "2030-01-01T10:00:00Z", "2030-01-01T12:00:00Z")
BOB = Drain("ens5f0", "bob", "cabling")


class Drained:
    """One interface with repeated looks, and the drains of each look."""

    def __init__(self, policy: Policy | None = None) -> None:
        self.policy = policy or Policy()
        self.memory = Memory("ens5f0")
        self.now = 100.0

    def look(self, facts: Facts, *drains: Drain) -> tuple[list[events.Event], tuple[VirtualFunction, ...]]:
        """Look a second later; return the events about drains and LACP, and the writes."""
        self.now += 1
        decision = decide(self.memory, facts, self.now, self.policy, drains)
        self.memory = decision.memory
        kinds = (PfDrained, PfUndrained, events.LacpUp, events.LacpDown, events.RestoreDelayed)
        return [event for event in decision.events if isinstance(event, kinds)], decision.writes


def test_a_drained_pf_is_disabled_although_lacp_is_and_stays_up() -> None:
    watched = Drained()
    watched.look(pf(UP, AUTO, ENABLE))
    told, writes = watched.look(pf(UP, AUTO, ENABLE), ALICE)
    assert told == [PfDrained("ens5f0", "alice", "firmware", "2030-01-01T12:00:00Z", 1)]
    assert writes == (VirtualFunction(0, DISABLE),)
    assert watched.memory.lacp_up is True
    assert watched.look(pf(UP, DISABLE, ENABLE), ALICE) == ([], ())
    told, writes = watched.look(pf(UP, DISABLE, ENABLE))
    assert told == [PfUndrained("ens5f0", "alice", "firmware")]
    assert writes == (VirtualFunction(0, AUTO),)


def test_a_pf_is_drained_until_the_last_owner_ends_it() -> None:
    watched = Drained()
    watched.look(pf(UP, AUTO), ALICE)
    told, _ = watched.look(pf(UP, DISABLE), ALICE, BOB)
    assert told == [PfDrained("ens5f0", "alice, bob", "firmware; cabling", "", 0)], "one has no end"
    told, writes = watched.look(pf(UP, DISABLE), BOB)
    assert told == [PfDrained("ens5f0", "bob", "cabling", "", 0)]
    assert writes == ()
    told, writes = watched.look(pf(UP, DISABLE))
    assert told == [PfUndrained("ens5f0", "bob", "cabling")]
    assert writes == (VirtualFunction(0, AUTO),)


def test_lacp_that_goes_during_a_drain_is_told_and_outlives_it() -> None:
    watched = Drained()
    watched.look(pf(UP, AUTO), ALICE)
    assert [type(event) for event in watched.look(pf(DOWN, DISABLE), ALICE)[0]] == [events.LacpDown]
    told, writes = watched.look(pf(DOWN, DISABLE))
    assert told == [PfUndrained("ens5f0", "alice", "firmware")]
    assert writes == ()


def test_undraining_does_not_wait_the_restore_delay_again() -> None:
    watched = Drained(Policy(restore_delay_s=2.0))
    watched.look(pf(UP, AUTO))
    watched.look(pf(UP, AUTO), ALICE)
    watched.look(pf(UP, DISABLE), ALICE)
    told, writes = watched.look(pf(UP, DISABLE))
    assert told == [PfUndrained("ens5f0", "alice", "firmware")]
    assert writes == (VirtualFunction(0, AUTO),)


def test_but_it_waits_for_the_rest_of_a_delay_that_goes_on() -> None:
    watched = Drained(Policy(restore_delay_s=10.0))
    watched.look(pf(DOWN, DISABLE), ALICE)
    assert [type(event) for event in watched.look(pf(UP, DISABLE), ALICE)[0]] == [events.LacpUp]
    told, writes = watched.look(pf(UP, DISABLE))
    assert told == [PfUndrained("ens5f0", "alice", "firmware"), events.RestoreDelayed("ens5f0", 9000)]
    assert writes == ()


def test_what_is_not_ready_is_not_drained_and_is_once_it_is_ready() -> None:
    watched = Drained()
    assert watched.look(GONE, BOB) == ([], ())
    told, writes = watched.look(pf(UP, AUTO), BOB)
    assert told[-1] == PfDrained("ens5f0", "bob", "cabling", "", 0)
    assert writes == (VirtualFunction(0, DISABLE),)
