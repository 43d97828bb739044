"""The safety properties S1 to S7, judged over the history of a sequence. docs/reliability.md states them.

Nothing of the relay's code takes part: what is true comes from `history.py`, what the relay said from its
log. Where the driver refuses a VF, where nobody asked for a PF, and while the relay does not run or is
frozen, only what must not happen is judged, not what must.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tests.lab.kit.observer import MISSING
from tests.lab.soak.history import Act, History, Snapshot
from tests.lab.soak.lives import Life

NOTICED_S = 0.2
"""Beyond the polling interval: how long the relay may take to act on anything (S1, S3)."""
REACTED_S = 0.2
"""How long it may take where it cannot have missed it: a lost carrier (S1), a VF back in auto (S5)."""
UNANNOUNCED_S = 1.0
"""How long it may take (at most the polling interval) to find what the kernel does not announce:
VFs that are made or that a driver forgets, in auto, on a PF that is down or drained (S5)."""
RETRIED_S = 1.2
"""How long it may take to set a VF whose link state the driver refused before: it is tried each second."""
TOLD_LATE_S = {
    "lacp is still down": 10.0,
    "bfdd is connected": 5.0,
    "bfd session is up": 15.0,
    "bfd session proves nothing": 15.0,
}
"""How long after the last change the relay may tell of it (S3): another cause of an outage has to have stood
for 10 s, bfdd is tried each 5 s, and a session that proves nothing is logged each 10 s at the most."""
REPEATED_S = 4.5
"""How long a VF is written to after a refusal although it reads as right (S3, S6): three times in 3 s."""
DRIVER_S = 0.5
"""How much longer all of it may take, as drivers hold the RTNL lock: i40e 60 ms for each VF of two PFs."""
BACK = "no VF was in auto"
SEEN_S = 0.05
"""How old the facts that the relay acts on may be (S2): two looks of the recorder."""


class Violation(NamedTuple):
    """A property that did not hold at a time (monotonic seconds), and how."""

    name: str
    time: float
    how: str

    def __str__(self) -> str:
        return f"{self.name} at {self.time:.3f}: {self.how}"


class Moment(NamedTuple):
    """What was true between two times: the links, whether the relay could act, and which VFs are refused."""

    since: float
    until: float
    snapshot: Snapshot
    awake: bool
    refused: frozenset[tuple[int, int]]


class Change(NamedTuple):
    """A VF's link state went from `was` to `state`, as `snapshot` showed first."""

    ifindex: int
    vf: int
    was: str
    state: str
    snapshot: Snapshot


