"""What an LACP port state says (IEEE 802.1AX-2020, 6.4.2.3; Linux include/net/bond_3ad.h).

The law of this module: a port carries traffic when both ends say that they do.
Everything here is a pure function of the two port states.
"""

from __future__ import annotations

from enum import IntFlag


class PortState(IntFlag):
    """The state octet of an actor or a partner, one flag per bit, 0 to 255."""

    ACTIVITY = 0x01
    TIMEOUT = 0x02
    AGGREGATION = 0x04
    SYNCHRONIZATION = 0x08
    COLLECTING = 0x10
    DISTRIBUTING = 0x20
    DEFAULTED = 0x40
    EXPIRED = 0x80


CARRYING = PortState.AGGREGATION | PortState.SYNCHRONIZATION | PortState.COLLECTING | PortState.DISTRIBUTING
"""The bits that both ends have set when LACP is up."""

FAILED = PortState.DEFAULTED | PortState.EXPIRED
"""The bits by which an end says that it does not hear the other."""

_LETTERED = tuple(flag for flag in PortState if not flag & FAILED)


def is_up(actor: PortState, partner: PortState) -> bool:
    """Tell whether LACP is up: both ends aggregate, are in sync, collect and distribute.

    Defaulted or Expired on either end means that the state was not learnt from a living
    partner, whatever the other bits say.
    """
    return all(state & CARRYING == CARRYING and not state & FAILED for state in (actor, partner))


def is_fast(actor: PortState) -> bool:
    """Tell whether the actor asks for the fast rate, one LACPDU a second (Timeout bit set)."""
    return bool(actor & PortState.TIMEOUT)


def describe(state: PortState) -> str:
    """Return a port state for a person: hexadecimal, then the names of the bits that are set."""
    return f"0x{int(state):02x} ({' '.join(names(state)) or 'none'})"


def names(state: PortState) -> list[str]:
    """Return the names of the bits that are set, in lower case, from the lowest bit to the highest."""
    return [flag.name.lower() for flag in PortState if flag.name and state & flag]


def letters(state: PortState) -> str:
    """Return a port state in a few columns: `ATASCD` is healthy and fast.

    Activity, Timeout (short), Aggregation, Synchronization, Collecting and Distributing each have
    their place: the initial, or `-` where the bit is clear. Defaulted and Expired, which make the
    others worthless, follow as words: `ATAS-- expired`.
    """
    places = "".join(flag.name[0] if flag.name and state & flag else "-" for flag in _LETTERED)
    return " ".join([places, *names(state & FAILED)])
