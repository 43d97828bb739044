"""Waiting in the guest's time. A loop that only looks at the clock would stop virtual time; this sleeps."""

from __future__ import annotations

import time
from collections.abc import Callable

POLL = 0.010
"""Seconds between two looks at a condition."""


def wait_until(
    condition: Callable[[], object], *, within: float, what: str | Callable[[], str], poll: float = POLL
) -> float:
    """Waits until `condition()` is true and returns how many seconds that took.

    Fails if it has not become true `within` this many seconds; `what` then says what was waited for, and
    may be a function that describes what was found instead.

    `poll` is the time between two looks, in seconds. Looking costs real time even where it costs no virtual
    time: for a condition that runs a command (systemctl: 20 ms) 0.25 is a good value.
    """
    start = time.monotonic()
    while not condition():
        if time.monotonic() - start >= within:
            raise AssertionError(f"waited {within:g} s in vain for: {what() if callable(what) else what}")
        time.sleep(poll)
    return time.monotonic() - start
