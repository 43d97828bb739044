"""How the PFs are, from what the kernel says now: rows, problems, text and JSON. Pure.

The kernel is asked, not the service: what is shown is true while no service runs. Only since when
something is so comes from the service, and only where it and the kernel say the same.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any

from pf_status_relay.cli import diagnosis
from pf_status_relay.cli.findings import Finding, Verdict
from pf_status_relay.cli.terminal import Colour, Terminal, printable
from pf_status_relay.core import lacp
from pf_status_relay.core.decision import Readiness, not_ready_reason
from pf_status_relay.core.facts import Absent, BondPort, Facts, Master, PhysicalFunction, VfLinkState
from pf_status_relay.core.lacp import PortState
from pf_status_relay.service.state_file import ServiceState

_HEADER = ("PF", "LINK", "BOND", "LACP", "SINCE", "ACTOR", "PARTNER", "RATE", "VFS")
_LACP_COLUMN = _HEADER.index("LACP")
_NOTHING = "-"


class Condition(Enum):
    """How one PF is, or the worst of several: the value is the exit status of `status`."""

    UP = 0
    DOWN = 1
    NOT_READY = 2

    def __str__(self) -> str:
        return self.name.lower().replace("_", " ")


_COLOURS = {Condition.UP: Colour.GREEN, Condition.DOWN: Colour.RED, Condition.NOT_READY: Colour.YELLOW}


@dataclass(frozen=True)
class Row:
    """One configured interface.

    `since` is when the service saw it become as it is (RFC 3339, UTC), empty where no service says
    so. `problems` are what is wrong, each with what to do.
    """

    interface: str
    facts: Facts
    readiness: Readiness
    condition: Condition
    since: str
    problems: tuple[Finding, ...]


@dataclass(frozen=True)
class Report:
    """All configured interfaces, and the service's process, None if none runs."""

    rows: tuple[Row, ...]
    service: int | None

    @property
    def condition(self) -> Condition:
        """The worst of all PFs."""
        return max((row.condition for row in self.rows), key=lambda each: each.value, default=Condition.UP)

    @property
    def problems(self) -> list[Finding]:
        """What is wrong with the PFs, and then with the service."""
        problems = [line for row in self.rows for line in row.problems]
        if not self.rows:
            problems += diagnosis.of_configuration([], [])
        if self.service is None:
            found = "does not run: no change of LACP is relayed"
            problems.append(
                Finding("service", Verdict.WARNING, found, "systemctl enable --now pf-status-relay")
            )
        return problems


def report(facts: Mapping[str, Facts], service: ServiceState | None) -> Report:
    """Return how the interfaces are, in the order of `facts`."""
    rows = tuple(_row(name, each, service) for name, each in facts.items())
    return Report(rows, service.pid if service else None)


def _row(name: str, facts: Facts, service: ServiceState | None) -> Row:
    readiness, condition = _judged(facts)
    told = service.interfaces.get(name) if service else None
    word = str(condition) if readiness is Readiness.READY else None
    since = told.since if told and (told.readiness, told.lacp) == (readiness.value, word) else ""
    problems = [line for line in diagnosis.of_interface(name, facts) if line.verdict is not Verdict.PASSED]
    if readiness is Readiness.READY and isinstance(facts, PhysicalFunction):
        problems += _not_followed(name, facts)
    return Row(name, facts, readiness, condition, since, tuple(problems))


def _judged(facts: Facts) -> tuple[Readiness, Condition]:
    if isinstance(facts, Absent):
        return Readiness.ABSENT, Condition.NOT_READY
    if not isinstance(facts, PhysicalFunction):
        return Readiness.UNKNOWN, Condition.NOT_READY
    if not_ready_reason(facts):
        return Readiness.NOT_READY, Condition.NOT_READY
    return Readiness.READY, Condition.UP if facts.lacp_up else Condition.DOWN


