"""What happened: outages, gaps and failed writes, from the events in the journal. Pure.

The service logs each change once, and the state of each PF when it starts. Between two entries a PF is as
the earlier one says, if the service was there to log a change. The state of a PF is unknown while the service
did not run, while netlink failed, after events were lost, and before the journal begins.

An outage is the time in which LACP is down on a PF that is ready. A restart of the service does not end it
if the PF is found down again and the host was not restarted; `unwatched_s` is how long no service looked.

To add an event that says how a PF is: a line in `_PF_STATES`. One that says that something other than LACP
decides for its VFs, or no longer does: a line in `_OVERRIDES`. Any other: a method in `Chronicle._TAKERS`,
and the fields to read in `FIELDS`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Callable, ClassVar, NamedTuple

from pf_status_relay.core import events
from pf_status_relay.core.events import journal_field
from pf_status_relay.core.facts import VfLinkState

PROCESS_EXIT = "98e322203f7a4ed290d09fe03c09fe15"
"""MESSAGE_ID by which systemd says that a process of a unit has failed (sd-messages.h)."""
JOURNAL_DROPPED = "a596d6fe7bfa4994828e72309e95d61e"
"""MESSAGE_ID by which journald says that it has dropped entries of a unit: too many (sd-messages.h)."""
LAST_OF_BOOT = ""
"""Stands for a MESSAGE_ID: the last entry that the journal has of a boot, whatever it is about."""

_SAME_LOOK_MS = 100.0
"""Milliseconds in which the entries of one look come. The next is hardly sooner (service: QUICK_S)."""


class Entry(NamedTuple):
    """The part of a journal entry that is used here.

    `time` is in seconds since 1970, `monotonic` in seconds since the boot whose ID is `boot`. `fields` are
    those that `FIELDS` names and the entry has.
    """

    time: float
    monotonic: float
    boot: str
    message_id: str
    fields: Mapping[str, str]


class Moment(NamedTuple):
    """A time by both clocks. The wall clock may be set; within a boot the monotonic one is right."""

    time: float
    monotonic: float
    boot: str

    def seconds_since(self, earlier: Moment) -> float:
        """Return the seconds since an earlier moment; never negative."""
        if self.boot == earlier.boot:
            return max(0.0, self.monotonic - earlier.monotonic)
        return max(0.0, self.time - earlier.time)


class State(Enum):
    """The state of a PF; the value is the word for it."""

    UP = "up"
    DOWN = "down"
    NOT_READY = "not ready"
    UNKNOWN = "unknown"


class Kind(Enum):
    """What decided over a PF's VFs in place of LACP; the value is the word for it."""

    DRAINED = "drained"
    KEPT_OPEN = "kept open"


@dataclass(frozen=True)
class Known:
    """What the running service says of a PF now: its state, since when (seconds since 1970), and why."""

    state: State
    since: float
    cause: str | None = None


@dataclass(frozen=True)
class Outage:
    """LACP was down on a PF. Times are in seconds since 1970.

    `before` is the state of the PF until then; unless that is `up`, LACP may have been down for longer. `end`
    is None while LACP is down, and where the end is unknown; `after` is the state that followed.
    `unwatched_s`: seconds of the outage in which the service did not look. `vfs` are the VFs that were
    disabled in it. `disabled_within_ms` is the time of the slowest of them, from the look that found LACP
    down; None without VFs or if not known.
    """

    interface: str
    begin: float
    end: float | None
    duration_s: float
    before: State
    after: State
    cause: str | None
    unwatched_s: float
    vfs: tuple[int, ...]
    disabled_within_ms: float | None


@dataclass(frozen=True)
class Override:
    """A time in which something other than LACP decided for a PF's VFs. Times are in seconds since 1970.

    `end` is None while this lasts (`still`), and where the end is unknown. `owner` and `reason` are those
    logged last; either may be empty.
    """

    interface: str
    kind: Kind
    begin: float
    end: float | None
    duration_s: float
    still: bool
    owner: str
    reason: str


