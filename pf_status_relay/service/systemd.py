"""systemd: report the service's state to it (sd_notify(3)), and ask it whether a stop is final.

Without systemd this does nothing and does not fail.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from sdnotify import SystemdNotifier

from pf_status_relay.core.decision import Memory, Readiness

_UINT64 = re.compile("[0-9]{1,20}")

_TIMEOUT_S = 2  # of the 5 s that the unit has for stopping

BUSY_S = 1.0
"""Minimum seconds between two messages in which a busy service says that it is alive."""

LONGEST_CALL_S = 90
"""Seconds for which one call into a driver may block, with some to spare: 60 for mlx5's firmware
(drivers/net/ethernet/mellanox/mlx5/core/lib/tout.c), 51 for a list of 64 VFs by ice in a reset. The unit's
WatchdogSec= is the same."""

_CGROUP = Path("/proc/self/cgroup")


class Notifier:
    """Reports the service's state to systemd without waiting for it.

    A systemd that hangs, or has frozen itself after a crash, accepts no messages once its queue is full.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._systemd = SystemdNotifier()
        if self._systemd.socket is not None:
            self._systemd.socket.setblocking(False)
            self._systemd.debug = True  # so that it raises if systemd does not take a message
        self._status = ""
        self._owes_ready = False
        self._running = False
        self._busy_at = -BUSY_S
        self.watchdog_s = _watchdog_s(environment)
        """Seconds without a ping after which systemd restarts the service; None without watchdog."""

    def ready(self) -> None:
        """Report that the first complete cycle is done, or that the configuration has been read again."""
        self._owes_ready = not self._tell("READY=1")
        self._running = True

    def reloading(self) -> None:
        """Report that the configuration is being read again; `ready` ends this."""
        microseconds = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._tell(f"RELOADING=1\nMONOTONIC_USEC={microseconds}")

    def cycle_done(self) -> None:
        """Report a finished cycle: the service is alive."""
        if self._owes_ready:
            self.ready()
        if self.watchdog_s is not None:
            self._tell("WATCHDOG=1")

    def busy(self, now: float) -> None:
        """Report progress at monotonic time `now`, in seconds: in a cycle, at the start, or in the stop.

        A cycle may make several slow calls. Those of the first cycle count against the time for starting,
        those of `on_stop` against the time for stopping: both are extended (sd_notify(3)).
        """
        if now - self._busy_at < BUSY_S:
            return
        self._busy_at = now
        if not self._running:
            self._tell(f"EXTEND_TIMEOUT_USEC={LONGEST_CALL_S * 1_000_000}")
        elif self.watchdog_s is not None:
            self._tell("WATCHDOG=1")

    def status(self, line: str) -> None:
        """Show one line in `systemctl status`, if it differs from the previous one."""
        if line != self._status and self._tell(f"STATUS={line}"):
            self._status = line

    def stopping(self) -> None:
        """Report that the service ends because of a signal to stop."""
        self._tell("STOPPING=1")
        self._running = False
        self._busy_at = -BUSY_S

    def _tell(self, message: str) -> bool:
        """Send a message to systemd; return True if systemd took it, or if there is no systemd."""
        if self._systemd.socket is None:
            return True
        try:
            # sdnotify writes Latin-1, systemd reads UTF-8.
            self._systemd.notify(message.encode().decode("latin-1"))
        except OSError:
            return False
        return True


def _watchdog_s(environment: Mapping[str, str]) -> float | None:
    """Return the watchdog time in seconds, or None if it is not for this process (sd_watchdog_enabled(3))."""
    microseconds = environment.get("WATCHDOG_USEC", "")
    process = environment.get("WATCHDOG_PID", str(os.getpid()))
    if not _UINT64.fullmatch(microseconds) or int(microseconds) == 0 or process != str(os.getpid()):
        return None
    return int(microseconds) / 1e6


def status_line(memories: Iterable[Memory], others: Iterable[Memory] = ()) -> str:
    """Return the state in one line: `3 PFs: 2 up, 1 down (ens5f1), 8 VFs disabled`.

    `others` are no longer monitored, and have VFs in disable. Nothing sets these VFs back, nor those of PFs
    that are not ready.
    """
    memories = list(memories)
    up = [memory for memory in memories if memory.readiness is Readiness.READY and memory.lacp_up]
    down = [memory for memory in memories if memory.readiness is Readiness.READY and not memory.lacp_up]
    rest = [memory for memory in memories if memory.readiness is not Readiness.READY]
    parts = [f"{len(up)} up"]
    parts += [
        f"{len(group)} {what} ({', '.join(memory.interface for memory in group)})"
        for what, group in (("down", down), ("not ready", rest))
        if group
    ]
    drained = [memory.interface for memory in memories if memory.drains]
    if drained:
        parts.append(f"{len(drained)} drained ({', '.join(drained)})")
    kept = [memory.interface for memory in memories if memory.kept]
    if kept:
        parts.append(f"{len(kept)} kept open ({', '.join(kept)})")
    disabled = sum(memory.disabled for memory in memories)
    parts.append(f"{disabled} VF{'s' * (disabled != 1)} disabled")
    left = [memory for memory in (*memories, *others) if memory.left_disabled]
    if left:
        names = ", ".join(memory.interface for memory in left)
        parts.append(f"{sum(memory.left_disabled for memory in left)} left disabled ({names})")
    return f"{len(memories)} PF{'s' * (len(memories) != 1)}: {', '.join(parts)}"


def restart_reason(environment: Mapping[str, str]) -> str:
    """Return why this is not a final stop (restart, shutdown, unknown), or an empty string.

    sd_notify(3) and the signal do not say; the jobs of systemd do (systemctl(1), list-jobs). Without systemd
    (INVOCATION_ID, systemd.exec(5)) SIGTERM is a final stop.
    """
    if "INVOCATION_ID" not in environment:
        return ""
    import subprocess  # only here: no start should wait for what only a stop needs

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
    import subprocess

    command = ("systemctl", "list-jobs", "--no-legend", "--no-pager", "--plain")
    done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=True)
    words = (line.split() for line in done.stdout.splitlines())
    return {fields[1]: fields[2] for fields in words if len(fields) == 4}


def _unit() -> str:
    """Return the unit that this process is part of: the last part of its control group."""
    return _CGROUP.read_text().strip().rpartition("/")[2]
