"""The rule for messages to a person: each fault is one printable line."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

LONGEST = 1000
"""Maximum length in characters: fits two full resource names with selectors, but no one-line file."""


def check(lines: Iterable[str]) -> None:
    """Raise unless each is one line, printable, and not too long."""
    for line in lines:
        assert line, "nothing is said"
        assert line.isprintable(), f"not printable: {line[:LONGEST]!r}"
        assert len(line) <= LONGEST, f"{len(line)} characters: {line[:LONGEST]!r}"


def check_faults(faults: Sequence[str]) -> None:
    """Raise unless there is a fault and each passes `check`."""
    assert faults, "no fault is told"
    check(faults)
