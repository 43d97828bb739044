"""What systemd is told (sd_notify(3)). Without systemd nothing is, and nothing fails."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from sdnotify import SystemdNotifier

_UINT64 = re.compile("[0-9]{1,20}")


class Notifier:
    """Tells systemd how the service is."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._systemd = SystemdNotifier()
        self._status = ""
        self.watchdog_s = _watchdog_s(environment)
        """Seconds without a ping after which systemd restarts the service, None without watchdog."""

    def ready(self) -> None:
        """The first complete cycle is done."""
        self._systemd.notify("READY=1")

    def cycle_done(self) -> None:
        """One more cycle is done: the service is alive."""
        if self.watchdog_s is not None:
            self._systemd.notify("WATCHDOG=1")

    def status(self, line: str) -> None:
        """Show one line in `systemctl status`, if it is another one than before."""
        if line != self._status:
            self._status = line
            self._systemd.notify(f"STATUS={line}")

    def stopping(self) -> None:
        """The service is ending because it was asked to."""
        self._systemd.notify("STOPPING=1")


def _watchdog_s(environment: Mapping[str, str]) -> float | None:
    """Return the watchdog time in seconds if it is meant for this process (sd_watchdog_enabled(3))."""
    microseconds = environment.get("WATCHDOG_USEC", "")
    process = environment.get("WATCHDOG_PID", str(os.getpid()))
    if not _UINT64.fullmatch(microseconds) or int(microseconds) == 0 or process != str(os.getpid()):
        return None
    return int(microseconds) / 1e6
