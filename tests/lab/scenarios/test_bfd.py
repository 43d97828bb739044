"""BFD over the single-port bonds of PFs, by a real FRR at both ends."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from pf_status_relay.core.events import (
    BfddConnected,
    BfddNotConnected,
    BfdProvesNothing,
    BfdTimedOut,
    BfdUp,
    LacpDown,
)
from tests.lab.kit.frr import SOCKET, TIMED_OUT_S, UP_S, Session, Subscriber
from tests.lab.kit.lab import Lab
from tests.lab.kit.program import Relay, toml
from tests.lab.kit.waiting import LOSS_S, RECOVERY_S

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
    assert told.states_of(session.peer) == [("up", 0), ("down", TIMEOUT), ("up", 0)]


# The relay

NAMES = ("ens5f0", "ens5f1")
CONFIGURATION = f'{toml(NAMES, None)}redundancy_groups = [{json.dumps(NAMES)}]\nbfd_socket = "{SOCKET}"\n'
DISABLED_S = 0.5
"""Until VFs are disabled after the last frame, with 50 ms x 3."""
ASKED_AGAIN_S = 11.0
"""Until the relay notices that a session that is down has been removed: it asks every 5 s."""
TOLD_S = 12.0
"""Until the relay logs that a session proves nothing: it logs one line about each session in 10 s at most."""
WATCHED_S = 5.0
"""How long a scenario looks for what must not happen."""


@pytest.fixture
def sessions(lab: Lab) -> tuple[Session, Session]:
    """Return the BFD sessions of two PFs with a switch each, LACP and BFD up."""
    first, second = (lab.pf_with_lacp(name, vfs=4, wait=False) for name in NAMES)
    first.wait_for_lacp()
    second.wait_for_lacp()
    return lab.bfd(first), lab.bfd(second)


@pytest.fixture
def relay(lab: Lab, sessions: tuple[Session, Session]) -> Relay:
    """Return a relay that knows both sessions as up."""
    relay = lab.relay(config_text=CONFIGURATION)
    for session in sessions:
        relay.wait_for(BfdUp.msg, interface=session.pf.name, peer=session.peer)
    return relay


def writes(sessions: tuple[Session, Session]) -> list[int]:
    """Return how many link states of VFs each PF's driver was asked to set."""
    return [session.pf.driver.writes for session in sessions]


def test_a_dead_switch_has_its_vfs_disabled_before_lacp_is_down(
    lab: Lab, sessions: tuple[Session, Session], relay: Relay
) -> None:
    pf, other = (session.pf for session in sessions)
    pf.cable.silence()
    pf.wait_for_vfs("disable", within=DISABLED_S)
    assert pf.port_state() == (63, 63)
    assert relay.wait_for(LacpDown.msg, interface=pf.name)["cause"] == "bfd session timed out"
    lab.wait_until(lambda: pf.port_state() != (63, 63), within=LOSS_S, what="LACP down")
    lab.sleep(WATCHED_S)
    assert pf.in_state("disable")
    pf.cable.revive()
    pf.wait_for_vfs("auto", within=RECOVERY_S)
    assert pf.port_state() == (63, 63)
    assert other.in_state("auto")
    assert other.driver.writes == 0


def test_vfs_stay_disabled_while_lacp_is_down_though_bfd_is_back(
    lab: Lab, sessions: tuple[Session, Session], relay: Relay
) -> None:
    pf = sessions[0].pf
    pf.cable.block_lacp()
    pf.wait_for_vfs("disable", within=LOSS_S)
    relay.wait_for(BfdUp.msg, within=LOSS_S + UP_S, since=lab.now, interface=pf.name)
    lab.sleep(WATCHED_S)
    assert pf.in_state("disable")
    pf.cable.unblock_lacp()
    pf.wait_for_vfs("auto", within=RECOVERY_S)


