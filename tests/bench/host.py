"""The host's side: boots a case's guest, shows how far it is, and weighs it.

What a program costs is measured from out here: the CPU time of the guest's kernel and processes, with the
program less without it. The guest's own accounting counts in ticks of 10 ms and leaves out what the kernel
does for a program.
"""

from __future__ import annotations

import bisect
import contextlib
import dataclasses
import json
import os
import shutil
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.bench import station
from tests.bench.cases import Case
from tests.bench.programs import PEER_VARIABLE
from tests.lab.guest import guest, kernel

SAMPLE_S = 0.1
TICK_S = 1 / os.sysconf("SC_CLK_TCK")
MASKED = ("/tmp", "/run", "/dev", "/proc", "/sys", "/mnt")
"""Folders of the host that a guest does not see."""

Found = dict[str, Any]


class Scale:
    """Weighs a guest: the CPU seconds of all its processes, ten times a second, in the host's time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._times: list[float] = []
        self._cpu_s: list[float] = []

    def sample(self) -> None:
        """Weighs once, if the guest has begun."""
        try:
            session = int((self._folder / "uml" / "pid").read_text())
            session = os.getsid(session)
        except (OSError, ValueError):
            return
        self._times.append(time.time())
        self._cpu_s.append(sum(cpu_s(process) for process in processes(session)))

    def used(self, start: float, end: float) -> float:
        """CPU seconds used between two times, by linear interpolation."""
        return self._at(end) - self._at(start)

    def _at(self, moment: float) -> float:
        after = min(max(bisect.bisect(self._times, moment), 1), len(self._times) - 1)
        (t0, t1), (c0, c1) = self._times[after - 1 : after + 1], self._cpu_s[after - 1 : after + 1]
        return c0 + (c1 - c0) * (moment - t0) / (t1 - t0)


def processes(session: int) -> Iterator[Path]:
    """The processes of a session."""
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if os.getsid(int(entry.name)) == session:
                    yield Path(entry.path)


def cpu_s(process: Path) -> float:
    """CPU seconds of a process and of its children that have ended; 0 if it has ended itself."""
    try:
        words = (process / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    own = sum(map(int, words[11:15])) * TICK_S
    with contextlib.suppress(OSError, ValueError, IndexError):
        # Nanoseconds, where the kernel has them, instead of ticks.
        precise = sum(
            int((thread / "schedstat").read_text().split()[0]) for thread in (process / "task").iterdir()
        )
        own += precise / 1e9 - sum(map(int, words[11:13])) * TICK_S
    return own


def run(case: Case, peer: Path | None, *, virtual_time: bool = False, quiet: bool = False) -> list[Found]:
    """Runs a case and returns what its stations found. Raises GuestError."""
    folder = guest.results_folder()
    try:
        (folder / station.CASE).write_text(json.dumps(dataclasses.asdict(case)))
        environment = {PEER_VARIABLE: place_peer(peer, folder)}
        scale = Scale(folder)
        with watching(folder, scale, quiet=quiet):
            result = guest.run(
                ["sh", "-c", script(case)],
                kernel=kernel.kernel(),
                folder=folder,
                virtual_time=virtual_time,
                memory_mb=1024,
                timeout=900,
                environment=environment,
            )
        found = [
            json.loads(line)
            for replica in range(case.replicas)
            for line in guest.read_text(folder / station.FOUND.format(replica)).splitlines()
        ]
        if result.status != 0:
            raise guest.GuestError(f"case {case.name} failed:\n{result.output}")
        for each in found:
            if each["kind"] == "cost" and not virtual_time:
                each["guest_cpu_s"] = scale.used(each["start"], each["end"])
        return found
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def script(case: Case) -> str:
    """What the guest runs: every station in a network namespace of its own. It fails if one does."""
    start = f"unshare --net --mount {guest.python()} -m tests.bench.station"
    stations = " ".join(f'{start} {replica} & pids="$pids $!";' for replica in range(case.replicas))
    return f"pids=; {stations} for pid in $pids; do wait $pid || exit 1; done"


def place_peer(peer: Path | None, folder: Path) -> str:
    """Where the guest finds the other relay; empty if there is none."""
    if peer is None:
        return ""
    if not str(peer).startswith(tuple(f"{masked}/" for masked in MASKED)):
        return str(peer)
    shutil.copy(peer, folder / "peer")
    return "/run/lab/peer"


@contextlib.contextmanager
def watching(folder: Path, scale: Scale, *, quiet: bool) -> Iterator[None]:
    """While the guest runs, weighs it and shows what it says."""
    ended = threading.Event()

    def watch() -> None:
        displayed = 0
        while not ended.wait(SAMPLE_S):
            scale.sample()
            lines = guest.read_text(folder / station.PROGRESS).splitlines()
            for line in lines[displayed:]:
                if not quiet:
                    print(f"    {line}", flush=True)
            displayed = len(lines)

    thread = threading.Thread(target=watch, name="scale", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def host_facts() -> Mapping[str, str]:
    """The machine that a result comes from."""
    model = [
        line.partition(":")[2].strip()
        for line in guest.read_text(Path("/proc/cpuinfo")).splitlines()
        if line.startswith("model name")
    ]
    facts = os.uname()
    return {
        "machine": f"{model[0] if model else facts.machine}, {os.cpu_count()} CPUs",
        "host_kernel": facts.release,
        "lab_kernel": kernel.kernel().name.split("-")[1],
        "load_at_start": f"{os.getloadavg()[0]:.2f}",
    }
