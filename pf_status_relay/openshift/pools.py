"""From monitors to pools of nodes, each with the one configuration for its nodes.

The Go operator runs a DaemonSet for each monitor, and a node may run several. Here a host has one service
with one file, and OpenShift's Machine Config Operator gives a node the files of one pool:

    a control plane node   the pool `master`, and nothing else
    an arbiter node        the pool `arbiter`, and nothing else
    any other node         the one custom pool that selects it, which inherits from `worker`
    if none does           the pool `worker`

A node that two custom pools select gets no new configuration. The same holds for a control plane node;
`arbiter` counts as a custom pool there (GetPoolsForNode, pkg/helpers of openshift/machine-config-operator).
So each set of nodes becomes a pool whose file combines all its monitors. Monitors that pools cannot express
are refused. The rules for two monitors whose selectors can match the same node:

    they name the same PF                       a conflict: two programs would set the same VFs
    they are for the same pool                  merged
    one is for `worker`, one for a custom pool  the custom pool's file holds both
    one has the empty selector, one `master`    the file of `master` holds both; `arbiter` likewise
    anything else                               refused: no pool is right for that node

Selectors can match the same node unless they require different values of one label. A merged configuration
has the shortest interval of its monitors.

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
ARBITER = "arbiter"

MOST_SHOWN = 20
"""Maximum number of lines about faults of one kind. Pairs grow with the square of the monitors; many faults
have one cause, which the first ones show."""

_ROLE = "node-role.kubernetes.io/"

_BUILT_IN: dict[Labels, str] = {
    (): WORKER,
    ((_ROLE + WORKER, ""),): WORKER,
    ((_ROLE + MASTER, ""),): MASTER,
    ((_ROLE + "control-plane", ""),): MASTER,
    ((_ROLE + ARBITER, ""),): ARBITER,
}
"""Selectors of the pools that the Machine Config Operator itself creates. Without a toleration, the relay
operator's DaemonSets run on no control plane node, so the empty selector selects the workers."""

MAX_NAME = 63
"""Maximum length in characters: the name of a pool is also the value of a label."""

_DNS_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")


@dataclass(frozen=True)
class Pool:
    """A set of nodes that get the same configuration.

    `name` is the pool's, and the role of its MachineConfig. `selector` is its node selector, None for a pool
    that the operator itself creates. `monitors` are those that it combines, sorted by name.
    """

    name: str
    selector: Labels | None
    monitors: tuple[Monitor, ...]

    @property
    def is_new(self) -> bool:
        """Return True if the pool is made for the monitors. A role's (`worker-cnf`) may exist already."""
        return self.selector is not None and _role(self.selector) is None

    @property
    def config(self) -> Config:
        """Return the configuration of the pool's nodes."""
        return merged(self.monitors)


def is_pool_name(text: str) -> bool:
    """Tell whether a pool can have this name: a DNS subdomain (RFC 1123) of up to MAX_NAME characters."""
    return len(text) <= MAX_NAME and _DNS_SUBDOMAIN.fullmatch(text) is not None


def can_share_a_node(first: Labels, second: Labels) -> bool:
    """Tell whether one node can match both selectors."""
    wanted = dict(first)
    return all(wanted.get(key, value) == value for key, value in second)


