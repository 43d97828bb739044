"""From monitors to pools of nodes, each with the one configuration that its nodes get.

A monitor is a DaemonSet of its own, and a node may run several. A host has one service with one
file, and OpenShift's Machine Config Operator gives a node the files of one pool:

    a control plane node   the pool `master`, and nothing else
    any other node         the one custom pool that selects it, which inherits from `worker`
    if none does           the pool `worker`

A node that two custom pools select gets nothing new (the operator reports it as degraded). So
each set of nodes is a pool whose file holds all that its monitors say, and what no pool can say
is refused. The rules, for two monitors whose selectors can match the same node:

    they name the same PF                       a conflict: two programs would set the same VFs
    they are for the same pool                  merged
    one is for `worker`, one for a custom pool  the custom pool's file holds both
    one has the empty selector, one `master`    the file of `master` holds both
    anything else                               refused: no pool is right for that node

Selectors can match the same node unless they demand different values of one label. A merged
configuration looks at the shortest interval of its monitors.

Pure: monitors in, pools or reasons out.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations, islice
from typing import Callable

from pf_status_relay.config.keys import Config
from pf_status_relay.openshift.monitors import Labels, Monitor
from pf_status_relay.text import one_line

WORKER = "worker"
MASTER = "master"

MOST_SHOWN = 20
"""Lines about faults of one kind. Pairs grow by the square of the monitors, and where there are many
they have one cause, which the first ones show."""

_ROLE = "node-role.kubernetes.io/"

_BUILT_IN: dict[Labels, str] = {
    (): WORKER,
    ((_ROLE + WORKER, ""),): WORKER,
    ((_ROLE + MASTER, ""),): MASTER,
    ((_ROLE + "control-plane", ""),): MASTER,
}
"""Selectors of the pools that every cluster has. Without a toleration, the operator's DaemonSets
run on no control plane node, so the empty selector means the workers."""

_DNS_LABEL = re.compile("[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


@dataclass(frozen=True)
class Pool:
    """A set of nodes that get the same configuration.

    `name` is the pool's, and the role of its MachineConfig. `selector` is its node selector, None
    for a pool that every cluster has. `monitors` are those it stands for, ordered by name.
    """

    name: str
    selector: Labels | None
    monitors: tuple[Monitor, ...]

    @property
    def config(self) -> Config:
        """The configuration of the pool's nodes."""
        return merged(self.monitors)


def is_dns_label(text: str) -> bool:
    """Tell whether the text is a DNS label (RFC 1123), as the name of a pool or role has to be."""
    return _DNS_LABEL.fullmatch(text) is not None


def can_share_a_node(first: Labels, second: Labels) -> bool:
    """Tell whether one node's labels can hold both selectors."""
    wanted = dict(first)
    return all(wanted.get(key, value) == value for key, value in second)


def conflicts(monitors: Sequence[Monitor]) -> list[str]:
    """Return a line for each two monitors that could set the VFs of the same PF of the same node.

    As for `refusals` and `apart`: for the first MOST_SHOWN of them, and one line for how many more there are.
    """
    found = (
        (first, second)
        for first, second in combinations(monitors, 2)
        if _shared(first, second) and can_share_a_node(first.selector, second.selector)
    )
    return _displayed(found, _conflict, "pairs of PFLACPMonitors in conflict")


def _conflict(first: Monitor, second: Monitor) -> str:
    return (
        f"PFLACPMonitors {first} and {second} are in conflict: "
        f"a node can match both ({_labels(first.selector)} and {_labels(second.selector)}), "
        f"and both name {one_line(', '.join(_shared(first, second)))}"
    )


def refusals(monitors: Sequence[Monitor]) -> list[str]:
    """Return a line for each monitor, and each two without a conflict, that pools cannot express."""
    single = (
        (monitor,)
        for monitor in monitors
        if _pool_name(monitor.selector) not in (WORKER, MASTER) and _demands_control_plane(monitor.selector)
    )
    pairs = (
        (first, second)
        for first, second in combinations(monitors, 2)
        if not _shared(first, second) and not _fit(first.selector, second.selector)
    )
    return [
        *_displayed(single, _refusal, "PFLACPMonitors not to be had as a pool"),
        *_displayed(pairs, _refusal_of_two, "pairs of PFLACPMonitors not to be had as pools"),
    ]


def _refusal(monitor: Monitor) -> str:
    return (
        f"PFLACPMonitor {monitor} cannot be had as a pool: its nodes "
        f"({_labels(monitor.selector)}) are control plane nodes, which are in the pool master "
        f"and in no other; select all of them, by {_ROLE}{MASTER} alone"
    )


