"""The arguments: every command, what it takes, and the help that it gives.

A parsed command is known by its words, as in `config import`; cli.py has a function for each.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pf_status_relay import __version__, config, streams
from pf_status_relay.event import Level
from pf_status_relay.log import LogFormat

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

EX_OK = 0
EX_USAGE = 2
EX_AT_ODDS = 3
EX_DATAERR = 65
EX_UNAVAILABLE = 69
EX_OSERR = 71
EX_IOERR = 74
EX_TEMPFAIL = 75
EX_NOPERM = 77
EX_CONFIG = 78
EX_INTERRUPTED = 130
EX_PIPE = 141
"""Exit statuses: 2 is argparse's, 3 our own, 130 and 141 what a shell says of a program that Ctrl-C has
ended and of one whose reader has gone, the others those of sysexits.h. `status` and `check` have 0, 1
and 2 of their own. The unit does not restart after EX_CONFIG."""


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line. Its result's `command` holds the command's words."""
    program = _Parser(
        prog="pf-status-relay",
        description="Carry the LACP verdict of SR-IOV physical functions to their virtual functions.",
        epilog="`pf-status-relay COMMAND --help` says more about a command, pf-status-relay(8) everything.",
    )
    program.add_argument("--version", action="version", version=f"pf-status-relay {__version__}")
    commands = program.add_subparsers(metavar="COMMAND", required=True)
    _add_run(commands)
    _add_status(commands)
    _add_check(commands)
    _add_machineconfig(commands)
    _add_config(commands)
    return program


class _Parser(argparse.ArgumentParser):
    """A parser whose help and errors go where everything else goes."""

    def _print_message(self, message: str, file: SupportsWrite[str] | None = None) -> None:
        if file is sys.stdout:
            streams.put(message)
        else:
            streams.say(message.rstrip("\n"))


class _Help(argparse.HelpFormatter):
    """Fills paragraphs, and leaves indented lines as they are: examples and tables."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        paragraphs = [
            part if part.startswith(" ") else super(_Help, self)._fill_text(part, width, indent)
            for part in text.split("\n\n")
        ]
        return "\n\n".join(paragraphs)


_CONFIG_HELP = f"take this file, and no drop-ins (default: {config.DEFAULT_PATH} and its drop-ins)"
_ENVIRONMENT = (
    f"{config.INTERFACES_VARIABLE} (comma separated) and {config.INTERVAL_VARIABLE} "
    "(milliseconds) in the environment override the file."
)


def _add_run(commands: argparse._SubParsersAction[_Parser]) -> None:
    command = commands.add_parser(
        "run",
        help="relay until SIGTERM",
        description="Watch the LACP port state of each configured PF. Set its VFs from auto to disable "
        "while LACP is down, and from disable to auto while it is up. A VF in enable is never touched.",
        epilog=f"""{_ENVIRONMENT}

Exit status {EX_CONFIG}: the configuration is at fault. {EX_UNAVAILABLE}: the journal needs systemd-python,
or the metrics prometheus-client. {EX_TEMPFAIL}: another relay is running, and systemd did not start this one.

See what would be set, and set nothing:

  pf-status-relay run --dry-run""",
        formatter_class=_Help,
    )
    command.add_argument("--config", type=Path, metavar="FILE", help=_CONFIG_HELP)
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
    command.set_defaults(command="run")


def _add_status(commands: argparse._SubParsersAction[_Parser]) -> None:
    command = commands.add_parser(
        "status",
        help="show how the PFs and their VFs are, and what is wrong",
        description="Show a line for each configured PF, as the kernel has it now, and then what is wrong "
        "and what to do. Takes no root, and no running service; that one only says since when it is so.",
        epilog=f"""ACTOR and PARTNER are the LACP port states of the host and of the switch: Activity,
Timeout (short), Aggregation, Synchronization, Collecting, Distributing by their initials, - where the bit is
clear. ATASCD is healthy; `expired` and `defaulted` mean that the switch is not heard.

{_ENVIRONMENT}

Exit status: the worst of all PFs.

  0  all are up
  1  LACP is down on a PF
  2  a PF is not ready: absent, or not the only port of an 802.3ad bond
  {EX_OSERR}  the kernel cannot be asked
  {EX_CONFIG}  the configuration is at fault