class Case:
    """The history of one sequence and the lives of the relay in it, to be judged.

    `group` is the redundancy group, empty if there is none, `interval_s` the polling interval. The world had
    stopped changing at `quiet_since`.
    """

    def __init__(
        self,
        history: History,
        lives: Sequence[Life],
        configured: Sequence[str],
        group: Sequence[str],
        interval_s: float,
        quiet_since: float,
    ) -> None:
        self.snapshots = history.snapshots
        self.acts = history.acts
        self.events = history.events
        self.lives = lives
        self.configured = configured
        self.group = group
        self._drains = [(act.ended, act.drains) for act in self.acts if act.drains is not None]
        self._timed_out = [(act.begun, act.timed_out) for act in self.acts if act.timed_out is not None]
        self.interval_s = interval_s
        self.bound_s = interval_s + NOTICED_S + DRIVER_S
        self.quiet_since = quiet_since
        self.ended = history.ended
        self._times = [snapshot.time for snapshot in self.snapshots]

    def violations(self) -> list[Violation]:
        """Return all violations, in the order of time."""
        found = [*self.vf_states(), *self.writes(), *self.ways_out(), *self.quiet()]
        return sorted(found, key=lambda violation: violation.time)

    # What is true when

    def served(self, snapshot: Snapshot, time: float | None = None) -> dict[int, bool | None]:
        """Return the PFs that the relay must and may serve, by ifindex: whether their VFs are to be in auto.

        That is None of a PF that may be kept open: of a redundancy group in which no other one is. It is also
        None of one whose BFD session has timed out: whether the relay saw it up before is not known here, nor
        whether it ignores the timeout. `time` is that of the drains, by default the snapshot's.
        """
        bearers = {snapshot.bearer(name) for name in self.configured} - {None}
        drained = {snapshot.bearer(name) for name in self.drained(snapshot.time if time is None else time)}
        found: dict[int, bool | None] = {
            index: snapshot.lacp_up(index) and index not in drained
            for index in bearers
            if index is not None and not snapshot.not_ready_reason(index)
        }
        group = [index for index in map(snapshot.bearer, self.group) if index in found]
        timed_out = self.timed_out(snapshot.time if time is None else time)
        for index in group:
            master = snapshot.links[index].master
            if found[index] and master is not None and snapshot.links[master].name in timed_out:
                found[index] = None
        ways_out = [index for index in group if found[index] and self.is_open(snapshot, index)]
        for index in group:
            if found[index] is False and not set(ways_out) - {index}:
                found[index] = None
        return found

    def timed_out(self, time: float) -> frozenset[str]:
        """Return the bonds whose BFD session is down by a timeout at a time."""
        return next((bonds for since, bonds in reversed(self._timed_out) if since <= time), frozenset())

    def drained(self, time: float) -> set[str]:
        """Return the names of the PFs that are drained at a time."""
        last = [drains for since, drains in self._drains if since <= time][-1:]
        return {name for drains in last for name, _ in drains}

    @staticmethod
    def is_open(snapshot: Snapshot, index: int) -> bool:
        """Return whether a PF has VFs that can be read, and none of them is disabled."""
        states = set(snapshot.links[index].vf_states) - {MISSING}
        return bool(states) and "disable" not in states

    def in_force(self, since: float, until: float) -> Sequence[Snapshot]:
        """Return the snapshots of what was true between two times."""
        first = bisect.bisect_right(self._times, since) - 1
        return self.snapshots[max(first, 0) : bisect.bisect_right(self._times, until)]

    def moments(self) -> Iterator[Moment]:
        """Return the whole history, cut where anything changes."""
        awake = [
            (begin, self.ended if end is None else end) for life in self.lives for begin, end in life.awake
        ]
        cuts = {*self._times, *(act.ended for act in self.acts), *(time for pair in awake for time in pair)}
        times = sorted({time for time in cuts if time >= self._times[0]} | {self.ended})
        refused: frozenset[tuple[int, int]] = frozenset()
        acts = iter([*self.acts, None])
        act = next(acts)
        for since, until in zip(times, times[1:]):
            while act and act.ended <= since:
                refused = after(refused, act)
                act = next(acts)
            can_act = any(begin <= since < end for begin, end in awake)
            yield Moment(since, until, self.in_force(since, since)[-1], can_act, refused)

    def world_changes(self) -> list[float]:
        """Return when anything changed that is not the relay's doing, in order."""
        times = [time for act in self.acts for time in (act.begun, act.ended)]
        times += [time for life in self.lives for pair in life.awake for time in pair if time is not None]
        times += [time for life in self.lives for time in life.reloads]
        times.append(self._times[0])
        before: object = None
        for snapshot in self.snapshots:
            links = {index: link._replace(vf_states=()) for index, link in snapshot.links.items()}
            if links != before:
                times += [snapshot.looked, snapshot.time]
            before = links
        return sorted(times)

    # S1 and S5: which state a VF is in, and for how long

    def vf_states(self) -> Iterator[Violation]:
        """Find VFs in the wrong state for longer than they may: S5 if it was right before, otherwise S1."""
        reacted_s = REACTED_S + DRIVER_S
        limits = {"": self.bound_s, "the carrier is lost": reacted_s, BACK: reacted_s}
        since: dict[tuple[int, int, str, str], float] = {}
        told: set[tuple[object, ...]] = set()
        carrier: set[int] = set()
        lost: set[int] = set()
        cleared: set[int] = set()
        for moment in self.moments():
            links = moment.snapshot.links
            served = self.served(moment.snapshot, moment.since) if moment.awake else {}
            lost = {index for index in served if not links[index].carrier and index in carrier | lost}
            carrier = {index for index in served if links[index].carrier}
            cleared = {index for index in cleared if served.get(index) is False}
            found = []
            for index, up in served.items():
                if up is None:
                    continue
                wrong = "disable" if up else "auto"
                states = enumerate(links[index].vf_states)
                vfs = [vf for vf, state in states if state == wrong and (index, vf) not in moment.refused]
                whys = [why for why, where in zip(limits, (served, lost, cleared)) if index in where]
                found += [(index, vf, wrong, why) for vf in vfs for why in whys]
                if not up and not vfs:
                    cleared.add(index)
            since = {key: since.get(key, moment.since) for key in found}
            for (index, vf, state, why), begun in since.items():
                limit = limits[why]
                if self.accepted_lately(index, begun):
                    limit = max(limit, RETRIED_S + DRIVER_S)
                elif why and self.made_unannounced(index, begun):
                    limit += min(self.interval_s, UNANNOUNCED_S)
                if moment.until - begun > limit and (index, vf, why, begun) not in told:
                    told.add((index, vf, why, begun))
                    name, up_or_down = links[index].name, "down or drained" if state == "auto" else "up"
                    how = f"LACP is {up_or_down} on {name}{why and ', '}{why}, VF {vf} stays in {state}"
                    yield Violation("S5" if why == BACK else "S1", begun, how)

    def accepted_lately(self, index: int, time: float) -> bool:
        """Return whether the driver took VFs again so shortly before that one is still to be tried."""
        return any(
            act.accepts and act.ifindex == index and time - RETRIED_S <= act.ended <= time
            for act in self.acts
        )

    def made_unannounced(self, index: int, time: float) -> bool:
        """Return whether all VFs of a PF had just been made, or forgotten by its driver: they are in auto."""
        return any(
            act.vf is None and act.became and act.ifindex == index and act.begun <= time <= act.ended + SEEN_S
            for act in self.acts
        )

    # S1, S2 and S5: who changed the state of a VF, and whether it was theirs to change

    def changes(self) -> Iterator[Change]:
        """Return the changes of VFs' link states that nobody but the relay can have made."""
        known: dict[tuple[int, int], tuple[str, float]] = {}
        for before, now in zip(self.snapshots, self.snapshots[1:]):
            for index, link in now.links.items():
                old = before.links[index].vf_states if index in before.links else ()
                for vf, state in enumerate(link.vf_states):
                    was, since = old[vf] if vf < len(old) else "auto", now.looked
                    if was == MISSING:
                        was, since = known.get((index, vf), ("auto", since))
                    if state == MISSING:
                        known[index, vf] = was, since
                        continue
                    acts = [act.became for act in self.acts_on(index, vf, since, now.time)]
                    if state not in (was, *acts):
                        yield Change(index, vf, acts[-1] if acts else was, state, now)

    def writes(self) -> Iterator[Violation]:
        """Find changes of a VF's link state that are nobody's act, and none that the relay may make."""
        for change in self.changes():
            yield from self.judge_write(*change)

    def acts_on(self, index: int, vf: int, since: float, until: float) -> list[Act]:
        """Return what others did to a VF between two times."""
        return [
            act
            for act in self.acts
            if act.became
            and act.ifindex == index
            and act.vf in (None, vf)
            and act.begun <= until
            and act.ended >= since
        ]

    def judge_write(
        self, index: int, vf: int, was: str, state: str, snapshot: Snapshot
    ) -> Iterator[Violation]:
        """Judge a change that nobody but the relay can have made."""
        change = f"VF {vf} of {snapshot.links[index].name} went from {was} to {state}"
        since, until = snapshot.looked - SEEN_S, snapshot.time
        seen = [each for each in self.in_force(since, until) if index in each.links]
        if not any(
            begin <= until and (end is None or end >= since)
            for life in self.lives
            for begin, end in life.awake
        ):
            yield Violation("S2", until, f"{change} while no relay could act")
        served = [self.served(each, time) for each in seen for time in (each.time, since, until)]
        if was == "enable" or state == "enable":
            yield Violation("S1", until, change)
        elif not any(index in each for each in served):
            reasons = {each.not_ready_reason(index) or "nobody asked for it" for each in seen}
            yield Violation("S2", until, f"{change}, and {', '.join(sorted(reasons))}")
        elif not any(each.get(index, "absent") in ((state == "auto"), None) for each in served):
            name, up = ("S5", "is not up") if state == "auto" else ("S1", "is up")
            yield Violation(name, until, f"{change}, and LACP {up}")
        elif state == "disable" and self.leaves_no_way_out(index, until):
            yield Violation("S7", until, f"{change}, and no other PF of its group was open")

    # S7: of a redundancy group one PF stays open

    def leaves_no_way_out(self, index: int, time: float) -> bool:
        """Return whether a PF is disabled at a time although no other one of its group is open.

        If others have done something lately, what the relay acts on may be older.
        """
        lately = any(time - self.bound_s <= act.ended and act.begun <= time for act in self.acts)
        seen = self.in_force(time - (self.bound_s if lately else SEEN_S), time)
        groups = [[snapshot.bearer(name) for name in self.group] for snapshot in seen]
        if not all(index in group for group in groups):
            return False
        return not any(
            self.has_open_vf(snapshot, other)
            for snapshot, group in zip(seen, groups)
            for other in group
            if other is not None and other != index and not snapshot.not_ready_reason(other)
        )

    @staticmethod
    def has_open_vf(snapshot: Snapshot, index: int) -> bool:
        """Return whether a VF of a PF is not disabled."""
        return bool({"auto", "enable"}.intersection(snapshot.links[index].vf_states))

    def ways_out(self) -> Iterator[Violation]:
        """Find times when all PFs of the group stay closed for too long although one could be open."""
        since: float | None = None
        for moment in self.moments():
            served = self.served(moment.snapshot, moment.since) if moment.awake else {}
            links = moment.snapshot.links
            group = [index for index in map(moment.snapshot.bearer, self.group) if index in served]
            group = [index for index in group if set(links[index].vf_states) - {MISSING}]
            refused = {index for index, _ in moment.refused}
            could_be_open = [index for index in group if index not in refused]
            if not could_be_open or any(self.has_open_vf(moment.snapshot, index) for index in group):
                since = None
                continue
            since = moment.since if since is None else since
            limit = max(self.bound_s, RETRIED_S + DRIVER_S)
            if moment.until - since > limit:
                names = ", ".join(links[index].name for index in could_be_open)
                yield Violation("S7", since, f"all of the group are closed, and {names} could be open")
                since = moment.until

    # S3: quiet

    def quiet(self) -> Iterator[Violation]:
        """Find what the relay writes or says when the world has long stopped changing."""
        limit = max(self.bound_s, REPEATED_S)
        since = self.quiet_since + limit
        pfs = {index for snapshot in self.in_force(since, self.ended) for index in snapshot.links}
        for time, index in self.events:
            if time > since and index in pfs:
                name = self.snapshots[-1].links[index].name if index in self.snapshots[-1].links else index
                yield Violation("S3", time, f"a link event of {name}, though nothing changes any more")
        changes = self.world_changes()
        for life in self.lives:
            for event in life.relay.events():
                last = bisect.bisect_right(changes, event["at"]) - 1
                late_s = TOLD_LATE_S.get(event["msg"], 0.0)
                if event["at"] - changes[max(last, 0)] > limit + late_s:
                    yield Violation("S3", event["at"], f"nothing has changed, and the relay says {event}")

    # S6: no write without a reason

    def idle_writes(self, written: Sequence[tuple[int, float]]) -> Iterator[Violation]:
        """Find VFs that a driver was asked to set when the world had stopped changing, by its own clock.

        `written` has the ifindex of each PF, without those that refuse VFs, and when it was last asked.
        """
        for index, time in written:
            if time > self.quiet_since + max(self.bound_s, REPEATED_S):
                links = self.snapshots[-1].links
                name = links[index].name if index in links else index
                yield Violation("S6", time, f"a VF of {name} is written to, though nothing changes any more")


def after(refused: frozenset[tuple[int, int]], act: Act) -> frozenset[tuple[int, int]]:
    """Return the VFs that drivers refuse after an act."""
    if act.accepts is None or act.ifindex is None:
        return refused
    if act.accepts:
        return frozenset(each for each in refused if each[0] != act.ifindex)
    return refused | {(act.ifindex, vf) for vf in (range(64) if act.vf is None else (act.vf,))}
