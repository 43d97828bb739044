"""NetworkManager's connections, so that a fix lasts where NetworkManager manages the device.

Other settings of such a device are lost when its connection is next activated. Fixes name connections by
UUID: several can have the same name. If a PF or bond was set down while its connection is active, the fix
does not activate it again: LACP would take 9 s to come up, and takes at most 3 s after `ip link set`.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Mapping

from pf_status_relay.core.decision import not_ready_reason
from pf_status_relay.core.facts import Facts, PhysicalFunction

Connections = Mapping[str, str]
"""UUID of the active connection by interface; empty for a managed interface without one."""

LISTING = ("nmcli", "--terse", "--fields", "DEVICE,STATE,CON-UUID", "device", "status")

_TIMEOUT_S = 3
_EXTERNALLY = "(externally)"  # somebody else set the device up, and NetworkManager only watches it
_UNMANAGED = "unmanaged"


def read(facts: Iterable[Facts]) -> Connections:
    """Ask NetworkManager which connections are active, if a connection could fix anything that is wrong.

    Return no connections if none could, or if nmcli is not installed, fails, or takes longer than 3 s.
    """
    if not any(isinstance(each, PhysicalFunction) and _is_curable(each) for each in facts):
        return {}
    try:
        done = subprocess.run(
            LISTING,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TIMEOUT_S,
            check=True,
            env={**os.environ, "LC_ALL": "C"},
        )
    except (OSError, subprocess.SubprocessError):
        return {}
    return parse(done.stdout.decode(errors="replace"))


def _is_curable(pf: PhysicalFunction) -> bool:
    """Tell whether a fix may name a connection: the PF is not ready, or an option of its bond is wrong."""
    bond = pf.master
    return bond is None or bool(not_ready_reason(pf)) or not (bond.lacp_fast and bond.miimon_ms)


def parse(listing: str) -> Connections:
    """Return the interfaces that NetworkManager manages, from the output of LISTING."""
    # nmcli escapes colons in values. These values have none: the kernel allows none in interface names.
    rows = (line.split(":") for line in listing.splitlines())
    return {
        row[0]: row[2]
        for row in rows
        if len(row) == 3 and row[1] != _UNMANAGED and not row[1].endswith(_EXTERNALLY)
    }


def activate(pf: str, connections: Connections) -> str:
    """Return the command for a managed PF without an active connection, an empty string for any other PF.

    The command fails, and changes nothing, if NetworkManager has no connection for the PF.
    """
    return f"nmcli connection up ifname {pf}" if connections.get(pf) == "" else ""


def set_lacp_rate(bond: str, connections: Connections) -> str:
    """Return how to set the fast LACP rate on a bond."""
    uuid = connections.get(bond)
    if not uuid:
        return "set lacp_rate=fast on the bond"
    # nmcli device reapply: "Can't reapply 'lacp_rate' bond option".
    return (
        f"nmcli connection modify {uuid} +bond.options lacp_rate=fast && nmcli connection up {uuid}"
        " (its VFs are disabled for 9 s)"
    )


def set_miimon(bond: str, connections: Connections) -> str:
    """Return how to make a bond monitor the carrier of its port."""
    uuid = connections.get(bond)
    if not uuid:
        return "set miimon=100 on the bond"
    return (
        f"nmcli connection modify {uuid} +bond.options miimon=100 && nmcli device reapply {bond}"
        " (no VF is disabled)"
    )
