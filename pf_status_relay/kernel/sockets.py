"""The two netlink sockets of the service. When one fails, open both again: at once, then once a second."""

from __future__ import annotations

from pf_status_relay.core.events import Event, NetlinkFailed, NetlinkReopened
from pf_status_relay.kernel.event_socket import LinkEvents
from pf_status_relay.kernel.request_socket import RequestSocket
from pf_status_relay.text import reason_of

REOPEN_S = 1.0
"""Seconds between attempts to open the sockets, from the second on."""


class Netlink:
    """Both sockets. `failing` tells whether they have failed since they last worked."""

    def __init__(self) -> None:
        self.failing = False
        self._error = ""
        self._told = False
        self._requests: RequestSocket | None = None
        self._link_events: LinkEvents | None = None

    def open(self) -> tuple[RequestSocket, LinkEvents]:
        """Return the sockets, opened if they are not. Raises OSError."""
        if self._requests is None:
            self._requests = RequestSocket()
        if self._link_events is None:
            self._link_events = LinkEvents()
        return self._requests, self._link_events

    def on_failure(self, error: OSError) -> tuple[Event, ...]:
        """Drop the sockets; return what is to be logged: a failure that opening them again did not cure."""
        for socket in (self._requests, self._link_events):
            if socket is not None:
                socket.close()
        self._requests = None
        self._link_events = None
        if not self.failing:
            self.failing = True
            self._error = reason_of(error)
            return ()
        if self._told:
            return ()
        self._told = True
        return (NetlinkFailed(reason_of(error)),)

    def on_success(self) -> tuple[Event, ...]:
        """Take in that the sockets work, and return what is to be logged: that they did not before."""
        failed, self.failing, self._told = self.failing, False, False
        return (NetlinkReopened(self._error),) if failed else ()
