"""Link events, by rtnetlink(7): that a link changed, and which PF that concerns."""

from __future__ import annotations

import errno
import socket
import struct
from typing import NamedTuple

from pf_status_relay.kernel import decode, event_filter, messages

_SO_RCVBUFFORCE = 33
_RTMGRP_LINK = 1
_MASTER_ATTRIBUTE = struct.Struct("=HHI")

_EVENT_BYTES = 64 << 10  # events come without the VF list; the beginning of a longer one is enough
_QUEUE_BYTES = 4 << 20
_EVENTS_PER_DRAIN = 1000  # then come the looks at PFs, however many events are left


class Affected(NamedTuple):
    """What an event means for a configured interface: look at it, and at its master if `master`."""

    interface: str
    master: bool = False


class Watched(NamedTuple):
    """Which events concern which PF.

    `interfaces` are by ifindex; `masters`, for events of their ports, by the master's ifindex; `names` by
    name or alternative name.
    """

    interfaces: dict[int, set[Affected]]
    masters: dict[int, set[Affected]]
    names: dict[str, set[Affected]]


class LinkEvents:
    """A socket that receives link events. An event only says which PF to look at again."""

    def __init__(self) -> None:
        self._watched = Watched({}, {}, {})
        self._by_content: dict[bytes, set[Affected]] = {}
        self._heard: frozenset[tuple[str, int]] | None = None  # what the filter lets through, None: all
        self._socket = open_route_socket(groups=_RTMGRP_LINK)
        self._buffer = bytearray(_EVENT_BYTES)
        self._socket.setblocking(False)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _QUEUE_BYTES)
        except PermissionError:  # without CAP_NET_ADMIN, as in a dry run: overruns come sooner
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _QUEUE_BYTES)

    def fileno(self) -> int:
        """Return the descriptor to wait on."""
        return self._socket.fileno()

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def watch(self, watched: Watched) -> bool:
        """Subscribe to events about `watched`. Return True if the filter widened.

        Earlier events about what is new may then have been missed. Raises OSError if the socket is unusable.
        """
        self._watched = watched
        self._by_content = {name_content(name): those for name, those in watched.names.items()}
        self._by_content.update((master_attribute(index), those) for index, those in watched.masters.items())
        before, self._heard = self._heard, self._to_be_heard()
        if self._heard is None:
            if before is not None:
                event_filter.remove(self._socket)
            return before is not None
        if self._heard != before:
            event_filter.attach(self._socket, watched.interfaces, watched.masters)
        return before is not None and not self._heard <= before

    def _to_be_heard(self) -> frozenset[tuple[str, int]] | None:
        """Return the interfaces and masters for a filter, None if a filter cannot select the events.

        An interface that is awaited by its name has no ifindex yet.
        """
        count = len(self._watched.interfaces) + len(self._watched.masters)
        if self._watched.names or count > event_filter.MAX_NUMBERS:
            return None
        return frozenset(
            [
                *(("of", index) for index in self._watched.interfaces),
                *(("port of", index) for index in self._watched.masters),
            ]
        )

    def drain(self) -> tuple[set[Affected], bool]:
        """Read the events that have come.

        Returns which of the watched PFs they concern, and whether events were lost. Raises OSError if the
        socket is unusable.
        """
        affected: set[Affected] = set()
        for _ in range(_EVENTS_PER_DRAIN):
            try:
                size, sender = self._socket.recvfrom_into(self._buffer)
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno == errno.ENOBUFS:
                    return affected, True
                raise
            # Besides the kernel, only a process with CAP_NET_ADMIN here can send to this socket.
            if sender[0] != 0 or size < decode.HEADER_BYTES:
                continue
            message = bytes(self._buffer[:size])
            its_own = self._watched.interfaces.get(decode.ifindex_of(message), set())
            affected |= its_own
            names = {each.interface for each in its_own}
            for content, those in self._by_content.items():
                if content in message:
                    affected |= {each for each in those if each.interface not in names}
        return affected, False


def name_content(name: str) -> bytes:
    """Return the bytes that a link message about an interface of this name or altname holds."""
    return name.encode() + b"\0"


def master_attribute(ifindex: int) -> bytes:
    """Return the bytes that a link message about a port of this master holds."""
    return _MASTER_ATTRIBUTE.pack(_MASTER_ATTRIBUTE.size, messages.IFLA_MASTER, ifindex)


def open_route_socket(groups: int = 0) -> socket.socket:
    """Open an rtnetlink socket that receives these multicast groups (RTMGRP_*). Raises OSError."""
    opened = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
    try:
        opened.bind((0, groups))
    except OSError:
        opened.close()
        raise
    return opened
