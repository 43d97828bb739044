"""An event: something that happened, as a value that the log, the metrics and the tests share.

An event's `msg` and the names and order of its keys are relied on by alerts that exist; they
never change. A field marked `detail()` is for the journal alone and no key of the JSON line.
MESSAGE_ID is stable per event (systemd.journal-fields(7)); `journalctl -x` explains by it.
"""

from __future__ import annotations

from dataclasses import Field, dataclass, field, fields
from enum import Enum
from typing import Any, ClassVar


class Level(Enum):
    """How bad it is. The value is the syslog priority (syslog.h), the name is what the log shows."""

    DEBUG = 7
    INFO = 6
    WARN = 4
    ERROR = 3


def detail() -> Any:
    """Declare a field that is for the journal alone."""
    return field(metadata={"detail": True})


@dataclass(frozen=True)
class Event:
    """Something that happened. Subclasses say what."""

    level: ClassVar[Level]
    msg: ClassVar[str]
    message_id: ClassVar[str]

    def keys(self) -> dict[str, Any]:
        """Return the event's own keys and values, in the order of the log line."""
        return {each.name: getattr(self, each.name) for each in fields(self) if not _is_detail(each)}

    def details(self) -> dict[str, Any]:
        """Return what only the journal carries beside the keys."""
        return {each.name: getattr(self, each.name) for each in fields(self) if _is_detail(each)}


def _is_detail(each: Field[Any]) -> bool:
    return bool(each.metadata.get("detail"))
