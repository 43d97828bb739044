"""The host's BFD sessions as FRR's bfdd reports them; core/bfd.py says what they mean."""

from __future__ import annotations

from collections.abc import Collection
from typing import Callable

from pf_status_relay.core import bfd
from pf_status_relay.core.bfd import Peer, Session, Sessions, Standing, Told
from pf_status_relay.core.events import BfddConnected, BfddNotConnected, Event
from pf_status_relay.frr.bfd_socket import BfdSocket
from pf_status_relay.text import reason_of

_NEVER = float("inf")

CONNECT_S = 5.0
"""Seconds between attempts to connect to bfdd."""

ASK_S = 5.0
"""Seconds between requests for all sessions while one of them is down by a timeout.

bfdd does not report that such a session was removed (FRR 8.4, bfdd/bfd.c, ptm_bfd_sess_dn).
"""

MAX_SESSIONS = 4096
"""Maximum number of sessions, more than a host has. A process that reports more is not bfdd."""


class Bfd:
    """Keeps what is known of each session. Without a path there are no sessions, and it does nothing.

    `clock` returns monotonic seconds.
    """

    def __init__(self, path: str | None, clock: Callable[[], float]) -> None:
        self.path = path
        self._clock = clock
        self._socket: BfdSocket | None = None
        self._due = _NEVER if path is None else 0.0
        self._error = ""
        self._connected = False  # bfdd has answered
        self._answered = False  # since the last request
        self._sessions: dict[Peer, Session] = {}
        self._not_told: set[Peer] = set()  # since the last request

    def sources(self) -> list[BfdSocket]:
        """Return the sockets to wait for."""
        return [] if self._socket is None else [self._socket]

    def due(self) -> float:
        """Return the monotonic time in seconds at which to look even if nothing can be read."""
        if self._socket is None or self._has_to_ask():
            return self._due
        return _NEVER

    def close(self) -> None:
        """Close the connection."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def look(self) -> list[Event]:
        """Read what bfdd sent; connect to it, or ask it again, if that is due. Return the events to log."""
        if self.path is None:
            return []
        events: list[Event] = []
        now = self._clock()
        try:
            if self._socket is None:
                if now < self._due:
                    return []
                self._socket = BfdSocket(self.path)
                self._asked(now)
            for message in self._socket.receive():
                if isinstance(message, Told):
                    self._hear(message, now)
                    continue
                self._answered = True
                if not self._connected:
                    self._connected, self._error = True, ""
                    events.append(BfddConnected(self.path))
            if self._due <= now and self._has_to_ask():
                self._ask_again(self._socket, now)
        except OSError as error:
            events += self._lost(self.path, reason_of(error), now)
        return events

    def of(self, bond: str) -> Sessions:
        """Return the sessions on a bond, sorted by peer."""
        return tuple(sorted(each for peer, each in self._sessions.items() if peer.interface == bond))

    def ignore(self, bonds: Collection[str]) -> None:
        """Let LACP alone decide for these bonds until their sessions are up again: all timed out at once."""
        for peer, each in self._sessions.items():
            if peer.interface in bonds and each.standing is Standing.TIMED_OUT:
                self._sessions[peer] = each._replace(standing=Standing.IGNORED)

    def _hear(self, told: Told, now: float) -> None:
        self._sessions[told.peer] = bfd.heard(self._sessions.get(told.peer), told, now)
        self._not_told.discard(told.peer)
        if len(self._sessions) > MAX_SESSIONS:
            raise OSError("bfdd is not understood: it has too many sessions")

    def _asked(self, now: float) -> None:
        self._due = now + ASK_S
        self._answered = False
        self._not_told = set(self._sessions)

    def _has_to_ask(self) -> bool:
        """Tell whether bfdd answered the last request, and FRR may have removed sessions."""
        return self._answered and (bool(self._not_told) or self._any_timed_out())

    def _any_timed_out(self) -> bool:
        return any(each.standing is Standing.TIMED_OUT for each in self._sessions.values())

    def _ask_again(self, connection: BfdSocket, now: float) -> None:
        """Forget the sessions that the answer lacked, and ask again if one is down by a timeout."""
        for peer in self._not_told:
            self._sessions.pop(peer, None)
        self._not_told = set()
        if self._any_timed_out():
            connection.ask()
            self._asked(now)

    def _lost(self, path: str, error: str, now: float) -> list[Event]:
        """Record that there is no connection. Return an event unless the same error was reported before."""
        self.close()
        self._due = now + CONNECT_S
        self._connected = False
        for peer, each in self._sessions.items():
            self._sessions[peer] = each._replace(standing=Standing.UNKNOWN, since=now, reason="")
        before, self._error = self._error, error
        return [] if error == before else [BfddNotConnected(path, error)]
