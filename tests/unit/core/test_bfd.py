"""What a BFD session says about the path, from bfdd's messages; the law is at the top of core/bfd.py."""

from __future__ import annotations

import pytest

from pf_status_relay.core import bfd
from pf_status_relay.core.bfd import Diagnostic, Peer, Session, Standing, State, Told

PEER = Peer("bond0", "192.0.2.2")
TIMEOUT = Diagnostic.DETECTION_TIMEOUT
Step = tuple[State, int]
UP: Step = (State.UP, 0)
DOWN: Step = (State.DOWN, 0)
TIMED_OUT: Step = (State.DOWN, TIMEOUT)
SIGNALLED: Step = (State.DOWN, Diagnostic.SIGNALLED_BY_NEIGHBOUR)
OFF: Step = (State.ADMIN_DOWN, TIMEOUT)


def after(*steps: Step, number: int = 7) -> Session:
    session: Session | None = None
    for now, (state, diagnostic) in enumerate(steps):
        session = bfd.heard(session, Told(PEER, state, number, diagnostic), float(now))
    assert session is not None
    return session


@pytest.mark.parametrize(
    ("steps", "standing", "reason"),
    [
        ([DOWN], Standing.NEVER_UP, ""),
        ([TIMED_OUT], Standing.NEVER_UP, ""),
        ([UP], Standing.UP, ""),
        ([DOWN, UP], Standing.UP, ""),
        ([UP, TIMED_OUT], Standing.TIMED_OUT, ""),
        ([UP, TIMED_OUT, (State.INIT, TIMEOUT)], Standing.TIMED_OUT, ""),
        ([UP, TIMED_OUT, UP], Standing.UP, ""),
        ([UP, SIGNALLED], Standing.ENDED, "it went down: signalled by neighbour"),
        ([UP, SIGNALLED, TIMED_OUT], Standing.ENDED, "it went down: signalled by neighbour"),
        ([UP, (State.DOWN, 31)], Standing.ENDED, "it went down: diagnostic 31"),
        ([UP, (State.DOWN, -1)], Standing.ENDED, "it went down: diagnostic -1"),
        ([UP, (State.INIT, 0)], Standing.ENDED, "it went down: none"),
        # The local end was shut down and came back: bfdd still reports the old diagnostic (FRR 8.4.4).
        ([UP, OFF], Standing.ENDED, "it is administratively down"),
        ([UP, TIMED_OUT, OFF], Standing.ENDED, "it is administratively down"),
        ([UP, TIMED_OUT, OFF, TIMED_OUT], Standing.ENDED, "it is administratively down"),
        ([UP, OFF, TIMED_OUT, UP, TIMED_OUT], Standing.TIMED_OUT, ""),
    ],
)
def test_only_a_timeout_of_a_session_that_was_up_counts(
    steps: list[Step], standing: Standing, reason: str
) -> None:
    session = after(*steps)
    assert (session.standing, session.reason) == (standing, reason)
    assert bfd.timed_out((session,), 99.0) is (standing is Standing.TIMED_OUT)


def test_a_timeout_counts_once_it_has_lasted() -> None:
    sessions = (of(Standing.TIMED_OUT, 5.0), of(Standing.UP, 1.0))
    assert not bfd.timed_out(sessions, 5.0)
    assert bfd.held_for_s(sessions, 5.0) == pytest.approx(bfd.HOLD_S)
    assert bfd.timed_out(sessions, 5.1)
    assert bfd.held_for_s(sessions, 5.1) is None
    assert bfd.held_for_s((of(Standing.UP, 5.0), of(Standing.ENDED, 5.0)), 5.0) is None


def test_a_session_that_was_made_again_has_not_been_up() -> None:
    again = bfd.heard(after(UP), Told(PEER, State.DOWN, 8, TIMEOUT), 9.0)
    assert again == Session(PEER, 8, Standing.NEVER_UP, 9.0)


def test_since_is_when_it_became_so() -> None:
    assert after(UP, UP, UP).since == 0.0
    assert after(UP, TIMED_OUT, TIMED_OUT).since == 1.0


@pytest.mark.parametrize("standing", [Standing.IGNORED, Standing.TIMED_OUT])
def test_what_a_session_was_taken_for_stays_while_it_is_down(standing: Standing) -> None:
    before = Session(PEER, 7, standing, 1.0)
    assert bfd.heard(before, Told(PEER, State.DOWN, 7, TIMEOUT), 2.0) == before


def test_what_was_unknown_has_not_been_up() -> None:
    before = Session(PEER, 7, Standing.UNKNOWN, 1.0)
    after = bfd.heard(before, Told(PEER, State.DOWN, 7, TIMEOUT), 2.0)
    assert after == Session(PEER, 7, Standing.NEVER_UP, 2.0)


def of(standing: Standing, since: float = 0.0) -> Session:
    return Session(PEER, 7, standing, since)


OUT, ALIVE, NEVER = Standing.TIMED_OUT, Standing.UP, Standing.NEVER_UP


@pytest.mark.parametrize(
    ("group", "common"),
    [
        ([((of(OUT, 1.0),), True), ((of(OUT, 1.9),), True)], True),
        ([((of(OUT, 1.0),), True), ((of(OUT, 2.1),), True)], False),
        ([((of(OUT, 1.0),), True), ((of(OUT, 1.0),), False)], False),
        ([((of(OUT, 1.0),), True), ((of(ALIVE),), True)], False),
        ([((of(OUT, 1.0),), True)], False),
        ([((of(OUT, 1.0),), True), ((), True)], False),
        ([((of(OUT, 1.0),), True), ((of(NEVER),), True)], False),
        # A third PF, which BFD does not watch, does not count.
        ([((of(OUT, 1.0),), True), ((of(OUT, 1.0),), True), ((), True)], True),
        ([((of(OUT, 1.0),), True), ((of(OUT, 1.0),), True), ((of(NEVER),), False)], True),
        # With several sessions on a PF, it counts as down since the first timeout.
        ([((of(OUT, 1.0), of(OUT, 9.0)), True), ((of(OUT, 9.0),), True)], False),
        ([], False),
    ],
)
def test_timeouts_of_all_at_once(group: list[tuple[tuple[Session, ...], bool]], common: bool) -> None:
    assert bfd.is_common(group) is common
