"""The two netlink sockets of the service. If one fails, both open again: at once, then each second."""

from __future__ import annotations

from pf_status_relay.core.events import Event, NetlinkFailed, NetlinkReopened
from pf_status_relay.kernel.event_socket import LinkEvents
from pf_status_relay.kernel.request_socket import RequestSocket
from pf_status_relay.text import reason_of

REOPEN_S = 1.0
"""Seconds between attempts to open the sockets; the first attempt is made at once."""


class Netlink:
    """Both sockets. `failing`: they have failed since they last worked."""

    def __init__(self) -> None:
        self.failing = False
        self._error = ""
        self._told = False
        self._requests: RequestSocket | None = None
        self._link_events: LinkEvents | None = None

    def open(self) -> tuple[RequestSocket, LinkEvents]:
        """Open the sockets that are not open, and return both. Raises OSError."""
        if self._requests is None:
            self._requests = RequestSocket()
        if self._link_events is None:
            self._link_events = LinkEvents()
        return self._requests, self._link_events

    def on_failure(self, error: OSError) -> tuple[Event, ...]:
        """Close the sockets. Return the events to log: a failure that opening them again did not end."""
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
        """Record that the sockets work. Return the events to log if they failed before."""
        failed, self.failing, self._told = self.failing, False, False
        return (NetlinkReopened(self._error),) if failed else ()
