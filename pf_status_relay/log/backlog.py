"""Events that wait to be written. The reader of the log may be slow, hang or be gone: relaying goes on.

A separate thread writes the events, in order. If more than LIMIT events wait, further ones are only counted.
When the thread has caught up, one event says how many are missing there.
"""

from __future__ import annotations

import errno
import threading
from collections import deque
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Callable

from pf_status_relay.core.events import Event, LogEventsLost

Write = Callable[[Event, datetime], None]
"""A function that writes an event and the time of logging. It may block, but must release the GIL.

Raises OSError if the event is not written.
"""

LIMIT = 10_000
"""Maximum number of events kept: an outage of 64 PFs with 128 VFs each. They take some megabytes."""

WRITE_AGAIN_S = 1.0
"""Seconds between attempts to write an event."""

_NEVER_WRITTEN = (errno.EMSGSIZE, errno.EPIPE, errno.EBADF)  # these fail however often it is tried


class Backlog:
    """A queue that takes events, oldest first, and never waits or fails. `close` ends it."""

    def __init__(self, write: Write) -> None:
        self._write = write
        self._waiting: deque[tuple[Event, datetime]] = deque()
        self._lost = 0
        self._closing = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def __call__(self, events: Sequence[Event]) -> None:
        """Keep events for the thread to write, or only count them if too many wait."""
        now = datetime.now(timezone.utc)
        with self._changed:
            for event in events:
                # Once one is lost, the next are too: so the gap is in one place, and is logged there.
                if self._lost or len(self._waiting) >= LIMIT:
                    self._lost += 1
                else:
                    self._waiting.append((event, now))
            self._changed.notify()

    def close(self, within_s: float) -> None:
        """Wait until all events are written, for at most `within_s` seconds, and take no more."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(within_s)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._lost or self._closing)
                if self._waiting:
                    event, time = self._waiting.popleft()
                elif self._lost:
                    event, time = LogEventsLost(self._lost), datetime.now(timezone.utc)
                    self._lost = 0
                else:
                    return
            while not self._written(event, time):
                with self._changed:
                    if self._changed.wait_for(lambda: self._closing, WRITE_AGAIN_S):
                        return

    def _written(self, event: Event, time: datetime) -> bool:
        """Write an event. Return False if it is worth another attempt."""
        try:
            self._write(event, time)
        except OSError as error:
            return error.errno in _NEVER_WRITTEN
        return True
