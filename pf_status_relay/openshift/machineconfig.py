"""The resources that bring a configuration to hosts: MachineConfig, MachineConfigPool, MachineConfiguration.

A MachineConfig holds an Ignition configuration (spec 3.2.0, which OpenShift 4.7 and later accept): it writes
/etc/pf-status-relay.toml and enables the unit. The unit itself comes with the RPM; or the MachineConfig
brings a container's file, from which podman's quadlet makes the unit. Everything here is a plain value that
is the same for the same input, so that it can be kept in git.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from pf_status_relay.config import load
from pf_status_relay.config.files import DROP_IN_FOLDERS
from pf_status_relay.openshift import quadlet
from pf_status_relay.openshift.quadlet import Container

API_VERSION = "machineconfiguration.openshift.io/v1"
ROLE_LABEL = "machineconfiguration.openshift.io/role"
OPERATOR_API_VERSION = "operator.openshift.io/v1"
IGNITION_VERSION = "3.2.0"
BUILT_IN = ("worker", "master", "arbiter")
"""The pools that the operator itself creates; `arbiter` since OpenShift 4.19."""

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
    """Return the custom pool of a role: the nodes with these labels, and all MachineConfigs of `worker`.

    Fields that an existing pool may have set, such as maxUnavailable, are left out, so that applying this
    does not change them.
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

    A custom pool gets worker's MachineConfig too, and both write the same file. Since OpenShift 4.15 the
    custom pool's prevails (machine-config-operator#4015); before that, the last by name. So the name for a
    custom pool sorts after worker's.
    """
    if role in BUILT_IN:
        return f"99-{role}-pf-status-relay"
    return f"99-worker-pf-status-relay-{role}"


def disruption_policy() -> dict[str, Any]:
    """Return the cluster's MachineConfiguration: what a change of configuration or unit does to a node.

    The operator accepts only the name `cluster`. It matches a file by its path or by a folder above it; it
    also accepts a pattern, but a pattern never matches. Restart, not Reload: systemctl(1) does not reload an
    inactive or failed unit, and a failed action makes the node degraded. DaemonReload comes first for each
    file: the operator handles changed files in any order, and a new container's unit does not exist before
    it. A new image is pulled before the running service is stopped.
    """
    files = [
        {"path": str(load.DEFAULT_PATH), "actions": _reload_and_restart(UNIT)},
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
    # New values each time: PyYAML writes an alias for an object that it has written before.
    restarts = [{"type": "Restart", "restart": {"serviceName": unit}} for unit in units]
    return [{"type": "DaemonReload"}, *restarts]


def ignition(file: bytes, container: Container | None = None) -> dict[str, Any]:
    """Return the Ignition configuration of a MachineConfig; see `machine_config` for the arguments.

    See <https://coreos.github.io/ignition/configuration-v3_2/>. A container's unit cannot be enabled
    (systemd.generator(7)): the container's file names the unit that wants it.
    """
    files = [_file(str(load.DEFAULT_PATH), file)]
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
    """Return a file in Ignition's form, with mode 0644, which JSON holds in decimal.

    The data URL (RFC 2397) uses percent-encoding, which a person can read in a diff.
    """
    source = f"data:,{quote(content, safe='/:;=,()')}"
    return {"path": path, "mode": 0o644, "overwrite": True, "contents": {"source": source}}
