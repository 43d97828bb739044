"""What the fleet commands print: from files and the environment to YAML or TOML, all or nothing.

Whatever is wrong is collected from all files, and raised with a line per fault.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pf_status_relay.config import keys, load, render
from pf_status_relay.openshift import machineconfig, manifests
from pf_status_relay.openshift import monitors as pflacpmonitor
from pf_status_relay.openshift import pools as nodepools
from pf_status_relay.openshift.manifests import Resource, ResourceError
from pf_status_relay.openshift.monitors import Monitor
from pf_status_relay.openshift.pools import WORKER, Pool
from pf_status_relay.text import one_line, reason_of

STANDARD_INPUT = "-"


class Unusable(Exception):
    """What was given cannot be used. `faults` are lines for a person, at least one."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


class Conflict(Unusable):
    """Each monitor is valid, but together they cannot be had."""


def for_role(role: str, path: Path | None, environment: Mapping[str, str]) -> str:
    """Return the MachineConfig of a role, with a configuration file as it is.

    `path` is the file; None stands for a file made of the environment's variables, which
    otherwise play no part. Raises Unusable.
    """
    faults: list[str] = []
    if not nodepools.is_dns_label(role):
        faults.append(
            f"--role is {keys.quoted(role)}; "
            "allowed: a DNS label, up to 63 of lower case letters, digits, and '-' within"
        )
    file = b""
    try:
        if path is None:
            file = render.toml(load.from_environment(environment)).encode()
        else:
            load.from_files(path, {})
            file = path.read_bytes()
    except load.ConfigError as error:
        faults += error.faults
    except OSError as error:
        faults.append(f"{one_line(str(path))}: cannot be read: {reason_of(error)}")
    if faults:
        raise Unusable(faults)
    return manifests.write([("", machineconfig.machine_config(role, file))])


def for_monitors(files: Sequence[str]) -> str:
    """Return, for each set of nodes, its MachineConfigPool and MachineConfig.

    `files` hold PFLACPMonitors; STANDARD_INPUT stands for standard input. Raises Unusable, which
    is Conflict if the monitors are valid and only their combination is not.
    """
    faults: list[str] = []
    monitors = _monitors(files, faults)
    odds = nodepools.conflicts(monitors) + nodepools.refusals(monitors)
    _raise(faults, odds)
    return manifests.write(_of_pools(nodepools.pools(monitors)))


def for_host(files: Sequence[str]) -> str:
    """Return the one configuration file that PFLACPMonitors come to on a host that matches them all.

    See `for_monitors` for `files` and what is raised.
    """
    faults: list[str] = []
    monitors = _monitors(files, faults)
    _raise(faults, nodepools.conflicts(monitors) + nodepools.disjoint(monitors))
    return render.toml(nodepools.merged(monitors))


def _raise(faults: list[str], odds: list[str]) -> None:
    if faults:
        raise Unusable(faults + odds)
    if odds:
        raise Conflict(odds)


def _monitors(files: Sequence[str], faults: list[str]) -> list[Monitor]:
    before = len(faults)
    monitors = pflacpmonitor.monitors(_resources(files, faults), faults)
    if not monitors and len(faults) == before:
        faults.append(f"no {pflacpmonitor.KIND} in {', '.join(_displayed(file) for file in files)}")
    return monitors


def _resources(files: Sequence[str], faults: list[str]) -> Iterator[Resource]:
    for position, file in enumerate(files):
        if file == STANDARD_INPUT and file in files[:position]:
            faults.append("standard input can be read once only")
            continue
        try:
            yield from manifests.read(_displayed(file), _content(file))
        except ResourceError as error:
            faults.append(str(error))
        except (OSError, ValueError) as error:
            faults.append(f"{_displayed(file)}: cannot be read: {reason_of(error)}")


def _content(file: str) -> bytes:
    """Return what a file holds, and no more than it takes to see that it is too much."""
    if file == STANDARD_INPUT:
        return sys.stdin.buffer.read(manifests.MAX_BYTES + 1)
    with open(file, "rb") as stream:
        return stream.read(manifests.MAX_BYTES + 1)


def _displayed(file: str) -> str:
    return "standard input" if file == STANDARD_INPUT else one_line(file)


def _of_pools(pools: list[Pool]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each pool's resources, each with the comment that goes with it."""
    for pool in pools:
        comment = f"From {pflacpmonitor.KIND} {', '.join(monitor.name for monitor in pool.monitors)}."
        everywhere = [monitor.name for monitor in pool.monitors if not monitor.selector]
        if pool.name == WORKER and everywhere:
            comment += (
                f"\nThe nodeSelector of {', '.join(everywhere)} is empty: that is every node of the pool\n"
                "worker, and of the custom pools, which inherit from it; the control plane is not among them."
            )
        if pool.selector is not None:
            yield comment, machineconfig.machine_config_pool(pool.name, dict(pool.selector))
        # The comment stays out of the file: a renamed monitor is no reason to touch a node.
        yield comment, machineconfig.machine_config(pool.name, render.toml(pool.config).encode())
