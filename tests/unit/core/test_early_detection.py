"""Early detection: silence on a port that reads as up, as opposed to a partner that is only late."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pf_status_relay.core import events
from pf_status_relay.core.decision import Memory, Pace, Policy, decide
from pf_status_relay.core.events import Event
from pf_status_relay.core.facts import BondPort, Master, PhysicalFunction, VfLinkState, VirtualFunction
from pf_status_relay.core.lacp import PortState

BOND = Master(ifindex=7, name="bond0", kind="bond", bond_mode=4, port_count=1)
VF = VirtualFunction(0, VfLinkState.AUTO)
UP = PhysicalFunction(5, True, BOND, BondPort(PortState(63), PortState(63)), 1, 1, (VF,), lacpdus_received=9)
PATIENCE = Policy(early_detection_s=2.5)
DOWN = replace(UP, port=BondPort(PortState(143), PortState(55)))


class Listener:
    """One PF with early detection at 2500 ms; a test says when to look."""

    def __init__(self, policy: Policy = PATIENCE) -> None:
        self.memory = Memory("ens5f0")
        self.policy = policy
        self.logged: list[Event] = []
        self.pace = Pace.INTERVAL
        self.writes: tuple[VirtualFunction, ...] = ()

    def look(self, now: float, received: int | None, pf: PhysicalFunction = UP) -> list[str]:
        """Look at a time in seconds, with a count of received LACPDUs; return what was logged about LACP."""
        decision = decide(self.memory, replace(pf, lacpdus_received=received), now, self.policy)
        self.memory, self.pace, self.writes = decision.memory, decision.pace, decision.writes
        self.logged += decision.events
        told = [event.msg for event in decision.events]
        return [msg for msg in told if "lacp is" in msg or "early" in msg]


def test_silence_beyond_the_limit_is_down_and_the_next_lacpdu_is_up_again() -> None:
    listener = Listener()
    assert listener.look(10.0, 1) == ["lacp is up"]
    assert listener.look(11.0, 2) == []
    assert listener.look(13.4, 2) == []
    assert listener.look(13.5, 2) == ["lacp is late", "lacp is down"]
    assert events.LacpLate("ens5f0", silent_ms=2500) in listener.logged
    assert listener.writes == (VirtualFunction(0, VfLinkState.DISABLE),)
    assert listener.look(13.6, 2) == []
    assert listener.look(13.7, 3) == ["lacp is up"]


def test_the_port_state_that_follows_the_silence_is_no_second_outage() -> None:
    listener = Listener()
    listener.look(10.0, 1)
    assert listener.look(12.5, 1) == ["lacp is late", "lacp is down"]
    assert listener.look(13.0, 1, DOWN) == []
    assert listener.look(60.0, 9, DOWN) == ["lacp is still down"], "for a cause that others can see, too"
    assert listener.look(60.1, 9) == ["lacp is up"]


def test_the_silence_before_a_port_came_up_does_not_count() -> None:
    listener = Listener()
    listener.look(10.0, 1, DOWN)
    listener.look(99.0, 1, DOWN)
    assert listener.look(99.1, 1) == ["lacp is up"]
    assert listener.look(101.4, 1) == []
    assert listener.look(101.5, 1) == ["lacp is late", "lacp is down"]


def test_the_silence_while_nobody_looked_does_not_count_if_lacpdus_came() -> None:
    listener = Listener()
    listener.look(10.0, 1)
    assert listener.look(70.0, 50) == []


@pytest.mark.parametrize(
    ("actor", "partner", "received", "why"),
    [
        (61, 63, 1, "the LACP rate is slow"),
        (63, 61, 1, "the LACP rate is slow"),
        (63, 63, None, "the kernel does not count the LACPDUs of this bond port"),
    ],
)
def test_where_silence_means_nothing_early_detection_is_refused_once_and_nobody_is_cut_off(
    actor: int, partner: int, received: int | None, why: str
) -> None:
    listener = Listener()
    port = replace(UP, port=BondPort(PortState(actor), PortState(partner)))
    for now in (10.0, 20.0, 90.0):
        listener.look(now, received, port)
        assert listener.writes == ()
    refusals = [event for event in listener.logged if isinstance(event, events.EarlyDetectionRefused)]
    assert refusals == [events.EarlyDetectionRefused("ens5f0", why)]
    assert listener.pace is Pace.INTERVAL


def test_a_partner_that_becomes_fast_is_listened_to() -> None:
    listener = Listener()
    slow = replace(UP, port=BondPort(PortState(63), PortState(61)))
    listener.look(10.0, 1, slow)
    assert listener.look(50.0, 1) == []
    assert listener.look(52.4, 1) == []
    assert listener.look(52.5, 1) == ["lacp is late", "lacp is down"]


def test_listening_takes_looks_ten_times_a_second() -> None:
    listener = Listener()
    listener.look(10.0, 1)
    assert listener.pace is Pace.QUICK


def test_without_the_option_silence_is_not_looked_for() -> None:
    listener = Listener(Policy())
    listener.look(10.0, None)
    assert listener.look(99.0, None) == []
    assert listener.pace is Pace.INTERVAL
