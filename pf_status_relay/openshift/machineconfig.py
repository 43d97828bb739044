"""The resources that bring a configuration to hosts: MachineConfig, MachineConfigPool.

A MachineConfig holds an Ignition configuration (spec 3.2.0, which OpenShift 4.7 and later take):
the file /etc/pf-status-relay.toml, and the unit enabled. The unit itself comes with the RPM.
Everything here is a plain value that is the same for the same input, and lives well in git.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from pf_status_relay.config.load import DEFAULT_PATH

API_VERSION = "machineconfiguration.openshift.io/v1"
ROLE_LABEL = "machineconfiguration.openshift.io/role"
IGNITION_VERSION = "3.2.0"
UNIT = "pf-status-relay.service"


def machine_config(role: str, file: bytes) -> dict[str, Any]:
    """Return the MachineConfig that gives the nodes of a role the file, and enables the unit.

    `role` is a DNS label: the name of a pool. `file` is the text of a configuration file.
    """
    return {
        "apiVersion": API_VERSION,
        "kind": "MachineConfig",
        "metadata": {"name": name(role), "labels": {ROLE_LABEL: role}},
        "spec": {"config": ignition(file)},
    }


def machine_config_pool(role: str, match_labels: dict[str, str]) -> dict[str, Any]:
    """Return the custom pool of a role: the nodes with these labels, and all that `worker` gives.

    Nothing is said of what an existing pool may have set, such as maxUnavailable, so that applying
    this leaves it.
    """
    roles = {"key": ROLE_LABEL, "operator": "In", "values": ["worker", role]}
    return {
        "apiVersion": API_VERSION,
        "kind": "MachineConfigPool",
        "metadata": {"name": role},
        "spec": {
            "machineConfigSelector": {"matchExpressions": [roles]},
            "nodeSelector": {"matchLabels": match_labels},
        },
    }


def name(role: str) -> str:
    """Return the name of a role's MachineConfig.

    A custom pool gets worker's MachineConfig too, and both write the same file. Since OpenShift 4.15
    the custom pool's prevails (machine-config-operator#4015), before that the last by name. So the
    name of a custom pool's comes after worker's.
    """
    if role in ("worker", "master"):
        return f"99-{role}-pf-status-relay"
    return f"99-worker-pf-status-relay-{role}"


def ignition(file: bytes) -> dict[str, Any]:
    """Return the Ignition configuration of a MachineConfig.

    See <https://coreos.github.io/ignition/configuration-v3_2/>. Mode is 0644, in decimal as JSON
    has it. The data URL (RFC 2397) is in percent-encoding, which a person can read in a diff.
    """
    return {
        "ignition": {"version": IGNITION_VERSION},
        "storage": {
            "files": [
                {
                    "path": str(DEFAULT_PATH),
                    "mode": 0o644,
                    "overwrite": True,
                    "contents": {"source": f"data:,{quote(file, safe='/:;=,()')}"},
                }
            ]
        },
        "systemd": {"units": [{"name": UNIT, "enabled": True}]},
    }
