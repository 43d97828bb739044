"""Which users may read which journal. tests/lab/scenarios/test_history.py reads one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

pytest.importorskip("systemd.journal")

from pf_status_relay.log import journal_reader
from pf_status_relay.log.journal_reader import NoJournal, NotAllowed, check_access

MACHINE = "40008000000000000001000000000000"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "machine-id").write_text(f"{MACHINE}\n")
    monkeypatch.setattr(journal_reader, "MACHINE_ID", tmp_path / "machine-id")
    monkeypatch.setattr(journal_reader, "FOLDERS", (tmp_path / "var", tmp_path / "run"))
    own = tmp_path / "run" / MACHINE
    own.mkdir(parents=True)
    return own


def test_a_journal_that_may_be_read_is_fine(folder: Path) -> None:
    (folder / "system.journal").touch()
    check_access()


@pytest.mark.parametrize("name", ["user-1000.journal", ""])
def test_without_a_system_journal_there_is_none(folder: Path, name: str) -> None:
    if name:
        (folder / name).touch()
    with pytest.raises(NoJournal, match="no journal of this host in "):
        check_access()


def test_a_host_without_an_id_has_none(folder: Path) -> None:
    journal_reader.MACHINE_ID.unlink()
    with pytest.raises(NoJournal):
        check_access()


@pytest.mark.parametrize("closed", ["system.journal", "system@1.journal"])
def test_one_file_that_may_not_be_read_would_be_a_hole(
    folder: Path, monkeypatch: pytest.MonkeyPatch, closed: str
) -> None:
    for name in ("system.journal", "system@1.journal"):
        (folder / name).touch()
    monkeypatch.setattr(os, "access", lambda path, mode: path.name != closed)
    with pytest.raises(NotAllowed):
        check_access()


def test_a_folder_that_may_not_be_listed_is_not_allowed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> list[str]:
        raise PermissionError

    monkeypatch.setattr(os, "listdir", refuse)
    with pytest.raises(NotAllowed):
        check_access()
