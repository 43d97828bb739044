"""Standard input, output and error, as a process can find them: closed, full, or with nobody reading."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from contextlib import suppress

from pf_status_relay.text import reason_of

_STREAMS = (("stdin", "r", os.O_WRONLY), ("stdout", "w", os.O_RDONLY), ("stderr", "w", os.O_RDONLY))


class Unwritable(Exception):
    """Standard output did not take what was to be printed. The message is the reason."""


class ReaderGone(Unwritable):
    """Whoever read standard output has seen enough, as head(1) does."""


def open_closed() -> None:
    """Give a closed stream a descriptor that fails as a closed one does.

    Otherwise the next file or socket gets the number 0, 1 or 2, and whatever is printed. And Python
    has None for a closed stream, for which print() takes standard output.
    """
    for name, mode, flags in _STREAMS:
        if getattr(sys, name) is None:
            descriptor = os.open(os.devnull, flags)
            stream = open(  # noqa: SIM115
                descriptor, mode, encoding="utf-8", errors="backslashreplace", closefd=False
            )
            setattr(sys, name, stream)


def put(content: str | bytes) -> None:
    """Print what may be written to a file: UTF-8 in every locale, bytes as they are. Raises Unwritable."""
    try:
        sys.stdout.buffer.write(content.encode() if isinstance(content, str) else content)
        sys.stdout.flush()
    except OSError as error:
        raise unwritten(error) from None


def unwritten(error: OSError) -> Unwritable:
    """Return what is to be raised where writing to standard output has failed with this error."""
    kind = ReaderGone if isinstance(error, BrokenPipeError) else Unwritable
    return kind(reason_of(error))


def say(line: str) -> None:
    """Say something to a person, if there is a standard error to say it on."""
    with suppress(OSError):
        print(line, file=sys.stderr, flush=True)


def warn(warnings: Iterable[str]) -> None:
    """Say warnings to a person, a line each."""
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
