"""Where the log goes: the journal, or standard output, and never in the relay's way."""

from __future__ import annotations

import io
import json
import os
import sys
from datetime import datetime
from types import ModuleType, SimpleNamespace

import pytest

from pf_status_relay import events
from pf_status_relay.events import Level
from pf_status_relay.log import LogFormat, leads_to_journal, open_log

Capture = pytest.CaptureFixture[str]


def test_events_are_written_line_by_line_with_the_time(capsys: Capture) -> None:
    log = open_log(LogFormat.JSON, Level.INFO, {})
    log([events.Starting()])
    log([events.PfReady("ens5f0")])
    first, second = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert (first["msg"], second["msg"]) == ("Starting application", "pf is ready")
    assert datetime.strptime(first["time"], "%Y-%m-%dT%H:%M:%S.%fZ")


@pytest.mark.parametrize(
    ("threshold", "told"),
    [
        ("DEBUG", "DEBUG INFO WARN ERROR"),
        ("INFO", "INFO WARN ERROR"),
        ("WARN", "WARN ERROR"),
        ("ERROR", "ERROR"),
    ],
)
def test_events_below_the_threshold_are_left_out(capsys: Capture, threshold: str, told: str) -> None:
    log = open_log(LogFormat.JSON, Level[threshold], {})
    for event in (
        events.LinkEventsLost(),
        events.PfReady("a"),
        events.SlowLacpRate("a"),
        events.PfNotReady("a", "b"),
    ):
        log([event])
    assert [json.loads(line)["level"] for line in capsys.readouterr().out.splitlines()] == told.split()


class NobodyReads(io.StringIO):
    """A stream whose other end has gone."""

    def write(self, text: str) -> int:
        """Fail as a pipe does."""
        raise BrokenPipeError


@pytest.mark.parametrize("stream", [NobodyReads(), io.StringIO()])
def test_a_log_that_cannot_be_written_does_not_stop_the_relay(
    monkeypatch: pytest.MonkeyPatch, stream: io.StringIO
) -> None:
    monkeypatch.setattr(sys, "stdout", stream)
    log = open_log(LogFormat.JSON, Level.INFO, {})
    if not isinstance(stream, NobodyReads):
        stream.close()
    log([events.Starting()])


class Journal(ModuleType):
    """Stands in for systemd.journal, and takes entries."""

    def __init__(self) -> None:
        super().__init__("systemd.journal")
        self.entries: list[tuple[str, ...]] = []
        self.error: OSError | None = None

    def sendv(self, *fields: str) -> None:
        """Take the entry as journald does, or fail."""
        for field in fields:
            field.encode()
        if self.error:
            raise self.error
        self.entries.append(fields)


@pytest.fixture
def journal(monkeypatch: pytest.MonkeyPatch) -> Journal:
    module = Journal()
    monkeypatch.setitem(sys.modules, "systemd", ModuleType("systemd"))
    monkeypatch.setitem(sys.modules, "systemd.journal", module)
    return module


def test_a_journal_entry_is_sent_field_by_field(journal: Journal) -> None:
    open_log(LogFormat.JOURNAL, Level.INFO, {})([events.PfReady("ens5f0")])
    assert journal.entries == [
        (
            "MESSAGE=pf is ready interface=ens5f0",
            "MESSAGE_ID=64ab0feb33c74a84aece1e8665ab9745",
            "PRIORITY=6",
            "SYSLOG_IDENTIFIER=pf-status-relay",
            "PF_INTERFACE=ens5f0",
        )
    ]


def test_a_journal_that_is_gone_does_not_stop_the_relay(journal: Journal) -> None:
    journal.error = FileNotFoundError()
    open_log(LogFormat.JOURNAL, Level.INFO, {})([events.Starting()])


def test_systemd_python_has_what_is_used_of_it() -> None:
    assert callable(pytest.importorskip("systemd.journal").sendv)


def test_the_journal_without_systemd_python_is_an_import_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "systemd.journal", None)
    with pytest.raises(ImportError):
        open_log(LogFormat.JOURNAL, Level.INFO, {})


def stream_of(descriptor: int) -> dict[str, str]:
    status = os.fstat(descriptor)
    return {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}


@pytest.mark.parametrize("descriptor", [1, 2])
def test_output_that_is_the_journal_stream_leads_to_the_journal(
    journal: Journal, capsys: Capture, descriptor: int
) -> None:
    assert leads_to_journal(stream_of(descriptor))
    open_log(LogFormat.AUTO, Level.INFO, stream_of(descriptor))([events.Starting()])
    assert len(journal.entries) == 1
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("environment", [{}, {"JOURNAL_STREAM": ""}, {"JOURNAL_STREAM": "0:0"}])
def test_output_that_was_redirected_since_does_not(
    journal: Journal, capsys: Capture, environment: dict[str, str]
) -> None:
    open_log(LogFormat.AUTO, Level.INFO, environment)([events.Starting()])
    assert journal.entries == []
    assert "Starting application" in capsys.readouterr().out


def test_closed_output_does_not_lead_to_the_journal(monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(descriptor: int) -> os.stat_result:
        raise OSError(9, "Bad file descriptor")

    monkeypatch.setattr("pf_status_relay.log.os", SimpleNamespace(fstat=closed))
    assert not leads_to_journal({"JOURNAL_STREAM": "1:2"})
