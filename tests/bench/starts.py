"""Starts on the machine itself, outside the lab: system calls have their real cost there."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.bench.host import Found
from tests.lab.guest import guest

READY_WITHIN_S = 20.0


def measure(times: int) -> list[Found]:
    """Time starts, by turns: ours until READY=1, a plain `import pyroute2`, and the interpreter alone.

    Ours watches "lo", which is in no bond, so that it reads, decides, and writes nothing.
    """
    found: list[Found] = []
    for _ in range(times + 1):
        found += [
            {"program": "ours", "seconds": until_ready()},
            {"program": "import pyroute2", "seconds": until_ended("import pyroute2")},
            {"program": "python", "seconds": until_ended("pass")},
        ]
    return [
        {"kind": "start", "case": "this machine", **each} for each in found[3:]
    ]  # the first start filled caches


def until_ended(code: str) -> float:
    """Return the seconds that an interpreter takes to run some code."""
    start = time.monotonic()
    subprocess.run([guest.python(), "-c", code], check=True)
    return time.monotonic() - start


def until_ready() -> float:
    """Return the seconds from the start of the relay to its READY=1."""
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        address = Path(folder, "notify")
        notify.bind(str(address))
        notify.settimeout(READY_WITHIN_S)
        environment = {
            **os.environ,
            "PF_STATUS_RELAY_INTERFACES": "lo",
            "NOTIFY_SOCKET": str(address),
        }
        start = time.monotonic()
        process = subprocess.Popen(
            [guest.python(), "-m", "pf_status_relay", "run", "--log-format", "json"],
            cwd=guest.CHECKOUT,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=sys.stderr,
        )
        try:
            while b"READY=1" not in notify.recv(4096).splitlines():
                pass
            return time.monotonic() - start
        finally:
            process.terminate()
            process.wait()
