"""Times for a person: parsing the value of --since, and formatting moments and durations."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

ALLOWED = '-7d, -36h, -90m, today, yesterday, 2026-11-01, "2026-11-01 03:00" or "2026-11-01 03:00:00"'
"""What `since` accepts, in words for a person: a small part of systemd.time(7)."""

_AGO = re.compile(r"-([0-9]{1,6})(d|h|m|min)")
_UNITS = {"d": "days", "h": "hours", "m": "minutes", "min": "minutes"}
_FORMS = ("%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S")


def since(text: str, now: float) -> float:
    """Parse a time; return it in seconds since 1970. A date is in the local time zone.

    `now` is in seconds since 1970. Raises ValueError, whose message says what is allowed.
    """
    try:
        moment = _moment(text, now)
    except (OverflowError, OSError):  # a year that the C library does not have
        moment = None
    if moment is None or moment < 0:
        raise ValueError(f"{text!r} is no time; allowed: {ALLOWED}")
    if moment > now:
        raise ValueError(f"{text!r} is in the future; allowed: a time that has passed, such as -7d")
    return moment


def _moment(text: str, now: float) -> float | None:
    ago = _AGO.fullmatch(text)
    if ago:
        return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])}).total_seconds()
    if text in ("today", "yesterday"):
        day = datetime.fromtimestamp(now).date() - timedelta(days=text == "yesterday")
        return datetime(day.year, day.month, day.day).timestamp()
    for form in _FORMS:
        try:
            return datetime.strptime(text, form).timestamp()
        except ValueError:
            continue
    return None


def local(time: float) -> str:
    """Return a time as journalctl prints it, in local time; `time` is in seconds since 1970."""
    return datetime.fromtimestamp(time).strftime("%Y-%m-%d %H:%M:%S")


def rfc3339(time: float) -> str:
    """Return a time for a program: RFC 3339, UTC, to the millisecond."""
    moment = datetime.fromtimestamp(time, timezone.utc)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def duration(seconds: float) -> str:
    """Return a duration in its two largest units: `0.4 s`, `3 min 2 s`, `5 d 3 h`."""
    if seconds < 60:
        tenths = f"{seconds:.1f}"
        if tenths != "60.0":
            return f"{tenths} s"
    whole = round(seconds)
    for unit, size, below, smaller in (("d", 86400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1)):
        if whole >= size:
            rest = whole % size // smaller
            return f"{whole // size} {unit} {rest} {below}" if rest else f"{whole // size} {unit}"
    return f"{whole} s"
