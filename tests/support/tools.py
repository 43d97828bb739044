"""External tools that tests run, and their input."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

import pytest

CHECKOUT = Path(__file__).parents[2]


def _prometheus(name: str) -> str:
    """Return the path of a program of Debian's Prometheus: installed, or where tests/setup puts it."""
    return shutil.which(name) or str(CHECKOUT / ".venv" / "bin" / name)


PROMTOOL = _prometheus("promtool")
PROMETHEUS = _prometheus("prometheus")
NODE_EXPORTER = _prometheus("prometheus-node-exporter")


def _quadlet() -> Path:
    """Return podman's generator: the one that tests/setup fetches on Debian, or an installed podman's."""
    taken = CHECKOUT / ".venv" / "bin" / "quadlet"
    return taken if taken.exists() else Path("/usr/libexec/podman/quadlet")


QUADLET = _quadlet()


def units_of(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run podman's generator, which prints the units that it makes of the .container files in a folder."""
    if not QUADLET.exists():
        pytest.fail("quadlet is missing: run tests/setup")
    return subprocess.run(
        [QUADLET, "--dryrun"],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/bin:/bin", "QUADLET_UNIT_DIRS": str(folder)},
    )


def output_of(*command: str | Path) -> str:
    """Run a tool that tests/packages-apt.txt lists; return all its output."""
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
    """Check a configuration with Ignition's own tool."""
    if shutil.which("ignition-validate") is None:
        pytest.fail("ignition-validate is missing: install ignition")
    return subprocess.run(
        ["ignition-validate", "-"], input=json.dumps(ignition), capture_output=True, text=True, check=False
    )
