"""What `report` collects, on hosts where something is broken."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from pf_status_relay.cli import evidence, streams
from pf_status_relay.cli.evidence import Absent, Part, Places, collect
from pf_status_relay.cli.exit_status import EX_OSERR, Refused
from pf_status_relay.config.load import ConfigError


@pytest.fixture
def places(tmp_path: Path) -> Places:
    """Return the places of a host that has nothing."""
    missing = tmp_path / "missing"
    return Places(missing, missing, missing, missing, missing, missing, (missing,), missing)


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the only folder in PATH, which is empty."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setitem(sys.modules, "pf_status_relay.log.journal_reader", None)
    monkeypatch.delattr("pf_status_relay.log.journal_reader", raising=False)  # left by an earlier import
    return folder


def tool(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(stat.S_IRWXU)


def nothing(words: Sequence[str]) -> int:
    """Print nothing."""
    return 0


def parts(found: Sequence[Part | Absent]) -> dict[str, bytes]:
    return {each.name: each.content for each in found if isinstance(each, Part)}


def reasons(found: Sequence[Part | Absent]) -> dict[str, str]:
    return {each.name: each.reason for each in found if isinstance(each, Absent)}


def test_of_a_host_without_anything_each_part_has_its_reason(places: Places, tools: Path) -> None:
    def broken(words: Sequence[str]) -> int:
        raise Refused(["the kernel cannot be asked by netlink: no"], EX_OSERR)

    found = list(collect(broken, (), places))
    assert set(parts(found)) == {"versions.txt"}
    because = reasons(found)
    assert because["status.json"] == "the kernel cannot be asked by netlink: no"
    assert because["links.json"] == "ip is not installed"
    assert because["unit-files.txt"] == "systemctl is not installed"
    assert because["journal.json"] == "journalctl is not installed"
    assert because["state.json"] == "No such file or directory"
    assert because["drivers.txt"] == f"no interface in {places.net} has a device"
    assert because["selinux.txt"].endswith("journalctl is not installed")
    assert because["bonds"] == "No such file or directory"
    assert b"systemctl --version: systemctl is not installed" in parts(found)["versions.txt"]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ConfigError(["a: x", "b: y"]), "a: x; b: y"),
        (RecursionError("deep"), "RecursionError: deep"),
        (PermissionError(13, "Permission denied"), "Permission denied"),
        (SystemExit(2), "status ended with status 2"),
    ],
)
def test_a_command_that_fails_leaves_the_others(
    places: Places, tools: Path, error: BaseException, reason: str
) -> None:
    def run(words: Sequence[str]) -> int:
        if words[0] == "status":
            raise error
        streams.put(f"{' '.join(words)}\n")
        return 1

    found = list(collect(run, ("--config", "x"), places))
    assert reasons(found)["status.json"] == reason
    assert parts(found)["check.json"] == b"check --json --config x\n"
    assert parts(found)["config.toml"] == b"config show --config x\n"
    assert parts(found)["history.svg"] == b"history --svg -\n"


def test_warnings_about_the_configuration_stay_with_it(places: Places, tools: Path) -> None:
    def run(words: Sequence[str]) -> int:
        streams.warn(["an entry is dropped"])
        streams.put("a = 1\n")
        return 0

    found = parts(list(collect(run, (), places)))
    assert found["config.toml"] == b"# pf-status-relay: warning: an entry is dropped\na = 1\n"
    assert found["status.json"] == b"a = 1\n"


def test_a_program_that_fails_is_told_with_what_it_said(places: Places, tools: Path) -> None:
    tool(tools, "ip", "echo no >&2; echo bus >&2; exit 3")
    tool(tools, "systemctl", "exit 1")
    found = reasons(list(collect(nothing, (), places)))
    assert found["links.json"] == "ip ended with status 3: no bus"
    assert found["unit-files.txt"] == "systemctl ended with status 1: no message"


def test_a_program_that_hangs_is_given_up(
    places: Places, tools: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evidence, "_TIMEOUT_S", 0.05)
    tool(tools, "ip", "exec /bin/sleep 60")
    assert reasons(list(collect(nothing, (), places)))["links.json"] == "ip did not end within 0.05 s"


def test_files_are_taken_as_they_are_and_of_a_long_one_the_end(
    places: Places, tools: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evidence, "_LARGEST_FILE", 100)
    folder = tmp_path / "d"
    folder.mkdir()
    (folder / "10-a.toml").write_bytes(b"\xff")
    (folder / "notes").touch()
    bonds = tmp_path / "bonds"
    bonds.mkdir()
    (bonds / "bond0").write_text("x" * 50 + "y" * 100)
    drains = tmp_path / "drains"
    drains.mkdir()
    (drains / "ens5f0@alice.toml").write_text("reason = 'x'\n")
    there = replace(places, drop_ins=(folder,), bonds=bonds, drains=drains)
    found = parts(list(collect(nothing, (), there)))
    assert found["drains/ens5f0@alice.toml"] == b"reason = 'x'\n"
    assert found[f"config{folder}/10-a.toml"] == b"\xff"
    assert found["bonds/bond0.txt"] == b"y" * 100
    assert [name for name in found if "notes" in name] == []


def test_a_device_tells_its_driver_and_its_vfs(places: Places, tools: Path, tmp_path: Path) -> None:
    tool(tools, "ethtool", 'echo "driver: ice"; echo "firmware-version: 4.5"')
    device = tmp_path / "net" / "ens5f0" / "device"
    device.mkdir(parents=True)
    (device / "sriov_numvfs").write_text("8\n")
    os.symlink("../../drivers/ice", device / "driver")
    (tmp_path / "net" / "lo").mkdir()
    text = parts(list(collect(nothing, (), replace(places, net=tmp_path / "net"))))["drivers.txt"].decode()
    assert text == (
        f"ens5f0:\n    path: {device}\n    driver: ice\n    sriov_numvfs: 8\n"
        "    ethtool: driver: ice\n    ethtool: firmware-version: 4.5\n"
    )


def test_denials_about_the_service_are_found_and_no_others(
    places: Places, tools: Path, tmp_path: Path
) -> None:
    audit = tmp_path / "audit.log"
    ours = 'type=AVC msg=audit(1): avc:  denied  { read } for  pid=1 comm="pf-status-relay"\n'
    audit.write_text(f'{ours}type=AVC msg=audit(2): avc:  denied  {{ read }} for  comm="sshd"\n')
    found = parts(list(collect(nothing, (), replace(places, audit=audit))))["selinux.txt"].decode()
    assert found == f"{ours}# the journal: journalctl is not installed\n"
    tool(tools, "journalctl", "echo 'audit[1]: AVC avc:  denied comm=\"sshd\"'")
    audit.write_text("")
    found = parts(list(collect(nothing, (), replace(places, audit=audit))))["selinux.txt"].decode()
    assert found == "# no denial was found\n"
