"""When to list the VFs of a PF again, where listing them takes long.

Most drivers list VFs from memory. Some ask their firmware for each VF (sfc), and ice in a reset waits
0.8 s for each, under the kernel's RTNL lock. With such drivers the service reads the port state without the
list, and takes the VFs to be as the last list had them. The price: an `enable` that somebody set since then
is overwritten when LACP goes down. This lasts for at most OLDEST_S, and only with slow drivers.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from pf_status_relay.core.facts import PhysicalFunction, VirtualFunction

SLOW_S = 0.05
"""Seconds: a read with the list that takes as long or longer counts as slow."""

OLDEST_S = 30.0
"""Maximum seconds from the end of one read of the list to the next."""

MISSING_S = 0.5
"""Maximum seconds between reads of the list while VFs are missing from it, as in a reset. They come back, in
auto or as they were, without an event."""

RESET_S = 60.0
"""Maximum seconds of a reset. VFs that are missing for longer are no reason to hurry."""

_SHARE = 0.03  # the share of the time that listing may take
_NO_CHANCE_S = 1.0  # a read that takes longer is not slow by chance: no process waits that long for a CPU


@dataclass(frozen=True)
class VfListing:
    """The list of a PF's VFs as last read, updated by what was written since.

    `slow_s`: seconds that listing takes, 0 while it is quick. In monotonic seconds: `due`, when to read the
    list again, and `missing_since`, since when VFs have been missing from it (0 if none is).
    """

    ifindex: int = 0
    vf_count: int = 0
    vfs_listed: int = 0
    vfs: tuple[VirtualFunction, ...] = ()
    took_s: float = 0.0
    slow_s: float = 0.0
    due: float = 0.0
    missing_since: float = 0.0

    def read(self, pf: PhysicalFunction, now: float, took_s: float) -> VfListing:
        """Return the listing after a read at `now` that took `took_s`. One read may be slow by chance."""
        slow_s = took_s if took_s >= _NO_CHANCE_S else min(took_s, self.took_s)
        slow_s = slow_s if slow_s >= SLOW_S else 0.0
        pause_s = min(slow_s / _SHARE, OLDEST_S)
        missing_since = (self.missing_since or now) if pf.vfs_missing else 0.0
        if missing_since and now - missing_since < RESET_S:
            pause_s = min(pause_s, MISSING_S)
        due = now + pause_s
        return VfListing(pf.ifindex, pf.vf_count, pf.vfs_listed, pf.vfs, took_s, slow_s, due, missing_since)

    def wrote(self, vfs: Iterable[VirtualFunction]) -> VfListing:
        """Return the listing after writes that the driver accepted."""
        states = {vf.id: vf for vf in vfs}
        return replace(self, vfs=tuple(states.get(vf.id, vf) for vf in self.vfs))

    def soon(self) -> VfListing:
        """Return the listing, due at the next look."""
        return replace(self, due=0.0)

    def added_to(self, pf: PhysicalFunction) -> PhysicalFunction:
        """Return a PF that was read without its VFs, with the VFs of this list."""
        return replace(pf, vf_count=self.vf_count, vfs_listed=self.vfs_listed, vfs=self.vfs)
