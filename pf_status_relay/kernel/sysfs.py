"""What sysfs shows of an interface: whether it is an SR-IOV PF, speed and duplex, and the LACP port state.

See Linux Documentation/PCI/pci-iov-howto.rst, Documentation/ABI/testing/sysfs-class-net and
drivers/net/bonding/bond_sysfs_slave.c.
"""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path

from pf_status_relay.core.facts import BondPort, LinkSettings
from pf_status_relay.core.lacp import PortState

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
    """Return the name of a VF's PF, an empty string if the interface is no VF.

    A VF's device has a link to its PF's device, which has a folder with the PF's interfaces.
    """
    try:
        name = socket.if_indextoname(ifindex)
        return min(os.listdir(f"{_INTERFACES}/{name}/device/physfn/net"))
    except (OSError, ValueError):  # gone; no VF; a PF without interfaces
        return ""


def link_settings(ifindex: int) -> LinkSettings | None:
    """Return what the driver says of the link, None if that cannot be read.

    The files answer EINVAL if the driver does not say, or the interface is set down.
    """
    try:
        folder = Path(_INTERFACES, socket.if_indextoname(ifindex))
        speed = _text(folder / "speed")
        duplex = _text(folder / "duplex")
    except OSError:  # it is gone, or sysfs is not there
        return None
    # SPEED_UNKNOWN is -1 (include/uapi/linux/ethtool.h)
    return LinkSettings(int(speed) if speed.isdecimal() and int(speed) else None, duplex or "unknown")


def _text(path: Path) -> str:
    """Return the content of a file, an empty string if the driver does not say. Raises OSError."""
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError as error:
        if error.errno in (errno.EINVAL, errno.EOPNOTSUPP):
            return ""
        raise


class PortStateFiles:
    """The LACP port state of a bond's port, in two files that stay open.

    Reading it takes one system call for each end, and the kernel takes no RTNL lock for it. Reading fails
    after the port has left its bond or its interface is gone. Raises OSError if a file cannot be opened.
    """

    def __init__(self, ifindex: int) -> None:
        folder = f"{_INTERFACES}/{socket.if_indextoname(ifindex)}/bonding_slave"
        self._files: list[int] = []
        try:
            for end in ("actor", "partner"):
                self._files.append(os.open(f"{folder}/ad_{end}_oper_port_state", os.O_RDONLY | os.O_CLOEXEC))
        except OSError:
            self.close()
            raise

    def read(self) -> BondPort:
        """Return the port state. Raises OSError, and ValueError if the bond runs no LACP."""
        actor, partner = (PortState(int(os.pread(file, 16, 0))) for file in self._files)
        return BondPort(actor, partner)

    def close(self) -> None:
        """Close the files."""
        while self._files:
            os.close(self._files.pop())


def interfaces() -> list[str]:
    """Return the names of all interfaces. Raises OSError."""
    return os.listdir(_INTERFACES)
