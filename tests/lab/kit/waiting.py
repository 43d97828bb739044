"""Waiting in the guest's time. A loop that only looks at the clock would stop virtual time; this sleeps."""

from __future__ import annotations

import time
from collections.abc import Callable

POLL = 0.010
"""Seconds between two looks at a condition."""

LOSS_S = 6.0
"""Until LACP has noticed a silent switch. It takes three seconds; this is twice that."""
RECOVERY_S = 60.0
"""Until LACP is up again. It takes half a minute if both ends have defaulted."""
ANNOUNCED_S = 0.3
"""Until the relay has acted on what the kernel announces, which it does up to 200 ms late."""
POLL_S = 1.1
"""Until the relay has polled: its default interval, and one look of the recorder or two."""
NOTICED_S = 1.2
"""Until the relay has acted on what the kernel does not announce."""


def wait_until(
    condition: Callable[[], object], *, within: float, what: str | Callable[[], str], poll: float = POLL
) -> float:
    """Wait until `condition()` is true and return how many seconds that took.

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
