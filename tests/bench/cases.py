"""The cases: which topologies are measured, how often, and in which order."""

from __future__ import annotations

import dataclasses

OURS, PEER, FLOOR = "ours", "peer", "floor"
INTERVAL_MS = 1000
"""Polling interval of both programs, in milliseconds: their default."""


@dataclasses.dataclass(frozen=True)
class Case:
    """One guest: a topology and what is measured in it.

    - `pfs` PFs with `vfs` VFs each belong to one program.
    - `replicas`: number of such sets that run side by side, each in its own network namespace with its own
      program. LACP takes 3 s to notice a failure; side by side, the sets wait for that at the same time.
    - `turns`: how many times each program runs, for `rounds` failures of every PF; the programs take turns.
    - `with_floor`: the bare loop takes its turn too.
    - `cost_s`: seconds for which the cost of an idle program is measured, in each of `states`.
    - `noise`: unrelated link events a second while PFs fail.
    - `burdened`: the guest's CPU is kept busy and its memory is taken meanwhile (burden.py).
    - `late`: the kernel announces a failure about 200 ms late, because the RTNL lock is taken.
    - `starts`: how many times each program is started with LACP up and timed to its first complete cycle.
    - `outage_s`: minimum seconds from disabled VFs until LACPDUs pass again. A port defaults 3 s after it
      expired, and the kernel does not announce its recovery from that.
    """

    name: str
    pfs: int
    vfs: int
    replicas: int = 1
    turns: int = 1
    rounds: int = 1
    with_floor: bool = False
    cost_s: float = 0.0
    states: tuple[str, ...] = ("up",)
    noise: int = 0
    burdened: bool = False
    late: bool = False
    starts: int = 0
    outage_s: float = 0.1

    @property
    def failures(self) -> int:
        """Return how many failures each program sees."""
        return self.pfs * self.replicas * self.turns * self.rounds

    @property
    def programs(self) -> tuple[str, ...]:
        """Return the programs that take turns at failures."""
        return (OURS, PEER, FLOOR) if self.with_floor else (OURS, PEER)


def reaction(pfs: int, vfs: int, replicas: int, rounds: int) -> Case:
    """Return a case of the reaction table: at least 30 failures of each program."""
    return Case(
        f"{pfs}x{vfs}",
        pfs,
        vfs,
        replicas,
        turns=2,
        rounds=rounds,
        with_floor=True,
        cost_s=5.0,
        states=("up",),
    )


def growth(pfs: int, vfs: int, replicas: int, rounds: int) -> Case:
    """Return a point of the growth curves that the reaction table does not already have."""
    return Case(f"{pfs}x{vfs}", pfs, vfs, replicas, rounds=rounds, cost_s=5.0)


FULL = (
    reaction(1, 8, replicas=8, rounds=2),
    reaction(4, 64, replicas=1, rounds=4),
    reaction(1, 256, replicas=8, rounds=2),
    reaction(1, 334, replicas=8, rounds=2),
    reaction(16, 16, replicas=1, rounds=1),
    Case("4x64 cost", 4, 64, cost_s=8.0, states=("up", "down", "200/s", "1000/s"), starts=5),
    Case("4x64 at 1000/s", 4, 64, rounds=3, noise=1000),
    Case("16x128", 16, 128, rounds=1, cost_s=5.0, states=("1000/s",)),
    Case("16x128 burdened", 16, 128, rounds=1, cost_s=5.0, states=("1000/s",), noise=1000, burdened=True),
    Case("1x8 late", 1, 8, rounds=16, with_floor=True, late=True),
    Case("16x16 defaulted", 16, 16, rounds=2, outage_s=3.5),
    growth(1, 1, replicas=4, rounds=2),
    growth(1, 64, replicas=4, rounds=2),
    growth(4, 8, replicas=1, rounds=2),
    growth(16, 8, replicas=1, rounds=1),
    growth(32, 8, replicas=1, rounds=1),
)
QUICK = (
    Case("1x8", 1, 8, replicas=2, rounds=2, with_floor=True, cost_s=2.0),
    Case("4x64", 4, 64, rounds=1, with_floor=True, cost_s=2.0, states=("up", "1000/s"), starts=1),
)
MEMORY = Case("memory", 16, 16, rounds=63)
"""1,008 failures, in virtual time: memory is counted, not timed."""
QUICK_MEMORY = Case("memory", 4, 16, rounds=5)
