"""The measured programs as processes: start, check that they run, weigh, stop."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.bench.cases import FLOOR, INTERVAL_MS, OURS
from tests.lab.guest.guest import CHECKOUT

PEER_VARIABLE = "BENCH_PEER"
"""Environment variable of the guest: path of the other relay, empty for the stand-in."""
END_WITHIN_S = 5.0
_CPUCLOCK_SCHED = 2
"""CPU clock of a process: the time for which the scheduler ran it (include/linux/posix-timers.h)."""


@dataclasses.dataclass(frozen=True)
class Weight:
    """What a process has used so far: CPU seconds (to the nanosecond), wake-ups, and memory in KiB."""

    cpu_s: float
    wakeups: int
    rss_kib: int
    peak_kib: int


def command(program: str, vfs: Mapping[int, int]) -> list[str]:
    """Return the command that runs a program. The floor needs `vfs`: ifindex → number of VFs."""
    if program == OURS:
        return [sys.executable, "-m", "pf_status_relay", "run", "--log-format", "json"]
    if program == FLOOR:
        return [
            sys.executable,
            "-m",
            "tests.bench.floor",
            *(f"{index}:{count}" for index, count in vfs.items()),
        ]
    peer = os.environ.get(PEER_VARIABLE)
    return [peer] if peer else [sys.executable, "-m", "tests.bench.poller"]


class Program:
    """A running program. Its output goes to a file, appended to."""

    def __init__(
        self,
        name: str,
        interfaces: Sequence[str],
        vfs: Mapping[int, int],
        log: Path,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.started_at = time.monotonic()
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                command(name, vfs),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=CHECKOUT,
                env={
                    **os.environ,
                    "PF_STATUS_RELAY_INTERFACES": ",".join(interfaces),
                    "PF_STATUS_RELAY_POLLING_INTERVAL": str(INTERVAL_MS),
                    **(environment or {}),
                },
            )

    @property
    def status(self) -> int | None:
        """Return the exit status, negative for a signal; None while it runs."""
        return self._process.poll()

    def alive(self) -> bool:
        """Tell whether it runs."""
        return self.status is None

    def weigh(self) -> Weight:
        """Return what it has used so far, all threads together."""
        folder = Path("/proc", str(self._process.pid))
        memory = fields(folder / "status")
        wakeups = 0
        for thread in (folder / "task").iterdir():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has ended
                wakeups += fields(thread / "status")["voluntary_ctxt_switches"]
        cpu_s = time.clock_gettime(~self._process.pid << 3 | _CPUCLOCK_SCHED)
        return Weight(cpu_s, wakeups, memory["VmRSS"], memory["VmHWM"])

    def stop(self) -> None:
        """End it."""
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(END_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def fields(path: Path) -> dict[str, int]:
    """Return the numbers in a status file of /proc."""
    lines = (line.split() for line in path.read_text().splitlines())
    return {words[0].rstrip(":"): int(words[1]) for words in lines if len(words) > 1 and words[1].isdigit()}