@dataclass(frozen=True)
class Gap:
    """A time in which all PFs are unknown: the service did not look, or entries are missing.

    `begin` and `end` are in seconds since 1970; `end` is None if the gap lasts. `restarted`: the service was
    started at the end of the gap.
    """

    begin: float
    end: float | None
    duration_s: float
    reason: str
    restarted: bool


@dataclass(frozen=True)
class FailedWrites:
    """VFs of a PF that did not take a link state, for one reason. Times are in seconds since 1970."""

    interface: str
    state: str
    error: str
    vfs: tuple[int, ...]
    count: int
    first: float
    last: float


@dataclass(frozen=True)
class Period:
    """The state of a PF from `begin` to `end`, in seconds since 1970."""

    begin: float
    end: float
    state: State


@dataclass(frozen=True)
class PfHistory:
    """One PF. `periods` cover the time asked for; `since` is when its state began, None if not known."""

    interface: str
    now: State
    since: float | None
    outages: tuple[Outage, ...]
    periods: tuple[Period, ...]
    overrides: tuple[Override, ...] = ()

    @property
    def total_s(self) -> float:
        """The seconds of all its outages."""
        return sum(outage.duration_s for outage in self.outages)

    @property
    def longest_s(self) -> float:
        """The seconds of its longest outage, 0 without any."""
        return max((outage.duration_s for outage in self.outages), default=0.0)

    @property
    def unknown_s(self) -> float:
        """The seconds of the time asked for in which the state of the PF is unknown."""
        return sum(each.end - each.begin for each in self.periods if each.state is State.UNKNOWN)


@dataclass(frozen=True)
class History:
    """What happened from `since` to `until` (seconds since 1970). Outages that began before are whole."""

    since: float
    until: float
    pfs: tuple[PfHistory, ...]
    gaps: tuple[Gap, ...]
    failed_writes: tuple[FailedWrites, ...]

    @property
    def outages(self) -> tuple[Outage, ...]:
        """All outages, in the order in which they began."""
        return tuple(sorted((each for pf in self.pfs for each in pf.outages), key=lambda each: each.begin))

    @property
    def overrides(self) -> tuple[Override, ...]:
        """All overrides, in the order in which they began."""
        return tuple(sorted((each for pf in self.pfs for each in pf.overrides), key=lambda each: each.begin))

    def of(self, interface: str) -> History:
        """Return the same for one PF alone; the gaps concern every PF."""
        return History(
            self.since,
            self.until,
            tuple(pf for pf in self.pfs if pf.interface == interface),
            self.gaps,
            tuple(each for each in self.failed_writes if each.interface == interface),
        )


_PF = journal_field("interface")
_ERROR = journal_field("error")
_CAUSE = journal_field("cause")
_VF = journal_field("id")
_LINK_STATE = journal_field("state")
_TOOK = journal_field("took_ms")
_NAMES = journal_field("interfaces")
_LOST = journal_field("lost")
_OWNER = journal_field("owner")
_REASON = journal_field("reason")
_DISABLE = str(VfLinkState.DISABLE)

_PF_STATES: dict[str, State] = {
    events.LacpUp.message_id: State.UP,
    events.LacpDown.message_id: State.DOWN,
    events.LacpStillDown.message_id: State.DOWN,
    events.PfNotReady.message_id: State.NOT_READY,
    events.InterfaceDropped.message_id: State.UNKNOWN,
}
"""The events that say what state a PF is in from then on."""

_OVERRIDES: dict[str, tuple[Kind, bool]] = {
    events.PfDrained.message_id: (Kind.DRAINED, True),
    events.PfUndrained.message_id: (Kind.DRAINED, False),
    events.PfKeptOpen.message_id: (Kind.KEPT_OPEN, True),
    events.PfNoLongerKeptOpen.message_id: (Kind.KEPT_OPEN, False),
}
"""The events that say that something other than LACP decides for the VFs of a PF, or no longer does."""

