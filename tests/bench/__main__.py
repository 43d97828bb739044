"""`make bench`: boots the guests of the plan one after another, and writes tables, JSON and a picture."""

from __future__ import annotations

import argparse
import compileall
import json
import os
import platform
import py_compile
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.bench import host, report, starts
from tests.bench.cases import FULL, INTERVAL_MS, MEMORY, QUICK, QUICK_MEMORY, Case
from tests.lab.guest import guest, kernel

STAND_IN = "stand-in (a plain poller of our own, tests/bench/poller.py)"
RESULTS = guest.CHECKOUT / "build" / "bench"


def main() -> int:
    """Run the benchmark and return its exit status."""
    options = arguments()
    reason = guest.cannot_run()
    peer = options.peer.resolve() if options.peer else None
    if reason is None and peer is not None and not os.access(peer, os.X_OK):
        reason = f"{options.peer} is not a program"
    if reason:
        print(f"bench: {reason}", file=sys.stderr)
        return 1
    plan: Sequence[Case] = QUICK if options.quick else FULL
    if options.only:
        plan = [case for case in FULL if case.name in options.only]
    try:
        kernel.kernel()
        result = measure(plan, QUICK_MEMORY if options.quick else MEMORY, peer, options)
    except (guest.GuestError, kernel.KernelError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    folder = options.results / time.strftime("%Y%m%d-%H%M%S")
    write(result, folder)
    return 0


def arguments() -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--peer", type=Path, metavar="PROGRAM", help="another relay, to compare with")
    parser.add_argument("--peer-name", default="", help="what to call it (default: its file's name)")
    parser.add_argument("--quick", action="store_true", help="two small cases, for work on the benchmark")
    parser.add_argument("--only", action="append", metavar="CASE", help="this case alone; may be repeated")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where to write (default: %(default)s)")
    return parser.parse_args()


def measure(
    plan: Sequence[Case], memory: Case, peer: Path | None, options: argparse.Namespace
) -> dict[str, Any]:
    """Run the plan. The memory case comes last: it is long only in virtual time."""
    name = options.peer_name or (peer.name if peer else STAND_IN)
    print(f"Compared with: {name}", flush=True)
    load = os.getloadavg()[0]
    if load > 0.5:
        print(f"This machine is busy (load {load:.1f}): the numbers will be too.", flush=True)
    began = time.monotonic()
    result: dict[str, Any] = {
        "peer": name,
        "facts": facts(),
        "plan": [case.name for case in plan],
        "found": [],
    }
    # Each start finds compiled byte code: the RPM ships it, and pip has made it for pyroute2.
    as_packaged = py_compile.PycInvalidationMode.CHECKED_HASH
    compileall.compile_dir(guest.CHECKOUT / "pf_status_relay", quiet=1, invalidation_mode=as_packaged)
    print("Starts on this machine", flush=True)
    result["found"] += starts.measure(3 if options.quick else 10)
    cases = [*plan, memory] if not options.only else plan
    for place, case in enumerate(cases):
        minutes = (time.monotonic() - began) / 60
        virtual = case.name == "memory"
        print(f"[{place + 1}/{len(cases)}, {minutes:.1f} min] {case.name}: {story(case)}", flush=True)
        result["found"] += host.run(case, peer, virtual_time=virtual)
    result["facts"]["measuring took"] = f"{(time.monotonic() - began) / 60:.1f} minutes"
    return result


def story(case: Case) -> str:
    """Return the description of a case."""
    words = [f"{case.pfs} PF x {case.vfs} VFs"]
    if case.replicas > 1:
        words[0] += f", {case.replicas} side by side"
    if case.rounds:
        words.append(f"{case.failures} failures of each program")
    if case.noise:
        words.append(f"{case.noise} unrelated events a second")
    if case.burdened:
        words.append("CPU and memory taken by another program")
    if case.late:
        words.append("announced about 200 ms late")
    return ", ".join(words)


def facts() -> Mapping[str, str]:
    """Return where the numbers come from: commit, Python, polling interval, date and machine."""
    version = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=12"],
        cwd=guest.CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )
    return {
        "commit": version.stdout.strip() or "unknown",
        "python": platform.python_version(),
        "polling interval": f"{INTERVAL_MS} ms",
        "date": time.strftime("%Y-%m-%d"),
        **host.host_facts(),
    }


def write(result: Mapping[str, Any], folder: Path) -> None:
    """Write JSON, tables and the picture, print the tables, and say where everything is."""
    folder.mkdir(parents=True)
    found = ",\n".join(json.dumps(each) for each in result["found"])
    rest = json.dumps({**result, "found": []}, indent=1)
    (folder / report.RESULT).write_text(rest.replace('"found": []', f'"found": [\n{found}\n]') + "\n")
    text = report.tables(result)
    (folder / report.TABLES).write_text(text)
    print(f"\n{text}")
    try:
        from tests.bench import pictures  # only here: `tests/setup bench` installs matplotlib

        pictures.draw(result, folder)
    except ImportError as error:
        print(f"No picture: {error} (tests/setup bench)")
    print(f"Results: {folder}")
    print(f"Into the documentation: python -m tests.bench.report {folder} --into docs/performance.md")


if __name__ == "__main__":
    sys.exit(main())
