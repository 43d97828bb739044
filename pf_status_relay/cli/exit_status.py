"""Exit statuses, and the exception that ends a command without its result.

2 is argparse's, 3 this program's own, 124 timeout(1)'s. A shell gives 130 for a program that Ctrl-C ended,
and 141 for one whose reader has gone. The others are from sysexits.h. `status` and `check` give 0, 1 and 2
their own meanings.
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
"""The unit does not restart the service after this status."""
EX_TIMED_OUT = 124
EX_INTERRUPTED = 130
EX_PIPE = 141


class Refused(Exception):
    """A command cannot do its work. `faults` are lines for a person, `status` is the exit status."""

    def __init__(self, faults: Sequence[str], status: int) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults
        self.status = status
