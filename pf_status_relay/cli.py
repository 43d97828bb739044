"""The command line: one function per command. The only room that prints for a person."""

from __future__ import annotations

import argparse
import faulthandler
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from pf_status_relay import __version__, config, streams
from pf_status_relay.events import Level
from pf_status_relay.log import LogFormat, open_log
from pf_status_relay.notify import Notifier
from pf_status_relay.service import Service

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

EX_OK = 0
EX_USAGE = 2
EX_AT_ODDS = 3
EX_DATAERR = 65
EX_UNAVAILABLE = 69
EX_IOERR = 74
EX_CONFIG = 78
"""Exit statuses: 2 is argparse's, 3 our own, the others those of sysexits.h. The unit does not restart
after EX_CONFIG."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that the arguments name, and return its exit status."""
    streams.open_closed()
    try:
        options = _parser().parse_args(arguments)
        status: int = options.command(options)
    except streams.Unwritable as error:
        return _refused([f"standard output cannot be written: {error}"], EX_IOERR)
    finally:
        streams.settle()
    return status


def run(options: argparse.Namespace) -> int:
    """`pf-status-relay run`: relay until SIGTERM."""
    try:
        configuration = config.load(options.config, os.environ)
    except config.ConfigError as error:
        return _refused(error.faults, EX_CONFIG)
    try:
        log = open_log(LogFormat(options.log_format), Level[options.log_level.upper()], os.environ)
    except ImportError as error:
        return _refused([f"the journal needs systemd-python: {error}"], EX_UNAVAILABLE)
    # systemd's watchdog ends a hang with SIGABRT: let the log say where it was.
    with suppress(RuntimeError, OSError, ValueError):  # there may be no standard error to write to
        faulthandler.enable()
    Service(configuration, log, Notifier(os.environ), options.dry_run).run()
    return EX_OK


def machineconfig(options: argparse.Namespace) -> int:
    """`pf-status-relay machineconfig`: print what brings a configuration to a cluster's nodes."""
    if options.from_pflacpmonitor and options.role is not None:
        return _refused(["--role: not with --from-pflacpmonitor, whose selectors say the roles"], EX_USAGE)
    try:
        from pf_status_relay import fleet
    except ImportError as error:
        return _yaml_missing(error)
    try:
        if options.from_pflacpmonitor:
            text = fleet.for_monitors(options.from_pflacpmonitor)
        else:
            text = fleet.for_role(options.role or "worker", options.config, os.environ)
    except fleet.Unusable as error:
        return _refused(error.faults, EX_AT_ODDS if isinstance(error, fleet.AtOdds) else EX_DATAERR)
    return _print(text)


def config_import(options: argparse.Namespace) -> int:
    """`pf-status-relay config import`: print a configuration file made of another configuration."""
    if options.from_env:
        from pf_status_relay.machineconfig import toml

        try:
            return _print(toml(config.from_environment(os.environ)))
        except config.ConfigError as error:
            return _refused(error.faults, EX_DATAERR)
    try:
        from pf_status_relay import fleet
    except ImportError as error:
        return _yaml_missing(error)
    try:
        return _print(fleet.for_host(options.from_pflacpmonitor))
    except fleet.Unusable as error:
        return _refused(error.faults, EX_AT_ODDS if isinstance(error, fleet.AtOdds) else EX_DATAERR)


def _print(text: str) -> int:
    streams.put(text)
    return EX_OK


def _refused(faults: Sequence[str], status: int) -> int:
    for fault in faults:
        streams.say(f"pf-status-relay: {fault}")
    return status


def _yaml_missing(error: ImportError) -> int:
    if error.name != "yaml":
        raise error
    hint = "install pf-status-relay[openshift], or the distribution's python3-pyyaml"
    return _refused([f"YAML needs PyYAML ({error}); {hint}"], EX_UNAVAILABLE)


class _Parser(argparse.ArgumentParser):
    """A parser whose help and errors go where everything else goes."""

    def _print_message(self, message: str, file: SupportsWrite[str] | None = None) -> None:
        if file is sys.stdout:
            streams.put(message)
        else:
            streams.say(message.rstrip("\n"))


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
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
    _add_machineconfig(commands)
    _add_config(commands)
    return parser


_STATUSES = (
    f"Exit status {EX_DATAERR}: what was given is invalid, each fault in a line. {EX_AT_ODDS}: the "
    f"PFLACPMonitors are in conflict, or cannot be had together. {EX_UNAVAILABLE}: PyYAML is missing. "
    f"Nothing is printed on standard output then. {EX_IOERR}: standard output cannot be written."
)


def _add_sources(command: argparse.ArgumentParser) -> argparse._MutuallyExclusiveGroup:
    sources = command.add_mutually_exclusive_group(required=True)
    sources.add_argument(
        "--from-env",
        action="store_true",
        help=f"take {config.INTERFACES_VARIABLE} and {config.INTERVAL_VARIABLE} from the environment",
    )
    sources.add_argument(
        "--from-pflacpmonitor",
        nargs="+",
        metavar="FILE",
        help="take the Go operator's PFLACPMonitor resources from YAML files (-: standard input)",
    )
    return sources


def _add_machineconfig(commands: argparse._SubParsersAction[_Parser]) -> None:
    command = commands.add_parser(
        "machineconfig",
        help="print what brings a configuration to a pool of OpenShift nodes",
        description="Print a MachineConfig that writes the configuration file to the nodes of a pool and "
        "enables the service. From PFLACPMonitors, print for each set of nodes its MachineConfigPool "
        "and its MachineConfig. Apply nothing.",
        epilog=_STATUSES,
    )
    command.add_argument("--role", help="the pool (default: worker); PFLACPMonitors say it themselves")
    _add_sources(command).add_argument(
        "--config", type=Path, metavar="FILE", help="take this configuration file, as it is"
    )
    command.set_defaults(command=machineconfig)


def _add_config(commands: argparse._SubParsersAction[_Parser]) -> None:
    of_config = commands.add_parser(
        "config", help="make a configuration file", description="Make a configuration file."
    ).add_subparsers(metavar="COMMAND", required=True)
    command = of_config.add_parser(
        "import",
        help="print a configuration file made of another configuration",
        description=f"Print a configuration file as {config.DEFAULT_PATH} holds it. "
        "PFLACPMonitors have to be those of one host.",
        epilog=_STATUSES,
    )
    _add_sources(command)
    command.set_defaults(command=config_import)
