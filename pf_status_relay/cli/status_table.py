"""The output of `status` for a person: a line per PF, in columns, and then what is wrong."""

from __future__ import annotations

from datetime import datetime

from pf_status_relay.cli.overview import Condition, Overview, Row
from pf_status_relay.cli.terminal import Colour, Terminal, columns, printable
from pf_status_relay.core import lacp
from pf_status_relay.core.decision import Readiness

_HEADER = ("PF", "LINK", "BOND", "LACP", "SINCE", "ACTOR", "PARTNER", "RATE", "VFS")
_LACP_COLUMN = _HEADER.index("LACP")
_NOTHING = "-"
_COLOURS = {Condition.UP: Colour.GREEN, Condition.DOWN: Colour.RED, Condition.NOT_READY: Colour.YELLOW}


def text(overview: Overview, terminal: Terminal) -> str:
    """Return the overview: an aligned line per PF, and then what is wrong."""
    table = [list(_HEADER), *(_cells(row) for row in overview.rows)]

    def paint(row: int, column: int, cell: str) -> str:
        if not row or column != _LACP_COLUMN:
            return cell
        return terminal.paint(cell, _COLOURS[overview.rows[row - 1].condition])

    lines = columns(table, paint)
    if overview.problems:
        lines.append("")
    for problem in overview.problems:
        lines += terminal.wrap(f"{problem.subject}: {problem.found}")
        lines += terminal.wrap(problem.fix, indent="    ")
    return "".join(f"{line}\n" for line in lines)


def _cells(row: Row) -> list[str]:
    pf, port, master = row.pf, row.port, row.master
    ready = row.readiness is Readiness.READY
    cells = [
        row.interface,
        ("up" if pf.carrier else "down") if pf else "",
        master.name if master else "",
        (str(row.condition) if ready else row.readiness.value)
        + ", drained" * bool(row.drains)
        + ", kept open" * row.kept_open,
        _local(row.since),
        lacp.letters(port.actor) if port else "",
        lacp.letters(port.partner) if port else "",
        row.lacp_rate or "",
        ", ".join(f"{number} {state}" for state, number in row.vf_states.items() if number),
    ]
    return [printable(cell) or _NOTHING for cell in cells]


def _local(since: str) -> str:
    """Return a time as journalctl prints it, in local time."""
    try:
        moment = datetime.fromisoformat(since.replace("Z", "+00:00"))
    except ValueError:
        return ""
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S")
