"""The Go operator's custom resource, PFLACPMonitor: which nodes relay for which PFs, and how often.

A monitor must pass the custom resource's validation (its schema and its admission webhook,
openshift/pf-status-relay-operator), and then this program's own. That is stricter: the kernel must accept the
name of an interface, and an interval is at most a minute. Pure: faults are returned as lines for a person.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pf_status_relay.config import keys
from pf_status_relay.openshift.manifests import Resource

API_VERSION = "pfstatusrelay.openshift.io/v1alpha1"
KIND = "PFLACPMonitor"

Labels = tuple[tuple[str, str], ...]
"""Labels of a node or of a selector: pairs of key and value, sorted by key, each key once."""

MAX_MONITORS = 500
"""Maximum number of monitors: each is compared with each other. Nobody runs more in a cluster."""

_KEYS = ("interfaces", "nodeSelector", "pollingInterval")

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*")
"""A DNS subdomain (RFC 1123), which Kubernetes requires for names of resources."""

_LABEL = "[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
_LABEL_KEY = re.compile(f"({_NAME.pattern}/)?{_LABEL}")
_LABEL_VALUE = re.compile(f"({_LABEL})?")


@dataclass(frozen=True)
class Monitor:
    """A valid PFLACPMonitor.

    `name` is "namespace/name", or the name alone if it has no namespace. `interfaces` are names,
    at least one, each once. `polling_interval_ms` is in milliseconds, within what the
    configuration allows. `selector` holds the labels that a node must have; the empty one matches
    every node.
    """

    name: str
    interfaces: tuple[str, ...]
    polling_interval_ms: int
    selector: Labels

    def __str__(self) -> str:
        return self.name


def monitors(
    resources: Iterable[Resource],
    faults: list[str],
    warnings: list[str] | None = None,
    *,
    include_degraded: bool = False,
) -> list[Monitor]:
    """Return the valid monitors among the resources, sorted by name.

    Each fault of the others, and each monitor that is given twice, adds a line to `faults`. A monitor whose
    status says that it is degraded is left out, with a line in `warnings`: the operator has found it in
    conflict with another one, and runs nothing for it.
    """
    places: dict[str, str] = {}
    found: list[Monitor] = []
    for resource in resources:
        name = _identity(resource, faults)
        if name is None:
            continue
        if name in places:
            faults.append(f"{resource.where}: {KIND} {name} is given twice, first in {places[name]}")
            continue
        if len(places) == MAX_MONITORS:
            faults.append(f"{resource.where}: has more than {MAX_MONITORS} {KIND}s")
            break
        places[name] = resource.where
        if not include_degraded and _is_degraded(resource.content):
            if warnings is not None:
                warnings.append(_left_out(f"{resource.where}: {KIND} {name}", resource.content))
            continue
        monitor = _monitor(f"{resource.where}: {KIND} {name}", name, resource.content, faults)
        if monitor:
            found.append(monitor)
    return sorted(found, key=lambda monitor: monitor.name)


def _is_degraded(content: dict[str, Any]) -> bool:
    status = content.get("status")
    return isinstance(status, dict) and status.get("degraded") is True


def _left_out(where: str, content: dict[str, Any]) -> str:
    message = keys.quoted(content["status"].get("errorMessage"), 200)
    return (
        f"{where} is left out, as the operator runs nothing for it: status.degraded is true, "
        f"errorMessage is {message}; --include-degraded includes it"
    )


def _identity(resource: Resource, faults: list[str]) -> str | None:
    """Return "namespace/name" if the resource is a PFLACPMonitor with a usable name, None otherwise."""
    where, content = resource.where, resource.content
    if not isinstance(content, dict):
        faults.append(f"{where} is {keys.quoted(content)}; allowed: a {KIND}, or a List of them")
        return None
    version, kind = content.get("apiVersion"), content.get("kind")
    if (version, kind) != (API_VERSION, KIND):
        faults.append(
            f"{where} is of kind {keys.quoted(kind)} and apiVersion {keys.quoted(version)}; "
            f"allowed: {KIND} of {API_VERSION}, or a List of them"
        )
        return None
    metadata = content.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    namespace, name = metadata.get("namespace"), metadata.get("name")
    usable = True
    for key, value in (("name", name), ("namespace", namespace)):
        if key == "namespace" and value is None:
            continue
        if not isinstance(value, str) or len(value) > 253 or not _NAME.fullmatch(value):
            faults.append(
                f"{where}: metadata.{key} is {keys.quoted(value)}; "
                "allowed: lower case letters, digits, '-' and '.'"
            )
            usable = False
    if not usable:
        return None
    return f"{namespace}/{name}" if namespace else str(name)


def _monitor(where: str, name: str, content: dict[str, Any], faults: list[str]) -> Monitor | None:
    """Return the monitor that a resource describes, or None if the resource has a fault."""
    before = len(faults)
    spec = content.get("spec")
    if not isinstance(spec, dict):
        faults.append(f"{where}: spec is {keys.quoted(spec)}; allowed: a map of {', '.join(_KEYS)}")
        return None
    for key in spec:
        if key not in _KEYS:
            faults.append(f"{where}: unknown key spec.{_word(key)}; allowed: {', '.join(_KEYS)}")
    names = spec.get("interfaces")
    if isinstance(names, list):
        # The operator's webhook trims names before it compares them, and the Go program before it uses them.
        names = [name.strip() if isinstance(name, str) else name for name in names]
    interfaces = keys.check_interfaces(f"{where}: spec.interfaces", names, faults, literally=True)
    polling_interval = keys.KEYS["polling_interval_ms"]
    interval: int = polling_interval.default
    if spec.get("pollingInterval") is not None:
        where_it_is = f"{where}: spec.pollingInterval"
        interval = polling_interval.check(where_it_is, spec["pollingInterval"], faults)
    selector = _selector(f"{where}: spec.nodeSelector", spec.get("nodeSelector"), faults)
    return Monitor(name, interfaces, interval, selector) if len(faults) == before else None


def _selector(where: str, value: object, faults: list[str]) -> Labels:
    """Return a node selector's labels, and add a line to `faults` for each that no node can have."""
    if value is None:
        return ()
    if not isinstance(value, dict):
        faults.append(f"{where} is {keys.quoted(value)}; allowed: a map of strings")
        return ()
    labels: list[tuple[str, str]] = []
    for key, wanted in value.items():
        if not isinstance(key, str) or not isinstance(wanted, str):
            faults.append(
                f"{where} has {keys.quoted(key)}: {keys.quoted(wanted)}; "
                "allowed: a map of strings (put a number, true or null in quotes)"
            )
        elif not _LABEL_KEY.fullmatch(key) or not _LABEL_VALUE.fullmatch(wanted):
            faults.append(
                f"{where} has {keys.quoted(key)}: {keys.quoted(wanted)}; "
                "allowed: keys and values that a label can have, up to 63 characters each"
            )
        else:
            labels.append((key, wanted))
    return tuple(sorted(labels))


def _word(key: object) -> str:
    """Return a key for a message, in quotes only where it needs them."""
    return key if isinstance(key, str) and re.fullmatch(r"\w{1,60}", key) else keys.quoted(key)
