"""A busy RTNL lock, as under a driver that resets its hardware: it makes the kernel announce failures late.

`python -m tests.bench.holder FILE` takes the lock repeatedly through the lab's netdevsim (hold_rtnl_ms),
until it is killed. It leaves gaps in which others can read. The bond tries the lock only every 100 ms and
rarely finds it free.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.lab.guest.guest import CHECKOUT

HELD_MS = 20
GAP_S = 0.002


class RtnlHolder:
    """The process that takes the lock, by the file of a netdevsim device. It begins stopped."""

    def __init__(self, file: Path) -> None:
        command = [sys.executable, "-m", "tests.bench.holder", str(file)]
        self._process = subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        self._process.stdout.readline()
        self._holds = True
        self.hold(False)

    def hold(self, wanted: bool) -> None:
        """Take the lock, or leave it alone."""
        if wanted is not self._holds:
            # A process that is stopped while it holds the lock releases it first.
            self._process.send_signal(signal.SIGCONT if wanted else signal.SIGSTOP)
            self._holds = wanted

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()


def main(file: str) -> None:
    """Take the lock repeatedly, until killed."""
    print("ready", flush=True)
    while True:
        Path(file).write_text(str(HELD_MS))
        time.sleep(GAP_S)


if __name__ == "__main__":
    main(sys.argv[1])
