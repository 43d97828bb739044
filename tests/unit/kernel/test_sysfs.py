"""What is a PF, by sysfs."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

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
