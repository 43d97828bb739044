"""Why LACP is down on a PF: exactly one cause, and what to do about it. Pure.

The causes are tried from the cable upwards, and the first that applies counts: nothing above it can work yet.
Each port state says what one end hears of the other (IEEE 802.1AX-2020, 6.4). Expired and Defaulted in our
actor's state say that no LACPDU comes; in the partner's, that none of our LACPDUs arrives. How bonding uses
the port states is in Linux drivers/net/bonding/bond_3ad.c.

To add a cause: a member with its fix, a branch in `cause_of`, a line in the entry of `lacp is down` in
packaging/pf-status-relay.catalog, and one in pf-status-relay(8).
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from pf_status_relay.core import lacp
from pf_status_relay.core.facts import PhysicalFunction
from pf_status_relay.core.lacp import PortState

_CARRIES = PortState.COLLECTING | PortState.DISTRIBUTING


class Cause(Enum):
    """Why LACP is down. The value is what log, `status` and `check` call it."""

    PF_DOWN = "pf is set down"
    NO_CARRIER = "no carrier"
    BOND_DOWN = "bond is set down"
    SPEED_UNKNOWN = "speed or duplex unknown"
    HALF_DUPLEX = "half duplex"
    EARLY_DETECTION = "early detection"
    BFD_TIMEOUT = "bfd session timed out"
    PASSIVE = "our end is passive"
    NEVER_HEARD = "no LACPDU has come yet"
    SLOW_PARTNER = "partner sends slowly"
    SILENT = "LACPDUs have stopped"
    NOT_HEARD = "partner does not hear us"
    INDIVIDUAL = "partner is individual"
    OTHER_AGGREGATOR = "partner answers for another aggregator"
    NOT_CARRYING = "partner does not collect or distribute"
    NOT_AGREED = "not agreed yet"

    def __str__(self) -> str:
        return self.value


FIXES = {
    Cause.PF_DOWN: "set it up: ip link set dev {pf} up",
    Cause.NO_CARRIER: "check cable, transceiver and switch port: ethtool {pf}",
    Cause.BOND_DOWN: "set it up: ip link set dev {bond} up",
    Cause.SPEED_UNKNOWN: "without both the bond runs no LACP; check transceiver and driver: ethtool {pf}",
    Cause.HALF_DUPLEX: "without full duplex the bond runs no LACP; correct autonegotiation: ethtool {pf}",
    Cause.EARLY_DETECTION: "check that the switch is alive; if LACP always returns at once, "
    "raise early_detection_ms",
    Cause.BFD_TIMEOUT: "look whether the switch is alive; if LACP stays up, compare both ends: "
    "vtysh -c 'show bfd peers'",
    Cause.PASSIVE: "set lacp_active=on on {bond}: with it off, the bond waits for the switch to begin",
    Cause.NEVER_HEARD: "check that the switch is alive, and that its port is in a port channel with LACP",
    Cause.SLOW_PARTNER: "set the fast LACP rate on the switch's port, or lacp_rate=slow on {bond}",
    Cause.SILENT: "check that the switch is alive, and still runs LACP on this port",
    Cause.NOT_HEARD: "LACPDUs of {pf} do not arrive: check the switch's LACP counters for this port",
    Cause.INDIVIDUAL: "put the switch's port into a port channel: it runs LACP, but aggregates nothing",
    Cause.OTHER_AGGREGATOR: "give the switch's port its own port channel; check that no cables are swapped",
    Cause.NOT_CARRYING: "see why the switch holds the port back: its LACP log, standby, minimum of links",
    Cause.NOT_AGREED: "wait some seconds; then check the kernel's log for {bond}, and the switch's log",
}
"""What an operator does about each cause. `{pf}` and `{bond}` stand for their names."""


def fix(cause: Cause, pf: str, bond: str) -> str:
    """Return what to do about a cause, with the names of the PF and its bond filled in."""
    return FIXES[cause].format(pf=pf, bond=bond)


def named(text: str | None) -> Cause | None:
    """Return the cause whose value is `text`, None if there is none."""
    return next((each for each in Cause if each.value == text), None)


def cause_of(pf: PhysicalFunction, told: Cause | None = None) -> Cause | None:
    """Return why LACP is down on a PF that is ready, None if it is up.

    A fact that was not read (`lacpdus_received`, `link_settings`) excludes the causes that it would prove.
    `told` is the cause that the service knows of. One look cannot show EARLY_DETECTION, BFD_TIMEOUT and
    SLOW_PARTNER, so these count unless the look contradicts them.
    """
    port, master = pf.port, pf.master
    if pf.lacp_up:
        return told if told in (Cause.EARLY_DETECTION, Cause.BFD_TIMEOUT) else None
    if not pf.up:
        return Cause.PF_DOWN
    if not pf.carrier:
        return Cause.NO_CARRIER
    if master is not None and not master.up:
        return Cause.BOND_DOWN
    expired = port is not None and bool(port.actor & PortState.EXPIRED)
    if pf.link_settings is not None and not expired:  # a port that has expired ran LACP until then
        if pf.link_settings.speed is None or pf.link_settings.duplex not in ("full", "half"):
            return Cause.SPEED_UNKNOWN
        if pf.link_settings.duplex == "half":
            return Cause.HALF_DUPLEX
    if port is None:
        return Cause.NOT_AGREED
    if master is not None and master.lacp_active is False and _waits_for_us(port.partner):
        return Cause.PASSIVE
    if port.actor & lacp.FAILED:
        return _silence(port.actor, pf.lacpdus_received, told)
    return _disagreement(port.actor, port.partner)


def _waits_for_us(partner: PortState) -> bool:
    """Tell whether the partner waits for our LACPDUs: it is passive, not known, or does not hear us."""
    return not partner & PortState.ACTIVITY or bool(partner & lacp.FAILED)


def _silence(actor: PortState, received: int | None, told: Cause | None) -> Cause:
    if received == 0:
        return Cause.NEVER_HEARD
    # When carrier comes or the bond is set up, a port starts as both, or as Defaulted and not in sync.
    if actor & lacp.FAILED == lacp.FAILED or not actor & (PortState.EXPIRED | PortState.SYNCHRONIZATION):
        return Cause.NOT_AGREED
    return Cause.SLOW_PARTNER if told is Cause.SLOW_PARTNER else Cause.SILENT


def _disagreement(actor: PortState, partner: PortState) -> Cause:
    """Return why two ends that exchange LACPDUs do not agree."""
    if partner & lacp.FAILED:
        return Cause.NOT_HEARD
    if not partner & PortState.AGGREGATION:
        return Cause.INDIVIDUAL
    if actor & PortState.SYNCHRONIZATION:
        # The bonding driver also clears the partner's Synchronization if the partner means another port.
        if not partner & PortState.SYNCHRONIZATION:
            return Cause.OTHER_AGGREGATOR
        if partner & _CARRIES != _CARRIES:
            return Cause.NOT_CARRYING
    return Cause.NOT_AGREED


SETTLED_S = 10.0
"""Seconds for which another cause must hold before it is logged: LACP passes through some on its way up."""


class Told(NamedTuple):
    """What was logged of an outage: `cause`, and the cause that the look alone `showed` at that time.

    `shows` is the cause that the last look alone shows, `since` when that began (monotonic seconds).
    """

    cause: Cause
    showed: Cause
    shows: Cause
    since: float

    def is_settled(self, now: float) -> bool:
        """Tell whether looks have shown another cause for long enough to log it."""
        return self.shows is not self.showed and now - self.since >= SETTLED_S


class Heard(NamedTuple):
    """How many LACPDUs the port had `received` when LACP went down. `at` is that time (monotonic seconds)."""

    at: float
    received: int


_SLOW_S = (15.0, 60.0)  # between two LACPDUs at the slow rate there are 30 s
_DOWNS = 3


def remember(heard: tuple[Heard, ...], now: float, received: int | None) -> tuple[Heard, ...]:
    """Return the last times that LACP went down, with this one; none where LACPDUs are not counted."""
    return () if received is None else (*heard, Heard(now, received))[-_DOWNS:]


def sends_slowly(heard: tuple[Heard, ...]) -> bool:
    """Tell whether the partner sends at the slow rate although the port expects LACPDUs at the fast one.

    Each LACPDU then brings LACP up for 3 s, after which the port expires. The seconds for each LACPDU between
    the last times that LACP went down show it: once may be a coincidence, twice in a row counts.
    """
    if len(heard) < _DOWNS:
        return False
    pairs = zip(heard, heard[1:])
    gaps = [(after.at - before.at, after.received - before.received) for before, after in pairs]
    return all(number > 0 and _SLOW_S[0] <= seconds / number <= _SLOW_S[1] for seconds, number in gaps)