FIELDS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(_PF_STATES, (_PF,)),
    **dict.fromkeys(_OVERRIDES, (_PF, _OWNER, _REASON)),
    events.LacpDown.message_id: (_PF, _CAUSE),
    events.LacpStillDown.message_id: (_PF, _CAUSE),
    events.FetchFailed.message_id: (_PF,),
    events.InterfacesToMonitor.message_id: (_NAMES,),
    events.VfLinkStateSet.message_id: (_PF, _VF, _LINK_STATE, _TOOK),
    events.SettingVfFailed.message_id: (_PF, _VF, _LINK_STATE, _ERROR),
    events.Starting.message_id: (),
    events.Stopping.message_id: (),
    events.AnotherRelayRuns.message_id: (),
    events.NetlinkFailed.message_id: (),
    events.NetlinkReopened.message_id: (),
    events.LogEventsLost.message_id: (_LOST,),
    PROCESS_EXIT: ("COMMAND", "EXIT_CODE", "EXIT_STATUS"),
    JOURNAL_DROPPED: ("N_DROPPED",),
}
"""The fields to read of an entry, by its MESSAGE_ID. Other entries are not used."""


@dataclass
class _OpenOutage:
    """An outage that has not ended. `interrupted`: since when the service does not look; None: it looks."""

    interface: str
    begin: Moment
    before: State
    cause: str | None
    unwatched_s: float = 0.0
    interrupted: Moment | None = None
    vfs: dict[int, float | None] = field(default_factory=dict)

    def ended(self, at: Moment, after: State, *, open_end: bool = False) -> Outage:
        """Return the outage as of a moment; with `open_end` it has not ended, or its end is unknown."""
        delays = [delay for delay in self.vfs.values() if delay is not None]
        return Outage(
            interface=self.interface,
            begin=self.begin.time,
            end=None if open_end else at.time,
            duration_s=at.seconds_since(self.begin),
            before=self.before,
            after=after,
            cause=self.cause,
            unwatched_s=self.unwatched_s,
            vfs=tuple(sorted(self.vfs)),
            disabled_within_ms=max(delays, default=None),
        )


@dataclass
class _OpenOverride:
    """An override that has not ended. `interrupted` is as in an outage; `seen`: first look after that."""

    begin: Moment
    owner: str
    reason: str
    interrupted: Moment | None = None
    seen: Moment | None = None

    def goes_on(self, at: Moment) -> bool:
        """Tell whether an override logged at a moment is this one: the first look after a gap logs it."""
        if self.interrupted is None:
            return True
        told = self.seen or at
        return self.interrupted.boot == at.boot and at.seconds_since(told) * 1000 <= _SAME_LOOK_MS

    def ended(self, interface: str, kind: Kind, at: Moment, *, known: bool, still: bool = False) -> Override:
        """Return the override as of a moment. `known`: its end is known."""
        return Override(
            interface,
            kind,
            self.begin.time,
            at.time if known else None,
            at.seconds_since(self.begin),
            still,
            self.owner,
            self.reason,
        )


