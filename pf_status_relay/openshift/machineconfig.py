"""The resources that bring a configuration to hosts: MachineConfig, MachineConfigPool, MachineConfiguration.

A MachineConfig holds an Ignition configuration (spec 3.2.0, which OpenShift 4.7 and later take):
the file /etc/pf-status-relay.toml, and the unit enabled. The unit itself comes with the RPM; or the
MachineConfig brings the file of a container, of which podman's quadlet makes the unit.
Everything here is a plain value that is the same for the same input, and lives well in git.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from pf_status_relay.config.files import DROP_IN_FOLDERS
from pf_status_relay.config.load import DEFAULT_PATH
from pf_status_relay.openshift import quadlet
from pf_status_relay.openshift.quadlet import Container

API_VERSION = "machineconfiguration.openshift.io/v1"
ROLE_LABEL = "machineconfiguration.openshift.io/role"
OPERATOR_API_VERSION = "operator.openshift.io/v1"
IGNITION_VERSION = "3.2.0"
BUILT_IN = ("worker", "master", "arbiter")
"""The pools that the operator itself makes; `arbiter` from OpenShift 4.19 on."""

UNIT = "pf-status-relay.service"


def machine_config(role: str, file: bytes, container: Container | None = None) -> dict[str, Any]:
    """Return the MachineConfig that gives the nodes of a role the file, and enables the unit.

    `role` is the name of a pool. `file` is the text of a configuration file. `container` is the
    service as a container, None where it comes with the RPM.
    """
    return {
        "apiVersion": API_VERSION,
        "kind": "MachineConfig",
        "metadata": {"name": name(role), "labels": {ROLE_LABEL: role}},
        "spec": {"config": ignition(file, container)},
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
    if role in BUILT_IN:
        return f"99-{role}-pf-status-relay"
    return f"99-worker-pf-status-relay-{role}"


def disruption_policy() -> dict[str, Any]:
    """Return the cluster's MachineConfiguration: what a change of configuration or unit does to a node.

    The operator takes no other name than `cluster`. It covers a file by its path or a folder above it;
    it takes a pattern, too, which never matches. Restart and not Reload: systemctl(1) reloads no unit
    that is inactive or failed, and an action that fails makes the node degraded. DaemonReload comes first
    for each file: the operator goes through the changed files in any order, and the unit of a container
    that is new does not exist before it. A new image is pulled before what runs is stopped.
    """
    files = [
        {"path": str(DEFAULT_PATH), "actions": _reload_and_restart(UNIT)},
        {"path": str(DROP_IN_FOLDERS[0]), "actions": _reload_and_restart(UNIT)},
        {"path": quadlet.PATH, "actions": _reload_and_restart(quadlet.PULLER, UNIT)},
    ]
    units = [
        {"name": UNIT, "actions": _reload_and_restart(UNIT)},
        {"name": quadlet.PULLER, "actions": _reload_and_restart()},
    ]
    return {
        "apiVersion": OPERATOR_API_VERSION,
        "kind": "MachineConfiguration",
        "metadata": {"name": "cluster"},
        "spec": {"nodeDisruptionPolicy": {"files": files, "units": units}},
    }


def _reload_and_restart(*units: str) -> list[dict[str, Any]]:
    # Values of their own each time: PyYAML writes an alias for one that it has written before.
    restarts = [{"type": "Restart", "restart": {"serviceName": unit}} for unit in units]
    return [{"type": "DaemonReload"}, *restarts]


def ignition(file: bytes, container: Container | None = None) -> dict[str, Any]:
    """Return the Ignition configuration of a MachineConfig; see there for the arguments.

    See <https://coreos.github.io/ignition/configuration-v3_2/>. The unit of a container cannot be enabled
    (systemd.generator(7)): its file says what wants it.
    """
    files = [_file(str(DEFAULT_PATH), file)]
    units: list[dict[str, Any]] = [{"name": UNIT, "enabled": True}]
    if container is not None:
        files.append(_file(quadlet.PATH, container.file))
        units = [{"name": quadlet.PULLER, "contents": container.puller}]
    return {
        "ignition": {"version": IGNITION_VERSION},
        "storage": {"files": files},
        "systemd": {"units": units},
    }


def _file(path: str, content: bytes) -> dict[str, Any]:
    """Return a file as Ignition has it: mode 0644, in decimal as JSON has it.

    The data URL (RFC 2397) is in percent-encoding, which a person can read in a diff.
    """
    source = f"data:,{quote(content, safe='/:;=,()')}"
    return {"path": path, "mode": 0o644, "overwrite": True, "contents": {"source": source}}
