"""BFD as `check` sees it: whether bfdd answers, and has sessions for the PFs in question."""

from __future__ import annotations

import errno
import fcntl
import os
import select
import socket
import struct
import time
from collections.abc import Collection, Mapping
from contextlib import closing, suppress
from pathlib import Path

from pf_status_relay.cli.findings import Finding, Verdict
from pf_status_relay.core.bfd import State, Told
from pf_status_relay.core.decision import not_ready_reason
from pf_status_relay.core.facts import Facts, PhysicalFunction
from pf_status_relay.frr.bfd_messages import Answered
from pf_status_relay.frr.bfd_socket import BfdSocket
from pf_status_relay.text import reason_of

BFD = "bfd"
"""Subject of findings about bfdd."""

_ANSWER_S = 2.0
"""Seconds to wait for bfdd's answer, which takes a millisecond."""
_QUIET_S = 0.1
"""Seconds of silence after which there are no more sessions: they follow the answer at once."""

_SIOCGIFADDR = 0x8915  # include/uapi/linux/sockios.h
_IFREQ = struct.Struct("16s24x")  # struct ifreq, include/uapi/linux/if.h: the name first
_IF_INET6 = Path("/proc/net/if_inet6")


def read_sessions(path: str) -> list[Told]:
    """Return what bfdd reports about its sessions. Raises OSError if it reports nothing usable."""
    told: list[Told] = []
    answered = False
    end = time.monotonic() + _ANSWER_S
    with closing(BfdSocket(path)) as connection:
        poller = select.poll()
        poller.register(connection, select.POLLIN)
        while time.monotonic() < end:
            if not poller.poll((_QUIET_S if answered else _ANSWER_S) * 1000):
                break
            for message in connection.receive():
                if isinstance(message, Told):
                    told.append(message)
                else:
                    answered = answered or isinstance(message, Answered)
    if not answered:
        raise OSError(errno.ETIMEDOUT, f"bfdd does not answer within {_ANSWER_S:g} s")
    return told


def has_address(interface: str) -> bool:
    """Tell whether an interface has an IPv4 or IPv6 address (netdevice(7), /proc/net/if_inet6)."""
    with suppress(OSError), closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as asked:
        fcntl.ioctl(asked, _SIOCGIFADDR, _IFREQ.pack(os.fsencode(interface)))
        return True
    with suppress(OSError):
        lines = _IF_INET6.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
        return any(line.split()[-1:] == [interface] for line in lines)
    return False


def look(path: str, facts: Mapping[str, Facts], grouped: Collection[str]) -> list[Finding]:
    """Check what BFD can do for these PFs. Those that are `grouped` are in a redundancy group."""
    try:
        told = read_sessions(path)
    except OSError as error:
        return [not_reached(path, reason_of(error))]
    bonds = (pf.master.name for pf in facts.values() if isinstance(pf, PhysicalFunction) and pf.master)
    without = {bond for bond in bonds if not has_address(bond)}
    return judge(path, told, facts, grouped, without)


def not_reached(path: str, error: str) -> Finding:
    """Return the finding that there are no sessions, so that LACP alone decides."""
    fix = (
        f"start bfdd with --bfdctl {path}, and let others reach its folder; FRR 10.2 and later have no such "
        "socket: take bfd_socket out then"
    )
    return Finding(BFD, Verdict.WARNING, f"{path}: {error}; LACP alone decides", fix)


def judge(
    path: str,
    told: Collection[Told],
    facts: Mapping[str, Facts],
    grouped: Collection[str],
    without_address: Collection[str],
) -> list[Finding]:
    """Judge the sessions that bfdd reports. The bonds in `without_address` have no address."""
    lines = [Finding(BFD, Verdict.PASSED, f"bfdd answers at {path}")]
    for name, pf in facts.items():
        if not isinstance(pf, PhysicalFunction) or pf.master is None or not_ready_reason(pf):
            continue
        if name not in grouped:
            fix = "name it in redundancy_groups, with the PFs over which the same pods bond"
            found = "is in no redundancy group: BFD is not used for it"
            lines.append(Finding(name, Verdict.WARNING, found, fix))
            continue
        bond = pf.master.name
        own = [each for each in told if each.peer.interface == bond]
        if not own:
            fix = f"configure it in FRR: bfd, peer ADDRESS interface {bond}"
            if bond in without_address:
                fix = f"give {bond} an address in one subnet with the switch; then {fix}"
            lines.append(Finding(name, Verdict.WARNING, f"FRR has no BFD session on {bond}", fix))
        for each in own:
            called = f"BFD session with {each.peer.address}"
            if each.state is State.UP:
                lines.append(Finding(name, Verdict.PASSED, f"{called} is up"))
            else:
                found = f"{called} is {each.state.value}"
                fix = "compare both ends: vtysh -c 'show bfd peers'"
                lines.append(Finding(name, Verdict.WARNING, found, fix))
    return lines