class _Pf:
    """What the entries so far say of one PF."""

    def __init__(self, interface: str) -> None:
        self.interface = interface
        self.state = State.UNKNOWN
        self.before_gap = State.UNKNOWN
        self.changes: list[tuple[float, State]] = []
        self.outages: list[Outage] = []
        self.outage: _OpenOutage | None = None
        self.overrides: list[Override] = []
        self.override: dict[Kind, _OpenOverride] = {}

    def become(self, state: State, at: Moment, cause: str | None = None) -> None:
        """Set the state of the PF from a moment on."""
        outage, before = self.outage, self.state
        if outage is not None and outage.interrupted is not None and state is not State.UNKNOWN:
            if outage.interrupted.boot == at.boot:
                outage.unwatched_s += at.seconds_since(outage.interrupted)
                outage.interrupted = None
            else:  # LACP went down with the host: what is found now is another outage
                self.outages.append(outage.ended(outage.interrupted, State.UNKNOWN, open_end=True))
                outage = self.outage = None
        if outage is not None and state is not State.DOWN:
            if state is State.UNKNOWN:
                outage.interrupted = outage.interrupted or at
            else:
                self.outages.append(outage.ended(at, state))
                self.outage = None
        elif outage is None and state is State.DOWN:
            self.outage = _OpenOutage(self.interface, at, before, cause)
        elif outage is not None and cause is not None:  # the lasting cause is known only after a while
            outage.cause = cause
        if state is State.NOT_READY:
            for kind in tuple(self.override):
                self.end_override(kind, at)
        for each in self.override.values():
            if state is State.UNKNOWN:
                each.interrupted, each.seen = each.interrupted or at, None
            else:
                each.seen = each.seen or at
        if state is not before:
            self.changes.append((at.time, state))
            self.state = state

    def begin_override(self, kind: Kind, at: Moment, owner: str, reason: str) -> None:
        """Record that something other than LACP decides for the VFs."""
        found = self.override.get(kind)
        if found is not None and found.goes_on(at):
            found.owner, found.reason = owner, reason
            found.interrupted = found.seen = None
            return
        if found is not None:
            assert found.interrupted is not None
            self.overrides.append(found.ended(self.interface, kind, found.interrupted, known=False))
        self.override[kind] = _OpenOverride(at, owner, reason)

    def end_override(self, kind: Kind, at: Moment) -> None:
        """Record that an override of this kind has ended."""
        found = self.override.pop(kind, None)
        if found is not None:
            self.overrides.append(found.ended(self.interface, kind, at, known=True))

    def lose_sight(self, at: Moment) -> None:
        """Record that the service does not look from a moment on."""
        if self.state is not State.UNKNOWN:
            self.before_gap = self.state
        self.become(State.UNKNOWN, at)

    def see_again(self, at: Moment) -> None:
        """Record that the same process looks again and has logged no change: the PF is as it was."""
        if self.state is State.UNKNOWN and self.before_gap is not State.UNKNOWN:
            self.become(self.before_gap, at)
            for each in self.override.values():
                each.interrupted = each.seen = None

    def vf_set(self, number: int, state: str, took_ms: float | None, at: Moment) -> None:
        """Record that a VF was set."""
        if self.outage is None or state != _DISABLE or number in self.outage.vfs:
            return
        # The log gets a look after its writes, so the times of the entries do not show how long these took.
        since_down_ms = at.seconds_since(self.outage.begin) * 1000
        later_look = since_down_ms > _SAME_LOOK_MS + (took_ms or 0.0)
        self.outage.vfs[number] = since_down_ms if later_look else took_ms

    def close(self, since: float, now: Moment) -> PfHistory:
        """Return the history of the PF from a time on (seconds since 1970)."""
        outages = list(self.outages)
        begin = self.changes[-1][0] if self.changes and self.state is not State.UNKNOWN else None
        if self.outage is not None:
            at = self.outage.interrupted or now
            outages.append(self.outage.ended(at, self.state, open_end=True))
            begin = self.outage.begin.time if self.state is State.DOWN else None
        overrides = list(self.overrides)
        for kind, each in self.override.items():
            still = each.interrupted is None
            at = each.interrupted or now
            overrides.append(each.ended(self.interface, kind, at, known=False, still=still))
        return PfHistory(
            self.interface,
            self.state,
            begin,
            tuple(each for each in outages if each.begin + each.duration_s >= since),
            tuple(self._periods(since, now.time)),
            tuple(each for each in overrides if each.begin + each.duration_s >= since),
        )

    def _periods(self, since: float, until: float) -> Iterable[Period]:
        changes = [(since, State.UNKNOWN), *self.changes, (until, State.UNKNOWN)]
        for (begin, state), (end, _) in zip(changes, changes[1:]):
            begin, end = max(begin, since), min(end, until)
            if begin < end:
                yield Period(begin, end, state)


