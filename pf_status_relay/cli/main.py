"""The command line: find the command, run it, and print why it ended."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module

from pf_status_relay import __version__
from pf_status_relay.cli import streams
from pf_status_relay.cli.exit_status import EX_CONFIG, EX_INTERRUPTED, EX_IOERR, EX_PIPE, Refused
from pf_status_relay.cli.shared_arguments import Parser
from pf_status_relay.config.load import ConfigError

COMMANDS = (
    "run",
    "status",
    "check",
    "wait",
    "drain",
    "undrain",
    "restore",
    "history",
    "report",
    "machineconfig",
    "config",
)
"""The commands, in the order of the help. Each has a module in `commands`."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that the arguments name, and return its exit status."""
    streams.open_closed()
    words = sys.argv[1:] if arguments is None else arguments
    try:
        # Load only what the command needs: the service starts sooner, and takes less memory.
        named = [command for command in COMMANDS if words[:1] == [command]]
        options = parser(named or COMMANDS).parse_args(words)
        status = options.run(options)
        assert isinstance(status, int)
        return status
    except Refused as error:
        return _refused(error.faults, error.status)
    except ConfigError as error:
        return _refused(error.faults, EX_CONFIG)
    except KeyboardInterrupt:
        return EX_INTERRUPTED
    except streams.ReaderGone:
        return EX_PIPE
    except streams.Unwritable as error:
        return _refused([f"standard output cannot be written: {error}"], EX_IOERR)
    finally:
        streams.finish()


def parser(commands: Sequence[str] = COMMANDS) -> Parser:
    """Return the parser of the command line for these commands. `run` in its result runs the command."""
    program = Parser(
        prog="pf-status-relay",
        description="Relay LACP state of SR-IOV physical functions (PFs) to their virtual functions (VFs).",
        epilog="`pf-status-relay COMMAND --help` describes a command, pf-status-relay(8) all of them.",
    )
    program.add_argument("--version", action="version", version=f"pf-status-relay {__version__}")
    subparsers = program.add_subparsers(metavar="COMMAND", required=True)
    for name in commands:
        import_module(f"pf_status_relay.cli.commands.{name}").add(subparsers)
    return program


def _refused(faults: Sequence[str], status: int) -> int:
    for fault in faults:
        streams.say(f"pf-status-relay: {fault}")
    return status
