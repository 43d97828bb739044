"""The driver of a PF: its name, its firmware, and the eswitch mode, for commands. The service does not ask.

Name and firmware come from ethtool (SIOCETHTOOL, ETHTOOL_GDRVINFO; include/uapi/linux/ethtool.h). The mode
comes from devlink (DEVLINK_CMD_ESWITCH_GET; include/uapi/linux/devlink.h), which needs CAP_NET_ADMIN and
waits while the mode changes.
"""

from __future__ import annotations

import array
import fcntl
import os
import socket
import struct
from contextlib import closing, suppress
from typing import NamedTuple

from pf_status_relay.kernel import messages
from pf_status_relay.text import one_line

_SIOCETHTOOL = 0x8946
_ETHTOOL_GDRVINFO = 3
_DRVINFO = struct.Struct("=I32s32s32s32s32s12s5I")
_IFREQ = struct.Struct("@16sP16x")

_NETLINK_GENERIC = 16
_GENL_ID_CTRL = 16
_CTRL_CMD_GETFAMILY, _CTRL_ATTR_FAMILY_ID, _CTRL_ATTR_FAMILY_NAME = 3, 1, 2
_ESWITCH_GET, _BUS_NAME, _DEV_NAME, _ESWITCH_MODE = 29, 1, 2, 25
_MODES = {0: "legacy", 1: "switchdev"}
_NLMSG_ERROR = 2
_NLM_F_REQUEST = 1
_HEADER = struct.Struct("=IHHIIBBH")  # struct nlmsghdr, struct genlmsghdr
_ATTRIBUTE = struct.Struct("=HH")
_ANSWER_BYTES = 1 << 15
_TIMEOUT_S = 2.0


class Driver(NamedTuple):
    """The driver of a PF and its firmware, as the driver names them, and the eswitch mode; empty: unknown."""

    name: str
    firmware: str
    mode: str


def read(ifindex: int) -> Driver | None:
    """Return the driver of an interface, None if it has none, or the interface is gone."""
    try:
        interface = socket.if_indextoname(ifindex)
        with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as any_socket:
            name, firmware = _driver_info(any_socket, interface)
    except OSError:
        return None
    return Driver(name, firmware, _eswitch_mode(interface))


def _driver_info(any_socket: socket.socket, interface: str) -> tuple[str, str]:
    info = array.array("B", _DRVINFO.pack(_ETHTOOL_GDRVINFO, *[b""] * 6, *[0] * 5))
    fcntl.ioctl(any_socket, _SIOCETHTOOL, _IFREQ.pack(os.fsencode(interface), info.buffer_info()[0]))
    _, driver, _, firmware, *_ = _DRVINFO.unpack(info)
    return _text(driver), _text(firmware)


def _eswitch_mode(interface: str) -> str:
    """Return the mode from devlink, an empty string if there is no eswitch, or no right to ask."""
    device = os.path.realpath(f"/sys/class/net/{interface}/device")
    bus = os.path.realpath(f"{device}/subsystem")
    with suppress(OSError, struct.error), closing(_generic_socket()) as generic:
        family = _ask(generic, _GENL_ID_CTRL, _CTRL_CMD_GETFAMILY, (_CTRL_ATTR_FAMILY_NAME, "devlink")).get(
            _CTRL_ATTR_FAMILY_ID, b""
        )
        (number,) = struct.unpack("=H", family)
        names = (_BUS_NAME, os.path.basename(bus)), (_DEV_NAME, os.path.basename(device))
        (mode,) = struct.unpack("=H", _ask(generic, number, _ESWITCH_GET, *names).get(_ESWITCH_MODE, b""))
        return _MODES.get(mode, str(mode))
    return ""


def _generic_socket() -> socket.socket:
    generic = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_GENERIC)
    generic.settimeout(_TIMEOUT_S)
    return generic


def _ask(generic: socket.socket, family: int, command: int, *names: tuple[int, str]) -> dict[int, bytes]:
    """Send one generic netlink request. Return the attributes of the answer. Raises OSError."""
    payload = b""
    for kind, name in names:
        value = os.fsencode(name) + b"\0"
        payload += _ATTRIBUTE.pack(_ATTRIBUTE.size + len(value), kind) + value + bytes(-len(value) % 4)
    generic.send(
        _HEADER.pack(_HEADER.size + len(payload), family, _NLM_F_REQUEST, 1, 0, command, 1, 0) + payload
    )
    answer = generic.recv(_ANSWER_BYTES)
    if _HEADER.unpack_from(answer)[1] == _NLMSG_ERROR:
        raise OSError("refused")
    found = messages.attributes(answer, _HEADER.size, len(answer))
    return {kind: answer[begin + _ATTRIBUTE.size : end] for kind, begin, end in found}


def _text(value: bytes) -> str:
    return one_line(value.partition(b"\0")[0].decode("utf-8", "replace").strip())
