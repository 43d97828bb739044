"""A redundancy group: several PFs of which one always stays open. Pure, as decision.py is.

With LACP down on all PFs of a group, disabling all their VFs helps nobody. Pods would lose their neighbours
on the same NIC, and a path that may still forward. So one PF of a group keeps its VFs in auto. The law, for a
PF whose VFs would be disabled because LACP is down or the PF is drained:

    the best PF of the group is ...              and the VFs of this one
    another one, whose VFs were read as auto     become disable, as without a group
    another one, whose VFs are not yet in auto   are left alone until they are
    this one                                     are left in auto, or become auto: it is kept open

The better of two PFs is the one with LACP up and no drain; then the one with LACP up (its drain is
suspended); then the one whose port state says up, while BFD or early detection says otherwise; then the one
whose VFs were read as auto, so that a restart changes nothing; then the one with carrier; then the one that
the group names first.

These do not count: a PF that is absent or not ready, one that has no VFs or lists none, and one whose VFs are
all in disable because the driver refuses auto (retries.py says when that is tried again). A PF that cannot be
read counts as it was last read, if it was open. Until every PF of the group has been looked at once, and
while a look at one is pending, the VFs of a PF with LACP down are left alone.

A PF on which LACP comes up waits for no restore delay if no other PF of the group has VFs in auto.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass
from enum import Enum, IntEnum

from pf_status_relay.core.facts import VfLinkState, VirtualFunction

NO_OTHER = "no other PF of its redundancy group is open"
"""Why a PF is kept open."""


class Openness(IntEnum):
    """How far the VFs of a PF are open, as last read: in auto, or in enable, which an administrator sets."""

    CLOSED = 0
    PARTLY = 1
    OPEN = 2


class Stand(Enum):
    """What the group means for a PF."""

    FREE = "as without a group"
    FIRST = "LACP is up, and no other PF of the group is open"
    HELD = "its VFs are left alone"
    KEPT = "its VFs are in auto, whatever LACP says"


@dataclass(frozen=True)
class Member:
    """One PF of a group, as it was at its last look.

    `order` is its place in the group, counted from 0. `looked_at` is false before the first look at it, and
    while a look is pending. `openness` is None if the PF does not count in its group. `up`: LACP is up;
    `port_up`: the port state says up, whatever BFD and early detection say.
    """

    order: int
    looked_at: bool = False
    openness: Openness | None = None
    up: bool = False
    drained: bool = False
    carrier: bool = False
    port_up: bool = False

    @property
    def is_way_out(self) -> bool:
        """Whether LACP is up, the PF is not drained, and its VFs were read as open."""
        return self.up and not self.drained and self.openness is Openness.OPEN

    @property
    def rank(self) -> tuple[bool, bool, bool, int, bool, int]:
        """The rank of the PF: the best PF of a group has the highest."""
        carries = self.up and not self.drained
        return carries, self.up, self.port_up, self.openness or 0, self.carrier, -self.order


@dataclass(frozen=True)
class Place:
    """The place of one PF in its group: its `order`, counted from 0, and the `others` at their last look."""

    order: int
    others: tuple[Member, ...]

    @property
    def another_is_open(self) -> bool:
        """Whether LACP is up on another PF, drained or not, whose VFs were read as open."""
        return any(other.up and other.openness is Openness.OPEN for other in self.others)


def openness(vfs: Iterable[VirtualFunction], refused: Container[int]) -> Openness | None:
    """Return how far these VFs of a PF are open, None if none of them can be open.

    `refused` holds the numbers of the VFs that the driver does not set to auto.
    """
    auto = disabled = others = 0
    for vf in vfs:
        if vf.link_state is VfLinkState.AUTO:
            auto += 1
        elif vf.link_state is VfLinkState.DISABLE and vf.id not in refused:
            disabled += 1
        else:
            others += vf.link_state is VfLinkState.ENABLE
    if disabled:
        return Openness.PARTLY if auto else Openness.CLOSED
    return Openness.OPEN if auto or others else None


def stand(own: Member, others: Iterable[Member]) -> Stand:
    """Return what the group means for the PF `own`, given the `others` at their last look."""
    others = tuple(others)
    rivals = [other for other in others if other.openness is not None]
    if own.up and not own.drained:
        return Stand.FREE if any(rival.openness for rival in rivals) else Stand.FIRST
    if not all(other.looked_at for other in others):
        return Stand.HELD
    if own.openness is None:  # its driver may take auto later
        return Stand.FREE if any(rival.is_way_out for rival in rivals) else Stand.KEPT
    best = max([own, *rivals], key=lambda member: member.rank)
    if best is own:
        return Stand.KEPT
    return Stand.FREE if best.openness is Openness.OPEN else Stand.HELD
