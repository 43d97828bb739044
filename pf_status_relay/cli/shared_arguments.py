"""What the arguments of several commands have in common: parsing, and the text of --help."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pf_status_relay.cli import streams
from pf_status_relay.cli.exit_status import EX_CONFLICT, EX_DATAERR, EX_UNAVAILABLE, EX_USAGE, Refused
from pf_status_relay.config.load import DEFAULT_PATH, INTERFACES_VARIABLE, INTERVAL_VARIABLE

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

ENVIRONMENT = (
    f"{INTERFACES_VARIABLE} (comma separated) and {INTERVAL_VARIABLE} "
    "(milliseconds) in the environment override the file."
)
IMPORT_STATUSES = f"""Exit status:

  {EX_CONFLICT}  the PFLACPMonitors are in conflict, cannot be expressed as pools,
     or are not those of one host
  {EX_DATAERR}  the input is invalid, or the value of an option is empty
  {EX_UNAVAILABLE}  python3-pyyaml is missing

Then standard output is empty, and standard error has one line for each fault."""


class Parser(argparse.ArgumentParser):
    """A parser that prints help and errors through `streams`, and refuses empty values.

    The value of an option may begin like a negative number: `--since -7d`.
    """

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._negative_number_matcher = re.compile("-[0-9]")

    def _get_value(self, action: argparse.Action, arg_string: str) -> Any:
        # `--role "$ROLE"` with ROLE unset must not select the default, nor the path "" the current folder.
        if action.option_strings and not arg_string:
            option = action.option_strings[-1]
            fault = f'{option} is ""; allowed: a value that is not empty (is a shell variable unset?)'
            raise Refused([fault], EX_DATAERR)
        return super()._get_value(action, arg_string)

    def _print_message(self, message: str, file: SupportsWrite[str] | None = None) -> None:
        if file is sys.stdout:
            streams.put(message)
        else:
            streams.say(message.rstrip("\n"))


if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[Parser]
else:
    Commands = argparse._SubParsersAction
"""The object to which a command adds its parser. The parser sets `run` to the command's function."""


class Help(argparse.HelpFormatter):
    """Wraps paragraphs, and keeps indented lines as they are: examples and tables."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        paragraphs = [
            part if part.startswith(" ") else super(Help, self)._fill_text(part, width, indent)
            for part in text.split("\n\n")
        ]
        return "\n\n".join(paragraphs)


def add_config(command: argparse.ArgumentParser) -> None:
    """Add --config in the form that most commands have."""
    command.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help=f"read this file, and no drop-ins (default: {DEFAULT_PATH} and its drop-ins)",
    )


def add_sources(command: argparse.ArgumentParser) -> argparse._MutuallyExclusiveGroup:
    """Add the options that name the source of another configuration. One of them is required."""
    sources = command.add_mutually_exclusive_group(required=True)
    sources.add_argument(
        "--from-env",
        action="store_true",
        help=f"take {INTERFACES_VARIABLE} and {INTERVAL_VARIABLE} from the environment",
    )
    sources.add_argument(
        "--from-pflacpmonitor",
        nargs="+",
        metavar="FILE",
        help="take the Go operator's PFLACPMonitor resources from YAML files (-: standard input)",
    )
    command.add_argument(
        "--include-degraded",
        action="store_true",
        help="also take PFLACPMonitors whose status is degraded (otherwise left out with a warning)",
    )
    return sources


def check_sources(options: argparse.Namespace) -> None:
    """Refuse options that cannot be combined with the chosen source of `add_sources`."""
    if options.include_degraded and not options.from_pflacpmonitor:
        raise Refused(["--include-degraded: only with --from-pflacpmonitor"], EX_USAGE)
