"""`pf-status-relay undrain`: give a PF that was drained back to LACP."""

from __future__ import annotations

import argparse
from contextlib import suppress

from pf_status_relay.cli import draining, host, streams
from pf_status_relay.cli.exit_status import EX_OK
from pf_status_relay.cli.shared_arguments import Commands, Help
from pf_status_relay.core.facts import Facts, PhysicalFunction, VfLinkState
from pf_status_relay.service import drains, state_file
from pf_status_relay.text import one_line

NOT_BACK = 1
"""Exit status if the PF is still drained, or VFs are still disabled."""


def add(commands: Commands) -> None:
    """Add the command's arguments."""
    command = commands.add_parser(
        "undrain",
        help="remove a drain",
        description="Remove a drain. If it was the last drain of the PF, LACP alone decides again: if LACP "
        "is up, the VFs return to auto. Wait until they are read as auto.",
        epilog=f"""Exit status:

  0  the PF is not drained
  {NOT_BACK}  another owner still drains it, or its VFs are still disabled; the command says why

When switch A works again:

  pf-status-relay undrain ens5f0""",
        formatter_class=Help,
    )
    command.add_argument("interface", metavar="PF", help="the PF, by interface name or alternative name")
    draining.add_owner(command)
    command.add_argument("--all", action="store_true", help="remove the drains of all owners")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Remove the drain, wake the service, and wait until it has followed."""
    service = state_file.read()
    name = options.interface
    if service:
        name = draining.configured(name, service) or name
    owner = options.owner or draining.own_name()
    facts = draining.read({name: None})
    removed = 0
    try:
        for interface, whose in drains.listed():
            same = interface == name or host.configured_name(interface, facts) == name
            if same and (options.all or whose == owner):
                with suppress(FileNotFoundError):
                    drains.remove(interface, whose)
                    removed += 1
    except OSError as error:
        raise draining.writing(name, error) from None
    shown = one_line(name)
    left = host.read_drains(facts)[0].get(name, ())
    if left:
        whose = "; ".join(f"{each.owner}: {each.reason or 'no reason given'}" for each in left)
        streams.put(f"{shown}: still drained by {one_line(whose)}; --all removes these drains too\n")
        return NOT_BACK
    if not removed:
        streams.put(f"{shown}: is not drained\n")
        return EX_OK
    if service is None:
        streams.put(f"{shown}: the drain is removed; the service does not run, and VFs stay as they are\n")
        return NOT_BACK
    draining.wake(service)
    done, line = _outcome(draining.wait(name, _is_back))
    streams.put(f"{shown}: {line}\n")
    return EX_OK if done else NOT_BACK


def _is_back(pf: PhysicalFunction) -> bool:
    return not draining.is_up(pf) or not draining.count(pf, VfLinkState.DISABLE)


def _outcome(facts: Facts) -> tuple[bool, str]:
    """Return whether the PF is back, and a line for a person."""
    if not draining.is_up(facts):
        return True, "no longer drained; LACP is not up, so the VFs stay as they are until it is"
    assert isinstance(facts, PhysicalFunction)
    disabled = draining.count(facts, VfLinkState.DISABLE)
    if disabled:
        why = "the restore delay, or see journalctl -x -u pf-status-relay"
        return False, f"the drain is removed; {draining.vfs(disabled)} still disabled: {why}"
    auto = draining.count(facts, VfLinkState.AUTO)
    return True, f"no longer drained, {draining.vfs(auto)} in auto"
