"""How many VFs one message to the kernel may set.

The kernel holds its RTNL lock while a driver sets the VFs of a message. All link changes and reads of the
host wait for that lock, those of the other PFs too. Most drivers take microseconds for a VF; i40e resets the
VF for `auto` and takes up to 0.26 s. So a look writes one portion: messages until PORTION_S is used up, and
at least one VF. The rest follows after a look at the other PFs. A driver that is known to be quick gets one
message.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

PORTION_S = 0.05
"""Seconds for which the writes of one look may hold the RTNL lock, unless a single VF takes longer."""

PAUSE_S = 0.003
"""Seconds between two portions, in which others can take the lock."""

SLOW_S = 0.01
"""Seconds for one VF: a driver that takes as long or longer counts as slow."""

_GROWTH = 32
"""Largest ratio of VFs in a message to those in the one before, which may have been quick by chance."""

MOST_VFS = 1024
"""Maximum number of VFs in one message. The 16-bit length of their list holds 4095."""


@dataclass(frozen=True)
class Run:
    """The writes to the VFs of one PF, all to one link state, from the first message until none is left.

    `usual_s`: average seconds for one VF in the run before this, None if there was none. Writes that the
    driver refused count, too.
    """

    usual_s: float | None = None
    vfs: int = 0
    seconds: float = 0.0
    fastest_s: float = float("inf")
    last_vfs: int = 0
    last_s: float = 0.0
    refused: bool = False

    def size(self, due: int, used_s: float) -> int:
        """Return how many of the `due` VFs the next message sets, 0 if this portion ends here.

        `used_s`: seconds that the messages of this portion have taken, 0 before the first.
        """
        if not self.last_vfs:
            quick = self.usual_s is not None and due * self.usual_s <= PORTION_S
            return min(due, MOST_VFS) if quick else 1
        fitting = int((PORTION_S - used_s) / self.last_s) if self.last_s > 0 else due
        if fitting < 1 and used_s > 0:
            return 0
        # A message with a VF that the driver refuses sets only the VFs before it: so one VF a message.
        growing = 1 if self.refused else self.last_vfs * _GROWTH
        return max(1, min(due, fitting, growing, MOST_VFS))

    def took(self, vfs: int, seconds: float, refused: bool) -> Run:
        """Record that a message for `vfs` VFs took `seconds`, and whether the driver refused one of them."""
        each_s = seconds / vfs
        return replace(
            self,
            vfs=self.vfs + (1 if refused else vfs),
            seconds=self.seconds + seconds,
            fastest_s=self.fastest_s if refused else min(self.fastest_s, each_s),
            last_vfs=vfs,
            last_s=seconds if refused else each_s,
            refused=self.refused or refused,
        )

    @property
    def slow_s(self) -> float:
        """Minimum seconds for one VF, 0 if the driver is quick. A single VF may be slow by chance."""
        slow = self.vfs > 1 and self.seconds > PORTION_S and SLOW_S <= self.fastest_s < float("inf")
        return self.fastest_s if slow else 0.0

    def next(self) -> Run:
        """Return the run that follows this one."""
        return Run(self.seconds / self.vfs) if self.vfs else self
