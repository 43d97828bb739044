"""The host as commands see it: its PFs, the right to set VF link states, and other relays.

Two relays that write to the same PF's VFs undo each other's work. A relay is found by its process: the Go
program of the same name, as a service or in a container with the host's network, or another
`pf-status-relay run`. A process in another network namespace has other interfaces and does not count. proc(5)
describes the files.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path, PurePath

from pf_status_relay.cli.exit_status import EX_OSERR, Refused
from pf_status_relay.cli.findings import Finding, Verdict
from pf_status_relay.cli.names import Hint, hints
from pf_status_relay.config.keys import AUTO, Config
from pf_status_relay.core.decision import disabled_vfs, not_ready_reason
from pf_status_relay.core.drain import Drains
from pf_status_relay.core.facts import Facts, PhysicalFunction
from pf_status_relay.kernel import driver, sysfs
from pf_status_relay.kernel.decode import MalformedMessage
from pf_status_relay.kernel.driver import Driver
from pf_status_relay.kernel.request_socket import RequestSocket
from pf_status_relay.service import drains, selection
from pf_status_relay.text import one_line, reason_of

UNIT = "pf-status-relay.service"

DRAINS = "drains"
"""Subject of findings about the files of drains."""

PROC = Path("/proc")

_PROGRAM = "pf-status-relay"  # both programs' name: exactly the 15 bytes that fit a process's name (comm)
_MODULE = "pf_status_relay"

_INITIAL_PID_NAMESPACE = 0xEFFFFFFC  # PROC_PID_INIT_INO, include/linux/proc_ns.h: the same in every kernel

_CAP_NET_ADMIN = 12  # include/uapi/linux/capability.h
_SYSTEMCTL_TIMEOUT_S = 10


class NoNetlink(Refused):
    """The kernel cannot be asked by netlink."""

    def __init__(self, fault: str) -> None:
        super().__init__([fault], EX_OSERR)


def read_pfs(configuration: Config) -> dict[str, Facts]:
    """Read the interfaces that a configuration selects from the kernel, once. Raises NoNetlink.

    Where LACP is down, the facts include what explains it. "auto" does not select a PF that has left its
    bond. Such a PF is still read if some of its VFs are in disable.
    """
    try:
        with closing(RequestSocket()) as requests:
            requests.multi_port_bonds = configuration.multi_port_bonds
            facts = requests.read_all(selection.select(configuration.interfaces, requests))
            if configuration.interfaces == AUTO:
                facts.update(_left(requests, facts))
            return {
                name: requests.read_details(each)
                if isinstance(each, PhysicalFunction) and not (each.lacp_up or not_ready_reason(each))
                else each
                for name, each in facts.items()
            }
    except selection.NotListed as error:
        raise NoNetlink(f"the kernel does not list its interfaces: {error}") from None
    except OSError as error:
        raise NoNetlink(f"the kernel cannot be asked by netlink: {reason_of(error)}") from None


def read_hints(facts: Mapping[str, Facts]) -> dict[str, Hint]:
    """Return a hint, by configured name, for names that are no PF's: the probably intended PF.

    If the kernel does not answer, there are no hints.
    """
    if all(isinstance(each, PhysicalFunction) and not not_ready_reason(each) for each in facts.values()):
        return {}
    try:
        with closing(RequestSocket()) as requests:
            return hints(facts, requests.names(), sysfs.pf_of_vf)
    except (OSError, MalformedMessage):
        return {}


def read_left(facts: Mapping[str, Facts]) -> list[Finding]:
    """Return findings about other PFs that have VFs in disable: nothing sets them back. Raises NoNetlink."""
    try:
        with closing(RequestSocket()) as requests:
            left = _left(requests, facts)
    except OSError as error:
        raise NoNetlink(f"the kernel cannot be asked by netlink: {reason_of(error)}") from None
    return [
        Finding(
            one_line(name),
            Verdict.WARNING,
            f"is not configured, and {disabled_vfs(pf)} of {len(pf.vfs)} VFs are in disable",
            f"if pods are to use them: pf-status-relay restore {name}",
        )
        for name, pf in left.items()
    ]


def _left(requests: RequestSocket, facts: Mapping[str, Facts]) -> dict[str, PhysicalFunction]:
    """Return the other SR-IOV PFs of the host that have VFs in disable. Raises OSError."""
    known = {pf.ifindex for pf in facts.values() if isinstance(pf, PhysicalFunction)}
    left: dict[str, PhysicalFunction] = {}
    for name in selection.pfs():
        pf = requests.read(name) if name not in facts else None
        if isinstance(pf, PhysicalFunction) and pf.ifindex not in known and disabled_vfs(pf):
            left[name] = pf
    return left


def read_drains(facts: Mapping[str, Facts]) -> tuple[dict[str, Drains], list[Finding]]:
    """Return the drains in effect by configured name, and findings about faulty ones.

    Raises NoNetlink.
    """
    found, faults = drains.read()
    by_name: dict[str, Drains] = {}
    problems = [Finding(DRAINS, Verdict.WARNING, fault, "correct or remove the file") for fault in faults]
    for each in found:
        name = each.interface if each.interface in facts else configured_name(each.interface, facts)
        by_name[name] = (*by_name.get(name, ()), each)
        if name not in facts:
            fix = f"if that is a mistake: pf-status-relay undrain {name} --owner {each.owner}"
            wrong = f"{each.owner} drains {one_line(name)}, which is not configured"
            problems.append(Finding(DRAINS, Verdict.WARNING, wrong, fix))
    return by_name, problems


def configured_name(name: str, facts: Mapping[str, Facts]) -> str:
    """Return the name by which an interface was read, or `name` itself if it was not. Raises NoNetlink."""
    try:
        with closing(RequestSocket()) as requests:
            ifindex = requests.ifindex(name)
    except OSError as error:
        raise NoNetlink(f"the kernel cannot be asked by netlink: {reason_of(error)}") from None
    read = ((each, pf.ifindex) for each, pf in facts.items() if isinstance(pf, PhysicalFunction))
    return next((each for each, index in read if index == ifindex), name)


def read_drivers(facts: Mapping[str, Facts]) -> dict[str, Driver]:
    """Read the drivers of the PFs that were read and have one."""
    pfs = {name: each for name, each in facts.items() if isinstance(each, PhysicalFunction)}
    asked = {name: driver.read(pf.ifindex) for name, pf in pfs.items()}
    return {name: found for name, found in asked.items() if found}


def has_net_admin(proc: Path = PROC) -> bool:
    """Tell whether this process may set VF link states: CAP_NET_ADMIN is in its effective set."""
    with suppress(OSError, ValueError):
        for line in (proc / "self" / "status").read_text().splitlines():
            if line.startswith("CapEff:"):
                return bool(int(line.partition(":")[2], 16) >> _CAP_NET_ADMIN & 1)
    return False


def unit_has_net_admin() -> bool | None:
    """Ask systemd whether the shipped unit gives CAP_NET_ADMIN to the service.

    Return None where there is no such unit, or systemd cannot be asked. A process of the unit itself, such as
    one that ExecCondition= runs, returns whether it has the capability.
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


