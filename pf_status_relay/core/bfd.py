"""BFD: what FRR's sessions say about the path from a PF to its switch (RFC 5880). Pure, as decision.py is.

A detection timeout is strong evidence that the path is dead, but no proof: a process that gets no CPU, or a
switch that limits the packets it accepts, looks the same. The law, for the sessions on the bond of a PF that
is in a redundancy group:

    a session ...                                             the PF ...
    was seen up, and goes down by a detection timeout         counts as down, HOLD_S later
    ... and is up again before that                           is left to LACP
    ... as do all PFs of its group that BFD watches, within   is left to LACP, until the session is up again
        COMMON_S, while LACP is up on all of them
    goes down for any other reason                            is left to LACP
    has not been seen up, or FRR has it no longer             is left to LACP
    cannot be known, as bfdd is not connected                 is left to LACP
    is up                                                     is left to LACP

So a session never opens a PF: VFs return when LACP is up and no session of the PF is down by a timeout.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum, IntEnum
from typing import NamedTuple

from pf_status_relay.core.events import BfdProvesNothing, BfdTimedOut, BfdUp, Event

HOLD_S = 0.1
"""Seconds for which a session must be down before it counts. A bfdd that got no CPU first reports its
sessions as timed out, one by one. It reports them up some 50 ms later: the neighbour's packets had waited."""

COMMON_S = 1.0
"""Seconds within which the sessions of all PFs time out if the host is at fault, and not the switches."""

PAUSE_S = 10.0
"""Minimum seconds between two events about a session that proves nothing."""


class State(Enum):
    """The state of a session (RFC 5880, 4.1). The value is FRR's word for it."""

    ADMIN_DOWN = "adm-down"
    DOWN = "down"
    INIT = "init"
    UP = "up"


class Diagnostic(IntEnum):
    """Why our end of a session went down last (RFC 5880, 4.1)."""

    NONE = 0
    DETECTION_TIMEOUT = 1
    ECHO_FAILED = 2
    SIGNALLED_BY_NEIGHBOUR = 3
    FORWARDING_RESET = 4
    PATH_DOWN = 5
    CONCATENATED_PATH_DOWN = 6
    ADMINISTRATIVELY_DOWN = 7
    REVERSE_CONCATENATED_PATH_DOWN = 8

    def __str__(self) -> str:
        return self.name.lower().replace("_", " ")


class Standing(Enum):
    """What a session says of the path. The value is what `status` calls it."""

    UP = "up"
    TIMED_OUT = "timed out"
    IGNORED = "timed out with all others"
    ENDED = "ended"
    NEVER_UP = "not up yet"
    UNKNOWN = "unknown"

    def __str__(self) -> str:
        return self.value


class Peer(NamedTuple):
    """What names a session: the neighbour's `address`, and the `interface` in FRR's configuration."""

    interface: str
    address: str


class Told(NamedTuple):
    """What bfdd reports of a session.

    `number` is our discriminator: a session that is created again has another one.
    `diagnostic` is why it went down last, a Diagnostic or another number.
    """

    peer: Peer
    state: State
    number: int
    diagnostic: int


class Session(NamedTuple):
    """What is known of a session. `since` (monotonic seconds) is when `standing` began.

    `reason` says, for a person, why the session ended.
    """

    peer: Peer
    number: int
    standing: Standing
    since: float
    reason: str = ""


Sessions = tuple[Session, ...]
"""The sessions on the bond of one PF, sorted by peer."""


class LoggedSession(NamedTuple):
    """The session as it was last logged, and when that was (monotonic seconds)."""

    session: Session
    at: float


Logged = tuple[LoggedSession, ...]
"""The sessions of one PF as they were last logged."""


def heard(before: Session | None, told: Told, now: float) -> Session:
    """Return what is known of a session after bfdd's report at `now`; `before` is None for a new one.

    The diagnostic is that of the last time the session went down, which can be long ago. So it counts only if
    the session was up in the report before.
    """
    if before is not None and before.number != told.number:
        before = None
    standing, reason = Standing.NEVER_UP, ""
    if told.state is State.UP:
        standing = Standing.UP
    elif told.state is State.ADMIN_DOWN:
        standing, reason = Standing.ENDED, "it is administratively down"
    elif before is not None and before.standing is Standing.UP:
        standing, reason = _went_down(told.diagnostic)
    elif before is not None and before.standing is not Standing.UNKNOWN:
        return before
    if before is not None and (before.standing, before.reason) == (standing, reason):
        return before
    return Session(told.peer, told.number, standing, now, reason)


