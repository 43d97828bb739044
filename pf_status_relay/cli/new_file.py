"""A file that a command writes on request. It never overwrites an existing file."""

from __future__ import annotations

import os
from pathlib import Path

from pf_status_relay.cli.exit_status import EX_IOERR, Refused
from pf_status_relay.text import one_line, reason_of


def check(path: Path) -> None:
    """Raise Refused if this path exists already, as `write` would."""
    if os.path.lexists(path):
        raise _exists(path)


def write(path: Path, content: bytes) -> None:
    """Write a file that only its owner can read. Raises Refused if it exists, or cannot be written.

    If writing fails, the incomplete file is removed.
    """
    name = one_line(str(path))
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise _exists(path) from None
    except OSError as error:
        raise Refused([f"{name} cannot be written: {reason_of(error)}"], EX_IOERR) from None
    try:
        with open(descriptor, "wb") as file:
            file.write(content)
    except OSError as error:
        path.unlink()
        raise Refused([f"{name} cannot be written: {reason_of(error)}"], EX_IOERR) from None


def _exists(path: Path) -> Refused:
    return Refused([f"{one_line(str(path))} exists and is not overwritten: name another file"], EX_IOERR)
