"""`pf-status-relay status`: show the state of the PFs and their VFs, and what is wrong."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from contextlib import suppress

from pf_status_relay.cli import connections, host, streams
from pf_status_relay.cli.exit_status import EX_CONFIG, EX_OSERR
from pf_status_relay.cli.overview import Overview, as_json, overview
from pf_status_relay.cli.shared_arguments import ENVIRONMENT, Commands, Help, add_config
from pf_status_relay.cli.status_table import text
from pf_status_relay.cli.terminal import Terminal
from pf_status_relay.config import load
from pf_status_relay.service import state_file

WATCH_S = 1.0
"""Seconds between two looks of `status --watch`."""


def add(commands: Commands) -> None:
    """Add the command's arguments."""
    command = commands.add_parser(
        "status",
        help="show the state of the PFs and their VFs, and what is wrong",
        description="Show a line for each configured PF, as the kernel has it now. Then show what is wrong, "
        "and what to do about it. This needs neither root nor a running service, except for the column "
        "SINCE, which only the service knows.",
        epilog=f"""ACTOR and PARTNER are the LACP port states of the host and of the switch: Activity,
Timeout (short), Aggregation, Synchronization, Collecting and Distributing. Each bit that is set shows its
initial, each other one -. ATASCD is healthy; `expired` and `defaulted` mean that no LACPDU comes from the
switch.

{ENVIRONMENT}

Exit status: the worst of all PFs.

  0  all are up
  1  LACP is down on a PF
  2  a PF is not ready: absent, or not the only port of a bond in mode 802.3ad
  {EX_OSERR}  the kernel cannot be asked
  {EX_CONFIG}  the configuration is faulty

Follow a repair:

  pf-status-relay status --watch""",
        formatter_class=Help,
    )
    add_config(command)
    form = command.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print one JSON document")
    form.add_argument(
        "--watch",
        action="store_true",
        help="show the status again every second until Ctrl-C, on a terminal in place",
    )
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Show the state of the PFs. The exit status is that of the worst one."""
    configuration = load.from_files(options.config, os.environ)
    streams.warn(configuration.warnings)

    def look() -> Overview:
        facts = host.read_pfs(configuration)
        drains, others = host.read_drains(facts)
        return overview(
            facts,
            state_file.read(),
            host.read_hints(facts),
            drains,
            [*others, *host.read_left(facts)],
            host.read_drivers(facts),
            connections.read(facts.values()),
        )

    terminal = Terminal(sys.stdout, os.environ)
    found = look()
    if not options.watch:
        streams.put(as_json(found) if options.json else text(found, terminal))
        return found.condition.value
    try:
        # On SIGTERM, as on Ctrl-C, the terminal is given back as it was.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        with suppress(KeyboardInterrupt), terminal.screen():
            while True:
                displayed = f"{time.strftime('%Y-%m-%d %H:%M:%S')}\n\n{text(found, terminal)}"
                terminal.show(displayed)
                terminal.wait(WATCH_S)
                found = look()
    except OSError as error:
        raise streams.unwritten(error) from None
    return found.condition.value
