"""A file that a command writes: it never overwrites an existing one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pf_status_relay.cli import new_file
from pf_status_relay.cli.exit_status import Refused


def test_a_new_file_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "a"
    new_file.write(path, b"x")
    assert path.read_bytes() == b"x"
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("kind", ["file", "link"])
def test_what_exists_is_not_overwritten(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a"
    if kind == "file":
        path.write_text("before")
    else:  # a dangling link: writing would create its target
        path.symlink_to(tmp_path / "b")
    with pytest.raises(Refused, match="exists and is not overwritten: name another file") as refused:
        new_file.write(path, b"x")
    assert refused.value.status == 74
    assert not (tmp_path / "b").exists()
    assert kind == "link" or path.read_text() == "before"


def test_a_folder_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="cannot be written: No such file or directory"):
        new_file.write(tmp_path / "no" / "a", b"x")


def test_of_a_full_disk_nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a"
    path.touch()
    full = os.open("/dev/full", os.O_WRONLY)
    monkeypatch.setattr(os, "open", lambda *arguments: full)
    with pytest.raises(Refused, match="cannot be written"):
        new_file.write(path, b"x")
    assert not path.exists()
