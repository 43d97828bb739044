"""The log's output: events as native journal entries, or as JSON lines on standard output."""

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
"""A function that takes events, oldest first. It never waits or fails: relaying matters more than logging."""

IDENTIFIER = "pf-status-relay"

CLOSE_S = 1.0
"""Maximum seconds that the service, when it ends, waits for events still to be written."""

_STANDARD_OUTPUT = 1


class LogFormat(Enum):
    """Where events go. AUTO is the journal if standard output or error leads there, else JSON."""

    AUTO = "auto"
    JOURNAL = "journal"
    JSON = "json"


@contextmanager
def open_log(log_format: LogFormat, threshold: Level, environment: Mapping[str, str]) -> Iterator[Log]:
    """Open the log for events of at least the level `threshold`. At the end, write the events that wait.

    Raises ImportError if the journal is to be used and systemd-python is not installed.
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
    """Return the event as one JSON object, its keys in the order on which readers rely."""
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
    # Not by sys.stdout: a thread that hangs in it would still hold its lock when the interpreter ends.
    left = f"{json_line(event, time)}\n".encode()
    while left:
        left = left[os.write(_STANDARD_OUTPUT, left) :]


def _to_journal() -> Write:
    send = journal.sender()
    return lambda event, time: send(journal_fields(event))  # journald records the time itself


def _plain(value: Any) -> Any:
    """Return a value in a form that JSON has."""
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
    """Return a value for `key=value`, quoted if it would not read as one word."""
    text = _text(value)
    return (
        json.dumps(text)
        if not text or any(char in ' "=' or not char.isprintable() for char in text)
        else text
    )
