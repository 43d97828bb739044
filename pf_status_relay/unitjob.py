"""What systemd is doing with the unit while it sends SIGTERM: stop it, or stop it to start it again.

sd_notify(3) and the signal do not say. The jobs of systemd do (systemctl(1), list-jobs).
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

_TIMEOUT_S = 2  # of the 5 that the unit has for stopping
_CGROUP = Path("/proc/self/cgroup")


def why_not_for_good(environment: Mapping[str, str]) -> str:
    """Return why this process is not being stopped for good, an empty string if it is.

    Without systemd (INVOCATION_ID, systemd.exec(5)) whoever sends SIGTERM means it.
    """
    if "INVOCATION_ID" not in environment:
        return ""
    try:
        jobs = _jobs()
    except (OSError, subprocess.SubprocessError) as error:
        said = getattr(error, "stderr", None) or str(error)
        return f"systemd cannot be asked whether this is a restart: {said.strip()}"
    if "shutdown.target" in jobs:
        return "the host is shutting down"
    if jobs.get(_unit()) != "stop":
        return "the service is restarted"
    return ""


def _jobs() -> dict[str, str]:
    """Return the type of each unit's job."""
    command = ("systemctl", "list-jobs", "--no-legend", "--no-pager", "--plain")
    done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=True)
    words = (line.split() for line in done.stdout.splitlines())
    return {fields[1]: fields[2] for fields in words if len(fields) == 4}


def _unit() -> str:
    """Return the unit that this process is part of: the last part of its control group."""
    return _CGROUP.read_text().strip().rpartition("/")[2]
