"""The messages to systemd, byte by byte, over a socket like its own."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from pf_status_relay.service.systemd import Notifier

# sdnotify leaves its socket to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")

WATCHED = {"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}


class Systemd:
    """The receiving end of the notify protocol."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.socket.setblocking(False)

    def heard(self) -> list[str]:
        """Return what has been received since the last call."""
        received = []
        while True:
            try:
                received.append(self.socket.recv(4096).decode())
            except BlockingIOError:
                return received

    def fill(self) -> None:
        """Fill the socket with other services' messages, as if systemd hung or had frozen after a crash."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
            other.setblocking(False)
            with suppress(BlockingIOError):
                while True:
                    other.sendto(b"WATCHDOG=1", self.socket.getsockname())


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Systemd]:
    path = tmp_path / "notify"
    monkeypatch.setenv("NOTIFY_SOCKET", str(path))
    receiver = Systemd(path)
    with receiver.socket:
        yield receiver


def test_systemd_is_told_in_its_own_words(systemd: Systemd) -> None:
    notifier = Notifier(WATCHED)
    notifier.ready()
    notifier.cycle_done()
    notifier.status("3 PFs: 3 up")
    notifier.stopping()
    assert systemd.heard() == ["READY=1", "WATCHDOG=1", "STATUS=3 PFs: 3 up", "STOPPING=1"]


def test_the_status_is_told_when_it_changes(systemd: Systemd) -> None:
    notifier = Notifier({})
    for line in ("1 up", "1 up", "1 down", "1 down", "1 up"):
        notifier.status(line)
    assert systemd.heard() == ["STATUS=1 up", "STATUS=1 down", "STATUS=1 up"]


def test_a_cycle_is_told_each_time_with_a_watchdog_and_never_without(systemd: Systemd) -> None:
    watched, unwatched = Notifier(WATCHED), Notifier({})
    for _ in range(2):
        watched.cycle_done()
        unwatched.cycle_done()
    assert systemd.heard() == ["WATCHDOG=1"] * 2


def test_a_reload_is_told_with_its_time_until_it_is_done(systemd: Systemd) -> None:
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    notifier = Notifier({})
    notifier.reloading()
    notifier.ready()
    reloading, ready = systemd.heard()
    told, microseconds = reloading.split("\nMONOTONIC_USEC=")
    assert (told, ready) == ("RELOADING=1", "READY=1")
    assert before <= int(microseconds) <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000


@pytest.mark.parametrize(
    ("environment", "seconds"),
    [
        pytest.param(WATCHED, 30.0, id="for this process"),
        pytest.param({"WATCHDOG_USEC": "500000"}, 0.5, id="for any process"),
        pytest.param({**WATCHED, "WATCHDOG_PID": str(os.getpid() + 1)}, None, id="for another process"),
        pytest.param({}, None, id="no watchdog"),
        pytest.param({"WATCHDOG_USEC": "0"}, None, id="switched off"),
        pytest.param({"WATCHDOG_USEC": "soon"}, None, id="no number"),
        pytest.param({"WATCHDOG_USEC": "-1"}, None, id="a negative number"),
        pytest.param({"WATCHDOG_USEC": "9" * 400}, None, id="a number past any float"),
        pytest.param({"WATCHDOG_USEC": "9" * 5000}, None, id="a number past what Python reads"),
    ],
)
def test_the_watchdog_time_is_systemds(environment: dict[str, str], seconds: float | None) -> None:
    assert Notifier(environment).watchdog_s == seconds


def test_without_systemd_nothing_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    notifier = Notifier(WATCHED)
    notifier.ready()
    notifier.status("3 PFs: 3 up")
    notifier.cycle_done()
    notifier.stopping()


def test_a_systemd_that_has_gone_makes_nothing_fail(systemd: Systemd) -> None:
    notifier = Notifier(WATCHED)
    systemd.socket.close()
    notifier.cycle_done()


def test_a_name_beyond_latin_1_is_told_in_utf_8(systemd: Systemd) -> None:
    Notifier({}).status("1 down (für€)")
    assert systemd.heard() == ["STATUS=1 down (für€)"]


def test_a_systemd_that_hangs_is_not_waited_for(systemd: Systemd) -> None:
    notifier = Notifier(WATCHED)
    systemd.fill()
    notifier.status("1 up")
    notifier.ready()
    notifier.cycle_done()
    notifier.stopping()


def test_what_systemd_must_know_it_is_told_once_it_can_take_it(systemd: Systemd) -> None:
    notifier = Notifier(WATCHED)
    systemd.fill()
    notifier.status("1 up")
    notifier.ready()
    notifier.cycle_done()
    systemd.heard()
    notifier.status("1 up")
    notifier.cycle_done()
    notifier.cycle_done()
    assert systemd.heard() == ["STATUS=1 up", "READY=1", "WATCHDOG=1", "WATCHDOG=1"]
