"""`pf-status-relay wait`: wait until LACP is up on the PFs and no VF of them is disabled."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Sequence
from typing import Callable

from pf_status_relay.cli import host, streams
from pf_status_relay.cli.exit_status import EX_CONFIG, EX_OK, EX_OSERR, EX_TIMED_OUT, EX_USAGE, Refused
from pf_status_relay.cli.overview import overview
from pf_status_relay.cli.settlement import Settlement, as_json, settlement
from pf_status_relay.cli.shared_arguments import ENVIRONMENT, Commands, Help, add_config
from pf_status_relay.cli.terminal import printable
from pf_status_relay.config import load
from pf_status_relay.config.keys import Config
from pf_status_relay.service import selection, state_file
from pf_status_relay.service.interfaces import Clock

LOOK_S = 0.5
"""Seconds between two looks: the kernel does not announce that LACP is up again."""

MAX_TIMEOUT_S = 86_400.0


def add(commands: Commands) -> None:
    """Add the command's arguments."""
    command = commands.add_parser(
        "wait",
        help="wait until LACP is up on the PFs and no VF of them is disabled",
        description="Wait until each configured PF is settled: it is ready, LACP is up on it, and none of "
        "its VFs is in disable. A PF that is drained, or kept open by its redundancy group, is settled, "
        "too. Print what it waits for, in a line for each PF whenever that changes. This needs no root.",
        epilog=f"""{ENVIRONMENT}

Exit status:

  0  all PFs are settled
  {EX_USAGE}  a named PF is not configured
  {EX_OSERR}  the kernel cannot be asked
  {EX_CONFIG}  the configuration is faulty
  {EX_TIMED_OUT}  the time is over, and a PF is not settled

Before the start of a program that needs both paths:

  pf-status-relay wait --timeout 120 ens5f0 ens5f1""",
        formatter_class=Help,
    )
    add_config(command)
    command.add_argument(
        "--timeout",
        type=_seconds,
        default=60.0,
        metavar="SECONDS",
        help="give up after this time, from 0 (after one look) to 86400 (default: 60)",
    )
    command.add_argument("--json", action="store_true", help="print one JSON document, at the end")
    command.add_argument(
        "interfaces",
        nargs="*",
        metavar="PF",
        help="wait for these PFs alone, by their names in the configuration",
    )
    command.set_defaults(run=run)


def _seconds(text: str) -> float:
    """Parse the timeout. Raises argparse.ArgumentTypeError."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1
    if not 0 <= seconds <= MAX_TIMEOUT_S:  # this refuses "nan" too
        raise argparse.ArgumentTypeError(
            f"{text!r} is no number of seconds from 0 to {MAX_TIMEOUT_S:.0f}, such as 60"
        )
    return seconds


def run(options: argparse.Namespace) -> int:
    """Wait until all is settled; the exit status says whether it is."""
    configuration = load.from_files(options.config, os.environ)
    _check_named(configuration, options.interfaces)
    found, settled = until_settled(
        lambda: _look(configuration, options.interfaces),
        options.timeout,
        (lambda line: None) if options.json else (lambda line: streams.put(f"{line}\n")),
    )
    if options.json:
        streams.put(as_json(found, settled))
    elif not settled:
        streams.say(f"pf-status-relay: given up after {options.timeout:g} s")
    return EX_OK if settled else EX_TIMED_OUT


def until_settled(
    look: Callable[[], list[Settlement]],
    timeout_s: float,
    put: Callable[[str], None],
    clock: Clock = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> tuple[list[Settlement], bool]:
    """Look until all are settled or the time is over; return what the last look found, and whether they are.

    `put` gets a line for each interface whose state has changed since the last look.
    """
    ends = clock() + timeout_s
    before: list[Settlement] | None = None
    while True:
        found = look()
        if not found and before != []:
            put("waiting for an interface that the configuration means")
        for each in found:
            if each not in (before or ()):
                line = printable(f"{each.interface}: {each.found}")
                put(line if each.settled else f"waiting for {line}")
        before = found
        settled = bool(found) and all(each.settled for each in found)
        left_s = ends - clock()
        if settled or left_s <= 0:
            return found, settled
        sleep(min(LOOK_S, left_s))


def _check_named(configuration: Config, named: Sequence[str]) -> None:
    """Raise Refused if an interface is named that the configuration can never mean."""
    configured = configuration.interfaces
    unknown = [name for name in named if name not in configured]
    if unknown and not selection.depends_on_host(configured):
        raise Refused(
            [f"{name} is not configured; configured: {', '.join(configured)}" for name in unknown], EX_USAGE
        )


def _look(configuration: Config, named: Sequence[str]) -> list[Settlement]:
    """Look once at all interfaces, or at the named ones. Some of those may not exist yet."""
    facts = host.read_pfs(configuration)
    found = overview(facts, state_file.read(), drains=host.read_drains(facts)[0])
    rows = {row.interface: row for row in found.rows}
    absent = "is not among the interfaces that the configuration means now"
    return [
        settlement(rows[name]) if name in rows else Settlement(name, False, absent)
        for name in named or list(rows)
    ]
