"""Writing to the journal, by systemd-python, without blocking the process while journald hangs.

systemd-python's sendv keeps the interpreter's lock while journald's queue is full, so that every thread of
the process waits. So sendv is called only when the queue has room. poll(2) waits for that, and lets the other
threads run.
"""

from __future__ import annotations

import errno
import os
import select
import socket
from collections.abc import Mapping
from typing import Callable

SOCKET = "/run/systemd/journal/socket"
"""The socket on which journald listens."""

WAIT_S = 1.0
"""Maximum seconds to wait for room in journald's queue."""


def sender() -> Callable[[Mapping[str, str]], None]:
    """Return a function that sends one entry, given by its fields.

    The function raises OSError if journald is not there, or its queue stays full. Raises ImportError if
    systemd-python is not installed.
    """
    from systemd.journal import sendv  # imported here: the library is not installed everywhere

    def send(fields: Mapping[str, str]) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe:
            probe.connect(SOCKET)
            poller = select.poll()
            poller.register(probe, select.POLLOUT)
            if not poller.poll(WAIT_S * 1000):
                raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        sendv(*(f"{name}={value}" for name, value in fields.items()))

    return send
