"""Events as the log shows them: native journal entries, or JSON lines on standard output."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from enum import Enum
from typing import Any, Callable

from pf_status_relay.core import lacp
from pf_status_relay.core.events import Event, Level
from pf_status_relay.core.facts import VfLinkState
from pf_status_relay.core.lacp import PortState
from pf_status_relay.log import journal
from pf_status_relay.log.backlog import Backlog, Write

Log = Callable[[Sequence[Event]], None]
"""Takes events, oldest first, never waits and never fails: relaying is worth more than telling of it."""

IDENTIFIER = "pf-status-relay"

CLOSE_S = 1.0
"""Seconds that the end of the service waits for what is still to be written."""

_STANDARD_OUTPUT = 1


class LogFormat(Enum):
    """Where events go. AUTO is the journal if standard output or error leads there, else JSON."""

    AUTO = "auto"
    JOURNAL = "journal"
    JSON = "json"


@contextmanager
def open_log(log_format: LogFormat, threshold: Level, environment: Mapping[str, str]) -> Iterator[Log]:
    """Give the log for events of at least the level `threshold`; in the end, write what waits.

    Raises ImportError if the journal is asked for and systemd-python is not installed.
    """
    if log_format is LogFormat.AUTO:
        log_format = LogFormat.JOURNAL if leads_to_journal(environment) else LogFormat.JSON
    backlog = Backlog(_to_journal() if log_format is LogFormat.JOURNAL else _to_standard_output)

    def log(events: Sequence[Event]) -> None:
        wanted = [event for event in events if event.level.value <= threshold.value]
        if wanted:
            backlog(wanted)

    try:
        yield log
    finally:
        backlog.close(CLOSE_S)


def leads_to_journal(environment: Mapping[str, str]) -> bool:
    """Tell whether standard output or error is the journal (JOURNAL_STREAM, systemd.exec(5))."""
    stream = environment.get("JOURNAL_STREAM", "")
    for descriptor in (1, 2):
        try:
            status = os.fstat(descriptor)
        except OSError:
            continue
        if stream == f"{status.st_dev}:{status.st_ino}":
            return True
    return False


def json_line(event: Event, time: datetime) -> str:
    """Return the event as one JSON object, keys in the order that its readers rely on."""
    fields = {
        "time": time.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "level": event.level.name,
        "msg": event.msg,
    }
    fields.update((key, _plain(value)) for key, value in event.keys().items())
    return json.dumps(fields, separators=(",", ":"))


def journal_fields(event: Event) -> dict[str, str]:
    """Return the event as journal fields (systemd.journal-fields(7))."""
    keys = event.keys()
    fields = {
        "MESSAGE": " ".join([event.msg, *(f"{key}={_word(value)}" for key, value in keys.items())]),
        "MESSAGE_ID": event.message_id,
        "PRIORITY": str(event.level.value),
        "SYSLOG_IDENTIFIER": IDENTIFIER,
    }
    for field, value in event.journal().items():
        if value is not None:
            fields[field] = _text(value)
    return fields


def _to_standard_output(event: Event, time: datetime) -> None:
    # Past sys.stdout, whose lock a thread that hangs in it would take into the end of the interpreter.
    left = f"{json_line(event, time)}\n".encode()
    while left:
        left = left[os.write(_STANDARD_OUTPUT, left) :]


def _to_journal() -> Write:
    send = journal.sender()
    return lambda event, time: send(journal_fields(event))  # journald has a time of its own for it


def _plain(value: Any) -> Any:
    """Return a value as JSON has it."""
    if isinstance(value, PortState):
        return lacp.describe(value)
    if isinstance(value, VfLinkState):
        return str(value)
    return value


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return ",".join(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(_plain(value))


def _word(value: Any) -> str:
    """Return a value for `key=value`, quoted where it would not read as one word."""
    text = _text(value)
    return (
        json.dumps(text)
        if not text or any(char in ' "=' or not char.isprintable() for char in text)
        else text
    )
