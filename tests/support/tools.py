"""The tools of others that tests run, and what those take."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

import pytest

CHECKOUT = Path(__file__).parents[2]
PROMTOOL = shutil.which("promtool") or str(CHECKOUT / ".venv" / "bin" / "promtool")
"""Installed, or where tests/setup puts it."""


def output_of(*command: str | Path) -> str:
    """Run a tool that tests/packages-apt.txt installs; return all that it printed."""
    if shutil.which(command[0]) is None:
        pytest.fail(f"{command[0]} is missing: run tests/setup")
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
    )
    return done.stdout + done.stderr


def files_of(ignition: dict[str, Any]) -> dict[str, bytes]:
    """Return the files of an Ignition configuration, by path."""
    found = {}
    for file in ignition["storage"]["files"]:
        scheme, _, data = file["contents"]["source"].partition(",")
        assert scheme == "data:"
        found[file["path"]] = unquote_to_bytes(data)
    return found


def validate(ignition: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    """Let Ignition's own tool judge a configuration."""
    if shutil.which("ignition-validate") is None:
        pytest.fail("ignition-validate is missing: install ignition")
    return subprocess.run(
        ["ignition-validate", "-"], input=json.dumps(ignition), capture_output=True, text=True, check=False
    )
