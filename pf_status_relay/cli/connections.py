"""NetworkManager's connections, so that a fix names what lasts where NetworkManager manages a device.

What others set there is lost when the connection is next activated. Connections are named by their UUIDs:
several can have one name. A PF or bond that was set down while its connection is active is not activated for
that: it takes 9 s until LACP is up, and after `ip link set` 3 s at most.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Mapping

from pf_status_relay.core.decision import not_ready_reason
from pf_status_relay.core.facts import Facts, PhysicalFunction

Connections = Mapping[str, str]
"""The UUID of the active connection by interface, empty for an interface that is managed and has none."""

LISTING = ("nmcli", "--terse", "--fields", "DEVICE,STATE,CON-UUID", "device", "status")

_TIMEOUT_S = 3
_EXTERNALLY = "(externally)"  # somebody else set the device up, and NetworkManager only watches it
_UNMANAGED = "unmanaged"


def read(facts: Iterable[Facts]) -> Connections:
    """Ask NetworkManager which connections are active, if something is wrong that a connection sets right.

    Empty if nothing is, and where nmcli is not installed, fails, or takes longer than 3 s.
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
    """Tell whether a fix may name a connection: of a PF that is not ready, or for an option of its bond."""
    bond = pf.master
    return bond is None or bool(not_ready_reason(pf)) or not (bond.lacp_fast and bond.miimon_ms)


def parse(listing: str) -> Connections:
    """Return the interfaces that NetworkManager manages, from what LISTING prints."""
    # nmcli escapes colons in values. These have none: the kernel allows none in the name of an interface.
    rows = (line.split(":") for line in listing.splitlines())
    return {
        row[0]: row[2]
        for row in rows
        if len(row) == 3 and row[1] != _UNMANAGED and not row[1].endswith(_EXTERNALLY)
    }


def activate(pf: str, connections: Connections) -> str:
    """Return the command for a PF that is managed and has no active connection; empty for any other.

    It fails, and changes nothing, if NetworkManager has no connection for the PF.
    """
    return f"nmcli connection up ifname {pf}" if connections.get(pf) == "" else ""


def set_lacp_rate(bond: str, connections: Connections) -> str:
    """Return what to do for the fast LACP rate on a bond."""
    uuid = connections.get(bond)
    if not uuid:
        return "set lacp_rate=fast on the bond"
    # nmcli device reapply: "Can't reapply 'lacp_rate' bond option".
    return (
        f"nmcli connection modify {uuid} +bond.options lacp_rate=fast && nmcli connection up {uuid}"
        " (its VFs are disabled for 9 s)"
    )


def set_miimon(bond: str, connections: Connections) -> str:
    """Return what to do for a bond to look at the carrier of its port."""
    uuid = connections.get(bond)
    if not uuid:
        return "set miimon=100 on the bond"
    return (
        f"nmcli connection modify {uuid} +bond.options miimon=100 && nmcli device reapply {bond}"
        " (no VF is disabled)"
    )