def conflicts(monitors: Sequence[Monitor]) -> list[str]:
    """Return a line for each pair of monitors that could set the VFs of the same PF of the same node.

    Like `refusals` and `disjoint`, it returns at most MOST_SHOWN such lines, and a line that counts the rest.
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
    """Return a line for each monitor, and each pair without a conflict, that pools cannot express."""
    single = (
        (monitor,)
        for monitor in monitors
        if monitor.selector not in _BUILT_IN and _control_plane_pool(monitor.selector)
    )
    pairs = (
        (first, second)
        for first, second in combinations(monitors, 2)
        if not _shared(first, second) and not _fit(first.selector, second.selector)
    )
    return [
        *_displayed(single, _refusal, "PFLACPMonitors that cannot become a pool"),
        *_displayed(pairs, _refusal_of_two, "pairs of PFLACPMonitors that cannot become pools"),
    ]


def _refusal(monitor: Monitor) -> str:
    pool = _control_plane_pool(monitor.selector)
    nodes = "control plane" if pool == MASTER else pool
    return (
        f"PFLACPMonitor {monitor} cannot become a pool: its nodes "
        f"({_labels(monitor.selector)}) are {nodes} nodes, which are in the pool {pool} "
        f"and in no other; select all of them, by {_ROLE}{pool} alone"
    )


def _refusal_of_two(first: Monitor, second: Monitor) -> str:
    if can_share_a_node(first.selector, second.selector):
        reason = (
            "a node can match both ({} and {}), and gets the files of one pool only; "
            "give them the same nodeSelector, or different values of one label"
        )
    else:
        reason = "the pools of both ({} and {}) would have the name " + _pool_name(first.selector)
    return f"PFLACPMonitors {first} and {second} cannot become pools: " + reason.format(
        _labels(first.selector), _labels(second.selector)
    )


def pools(monitors: Sequence[Monitor]) -> list[Pool]:
    """Return the pools for monitors without `conflicts` and `refusals`.

    First worker, master and arbiter, where there are any; then the custom pools, sorted by name.
    """
    selectors = {_pool_name(monitor.selector): monitor.selector for monitor in monitors}
    found: list[Pool] = []
    for name, selector in selectors.items():
        built_in = selector in _BUILT_IN
        members = [monitor for monitor in monitors if _reaches(monitor.selector, name, selector)]
        found.append(Pool(name, None if built_in else selector, tuple(members)))
    order = (WORKER, MASTER, ARBITER)
    return sorted(found, key=lambda pool: (order.index(pool.name) if pool.name in order else 3, pool.name))


def disjoint(monitors: Sequence[Monitor]) -> list[str]:
    """Return a line for each pair of monitors that no host can both match, so that no file is for both."""
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
    """Return the one configuration for nodes that all of the monitors (at least one) select."""
    interfaces = tuple(name for monitor in monitors for name in monitor.interfaces)
    return Config(interfaces, min(monitor.polling_interval_ms for monitor in monitors))


def _displayed(at_odds: Iterable[tuple[Monitor, ...]], line: Callable[..., str], what: str) -> list[str]:
    """Return lines for the first MOST_SHOWN that are at odds, and a line that counts the others."""
    left = iter(at_odds)
    found = [line(*monitors) for monitors in islice(left, MOST_SHOWN)]
    more = sum(1 for _ in left)
    return [*found, f"{what}, not shown: {more}"] if more else found


def _shared(first: Monitor, second: Monitor) -> list[str]:
    """Return the PFs that both monitors name."""
    return [name for name in first.interfaces if name in second.interfaces]


def _fit(first: Labels, second: Labels) -> bool:
    """Tell whether there is a right pool for every node that at least one of the selectors matches."""
    names = {_pool_name(first), _pool_name(second)}
    if len(names) == 1:
        return first == second or first in _BUILT_IN
    if not can_share_a_node(first, second):
        return True
    if names & {MASTER, ARBITER}:
        return () in (first, second)
    return WORKER in names


def _reaches(selector: Labels, pool: str, pool_selector: Labels) -> bool:
    """Tell whether a pool's file includes a monitor with this selector."""
    own = _pool_name(selector)
    if own == pool:
        return True
    inherited = own == WORKER and pool not in (MASTER, ARBITER)
    return (inherited or selector == ()) and can_share_a_node(selector, pool_selector)


def _control_plane_pool(selector: Labels) -> str | None:
    """Return the pool master or arbiter if the selector's nodes must be in it, None otherwise."""
    demanded = {_BUILT_IN.get(((key, ""),)) for key, _ in selector}
    return next((pool for pool in (MASTER, ARBITER) if pool in demanded), None)


def _pool_name(selector: Labels) -> str:
    """Return the name of a selector's pool, which does not depend on the other monitors.

    A selector of one role alone gives the pool of that role, which may exist already. Any other pool is named
    after the labels; a digest replaces what is too long.
    """
    if selector in _BUILT_IN:
        return _BUILT_IN[selector]
    role = _role(selector)
    if role:
        return role
    words = "-".join(f"{key.rpartition('/')[2]}-{value}" for key, value in selector)
    name = re.sub("[^a-z0-9]+", "-", words.lower()).strip("-")
    if not name.startswith(f"{WORKER}-"):
        name = f"{WORKER}-{name}"
    if is_pool_name(name):
        return name
    digest = hashlib.sha256(_query(selector).encode()).hexdigest()[:8]
    return f"{name[:54].rstrip('-')}-{digest}"


def _role(selector: Labels) -> str | None:
    """Return ROLE if the selector is `node-role.kubernetes.io/ROLE` alone, None otherwise."""
    if len(selector) == 1:
        ((key, value),) = selector
        role = key[len(_ROLE) :] if key.startswith(_ROLE) else ""
        if value == "" and is_pool_name(role):
            return role
    return None


def _query(selector: Labels) -> str:
    """Return a selector in the form that `oc get nodes -l` accepts."""
    return ",".join(f"{key}={value}" for key, value in selector)


def _labels(selector: Labels) -> str:
    """Return a selector for a message."""
    return one_line(_query(selector), 120) or "the empty selector"
