"""`pf-status-relay config show` and `config import`: show or make a configuration."""

from __future__ import annotations

import argparse
import os

from pf_status_relay.cli import streams
from pf_status_relay.cli.exit_status import EX_CONFIG, EX_DATAERR, EX_OK, Refused
from pf_status_relay.cli.rendering import rendered
from pf_status_relay.cli.shared_arguments import (
    IMPORT_STATUSES,
    Commands,
    Help,
    add_config,
    add_sources,
    check_sources,
)
from pf_status_relay.config import load
from pf_status_relay.config.render import explained, toml


def add(commands: Commands) -> None:
    """Add the arguments of both."""
    of_config = commands.add_parser(
        "config", help="show or make a configuration", description="Show or make a configuration."
    ).add_subparsers(metavar="COMMAND", required=True)
    command = of_config.add_parser(
        "show",
        help="print the effective configuration and the source of each value",
        description="Print the effective configuration and the source of each value, as TOML. Drop-ins "
        "override the file, and the environment overrides both. A variable that only the unit's environment "
        "has is not known here.",
        epilog=f"""Exit status {EX_CONFIG}: the configuration is faulty; standard error has one line for each
fault.

The effective configuration of this host:

  pf-status-relay config show""",
        formatter_class=Help,
    )
    add_config(command)
    command.set_defaults(run=show)
    command = of_config.add_parser(
        "import",
        help="print a configuration file with the settings of the Go program or its operator",
        description=f"Print a configuration file for {load.DEFAULT_PATH}, with the settings of the Go "
        "program (--from-env) or of its operator (--from-pflacpmonitor). The PFLACPMonitors must be those "
        "of one host.",
        epilog=f"""{IMPORT_STATUSES}

Take over the Go program's environment:

  pf-status-relay config import --from-env > /etc/pf-status-relay.toml""",
        formatter_class=Help,
    )
    add_sources(command)
    command.set_defaults(run=import_)


def show(options: argparse.Namespace) -> int:
    """Print the configuration in effect, and where each value is from."""
    configuration = load.from_files(options.config, os.environ)
    streams.warn(configuration.warnings)
    streams.put(explained(configuration))
    return EX_OK


def import_(options: argparse.Namespace) -> int:
    """Print a configuration file made of another configuration."""
    check_sources(options)
    if options.from_env:
        try:
            configuration = load.from_environment(os.environ)
        except load.ConfigError as error:
            raise Refused(error.faults, EX_DATAERR) from None
        streams.warn(configuration.warnings)
        text = toml(configuration)
    else:
        text = _of_monitors(options.from_pflacpmonitor, options.include_degraded)
    streams.put(text)
    return EX_OK


def _of_monitors(files: list[str], include_degraded: bool) -> str:
    def render_host(warnings: list[str]) -> str:
        from pf_status_relay.openshift import render

        return render.for_host(files, warnings, include_degraded=include_degraded)

    return rendered(render_host)
