"""Verdicts: one thing that was looked at, how it stands, what to do about it, and how a person is shown that.

Each thing passes or fails, or is a warning: the service does its job, though not as well as it
could, or has nothing to do at the moment. What fails comes with what to do about it.

    failed    for this PF, or for none at all, nothing can be relayed
    warning   no carrier, LACP down, no VFs, slow LACP rate, no miimon: it works, or will
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from pf_status_relay.cli.terminal import Colour, Terminal


class Verdict(Enum):
    """How one thing stands; the value is the word for a person and for JSON."""

    PASSED = "passed"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True)
class Finding:
    """One thing that was checked: of what, how it stands, what was found, and how to fix it.

    `subject` is a configured interface, a file, or `host`. `fix` is empty when it passed.
    """

    subject: str
    verdict: Verdict
    found: str
    fix: str = ""

    def as_json(self) -> dict[str, str]:
        """Return what both commands say of it in JSON."""
        return {**vars(self), "verdict": self.verdict.value}


_COLOURS = {Verdict.PASSED: Colour.GREEN, Verdict.WARNING: Colour.YELLOW, Verdict.FAILED: Colour.RED}


def text(lines: Iterable[Finding], terminal: Terminal) -> str:
    """Return the lines for a person: each verdict in words and colour, and the fix below."""
    printed: list[str] = []
    width = max(len(verdict.value) for verdict in Verdict) + 2
    for line in lines:
        verdict = terminal.paint(line.verdict.value.ljust(width), _COLOURS[line.verdict])
        first, *rest = terminal.wrap(f"{line.subject}: {line.found}", indent=" " * width)
        printed += [verdict + first[width:], *rest]
        if line.fix:
            printed += terminal.wrap(line.fix, indent=" " * (width + 4))
    return "".join(f"{line}\n" for line in printed)
