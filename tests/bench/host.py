"""The host's side: boots a case's guest and shows its progress."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shutil
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.bench import station
from tests.bench.cases import Case
from tests.bench.programs import PEER_VARIABLE
from tests.lab.guest import guest, kernel

SHOWN_EVERY_S = 0.1
MASKED = ("/tmp", "/run", "/dev", "/proc", "/sys", "/mnt")
"""Folders of the host that a guest does not see."""

Found = dict[str, Any]


def run(case: Case, peer: Path | None, *, virtual_time: bool = False, quiet: bool = False) -> list[Found]:
    """Run a case and return what its stations found. Raise GuestError."""
    folder = guest.results_folder()
    try:
        (folder / station.CASE).write_text(json.dumps(dataclasses.asdict(case)))
        environment = {PEER_VARIABLE: place_peer(peer, folder)}
        with watching(folder, quiet=quiet):
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
        return found
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def script(case: Case) -> str:
    """Return the guest's script: each station runs in its own network namespace. It fails if one does."""
    start = f"unshare --net --mount {guest.python()} -m tests.bench.station"
    stations = " ".join(f'{start} {replica} & pids="$pids $!";' for replica in range(case.replicas))
    return f"pids=; {stations} for pid in $pids; do wait $pid || exit 1; done"


def place_peer(peer: Path | None, folder: Path) -> str:
    """Return the other relay's path in the guest; empty if there is none."""
    if peer is None:
        return ""
    if not str(peer).startswith(tuple(f"{masked}/" for masked in MASKED)):
        return str(peer)
    shutil.copy(peer, folder / "peer")
    return "/run/lab/peer"


@contextlib.contextmanager
def watching(folder: Path, *, quiet: bool) -> Iterator[None]:
    """Show what the guest says while it runs."""
    ended = threading.Event()

    def watch() -> None:
        displayed = 0
        while not ended.wait(SHOWN_EVERY_S):
            lines = guest.read_text(folder / station.PROGRESS).splitlines()
            for line in lines[displayed:]:
                if not quiet:
                    print(f"    {line}", flush=True)
            displayed = len(lines)

    thread = threading.Thread(target=watch, name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def host_facts() -> Mapping[str, str]:
    """Return facts about the machine that a result comes from."""
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
