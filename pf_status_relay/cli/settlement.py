"""Whether a PF is in a state that pods can rely on: its path works, or is intended not to work. Pure.

`settlement` decides alone what counts as settled; another way to be settled is a branch there.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import NamedTuple

from pf_status_relay.cli.overview import Row
from pf_status_relay.core.decision import not_ready_reason
from pf_status_relay.core.drain import owners
from pf_status_relay.core.facts import Absent, Unreadable, VfLinkState
from pf_status_relay.core.redundancy import NO_OTHER


class Settlement(NamedTuple):
    """Whether one configured interface is settled; `found` says in which way it is, or why it is not."""

    interface: str
    settled: bool
    found: str


def settlement(row: Row) -> Settlement:
    """Judge one interface: it is settled if drained, kept open, or LACP is up and no VF is disabled."""
    facts = row.facts
    if isinstance(facts, Unreadable):
        return Settlement(row.interface, False, f"cannot be read: {facts.error}")
    if isinstance(facts, Absent):
        same = facts.error.startswith("is the same")
        return Settlement(row.interface, False, facts.error if same else "no interface has this name")
    reason = not_ready_reason(facts)
    if reason:
        return Settlement(row.interface, False, reason)
    if row.kept_open:
        return Settlement(row.interface, True, f"is kept open: {NO_OTHER}")
    if row.drains:
        auto = sum(vf.link_state is VfLinkState.AUTO for vf in facts.vfs)
        if auto:
            return Settlement(row.interface, False, f"is drained and {auto} of {len(facts.vfs)} VFs in auto")
        return Settlement(row.interface, True, f"is drained by {owners(row.drains)}")
    if row.cause:
        return Settlement(row.interface, False, f"LACP is down: {row.cause}")
    disabled = sum(vf.link_state is VfLinkState.DISABLE for vf in facts.vfs)
    if disabled:
        return Settlement(
            row.interface, False, f"LACP is up and {disabled} of {len(facts.vfs)} VFs in disable"
        )
    return Settlement(row.interface, True, "LACP is up")


def as_json(settlements: Iterable[Settlement], settled: bool) -> str:
    """Return the result of a wait as one JSON document, which pf-status-relay(8) describes."""
    document = {"settled": settled, "interfaces": [each._asdict() for each in settlements]}
    return f"{json.dumps(document, indent=2)}\n"
