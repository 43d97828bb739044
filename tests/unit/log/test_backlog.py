"""The backlog of the log: it keeps the order, does not wait, and counts what is missing."""

from __future__ import annotations

import errno
import threading
from collections.abc import Iterator
from datetime import datetime, timezone

import pytest

from pf_status_relay.core.events import Event, LogEventsLost, PfReady
from pf_status_relay.log import backlog
from pf_status_relay.log.backlog import Backlog


class Reader:
    """The reader of the log: it can hang, and raises each of `errors` once."""

    def __init__(self) -> None:
        self.read: list[Event] = []
        self.times: list[datetime] = []
        self.errors: list[OSError] = []
        self.asked = threading.Semaphore(0)
        self._awake = threading.Event()
        self._awake.set()

    def hang(self) -> None:
        """Stop reading."""
        self._awake.clear()

    def wake(self) -> None:
        """Continue reading."""
        self._awake.set()

    def __call__(self, event: Event, time: datetime) -> None:
        """Read an event."""
        self.asked.release()
        self._awake.wait()
        if self.errors:
            raise self.errors.pop(0)
        self.read.append(event)
        self.times.append(time)


@pytest.fixture
def reader() -> Iterator[Reader]:
    reader = Reader()
    yield reader
    reader.wake()


def ready(*numbers: int) -> list[Event]:
    return [PfReady(f"ens{number}") for number in numbers]


def test_events_are_written_in_order_and_with_the_time_at_which_they_were_logged(reader: Reader) -> None:
    log = Backlog(reader)
    reader.hang()
    log(ready(0, 1))
    reader.asked.acquire()
    log(ready(2))
    woken_at = datetime.now(timezone.utc)
    reader.wake()
    log.close(60)
    assert reader.read == ready(0, 1, 2)
    assert reader.times == sorted(reader.times)
    assert reader.times[-1] <= woken_at


def test_while_the_reader_hangs_events_are_kept_up_to_a_limit_and_the_rest_counted_where_it_is_missing(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backlog, "LIMIT", 3)
    log = Backlog(reader)
    reader.hang()
    log(ready(0))
    reader.asked.acquire()  # the thread has the event, and hangs
    log(ready(1, 2, 3, 4))
    log(ready(5))
    reader.wake()
    while LogEventsLost(2) not in reader.read:
        reader.asked.acquire()
    log(ready(6))
    log.close(60)
    assert reader.read == [*ready(0, 1, 2, 3), LogEventsLost(2), *ready(6)]


def test_what_could_not_be_written_is_tried_again_before_what_came_later(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backlog, "WRITE_AGAIN_S", 0)
    reader.errors = [FileNotFoundError(errno.ENOENT, ""), ConnectionRefusedError(errno.ECONNREFUSED, "")]
    log = Backlog(reader)
    log(ready(0, 1))
    while len(reader.read) < 2:
        reader.asked.acquire()
    log.close(60)
    assert reader.read == ready(0, 1)


@pytest.mark.parametrize("number", [errno.EMSGSIZE, errno.EPIPE, errno.EBADF])
def test_what_can_never_be_written_does_not_hold_up_the_rest(reader: Reader, number: int) -> None:
    reader.errors = [OSError(number, "")]
    log = Backlog(reader)
    log(ready(0, 1))
    log.close(60)
    assert reader.read == ready(1)


def test_closing_does_not_wait_for_a_reader_that_hangs(reader: Reader) -> None:
    log = Backlog(reader)
    reader.hang()
    log(ready(0))
    log.close(0.01)
    assert reader.read == []


def test_closing_does_not_wait_for_a_reader_that_is_gone(reader: Reader) -> None:
    reader.errors = [FileNotFoundError(errno.ENOENT, "")]
    log = Backlog(reader)
    log(ready(0))
    reader.asked.acquire()
    log.close(60)
    assert reader.read == []
