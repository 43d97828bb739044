"""VFs that stay disabled because nobody relays for their PF any more: how that is told, and set back."""

from __future__ import annotations

import pytest

from pf_status_relay.core.events import VfsLeftDisabled
from tests.lab.kit import package
from tests.lab.kit.lab import Lab
from tests.lab.kit.topology import Pf

LEFT = "VFs are left disabled"


def restore(lab: Lab, *words: str) -> tuple[int, str, str]:
    """Run `restore`, and return its exit status and what it said."""
    done = lab.call("restore", *words)
    return done.returncode, done.stdout, done.stderr


def fail(pf: Pf) -> None:
    """Silence the switch until the VFs are disabled."""
    pf.cable.block_lacp()
    pf.wait_for_vfs("disable")


@pytest.mark.systemd
def test_a_bond_that_is_deleted_in_an_outage_is_told_until_the_vfs_are_restored(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=2)
    lab.start_service("ens5f0")
    fail(pf)
    assert restore(lab, "ens5f0")[0] == 75, "the service watches it"
    pf.bond.delete()
    lab.wait_until(lambda: lab.journal(event=VfsLeftDisabled), within=2, what="the event", poll=0.25)
    (event,) = lab.journal(event=VfsLeftDisabled)
    assert (event["VF_DISABLED"], event["COMMAND"]) == ("2", "pf-status-relay restore ens5f0")
    assert (
        lab.show("StatusText") == "1 PF: 0 up, 1 not ready (ens5f0), 2 VFs disabled, 2 left disabled (ens5f0)"
    )
    for command in ("status", "check"):
        assert "ens5f0: 2 of 2 VFs in disable, and nothing sets them back" in lab.call(command).stdout
    lab.systemctl("restart", "pf-status-relay")
    lab.sleep(2)
    assert pf.in_state("disable")
    assert "2 left disabled" in lab.show("StatusText")

    said = "ens5f0 VF 0: would be set to auto\nens5f0 VF 1: would be set to auto\n"
    assert restore(lab, "ens5f0", "--dry-run") == (0, said, "")
    assert pf.in_state("disable")
    said = "ens5f0 VF 0: set to auto\nens5f0 VF 1: set to auto\n"
    assert restore(lab, "ens5f0") == (0, said, "")
    assert pf.in_state("auto")
    lab.sleep(2)
    assert lab.show("StatusText") == "1 PF: 0 up, 1 not ready (ens5f0), 0 VFs disabled"
    assert restore(lab) == (0, "no VF is in disable\n", "")


@pytest.mark.systemd
def test_with_auto_a_pf_that_left_its_bond_stays_in_sight(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=2)
    lab.write_config('interfaces = "auto"\n')
    lab.systemctl("start", "pf-status-relay")
    fail(pf)
    pf.bond.delete()
    lab.sleep(3)
    for _ in range(2):
        assert lab.show("StatusText") == "0 PFs: 0 up, 0 VFs disabled, 2 left disabled (ens5f0)"
        assert len(lab.journal(event=VfsLeftDisabled)) == _ + 1
        done = lab.call("status")
        assert done.returncode == 2
        assert "ens5f0: 2 of 2 VFs in disable, and nothing sets them back" in done.stdout
        lab.systemctl("restart", "pf-status-relay")
        lab.sleep(2)
    assert restore(lab, "ens5f0")[0] == 0
    assert pf.in_state("auto")


def test_a_stop_in_an_outage_says_what_stays_disabled(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=2)
    relay = lab.relay(["ens5f0"])
    relay.wait_for("lacp is up")
    fail(pf)
    lab.sleep(1)
    assert restore(lab, "ens5f0")[0] == 75, "it may be its"
    relay.stop()
    relay.wait_for(LEFT, interface="ens5f0", disabled=2)
    assert restore(lab, "ens5f0")[0] == 0
    assert pf.in_state("auto")


def test_on_stop_restore_does_so_for_a_pf_whose_bond_is_gone(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=2)
    relay = lab.relay(config_text='interfaces = ["ens5f0"]\non_stop = "restore"\n')
    relay.wait_for("lacp is up")
    fail(pf)
    pf.bond.delete()
    relay.wait_for(LEFT)
    relay.stop()
    assert pf.in_state("auto")


def test_a_driver_that_refuses_and_a_pf_that_is_not_there_are_said(lab: Lab) -> None:
    pf = lab.pf("ens5f0", vfs=3)
    for vf in range(3):
        pf.set_vf_state(vf, "disable")
    pf.refuse_vf(1)
    assert restore(lab, "ens5f0") == (
        1,
        "ens5f0 VF 0: set to auto\n"
        "ens5f0 VF 1: stays in disable: Operation not supported\n"
        "ens5f0 VF 2: set to auto\n",
        "",
    )
    assert pf.vf_states() == ["auto", "disable", "auto"]
    assert restore(lab, "ens9f9") == (2, "", "pf-status-relay: ens9f9: Link not found\n")
    assert (
        "is not configured, and 1 of 3 VFs are in disable" in lab.call("status", interfaces=["ens9f9"]).stdout
    )


@pytest.mark.systemd(install=False)
def test_the_removal_of_the_package_names_what_stays_disabled(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=2)
    package.install(package.current())
    lab.start_service("ens5f0")
    fail(pf)
    said = package.erase()
    assert "VFs stay disabled" in said
    assert "ens5f0 VF 0\nens5f0 VF 1\n" in said
