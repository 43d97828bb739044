"""A stand-in for a node's Machine Config daemon: it does for a change what the printed policy says."""

from __future__ import annotations

from collections.abc import Sequence

import yaml

from tests.lab.kit.commands import CommandError, run
from tests.support import disruption


def perform(*, files: Sequence[str], units: Sequence[str] = ()) -> bool:
    """Run the printed policy's actions for a change of these until one fails. Return True if none did."""
    printed = yaml.safe_load(run("pf-status-relay", "machineconfig", "--disruption-policy"))
    policy = printed["spec"]["nodeDisruptionPolicy"]
    try:
        for arguments in disruption.commands(policy, files, units):
            run("systemctl", *arguments)  # a restart waits for READY=1, and fails if the unit fails
    except CommandError:
        return False
    return True
