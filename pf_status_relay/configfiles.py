"""The files that a configuration is read from: TOML within bounds, and the drop-ins beside it.

Drop-ins are ordered and masked as those of systemd are (systemd.unit(5), conf-files): by file name,
whichever folder they are in; of several with one name the first folder's counts; and one that is empty or
a symbolic link to /dev/null stands for none.
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

DROP_IN_FOLDERS = (
    Path("/etc/pf-status-relay.d"),
    Path("/run/pf-status-relay.d"),
    Path("/usr/lib/pf-status-relay.d"),
)
"""Where drop-ins are: the administrator's, those until the next boot, those of packages and images."""

MAX_FILE_BYTES = 1 << 20
"""A larger file was not written for this program."""


def drop_ins(folders: Sequence[Path], faults: list[str]) -> list[Path]:
    """Return the drop-ins that count, in the order in which they are read.

    A folder may be missing; one that cannot be listed adds a line to `faults`.
    """
    found: dict[str, Path] = {}
    for folder in folders:
        try:
            names = os.listdir(folder)
        except FileNotFoundError:
            continue
        except OSError as error:
            faults.append(f"{folder}: cannot be listed: {_reason(error)}")
            continue
        for name in names:
            if name.endswith(".toml") and not name.startswith("."):
                found.setdefault(name, folder / name)
    return [path for _, path in sorted(found.items()) if not _is_masked(path)]


def _is_masked(path: Path) -> bool:
    try:
        status = path.stat()
    except OSError:  # reading it will tell
        return False
    return os.path.samestat(status, os.stat(os.devnull)) or (
        stat.S_ISREG(status.st_mode) and status.st_size == 0
    )


def read(path: Path, faults: list[str]) -> dict[str, Any] | None:
    """Return the values of a TOML file, an empty dictionary if it is at fault, None if there is none.

    For what is wrong with it a line is added to `faults`.
    """
    try:
        # O_NONBLOCK: a FIFO in the file's place must not hold up the start for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        faults.append(f"{path}: cannot be read: {_reason(error)}")
        return {}
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        faults.append(f"{path}: is not a regular file; allowed: a TOML file")
        return {}
    with open(descriptor, "rb") as file:
        if status.st_size > MAX_FILE_BYTES:
            faults.append(f"{path}: has {status.st_size} bytes; allowed: up to {MAX_FILE_BYTES}")
            return {}
        try:
            text = file.read(MAX_FILE_BYTES).decode("utf-8")
        except OSError as error:
            faults.append(f"{path}: cannot be read: {_reason(error)}")
            return {}
        except UnicodeDecodeError as error:
            line = error.object.count(b"\n", 0, error.start) + 1
            byte = error.object[error.start]
            faults.append(f"{path}: line {line} has the byte 0x{byte:02x}; allowed: UTF-8 text")
            return {}
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # ValueError: a number of thousands of digits
        message = str(error).replace("at end of document", _end_of(text))
        faults.append(f"{path}: is not valid TOML: {message}")
        return {}


def _end_of(text: str) -> str:
    return f"at line {text.count(chr(10)) + 1}, column {len(text) - text.rfind(chr(10))}"


def _reason(error: Exception) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)
