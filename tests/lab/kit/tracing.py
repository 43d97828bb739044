"""The program under strace, in the guests of `make syscalls`: its system calls, from exec to its end.

Outside the service, strace stands before the command line. In the service, a drop-in puts it before
ExecStart= and empties SystemCallFilter=: the filter is what is measured, and it would refuse ptrace. The rest
of the sandbox stays. If strace attached later, it would miss the start, which makes calls of its own. If it
followed PID 1, it would trace all of the guest.

With -D, strace is a grandchild: the process that was started is the program, with its number, parent, signals
and exit status. A test can still notice strace: the program has a tracer, the service has a second process,
and each call wakes the program. The shell of ExecReload= is not traced; a scenario runs it within the filter.
"""

from __future__ import annotations

import json
import os
import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from tests.lab.guest.guest import python
from tests.lab.kit.service import PROGRAM, UNIT

KEPT = "PF_STATUS_RELAY_LAB_SYSCALLS"
"""Environment variable of the host: trace, and write the names into this folder, a file for each scenario."""
TRACED = "PF_STATUS_RELAY_LAB_TRACED"
"""Environment variable that is set in a guest whose programs are traced."""
INTERPRETER = "PF_STATUS_RELAY_LAB_INTERPRETER"
"""Environment variable of host and guest: the Python that runs the program outside the service."""
COMMANDS = {"run", "check"}
"""What may run in the unit's sandbox: the service, and the ExecCondition= that pf-status-relay(8) shows."""
SERVICE = "service"
"""Who made a call, in the place of a command."""
RESULTS = "strace"
"""In a guest's results, the folder of the traces: files MAKER.PROCESS, by a command or the service."""
TRACES = Path("/run/lab", RESULTS)
STRACE = ("strace", "-D", "-ff", "-qq", "--signal=none", "--raw=all")
DROP_IN = Path(f"/usr/local/lib/systemd/system/{UNIT}.service.d/00-strace.conf")
"""No scenario writes there. It sorts before the drop-ins of scenarios, so theirs take effect."""
CALL = re.compile(r"([a-z]\w*)\(")


# On the host


def environment() -> dict[str, str]:
    """Return the environment variables that tell a guest to trace, if it is to."""
    if KEPT not in os.environ:
        return {}
    return {TRACED: "1", INTERPRETER: interpreter()}


def keep(folder: Path, scenario: str) -> None:
    """Keep the names in the traces that a scenario left in its results folder, by their maker."""
    names: defaultdict[str, set[str]] = defaultdict(set)
    for path in folder.glob(f"{RESULTS}/*.*"):
        names[path.stem] |= calls(path.read_text(errors="replace").splitlines())
    if names:
        kept = {"scenario": scenario, "names": {maker: sorted(made) for maker, made in names.items()}}
        Path(os.environ[KEPT], f"{folder.name}.json").write_text(json.dumps(kept))


def calls(lines: Iterable[str]) -> set[str]:
    """Return the system calls in the trace of one process, by name, with those that did not return."""
    return {found[1] for found in map(CALL.match, lines) if found}


# In a guest


def interpreter() -> str:
    """Return the Python that runs the program outside the service."""
    return os.environ.get(INTERPRETER, python())


def strace(command: str) -> list[str]:
    """Return what to put before the command line of the program: nothing, unless it is to be traced."""
    if TRACED not in os.environ or command not in COMMANDS:
        return []
    prepare()
    return [*STRACE, "-o", str(TRACES / command)]


def trace_service() -> None:
    """Make systemd start the service under strace, if this guest is traced."""
    if TRACED not in os.environ:
        return
    prepare()
    inside = Path("/run/strace")
    line = " ".join([*STRACE, "-o", str(inside / SERVICE), PROGRAM, "run"])
    DROP_IN.parent.mkdir(parents=True)
    DROP_IN.write_text(
        f"[Service]\nExecStart=\nExecStart={line}\n"
        # The results folder is closed to the service's user.
        f"SystemCallFilter=\nBindPaths={TRACES}:{inside}\n"
    )


def prepare() -> None:
    """Make the folder of the traces, open to the service's user."""
    TRACES.mkdir(exist_ok=True)
    TRACES.chmod(0o777)
