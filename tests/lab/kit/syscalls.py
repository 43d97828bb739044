"""The system calls that the service makes, beside those that its unit allows.

`make syscalls` calls `python -m tests.lab.kit.syscalls [--interpreter PROGRAM] [argument of pytest …]`. It
runs the lab's scenarios with the program under strace (`tracing.py`). Scenarios that judge what strace
changes may fail, which does not matter for the names, and are listed.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.lab.guest import guest, scenario
from tests.lab.kit import service, tracing

UNIT = guest.CHECKOUT / "systemd" / "pf-status-relay.service"
SETTING = "SystemCallFilter="
DEFAULT = "@default"
"""What systemd adds to each list of allowed calls: systemd.exec(5)."""

WRAPPER = textwrap.TextWrapper(
    100, initial_indent="  ", subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
)


class Traces(NamedTuple):
    """What the scenarios left: for each maker of calls, their names, and the scenarios that made them."""

    names: dict[str, set[str]]
    scenarios: dict[str, set[str]]


class Failures:
    """A plugin of pytest that notes which scenarios failed."""

    def __init__(self) -> None:
        self.scenarios: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a failure."""
        if report.failed:
            self.scenarios.append(report.nodeid)


def main() -> int:
    """Run and compare; return an exit status: 1 if a call was seen that is not allowed."""
    options, words = parse()
    missing = scenario.unavailable() or missing_tool()
    if missing is not None:
        print(f"the lab cannot run: {missing}", file=sys.stderr)
        return 1
    failures = Failures()
    with tempfile.TemporaryDirectory(prefix="pf-status-relay-syscalls-") as folder:
        os.environ.update({tracing.KEPT: folder, tracing.INTERPRETER: options.interpreter})
        status = pytest.main(
            ["-q", "-n", "2", "--tb=no", "-rN", str(Path(__file__).parents[1]), *words], [failures]
        )
        traces = read(Path(folder))
    if status not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED) or not traces.names:
        print("nothing was traced", file=sys.stderr)
        return int(status) or 1
    return tell(traces, failures.scenarios, options.interpreter)


def parse() -> tuple[argparse.Namespace, list[str]]:
    """Return the arguments, and what is left of them for pytest."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.lab.kit.syscalls", description="Trace system calls.", allow_abbrev=False
    )
    parser.add_argument(
        "--interpreter",
        metavar="PROGRAM",
        type=os.path.abspath,
        default=guest.python(),
        help="the Python that runs the program outside the service (default: %(default)s)",
    )
    return parser.parse_known_args()


def missing_tool() -> str | None:
    """Return which of the tools is not installed here, None if all are."""
    for tool in (tracing.STRACE[0], "systemd-analyze"):
        if shutil.which(tool) is None:
            return f"{tool} is missing"
    return None


def read(folder: Path) -> Traces:
    """Return what the scenarios have left in the folder."""
    traces = Traces(defaultdict(set), defaultdict(set))
    for path in folder.glob("*.json"):
        kept = json.loads(path.read_text())
        for maker, names in kept["names"].items():
            traces.names[maker].update(names)
            traces.scenarios[maker].add(kept["scenario"])
    return traces


def allowed(unit: str, sets: str) -> set[str]:
    """Return the names that a unit's text allows, `sets` being what `systemd-analyze syscall-filter` prints.

    Lists of what is refused ("~") are not understood: ValueError.
    """
    lines = [line[len(SETTING) :] for line in unit.splitlines() if line.startswith(SETTING)]
    if any("~" in line for line in lines):
        raise ValueError(f"{SETTING} with ~: not understood")
    members = groups(sets)
    found: set[str] = set()
    wanted = [DEFAULT, *" ".join(lines).split()]
    while wanted:
        word = wanted.pop()
        if word.startswith("@"):
            wanted += members[word]
        else:
            found.add(word)
    return found


def groups(sets: str) -> dict[str, list[str]]:
    """Return the members of each set, names and sets, as `systemd-analyze syscall-filter` prints them."""
    members: dict[str, list[str]] = {}
    for line in sets.splitlines():
        word = line.strip()
        if line.startswith("@"):
            members[word] = latest = []
        elif line.startswith(" ") and not word.startswith("#"):
            latest.append(word)
    return members


def tell(traces: Traces, failed: Iterable[str], interpreter: str) -> int:
    """Print what was found; return an exit status."""
    sets = ["systemd-analyze", "--no-pager", "syscall-filter"]
    listed = allowed(UNIT.read_text(), output_of(*sets))
    seen = set().union(*traces.names.values())
    scenarios = set().union(*traces.scenarios.values())
    print(f"\nScenarios traced: {len(scenarios)}")
    for maker, names in sorted(traces.names.items()):
        python = service.PYTHON if maker == tracing.SERVICE else interpreter
        name = "the service" if maker == tracing.SERVICE else f"pf-status-relay {maker}"
        version = output_of(python, "--version").strip()
        print(f"  {name}, on {version}: {len(names)} names; scenarios: {len(traces.scenarios[maker])}")
    print(f"Names seen: {len(seen)}, allowed: {len(listed)}")
    paragraph("Seen, and not allowed", sorted(seen - listed), " ")
    paragraph("Allowed, and not seen", sorted(listed - seen), " ")
    paragraph("Traced, but failed under strace", sorted(scenarios & set(failed)), "\n")
    paragraph("Failed, and not traced", sorted(set(failed) - scenarios), "\n")
    return 1 if seen - listed else 0


def paragraph(title: str, words: list[str], separator: str) -> None:
    """Print words under a title, as many to a line as fit, or one to a line; "none" if there are none."""
    print(f"\n{title}: {len(words)}")
    for line in (separator.join(words) or "none").splitlines():
        print(WRAPPER.fill(line))


def output_of(*command: str) -> str:
    """Return what a command prints."""
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    sys.exit(main())
