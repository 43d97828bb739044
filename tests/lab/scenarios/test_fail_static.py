"""A fault in a detail of the configuration must not leave a node without relay after a restart."""

from __future__ import annotations

from pathlib import Path

import pytest

from pf_status_relay.core.events import ConfigurationLeftOut
from tests.lab.kit.commands import run
from tests.lab.kit.lab import Lab

pytestmark = pytest.mark.systemd

LEFT_OUT = "part of the configuration is left out, see the log"
FAULTY = "restore_delay_ms = 600000\ninterfaces = []\n"


def drop_in(folder: str, text: str) -> None:
    """Write a drop-in that overrides the file."""
    path = Path(folder) / "pf-status-relay.d" / "50-node.toml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)


@pytest.mark.parametrize("folder", ["/run", "/usr/lib"])
def test_with_a_faulty_drop_in_that_no_administrator_wrote_the_service_restarts_and_relays(
    lab: Lab, folder: str
) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=2)
    before = lab.start_service("ens5f0")
    assert LEFT_OUT not in lab.show("StatusText")
    drop_in(folder, FAULTY)
    lab.systemctl("restart", "pf-status-relay")
    assert int(lab.show("MainPID")) != before
    assert lab.show("StatusText") == f"1 PF: 1 up, 0 VFs disabled; {LEFT_OUT}"
    (entry,) = lab.journal(event=ConfigurationLeftOut)
    assert str(entry["ERROR"]).startswith(
        f"{folder}/pf-status-relay.d/50-node.toml: interfaces is []; allowed: "
    )
    assert entry["PRIORITY"] == "4"
    assert "50-node.toml: interfaces is []" in run("pf-status-relay", "check")

    pf.cable.block_lacp()
    pf.wait_for_vfs("disable")
    pf.cable.unblock_lacp()
    pf.wait_for_vfs("auto")  # nothing of the drop-in counts, its delay neither

    drop_in("/etc", "# masks it, and says nothing\n")
    lab.systemctl("reload", "pf-status-relay")
    lab.wait_until(lambda: LEFT_OUT not in lab.show("StatusText"), within=1, what="the status line", poll=0.1)


def test_a_reload_with_a_faulty_drop_in_in_run_takes_all_else(lab: Lab) -> None:
    lab.pf_with_lacp("ens5f0", vfs=1)
    pf = lab.pf_with_lacp("ens5f1", vfs=2)
    lab.start_service("ens5f0")
    drop_in("/run", FAULTY)
    lab.configure(["ens5f0", "ens5f1"])
    lab.systemctl("reload", "pf-status-relay")
    lab.wait_until(
        lambda: lab.show("StatusText") == f"2 PFs: 2 up, 0 VFs disabled; {LEFT_OUT}",
        within=1,
        what=lambda: f"the status line, found {lab.show('StatusText')}",
        poll=0.1,
    )
    assert len(lab.journal(event=ConfigurationLeftOut)) == 1
    pf.cable.block_lacp()
    pf.wait_for_vfs("disable")


def test_a_faulty_drop_in_of_the_administrators_ends_the_start_with_78(lab: Lab) -> None:
    lab.configure(["ens5f0"])
    drop_in("/etc", FAULTY)
    lab.systemctl("start", "pf-status-relay", check=False)
    assert (lab.show("ActiveState"), lab.show("ExecMainStatus")) == ("failed", "78")


def test_back_from_a_later_version_the_service_relays_by_the_file_that_is_there(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=2)
    lab.write_config('interfaces = ["ens5f0"]\nquorum = 2\n[zones]\nleft = ["ens5f0"]\n')
    lab.systemctl("start", "pf-status-relay")
    unknown = [str(entry["ERROR"]).split(" with ")[0] for entry in lab.journal(event=ConfigurationLeftOut)]
    path = "/etc/pf-status-relay.toml"
    assert unknown == [f'{path}: unknown key "quorum"', f'{path}: unknown key "zones"']
    pf.cable.block_lacp()
    pf.wait_for_vfs("disable")


def test_a_typo_in_the_file_ends_the_start_with_78(lab: Lab) -> None:
    lab.write_config('interfaces = ["ens5f0"]\nrestore_delay = 1000\n')
    lab.systemctl("start", "pf-status-relay", check=False)
    assert (lab.show("ActiveState"), lab.show("ExecMainStatus")) == ("failed", "78")
