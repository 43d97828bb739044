"""The command line: one function per command. The only room that prints for a person."""

from __future__ import annotations

import argparse
import faulthandler
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from pf_status_relay import __version__, config
from pf_status_relay.events import Level
from pf_status_relay.log import LogFormat, open_log
from pf_status_relay.notify import Notifier
from pf_status_relay.service import Service

EX_OK = 0
EX_UNAVAILABLE = 69
EX_CONFIG = 78
"""Exit statuses (sysexits.h). The unit does not restart after EX_CONFIG."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that the arguments name, and return its exit status."""
    options = _parser().parse_args(arguments)
    status: int = options.command(options)
    return status


def run(options: argparse.Namespace) -> int:
    """`pf-status-relay run`: relay until SIGTERM."""
    try:
        configuration = config.load(options.config, os.environ)
    except config.ConfigError as error:
        for fault in error.faults:
            print(f"pf-status-relay: {fault}", file=sys.stderr)
        return EX_CONFIG
    try:
        log = open_log(LogFormat(options.log_format), Level[options.log_level.upper()], os.environ)
    except ImportError as error:
        print(f"pf-status-relay: the journal needs systemd-python: {error}", file=sys.stderr)
        return EX_UNAVAILABLE
    # systemd's watchdog ends a hang with SIGABRT: let the log say where it was.
    with suppress(OSError, ValueError):  # no standard error to write to
        faulthandler.enable()
    Service(configuration, log, Notifier(os.environ), options.dry_run).run()
    return EX_OK


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pf-status-relay",
        description="Carry the LACP verdict of SR-IOV physical functions to their virtual functions.",
    )
    parser.add_argument("--version", action="version", version=f"pf-status-relay {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    command = commands.add_parser(
        "run",
        help="relay until SIGTERM",
        description="Watch the LACP port state of each configured PF. Set its VFs from auto to disable "
        "while LACP is down, and from disable to auto while it is up. A VF in enable is never touched.",
        epilog=f"{config.INTERFACES_VARIABLE} (comma separated) and {config.INTERVAL_VARIABLE} "
        "(milliseconds) in the environment override the file. Exit status 78: the configuration is at fault.",
    )
    command.add_argument(
        "--config", type=Path, metavar="FILE", help=f"configuration file (default: {config.DEFAULT_PATH})"
    )
    command.add_argument(
        "--dry-run", action="store_true", help="log the VF link states that would be set, and set none"
    )
    command.add_argument(
        "--log-format",
        choices=[each.value for each in LogFormat],
        default=LogFormat.AUTO.value,
        help="native journal entries, or JSON lines on standard output (default: auto, "
        "which is journal when started by systemd)",
    )
    command.add_argument(
        "--log-level",
        choices=[each.name.lower() for each in Level],
        default=Level.INFO.name.lower(),
        help="the least level to log (default: info)",
    )
    command.set_defaults(command=run)
    return parser