def _refusal_of_two(first: Monitor, second: Monitor) -> str:
    if can_share_a_node(first.selector, second.selector):
        reason = (
            "a node can match both ({} and {}), and gets the files of one pool only; "
            "give them the same nodeSelector, or different values of one label"
        )
    else:
        reason = "both ({} and {}) would be the pool " + _pool_name(first.selector)
    return f"PFLACPMonitors {first} and {second} cannot be had as pools: " + reason.format(
        _labels(first.selector), _labels(second.selector)
    )


def pools(monitors: Sequence[Monitor]) -> list[Pool]:
    """Return the pools for monitors without `conflicts` and `refusals`.

    First worker and master, where there are any, then the custom ones, ordered by name.
    """
    selectors = {_pool_name(monitor.selector): monitor.selector for monitor in monitors}
    found: list[Pool] = []
    for name, selector in selectors.items():
        built_in = selector in _BUILT_IN
        members = [monitor for monitor in monitors if _reaches(monitor.selector, name, selector)]
        found.append(Pool(name, None if built_in else selector, tuple(members)))
    order = (WORKER, MASTER)
    return sorted(found, key=lambda pool: (order.index(pool.name) if pool.name in order else 2, pool.name))


def disjoint(monitors: Sequence[Monitor]) -> list[str]:
    """Return a line for each two monitors that no host can match both, so that no file is for both."""
    found = (
        (first, second)
        for first, second in combinations(monitors, 2)
        if not can_share_a_node(first.selector, second.selector)
    )
    return _displayed(found, _apart, "pairs of PFLACPMonitors for different hosts")


def _apart(first: Monitor, second: Monitor) -> str:
    return (
        f"PFLACPMonitors {first} and {second} are for different hosts "
        f"({_labels(first.selector)} and {_labels(second.selector)}); give those of one host"
    )


def merged(monitors: Sequence[Monitor]) -> Config:
    """Return the one configuration for nodes that all of the monitors select; at least one."""
    interfaces = tuple(name for monitor in monitors for name in monitor.interfaces)
    return Config(interfaces, min(monitor.polling_interval_ms for monitor in monitors))


def _displayed(at_odds: Iterable[tuple[Monitor, ...]], line: Callable[..., str], what: str) -> list[str]:
    """Return the lines for the first that are at odds, and one that counts the others."""
    left = iter(at_odds)
    found = [line(*monitors) for monitors in islice(left, MOST_SHOWN)]
    more = sum(1 for _ in left)
    return [*found, f"{what} that are not shown: {more}"] if more else found


def _shared(first: Monitor, second: Monitor) -> list[str]:
    """Return the PFs that both monitors name."""
    return [name for name in first.interfaces if name in second.interfaces]


def _fit(first: Labels, second: Labels) -> bool:
    """Tell whether there is a right pool for every node that either selector matches."""
    names = {_pool_name(first), _pool_name(second)}
    if len(names) == 1:
        return first == second or names <= {WORKER, MASTER}
    if not can_share_a_node(first, second):
        return True
    if MASTER in names:
        return () in (first, second)
    return WORKER in names


def _reaches(selector: Labels, pool: str, pool_selector: Labels) -> bool:
    """Tell whether a monitor with this selector has a say in a pool's file."""
    own = _pool_name(selector)
    if own == pool:
        return True
    inherited = own == WORKER and pool != MASTER
    return (inherited or selector == ()) and can_share_a_node(selector, pool_selector)


def _demands_control_plane(selector: Labels) -> bool:
    return any(key in (_ROLE + MASTER, _ROLE + "control-plane") for key, _ in selector)


def _pool_name(selector: Labels) -> str:
    """Return the name of a selector's pool: the same whatever other monitors there are.

    The selector of one role is the pool of that role, which may well exist. Any other one is named
    by its labels, with a digest in place of what is too long.
    """
    if selector in _BUILT_IN:
        return _BUILT_IN[selector]
    if len(selector) == 1:
        ((key, value),) = selector
        role = key[len(_ROLE) :] if key.startswith(_ROLE) else ""
        if value == "" and is_dns_label(role):
            return role
    words = [WORKER, *(f"{key.rpartition('/')[2]}-{value}" for key, value in selector)]
    name = re.sub("[^a-z0-9]+", "-", "-".join(words).lower()).strip("-")
    if is_dns_label(name):
        return name
    digest = hashlib.sha256(_query(selector).encode()).hexdigest()[:8]
    return f"{name[:54].rstrip('-')}-{digest}"


def _query(selector: Labels) -> str:
    """Return a selector as `oc get nodes -l` takes it."""
    return ",".join(f"{key}={value}" for key, value in selector)


def _labels(selector: Labels) -> str:
    """Return a selector for a message."""
    return one_line(_query(selector), 120) or "the empty selector"
