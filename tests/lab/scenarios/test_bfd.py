"""BFD over the single-port bonds of PFs, by a real FRR at both ends."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab.kit.frr import TIMED_OUT_S, UP_S, Session, Subscriber
from tests.lab.kit.lab import Lab
from tests.lab.kit.waiting import LOSS_S

TIMEOUT, SIGNALLED, PATH_DOWN = 1, 3, 5
"""Diagnostics (RFC 5880, 4.1)."""


@pytest.fixture
def session(lab: Lab) -> Session:
    """Return a session over the bond of a PF, LACP and BFD up."""
    return lab.bfd(lab.pf_with_lacp("ens5f0", vfs=4))


@pytest.fixture
def told(session: Session) -> Iterator[Subscriber]:
    """Return a subscriber that knows the session as up."""
    subscriber = Subscriber(session.host)
    subscriber.wait_for(session.peer, "up", within=1)
    yield subscriber
    subscriber.close()


def test_a_dead_switch_times_bfd_out_before_lacp_is_down(
    lab: Lab, session: Session, told: Subscriber
) -> None:
    pf, died = session.pf, lab.now
    pf.cable.silence()
    down = told.wait_for(session.peer, "down", within=TIMED_OUT_S, since=died)
    assert (down.interface, down.diagnostics) == (pf.bond.name, TIMEOUT)
    assert pf.port_state() == (63, 63)
    lab.wait_until(lambda: pf.port_state() != (63, 63), within=LOSS_S, what="LACP down")
    assert lab.now - died > 1
    pf.cable.revive()
    told.wait_for(session.peer, "up", within=UP_S, since=lab.now)


def test_a_shutdown_at_either_end_is_no_timeout(lab: Lab, session: Session, told: Subscriber) -> None:
    before = lab.now
    session.shut_down("far")
    assert told.wait_for(session.peer, "down", within=TIMED_OUT_S, since=before).diagnostics == SIGNALLED
    session.no_shut_down("far")
    told.wait_for(session.peer, "up", within=UP_S, since=before)
    before = lab.now
    session.shut_down("host")
    told.wait_for(session.peer, "adm-down", within=TIMED_OUT_S, since=before)


def test_after_a_shutdown_a_down_is_told_with_the_reason_of_an_earlier_one(
    lab: Lab, session: Session, told: Subscriber
) -> None:
    session.far.freeze()
    told.wait_for(session.peer, "down", within=TIMED_OUT_S)
    session.shut_down("host")
    told.wait_for(session.peer, "adm-down", within=1)
    before = lab.now
    session.no_shut_down("host")
    assert told.wait_for(session.peer, "down", within=1, since=before).diagnostics == TIMEOUT


def test_removing_a_peer_is_told_only_of_one_that_is_up(lab: Lab, session: Session, told: Subscriber) -> None:
    before = lab.now
    session.remove("host")
    assert told.wait_for(session.peer, "down", within=TIMED_OUT_S, since=before).diagnostics == PATH_DOWN
    session.host.add_peer(session.peer, session.pf.bond.name)
    told.wait_for(session.peer, "up", within=UP_S, since=before)
    session.far.freeze()
    told.wait_for(session.peer, "down", within=TIMED_OUT_S, since=lab.now)
    count = len(told.changes)
    session.remove("host")
    lab.sleep(1)
    assert len(told.changes) == count
    told.subscribe()
    lab.sleep(1)
    assert len(told.changes) == count, "the answer to a second request does not name it"


@pytest.mark.parametrize("end", ["host", "far"])
def test_a_frozen_bfdd_times_out_at_both_ends(lab: Lab, session: Session, told: Subscriber, end: str) -> None:
    frozen = {"host": session.host, "far": session.far}[end]
    before = lab.now
    frozen.freeze()
    lab.sleep(0.3)
    frozen.thaw()
    thawed = lab.now
    down = told.wait_for(session.peer, "down", within=TIMED_OUT_S, since=before)
    assert down.diagnostics == TIMEOUT
    assert told.wait_for(session.peer, "up", within=UP_S, since=before).at - thawed < 0.1


def test_bfd_comes_back_by_itself_when_only_lacpdus_are_lost(
    lab: Lab, session: Session, told: Subscriber
) -> None:
    session.pf.cable.block_lacp()
    lab.wait_until(lambda: session.pf.port_state() != (63, 63), within=LOSS_S, what="LACP down")
    lab.sleep(10)
    assert session.pf.port_state() != (63, 63)
    states = [(change.state, change.diagnostics) for change in told.changes]
    assert states == [("up", 0), ("down", TIMEOUT), ("up", 0)]
