"""The shipped service under systemd (only in scenarios marked `systemd`)."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from tests.lab.kit.commands import run

UNIT = "pf-status-relay"
PYTHON = "/usr/bin/python3"
"""What runs the program."""
PROGRAM = "/usr/bin/pf-status-relay"
CONFIGURATION = Path("/etc/pf-status-relay.toml")

Entry = dict[str, Any]
"""A journal entry: its fields, as `journalctl -o json` prints them."""


def systemctl(*arguments: str, check: bool = True) -> str:
    """Run systemctl and return what it printed. Without `check`, a failure is no error."""
    if check:
        return run("systemctl", "--no-pager", *arguments)
    done = subprocess.run(
        ["systemctl", "--no-pager", *arguments], capture_output=True, text=True, check=False
    )
    return done.stdout


def show(name: str, unit: str = UNIT) -> str:
    """Return a property of a unit, such as MainPID, ActiveState, StatusText, NRestarts or ExecMainStatus."""
    return systemctl("show", "--value", "--property", name, unit).rstrip("\n")


def journal(unit: str | None = UNIT, **fields: object) -> list[Entry]:
    """Return the journal's entries of a unit (None: of all), oldest first, that have these field values."""
    run("journalctl", "--sync")
    arguments = ["journalctl", "-o", "json", "--all", "--no-pager", *(("-u", unit) if unit else ())]
    entries: list[Entry] = [json.loads(line) for line in run(*arguments).splitlines()]
    return [entry for entry in entries if all(entry.get(key) == str(value) for key, value in fields.items())]


def text(unit: str | None = None) -> str:
    """Return the journal as a person reads it, with monotonic times and without the kernel's messages."""
    run("journalctl", "--sync")
    arguments = ["journalctl", "-o", "short-monotonic", "--no-pager", *(("-u", unit) if unit else ())]
    return run(*arguments, "_TRANSPORT=journal", "+", "_TRANSPORT=stdout", "+", "_TRANSPORT=syslog")
