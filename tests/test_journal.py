"""Journal entries as journald takes them, byte by byte, over a socket like its own."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from pf_status_relay import journal
from pf_status_relay.journal import entry


def test_a_field_is_a_line() -> None:
    assert entry({"MESSAGE": "lacp is up", "PRIORITY": "6"}) == b"MESSAGE=lacp is up\nPRIORITY=6\n"


def test_a_value_of_several_lines_comes_with_its_length() -> None:
    assert entry({"ERROR": "a\nb", "VF_ID": "1"}) == b"ERROR\n\3\0\0\0\0\0\0\0a\nb\nVF_ID=1\n"


def test_a_name_that_is_no_text_goes_as_the_kernel_has_it() -> None:
    assert entry({"ERROR": "bond\udcff"}) == b"ERROR=bond\xff\n"


def test_an_entry_is_one_datagram(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "SOCKET", str(tmp_path / "socket"))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journald:
        journald.bind(journal.SOCKET)
        journal.send({"MESSAGE": "lacp is up"})
        journal.send({"MESSAGE": "lacp is down"})
        assert [journald.recv(100) for _ in range(2)] == [b"MESSAGE=lacp is up\n", b"MESSAGE=lacp is down\n"]


def test_a_journal_that_is_not_there_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "SOCKET", str(tmp_path / "socket"))
    with pytest.raises(FileNotFoundError):
        journal.send({"MESSAGE": "lacp is up"})
