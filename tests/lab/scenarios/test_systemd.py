"""The shipped unit, unchanged, under systemd as PID 1."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from pf_status_relay.core.events import ConfigurationLeftOut, LacpDown
from tests.lab.kit.lab import Lab
from tests.lab.kit.waiting import wait_until

pytestmark = pytest.mark.systemd

CAP_NET_ADMIN = 1 << 12


def wait_for_restart(lab: Lab, before: int, *, within: float) -> int:
    """Wait until the service is active again in another process; return that."""

    def restarted() -> bool:
        return lab.show("ActiveState") == "active" and int(lab.show("MainPID")) not in (0, before)

    wait_until(restarted, within=within, what="the service restarted", poll=0.5)
    return int(lab.show("MainPID"))


def process_status(pid: int) -> dict[str, str]:
    """Return /proc/PID/status."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}


def test_the_service_relays_and_says_so_in_its_status_line(lab: Lab) -> None:
    first, second = lab.pf_with_lacp("ens5f0", vfs=2), lab.pf_with_lacp("ens5f1", vfs=2)
    lab.start_service("ens5f0", "ens5f1", "ens5f2")
    assert lab.show("ActiveState") == "active", "READY=1 came"
    assert lab.show("StatusText") == "3 PFs: 2 up, 1 not ready (ens5f2), 0 VFs disabled"

    second.cable.block_lacp()
    second.wait_for_vfs(["disable"] * 2)
    assert first.vf_states() == ["auto"] * 2
    lab.wait_until(
        lambda: (
            lab.show("StatusText") == "3 PFs: 1 up, 1 down (ens5f1), 1 not ready (ens5f2), 2 VFs disabled"
        ),
        within=1,
        what=lambda: f"the status line, found {lab.show('StatusText')}",
    )


def test_events_are_native_journal_entries(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=1)
    lab.start_service("ens5f0")
    pf.cable.block_lacp()
    pf.wait_for_vfs(["disable"])
    lab.sleep(0.2)

    (down,) = lab.journal(event=LacpDown)
    assert down["PF_INTERFACE"] == "ens5f0"
    assert down["PRIORITY"] == "6"
    assert down["SYSLOG_IDENTIFIER"] == "pf-status-relay"
    assert down["ACTOR_STATE"].startswith("0x8f (")
    assert "expired" in down["ACTOR_STATE"]
    assert down["PARTNER_STATE"].startswith("0x37 (")
    assert len(down["MESSAGE_ID"]) == 32

    (was_set,) = lab.journal(VF_ID="0")
    assert was_set["MESSAGE"] == "vf link state was set id=0 state=disable interface=ens5f0"
    assert was_set["VF_LINK_STATE"] == "disable"
    assert lab.journal(MESSAGE_ID=down["MESSAGE_ID"]) == [down]


def test_a_stopped_process_is_restarted_by_the_watchdog_and_takes_over(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=2)
    hung = lab.start_service("ens5f0")
    os.kill(hung, signal.SIGSTOP)
    pf.cable.block_lacp()
    wait_for_restart(lab, hung, within=100)
    assert lab.show("NRestarts") == "1"
    pf.wait_for_vfs(["disable"] * 2, within=1)


def test_an_idle_service_is_not_taken_for_a_hung_one(lab: Lab) -> None:
    lab.pf_with_lacp("ens5f0", vfs=1)
    lab.configure(["ens5f0"], polling_interval_ms=60_000)
    lab.systemctl("start", "pf-status-relay")
    pid = lab.show("MainPID")
    lab.sleep(200)
    assert lab.show("MainPID") == pid
    assert lab.show("NRestarts") == "0"


def test_a_killed_service_is_back_after_a_second(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=2)
    pid = lab.start_service("ens5f0")
    pf.cable.block_lacp("to_host")
    pf.wait_for_vfs(["disable"] * 2)
    for _ in range(8):  # more often than systemd's default start limit
        os.kill(pid, signal.SIGKILL)
        pid = wait_for_restart(lab, pid, within=3)
    pf.cable.unblock_lacp("to_host")
    pf.wait_for_vfs(["auto"] * 2)


def test_stopping_it_takes_less_than_a_second_and_leaves_the_vfs(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=2)
    lab.start_service("ens5f0")
    pf.cable.block_lacp()
    pf.wait_for_vfs(["disable"] * 2)
    asked_at = lab.now
    lab.systemctl("stop", "pf-status-relay")
    assert lab.now - asked_at < 1.0
    assert lab.show("Result") == "success"
    assert pf.vf_states() == ["disable"] * 2


def test_it_runs_as_a_user_of_its_own_with_exactly_one_capability(lab: Lab) -> None:
    lab.pf_with_lacp("ens5f0", vfs=1)
    status = process_status(lab.start_service("ens5f0"))
    assert "0" not in status["Uid"].split()
    for kind in ("CapEff", "CapPrm", "CapBnd", "CapAmb", "CapInh"):
        assert int(status[kind], 16) == CAP_NET_ADMIN, kind
    assert status["NoNewPrivs"] == "1"
    assert status["Seccomp"] == "2"


@pytest.mark.parametrize(
    "text", ["interfaces = []\n", "interfaces = [\n", 'interfaces = ["ens5f0"]\npolling_interval_ms = 5\n']
)
def test_a_bad_configuration_is_status_78_and_no_restart_loop(lab: Lab, text: str) -> None:
    lab.write_config(text)
    lab.systemctl("start", "pf-status-relay", check=False)
    lab.sleep(30)
    assert lab.show("ActiveState") == "failed"
    assert lab.show("ExecMainStatus") == "78"
    assert lab.show("NRestarts") == "0"
    (fault,) = [
        entry["MESSAGE"] for entry in lab.journal() if "/etc/pf-status-relay.toml" in str(entry["MESSAGE"])
    ]
    assert fault.startswith("pf-status-relay: /etc/pf-status-relay.toml: ")


def test_an_environment_of_the_go_program_is_taken_as_it_is_and_the_journal_says_what_was_dropped(
    lab: Lab,
) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=2)
    drop_in = Path("/etc/systemd/system/pf-status-relay.service.d/go.conf")
    drop_in.parent.mkdir()
    drop_in.write_text(
        "[Service]\n"
        'Environment="PF_STATUS_RELAY_INTERFACES=ens5f0, ens5f9,,ens5f0"\n'
        "Environment=PF_STATUS_RELAY_POLLING_INTERVAL=600000\n"
    )
    lab.systemctl("daemon-reload")
    lab.systemctl("start", "pf-status-relay")
    line = "2 PFs: 1 up, 1 not ready (ens5f9), 0 VFs disabled"
    assert lab.show("StatusText") == f"{line}; part of the configuration is left out, see the log"
    prefix = "environment: "
    said = [str(entry["ERROR"]) for entry in lab.journal(event=ConfigurationLeftOut)]
    assert [line[len(prefix) :] for line in said if line.startswith(prefix)] == [
        "PF_STATUS_RELAY_INTERFACES: 1 empty entry is dropped",
        "PF_STATUS_RELAY_INTERFACES: repeated names are dropped: ens5f0",
        "PF_STATUS_RELAY_POLLING_INTERVAL is 600000; cut to 60000",
    ]
    pf.cable.block_lacp()
    pf.wait_for_vfs("disable")
