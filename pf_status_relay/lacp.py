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


_CARRYING = PortState.AGGREGATION | PortState.SYNCHRONIZATION | PortState.COLLECTING | PortState.DISTRIBUTING
_FAILED = PortState.DEFAULTED | PortState.EXPIRED


def is_up(actor: PortState, partner: PortState) -> bool:
    """Tell whether LACP is up: both ends aggregate, are in sync, collect and distribute.

    Defaulted or Expired on either end means that the state was not learnt from a living
    partner, whatever the other bits say.
    """
    return all(state & _CARRYING == _CARRYING and not state & _FAILED for state in (actor, partner))


def is_fast(actor: PortState) -> bool:
    """Tell whether the actor asks for the fast rate, one LACPDU a second (Timeout bit set)."""
    return bool(actor & PortState.TIMEOUT)


def describe(state: PortState) -> str:
    """Return a port state for a person: hexadecimal, then the names of the bits that are set."""
    names = [flag.name.lower() for flag in PortState if flag.name and state & flag]
    return f"0x{int(state):02x} ({' '.join(names) or 'none'})"
