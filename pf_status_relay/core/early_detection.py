"""Early detection: how long ago the last LACPDU came, while the port state still reads as up.

LACP declares a partner dead after three missed LACPDUs, which takes three seconds at the fast rate
(IEEE 802.1AX, 6.4.1). A port that has heard one each second until now can know earlier, at the risk
of taking a slow switch for a dead one. Pure; part of decision.py's work.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from pf_status_relay.core import lacp
from pf_status_relay.core.events import EarlyDetectionRefused, Event, LacpLate
from pf_status_relay.core.facts import PhysicalFunction


@dataclass(frozen=True)
class Silence:
    """What one port has heard from its partner.

    `received` is the port's counter of LACPDUs, `since` (monotonic seconds) when a look last saw it
    grow, and `silent_s` how many seconds ago that was. `late`: that is too long, and LACP counts
    as down. `refused` says why the silence cannot be judged, empty if it can.
    """

    received: int | None = None
    since: float | None = None
    silent_s: float = 0.0
    late: bool = False
    refused: str = ""


def observe(before: Silence, pf: PhysicalFunction, now: float, limit_s: float | None) -> Silence:
    """Return the silence after a look at a ready PF. `limit_s`: seconds of silence allowed; None: off.

    The silence begins again whenever the port state does not read as up. So it is measured only on
    a port that was up and heard its partner before.
    """
    if limit_s is None:
        return Silence()
    if not pf.lacp_up:
        return Silence(pf.lacpdus_received, now, refused=before.refused)
    refused = _refused(pf)
    if before.since is None or pf.lacpdus_received != before.received or refused or before.refused:
        return Silence(pf.lacpdus_received, now, refused=refused)
    silent_s = now - before.since
    return replace(before, silent_s=silent_s, late=silent_s >= limit_s)


def silence_events(interface: str, before: Silence, after: Silence) -> list[Event]:
    """Return the events to log for the change from one look to the next."""
    if after.late and not before.late:
        return [LacpLate(interface, round(after.silent_s * 1000))]
    if after.refused and after.refused != before.refused:
        return [EarlyDetectionRefused(interface, after.refused)]
    return []


def _refused(pf: PhysicalFunction) -> str:
    """Return why silence means nothing on a port that is up, an empty string if it does mean something.

    A partner sends each second if the actor asks for the fast rate. The partner must ask for it too,
    so that a misunderstanding between the two cuts no pod off.
    """
    if pf.lacpdus_received is None:
        return "the kernel does not count the LACPDUs of this bond port"
    if pf.port is None or not (lacp.is_fast(pf.port.actor) and lacp.is_fast(pf.port.partner)):
        return "the LACP rate is slow"
    return ""