def _not_followed(name: str, pf: PhysicalFunction) -> list[Finding]:
    """Say of which VFs the link state is not what LACP says it should be."""
    wrong = VfLinkState.DISABLE if pf.lacp_up else VfLinkState.AUTO
    number = sum(vf.link_state is wrong for vf in pf.vfs)
    if not number:
        return []
    found = f"LACP is {'up' if pf.lacp_up else 'down'} and {number} of {len(pf.vfs)} VFs in {wrong}"
    fix = f"if it stays so: journalctl -x -u pf-status-relay PF_INTERFACE={name}"
    return [Finding(name, Verdict.WARNING, found, fix)]


# For a person


def text(report: Report, terminal: Terminal) -> str:
    """Return the report as an aligned line per PF, and then what is wrong."""
    table = [list(_HEADER), *(_cells(row) for row in report.rows)]
    widths = [max(len(cells[column]) for cells in table) for column in range(len(_HEADER))]
    lines: list[str] = []
    for number, cells in enumerate(table):
        padded = [cell.ljust(width) for cell, width in zip(cells, widths)]
        padded[-1] = cells[-1]
        if number:
            colour = _COLOURS[report.rows[number - 1].condition]
            padded[_LACP_COLUMN] = terminal.paint(padded[_LACP_COLUMN], colour)
        lines.append("  ".join(padded))
    if report.problems:
        lines.append("")
    for problem in report.problems:
        lines += terminal.wrap(f"{problem.subject}: {problem.found}")
        lines += terminal.wrap(problem.fix, indent="    ")
    return "".join(f"{line}\n" for line in lines)


def _cells(row: Row) -> list[str]:
    pf, port, master = _parts(row.facts)
    ready = row.readiness is Readiness.READY
    cells = [
        row.interface,
        ("up" if pf.carrier else "down") if pf else "",
        master.name if master else "",
        str(row.condition) if ready else row.readiness.value,
        _local(row.since),
        lacp.letters(port.actor) if port else "",
        lacp.letters(port.partner) if port else "",
        _rate(port) or "",
        ", ".join(f"{number} {state}" for state, number in _vf_states(pf).items() if number) if pf else "",
    ]
    return [printable(cell) or _NOTHING for cell in cells]


def _parts(facts: Facts) -> tuple[PhysicalFunction | None, BondPort | None, Master | None]:
    if not isinstance(facts, PhysicalFunction):
        return None, None, None
    return facts, facts.port, facts.master


def _local(since: str) -> str:
    """Return a time as journalctl prints it, in local time."""
    try:
        moment = datetime.fromisoformat(since.replace("Z", "+00:00"))
    except ValueError:
        return ""
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _rate(port: BondPort | None) -> str | None:
    if port is None:
        return None
    return "fast" if lacp.is_fast(port.actor) else "slow"


def _vf_states(pf: PhysicalFunction) -> dict[str, int]:
    """Count the VFs by link state; those that the kernel counts and does not list have none."""
    states = {str(state): sum(vf.link_state is state for vf in pf.vfs) for state in VfLinkState}
    return {**states, "not listed": max(pf.vf_count - len(pf.vfs), 0)}


# For a program


def as_json(report: Report) -> str:
    """Return the report as one JSON document, which pf-status-relay(8) describes."""
    document = {
        "condition": str(report.condition),
        "service": None if report.service is None else {"pid": report.service},
        "interfaces": [_interface(row) for row in report.rows],
        "problems": [line.as_json() for line in report.problems],
    }
    return f"{json.dumps(document, indent=2)}\n"


def _interface(row: Row) -> dict[str, Any]:
    pf, port, master = _parts(row.facts)
    return {
        "interface": row.interface,
        "condition": str(row.condition),
        "standing": row.readiness.value,
        "since": row.since or None,
        "carrier": pf.carrier if pf else None,
        "master": {"name": master.name, "kind": master.kind} if master else None,
        "actor": _port_state(port.actor) if port else None,
        "partner": _port_state(port.partner) if port else None,
        "lacp_rate": _rate(port),
        "vfs": {key.replace(" ", "_"): number for key, number in _vf_states(pf).items()} if pf else None,
    }


def _port_state(state: PortState) -> dict[str, Any]:
    return {"octet": int(state), "letters": lacp.letters(state), "bits": lacp.names(state)}
