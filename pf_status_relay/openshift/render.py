"""The output of the fleet commands: from files and the environment to YAML or TOML, all or nothing.

Faults are collected from all files, and raised together, a line per fault.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pf_status_relay.config import keys, load, render
from pf_status_relay.config.keys import Config
from pf_status_relay.openshift import machineconfig, manifests, quadlet
from pf_status_relay.openshift import monitors as pflacpmonitor
from pf_status_relay.openshift import pools as nodepools
from pf_status_relay.openshift.manifests import Resource, ResourceError
from pf_status_relay.openshift.monitors import Monitor
from pf_status_relay.openshift.pools import WORKER, Pool
from pf_status_relay.openshift.quadlet import Container
from pf_status_relay.text import one_line, reason_of

STANDARD_INPUT = "-"

_EVERY_SELECTOR = """\
Single-node and compact clusters: a node that is master and worker is in the pool master, whatever other
selectors match; render the file of `config import` with `--role master` there. A control plane node that
two custom pools match is stuck: it gets no new configuration from either, nor from master."""

_IMAGE = """\
The service is a container: each node pulls the image once, by its digest, with the cluster's pull secret.
The nodes need no RPM. If they have it, the container takes the place of its unit.
Render all pools with --image, or none: a custom pool inherits worker's MachineConfig, and one without --image
enables the unit. systemctl refuses that for a container's unit, and the node would become degraded."""

_NEW_POOL = """\
A new pool: if `oc get mcp {name}` finds a pool that this command did not make, do not apply this. It would
replace that pool's selectors."""

_POOL_OF_A_ROLE = """\
The pool {name} may exist, so it is not printed here: applying it would replace that pool's list of roles, and
so the other MachineConfigs of its nodes. If `oc get mcp {name}` finds none, `oc create` this one first,
without the # signs:
{pool}"""

_POLICY_COMMENT = """\
With this, a new configuration restarts pf-status-relay.service; without it, each node is drained and
reboots. OpenShift 4.17 and later; 4.16 has it as a technology preview.
Apply it before the MachineConfig. `oc apply` and `oc patch --type merge` replace the lists files and
units: if the cluster has entries already, put these beside them and apply all in one file.
  oc get machineconfiguration cluster -o jsonpath='{.spec.nodeDisruptionPolicy}'"""


