"""Entries for a journald that takes them, one that is full, and one that does not run."""

from __future__ import annotations

import errno
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from pf_status_relay.log import journal


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """Collect the fields of each call of systemd-python."""
    taken: list[tuple[str, ...]] = []
    library = SimpleNamespace(sendv=lambda *fields: taken.append(fields))
    monkeypatch.setitem(sys.modules, "systemd.journal", library)
    return taken


@pytest.fixture
def journald(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    monkeypatch.setattr(journal, "SOCKET", str(tmp_path / "socket"))
    monkeypatch.setattr(journal, "WAIT_S", 0.05)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(journal.SOCKET)
        yield receiver


def fill() -> None:
    """Fill journald's socket, as another program that logs until there is no more room."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        other.setblocking(False)
        try:
            while True:
                other.sendto(b"MESSAGE=other", journal.SOCKET)
        except BlockingIOError:
            return


def test_an_entry_goes_to_the_library_with_its_fields(
    sent: list[tuple[str, ...]], journald: socket.socket
) -> None:
    journal.sender()({"MESSAGE": "lacp is up", "PRIORITY": "6"})
    assert sent == [("MESSAGE=lacp is up", "PRIORITY=6")]


def test_a_journal_that_is_full_is_an_error_and_the_library_is_not_called(
    sent: list[tuple[str, ...]], journald: socket.socket
) -> None:
    send = journal.sender()
    fill()
    with pytest.raises(OSError, match="unavailable") as raised:
        send({"MESSAGE": "lacp is up"})
    assert raised.value.errno == errno.EAGAIN
    assert sent == []
    journald.recv(100)
    send({"MESSAGE": "lacp is up"})
    assert sent == [("MESSAGE=lacp is up",)]


def test_a_journal_that_is_not_there_is_an_error(
    sent: list[tuple[str, ...]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "SOCKET", str(tmp_path / "socket"))
    with pytest.raises(FileNotFoundError):
        journal.sender()({"MESSAGE": "lacp is up"})
    assert sent == []
