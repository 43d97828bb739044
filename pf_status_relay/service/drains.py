"""The drains of this host: one file for each PF and owner, in a folder that only root can write.

    /run/pf-status-relay.drain.d/ens5f0@alice.toml

    reason = "switch A: firmware"
    since = 2030-01-01T10:00:00Z
    until = 2030-01-01T12:00:00Z

The file name holds the PF (interface name or alternative name) and the owner of the drain. The content is
TOML. All of it is optional: an empty file drains until it is removed or the host boots. A PF is drained while
any file drains it. `pf-status-relay drain` writes the files; any program that is root can. They are not part
of the configuration: they count even if it has faults, and whichever one the service was started with.

The service logs a faulty file once and ignores it. A file whose `until` has passed has no effect, and can
stay.
"""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Callable

from pf_status_relay.config import files
from pf_status_relay.config.keys import quoted
from pf_status_relay.core.drain import Drain
from pf_status_relay.core.events import DrainIgnored, Event
from pf_status_relay.text import one_line, reason_of

FOLDER = Path("/run/pf-status-relay.drain.d")

MOST_FILES = 1000
"""Maximum number of files that are read. People do not create more."""

MAX_REASON = 300
"""Maximum length of a reason in characters."""

_SUFFIX = ".toml"
_OWNER = re.compile(r"[A-Za-z0-9._+-]{1,64}")
_KEYS = ("reason", "since", "until")
_SETTLED_S = 2.0
"""Age in seconds from which unchanged times prove an unchanged file: the kernel's clock ticks in ms."""

CHANGED = signal.SIGURG
"""Signal that makes the service look at the drains at once.

A process without a handler ignores it (signal(7)). So it ends neither another program nor a service that is
just starting.
"""


class Folder:
    """The folder of drains, as the service reads it. `now` returns the time in seconds since the epoch."""

    def __init__(self, path: Path = FOLDER, now: Callable[[], float] = time.time) -> None:
        self._path = path
        self._now = now
        self._read: dict[str, tuple[object, Drain | None, float, list[str]]] = {}
        self._ignored: list[str] = []
        self.drains: tuple[Drain, ...] = ()
        """The drains in effect at the last look, sorted by PF and owner."""
        self.ends_in_s: float | None = None
        """Seconds after which the first of them ends; None if none does."""

    def look(self) -> Sequence[Event]:
        """Find out which drains are in effect, and return the events to log."""
        faults: list[str] = []
        now = self._now()
        names = self._names(faults)
        before, self._read = self._read, {}
        effective: list[Drain] = []
        ends: list[float] = []
        for name in names:
            drain, until, wrong = self._file(name, before.get(name), now)
            faults += wrong
            if drain and until > now:
                effective.append(drain)
                ends += [until] if drain.until else []
        self.drains = tuple(sorted(effective, key=lambda drain: (drain.interface, drain.owner)))
        self.ends_in_s = min(ends) - now if ends else None
        told, self._ignored = self._ignored, faults
        return [DrainIgnored(fault) for fault in faults if fault not in told]

    def _names(self, faults: list[str]) -> list[str]:
        try:
            names = os.listdir(self._path)
        except FileNotFoundError:
            return []
        except OSError as error:
            faults.append(f"{one_line(str(self._path))}: cannot be listed: {reason_of(error)}")
            return []
        names = sorted(name for name in names if name.endswith(_SUFFIX) and not name.startswith("."))
        if len(names) > MOST_FILES:
            faults.append(f"{self._path} has {len(names)} drains; the first {MOST_FILES} count")
        return names[:MOST_FILES]

    def _file(
        self, name: str, known: tuple[object, Drain | None, float, list[str]] | None, now: float
    ) -> tuple[Drain | None, float, list[str]]:
        """Return a file's drain, when it ends, and the file's faults. Read the file only if it changed."""
        identity: object = None
        with suppress(OSError):
            status = os.stat(self._path / name)
            if max(status.st_mtime, status.st_ctime) < now - _SETTLED_S:
                identity = status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size
        if not known or identity is None or known[0] != identity:
            faults: list[str] = []
            drain, until = _parse(self._path / name, faults)
            known = identity, drain, until, faults
        self._read[name] = known
        return known[1:]


