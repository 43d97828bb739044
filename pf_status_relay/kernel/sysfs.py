"""What only sysfs tells of an interface: whether it is an SR-IOV PF (Documentation/PCI/pci-iov-howto)."""

from __future__ import annotations

import os
import socket

_INTERFACES = "/sys/class/net"


def is_pf(interface: str | int) -> bool:
    """Tell whether an interface, by name or ifindex, is a PF: one whose device can have VFs.

    The kernel gives such devices, and no others, the file sriov_numvfs.
    """
    try:
        name = interface if isinstance(interface, str) else socket.if_indextoname(interface)
    except OSError:  # it is gone
        return False
    return os.path.exists(f"{_INTERFACES}/{name}/device/sriov_numvfs")


def pf_of_vf(ifindex: int) -> str:
    """Return the name of the PF whose VF an interface is, an empty string if it is none.

    A VF's device has a link to its PF's device, which has a folder of its interfaces.
    """
    try:
        name = socket.if_indextoname(ifindex)
        return min(os.listdir(f"{_INTERFACES}/{name}/device/physfn/net"))
    except (OSError, ValueError):  # gone; no VF; a PF without interfaces
        return ""


def interfaces() -> list[str]:
    """Return the names of all interfaces. Raises OSError."""
    return os.listdir(_INTERFACES)
