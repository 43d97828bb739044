"""Facts about PFs as the kernel reports them, and one interface with repeated looks."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from dataclasses import replace

from pf_status_relay.core.decision import Decision, Memory, Policy, decide, settle
from pf_status_relay.core.facts import (
    Absent,
    BondPort,
    Facts,
    Master,
    PhysicalFunction,
    VfLinkState,
    VirtualFunction,
)
from pf_status_relay.core.lacp import PortState
from pf_status_relay.core.refusals import Refusal
from pf_status_relay.core.retries import Outcome

AUTO, ENABLE, DISABLE = VfLinkState
BOND = Master(ifindex=7, name="bond0", kind="bond", bond_mode=4, port_count=1)
UP = BondPort(PortState(63), PortState(63))
DOWN = BondPort(PortState(143), PortState(55))
SLOW = BondPort(PortState(61), PortState(63))
GONE = Absent("Link not found")
ERRORS = {os.strerror(code): code for code in errno.errorcode}
"""Error numbers, by their texts."""


def numbered(states: Iterable[VfLinkState]) -> tuple[VirtualFunction, ...]:
    """Return VFs 0, 1, ... in these link states."""
    return tuple(VirtualFunction(number, state) for number, state in enumerate(states))


def pf(port: BondPort | None, *states: VfLinkState, carrier: bool = True) -> PhysicalFunction:
    """Return a PF in an 802.3ad bond of its own."""
    return PhysicalFunction(
        ifindex=5,
        carrier=carrier,
        master=BOND,
        port=port,
        vf_count=len(states),
        vfs_listed=len(states),
        vfs=numbered(states),
    )


class Watched:
    """One interface with repeated looks; the driver answers each write with the look's `error`, if any."""

    def __init__(self, policy: Policy | None = None) -> None:
        self.policy = policy or Policy()
        self.memory = Memory("ens5f0")
        self.now = 100.0

    def look(self, facts: Facts, *, error: str = "", dry_run: bool = False, after: float = 0.0) -> Decision:
        """Look `after` seconds later. Return the decision, with the events of the writes' outcomes added."""
        self.now += after
        decision = decide(self.memory, facts, self.now, self.policy)
        refusal = Refusal(ERRORS[error], error) if error else None
        outcomes = tuple(Outcome(vf, refusal, dry_run) for vf in decision.writes)
        self.memory, settled = settle(decision.memory, outcomes, self.now, 0.0)
        return replace(decision, events=decision.events + settled)


def port(actor: int, partner: int) -> BondPort:
    """Return a bond port in these port states."""
    return BondPort(PortState(actor), PortState(partner))


FAST_BOND = replace(BOND, miimon_ms=100, lacp_fast=True)
GOOD = PhysicalFunction(5, True, FAST_BOND, port(63, 63), 2, 2, numbered([AUTO, DISABLE]))
"""A PF with which nothing is wrong."""
