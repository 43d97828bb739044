"""The files of a configuration: a TOML file within limits, and the drop-ins beside it.

Drop-ins are ordered and masked like those of systemd (systemd.unit(5), conf-files): by file name, whichever
folder they are in. Of several with one name, the first folder's counts. One that is empty or a symbolic link
to /dev/null is not read, and masks those of its name in later folders.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

from pf_status_relay.text import one_line, reason_of

DROP_IN_FOLDERS = (
    Path("/etc/pf-status-relay.d"),
    Path("/run/pf-status-relay.d"),
    Path("/usr/lib/pf-status-relay.d"),
)
"""Folders of drop-ins: the administrator's, those until the next boot, those of packages and images.

A faulty drop-in of the first folder is an error. The others can change without an administrator who would see
the error, so a faulty one is left out."""

MAX_FILE_BYTES = 1 << 16
"""Maximum size in bytes: 500 of the longest names. A larger file was not written for this program."""

MAX_DOTS = 1000
"""Maximum number of dots in one line. The time of TOML readers grows with the square of a key's parts."""


def drop_ins(folders: Sequence[Path], faults: list[str], left_out: list[str]) -> list[Path]:
    """Return the drop-ins that count, in the order in which they are read.

    A folder may be missing. A folder that cannot be listed adds a line to `faults` if it is the first, the
    administrator's, and to `left_out` otherwise.
    """
    found: dict[str, Path] = {}
    for folder in folders:
        try:
            names = os.listdir(folder)
        except FileNotFoundError:
            continue
        except OSError as error:
            fault = f"{one_line(str(folder))}: cannot be listed: {reason_of(error)}"
            if folder == folders[0]:
                faults.append(fault)
            else:
                left_out.append(f"{fault}; its drop-ins are left out")
            continue
        for name in names:
            if name.endswith(".toml") and not name.startswith("."):
                found.setdefault(name, folder / name)
    return [path for _, path in sorted(found.items()) if not _is_masked(path)]


def _is_masked(path: Path) -> bool:
    try:
        status = path.stat()
    except OSError:  # reading it will report the error
        return False
    return os.path.samestat(status, os.stat(os.devnull)) or (
        stat.S_ISREG(status.st_mode) and status.st_size == 0
    )


def read(path: Path, faults: list[str]) -> dict[str, Any] | None:
    """Return the values of a TOML file, an empty dictionary if it has a fault, None if there is no file.

    Adds a line to `faults` if the file has a fault.
    """
    try:
        text = _text(path)
        return None if text is None else _values(text)
    except _Fault as fault:
        faults.append(f"{one_line(str(path))}: {fault}")
        return {}


class _Fault(Exception):
    """What is wrong with a file."""


def _text(path: Path) -> str | None:
    """Return the content of a file, None if there is no file. Raises _Fault."""
    try:
        # O_NONBLOCK: a FIFO in place of the file must not block the start for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise _Fault(f"cannot be read: {reason_of(error)}") from None
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise _Fault("is not a regular file; allowed: a TOML file")
    with open(descriptor, "rb") as file:
        if status.st_size > MAX_FILE_BYTES:
            raise _Fault(f"has {status.st_size} bytes; allowed: up to {MAX_FILE_BYTES}")
        try:
            # Editors on Windows begin a file with a byte-order mark, which TOML 1.1 ignores too.
            return file.read(MAX_FILE_BYTES).decode("utf-8-sig")
        except OSError as error:
            raise _Fault(f"cannot be read: {reason_of(error)}") from None
        except UnicodeDecodeError as error:
            line = error.object.count(b"\n", 0, error.start) + 1
            byte = error.object[error.start]
            raise _Fault(f"line {line} has the byte 0x{byte:02x}; allowed: UTF-8 text") from None


def _values(text: str) -> dict[str, Any]:
    """Return the values in a TOML text. Raises _Fault."""
    for number, content in enumerate(text.split("\n"), start=1):
        if content.count(".") > MAX_DOTS:
            raise _Fault(f"line {number} has {content.count('.')} dots; allowed: up to {MAX_DOTS}")
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise _Fault("is not valid TOML: nested too deeply") from None
    except ValueError as error:
        if not isinstance(error, tomllib.TOMLDecodeError):  # Python reads no number of thousands of digits
            raise _Fault("is not valid TOML: a number has too many digits") from None
        message = str(error).replace("at end of document", _end_of(text))
        what, at, place = message.rpartition(" (at ")
        raise _Fault(f"is not valid TOML: {one_line(what)}{at}{place}") from None


def _end_of(text: str) -> str:
    return f"at line {text.count(chr(10)) + 1}, column {len(text) - text.rfind(chr(10))}"
