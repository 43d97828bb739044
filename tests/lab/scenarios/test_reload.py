"""A new configuration for the running service."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest

from pf_status_relay.core.events import ConfigurationReloaded
from tests.lab.guest.guest import CHECKOUT
from tests.lab.kit.lab import Lab

DROPPED = "interface is no longer monitored, its VFs are left as they are"


def test_sighup_takes_the_new_interfaces_and_leaves_the_vfs_of_the_old_ones(lab: Lab) -> None:
    first, second = lab.pf_with_lacp("ens5f0", vfs=2), lab.pf_with_lacp("ens5f1", vfs=2)
    relay = lab.relay(["ens5f0"])
    relay.wait_for("lacp is up")
    for pf in (first, second):
        pf.cable.block_lacp()
    first.wait_for_vfs("disable")
    assert second.in_state("auto")

    relay.configuration.write_text('interfaces = ["ens5f1"]\n')
    relay.signal(signal.SIGHUP)
    relay.wait_for(DROPPED, interface="ens5f0", disabled=2, within=0.5)
    second.wait_for_vfs("disable", within=0.5)
    for pf in (first, second):
        pf.cable.unblock_lacp()
    second.wait_for_vfs("auto")
    assert first.in_state("disable")
    assert len(relay.events(DROPPED)) == 1


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("interfaces = [\n", "is not valid TOML"),
        ('interfaces = ["a b"]\n', 'interfaces[0] is "a b"; allowed'),
        (None, "no such file"),
    ],
)
def test_a_bad_file_is_refused_and_the_relay_goes_on(lab: Lab, text: str | None, error: str) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=2)
    relay = lab.relay(["ens5f0"])
    relay.wait_for("lacp is up")
    relay.configuration.unlink()
    if text is not None:
        relay.configuration.write_text(text)
    relay.signal(signal.SIGHUP)
    refused = relay.wait_for("configuration was refused", within=0.5, level="ERROR")
    assert error in refused["error"]
    pf.cable.block_lacp()
    pf.wait_for_vfs("disable")


@pytest.mark.systemd
def test_systemctl_reload_reads_drop_ins_and_tells_systemd(lab: Lab) -> None:
    first, second = lab.pf_with_lacp("ens5f0", vfs=2), lab.pf_with_lacp("ens5f1", vfs=2)
    lab.configure(["ens5f0"])
    lab.systemctl("start", "pf-status-relay")
    pid = lab.show("MainPID")
    drop_ins = Path("/etc/pf-status-relay.d")
    drop_ins.mkdir()
    (drop_ins / "10-pool.toml").write_text('interfaces = ["ens5f1"]\n')
    lab.systemctl("reload", "pf-status-relay")
    lab.wait_until(
        lambda: lab.show("StatusText") == "1 PF: 1 up, 0 VFs disabled",
        within=1,
        what=lambda: f"the status line, found {lab.show('StatusText')}",
        poll=0.1,
    )
    assert lab.journal(MESSAGE="interfaces to monitor interfaces=ens5f1")
    second.cable.block_lacp()
    second.wait_for_vfs("disable")
    assert first.in_state("auto")

    (drop_ins / "20-bad.toml").write_text("polling_interval_ms = 1\n")
    lab.systemctl("reload", "pf-status-relay")
    refused = "the new configuration is refused, see the log"
    lab.wait_until(lambda: refused in lab.show("StatusText"), within=1, what="the refusal", poll=0.1)
    assert lab.show("ActiveState") == "active"
    assert lab.show("MainPID") == pid
    (entry,) = [entry for entry in lab.journal() if "configuration was refused" in str(entry["MESSAGE"])]
    assert entry["ERROR"].startswith(
        "/etc/pf-status-relay.d/20-bad.toml: polling_interval_ms is 1; allowed: "
    )


@pytest.mark.systemd
@pytest.mark.parametrize("shell", ["bash", "dash"])
def test_systemctl_reload_works_with_the_shell_of_rhel_and_of_debian(lab: Lab, shell: str) -> None:
    unit = (CHECKOUT / "systemd" / "pf-status-relay.service").read_text()
    (line,) = re.findall("^ExecReload=/bin/sh (.*)$", unit, re.MULTILINE)
    drop_in = Path("/run/systemd/system/pf-status-relay.service.d/shell.conf")
    drop_in.parent.mkdir(parents=True)
    drop_in.write_text(f"[Service]\nExecReload=\nExecReload=/bin/{shell} {line}\n")
    lab.systemctl("daemon-reload")
    lab.start_service("ens5f0")
    lab.systemctl("reload", "pf-status-relay")
    lab.wait_until(
        lambda: lab.journal(event=ConfigurationReloaded), within=1, what="the new configuration", poll=0.1
    )
