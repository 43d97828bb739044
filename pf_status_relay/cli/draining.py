"""What `drain` and `undrain` share: finding the owner and the PF, and waking the service."""

from __future__ import annotations

import argparse
import os
import pwd
import re
import time
from collections.abc import Mapping
from contextlib import closing, suppress
from typing import Callable

from pf_status_relay.cli import host
from pf_status_relay.cli.exit_status import EX_NOPERM, EX_OSERR, Refused
from pf_status_relay.core.decision import not_ready_reason
from pf_status_relay.core.facts import Facts, PhysicalFunction, VfLinkState
from pf_status_relay.kernel.request_socket import RequestSocket
from pf_status_relay.service import drains
from pf_status_relay.service.state_file import ServiceState
from pf_status_relay.text import one_line, reason_of

FOLLOWED_S = 10.0
"""Seconds to wait for the service. A driver takes milliseconds, or seconds if it resets VFs."""

LOOK_S = 0.02


def owner(text: str) -> str:
    """Parse an owner. Raises argparse.ArgumentTypeError."""
    if not drains.is_owner(text):
        raise argparse.ArgumentTypeError(f"{text!r}: allowed: 1 to 64 of A-Z a-z 0-9 . _ + -")
    return text


def add_owner(command: argparse.ArgumentParser) -> None:
    """Add --owner."""
    command.add_argument(
        "--owner",
        type=owner,
        metavar="NAME",
        help="the owner of the drain; each owner can have one drain of each PF (default: the user who called "
        "sudo, otherwise the current user)",
    )


def own_name() -> str:
    """Return the name of the user that runs the command."""
    name = os.environ.get("SUDO_USER", "")
    if not name:
        with suppress(KeyError):
            name = pwd.getpwuid(os.getuid()).pw_name
    return re.sub(r"[^A-Za-z0-9._+-]", "_", name)[:64] or str(os.getuid())


def read(names: Mapping[str, object]) -> dict[str, Facts]:
    """Read the PFs that have these names. Raises Refused.

    Only the service knows whether the configuration allows their bonds to have other ports.
    """
    try:
        with closing(RequestSocket()) as requests:
            requests.multi_port_bonds = True
            return requests.read_all(names)
    except OSError as error:
        raise Refused([f"the kernel cannot be asked by netlink: {reason_of(error)}"], EX_OSERR) from None


def writing(interface: str, error: OSError) -> Refused:
    """Return the exception for a drain's file that cannot be written or removed."""
    if isinstance(error, PermissionError):
        return Refused([f"{drains.FOLDER}: only root can write there"], EX_NOPERM)
    return Refused([f"{drains.FOLDER}: the drain of {one_line(interface)}: {reason_of(error)}"], EX_OSERR)


def wake(service: ServiceState) -> None:
    """Make the service look at the drains at once. Without this it looks within its polling interval."""
    with suppress(OSError):
        os.kill(service.pid, drains.CHANGED)


def wait(name: str, done: Callable[[PhysicalFunction], bool]) -> Facts:
    """Read a PF until it is as `done` says, for up to FOLLOWED_S; return the last read. Raises Refused."""
    until = time.monotonic() + FOLLOWED_S
    while True:
        facts = read({name: None})[name]
        if not isinstance(facts, PhysicalFunction) or done(facts) or time.monotonic() > until:
            return facts
        time.sleep(LOOK_S)


def is_up(facts: Facts) -> bool:
    """Tell whether the PF is ready and LACP is up on it."""
    return isinstance(facts, PhysicalFunction) and not not_ready_reason(facts) and facts.lacp_up


def count(pf: PhysicalFunction, state: VfLinkState) -> int:
    """Return how many VFs are in a link state."""
    return sum(vf.link_state is state for vf in pf.vfs)


def vfs(number: int) -> str:
    """Return a number of VFs as text for a person."""
    return f"{number} VF{'s' * (number != 1)}"


def configured(name: str, service: ServiceState) -> str:
    """Return the name by which the service relays for an interface, an empty string if it does not.

    Raises NoNetlink.
    """
    if name in service.interfaces:
        return name
    found = host.configured_name(name, read(service.interfaces))
    return found if found in service.interfaces else ""
