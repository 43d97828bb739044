"""What the running service tells other processes: `state.json` in its RuntimeDirectory.

The file says since when each PF is in its state, which the kernel does not know. It serves display only:
nothing is decided by it, the service does not read it, and a service that cannot write it still relays.
systemd removes the folder when the service has ended in any way.

    {"pid": 812, "interfaces": {
        "ens5f0": {"standing": "ready", "lacp": "up", "since": "2030-01-01T10:00:03Z", "cause": null,
                   "delay_ms": null, "kept_open": false, "group": [], "bfd": {"192.0.2.2": "up"}}}}

`standing` is a Readiness. `lacp` is "up", "down" or null while the PF is not ready. `since` (RFC 3339, UTC)
is when the service saw this begin, at the earliest its own start. `cause` is the Cause for which LACP is
down, as last logged. `delay_ms` is how long LACP must be up before VFs return to auto, where flapping has
made that longer. `kept_open`: the PF's VFs stay in auto because no other PF of its redundancy `group`
(configured names) is open. `bfd` holds the Standing of each BFD session by its peer's address.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from types import MappingProxyType

from pf_status_relay.core import causes
from pf_status_relay.core.causes import Cause
from pf_status_relay.core.decision import Memory, Readiness

DIRECTORY_VARIABLE = "RUNTIME_DIRECTORY"
"""Environment variable in which systemd passes the folder (systemd.exec(5), RuntimeDirectory=)."""

PATH = Path("/run/pf-status-relay/state.json")
"""Path of the file under the shipped unit."""

MAX_BYTES = 1 << 20
"""Maximum size in bytes. The service does not write a larger file."""


@dataclass(frozen=True)
class InterfaceState:
    """What the service says of one configured interface; see the module's docstring."""

    readiness: str
    lacp: str | None
    since: str
    cause: str | None = None
    delay_ms: int | None = None
    kept_open: bool = False
    group: tuple[str, ...] = ()
    bfd: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class ServiceState:
    """What a running service says: its process, and its interfaces by configured name."""

    pid: int
    interfaces: Mapping[str, InterfaceState]

    def cause(self, interface: str) -> Cause | None:
        """Return why LACP is down on a configured interface, or None if the service does not say."""
        state = self.interfaces.get(interface)
        return causes.named(state.cause) if state else None


class StateFile:
    """Writes the file, readable for all users, whenever something in it has changed."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        folder = runtime_directory(environment)
        self._path = folder / PATH.name if folder else None
        self._states: dict[str, InterfaceState] = {}
        self._written: dict[str, InterfaceState] | None = None

    def write(
        self, memories: Iterable[Memory], groups: Mapping[str, tuple[str, ...]] = MappingProxyType({})
    ) -> None:
        """Write what is known of the PFs, unless the file already says so. The next call retries a failure.

        `groups` are the redundancy groups by interface, for interfaces that are in one.
        """
        if self._path is None:
            return
        before = self._states
        self._states = {
            memory.interface: _state(memory, groups.get(memory.interface, ()), before) for memory in memories
        }
        if self._states == self._written:
            return
        with suppress(OSError):
            self._replace(self._path, self._states)
            self._written = self._states

    @staticmethod
    def _replace(path: Path, states: Mapping[str, InterfaceState]) -> None:
        interfaces = {
            name: {
                "standing": state.readiness,
                "lacp": state.lacp,
                "since": state.since,
                "cause": state.cause,
                "delay_ms": state.delay_ms,
                "kept_open": state.kept_open,
                "group": state.group,
                "bfd": dict(state.bfd),
            }
            for name, state in states.items()
        }
        text = json.dumps({"pid": os.getpid(), "interfaces": interfaces})
        new = path.with_suffix(".new")
        with open(new, "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), 0o644)  # the service's umask denies others everything
            file.write(f"{text}\n")
        os.replace(new, path)


def runtime_directory(environment: Mapping[str, str]) -> Path | None:
    """Return the service's RuntimeDirectory, None outside systemd."""
    # There can be several, separated by colons; the unit asks for one.
    folder = environment.get(DIRECTORY_VARIABLE, "").split(":")[0]
    return Path(folder) if folder else None


def read(path: Path = PATH) -> ServiceState | None:
    """Return what a running service says; None if no service runs or its file cannot be used.

    A file that an ended process left is ignored.
    """
    try:
        with open(path, "rb") as file:
            content = json.loads(file.read(MAX_BYTES))
        state = ServiceState(
            int(content["pid"]),
            {
                str(name): InterfaceState(
                    str(each["standing"]),
                    each["lacp"],
                    str(each["since"]),
                    each.get("cause"),
                    int(each["delay_ms"]) if each.get("delay_ms") else None,
                    bool(each.get("kept_open")),
                    tuple(map(str, each.get("group", ()))),
                    tuple((str(peer), str(standing)) for peer, standing in each.get("bfd", {}).items()),
                )
                for name, each in content["interfaces"].items()
            },
        )
    # The service may not have written the file, so it can hold anything.
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    return state if _runs(state.pid) else None


def _state(memory: Memory, group: tuple[str, ...], before: Mapping[str, InterfaceState]) -> InterfaceState:
    lacp = None
    if memory.readiness is Readiness.READY:
        lacp = "up" if memory.lacp_up else "down"
    cause = str(memory.told.cause) if memory.told else None
    delay_ms = round(memory.damping.delay_s * 1000) or None
    bfd = tuple((each.peer.address, str(each.standing)) for each in memory.sessions)
    known = before.get(memory.interface)
    if known and (known.readiness, known.lacp) == (memory.readiness.value, lacp):
        since = known.since
    else:
        since = datetime.now(timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")
    return InterfaceState(memory.readiness.value, lacp, since, cause, delay_ms, memory.kept, group, bfd)


def _runs(pid: int) -> bool:
    """Tell whether a process with this pid exists, of any user."""
    if pid <= 0:  # kill(2) takes it for a group of processes
        return False
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (OSError, OverflowError):
        return False
    return True
