"""Findings: one thing that was checked, its verdict, what to do about it, and its text for a person.

Each thing passes, fails, or is a warning: the service does its job, though not as well as it could, or has
nothing to do at the moment. A failure comes with what to do about it.

    failed    the service cannot relay for this PF, or not for any PF
    warning   no carrier, LACP down, no VFs, slow LACP rate, no miimon: it works, or will
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from pf_status_relay.cli.terminal import Colour, Terminal


class Verdict(Enum):
    """The verdict on one thing; the value is the word for a person and for JSON."""

    PASSED = "passed"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True)
class Finding:
    """One thing that was checked: its subject, the verdict, what was found, and how to fix it.

    `subject` is a configured interface, a file, or `host`. `fix` is empty if it passed.
    """

    subject: str
    verdict: Verdict
    found: str
    fix: str = ""

    def as_json(self) -> dict[str, str]:
        """Return the finding as both commands print it in JSON."""
        return {**vars(self), "verdict": self.verdict.value}


_COLOURS = {Verdict.PASSED: Colour.GREEN, Verdict.WARNING: Colour.YELLOW, Verdict.FAILED: Colour.RED}


def text(lines: Iterable[Finding], terminal: Terminal) -> str:
    """Return the lines for a person: each verdict as a word in colour, and the fix below it."""
    printed: list[str] = []
    width = max(len(verdict.value) for verdict in Verdict) + 2
    for line in lines:
        verdict = terminal.paint(line.verdict.value.ljust(width), _COLOURS[line.verdict])
        first, *rest = terminal.wrap(f"{line.subject}: {line.found}", indent=" " * width)
        printed += [verdict + first[width:], *rest]
        if line.fix:
            printed += terminal.wrap(line.fix, indent=" " * (width + 4))
    return "".join(f"{line}\n" for line in printed)
