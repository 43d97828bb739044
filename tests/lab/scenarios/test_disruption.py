"""What a node's Machine Config daemon does to the service: by the node disruption policy, and at removal."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lab.kit.commands import CommandError, run
from tests.lab.kit.lab import Lab
from tests.lab.kit.machine_config_daemon import perform
from tests.lab.kit.program import toml

pytestmark = pytest.mark.systemd

FILE = "/etc/pf-status-relay.toml"
DROP_IN = Path("/etc/pf-status-relay.d/50-node.toml")
UNIT = "pf-status-relay.service"
FAULTY = "interfaces = []\n"


def test_the_first_machine_config_starts_a_unit_that_is_inactive(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=2)
    assert lab.show("ActiveState") == "inactive"
    lab.configure(["ens5f0"])
    lab.systemctl("enable", UNIT)
    assert perform(files=[FILE], units=(UNIT,))
    pf.cable.block_lacp()
    pf.wait_for_vfs("disable")


def test_a_corrected_file_starts_a_unit_that_has_failed_with_78(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=2)
    lab.write_config(FAULTY)
    lab.systemctl("start", UNIT, check=False)
    assert (lab.show("ActiveState"), lab.show("ExecMainStatus")) == ("failed", "78")
    lab.configure(["ens5f0"])
    with pytest.raises(CommandError, match="is not active, cannot reload"):  # why the policy has no Reload
        run("systemctl", "reload", UNIT)
    assert lab.show("ActiveState") == "failed"

    assert perform(files=[FILE])
    pf.cable.block_lacp()
    pf.wait_for_vfs("disable")


def test_a_running_service_takes_a_new_file_or_drop_in_and_the_vfs_stay(lab: Lab) -> None:
    first, second = lab.pf_with_lacp("ens5f0", vfs=2), lab.pf_with_lacp("ens5f1", vfs=2)
    before = lab.start_service("ens5f0")
    first.cable.block_lacp()
    first.wait_for_vfs("disable")

    lab.configure(["ens5f0", "ens5f1"])
    assert perform(files=[FILE])
    assert int(lab.show("MainPID")) != before
    assert first.in_state("disable"), "LACP is down before and after the restart"
    second.cable.block_lacp()
    second.wait_for_vfs("disable")

    DROP_IN.parent.mkdir()
    DROP_IN.write_text(toml(["ens5f1"], None))
    assert perform(files=[str(DROP_IN)])
    for pf in (first, second):
        pf.cable.unblock_lacp()
    second.wait_for_vfs("auto")
    assert first.in_state("disable"), "no longer configured"


def test_a_faulty_file_ends_a_running_service_and_nothing_relays_until_it_is_corrected(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=2)
    lab.start_service("ens5f0")
    lab.write_config(FAULTY)
    assert not perform(files=[FILE]), "the operator reports an error for the node"
    assert (lab.show("ActiveState"), lab.show("ExecMainStatus")) == ("failed", "78")

    # The daemon writes the old file back, and runs no action for that.
    lab.configure(["ens5f0"])
    pf.cable.block_lacp()
    lab.sleep(30)
    assert pf.in_state("auto"), "nothing relays"
    assert lab.show("NRestarts") == "0"

    assert perform(files=[FILE]), "the corrected file of the next MachineConfig"
    pf.wait_for_vfs("disable")


# Removal, and an image that is late


def test_a_unit_that_is_masked_can_be_disabled_and_not_enabled(lab: Lab) -> None:
    lab.systemctl("enable", UNIT)
    mask = Path("/etc/systemd/system") / UNIT
    mask.symlink_to("/dev/null")
    with pytest.raises(CommandError, match="is masked"):  # `mask: true` beside a MachineConfig that enables
        run("systemctl", "enable", UNIT)
    run("systemctl", "disable", UNIT)
    run("systemctl", "daemon-reload")
    with pytest.raises(CommandError, match="is masked"):
        run("systemctl", "start", UNIT)


def test_a_unit_that_is_not_there_cannot_be_enabled(lab: Lab) -> None:
    with pytest.raises(CommandError, match="does not exist"):
        run("systemctl", "enable", "no-such.service")


def test_without_a_file_the_service_ends_with_78_unless_there_are_drop_ins(lab: Lab) -> None:
    lab.pf_with_lacp("ens5f0", vfs=1)
    Path(FILE).unlink()
    lab.systemctl("start", UNIT, check=False)
    assert (lab.show("ActiveState"), lab.show("ExecMainStatus")) == ("failed", "78")
    DROP_IN.parent.mkdir()
    DROP_IN.write_text(toml(["ens5f0"], None))
    lab.systemctl("start", UNIT)
    assert lab.show("StatusText") == "1 PF: 1 up, 0 VFs disabled"