@pytest.mark.parametrize("end", ["host", "far"])
def test_a_shutdown_at_either_end_changes_nothing(
    lab: Lab, sessions: tuple[Session, Session], relay: Relay, end: str
) -> None:
    session = sessions[0]
    session.shut_down(end)
    relay.wait_for(BfdProvesNothing.msg, within=TOLD_S, interface=session.pf.name, peer=session.peer)
    lab.sleep(WATCHED_S)
    session.no_shut_down(end)
    session.wait_until_up()
    lab.sleep(WATCHED_S)
    assert writes(sessions) == [0, 0]


def test_a_shutdown_while_it_is_timed_out_leaves_the_pf_to_lacp(
    lab: Lab, sessions: tuple[Session, Session], relay: Relay
) -> None:
    session = sessions[0]
    session.far.freeze()
    session.pf.wait_for_vfs("disable", within=DISABLED_S)
    session.shut_down("host")
    session.pf.wait_for_vfs("auto", within=WATCHED_S)
    session.no_shut_down("host")  # bfdd tells it as down by a timeout once more
    lab.sleep(WATCHED_S)
    assert session.pf.in_state("auto")


def test_removing_a_peer_changes_nothing(lab: Lab, sessions: tuple[Session, Session], relay: Relay) -> None:
    session = sessions[0]
    session.remove("host")
    relay.wait_for(BfdProvesNothing.msg, within=TOLD_S, interface=session.pf.name, peer=session.peer)
    lab.sleep(WATCHED_S)
    assert writes(sessions) == [0, 0]


def test_a_peer_removed_at_the_switch_is_a_timeout_until_it_is_removed_here_too(
    lab: Lab, sessions: tuple[Session, Session], relay: Relay
) -> None:
    session = sessions[0]
    session.remove("far")
    session.pf.wait_for_vfs("disable", within=DISABLED_S)
    lab.sleep(WATCHED_S)
    assert session.pf.in_state("disable")
    session.remove("host")
    session.pf.wait_for_vfs("auto", within=ASKED_AGAIN_S)


@pytest.mark.parametrize("how", ["kill", "stop"])
def test_without_bfdd_and_after_its_restart_lacp_alone_decides(
    lab: Lab, sessions: tuple[Session, Session], relay: Relay, how: str
) -> None:
    session = sessions[0]
    getattr(session.host, how)()
    relay.wait_for(BfddNotConnected.msg, path=SOCKET)
    lab.sleep(WATCHED_S)
    assert writes(sessions) == [0, 0]
    session.pf.cable.block_lacp()
    session.pf.wait_for_vfs("disable", within=LOSS_S)
    session.pf.cable.unblock_lacp()
    session.pf.wait_for_vfs("auto", within=RECOVERY_S)
    session.host.start()
    relay.wait_for(BfddConnected.msg, within=10, since=lab.now)
    session.wait_until_up()
    assert sessions[1].pf.driver.writes == 0
    session.pf.cable.silence()
    session.pf.wait_for_vfs("disable", within=DISABLED_S)


def test_when_bfdd_ends_a_timeout_counts_no_longer(
    lab: Lab, sessions: tuple[Session, Session], relay: Relay
) -> None:
    session = sessions[0]
    session.far.freeze()
    session.pf.wait_for_vfs("disable", within=DISABLED_S)
    lab.sleep(WATCHED_S)
    assert session.pf.in_state("disable")
    session.host.kill()
    session.pf.wait_for_vfs("auto", within=WATCHED_S)


def test_a_session_that_has_never_been_up_changes_nothing(
    lab: Lab, sessions: tuple[Session, Session]
) -> None:
    for session in sessions:
        session.far.stop()
    sessions[0].host.restart()
    relay = lab.relay(config_text=CONFIGURATION)
    for session in sessions:
        relay.wait_for(BfdProvesNothing.msg, within=TOLD_S, interface=session.pf.name, peer=session.peer)
    lab.sleep(WATCHED_S)
    assert writes(sessions) == [0, 0]
    sessions[0].pf.cable.block_lacp()
    sessions[0].pf.wait_for_vfs("disable", within=LOSS_S)


