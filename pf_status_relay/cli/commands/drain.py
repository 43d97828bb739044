"""`pf-status-relay drain`: make pods fail over from a PF before work on its switch."""

from __future__ import annotations

import argparse
import re
import time
from dataclasses import replace

from pf_status_relay.cli import draining, streams
from pf_status_relay.cli.exit_status import EX_CONFLICT, EX_OK, EX_UNAVAILABLE, EX_USAGE, Refused
from pf_status_relay.cli.shared_arguments import Commands, Help
from pf_status_relay.core.decision import Readiness, not_ready_reason
from pf_status_relay.core.drain import Drain
from pf_status_relay.core.facts import Facts, PhysicalFunction, VfLinkState
from pf_status_relay.core.redundancy import NO_OTHER
from pf_status_relay.service import drains, state_file
from pf_status_relay.service.state_file import InterfaceState, ServiceState
from pf_status_relay.text import one_line

NOT_FOLLOWED = 1
"""Exit status if VFs are still in auto."""

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_LONGEST_S = 365 * 86400


def add(commands: Commands) -> None:
    """Add the command's arguments."""
    command = commands.add_parser(
        "drain",
        help="make pods fail over from a PF before work on its switch",
        description="Have the service set the PF's VFs from auto to disable although LACP is up, so that "
        "pods fail over to their other VF. The drain lasts until `undrain`, the end of its time, or the "
        f"next boot; then LACP alone decides again. It is a file in {drains.FOLDER}. Wait until the VFs are "
        "disabled.",
        epilog=f"""Refused without --force if the service does not run, if the service does not relay for the
PF, or if no other PF (of its redundancy group, if it is in one) has LACP up and is not drained. While no
other PF of the group is open, the service suspends the drain.

Exit status:

  0  the PF is drained
  {NOT_FOLLOWED}  the drain is written, but the VFs are not disabled; the command says why
  {EX_USAGE}  the service does not relay for the PF, or wrong arguments
  {EX_CONFLICT}  no other PF has LACP up and is not drained
  {EX_UNAVAILABLE}  the service does not run

Before a firmware update of switch A:

  pf-status-relay drain ens5f0 --reason "switch A: firmware" --for 2h""",
        formatter_class=Help,
    )
    command.add_argument("interface", metavar="PF", help="the PF, by interface name or alternative name")
    command.add_argument(
        "--reason", type=_reason, required=True, help="why, for everyone who finds the PF drained"
    )
    command.add_argument(
        "--for",
        dest="seconds",
        type=_duration,
        metavar="TIME",
        help="how long to drain, such as 90s, 30m, 2h or 1d (default: until `undrain`, or a reboot)",
    )
    draining.add_owner(command)
    command.add_argument("--force", action="store_true", help="drain in spite of the reasons to refuse")
    command.set_defaults(run=run)


def _reason(text: str) -> str:
    """Parse a reason. Raises argparse.ArgumentTypeError."""
    if not text.strip() or len(text) > drains.MAX_REASON:
        raise argparse.ArgumentTypeError(f"allowed: 1 to {drains.MAX_REASON} characters")
    return text


def _duration(text: str) -> int:
    """Parse a time in seconds. Raises argparse.ArgumentTypeError."""
    found = re.fullmatch("([0-9]{1,9})([smhd])", text)
    seconds = int(found[1]) * _UNITS[found[2]] if found else 0
    if not 0 < seconds <= _LONGEST_S:
        raise argparse.ArgumentTypeError(f"{text!r}: allowed: a time such as 90s, 30m, 2h or 1d, up to 365d")
    return seconds


def run(options: argparse.Namespace) -> int:
    """Write the drain, wake the service, and wait until it has followed."""
    service = state_file.read()
    name = _name(options.interface, service, options.force)
    if service and not options.force:
        _refuse_last(name, service)
    now = time.time()
    until = drains.rfc3339(now + options.seconds) if options.seconds else ""
    owner = options.owner or draining.own_name()
    try:
        drains.write(Drain(name, owner, options.reason, drains.rfc3339(now), until))
    except OSError as error:
        raise draining.writing(name, error) from None
    shown = one_line(name)
    if service is None:
        streams.put(
            f"{shown}: the drain is written; the service does not run, and drains the PF when it does\n"
        )
        return NOT_FOLLOWED
    draining.wake(service)
    facts = draining.wait(name, lambda pf: not draining.count(pf, VfLinkState.AUTO) or _is_kept_open(name))
    done, line = _outcome(facts, service.interfaces.get(name))
    if not done and _is_kept_open(name):
        line = f"the drain is written and suspended: {NO_OTHER}"
    streams.put(f"{shown}: {line}\n")
    return EX_OK if done else NOT_FOLLOWED


def _name(given: str, service: ServiceState | None, force: bool) -> str:
    """Return the name under which the PF is relayed for. Raises Refused."""
    if service is None:
        if not force:
            fault = "the service does not run, so it would set no VF: systemctl start pf-status-relay"
            raise Refused([f"{fault} (or --force)"], EX_UNAVAILABLE)
        return given
    name = draining.configured(given, service)
    if not name and not force:
        known = one_line(", ".join(service.interfaces)) or "none"
        raise Refused(
            [f"{one_line(given)} is not among the PFs that the service relays for: {known}"], EX_USAGE
        )
    return name or given


def _refuse_last(name: str, service: ServiceState) -> None:
    """Refuse to drain the last PF that carries traffic."""
    drained = {drain.interface for drain in drains.read()[0]}
    state = service.interfaces.get(name)
    group = state.group if state else ()
    others = {each: None for each in group or service.interfaces if each != name and each not in drained}
    ready = {each for each, told in service.interfaces.items() if told.readiness == Readiness.READY.value}
    up = {other for other, facts in draining.read(others).items() if draining.is_up(facts)}
    if not up & ready:
        whose = "redundancy group" if group else "configuration (which may serve another network)"
        fault = (
            f"no other PF of the {whose} has LACP up and is not drained, so pods could not fail over. "
            f"--force drains {one_line(name)} nevertheless"
        )
        raise Refused([fault], EX_CONFLICT)


def _is_kept_open(name: str) -> bool:
    """Tell whether the service says that the PF's drain is suspended."""
    service = state_file.read()
    return bool(service and name in service.interfaces and service.interfaces[name].kept_open)


def _outcome(facts: Facts, told: InterfaceState | None) -> tuple[bool, str]:
    """Return whether the PF is drained, and a line for a person. `told` is what the service says of it."""
    if not isinstance(facts, PhysicalFunction):
        return False, f"the drain is written; the PF cannot be read: {facts.error}"
    relayed = told is not None and told.readiness == Readiness.READY.value
    reason = not_ready_reason(facts if relayed else replace(facts, multi_port=False))
    if reason:
        return False, f"the drain is written; the PF is not relayed for: {reason}"
    auto, enabled = draining.count(facts, VfLinkState.AUTO), draining.count(facts, VfLinkState.ENABLE)
    if auto:
        look = "journalctl -x -u pf-status-relay"
        return False, f"the drain is written; {draining.vfs(auto)} still in auto: {look}"
    line = f"drained, {draining.vfs(draining.count(facts, VfLinkState.DISABLE))} disabled"
    return True, line + f"; {draining.vfs(enabled)} in enable not drained" * bool(enabled)
