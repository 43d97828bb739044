"""What the Machine Config Operator's daemon does under a node disruption policy.

After openshift/machine-config-operator of August 2026: pkg/daemon/update.go, FindClosestFilePolicyPathMatch.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

REBOOT = (("reboot",),)


def commands(
    policy: dict[str, Any], files: Sequence[str] = (), units: Sequence[str] = ()
) -> tuple[tuple[str, ...], ...]:
    """Return systemctl's arguments for a change of these files and units, in the operator's order.

    Return REBOOT if the policy does not cover one of them: its actions are all or nothing.
    """
    found: list[tuple[str, ...]] = []
    for file in files:
        covering = [entry for entry in policy["files"] if _covers(entry["path"], file)]
        if not covering:
            return REBOOT
        found += map(_command, max(covering, key=lambda entry: len(entry["path"]))["actions"])
    for unit in units:
        named = [entry for entry in policy["units"] if entry["name"] == unit]
        if not named:
            return REBOOT
        found += map(_command, named[0]["actions"])
    return tuple(found)


def _covers(path: str, file: str) -> bool:
    """Tell whether an entry's path is the file or a folder above it. A pattern is a path like any other."""
    return PurePosixPath(path) in (PurePosixPath(file), *PurePosixPath(file).parents)


def _command(action: dict[str, Any]) -> tuple[str, ...]:
    """Return systemctl's arguments for one action, after the CRD's rules for it."""
    kind = action["type"]
    assert (kind == "Restart") is ("restart" in action), "required for Restart, and forbidden otherwise"
    assert (kind == "Reload") is ("reload" in action), "required for Reload, and forbidden otherwise"
    if kind == "DaemonReload":
        return ("daemon-reload",)
    return (kind.lower(), action[kind.lower()]["serviceName"])
