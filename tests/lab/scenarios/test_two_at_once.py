"""Two that set the same VFs: ours exclude each other, and somebody else is noticed."""

from __future__ import annotations

import os
import signal
import subprocess

import pytest

from pf_status_relay.core.events import NotRestored
from tests.lab.guest.guest import CHECKOUT
from tests.lab.kit.commands import run
from tests.lab.kit.lab import RESULTS, Lab
from tests.lab.kit.program import Relay, command, toml
from tests.lab.kit.topology import Pf

CONFIGURATION = toml(["ens5f0"], None)


def pf_and_relay(lab: Lab, vfs: int) -> tuple[Pf, Relay]:
    """Return a PF with LACP up, and a relay started by hand that serves it."""
    pf = lab.pf_with_lacp("ens5f0", vfs=vfs)
    relay = lab.relay(["ens5f0"])
    relay.wait_for("lacp is up")
    return pf, relay


def test_by_hand_a_second_relay_is_refused_and_names_the_first(lab: Lab) -> None:
    _, first = pf_and_relay(lab, vfs=1)
    refused = lab.call("run", interfaces=["ens5f0"])
    assert refused.returncode == 75
    assert refused.stderr == (
        f"pf-status-relay: another relay is running (process {first.pid}): stop that first\n"
    )
    assert refused.stdout == ""
    lab.relay(["ens5f0"], arguments=["--dry-run"]).wait_for("lacp is up")

    first.kill()
    lab.relay(["ens5f0"]).wait_for("lacp is up")


def test_relays_in_two_network_namespaces_do_not_exclude_each_other(lab: Lab) -> None:
    _, first = pf_and_relay(lab, vfs=1)
    run("ip", "netns", "add", "elsewhere")
    (RESULTS / "elsewhere.toml").write_text(CONFIGURATION)
    line = command("run", "--log-format", "json", "--config", str(RESULTS / "elsewhere.toml"))
    with subprocess.Popen(
        ["ip", "netns", "exec", "elsewhere", *line], cwd=CHECKOUT, stdout=subprocess.PIPE, text=True
    ) as second:
        assert second.stdout is not None
        for _ in range(3):
            said = second.stdout.readline()
        assert "failed to fetch interface" in said, "it looks, and finds no such PF there"
        second.terminate()
        assert second.wait() == 0
    assert first.running()


def test_somebody_who_keeps_setting_vfs_back_is_warned_about_once(lab: Lab) -> None:
    pf, relay = pf_and_relay(lab, vfs=2)
    pf.cable.block_lacp("to_host")
    pf.wait_for_vfs("disable")
    pf.set_vfs(0)
    pf.set_vfs(2)
    pf.wait_for_vfs("disable", within=1)
    for _ in range(10):
        assert len(relay.events("vf link states are also set by somebody else")) <= 1
        lab.sleep(0.5)
        pf.set_vf_state(1, "auto")
        pf.wait_for_vfs("disable", within=0.3)
    (warning,) = relay.events("vf link states are also set by somebody else")
    assert (warning["level"], warning["interface"], warning["id"]) == ("WARN", "ens5f0", 1)


@pytest.mark.systemd
def test_the_service_waits_while_a_relay_by_hand_runs_and_takes_over_when_that_is_killed(lab: Lab) -> None:
    pf, first = pf_and_relay(lab, vfs=2)
    lab.configure(["ens5f0"])
    lab.systemctl("start", "pf-status-relay")
    process = lab.show("MainPID")
    assert lab.show("StatusText") == (f"waits for another relay to end (process {first.pid}), sets nothing")
    lab.sleep(100)
    assert lab.show("MainPID") == process, "the watchdog is content"
    assert lab.show("NRestarts") == "0"
    (warning,) = lab.journal(PRIORITY="4")
    assert warning["RELAY_PID"] == str(first.pid)

    pf.cable.block_lacp("to_host")
    pf.wait_for_vfs("disable")
    assert not lab.journal(VF_LINK_STATE="disable"), "by the one by hand"
    os.kill(first.pid, signal.SIGKILL)
    first.wait(within=1)
    pf.cable.unblock_lacp("to_host")
    pf.wait_for_vfs("auto")
    assert len(lab.journal(VF_LINK_STATE="auto")) == 2
    assert lab.show("StatusText") == "1 PF: 1 up, 0 VFs disabled"


@pytest.mark.systemd
def test_a_relay_by_hand_has_the_lock_still_when_the_service_has_ended(lab: Lab) -> None:
    _, first = pf_and_relay(lab, vfs=1)
    lab.configure(["ens5f0"])
    lab.systemctl("start", "pf-status-relay")
    lab.systemctl("stop", "pf-status-relay")
    lab.sleep(1.1)
    refused = lab.call("run", interfaces=["ens5f0"])
    assert refused.returncode == 75
    assert f"(process {first.pid})" in refused.stderr


@pytest.mark.systemd
def test_a_relay_whose_lock_a_third_has_got_waits_for_that(lab: Lab) -> None:
    pf, first = pf_and_relay(lab, vfs=1)
    lab.configure(["ens5f0"])
    lab.systemctl("start", "pf-status-relay")
    os.kill(first.pid, signal.SIGSTOP)
    lab.systemctl("restart", "pf-status-relay")
    process = lab.show("MainPID")
    os.kill(first.pid, signal.SIGCONT)
    warning = first.wait_for("another relay is running", within=1.1)
    assert str(warning["pid"]) == process

    pf.cable.block_lacp("to_host")
    pf.wait_for_vfs("disable")
    assert len(lab.journal(VF_LINK_STATE="disable")) == 1, "by the service"
    assert not first.events("vf link state was set")
    lab.systemctl("stop", "pf-status-relay")
    pf.cable.unblock_lacp("to_host")
    first.wait_for("vf link state was set", within=60)
    assert pf.in_state("auto")


@pytest.mark.systemd
def test_a_service_that_waits_restores_nothing_when_it_is_stopped(lab: Lab) -> None:
    pf, _ = pf_and_relay(lab, vfs=1)
    lab.write_config(f'{CONFIGURATION}on_stop = "restore"\n')
    lab.systemctl("start", "pf-status-relay")
    pf.cable.block_lacp("to_host")
    pf.wait_for_vfs("disable")
    lab.systemctl("stop", "pf-status-relay")
    assert lab.show("Result") == "success"
    assert pf.in_state("disable")
    assert not lab.journal(event=NotRestored), "not even that it cannot"


@pytest.mark.systemd
def test_by_hand_a_relay_beside_the_service_is_refused(lab: Lab) -> None:
    lab.pf_with_lacp("ens5f0", vfs=1)
    lab.configure(["ens5f0"])
    lab.systemctl("start", "pf-status-relay")
    refused = lab.call("run", interfaces=["ens5f0"])
    assert refused.returncode == 75
    assert f"(process {lab.show('MainPID')})" in refused.stderr
