"""`pf-status-relay history`: show outages, drains, restarts, failed writes and gaps, from the journal."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping
from datetime import datetime
from os import environ
from pathlib import Path

from pf_status_relay.cli import history_table, new_file, streams, times
from pf_status_relay.cli.exit_status import EX_IOERR, EX_NOPERM, EX_OK, EX_UNAVAILABLE, EX_USAGE, Refused
from pf_status_relay.cli.host import UNIT
from pf_status_relay.cli.shared_arguments import Commands, Help
from pf_status_relay.cli.terminal import Terminal
from pf_status_relay.core.decision import Readiness
from pf_status_relay.core.history import History, Known, Moment, State, history
from pf_status_relay.service import state_file
from pf_status_relay.text import one_line

_DEFAULT_SINCE = "-7d"


def add(commands: Commands) -> None:
    """Add the command's arguments."""
    command = commands.add_parser(
        "history",
        help="show what happened: outages, drains, restarts, failed writes, gaps",
        description="Show when LACP was down on a PF, for how long and why, how many VFs were disabled and "
        "how quickly, which PFs were drained or kept open, which VFs a driver refused to set, and the times "
        f"of which nothing is known. All of it comes from the entries of {UNIT} in the journal.",
        epilog=f"""TIME is one of {times.ALLOWED}, in local time.

Exit status:

  0  the history was printed, whatever it says
  2  wrong arguments, or --interface names a PF of which nothing is known
  {EX_UNAVAILABLE}  there is no journal, or python3-systemd is missing
  {EX_IOERR}  the file of --svg exists, or cannot be written
  {EX_NOPERM}  this user may not read the journal, which needs root or the group systemd-journal

The last day of one PF:

  pf-status-relay history --since -1d --interface ens5f1""",
        formatter_class=Help,
    )
    command.add_argument(
        "--since",
        type=_time,
        default=_DEFAULT_SINCE,
        metavar="TIME",
        help=f"the start of the time to show (default: {_DEFAULT_SINCE})",
    )
    command.add_argument(
        "--interface", metavar="PF", help="show this PF alone, by its name in the configuration"
    )
    form = command.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print one JSON document")
    form.add_argument(
        "--svg",
        metavar="FILE",
        help="draw a picture instead, in this file, which must not exist (-: standard output)",
    )
    command.set_defaults(run=run)


def _time(text: str) -> float:
    """Parse a time. Raises argparse.ArgumentTypeError."""
    try:
        return times.since(text, time.time())
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def run(options: argparse.Namespace) -> int:
    """Show what happened."""
    found = read(options.since)
    if options.interface is not None:
        found = _of(found, options.interface)
    if options.svg is not None:
        from pf_status_relay.cli.history_picture import svg

        if options.svg == "-":
            streams.put(svg(found))
        else:
            new_file.write(Path(options.svg), svg(found).encode())
    elif options.json:
        streams.put(history_table.as_json(found))
    else:
        streams.put(history_table.text(found, Terminal(sys.stdout, environ)))
    return EX_OK


def read(since: float) -> History:
    """Return what happened since a time (seconds since 1970). Raises Refused without a journal to read."""
    try:
        from pf_status_relay.log import journal_reader  # only here: systemd-python is not everywhere
    except ImportError as error:
        raise Refused(
            [f"the journal cannot be read without systemd-python: {error}"], EX_UNAVAILABLE
        ) from None
    try:
        journal_reader.check_access()
    except journal_reader.NoJournal as error:
        raise Refused([str(error)], EX_UNAVAILABLE) from None
    except journal_reader.NotAllowed:
        raise Refused([journal_reader.NOT_ALLOWED], EX_NOPERM) from None
    reader = journal_reader.JournalReader(UNIT)
    now = Moment(time.time(), time.monotonic(), journal_reader.boot_id())
    return history(reader.entries(since), since, now, reader.begins(), _known())


def _known() -> Mapping[str, Known]:
    """Return what the running service says of its PFs."""
    service = state_file.read()
    found = {}
    for interface, each in (service.interfaces if service else {}).items():
        try:
            since = datetime.fromisoformat(each.since.replace("Z", "+00:00")).timestamp()
        except ValueError:
            continue
        if each.readiness == Readiness.READY.value:
            state = State.UP if each.lacp == "up" else State.DOWN
        else:
            state = State.UNKNOWN if each.readiness == Readiness.UNKNOWN.value else State.NOT_READY
        found[interface] = Known(state, since, each.cause)
    return found


def _of(found: History, interface: str) -> History:
    names = [pf.interface for pf in found.pfs]
    if interface not in names:
        known = ", ".join(map(one_line, names)) or "none"
        raise Refused([f"--interface: nothing is known of {one_line(interface)}; known: {known}"], EX_USAGE)
    return found.of(interface)
