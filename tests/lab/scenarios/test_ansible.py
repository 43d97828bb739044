"""The Ansible role and plays of contrib/ansible, by the real ansible-core, on a host with systemd."""

from __future__ import annotations

import json
import os
import re
import subprocess
from typing import NamedTuple

import pytest

from tests.lab.guest.guest import CHECKOUT
from tests.lab.kit.lab import RESULTS, Lab
from tests.lab.kit.service import CONFIGURATION

pytestmark = [pytest.mark.systemd, pytest.mark.host_python]

PLAYBOOK = CHECKOUT / ".venv" / "bin" / "ansible-playbook"
DROP_IN = CONFIGURATION.with_suffix(".d") / "10-host.toml"
REFUSED = "polling_interval_ms is 5; allowed: a whole number of milliseconds from 100 to 60000"


class Played(NamedTuple):
    """What a playbook did to the host: its exit status, its output, and the tasks that changed something."""

    status: int
    text: str
    changed: list[str]


@pytest.fixture
def lab(lab: Lab) -> Lab:
    """Return a host with the package installed: the folder for drop-ins is there, the service disabled."""
    DROP_IN.parent.mkdir(exist_ok=True)
    return lab


def play(book: str, *arguments: str, **variables: object) -> Played:
    """Run a playbook of contrib/ansible against this host."""
    own = {
        "ansible_connection": "local",
        "ansible_python_interpreter": "/usr/bin/python3",
        "ansible_become": False,
        **variables,
    }
    inventory = RESULTS / "hosts.yml"
    inventory.write_text(json.dumps({"sriov": {"hosts": {"node1": own}}}))
    done = subprocess.run(
        [PLAYBOOK, "-i", inventory, *arguments, CHECKOUT / "contrib" / "ansible" / book],
        env={**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_DEPRECATION_WARNINGS": "0"},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    text = done.stdout + done.stderr
    parts = re.split(r"^(?:TASK|RUNNING HANDLER) \[(?:pf_status_relay : )?(.*?)\] \**$", text, flags=re.M)
    changed = [name for name, said in zip(parts[1::2], parts[2::2]) if re.search("^changed: ", said, re.M)]
    return Played(done.returncode, text, changed)


def interval() -> str:
    """Return what the program makes of the configuration's polling interval."""
    shown = subprocess.run(["pf-status-relay", "config", "show"], capture_output=True, text=True, check=True)
    return shown.stdout.split("polling_interval_ms = ")[1].split()[0]


CONTENT = {"interfaces": ["ens5f0"], "polling_interval_ms": 2000}
DROP_INS = {DROP_IN.name: {"polling_interval_ms": 500}}
WRITE, RELOAD = "Write the configuration", "Reload pf-status-relay"
ENABLE = "Enable and start the service"


def test_the_first_run_changes_and_the_second_changes_nothing(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=2)
    first = play("site.yml", pf_status_relay_config=CONTENT, pf_status_relay_drop_ins=DROP_INS)
    assert (first.status, first.changed) == (0, [WRITE, RELOAD, ENABLE]), first.text
    assert (lab.show("ActiveState"), lab.show("UnitFileState")) == ("active", "enabled")
    assert interval() == "500"
    pf.cable.block_lacp()
    pf.wait_for_vfs("disable")
    pf.cable.unblock_lacp()

    second = play("site.yml", pf_status_relay_config=CONTENT, pf_status_relay_drop_ins=DROP_INS)
    assert (second.status, second.changed) == (0, []), second.text
    assert pf.in_state("auto"), "it has waited for that"


def test_a_drop_in_without_keys_is_removed_and_the_service_reloaded(lab: Lab) -> None:
    lab.pf_with_lacp("ens5f0", vfs=2)
    pid = lab.start_service("ens5f0")
    DROP_IN.write_text("polling_interval_ms = 500\n")
    removed = play("site.yml", pf_status_relay_config=CONTENT, pf_status_relay_drop_ins={DROP_IN.name: {}})
    assert removed.status == 0, removed.text
    assert removed.changed == [WRITE, "Remove drop-ins without keys", RELOAD, ENABLE]
    assert interval() == "2000"
    assert lab.show("MainPID") == str(pid), "it was reloaded, not restarted"


def test_check_mode_says_what_it_would_change_and_changes_nothing(lab: Lab) -> None:
    lab.pf_with_lacp("ens5f0", vfs=2)
    before = CONFIGURATION.read_text()
    checked = play(
        "site.yml", "--check", "--diff", pf_status_relay_config=CONTENT, pf_status_relay_drop_ins=DROP_INS
    )
    assert (checked.status, checked.changed) == (0, [WRITE, RELOAD, ENABLE]), checked.text
    assert "+polling_interval_ms = 500" in checked.text
    assert (CONFIGURATION.read_text(), DROP_IN.exists()) == (before, False)
    assert (lab.show("ActiveState"), lab.show("UnitFileState")) == ("inactive", "disabled")


@pytest.mark.parametrize("arguments", [(), ("--check",)], ids=["run", "check"])
def test_a_bad_value_fails_and_changes_nothing(lab: Lab, arguments: tuple[str, ...]) -> None:
    lab.pf_with_lacp("ens5f0", vfs=2)
    lab.start_service("ens5f0")
    before = CONFIGURATION.read_text()
    refused = play(
        "site.yml",
        *arguments,
        pf_status_relay_config=CONTENT,
        pf_status_relay_drop_ins={DROP_IN.name: {"polling_interval_ms": 5}},
    )
    assert (refused.status, refused.changed) == (2, []), refused.text
    assert REFUSED in refused.text
    assert (CONFIGURATION.read_text(), DROP_IN.exists()) == (before, False)
    assert lab.show("StatusText") == "1 PF: 1 up, 0 VFs disabled"


def test_the_run_fails_where_lacp_does_not_come_up(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=2)
    pf.cable.block_lacp()
    pf.wait_for_lacp(79, 0)
    failed = play("site.yml", pf_status_relay_config=CONTENT, pf_status_relay_wait_seconds=10)
    assert failed.status == 2, failed.text
    assert "waiting for ens5f0: LACP is down" in failed.text
    assert pf.in_state("disable")


def test_the_pfs_behind_a_switch_are_drained_until_somebody_says_that_it_is_back(lab: Lab) -> None:
    first, second = lab.pf_with_lacp("ens5f0", vfs=2), lab.pf_with_lacp("ens5f1", vfs=2)
    lab.start_service("ens5f0", "ens5f1")
    switches = {"a": ["ens5f0"], "b": ["ens5f1"]}
    words = ("-e", "switch=a", "-e", 'reason="new firmware"')
    drained = play("drain.yml", *words, pf_status_relay_switches=switches)
    assert drained.status != 0, "nobody is there to say that the work is done"
    assert drained.changed == ["Drain"], drained.text
    assert (first.in_state("disable"), second.in_state("auto")) == (True, True)
    assert "is drained by ansible" in lab.call("status").stdout

    other = play("drain.yml", "-e", "switch=b", "-e", "reason=x", pf_status_relay_switches=switches)
    assert other.status != 0
    assert "no other PF" in other.text, "the pods would have no way out"
    assert second.in_state("auto")

    undrained = play("drain.yml", *words, "--tags", "undrain", pf_status_relay_switches=switches)
    assert (undrained.status, undrained.changed) == (0, ["Undrain"]), undrained.text
    assert first.in_state("auto")
