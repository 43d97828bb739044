"""`pf-status-relay wait`, and the example unit that holds kubelet back by it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.lab.guest.guest import CHECKOUT
from tests.lab.kit.lab import Lab
from tests.lab.kit.program import command, toml

EXAMPLE = CHECKOUT / "contrib" / "examples" / "pf-status-relay-wait.service"
UNITS = Path("/etc/systemd/system")
KUBELET = """[Service]
Type=exec
ExecStart=/usr/bin/sleep infinity
"""


def test_it_waits_until_the_switch_and_the_relay_have_done_their_part(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=2)
    pf.cable.block_lacp()
    lab.relay(["ens5f0"])
    pf.wait_for_vfs("disable")
    config = Path("/run/lab/wait.toml")
    config.write_text(toml(["ens5f0"], None))
    words = command("wait", "--timeout", "120", "--config", str(config))
    with subprocess.Popen(words, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True) as waiting:
        lab.sleep(20)
        assert waiting.poll() is None
        pf.cable.unblock_lacp()
        pf.wait_for_vfs("auto")
        lab.wait_until(lambda: waiting.poll() is not None, within=1, what="the end of the wait")
        assert waiting.stdout is not None
        lines = waiting.stdout.read().splitlines()
    assert waiting.returncode == 0
    assert lines[0] == "waiting for ens5f0: LACP is down: LACPDUs have stopped"
    assert lines[-1] == "ens5f0: LACP is up"


def test_it_gives_up_when_the_time_is_over_and_looks_once_with_none(lab: Lab) -> None:
    lab.pf_with_lacp("ens5f0", vfs=1)
    begun = lab.now
    done = lab.call("wait", "--timeout", "30", interfaces=["ens5f0", "ens9f9"])
    assert 30 <= lab.now - begun <= 30.6
    assert done.returncode == 124
    assert done.stdout == "ens5f0: LACP is up\nwaiting for ens9f9: no interface has this name\n"
    assert done.stderr == "pf-status-relay: given up after 30 s\n"

    begun = lab.now
    done = lab.call("wait", "--timeout", "0", "ens5f0", interfaces=["ens5f0", "ens9f9"])
    assert lab.now - begun < 0.1
    assert done.returncode == 0


@pytest.mark.systemd
def test_a_pf_that_is_drained_is_not_waited_for_and_is_named(lab: Lab) -> None:
    pf, other = lab.pf_with_lacp("ens5f0", vfs=2), lab.pf_with_lacp("ens5f1", vfs=2)
    lab.start_service("ens5f0", "ens5f1")
    drained = lab.call("drain", "ens5f0", "--reason", "switch A", "--owner", "alice")
    assert drained.returncode == 0, drained.stderr
    pf.cable.block_lacp()
    lab.sleep(10)
    done = lab.call("wait", "--timeout", "5")
    assert done.stdout == "ens5f0: is drained by alice\nens5f1: LACP is up\n"
    assert done.returncode == 0
    assert other.in_state("auto")


def install_example(lab: Lab) -> None:
    """Install the example as it says, before a kubelet that only runs."""
    shutil.copy(EXAMPLE, UNITS)
    (UNITS / "kubelet.service").write_text(KUBELET)
    lab.systemctl("daemon-reload")
    lab.systemctl("enable", "pf-status-relay-wait")
    lab.configure(["ens5f0"])


def started_s(lab: Lab, unit: str) -> float:
    """Return when a unit's process was started, in monotonic seconds; 0 if it was not."""
    return int(lab.show("ExecMainStartTimestampMonotonic", unit)) / 1_000_000


@pytest.mark.systemd
def test_the_example_holds_kubelet_back_until_lacp_is_up(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=2)
    pf.cable.block_lacp()
    install_example(lab)
    pf.wait_for_lacp(79, 0)
    lab.systemctl("start", "--no-block", "kubelet")
    pf.wait_for_vfs("disable")  # by the service, which the unit wants
    lab.sleep(10)
    assert started_s(lab, "kubelet") == 0
    pf.cable.unblock_lacp()
    pf.wait_for_vfs("auto")
    up_at = lab.now
    lab.wait_until(lambda: started_s(lab, "kubelet") > 0, within=3, what="kubelet", poll=0.25)
    assert started_s(lab, "kubelet") - up_at < 1
    assert lab.show("Result", "pf-status-relay-wait") == "success"
    said = [entry["MESSAGE"] for entry in lab.journal("pf-status-relay-wait")]
    assert "waiting for ens5f0: LACP is down: LACPDUs have stopped" in said
    assert "ens5f0: LACP is up" in said


@pytest.mark.systemd
def test_the_example_lets_kubelet_start_when_the_time_is_over(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=2)
    pf.cable.pull()
    install_example(lab)
    begun = lab.now
    lab.systemctl("start", "kubelet")
    assert 60 <= started_s(lab, "kubelet") - begun <= 62
    assert lab.show("ActiveState", "kubelet") == "active"
    assert lab.show("ExecMainStatus", "pf-status-relay-wait") == "124"
    assert lab.show("ActiveState", "pf-status-relay-wait") == "failed"
