"""Reading the service's entries in the journal, by systemd-python: the reverse of journal.py.

Any process can log an event's MESSAGE_ID, but journald itself finds out to which unit a process belongs
(systemd.journal-fields(7)). So only entries of the service's unit are believed, and what systemd and journald
say about that unit. The journal's index finds the unit, and this module compares the MESSAGE_ID: that takes a
third of the time that the index takes for both.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

from pf_status_relay.core import events
from pf_status_relay.core.history import FIELDS, JOURNAL_DROPPED, LAST_OF_BOOT, PROCESS_EXIT, Entry
from systemd import journal

FOLDERS = (Path("/var/log/journal"), Path("/run/log/journal"))
MACHINE_ID = Path("/etc/machine-id")
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

NOT_ALLOWED = "this user may not read the journal: use root, or a user in the group systemd-journal"

_FIELDS = {message_id.encode(): (message_id, fields) for message_id, fields in FIELDS.items()}


class NoJournal(Exception):
    """There is no journal. The message names the folders that were searched."""


class NotAllowed(Exception):
    """The journal is there and this user may not read it."""


def boot_id() -> str:
    """Return the ID of the running kernel's boot, as the journal writes it. Raises OSError."""
    return _BOOT_ID.read_text().strip().replace("-", "")


def check_access() -> None:
    """Raise NoJournal or NotAllowed if the journal cannot be read: systemd reports no error for this.

    sd-journal silently leaves out a file that it may not read, and the history would have holes.
    """
    found = False
    try:
        for folder in FOLDERS:
            for path in _system_files(folder):
                found = True
                if not os.access(path, os.R_OK):
                    raise NotAllowed
    except PermissionError:
        raise NotAllowed from None
    if not found:
        places = " or ".join(map(str, FOLDERS))
        raise NoJournal(f"no journal of this host in {places}")


def _system_files(folder: Path) -> list[Path]:
    """Return the files of the system's journal, current and archived, in one of the two folders."""
    try:
        own = folder / MACHINE_ID.read_text().strip()
        return sorted(own / name for name in os.listdir(own) if name.startswith("system"))
    except FileNotFoundError:
        return []


class JournalReader:
    """A reader of the journal's entries about a unit."""

    def __init__(self, unit: str) -> None:
        self._unit = unit

    def begins(self) -> float | None:
        """Return the time of the journal's oldest entry, in seconds since 1970; None if it is empty."""
        with closing(_Reader()) as reader:
            return reader.time if reader.next() else None

    def entries(self, since: float) -> Iterator[Entry]:
        """Yield the entries that show what happened since a time (seconds since 1970), oldest first.

        They begin where the service that ran at that time was started: it logs the state of the PFs when it
        starts.
        """
        boot = ""
        with closing(self._reader()) as reader:
            reader.seek(self._started_before(since))
            while reader.next():
                known = _FIELDS.get(reader.field("MESSAGE_ID"))
                if known is None:
                    continue
                entry = reader.entry(*known)
                if boot and entry.boot != boot:
                    yield from self._last_of(boot)
                boot = entry.boot
                yield entry
        if boot and boot != boot_id():
            yield from self._last_of(boot)

    def _reader(self) -> _Reader:
        return _Reader(
            {"_SYSTEMD_UNIT": self._unit},
            {"_PID": "1", "UNIT": self._unit, "MESSAGE_ID": PROCESS_EXIT},
            {"_TRANSPORT": "driver", "OBJECT_SYSTEMD_UNIT": self._unit, "MESSAGE_ID": JOURNAL_DROPPED},
        )

    def _started_before(self, time: float) -> float | None:
        match = {"_SYSTEMD_UNIT": self._unit, "MESSAGE_ID": events.Starting.message_id}
        with closing(_Reader(match)) as reader:
            reader.seek(time)
            return reader.time if reader.previous() else None

    @staticmethod
    def _last_of(boot: str) -> Iterator[Entry]:
        with closing(_Reader({"_BOOT_ID": boot})) as reader:
            reader.seek_tail()
            if reader.previous():
                yield reader.entry(LAST_OF_BOOT, ())


class _Reader(journal.Reader):  # type: ignore[misc]
    """systemd-python's reader without the conversion of every field, which takes most of the time.

    Each of `matches` is a set of fields that an entry must have. An entry needs to fit only one of them.
    """

    def __init__(self, *matches: Mapping[str, str]) -> None:
        # Not only the system's files: a container's process has a user, and journald keeps a file per user.
        super().__init__(flags=journal.LOCAL_ONLY)
        self._boots: dict[bytes, str] = {}
        for match in matches:
            for name, value in match.items():
                self.add_match(f"{name}={value}")
            self.add_disjunction()

    def seek(self, time: float | None) -> None:
        """Go to a time (seconds since 1970; None: the beginning). The next entry is at that time or later."""
        if time is None:
            self.seek_head()
        else:
            self.seek_realtime(time)

    def next(self) -> bool:
        """Go to the next entry and return whether there is one."""
        return bool(self._next())

    def previous(self) -> bool:
        """Go to the previous entry and return whether there is one."""
        return bool(self._previous())

    @property
    def time(self) -> float:
        """The time of the entry, in seconds since 1970."""
        return float(self._get_realtime()) / 1e6

    def field(self, name: str) -> bytes:
        """Return a field of the entry, empty if the entry does not have it."""
        try:
            value = self._get(name)
        except KeyError:
            return b""
        assert isinstance(value, bytes)
        return value

    def entry(self, message_id: str, names: tuple[str, ...]) -> Entry:
        """Return the entry with those of the fields `names` that it has."""
        monotonic, boot = self._get_monotonic()
        fields = {}
        for name in names:
            value = self.field(name)
            if value:
                fields[name] = value.decode(errors="replace")
        name = self._boots.get(boot) or self._boots.setdefault(boot, boot.hex())
        return Entry(self.time, monotonic / 1e6, name, message_id, fields)
