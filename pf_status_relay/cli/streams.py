"""Standard input, output and error, which may be closed, full, or without a reader."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from contextlib import suppress

from pf_status_relay.text import reason_of

_STREAMS = (("stdin", "r", os.O_WRONLY), ("stdout", "w", os.O_RDONLY), ("stderr", "w", os.O_RDONLY))


class Unwritable(Exception):
    """Writing to standard output failed. The message is the reason."""


class ReaderGone(Unwritable):
    """The reader of standard output has closed it, as head(1) does."""


def open_closed() -> None:
    """Give a closed stream a descriptor that fails as a closed one does.

    Otherwise the next file or socket gets the number 0, 1 or 2, and then everything that is printed. And
    Python has None for a closed stream, for which print() takes standard output.
    """
    for name, mode, flags in _STREAMS:
        if getattr(sys, name) is None:
            descriptor = os.open(os.devnull, flags)
            stream = open(  # noqa: SIM115
                descriptor, mode, encoding="utf-8", errors="backslashreplace", closefd=False
            )
            setattr(sys, name, stream)


def put(content: str | bytes) -> None:
    """Print a command's result: text as UTF-8 in every locale, bytes as they are. Raises Unwritable."""
    try:
        sys.stdout.buffer.write(content.encode() if isinstance(content, str) else content)
        sys.stdout.flush()
    except OSError as error:
        raise unwritten(error) from None


def unwritten(error: OSError) -> Unwritable:
    """Return the exception to raise after writing to standard output failed with this error."""
    kind = ReaderGone if isinstance(error, BrokenPipeError) else Unwritable
    return kind(reason_of(error))


def say(line: str) -> None:
    """Print a line for a person on standard error, if it is open."""
    with suppress(OSError):
        print(line, file=sys.stderr, flush=True)


def warn(warnings: Iterable[str]) -> None:
    """Print warnings for a person on standard error, a line each."""
    for warning in warnings:
        say(f"pf-status-relay: warning: {warning}")


def finish() -> None:
    """Discard unwritten output, so that the flush at exit does not fail."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            with open(os.devnull, "wb") as nowhere:
                os.dup2(nowhere.fileno(), stream.fileno())
