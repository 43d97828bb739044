"""`pf-status-relay machineconfig`: print a MachineConfig for a pool of OpenShift nodes."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from pf_status_relay.cli import streams
from pf_status_relay.cli.exit_status import EX_OK, EX_USAGE, Refused
from pf_status_relay.cli.rendering import rendered
from pf_status_relay.cli.shared_arguments import IMPORT_STATUSES, Commands, Help, add_sources, check_sources


def add(commands: Commands) -> None:
    """Add the command's arguments."""
    command = commands.add_parser(
        "machineconfig",
        help="print a MachineConfig for a pool of OpenShift nodes",
        description="Print a MachineConfig for a pool of OpenShift nodes: it writes the configuration file "
        "and enables the service. From PFLACPMonitors, print a MachineConfig for each set of nodes, and its "
        "MachineConfigPool if the set needs a new one. Apply nothing.",
        epilog=f"""{IMPORT_STATUSES}

Bring a configuration file to the pool worker:

  pf-status-relay machineconfig --role worker --config relay.toml | oc apply -f -

The policy by which a new configuration restarts the service, and the node neither drains nor reboots:

  pf-status-relay machineconfig --disruption-policy""",
        formatter_class=Help,
    )
    command.add_argument("--role", help="the pool (default: worker); PFLACPMonitors name their pools")
    command.add_argument(
        "--image",
        help="run the service as a container of this image, REGISTRY/NAME:TAG@sha256:DIGEST, on nodes "
        "without the RPM",
    )
    sources = add_sources(command)
    sources.add_argument("--config", type=Path, metavar="FILE", help="take this configuration file unchanged")
    sources.add_argument(
        "--disruption-policy",
        action="store_true",
        help="print the MachineConfiguration with a node disruption policy: a new configuration then "
        "restarts the service, and the node neither drains nor reboots (OpenShift 4.17 and later)",
    )
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the manifests that bring a configuration to a cluster's nodes."""
    check_sources(options)
    if options.from_pflacpmonitor and options.role is not None:
        raise Refused(["--role: not with --from-pflacpmonitor, whose selectors say the roles"], EX_USAGE)
    if options.disruption_policy and options.role is not None:
        raise Refused(["--role: not with --disruption-policy, which is the same for every pool"], EX_USAGE)

    if options.disruption_policy and options.image is not None:
        raise Refused(["--image: not with --disruption-policy, which covers both ways"], EX_USAGE)

    def render_chosen(warnings: list[str]) -> str:
        from pf_status_relay.openshift import render

        if options.disruption_policy:
            return render.disruption_policy()
        if options.from_pflacpmonitor:
            return render.for_monitors(
                options.from_pflacpmonitor,
                warnings,
                include_degraded=options.include_degraded,
                image=options.image,
            )
        return render.for_role(
            options.role or "worker", options.config, os.environ, warnings, image=options.image
        )

    streams.put(rendered(render_chosen))
    return EX_OK