Follow a repair:

  pf-status-relay status --watch""",
        formatter_class=_Help,
    )
    command.add_argument("--config", type=Path, metavar="FILE", help=_CONFIG_HELP)
    form = command.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print one JSON document")
    form.add_argument(
        "--watch", action="store_true", help="show it anew every second, in place on a terminal, until Ctrl-C"
    )
    command.set_defaults(command="status")


def _add_check(commands: argparse._SubParsersAction[_Parser]) -> None:
    command = commands.add_parser(
        "check",
        help="check all that the service needs to do its job",
        description="Check the configuration, each PF and its bond, the capability to set VF link states, "
        "and that no other relay runs: a line each, passed, warning or failed, with what to do about it. "
        "Change nothing. Without --probe no VF is written to, so whether a driver sets VF link states is not "
        "checked.",
        epilog=f"""A warning is not failed: the service does its job, or will (no carrier, LACP down, no VFs).

{_ENVIRONMENT}

Exit status:

  0  nothing failed
  1  something failed, and there are PFs for which nothing did
  2  something failed, and nothing can be relayed; or --probe names what is not configured or not there
  {EX_NOPERM}  --probe needs CAP_NET_ADMIN

Before the service is started for the first time:

  pf-status-relay check && systemctl enable --now pf-status-relay""",
        formatter_class=_Help,
    )
    command.add_argument("--config", type=Path, metavar="FILE", help=_CONFIG_HELP)
    command.add_argument(
        "--probe",
        type=_vf,
        metavar="PF:VF",
        help="set this VF to the link state that it has, to learn whether the driver can. Some drivers "
        "reset the VF for it: name one that no pod uses",
    )
    command.add_argument("--json", action="store_true", help="print one JSON document")
    command.set_defaults(command="check")


def _vf(text: str) -> tuple[str, int]:
    """Parse PF:VF. Raises argparse.ArgumentTypeError."""
    name, _, number = text.rpartition(":")
    if not name or not number.isdecimal() or not number.isascii():
        raise argparse.ArgumentTypeError(f"{text!r} is not PF:VF, such as ens5f0:3 for VF 3 of ens5f0")
    return name, int(number)


_STATUSES = (
    f"Exit status {EX_DATAERR}: what was given is invalid, each fault in a line. {EX_AT_ODDS}: the "
    f"PFLACPMonitors are in conflict, or cannot be had together. {EX_UNAVAILABLE}: PyYAML is missing. "
    "Nothing is printed on standard output then."
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
        epilog=f"""{_STATUSES}

For the pool of this configuration:

  pf-status-relay machineconfig --role worker --config relay.toml | oc apply -f -""",
        formatter_class=_Help,
    )
    command.add_argument("--role", help="the pool (default: worker); PFLACPMonitors say it themselves")
    _add_sources(command).add_argument(
        "--config", type=Path, metavar="FILE", help="take this configuration file, as it is"
    )
    command.set_defaults(command="machineconfig")


def _add_config(commands: argparse._SubParsersAction[_Parser]) -> None:
    of_config = commands.add_parser(
        "config", help="show or make a configuration", description="Show or make a configuration."
    ).add_subparsers(metavar="COMMAND", required=True)
    command = of_config.add_parser(
        "show",
        help="print the configuration in effect, each value with where it is from",
        description="Print the configuration that the service would take now, as TOML: the file, the "
        "drop-ins over it, the environment over both. What only the unit has in its environment is not seen.",
        epilog=f"""Exit status {EX_CONFIG}: the configuration is at fault, each fault in a line.

What comes of all files:

  pf-status-relay config show""",
        formatter_class=_Help,
    )
    command.add_argument("--config", type=Path, metavar="FILE", help=_CONFIG_HELP)
    command.set_defaults(command="config show")
    command = of_config.add_parser(
        "import",
        help="print a configuration file made of another configuration",
        description=f"Print a configuration file as {config.DEFAULT_PATH} holds it. "
        "PFLACPMonitors have to be those of one host.",
        epilog=f"""{_STATUSES}

Take over the Go program's environment:

  pf-status-relay config import --from-env > /etc/pf-status-relay.toml""",
        formatter_class=_Help,
    )
    _add_sources(command)
    command.set_defaults(command="config import")
