"""Other relays on this host: two that write to the same PF's VFs fight.

A relay is found by its process: the Go program of the same name, as a service or in a container
with the host's network, or another `pf-status-relay run`. A process in another network namespace
has other interfaces and is none. proc(5) describes what is read.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

UNIT = "pf-status-relay.service"

PROC = Path("/proc")

_PROGRAM = "pf-status-relay"  # of either; as a process's name (comm) it has just the 15 bytes that fit
_MODULE = "pf_status_relay"


@dataclass(frozen=True)
class Rival:
    """Another relay. `certain` is false where its network namespace could not be read."""

    pid: int
    program: str
    certain: bool

    def __str__(self) -> str:
        return f"{self.program} (process {self.pid})"


def find(proc: Path = PROC, own: int | None = None) -> tuple[Rival, ...]:
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


def can_look(proc: Path = PROC) -> bool:
    """Tell whether other users' processes can be seen: hidepid= and ProtectProc= hide them."""
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
    """Return what relay a process is, for a person; an empty string if it is none."""
    try:
        comm = (proc / str(pid) / "comm").read_bytes().rstrip(b"\n")
        words = (proc / str(pid) / "cmdline").read_bytes().split(b"\0")[:-1]
    except OSError:  # it has ended
        return ""
    if not words:  # it has ended, or is the kernel's
        return ""
    arguments = [os.fsdecode(word) for word in words]
    if PurePath(arguments[0]).name.startswith("python"):
        return f"another {_PROGRAM} run" if _relays(arguments) else ""
    return f"the program {_PROGRAM}" if comm == os.fsencode(_PROGRAM) else ""


def _relays(arguments: Sequence[str]) -> bool:
    """Tell whether a Python process was started as our program, with the command that sets VFs."""
    for before, word, *after in (arguments[at:] for at in range(len(arguments) - 1)):
        if PurePath(word).name == _PROGRAM or (before, word) == ("-m", _MODULE):
            return after[:1] == ["run"] and "--dry-run" not in after
        if not word.startswith("-") and before not in ("-W", "-X"):
            return False
    return False


def _network(proc: Path, pid: int) -> str:
    """Return which network namespace a process is in, an empty string where that may not be read."""
    try:
        return os.readlink(proc / str(pid) / "ns" / "net")
    except OSError:
        return ""
