"""What sysfs says about an interface."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path

import pytest

from pf_status_relay.core.facts import BondPort, LinkSettings
from pf_status_relay.core.lacp import PortState
from pf_status_relay.kernel import sysfs


@pytest.mark.parametrize("found", [True, False])
def test_an_interface_is_a_pf_by_its_device(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, found: bool
) -> None:
    monkeypatch.setattr(sysfs, "_INTERFACES", tmp_path)
    device = tmp_path / "lo" / "device"
    device.mkdir(parents=True)
    if found:
        (device / "sriov_numvfs").touch()
    assert sysfs.is_pf("lo") is found
    assert sysfs.is_pf(socket.if_nametoindex("lo")) is found


@pytest.mark.parametrize(
    ("speed", "duplex", "settings"),
    [
        ("25000\n", "full\n", LinkSettings(25_000, "full")),
        ("100\n", "half\n", LinkSettings(100, "half")),
        ("-1\n", "unknown\n", LinkSettings(None, "unknown")),
        ("0\n", "full\n", LinkSettings(None, "full")),
    ],
)
def test_speed_and_duplex_are_what_the_driver_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, speed: str, duplex: str, settings: LinkSettings
) -> None:
    monkeypatch.setattr(sysfs, "_INTERFACES", tmp_path)
    (tmp_path / "lo").mkdir()
    (tmp_path / "lo" / "speed").write_text(speed)
    (tmp_path / "lo" / "duplex").write_text(duplex)
    assert sysfs.link_settings(socket.if_nametoindex("lo")) == settings


@pytest.mark.parametrize(
    ("number", "settings"),
    [
        (errno.EINVAL, LinkSettings(None, "unknown")),
        (errno.EOPNOTSUPP, LinkSettings(None, "unknown")),
        (errno.EACCES, None),
        (errno.ENOENT, None),
    ],
)
def test_a_driver_that_refuses_knows_neither_and_a_file_that_is_not_readable_says_nothing(
    monkeypatch: pytest.MonkeyPatch, number: int, settings: LinkSettings | None
) -> None:
    def refuse(*arguments: object, **words: object) -> str:
        raise OSError(number, "x")

    monkeypatch.setattr(Path, "read_text", refuse)
    assert sysfs.link_settings(socket.if_nametoindex("lo")) == settings
    assert sysfs.link_settings(0x7FFFFFFF) is None, "gone"


def test_a_vf_leads_to_its_pf_by_its_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sysfs, "_INTERFACES", tmp_path)
    lo = socket.if_nametoindex("lo")
    assert sysfs.pf_of_vf(lo) == "", "no VF"
    pf = tmp_path / "lo" / "device" / "physfn" / "net"
    pf.mkdir(parents=True)
    assert sysfs.pf_of_vf(lo) == "", "a PF without an interface"
    (pf / "ens5f0").mkdir()
    assert sysfs.pf_of_vf(lo) == "ens5f0"
    assert sysfs.pf_of_vf(0x7FFFFFFF) == "", "gone"


def test_an_interface_that_is_gone_is_no_pf() -> None:
    assert not sysfs.is_pf(0x7FFFFFFF)
    assert not sysfs.is_pf("nowhere0")


def test_a_port_state_is_read_again_and_again_from_the_same_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sysfs, "_INTERFACES", tmp_path)
    lo = socket.if_nametoindex("lo")
    folder = tmp_path / "lo" / "bonding_slave"
    with pytest.raises(FileNotFoundError):
        sysfs.PortStateFiles(lo)
    folder.mkdir(parents=True)
    (folder / "ad_actor_oper_port_state").write_text("143\n")
    with pytest.raises(FileNotFoundError):
        sysfs.PortStateFiles(lo)
    (folder / "ad_partner_oper_port_state").write_text("55\n")
    files = sysfs.PortStateFiles(lo)
    assert files.read() == BondPort(PortState(143), PortState(55))
    (folder / "ad_actor_oper_port_state").write_text("63\n")
    assert files.read() == BondPort(PortState(63), PortState(55))
    (folder / "ad_partner_oper_port_state").write_text("N/A\n")
    with pytest.raises(ValueError, match="N/A"):
        files.read()
    descriptors = os.listdir("/proc/self/fd")
    files.close()
    files.close()
    assert len(os.listdir("/proc/self/fd")) == len(descriptors) - 2
    with pytest.raises(OSError, match="No such device"):
        sysfs.PortStateFiles(0x7FFFFFFF)
