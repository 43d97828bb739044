"""A redundancy group: several PFs of which one always stays open. Pure, as decision.py is.

With LACP down on all PFs of a group, disabling all their VFs helps nobody: pods lose even their neighbours on
the same NIC, and a path that may still forward. So one PF of a group keeps its VFs in auto. The law, for a PF
whose VFs would be disabled because LACP is down or somebody drains it:

    the best PF of the group is ...              and the VFs of this one
    another one, whose VFs were read as auto     become disable, as without a group
    another one, whose VFs are not yet in auto   are left alone until they are
    this one                                     are left in auto, or become auto: it is kept open

Of two PFs the better one is that on which LACP is up and which nobody drains; then one on which LACP is up
(its drain is suspended); then one whose port state says so, while BFD or early detection says otherwise; then
one whose VFs are in auto as read, so that a restart changes nothing; then one with carrier; then the one that
the group names first.

These do not count: a PF that is absent or not ready, one that has no VFs or lists none, and one all of whose
VFs are in disable because the driver refuses auto; that one is tried again, at the pace of retries.py. A PF
that cannot be read counts as it was last read, if it was open. Until each PF of the group has been looked at
once, and while one is about to be, the VFs of one with LACP down are left alone.

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
    """How far the VFs of a PF are open, as they were read: in auto, or by an administrator in enable."""

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

    `order` is its place in the group, counted from 0. `looked_at` is false until it has been looked at once.
    `openness` is None if it counts as no PF of the group. `up`: LACP is; `port_up`: it is by the port state,
    whatever BFD and early detection say.
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
        """Whether LACP is up, nobody drains it, and its VFs have been read as auto."""
        return self.up and not self.drained and self.openness is Openness.OPEN

    @property
    def rank(self) -> tuple[bool, bool, bool, int, bool, int]:
        """How good it is: the best PF of a group has the highest."""
        carries = self.up and not self.drained
        return carries, self.up, self.port_up, self.openness or 0, self.carrier, -self.order


@dataclass(frozen=True)
class Place:
    """The place of one PF in its group: its `order`, counted from 0, and what is known of the `others`."""

    order: int
    others: tuple[Member, ...]

    @property
    def has_way_out(self) -> bool:
        """Whether LACP is up on another PF, and its VFs have been read as auto."""
        return any(other.up and other.openness is Openness.OPEN for other in self.others)


def openness(vfs: Iterable[VirtualFunction], refused: Container[int]) -> Openness | None:
    """Return how far these VFs of a PF are open, None if none of them can be.

    `refused` holds the numbers of those that the driver does not set to auto.
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
    """Return what its group means for a PF, which is `own`, by what is known of the `others`."""
    others = tuple(others)
    rivals = [other for other in others if other.openness is not None]
    if own.up and not own.drained:
        return Stand.FREE if any(rival.openness for rival in rivals) else Stand.FIRST
    if not all(other.looked_at for other in others):
        return Stand.HELD
    if own.openness is None:  # its driver may come to its senses
        return Stand.FREE if any(rival.is_way_out for rival in rivals) else Stand.KEPT
    best = max([own, *rivals], key=lambda member: member.rank)
    if best is own:
        return Stand.KEPT
    return Stand.FREE if best.openness is Openness.OPEN else Stand.HELD
