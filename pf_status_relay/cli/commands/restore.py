"""`pf-status-relay restore`: set VFs that were left disabled back to auto."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import closing

from pf_status_relay.cli import host, streams
from pf_status_relay.cli.exit_status import EX_NOPERM, EX_OK, EX_OSERR, EX_TEMPFAIL, EX_USAGE, Refused
from pf_status_relay.cli.shared_arguments import ENVIRONMENT, Commands, Help, add_config
from pf_status_relay.config import load
from pf_status_relay.core.decision import Readiness, not_ready_reason, to_restore
from pf_status_relay.core.facts import BOND_MODE_8023AD, Facts, PhysicalFunction
from pf_status_relay.kernel.request_socket import RequestSocket
from pf_status_relay.service import state_file
from pf_status_relay.service.state_file import ServiceState
from pf_status_relay.service.vf_writer import VfWriter
from pf_status_relay.text import one_line, reason_of

NOT_RESTORED = 1
"""Exit status if a VF is still disabled because its driver refused."""


def add(commands: Commands) -> None:
    """Add the command's arguments."""
    command = commands.add_parser(
        "restore",
        help="set VFs that were left disabled back to auto",
        description="Set VFs from disable to auto on PFs that no relay watches, whatever LACP says and "
        "whether or not the PF is in a bond. Print a line for each VF. Refuse a PF that a running relay "
        "watches: that relay sets its VFs.",
        epilog=f"""{ENVIRONMENT}

Exit status:

  0  no VF of these PFs is in disable
  {NOT_RESTORED}  the driver refused to set a VF
  {EX_USAGE}  no such PF
  {EX_TEMPFAIL}  a relay watches a PF that has VFs in disable; the VFs of the others are set back
  {EX_NOPERM}  CAP_NET_ADMIN is missing

After the bond of ens5f0 was deleted during an outage:

  pf-status-relay restore ens5f0""",
        formatter_class=Help,
    )
    command.add_argument(
        "interfaces", metavar="PF", nargs="*", help="the PFs (default: those that the configuration means)"
    )
    add_config(command)
    command.add_argument("--dry-run", action="store_true", help="print what would be set, and set nothing")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Set VFs back, and say what was done to each."""
    if not options.dry_run and not host.has_net_admin():
        raise Refused(["restore needs CAP_NET_ADMIN: run it as root"], EX_NOPERM)
    try:
        with closing(RequestSocket()) as requests:
            if options.interfaces:
                facts = requests.read_all(dict.fromkeys(options.interfaces))
            else:
                facts = host.read_pfs(load.from_files(options.config, os.environ))
            return _restore(requests, facts, bool(options.interfaces), options.dry_run)
    except OSError as error:
        raise Refused([f"the kernel cannot be asked by netlink: {reason_of(error)}"], EX_OSERR) from None


def _restore(requests: RequestSocket, facts: dict[str, Facts], named: bool, dry_run: bool) -> int:
    """Set the VFs of these PFs back and return the exit status. Raises OSError."""
    unread = [
        f"{one_line(name)}: {each.error}"
        for name, each in facts.items()
        if not isinstance(each, PhysicalFunction)
    ]
    if unread and named:
        raise Refused(unread, EX_USAGE)
    service, rivals = state_file.read(), host.find_rivals()
    status, found = EX_OK, False
    for name, pf in facts.items():
        if not isinstance(pf, PhysicalFunction) or not to_restore(pf):
            continue
        found = True
        watcher = _watcher(name, pf, service, rivals, requests)
        if watcher:
            streams.say(f"pf-status-relay: {one_line(name)}: {watcher} watches it, and sets its VFs")
            status = EX_TEMPFAIL
            continue
        for line, refused in _set_back(requests, pf, dry_run):
            streams.put(f"{one_line(name)} {line}\n")
            status = status or (NOT_RESTORED if refused else EX_OK)
    if not found:
        streams.put("no VF is in disable\n")
    return status


def _watcher(
    name: str,
    pf: PhysicalFunction,
    service: ServiceState | None,
    rivals: Sequence[host.Rival],
    requests: RequestSocket,
) -> str:
    """Say which relay watches a PF, an empty string if none does.

    The service says what it watches. Which PFs another relay has is not known: it can be any in an LACP bond.
    """
    if service:
        for each, state in service.interfaces.items():
            same = each == name or requests.ifindex(each) == pf.ifindex
            if same and (state.readiness == Readiness.READY.value or not not_ready_reason(pf)):
                return f"the service (process {service.pid})"
    if rivals and pf.master and pf.master.bond_mode == BOND_MODE_8023AD:
        return f"perhaps {rivals[0]}"
    return ""


def _set_back(requests: RequestSocket, pf: PhysicalFunction, dry_run: bool) -> Iterator[tuple[str, bool]]:
    """Set the VFs in disable to auto; yield for each what was done, and whether it was refused."""
    writes = to_restore(pf)
    if dry_run:
        for vf in writes:
            yield f"VF {vf.id}: would be set to auto", False
        return
    writer = VfWriter(time.monotonic)
    while writes:
        outcomes = writer.write(requests, pf.ifindex, writes)
        for outcome in outcomes:
            if outcome.refusal:
                yield f"VF {outcome.vf.id}: stays in disable: {outcome.refusal.reason}", True
            else:
                yield f"VF {outcome.vf.id}: set to auto", False
        writes = writes[len(outcomes) :]