class Unusable(Exception):
    """The input cannot be used. `faults` are lines for a person, at least one."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


class Conflict(Unusable):
    """Each monitor is valid, but pools cannot express their combination."""


def for_role(
    role: str,
    path: Path | None,
    environment: Mapping[str, str],
    warnings: list[str],
    *,
    image: str | None = None,
) -> str:
    """Return the MachineConfig of a role, with a configuration file as it is.

    `path` is the file. None stands for a file made from the environment's variables, which otherwise do not
    count; dropped variables add lines to `warnings`. `image` is the image of the service's container, None
    where the service comes with the RPM. Settings that a container cannot follow also add lines to
    `warnings`. Raises Unusable.
    """
    faults: list[str] = []
    container = _container(image, faults)
    if not nodepools.is_pool_name(role):
        faults.append(
            f"--role is {keys.quoted(role)}; allowed: the name of a pool, "
            f"up to {nodepools.MAX_NAME} lower case letters and digits, with '-' or '.' between them"
        )
    file = b""
    try:
        if path is None:
            config = load.from_environment(environment)
            warnings += config.warnings
            file = render.toml(config).encode()
        else:
            config = load.from_files(path, {}, strict=True)
            if container is not None:
                warnings += _without_effect(config)
            file = path.read_bytes()
    except load.ConfigError as error:
        faults += error.faults
    except OSError as error:
        faults.append(f"{one_line(str(path))}: cannot be read: {reason_of(error)}")
    if faults:
        raise Unusable(faults)
    comment = "" if container is None else _IMAGE
    return manifests.write([(comment, machineconfig.machine_config(role, file, container))])


def disruption_policy() -> str:
    """Return the MachineConfiguration with which a new configuration restarts the service, not the node."""
    return manifests.write([(_POLICY_COMMENT, machineconfig.disruption_policy())])


def for_monitors(
    files: Sequence[str],
    warnings: list[str],
    *,
    include_degraded: bool = False,
    image: str | None = None,
) -> str:
    """Return the MachineConfig of each set of nodes, and its MachineConfigPool if that is new.

    `files` hold PFLACPMonitors; STANDARD_INPUT stands for standard input. A degraded monitor is left out and
    adds a line to `warnings`, unless `include_degraded`. `image` is as for `for_role`. Raises Unusable, or
    its subclass Conflict if the monitors are valid and only their combination is not.
    """
    faults: list[str] = []
    container = _container(image, faults)
    monitors = _monitors(files, faults, warnings, include_degraded)
    odds = nodepools.conflicts(monitors) + nodepools.refusals(monitors)
    _raise(faults, odds)
    return manifests.write(_of_pools(nodepools.pools(monitors), container))


def _container(image: str | None, faults: list[str]) -> Container | None:
    """Return the container that runs an image. Return None without an image, or with a line in `faults`."""
    if image is None:
        return None
    container = quadlet.container(image)
    if container is None:
        faults.append(f"--image is {keys.quoted(image, 200)}; {quadlet.IMAGE_ALLOWED}")
    return container


def for_host(files: Sequence[str], warnings: list[str], *, include_degraded: bool = False) -> str:
    """Return the one configuration file that combines PFLACPMonitors, for a host that matches them all.

    See `for_monitors` for the arguments and what is raised.
    """
    faults: list[str] = []
    monitors = _monitors(files, faults, warnings, include_degraded)
    _raise(faults, nodepools.conflicts(monitors) + nodepools.disjoint(monitors))
    return render.toml(nodepools.merged(monitors))


def _raise(faults: list[str], odds: list[str]) -> None:
    if faults:
        raise Unusable(faults + odds)
    if odds:
        raise Conflict(odds)


def _monitors(
    files: Sequence[str], faults: list[str], warnings: list[str], include_degraded: bool
) -> list[Monitor]:
    before = len(faults)
    left_out: list[str] = []
    monitors = pflacpmonitor.monitors(
        _resources(files, faults), faults, left_out, include_degraded=include_degraded
    )
    warnings += left_out
    if not monitors and len(faults) == before:
        fault = f"no {pflacpmonitor.KIND} in {', '.join(_displayed(file) for file in files)}"
        if left_out:
            fault += ", except degraded ones; --include-degraded includes them"
        faults.append(fault)
    return monitors


def _resources(files: Sequence[str], faults: list[str]) -> Iterator[Resource]:
    for position, file in enumerate(files):
        if file == STANDARD_INPUT and file in files[:position]:
            faults.append("standard input can be read only once")
            continue
        try:
            yield from manifests.read(_displayed(file), _content(file))
        except ResourceError as error:
            faults.append(str(error))
        except (OSError, ValueError) as error:
            faults.append(f"{_displayed(file)}: cannot be read: {reason_of(error)}")


def _content(file: str) -> bytes:
    """Return the content of a file; of a too large one, just enough to see that it is too large."""
    if file == STANDARD_INPUT:
        return sys.stdin.buffer.read(manifests.MAX_BYTES + 1)
    with open(file, "rb") as stream:
        return stream.read(manifests.MAX_BYTES + 1)


def _displayed(file: str) -> str:
    return "standard input" if file == STANDARD_INPUT else one_line(file)


def _without_effect(config: Config) -> list[str]:
    """Return a line for each configured setting that a container cannot follow."""
    found: list[str] = []
    if config.metrics_textfile is not None:
        found.append(
            "--image: metrics_textfile: a container cannot write to the host, so there are no metrics"
        )
    if config.bfd_socket is not None:
        found.append("--image: bfd_socket: a container does not see FRR's socket, so LACP alone decides")
    if config.on_stop == keys.RESTORE:
        found.append(
            '--image: on_stop = "restore": a container cannot ask systemd whether a stop is a restart, '
            "so VFs are left as they are"
        )
    return found


def _of_pools(pools: list[Pool], container: Container | None) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each pool's resources, each after its comment."""
    for pool in pools:
        comment = f"From {pflacpmonitor.KIND} {', '.join(monitor.name for monitor in pool.monitors)}."
        everywhere = [monitor.name for monitor in pool.monitors if not monitor.selector]
        if pool.name == WORKER and everywhere:
            comment += (
                f"\nThe nodeSelector of {', '.join(everywhere)} is empty: that is every node of the pool\n"
                "worker, and of the custom pools, which inherit from it; the control plane is not among them."
            )
        comment += f"\n{_EVERY_SELECTOR}"
        if pool.selector is not None:
            made = machineconfig.machine_config_pool(pool.name, dict(pool.selector))
            if pool.is_new:
                yield f"{comment}\n{_NEW_POOL.format(name=pool.name)}", made
            else:
                comment += "\n" + _POOL_OF_A_ROLE.format(name=pool.name, pool=manifests.text(made))
        if container is not None:
            comment += f"\n{_IMAGE}"
        # The comment is not part of the node's file: a renamed monitor must not change a node.
        file = render.toml(pool.config).encode()
        yield comment, machineconfig.machine_config(pool.name, file, container)