@dataclass(frozen=True)
class Rival:
    """Another relay. `certain` is false where its network namespace could not be read."""

    pid: int
    program: str
    certain: bool

    def __str__(self) -> str:
        return f"{self.program} (process {self.pid})"


def find_rivals(proc: Path = PROC, own: int | None = None) -> tuple[Rival, ...]:
    """Return the relays that run beside the process `own` (default: this one) and the shipped unit."""
    own = os.getpid() if own is None else own
    here = _network(proc, own)
    found: list[Rival] = []
    for pid in _processes(proc):
        program = _program(proc, pid)
        if not program or pid == own or in_unit(pid, proc):
            continue
        there = _network(proc, pid)
        if here and there and here != there:
            continue
        found.append(Rival(pid, program, certain=bool(here and there)))
    return tuple(found)


def sees_processes(proc: Path = PROC) -> bool:
    """Tell whether the host's processes can be seen: hidepid=, ProtectProc= and a container hide them."""
    with suppress(OSError):
        if os.stat(proc / "self" / "ns" / "pid").st_ino != _INITIAL_PID_NAMESPACE:
            return False
    return (proc / "1" / "cmdline").exists()


def in_unit(pid: int, proc: Path = PROC) -> bool:
    """Tell whether a process belongs to the shipped unit, by its control group (cgroups(7))."""
    try:
        lines = (proc / str(pid) / "cgroup").read_text().splitlines()
    except (OSError, ValueError):
        return False
    return any(UNIT in line.rpartition(":")[2].split("/") for line in lines)


def _processes(proc: Path) -> Iterator[int]:
    try:
        names = os.listdir(proc)
    except OSError:
        return
    yield from sorted(int(name) for name in names if name.isdecimal())


def _program(proc: Path, pid: int) -> str:
    """Return which relay a process is, as text for a person; an empty string if it is none."""
    try:
        comm = (proc / str(pid) / "comm").read_bytes().rstrip(b"\n")
        words = (proc / str(pid) / "cmdline").read_bytes().split(b"\0")[:-1]
    except OSError:  # it has ended
        return ""
    if not words:  # it has ended, or is a kernel thread
        return ""
    arguments = [os.fsdecode(word) for word in words]
    if PurePath(arguments[0]).name.startswith("python"):
        return f"another {_PROGRAM} run" if _relays(arguments) else ""
    return f"the program {_PROGRAM}" if comm == os.fsencode(_PROGRAM) else ""


def _relays(arguments: Sequence[str]) -> bool:
    """Tell whether a Python process was started as this program, with the command that sets VFs."""
    for before, word, *after in (arguments[at:] for at in range(len(arguments) - 1)):
        if PurePath(word).name == _PROGRAM or (before, word) == ("-m", _MODULE):
            return after[:1] == ["run"] and "--dry-run" not in after
        if not word.startswith("-") and before not in ("-W", "-X"):
            return False
    return False


def _network(proc: Path, pid: int) -> str:
    """Return the network namespace of a process, an empty string if reading it is not allowed."""
    try:
        return os.readlink(proc / str(pid) / "ns" / "net")
    except OSError:
        return ""
