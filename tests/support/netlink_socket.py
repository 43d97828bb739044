"""A netlink socket whose kernel is the test, and the answers that such a kernel gives."""

from __future__ import annotations

import errno
import struct
from collections.abc import Sequence
from typing import Callable, Union

from tests.support import rtnetlink as nl

Answer = Union[bytes, OSError, Callable[[int], bytes]]
"""A datagram, the failure of a call, or a datagram for the sequence number of the last request."""


class NetlinkSocket:
    """A netlink socket whose kernel is the test."""

    def __init__(self) -> None:
        self.requests: list[bytes] = []
        self.answers: list[Answer] = []
        self.options: dict[int, object] = {}
        self.sender = 0  # the kernel's port
        self.flags = 0
        self.forced_buffers = True
        self.bound: tuple[int, int] | None = None
        self.bind_error: OSError | None = None
        self.closed = False

    def setsockopt(self, level: int, option: int, value: object) -> None:
        """Set an option. SO_RCVBUFFORCE fails without `forced_buffers`, as for a user other than root."""
        if option == nl.SO_RCVBUFFORCE and not self.forced_buffers:
            raise PermissionError(errno.EPERM, "Operation not permitted")
        self.options[option] = value

    def setblocking(self, blocking: bool) -> None:
        """Do nothing: the test decides whether an answer is there."""

    def bind(self, address: tuple[int, int]) -> None:
        """Bind to port and groups."""
        if self.bind_error:
            raise self.bind_error
        self.bound = address

    def fileno(self) -> int:
        """Return a descriptor."""
        return 3

    def close(self) -> None:
        """Close the socket."""
        self.closed = True

    def send(self, request: bytes) -> int:
        """Take a request."""
        self.requests.append(bytes(request))
        return len(request)

    def recvfrom_into(self, buffer: bytearray) -> tuple[int, tuple[int, int]]:
        """Fill the buffer with the next answer; return its size and sender."""
        answer: Answer = self.answers.pop(0) if self.answers else BlockingIOError(errno.EAGAIN, "no answer")
        if isinstance(answer, OSError):
            raise answer
        if not isinstance(answer, bytes):
            answer = answer(nl.HEADER.unpack_from(self.requests[-1])[3])
        buffer[: len(answer)] = answer
        return len(answer), (self.sender, 0)

    def recvmsg_into(
        self, buffers: Sequence[bytearray], ancillary: int = 0, flags: int = 0
    ) -> tuple[int, list[object], int, tuple[int, int]]:
        """Fill the buffer with the next answer; return its size, its sender, and whether it was cut."""
        size, sender = self.recvfrom_into(buffers[0])
        return size, [], self.flags, sender


def link(ifindex: int, *inner: bytes, flags: int = 0) -> Answer:
    """Answer with an RTM_NEWLINK."""
    return lambda sequence: nl.link_message(ifindex, *inner, flags=flags, sequence=sequence)


def done(error: int = 0, flags: int = 0) -> Answer:
    """Answer that a list is complete."""
    payload = struct.pack("=i", -error)
    return lambda sequence: nl.netlink(
        nl.NLMSG_DONE, payload, flags=nl.NLM_F_MULTI | flags, sequence=sequence
    )


def error(number: int, said: str = "") -> Answer:
    """Answer with an error."""
    return lambda sequence: nl.error_message(number, said, sequence=sequence)
