"""A node's first boot: the real Ignition writes what a MachineConfig says, and the service starts from it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.lab.kit.commands import run
from tests.lab.kit.lab import Lab

pytestmark = pytest.mark.systemd

IGNITION = "/usr/lib/dracut/modules.d/30ignition/ignition"
SYSROOT = Path("/sysroot")

MONITOR = """\
apiVersion: pfstatusrelay.openshift.io/v1alpha1
kind: PFLACPMonitor
metadata: {{name: {name}, namespace: default}}
spec:
  interfaces: [{interface}]
  pollingInterval: 500
  nodeSelector: {{rack: a}}
"""


def render(*arguments: str, given: str | None = None) -> dict[str, Any]:
    """Run the installed program; return the Ignition configuration of the last resource it printed."""
    resources = list(yaml.safe_load_all(run("pf-status-relay", "machineconfig", *arguments, given=given)))
    config: dict[str, Any] = resources[-1]["spec"]["config"]
    return config


def first_boot(config: dict[str, Any]) -> None:
    """Do what the initramfs of RHEL CoreOS does with the root file system, and then systemd in it."""
    SYSROOT.mkdir()
    run("mount", "--bind", "/", str(SYSROOT))
    # Ignition has what it wrote labelled. The guest's kernel has no SELinux, and nobody to do it.
    selinux = Path("/etc/selinux/config")
    selinux.parent.mkdir(exist_ok=True)
    selinux.write_text("SELINUX=disabled\nSELINUXTYPE=targeted\n")
    setfiles = Path("/usr/sbin/setfiles")
    setfiles.write_text("#!/bin/sh\n")
    setfiles.chmod(0o755)
    # RHEL enables no unit that nobody asked for, Debian all.
    presets = Path("/etc/systemd/system-preset")
    presets.mkdir(exist_ok=True)
    (presets / "99-default-disable.preset").write_text("disable *\n")

    Path("/run/config.ign").write_text(json.dumps(config))
    for stage in ("fetch", "files"):
        run(
            *("env", "IGNITION_CONFIG_FILE=/run/config.ign", IGNITION, "-platform", "file", "-stage", stage),
            *("-root", str(SYSROOT), "-config-cache", "/run/ignition.json", "-log-to-stdout"),
        )
    run("umount", str(SYSROOT))
    run("systemctl", "preset", "pf-status-relay.service")
    run("systemctl", "daemon-reload")


def test_the_service_starts_from_what_ignition_wrote(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=2)
    mine = '# mine\ninterfaces = ["ens5f0"]\n'
    Path("/run/mine.toml").write_text(mine)
    shipped = Path("/etc/pf-status-relay.toml").read_text()
    config = render("--role", "worker", "--config", "/run/mine.toml")
    assert lab.systemctl("is-enabled", "pf-status-relay", check=False).strip() == "disabled"

    first_boot(config)
    written = Path("/etc/pf-status-relay.toml")
    assert written.read_text() == mine != shipped, "the file of the package is overwritten"
    assert written.stat().st_mode & 0o7777 == 0o644
    assert lab.systemctl("is-enabled", "pf-status-relay").strip() == "enabled"

    lab.systemctl("start", "multi-user.target")
    assert lab.show("ActiveState") == "active"
    pf.cable.block_lacp()
    pf.wait_for_vfs(["disable"] * 2)


def test_the_service_relays_for_what_the_monitors_of_its_pool_say(lab: Lab) -> None:
    first, second = lab.pf_with_lacp("ens5f0", vfs=1), lab.pf_with_lacp("ens5f1", vfs=1)
    monitors = [MONITOR.format(name=f"m-{name}", interface=name) for name in ("ens5f0", "ens5f1")]
    first_boot(render("--from-pflacpmonitor", "-", given="---\n".join(monitors)))

    lab.systemctl("start", "multi-user.target")
    lab.wait_until(
        lambda: lab.show("StatusText") == "2 PFs: 2 up, 0 VFs disabled",
        within=2,
        what=lambda: f"both PFs, found {lab.show('StatusText')}",
    )
    second.cable.block_lacp()
    second.wait_for_vfs(["disable"])
    assert first.vf_states() == ["auto"]


def test_a_host_without_a_cluster_starts_from_an_imported_file(lab: Lab) -> None:
    lab.pf_with_lacp("ens5f0", vfs=1)
    imported = run(
        *("env", "PF_STATUS_RELAY_INTERFACES=ens5f0, ens5f9", "PF_STATUS_RELAY_POLLING_INTERVAL=250"),
        *("pf-status-relay", "config", "import", "--from-env"),
    )
    lab.write_config(imported)
    lab.systemctl("start", "pf-status-relay")
    assert lab.show("StatusText") == "2 PFs: 1 up, 1 not ready (ens5f9), 0 VFs disabled"
