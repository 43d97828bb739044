"""A drain: an operator wants the pods to leave a PF although LACP is up. Pure, as decision.py is.

Several owners can drain one PF, each with their own drain. The PF is drained while there is at least one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pf_status_relay.core.events import Event, PfDrained, PfUndrained
from pf_status_relay.core.facts import VfLinkState, VirtualFunction


@dataclass(frozen=True)
class Drain:
    """A drain of one PF by one owner. `interface` is the PF as the drain names it.

    `reason` is for a person. `since` and `until` are RFC 3339, in UTC, and empty where the drain does not
    say. This module does not judge expiry: it gets only drains that are in effect.
    """

    interface: str
    owner: str
    reason: str = ""
    since: str = ""
    until: str = ""


Drains = tuple[Drain, ...]
"""The drains of one PF that are in effect, sorted by owner."""


def owners(drains: Drains) -> str:
    """Return the owners of the drains, for a person."""
    return ", ".join(drain.owner for drain in drains)


def reasons(drains: Drains) -> str:
    """Return the reasons of all drains that have one, for a person."""
    return "; ".join(drain.reason for drain in drains if drain.reason)


def end(drains: Drains) -> str:
    """Return when the last of the drains ends (RFC 3339), an empty string if one has no end."""
    ends = [drain.until for drain in drains]
    return max(ends) if all(ends) else ""


def drain_events(
    interface: str, before: Drains, after: Drains, vfs: Sequence[VirtualFunction]
) -> list[Event]:
    """Return the events to log for the change from one look at a ready PF to the next.

    When one of several owners ends a drain, the PF stays drained, and the log says by which owners.
    """
    if before == after:
        return []
    if not after:
        return [PfUndrained(interface, owners(before), reasons(before))]
    enabled = sum(vf.link_state is VfLinkState.ENABLE for vf in vfs)
    return [PfDrained(interface, owners(after), reasons(after), end(after), enabled)]
