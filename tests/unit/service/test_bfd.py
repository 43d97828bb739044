"""The connection to bfdd, and the sessions known from it; bfdd is a stand-in at a real socket."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from pf_status_relay.core.bfd import Peer, Session, Standing
from pf_status_relay.core.events import BfddConnected, BfddNotConnected
from pf_status_relay.service import bfd
from pf_status_relay.service.bfd import ASK_S, CONNECT_S, Bfd
from tests.support.bfdd import OK, REQUEST, Bfdd, message, status


class Clock:
    """A clock that only a test moves."""

    now = 100.0

    def __call__(self) -> float:
        """Return monotonic seconds."""
        return self.now


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "bfdd.sock"


@pytest.fixture
def bfdd(path: Path) -> Iterator[Bfdd]:
    with Bfdd(path) as bfdd:
        yield bfdd


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def known(path: Path, clock: Clock) -> Iterator[Bfd]:
    known = Bfd(str(path), clock)
    yield known
    known.close()


def standings(known: Bfd, bond: str = "bond0") -> list[Standing]:
    return [each.standing for each in known.of(bond)]


def test_it_asks_once_in_one_message_and_says_so_when_it_is_answered(bfdd: Bfdd, known: Bfd) -> None:
    assert known.due() == 0.0
    assert known.look() == []
    bfdd.accept()
    assert bfdd.requested() == REQUEST
    assert known.due() == float("inf"), "bfdd may be silent for as long as it likes"
    bfdd.send(OK, status("bond0", "up"), status("bond1", "down"))
    assert known.look() == [BfddConnected(str(known.path))]
    assert known.of("bond0") == (Session(Peer("bond0", "192.0.2.2"), 7, Standing.UP, 100.0),)
    assert standings(known, "bond1") == [Standing.NEVER_UP]
    assert known.of("bond2") == ()
    assert known.look() == []


def test_a_bfdd_that_is_absent_is_logged_once_and_tried_every_five_seconds(
    path: Path, clock: Clock, known: Bfd
) -> None:
    assert known.look() == [BfddNotConnected(str(path), "No such file or directory")]
    assert known.due() == clock.now + CONNECT_S
    assert known.look() == []
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as closed:
        closed.bind(str(path))
        clock.now += CONNECT_S
        assert known.look() == [BfddNotConnected(str(path), "Connection refused")]
    path.unlink()
    with Bfdd(path) as bfdd:
        clock.now += CONNECT_S
        known.look()
        bfdd.accept()
        bfdd.send(OK)
        assert known.look() == [BfddConnected(str(path))]


def test_a_bfdd_that_takes_no_connection_is_not_waited_for(path: Path, known: Bfd, clock: Clock) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as full:
        full.bind(str(path))
        full.listen(0)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as first:
            first.connect(str(path))
            told = known.look()
    assert told == [BfddNotConnected(str(path), "Resource temporarily unavailable")]
    assert known.due() == clock.now + CONNECT_S


@pytest.mark.parametrize("ends", ["closed", "garbage"])
def test_sessions_are_unknown_once_bfdd_is_gone(bfdd: Bfdd, known: Bfd, clock: Clock, ends: str) -> None:
    known.look()
    bfdd.accept()
    bfdd.requested()
    bfdd.send(OK, status("bond0", "up"), status("bond1", "down"))
    known.look()
    if ends == "closed":
        bfdd.close()
    else:
        bfdd.send(message(b"\x1b]0;evil"))
    (told,) = known.look()
    assert isinstance(told, BfddNotConnected)
    assert told.error == (
        "bfdd has closed the connection"
        if ends == "closed"
        else "bfdd is not understood: no JSON object: \\x1b]0;evil"
    )
    assert standings(known) == [Standing.UNKNOWN]
    assert known.sources() == []
    clock.now += CONNECT_S
    known.look()
    bfdd.accept()
    bfdd.send(OK, status("bond0", "down", 1))
    known.look()
    assert standings(known) == [Standing.NEVER_UP]
    assert standings(known, "bond1") == [Standing.UNKNOWN]
    clock.now += ASK_S
    known.look()
    assert standings(known, "bond1") == [], "FRR does not tell of it any more"


def test_it_asks_again_while_a_session_is_down_by_a_timeout_and_forgets_what_is_not_told(
    bfdd: Bfdd, known: Bfd, clock: Clock
) -> None:
    known.look()
    bfdd.accept()
    bfdd.requested()
    bfdd.send(OK, status("bond0", "up"), status("bond1", "up"))
    known.look()
    assert known.due() == float("inf")
    clock.now += 60
    bfdd.send(status("bond0", "down", 1))
    known.look()
    assert standings(known) == [Standing.TIMED_OUT]
    assert bfdd.requested() == REQUEST
    assert known.due() == float("inf"), "what was asked is to be answered first"
    bfdd.send(OK, status("bond1", "up"), status("bond0", "down", 1))
    known.look()
    assert known.due() == clock.now + ASK_S
    clock.now += ASK_S
    known.look()
    assert bfdd.requested() == REQUEST
    assert standings(known) == [Standing.TIMED_OUT]
    bfdd.send(OK, status("bond1", "up"))
    known.look()
    clock.now += ASK_S
    known.look()
    assert (standings(known), standings(known, "bond1")) == ([], [Standing.UP])
    assert known.due() == float("inf")


def test_what_is_ignored_stays_so_until_the_session_is_up(bfdd: Bfdd, known: Bfd) -> None:
    known.look()
    bfdd.accept()
    bfdd.send(OK, status("bond0", "up"), status("bond0", "down", 1), status("bond1", "up"))
    known.look()
    known.ignore(["bond0", "bond1"])
    assert (standings(known), standings(known, "bond1")) == ([Standing.IGNORED], [Standing.UP])
    bfdd.send(status("bond0", "down", 1))
    known.look()
    assert standings(known) == [Standing.IGNORED]
    bfdd.send(status("bond0", "up"))
    known.look()
    assert standings(known) == [Standing.UP]


def test_a_process_that_tells_of_too_many_sessions_is_not_bfdd(
    bfdd: Bfdd, known: Bfd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bfd, "MAX_SESSIONS", 3)
    known.look()
    bfdd.accept()
    bfdd.send(OK, *(status(f"bond{number}", "up") for number in range(4)))
    assert known.look() == [
        BfddConnected(str(known.path)),
        BfddNotConnected(str(known.path), "bfdd is not understood: it has too many sessions"),
    ]


def test_without_a_path_nothing_is_done(clock: Clock) -> None:
    known = Bfd(None, clock)
    assert (known.due(), known.sources(), known.look(), known.of("bond0")) == (float("inf"), [], [], ())
