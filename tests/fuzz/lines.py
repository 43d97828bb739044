"""The rule for what a person is told: each fault in one line that can be shown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

LONGEST = 1000
"""Characters. Two full resource names and what their selectors demand fit; a file of one line does not."""


def check(lines: Iterable[str]) -> None:
    """Raise unless each is one line, printable, and not too long."""
    for line in lines:
        assert line, "nothing is said"
        assert line.isprintable(), f"not printable: {line[:LONGEST]!r}"
        assert len(line) <= LONGEST, f"{len(line)} characters: {line[:LONGEST]!r}"


def check_faults(faults: Sequence[str]) -> None:
    """Raise unless there is a fault, and each is a line."""
    assert faults, "no fault is told"
    check(faults)
