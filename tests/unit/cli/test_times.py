"""Times for a person: what --since accepts, and how times and durations are written."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime, timezone

import pytest

from pf_status_relay.cli.times import ALLOWED, duration, local, rfc3339, since

NOW = datetime(2030, 3, 15, 12, 30, 45, tzinfo=timezone.utc).timestamp()


@pytest.fixture(autouse=True)
def _zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "CET-1")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("-7d", "2030-03-08T12:30:45"),
        ("-36h", "2030-03-14T00:30:45"),
        ("-90m", "2030-03-15T11:00:45"),
        ("-5min", "2030-03-15T12:25:45"),
        ("today", "2030-03-14T23:00:00"),
        ("yesterday", "2030-03-13T23:00:00"),
        ("2030-03-01", "2030-02-28T23:00:00"),
        ("2030-03-01 03:00", "2030-03-01T02:00:00"),
        ("2030-03-01 03:00:07", "2030-03-01T02:00:07"),
    ],
)
def test_a_time_is_local_or_so_long_ago(text: str, meant: str) -> None:
    found = datetime.fromtimestamp(since(text, NOW), timezone.utc)
    assert found.replace(tzinfo=None).isoformat() == meant


@pytest.mark.parametrize(
    "text",
    [
        "", "7d", "-7", "-7x", "-7 d", "-\u0667d", "tomorrow", "now",
        "2030-13-01", "2030-03-01T03:00", "1969-03-01", "-999999d",
    ],
)  # fmt: skip
def test_anything_else_is_refused_with_what_is_allowed(text: str) -> None:
    with pytest.raises(ValueError, match="is no time; allowed: ") as refused:
        since(text, NOW)
    assert ALLOWED in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("text", ["2030-03-16", "2030-03-15 13:31"])
def test_the_future_has_no_history(text: str) -> None:
    with pytest.raises(ValueError, match="is in the future"):
        since(text, NOW)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 s"), (0.44, "0.4 s"), (59.94, "59.9 s"), (59.97, "1 min"), (60, "1 min"),
        (182.4, "3 min 2 s"),
        (3599.9, "1 h"), (7500, "2 h 5 min"), (86400 * 5 + 3600 * 3 + 1, "5 d 3 h"),
    ],
)  # fmt: skip
def test_a_duration_has_its_two_largest_units(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_time_is_written_in_local_time_for_a_person_and_in_utc_for_a_program() -> None:
    assert local(NOW) == "2030-03-15 13:30:45"
    assert rfc3339(NOW + 0.25) == "2030-03-15T12:30:45.250Z"
