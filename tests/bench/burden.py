"""A host with a busy CPU and no free memory.

`python -m tests.bench.burden` takes all memory but LEFT_MB, and keeps its CPU busy by using it, until it is
killed. The kernel then takes the memory that others need from its cache of files, programs' code included.
"""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tests.lab.guest.guest import CHECKOUT

LEFT_MB = 48
CHUNK_MB = 4
PAGE = 4096


@contextmanager
def burden() -> Iterator[None]:
    """Burden the guest, from when its memory is taken. It has one CPU, so one process keeps that busy."""
    command = [sys.executable, "-m", "tests.bench.burden"]
    process = subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        if not process.stdout.readline():
            raise RuntimeError(f"the burden ended with status {process.wait()}")
        yield
        if process.poll() is not None:
            raise RuntimeError(f"the burden ended with status {process.returncode} while it was needed")
    finally:
        process.kill()
        process.wait()


def available_mb() -> int:
    """Return how much memory the kernel can give (MemAvailable in /proc/meminfo), in MB."""
    with open("/proc/meminfo", encoding="ascii") as file:
        (line,) = (line for line in file if line.startswith("MemAvailable:"))
    return int(line.split()[1]) // 1024


def main() -> None:
    """Take the memory, say so, and use it until killed."""
    chunks: list[bytearray] = []
    for turn in itertools.count():
        while available_mb() > LEFT_MB:
            chunks.append(bytearray(CHUNK_MB << 20))
        if turn == 0:
            print("heavy", flush=True)
        for chunk in chunks:
            for at in range(0, len(chunk), PAGE):
                chunk[at] = 1


if __name__ == "__main__":
    main()
