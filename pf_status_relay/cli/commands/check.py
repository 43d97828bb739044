"""`pf-status-relay check`: check all that the service needs to do its job."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping
from contextlib import closing

from pf_status_relay.cli import bfd, connections, diagnosis, findings, host, streams
from pf_status_relay.cli.exit_status import EX_NOPERM, EX_USAGE, Refused
from pf_status_relay.cli.shared_arguments import ENVIRONMENT, Commands, Help, add_config
from pf_status_relay.cli.terminal import Terminal
from pf_status_relay.config import load
from pf_status_relay.core.facts import Facts, PhysicalFunction
from pf_status_relay.kernel import sysfs
from pf_status_relay.kernel.request_socket import RequestSocket
from pf_status_relay.service import selection, state_file
from pf_status_relay.text import reason_of


def add(commands: Commands) -> None:
    """Add the command's arguments."""
    command = commands.add_parser(
        "check",
        help="check all that the service needs to do its job",
        description="Check the configuration, each PF and its bond, the capability to set VF link states, "
        "and that no other relay runs. Print a line for each: passed, warning or failed, and what to do "
        "about it. Change nothing, except for the VF that --probe names.",
        epilog=f"""A warning means that the service does its job less well than it could, or has nothing to do
yet (no carrier, LACP down, no VFs).

{ENVIRONMENT}

Exit status:

  0  nothing failed
  1  something failed, but for at least one PF nothing did
  2  something failed, and the service can relay for no PF; or --probe names a PF that is not configured,
     or a VF that does not exist
  {EX_NOPERM}  --probe needs CAP_NET_ADMIN

Before the service is started for the first time:

  pf-status-relay check && systemctl enable --now pf-status-relay""",
        formatter_class=Help,
    )
    add_config(command)
    command.add_argument(
        "--probe",
        type=_vf,
        metavar="PF:VF",
        help="test whether the driver sets VF link states: set this VF to the link state that it already "
        "has. Some drivers then reset the VF: name one that no pod uses",
    )
    command.add_argument("--json", action="store_true", help="print one JSON document")
    command.set_defaults(run=run)


def _vf(text: str) -> tuple[str, int]:
    """Parse PF:VF. Raises argparse.ArgumentTypeError."""
    name, _, number = text.rpartition(":")
    if not name or not number.isdecimal() or not number.isascii():
        raise argparse.ArgumentTypeError(f"{text!r} is not PF:VF, such as ens5f0:3 for VF 3 of ens5f0")
    return name, int(number)


def run(options: argparse.Namespace) -> int:
    """Say what the service needs and whether it has it."""
    capable = host.has_net_admin()
    if options.probe and not capable:
        raise Refused(["--probe needs CAP_NET_ADMIN: run it as root"], EX_NOPERM)
    found: list[findings.Finding] = []
    others: list[findings.Finding] = []
    facts: dict[str, Facts] = {}
    try:
        configuration = load.from_files(options.config, os.environ)
        facts = host.read_pfs(configuration)
        found += diagnosis.of_configuration([], list(facts), configuration.warnings)
        groups = configuration.redundancy_groups or ()
        meant = selection.groups(groups, tuple(facts), lambda name: host.configured_name(name, facts))
        found += diagnosis.of_groups(groups, meant)
        others += host.read_left(facts)
        if configuration.bfd_socket is not None:
            others += bfd.look(configuration.bfd_socket, facts, {name for group in meant for name in group})
    except load.ConfigError as error:
        found += diagnosis.of_configuration(error.faults, [])
    except host.NoNetlink as error:
        found.append(diagnosis.netlink_failed(str(error)))
    probed = _probe(facts, *options.probe) if options.probe and facts else {}
    hints, service, drivers = host.read_hints(facts), state_file.read(), host.read_drivers(facts)
    managed = connections.read(facts.values())
    for name, each in facts.items():
        sriov = sysfs.is_pf(each.ifindex) if isinstance(each, PhysicalFunction) else None
        found += diagnosis.of_interface(
            name,
            each,
            sriov,
            probed.get(name),
            hints.get(name),
            service.cause(name) if service else None,
            drivers.get(name),
            managed,
        )
    found += others
    found += diagnosis.of_host(
        diagnosis.Host(capable, host.unit_has_net_admin(), host.find_rivals(), not host.sees_processes())
    )
    coverage = diagnosis.coverage(found, list(facts))
    terminal = Terminal(sys.stdout, os.environ)
    streams.put(diagnosis.as_json(found, coverage) if options.json else findings.text(found, terminal))
    return coverage.value


def _probe(facts: Mapping[str, Facts], name: str, number: int) -> dict[str, str]:
    """Set one VF to the link state that it has; return, by its PF's name, why the driver refused (or "").

    Raises Refused if there is no such VF.
    """
    pf = facts.get(name)
    if pf is None:
        raise Refused([f"--probe: {name} is not configured; configured: {', '.join(facts)}"], EX_USAGE)
    if not isinstance(pf, PhysicalFunction):
        raise Refused([f"--probe: {name} cannot be read: {pf.error}"], EX_USAGE)
    vfs = [vf for vf in pf.vfs if vf.id == number]
    if not vfs:
        listed = ", ".join(str(vf.id) for vf in pf.vfs) or "none"
        raise Refused([f"--probe: {name} has no VF {number}; its VFs: {listed}"], EX_USAGE)
    try:
        with closing(RequestSocket()) as requests:
            refusal = requests.set_vf_link_states(pf.ifindex, vfs)
            return {name: refusal.reason if refusal else ""}
    except OSError as error:
        return {name: reason_of(error)}
