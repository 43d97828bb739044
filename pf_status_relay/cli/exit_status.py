"""Exit statuses, and the one way in which a command ends without its result.

2 is argparse's, 3 our own, 124 is timeout(1)'s, 130 and 141 are what a shell says of a program that Ctrl-C
has ended and of one whose reader has gone, the others are those of sysexits.h. `status` and `check` have 0, 1
and 2 of their own.
"""

from __future__ import annotations

from collections.abc import Sequence

EX_OK = 0
EX_USAGE = 2
EX_CONFLICT = 3
EX_DATAERR = 65
EX_UNAVAILABLE = 69
EX_OSERR = 71
EX_IOERR = 74
EX_TEMPFAIL = 75
EX_NOPERM = 77
EX_CONFIG = 78
"""The unit does not restart after this one."""
EX_TIMED_OUT = 124
EX_INTERRUPTED = 130
EX_PIPE = 141


class Refused(Exception):
    """A command cannot do its work. `faults` are lines for a person, `status` is the exit status."""

    def __init__(self, faults: Sequence[str], status: int) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults
        self.status = status