def read(path: Path = FOLDER) -> tuple[tuple[Drain, ...], list[str]]:
    """Return the drains that are in effect now, and the faults of the other files."""
    folder = Folder(path)
    ignored = [event.error for event in folder.look() if isinstance(event, DrainIgnored)]
    return folder.drains, ignored


def listed(path: Path = FOLDER) -> list[tuple[str, str]]:
    """Return the PF and the owner of every file, in effect or not. Raises OSError."""
    try:
        names = os.listdir(path)
    except FileNotFoundError:
        return []
    pairs = (_named(name) for name in sorted(names) if name.endswith(_SUFFIX) and not name.startswith("."))
    return [pair for pair in pairs if all(pair)]


def is_owner(text: str) -> bool:
    """Tell whether an owner can have this name: it becomes part of a file name."""
    return bool(_OWNER.fullmatch(text))


def write(drain: Drain, path: Path = FOLDER) -> None:
    """Write a drain's file, so that a reader sees all of it or nothing. Raises OSError."""
    import tomli_w  # only here: the service does not write drains

    with suppress(FileExistsError):
        os.mkdir(path)
        os.chmod(path, 0o755)  # whatever the umask is
    content: dict[str, Any] = {"reason": drain.reason} if drain.reason else {}
    for key, text in (("since", drain.since), ("until", drain.until)):
        if text:
            content[key] = datetime.fromisoformat(text.replace("Z", "+00:00"))
    file = _path_of(drain.interface, drain.owner, path)
    new = file.with_name(f".{file.name}.new")
    with open(new, "w", encoding="utf-8") as opened:
        os.fchmod(opened.fileno(), 0o644)
        opened.write(tomli_w.dumps(content))
    os.replace(new, file)


def remove(interface: str, owner: str, path: Path = FOLDER) -> None:
    """Remove a drain's file. Raises OSError; FileNotFoundError if there is none."""
    os.unlink(_path_of(interface, owner, path))


def rfc3339(seconds: float) -> str:
    """Return a time, in seconds since the epoch, as a drain's file holds it."""
    return _text(datetime.fromtimestamp(int(seconds), timezone.utc))


def _path_of(interface: str, owner: str, folder: Path) -> Path:
    return folder / f"{interface}@{owner}{_SUFFIX}"


def _named(name: str) -> tuple[str, str]:
    """Return the PF and the owner in a file's name; one of them is empty if the name lacks it."""
    interface, _, owner = name[: -len(_SUFFIX)].rpartition("@")
    return interface, owner if is_owner(owner) else ""


def _parse(path: Path, faults: list[str]) -> tuple[Drain | None, float]:
    """Return the drain of a file and when it ends, in seconds since the epoch; or add lines to `faults`."""
    where = one_line(str(path))
    interface, owner = _named(path.name)
    before = len(faults)
    if not interface or not owner:
        faults.append(f"{where}: allowed: a file named PF@OWNER{_SUFFIX}, OWNER of A-Z a-z 0-9 . _ + -")
    values = files.read(path, faults)
    if values is None:  # somebody removed it in between
        return None, 0.0
    for key in values:
        if key not in _KEYS:
            faults.append(f"{where}: unknown key {quoted(key)}; allowed: {', '.join(_KEYS)}")
    reason = values.get("reason", "")
    if not isinstance(reason, str) or len(reason) > MAX_REASON:
        faults.append(f"{where}: reason is {quoted(reason)}; allowed: text of up to {MAX_REASON} characters")
    times = {key: _time(where, key, values[key], faults) for key in ("since", "until") if key in values}
    if len(faults) > before:
        return None, 0.0
    said = {key: _text(moment) for key, moment in times.items() if moment}
    until = times.get("until")
    return Drain(interface, owner, one_line(reason), **said), until.timestamp() if until else float("inf")


def _time(where: str, key: str, value: object, faults: list[str]) -> datetime | None:
    with suppress(OverflowError, ValueError):
        if isinstance(value, datetime) and value.tzinfo is not None:
            return value.astimezone(timezone.utc)
    faults.append(f"{where}: {key} is {quoted(value)}; allowed: a time such as 2030-01-01T10:00:00Z")
    return None


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
