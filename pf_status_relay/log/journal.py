"""The journal, by systemd-python, without waiting for a journald that hangs.

systemd-python's sendv keeps the interpreter's lock while journald's queue is full, so that every thread of
the process waits. It is therefore called only when there is room; to wait for that is left to poll(2), which
lets the other threads run.
"""

from __future__ import annotations

import errno
import os
import select
import socket
from collections.abc import Mapping
from typing import Callable

SOCKET = "/run/systemd/journal/socket"
"""Where journald listens."""

WAIT_S = 1.0
"""Seconds to wait for room in journald's queue."""


def sender() -> Callable[[Mapping[str, str]], None]:
    """Return what sends one entry, given by its fields.

    It raises OSError if journald is not there, or its queue stays full. Raises ImportError if systemd-python
    is not installed.
    """
    from systemd.journal import sendv  # only here: the library is not everywhere

    def send(fields: Mapping[str, str]) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe:
            probe.connect(SOCKET)
            poller = select.poll()
            poller.register(probe, select.POLLOUT)
            if not poller.poll(WAIT_S * 1000):
                raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        sendv(*(f"{name}={value}" for name, value in fields.items()))

    return send
