"""Where the log goes: to the journal or standard output; it never holds up the relay."""

from __future__ import annotations

import json
import os
import sys
from datetime import datetime

import pytest

from pf_status_relay.core import events
from pf_status_relay.core.events import Level
from pf_status_relay.log import journal
from pf_status_relay.log.output import LogFormat, leads_to_journal, open_log

Capture = pytest.CaptureFixture[str]  # it captures file descriptor 1 itself


def test_events_are_written_line_by_line_with_the_time(capfd: Capture) -> None:
    with open_log(LogFormat.JSON, Level.INFO, {}) as log:
        log([events.Starting()])
        log([events.PfReady("ens5f0")])
    first, second = (json.loads(line) for line in capfd.readouterr().out.splitlines())
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
def test_events_below_the_threshold_are_left_out(capfd: Capture, threshold: str, told: str) -> None:
    with open_log(LogFormat.JSON, Level[threshold], {}) as log:
        for event in (
            events.LinkEventsLost(),
            events.PfReady("a"),
            events.SlowLacpRate("a"),
            events.PfNotReady("a", "b"),
        ):
            log([event])
    assert [json.loads(line)["level"] for line in capfd.readouterr().out.splitlines()] == told.split()


def test_an_output_whose_reader_has_gone_does_not_stop_the_relay() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    kept = os.dup(1)
    os.dup2(writing, 1)
    try:
        with open_log(LogFormat.JSON, Level.INFO, {}) as log:
            log([events.Starting()])
    finally:
        os.dup2(kept, 1)
        for descriptor in (kept, writing):
            os.close(descriptor)


Entries = list[dict[str, str]]


@pytest.fixture
def entries(monkeypatch: pytest.MonkeyPatch) -> Entries:
    """Collect the entries in journald's place."""
    taken: Entries = []
    monkeypatch.setattr(journal, "sender", lambda: taken.append)
    return taken


def test_a_journal_entry_has_its_fields(entries: Entries) -> None:
    with open_log(LogFormat.JOURNAL, Level.INFO, {}) as log:
        log([events.PfReady("ens5f0")])
    assert entries == [
        {
            "MESSAGE": "pf is ready interface=ens5f0",
            "MESSAGE_ID": "64ab0feb33c74a84aece1e8665ab9745",
            "PRIORITY": "6",
            "SYSLOG_IDENTIFIER": "pf-status-relay",
            "PF_INTERFACE": "ens5f0",
        }
    ]


def test_a_journal_that_is_gone_does_not_stop_the_relay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "SOCKET", "/nowhere")
    with open_log(LogFormat.JOURNAL, Level.INFO, {}) as log:
        log([events.Starting()])


def stream_of(descriptor: int) -> dict[str, str]:
    status = os.fstat(descriptor)
    return {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}


@pytest.mark.parametrize("descriptor", [1, 2])
def test_output_that_is_the_journal_stream_leads_to_the_journal(
    entries: Entries, capfd: Capture, descriptor: int
) -> None:
    assert leads_to_journal(stream_of(descriptor))
    with open_log(LogFormat.AUTO, Level.INFO, stream_of(descriptor)) as log:
        log([events.Starting()])
    assert len(entries) == 1
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize("environment", [{}, {"JOURNAL_STREAM": ""}, {"JOURNAL_STREAM": "0:0"}])
def test_output_that_was_redirected_since_does_not(
    entries: Entries, capfd: Capture, environment: dict[str, str]
) -> None:
    with open_log(LogFormat.AUTO, Level.INFO, environment) as log:
        log([events.Starting()])
    assert entries == []
    assert "Starting application" in capfd.readouterr().out


def test_closed_output_does_not_lead_to_the_journal(monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(descriptor: int) -> os.stat_result:
        raise OSError(9, "Bad file descriptor")

    monkeypatch.setattr(os, "fstat", closed)
    assert not leads_to_journal({"JOURNAL_STREAM": "1:2"})


def test_a_journal_that_is_asked_for_without_the_library_is_missed_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "systemd.journal", None)
    with pytest.raises(ImportError), open_log(LogFormat.JOURNAL, Level.INFO, {}):
        pytest.fail("there is no log")
