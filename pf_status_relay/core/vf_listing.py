"""When the VFs of a PF are listed again, where listing them takes long.

Most drivers list VFs from memory. Some ask their firmware for each VF (sfc), and ice in a reset waits
0.8 s for each, under the kernel's RTNL lock. There the port state is read without the list, and the VFs
are taken to be as the last list had them. The price: an `enable` that somebody set since then is
overwritten when LACP goes down. Its bound is OLDEST_S, and only slow drivers pay it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from pf_status_relay.core.facts import PhysicalFunction, VirtualFunction

SLOW_S = 0.05
"""Seconds from which on a read with the list counts as slow."""

OLDEST_S = 30.0
"""Seconds after which the list is read again at the latest, counted from the end of the last read."""

MISSING_S = 0.5
"""Seconds after which it is read again while VFs are missing in it, as in a reset: they come back in auto or
as they were, without an event."""

RESET_S = 60.0
"""Seconds for which a reset lasts at the most. VFs that are missing for longer are no reason to hurry."""

_SHARE = 0.03  # of the time, that listing may take
_NO_CHANCE_S = 1.0  # a process that waits for a CPU does not wait so long


@dataclass(frozen=True)
class VfListing:
    """The list of a PF's VFs as it was last read, with what has been written since.

    `slow_s`: seconds that the last read took, 0 while listing is quick. `due`, and `missing_since`, from when
    on VFs were missing in the list (0 if none is): monotonic seconds.
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
        """Take in a list that was read at `now` and took so long. One read may be slow by chance."""
        slow_s = took_s if took_s >= _NO_CHANCE_S else min(took_s, self.took_s)
        slow_s = slow_s if slow_s >= SLOW_S else 0.0
        pause_s = min(slow_s / _SHARE, OLDEST_S)
        missing_since = (self.missing_since or now) if pf.vfs_missing else 0.0
        if missing_since and now - missing_since < RESET_S:
            pause_s = min(pause_s, MISSING_S)
        due = now + pause_s
        return VfListing(pf.ifindex, pf.vf_count, pf.vfs_listed, pf.vfs, took_s, slow_s, due, missing_since)

    def wrote(self, vfs: Iterable[VirtualFunction]) -> VfListing:
        """Take in link states that the driver took."""
        states = {vf.id: vf for vf in vfs}
        return replace(self, vfs=tuple(states.get(vf.id, vf) for vf in self.vfs))

    def soon(self) -> VfListing:
        """Have the list read at the next look."""
        return replace(self, due=0.0)

    def added_to(self, pf: PhysicalFunction) -> PhysicalFunction:
        """Return a PF that was read without its VFs, with these."""
        return replace(pf, vf_count=self.vf_count, vfs_listed=self.vfs_listed, vfs=self.vfs)