def _went_down(diagnostic: int) -> tuple[Standing, str]:
    if diagnostic == Diagnostic.DETECTION_TIMEOUT:
        return Standing.TIMED_OUT, ""
    try:
        named = str(Diagnostic(diagnostic))
    except ValueError:
        named = f"diagnostic {diagnostic}"
    return Standing.ENDED, f"it went down: {named}"


def timed_out(sessions: Sessions, now: float) -> bool:
    """Tell whether the PF counts as down at `now`: one of its sessions is down by a detection timeout."""
    return any(each.standing is Standing.TIMED_OUT and not _is_held(each, now) for each in sessions)


def held_for_s(sessions: Sessions, now: float) -> float | None:
    """Return the seconds until a timeout begins to count, None if there is none to wait for."""
    held = [each.since + HOLD_S - now for each in sessions if _is_held(each, now)]
    return min(held, default=None)


def _is_held(session: Session, now: float) -> bool:
    return session.standing is Standing.TIMED_OUT and now < session.since + HOLD_S


def is_common(group: Iterable[tuple[Sessions, bool]]) -> bool:
    """Tell whether all PFs of a group that BFD watches timed out together while LACP is up on them.

    Each PF is given by its sessions, and by whether its port state says that LACP is up. BFD must watch at
    least two PFs.
    """
    watched = [
        ([each.since for each in sessions if each.standing is Standing.TIMED_OUT], lacp_up)
        for sessions, lacp_up in group
        if any(each.standing in (Standing.UP, Standing.TIMED_OUT) for each in sessions)
    ]
    if len(watched) < 2 or not all(since and lacp_up for since, lacp_up in watched):
        return False
    began = [min(since) for since, _ in watched]
    return max(began) - min(began) <= COMMON_S


def session_events(interface: str, before: Logged, after: Sessions, now: float) -> tuple[list[Event], Logged]:
    """Return the events to log for the sessions at a look at a ready PF, and each session as then logged.

    A change by which the PF counts as down, or no longer does, is logged at once. Other changes of a session
    are logged at most once in PAUSE_S: some sessions flap for hours, several times a second. An unknown
    session is not logged: the log says once that bfdd is not connected.
    """
    earlier = {each.session.peer: each for each in before}
    events: list[Event] = []
    logged: list[LoggedSession] = []
    for each in after:
        known = earlier.pop(each.peer, None)
        if known is None or _is_news(known, each, now):
            events += _event(interface, each)
            known = LoggedSession(each, now)
        logged.append(known)
    for known in earlier.values():
        if known.session.standing in (Standing.UP, Standing.TIMED_OUT):
            address = known.session.peer.address
            events.append(BfdProvesNothing(interface, address, "FRR has the session no longer"))
    return events, tuple(logged)


def _is_news(known: LoggedSession, session: Session, now: float) -> bool:
    before = known.session
    if (before.standing, before.reason) == (session.standing, session.reason) or _is_held(session, now):
        return False
    urgent = (Standing.TIMED_OUT, Standing.IGNORED)
    return before.standing in urgent or session.standing in urgent or now - known.at >= PAUSE_S


def _event(interface: str, session: Session) -> list[Event]:
    peer = session.peer.address
    if session.standing is Standing.UP:
        return [BfdUp(interface, peer)]
    if session.standing is Standing.TIMED_OUT:
        return [BfdTimedOut(interface, peer)]
    if session.standing is Standing.UNKNOWN:
        return []
    return [BfdProvesNothing(interface, peer, _REASONS.get(session.standing, session.reason))]


_REASONS = {
    Standing.NEVER_UP: "it has not been up yet",
    Standing.IGNORED: "all PFs of the redundancy group timed out at once while LACP is up on them",
}
