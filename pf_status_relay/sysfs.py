"""What only sysfs tells of an interface: whether it is an SR-IOV PF.

See Documentation/ABI/testing/sysfs-bus-pci of the kernel.
"""

from __future__ import annotations

import os

_INTERFACES = "/sys/class/net"


def is_pf(name: str) -> bool:
    """Tell whether an interface is a PF: one whose device can have VFs, whether or not it has some."""
    return os.path.exists(f"{_INTERFACES}/{name}/device/sriov_numvfs")


def interfaces() -> list[str]:
    """Return the names of all interfaces. Raises OSError."""
    return os.listdir(_INTERFACES)
