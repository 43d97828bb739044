"""The host, besides its interfaces: who may set VF link states."""

from __future__ import annotations

import os
import subprocess
from contextlib import suppress
from pathlib import Path

from pf_status_relay.rivals import UNIT, in_unit

_CAP_NET_ADMIN = 12  # include/uapi/linux/capability.h
_SYSTEMCTL_TIMEOUT_S = 10


def has_net_admin(proc: Path = Path("/proc")) -> bool:
    """Tell whether this process may set VF link states: CAP_NET_ADMIN is in its effective set."""
    with suppress(OSError, ValueError):
        for line in (proc / "self" / "status").read_text().splitlines():
            if line.startswith("CapEff:"):
                return bool(int(line.partition(":")[2], 16) >> _CAP_NET_ADMIN & 1)
    return False


def unit_has_net_admin() -> bool | None:
    """Tell whether the shipped unit gives CAP_NET_ADMIN to the service, by asking systemd.

    None where there is no such unit, or no systemd that could be asked. A process of the unit itself,
    as one that ExecCondition= runs, goes by what it has.
    """
    if in_unit(os.getpid()):
        return has_net_admin()
    command = ["systemctl", "show", "--property=LoadState,User,DynamicUser"]
    command += ["--property=AmbientCapabilities,CapabilityBoundingSet", UNIT]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_SYSTEMCTL_TIMEOUT_S, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    lines = done.stdout.decode(errors="replace").splitlines()
    unit = {key: value for key, _, value in (line.partition("=") for line in lines)}
    if unit.get("LoadState") != "loaded":
        return None
    root = unit.get("User", "") in ("", "root", "0") and unit.get("DynamicUser") != "yes"
    given = unit.get("CapabilityBoundingSet" if root else "AmbientCapabilities", "")
    return "cap_net_admin" in given.split()
