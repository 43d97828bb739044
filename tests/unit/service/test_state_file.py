"""What the running service tells other processes, and when they do not believe it."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pf_status_relay.core.causes import Cause, Told
from pf_status_relay.core.decision import Memory, Readiness
from pf_status_relay.service import state_file as statefile
from pf_status_relay.service.state_file import InterfaceState, ServiceState, StateFile

UP = Memory("ens5f0", Readiness.READY, lacp_up=True)
DOWN = Memory(
    "ens5f0",
    Readiness.READY,
    lacp_up=False,
    told=Told(Cause.NO_CARRIER, Cause.NO_CARRIER, Cause.NO_CARRIER, 0),
)
ABSENT = Memory("ens5f1", Readiness.ABSENT)


class Clock:
    """The time of day, as the seconds of one minute."""

    second = 0

    @classmethod
    def now(cls, zone: object) -> Clock:
        """Return the time."""
        return cls()

    def isoformat(self, timespec: str) -> str:
        """Format the time as datetime does."""
        return f"2030-01-01T00:00:{self.second:02}+00:00"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> type[Clock]:
    monkeypatch.setattr(statefile, "datetime", Clock)
    monkeypatch.setattr(Clock, "second", 0)
    return Clock


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    umask = os.umask(0o077)  # the unit's
    yield tmp_path
    os.umask(umask)


def written(folder: Path) -> dict[str, dict[str, object]]:
    """Return what the file says about the interfaces."""
    interfaces = json.loads((folder / "state.json").read_text())["interfaces"]
    assert isinstance(interfaces, dict)
    return interfaces


def test_it_says_of_each_interface_how_it_is_and_since_when(folder: Path, clock: type[Clock]) -> None:
    state_file = StateFile({"RUNTIME_DIRECTORY": str(folder)})
    state_file.write([UP, ABSENT])
    clock.second = 5
    state_file.write([replace(DOWN, kept=True), ABSENT], {"ens5f0": ("ens5f0", "ens5f1")})
    assert written(folder) == {
        "ens5f0": {
            "standing": "ready",
            "lacp": "down",
            "since": "2030-01-01T00:00:05Z",
            "cause": "no carrier",
            "delay_ms": None,
            "kept_open": True,
            "group": ["ens5f0", "ens5f1"],
            "bfd": {},
        },
        "ens5f1": {
            "standing": "absent",
            "lacp": None,
            "since": "2030-01-01T00:00:00Z",
            "cause": None,
            "delay_ms": None,
            "kept_open": False,
            "group": [],
            "bfd": {},
        },
    }
    assert statefile.read(folder / "state.json") == ServiceState(
        os.getpid(),
        {
            "ens5f0": InterfaceState(
                "ready",
                "down",
                "2030-01-01T00:00:05Z",
                "no carrier",
                kept_open=True,
                group=("ens5f0", "ens5f1"),
            ),
            "ens5f1": InterfaceState("absent", None, "2030-01-01T00:00:00Z"),
        },
    )


def test_another_cause_is_written_and_the_time_stays(folder: Path, clock: type[Clock]) -> None:
    state_file = StateFile({"RUNTIME_DIRECTORY": str(folder)})
    state_file.write([DOWN])
    clock.second = 5
    state_file.write([replace(DOWN, told=Told(Cause.SILENT, Cause.SILENT, Cause.SILENT, 9))])
    state = statefile.read(folder / "state.json")
    assert state is not None
    assert state.interfaces["ens5f0"].since == "2030-01-01T00:00:00Z"
    assert state.cause("ens5f0") is Cause.SILENT
    assert state.cause("ens5f1") is None


def test_a_cause_that_this_version_does_not_know_is_none(folder: Path) -> None:
    told = {"standing": "ready", "lacp": "down", "since": "", "cause": "sunspots"}
    document = {"pid": os.getpid(), "interfaces": {"ens5f0": told}}
    (folder / "state.json").write_text(json.dumps(document))
    state = statefile.read(folder / "state.json")
    assert state is not None
    assert state.cause("ens5f0") is None


def test_the_time_is_that_of_the_day_in_utc(folder: Path) -> None:
    StateFile({"RUNTIME_DIRECTORY": str(folder)}).write([UP])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", str(written(folder)["ens5f0"]["since"]))


def test_others_may_read_it_whatever_the_umask(folder: Path) -> None:
    StateFile({"RUNTIME_DIRECTORY": str(folder)}).write([UP])
    assert stat.S_IMODE((folder / "state.json").stat().st_mode) == 0o644
    assert os.listdir(folder) == ["state.json"]


def test_it_is_written_on_change_alone(folder: Path) -> None:
    state_file = StateFile({"RUNTIME_DIRECTORY": str(folder)})
    state_file.write([UP])
    before = (folder / "state.json").stat().st_ino
    state_file.write([UP])
    assert (folder / "state.json").stat().st_ino == before
    state_file.write([DOWN])
    assert (folder / "state.json").stat().st_ino != before, "replaced as a whole"


def test_an_interface_that_leaves_the_configuration_leaves_the_file(folder: Path) -> None:
    state_file = StateFile({"RUNTIME_DIRECTORY": str(folder)})
    state_file.write([UP, ABSENT])
    state_file.write([ABSENT])
    assert list(written(folder)) == ["ens5f1"]


def test_without_systemd_nothing_is_written(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    StateFile({}).write([UP])
    StateFile({"RUNTIME_DIRECTORY": ""}).write([UP])
    assert os.listdir(folder) == []


def test_a_file_that_cannot_be_written_is_tried_again_and_keeps_its_times(
    folder: Path, clock: type[Clock]
) -> None:
    gone = folder / "gone"
    state_file = StateFile({"RUNTIME_DIRECTORY": str(gone)})
    state_file.write([UP])
    clock.second = 7
    gone.mkdir()
    state_file.write([UP])
    assert written(gone)["ens5f0"]["since"] == "2030-01-01T00:00:00Z"


def test_what_a_process_that_has_ended_left_is_not_believed(tmp_path: Path) -> None:
    with subprocess.Popen(["true"]) as ended:
        pass
    path = tmp_path / "state.json"
    path.write_text(json.dumps({"pid": ended.pid, "interfaces": {}}))
    assert statefile.read(path) is None


def test_what_a_process_of_another_user_says_is_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kill(pid: int, number: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "kill", kill)
    path = tmp_path / "state.json"
    path.write_text('{"pid": 1, "interfaces": {}}')
    assert statefile.read(path) == ServiceState(1, {})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        "[" * 100_000,
        '{"pid": 1}',
        '{"pid": "x", "interfaces": {}}',
        '{"pid": 0, "interfaces": {}}',
        '{"pid": -1, "interfaces": {}}',
        '{"pid": 99999999999999999999, "interfaces": {}}',
        '{"pid": 1, "interfaces": []}',
        '{"pid": 1, "interfaces": {"ens5f0": 1}}',
        '{"pid": 1, "interfaces": {"ens5f0": {"standing": "ready"}}}',
        "\udcff",
    ],
)
def test_a_file_that_the_service_did_not_write_is_no_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "state.json"
    path.write_bytes(text.encode(errors="surrogateescape"))
    assert statefile.read(path) is None


def test_no_file_is_no_service(tmp_path: Path) -> None:
    assert statefile.read(tmp_path / "state.json") is None
    assert statefile.read(tmp_path) is None