class Chronicle:
    """A builder of a `History` from entries, which come oldest first."""

    def __init__(self) -> None:
        self._pfs: dict[str, _Pf] = {}
        self._gaps: list[Gap] = []
        self._gap: tuple[Moment, str] | None = None
        self._runs: bool | None = None
        self._failed: dict[tuple[str, str, str], FailedWrites] = {}
        self._oldest: float | None = None
        self._first: Moment | None = None
        """When the service was first started; None if it was running before the first entry."""

    def take(self, entry: Entry) -> None:
        """Add one entry."""
        at = Moment(*entry[:3])
        if self._oldest is None:
            self._oldest = at.time
        state = _PF_STATES.get(entry.message_id)
        if state is not None:
            self._see(at)
            self._pf(entry).become(state, at, entry.fields.get(_CAUSE))
        elif entry.message_id in _OVERRIDES:
            self._override(entry, at)
        else:
            self._TAKERS[entry.message_id](self, entry, at)

    def close(self, since: float, now: Moment, begins: float | None, known: Mapping[str, Known]) -> History:
        """Return what happened from `since` (seconds since 1970) until `now`.

        `begins` is when the journal begins (seconds since 1970), None if it is empty. `known` is what the
        running service says of each PF; empty if no service runs.
        """
        self._first_gap(since, now, begins, runs=bool(known))
        for interface, each in known.items():
            pf = self._pfs.setdefault(interface, _Pf(interface))
            if pf.state is State.UNKNOWN:
                begin = max([each.since, *(time for time, _ in pf.changes[-1:])])
                ago_s = max(0.0, now.time - begin)
                at = Moment(now.time - ago_s, now.monotonic - ago_s, now.boot)
                pf.become(each.state, at, each.cause)
        if self._gap:
            self._gaps.append(self._ended_gap(now, restarted=False, open_end=True))
        names = [*known, *(name for name in self._pfs if name not in known)]
        return History(
            since,
            now.time,
            tuple(self._pfs[name].close(since, now) for name in names),
            tuple(gap for gap in self._gaps if gap.end is None or gap.end >= since),
            tuple(each for each in self._failed.values() if each.last >= since),
        )

    def _pf(self, entry: Entry) -> _Pf:
        name = entry.fields.get(_PF, "")
        return self._pfs.get(name) or self._pfs.setdefault(name, _Pf(name))

    # When the service looks

    def _lose_sight(self, at: Moment, reason: str) -> None:
        if self._gap is None:
            self._gap = (at, reason)
        for pf in self._pfs.values():
            pf.lose_sight(at)

    def _see(self, at: Moment, *, restarted: bool = False) -> None:
        """Record that the service looks at PFs."""
        if self._gap is not None:
            self._gaps.append(self._ended_gap(at, restarted=restarted))
            self._gap = None
        self._runs = True

    def _ended_gap(self, at: Moment, *, restarted: bool, open_end: bool = False) -> Gap:
        assert self._gap is not None
        begin, reason = self._gap
        end = None if open_end else at.time
        return Gap(begin.time, end, at.seconds_since(begin), reason, restarted)

    def _first_gap(self, since: float, now: Moment, begins: float | None, *, runs: bool) -> None:
        """Add the gaps before the first entry, with the reason why nothing is known."""
        begins = min(time for time in (begins, self._oldest, now.time) if time is not None)
        gaps = []
        if begins > since:
            reason = "the journal does not go back further"
            gaps.append(Gap(since, begins, begins - since, reason, restarted=False))
        begin = max(since, begins)
        if self._first is not None and self._first.time > begin:
            reason = "the service was not started"
            gaps.append(Gap(begin, self._first.time, self._first.time - begin, reason, restarted=False))
        elif self._runs is None and not runs:
            gaps.append(Gap(begin, None, now.time - begin, "the service has logged nothing", restarted=False))
        self._gaps = gaps + self._gaps

    def _starting(self, entry: Entry, at: Moment) -> None:
        if self._runs is None:
            self._first = at
        elif self._runs:
            self._lose_sight(at, "the service ended, and the journal does not say why")
        self._see(at, restarted=True)

    def _stopping(self, entry: Entry, at: Moment) -> None:
        self._lose_sight(at, "the service was stopped")
        self._runs = False

    def _process_exit(self, entry: Entry, at: Moment) -> None:
        if not self._runs or entry.fields.get("COMMAND", "ExecStart") != "ExecStart":
            return
        status, code = entry.fields.get("EXIT_STATUS", ""), entry.fields.get("EXIT_CODE", "")
        how = f"exited with status {status}" if code == "exited" else f"was killed by signal {status}"
        self._lose_sight(at, f"the service {how}")
        self._runs = False

    def _last_of_boot(self, entry: Entry, at: Moment) -> None:
        if self._runs:
            self._lose_sight(at, "the host was restarted")
            self._runs = False
        elif self._gap is not None and self._gap[0].boot == at.boot:
            self._gap = (self._gap[0], f"{self._gap[1]}, and the host was restarted")

    def _netlink_failed(self, entry: Entry, at: Moment) -> None:
        self._lose_sight(at, "the kernel could not be asked (netlink)")

    def _netlink_reopened(self, entry: Entry, at: Moment) -> None:
        self._see(at)
        for pf in self._pfs.values():
            pf.see_again(at)

    def _another_relay(self, entry: Entry, at: Moment) -> None:
        self._lose_sight(at, "another relay was running")

    def _lost(self, entry: Entry, at: Moment) -> None:
        number = entry.fields.get(_LOST) or entry.fields.get("N_DROPPED") or "some"
        for pf in self._pfs.values():
            pf.lose_sight(at)
            pf.before_gap = State.UNKNOWN
        reason = f"{number} entries before this are missing: the journal did not take them"
        self._gaps.append(Gap(at.time, at.time, 0.0, reason, restarted=False))

    # PFs

    def _interfaces(self, entry: Entry, at: Moment) -> None:
        self._see(at)
        for name in entry.fields.get(_NAMES, "").split(","):
            if name:
                self._pfs.setdefault(name, _Pf(name))

    def _fetch_failed(self, entry: Entry, at: Moment) -> None:
        """Record that a PF is absent, or that one read of it failed: then it stays as it was."""
        self._see(at)
        pf = self._pf(entry)
        if pf.state is State.UNKNOWN:
            pf.become(State.NOT_READY, at)

    def _override(self, entry: Entry, at: Moment) -> None:
        kind, begins = _OVERRIDES[entry.message_id]
        if begins:
            owner, reason = entry.fields.get(_OWNER, ""), entry.fields.get(_REASON, "")
            self._pf(entry).begin_override(kind, at, owner, reason)
        else:
            self._pf(entry).end_override(kind, at)

    def _vf_set(self, entry: Entry, at: Moment) -> None:
        fields = entry.fields
        took = _number(fields.get(_TOOK))
        number = _number(fields.get(_VF))
        if number is not None:
            self._pf(entry).vf_set(int(number), fields.get(_LINK_STATE, ""), took, at)

    def _setting_failed(self, entry: Entry, at: Moment) -> None:
        fields = entry.fields
        number = _number(fields.get(_VF))
        key = (fields.get(_PF, ""), fields.get(_LINK_STATE, ""), fields.get(_ERROR, ""))
        before = self._failed.get(key)
        vfs = {*(before.vfs if before else ()), *(() if number is None else (int(number),))}
        first, count = (before.first, before.count) if before else (at.time, 0)
        self._failed[key] = FailedWrites(*key, tuple(sorted(vfs)), count + 1, first, at.time)

    _TAKERS: ClassVar[Mapping[str, Callable[[Chronicle, Entry, Moment], None]]] = {
        events.Starting.message_id: _starting,
        events.Stopping.message_id: _stopping,
        PROCESS_EXIT: _process_exit,
        LAST_OF_BOOT: _last_of_boot,
        events.NetlinkFailed.message_id: _netlink_failed,
        events.NetlinkReopened.message_id: _netlink_reopened,
        events.AnotherRelayRuns.message_id: _another_relay,
        events.LogEventsLost.message_id: _lost,
        JOURNAL_DROPPED: _lost,
        events.InterfacesToMonitor.message_id: _interfaces,
        events.FetchFailed.message_id: _fetch_failed,
        events.VfLinkStateSet.message_id: _vf_set,
        events.SettingVfFailed.message_id: _setting_failed,
    }


def history(
    entries: Iterable[Entry], since: float, now: Moment, begins: float | None, known: Mapping[str, Known]
) -> History:
    """Return what happened from `since` until `now`. Entries come oldest first; see `Chronicle.close`."""
    chronicle = Chronicle()
    for entry in entries:
        chronicle.take(entry)
    return chronicle.close(since, now, begins, known)


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None
