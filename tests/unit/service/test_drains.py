"""The folder of drains: which are in effect, and what is wrong with the others."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pf_status_relay.config import files
from pf_status_relay.core.drain import Drain
from pf_status_relay.core.events import DrainIgnored
from pf_status_relay.service import drains

NOON = 1893499200.0  # 2030-01-01T12:00:00Z
ALICE = Drain("ens5f0", "alice", "firmware", "2030-01-01T10:00:00Z", "2030-01-01T12:00:00Z")


class Clock:
    """A clock that a test sets: seconds since the epoch."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        """Return the time."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock(NOON - 60)


@pytest.fixture
def folder(tmp_path: Path, clock: Clock) -> drains.Folder:
    return drains.Folder(tmp_path / "drains", clock)


def put(tmp_path: Path, name: str, text: str = "") -> Path:
    path = tmp_path / "drains" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def drains_of(folder: drains.Folder) -> list[Drain]:
    """Return the drains in effect now; fail if a file has a fault."""
    assert folder.look() == []
    return list(folder.drains)


def test_without_the_folder_there_are_none(folder: drains.Folder) -> None:
    assert folder.look() == []
    assert (folder.drains, folder.ends_in_s) == ((), None)


def test_what_is_written_is_read_by_everybody(tmp_path: Path, folder: drains.Folder) -> None:
    before = os.umask(0o077)
    try:
        drains.write(ALICE, tmp_path / "drains")
    finally:
        os.umask(before)
    assert folder.look() == []
    assert folder.drains == (ALICE,)
    assert folder.ends_in_s == 60
    (file,) = (tmp_path / "drains").iterdir()
    assert file.name == "ens5f0@alice.toml"
    assert oct(file.stat().st_mode) == "0o100644"
    assert oct(file.parent.stat().st_mode) == "0o40755"
    drains.remove("ens5f0", "alice", tmp_path / "drains")
    assert not drains_of(folder)


def test_an_empty_file_is_a_drain_without_an_end(tmp_path: Path, folder: drains.Folder) -> None:
    put(tmp_path, "uplink@2@rack-7.toml")
    folder.look()
    assert folder.drains == (Drain("uplink@2", "rack-7"),)
    assert folder.ends_in_s is None


def test_one_that_has_expired_is_inert_and_needs_nobody(
    tmp_path: Path, folder: drains.Folder, clock: Clock
) -> None:
    drains.write(ALICE, tmp_path / "drains")
    put(tmp_path, "ens5f0@bob.toml", 'reason = "cabling"\n')
    folder.look()
    assert len(folder.drains) == 2
    clock.now = NOON
    assert drains_of(folder) == [Drain("ens5f0", "bob", "cabling")]
    assert folder.ends_in_s is None


def test_a_file_that_is_edited_in_place_is_read_again(
    tmp_path: Path, folder: drains.Folder, clock: Clock
) -> None:
    path = put(tmp_path, "ens5f0@bob.toml", 'reason = "a"\n')
    clock.now = path.stat().st_mtime  # the look and the next edit are within one tick of the kernel's clock
    folder.look()
    times = path.stat()
    path.write_text('reason = "b"\n')
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    folder.look()
    assert folder.drains[0].reason == "b"


def test_a_file_that_has_not_changed_is_not_read_again(
    tmp_path: Path, folder: drains.Folder, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, "ens5f0@bob.toml")
    clock.now = NOON + 1e8
    folder.look()
    monkeypatch.setattr(files, "read", None)
    folder.look()
    assert folder.drains == (Drain("ens5f0", "bob"),)


@pytest.mark.parametrize(
    ("name", "text", "fault"),
    [
        ("ens5f0.toml", "", "allowed: a file named PF@OWNER.toml"),
        ("@bob.toml", "", "allowed: a file named PF@OWNER.toml"),
        ("ens5f0@a b.toml", "", "allowed: a file named PF@OWNER.toml"),
        ("ens5f0@bob.toml", "until = ", "is not valid TOML"),
        ("ens5f0@bob.toml", "untill = 2030-01-01T10:00:00Z", 'unknown key "untill"; allowed: reason, since'),
        ("ens5f0@bob.toml", "reason = 7", "reason is 7; allowed: text of up to 300 characters"),
        ("ens5f0@bob.toml", f'reason = "{"x" * 301}"', "allowed: text of up to 300 characters"),
        ("ens5f0@bob.toml", "until = 2030-01-01T10:00:00", "until is"),
        ("ens5f0@bob.toml", "since = 10", "since is 10; allowed: a time such as 2030-01-01T10:00:00Z"),
        ("ens5f0@bob.toml", "until = 0001-01-01T00:00:00+14:00", "until is"),
    ],
)
def test_what_is_at_fault_is_said_once_and_ignored(
    tmp_path: Path, folder: drains.Folder, name: str, text: str, fault: str
) -> None:
    path = put(tmp_path, name, text)
    put(tmp_path, "ens5f1@bob.toml")
    (event,) = folder.look()
    assert isinstance(event, DrainIgnored)
    assert event.error.startswith(str(path))
    assert fault in event.error
    assert folder.drains == (Drain("ens5f1", "bob"),)
    assert folder.look() == []


@pytest.mark.parametrize("name", [".ens5f0@bob.toml", "ens5f0@bob.toml~", ".ens5f0@bob.toml.new", "README"])
def test_what_editors_leave_is_no_drain(tmp_path: Path, folder: drains.Folder, name: str) -> None:
    put(tmp_path, name)
    assert folder.look() == []
    assert folder.drains == ()


def test_what_is_no_file_is_at_fault(tmp_path: Path, folder: drains.Folder) -> None:
    put(tmp_path, "x")
    (tmp_path / "drains" / "ens5f0@bob.toml").mkdir()
    (tmp_path / "drains" / "ens5f1@bob.toml").symlink_to("/dev/null")
    os.mkfifo(tmp_path / "drains" / "ens5f2@bob.toml")
    told = folder.look()
    assert len(told) == 3
    assert folder.drains == ()


def test_a_folder_that_cannot_be_listed_is_said_once(tmp_path: Path, clock: Clock) -> None:
    (tmp_path / "file").write_text("")
    folder = drains.Folder(tmp_path / "file", clock)
    assert folder.look() == [DrainIgnored(f"{tmp_path}/file: cannot be listed: Not a directory")]
    assert folder.look() == []


def test_of_very_many_some_count(tmp_path: Path, folder: drains.Folder) -> None:
    for number in range(drains.MOST_FILES + 5):
        put(tmp_path, f"ens{number:05}@bob.toml")
    (event,) = folder.look()
    assert isinstance(event, DrainIgnored)
    assert "has 1005 drains; the first 1000 count" in event.error
    assert len(folder.drains) == drains.MOST_FILES


def test_all_files_are_listed_in_effect_or_not(tmp_path: Path) -> None:
    put(tmp_path, "ens5f0@bob.toml", "until = 2000-01-01T00:00:00Z")
    put(tmp_path, "ens5f1@alice.toml")
    put(tmp_path, "nobody.toml")
    assert drains.listed(tmp_path / "drains") == [("ens5f0", "bob"), ("ens5f1", "alice")]
    assert drains.listed(tmp_path / "none") == []