def test_a_frozen_bfdd_is_not_taken_for_dead_switches(
    lab: Lab, sessions: tuple[Session, Session], relay: Relay
) -> None:
    host = sessions[0].host
    host.freeze()
    lab.sleep(0.3)
    host.thaw()
    for session in sessions:
        relay.wait_for(BfdProvesNothing.msg, within=TOLD_S, interface=session.pf.name, peer=session.peer)
    for session in sessions:
        session.wait_until_up()
    lab.sleep(WATCHED_S)
    assert writes(sessions) == [0, 0]
    assert not relay.events(BfdTimedOut.msg)


def test_both_switches_dead_at_once_are_left_to_lacp(
    lab: Lab, sessions: tuple[Session, Session], relay: Relay
) -> None:
    for session in sessions:
        session.pf.cable.silence()
    for session in sessions:
        relay.wait_for(BfdProvesNothing.msg, within=TOLD_S, interface=session.pf.name, peer=session.peer)
    for session in sessions:
        relay.wait_for(LacpDown.msg, within=LOSS_S, interface=session.pf.name)
    lab.sleep(WATCHED_S)
    assert sorted("".join(set(session.pf.vf_states())) for session in sessions) == ["auto", "disable"]


def test_of_22_downs_that_bfdd_reports_for_20_stops_the_relay_acts_on_20(
    lab: Lab, sessions: tuple[Session, Session]
) -> None:
    session, vfs = sessions[0], len(sessions[0].pf.vf_states())
    session.far.stop()
    session.host.restart()
    with closing(Subscriber(session.host)) as here:
        lab.relay(config_text=CONFIGURATION).wait_for(BfddConnected.msg)
        session.far.start()
        with closing(Subscriber(session.far)) as there:
            for _ in range(20):
                session.wait_until_up()
                session.pf.wait_for_vfs("auto", within=WATCHED_S)
                session.far.stop()
                session.pf.wait_for_vfs("disable", within=DISABLED_S)
                session.far.start()
            session.pf.wait_for_vfs("auto", within=WATCHED_S)
    # bfdd tells a new subscriber of a session that is not up yet that it is down: once at either end.
    assert here.states_of(session.peer) == [("down", 0), *[("up", 0), ("down", TIMEOUT)] * 20, ("up", 0)]
    assert there.states_of(session.address) == [("down", 0), ("up", 0)]
    assert writes(sessions) == [20 * 2 * vfs, 0]


@pytest.mark.systemd
def test_the_service_in_its_sandbox_hears_frr_and_relays_on_without_it(
    lab: Lab, sessions: tuple[Session, Session]
) -> None:
    pf = sessions[0].pf
    lab.write_config(CONFIGURATION)
    lab.systemctl("start", "pf-status-relay")
    lab.wait_until(lambda: len(lab.journal(event=BfdUp)) == 2, within=5, what="both sessions told")
    checked = lab.call("check").stdout
    assert f"bfd: bfdd answers at {SOCKET}" in checked
    assert f"{pf.name}: BFD session with {sessions[0].peer} is up" in checked
    pf.cable.silence()
    pf.wait_for_vfs("disable", within=DISABLED_S)
    assert pf.port_state() == (63, 63)
    shown = lab.call("status").stdout
    assert "LACP is down: bfd session timed out" in shown
    assert f"BFD session with {sessions[0].peer}: timed out; the PF counts as down" in shown
    pf.cable.revive()
    pf.wait_for_vfs("auto", within=RECOVERY_S)
    assert "bfd session timed out" in lab.call("history").stdout
    sessions[0].host.stop()
    shutil.rmtree(Path(SOCKET).parent)  # as if FRR were removed
    lab.systemctl("restart", "pf-status-relay")
    lab.wait_until(lambda: lab.journal(event=BfddNotConnected)[1:], within=5, what="told that bfdd is gone")
    checked = lab.call("check").stdout
    assert f"bfd: {SOCKET}: No such file or directory; LACP alone decides" in checked
    pf.cable.block_lacp()
    pf.wait_for_vfs("disable", within=LOSS_S)
