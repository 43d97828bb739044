"""The decision for one PF: what to do, from what was known and what is read.

All that decides a VF's link state is in this file, and nothing else: no I/O, clock or logging. The law:

    the PF is ...            a VF in auto     in disable      in enable
    not ready                is left alone    is left alone   is left alone
    ready, LACP down         becomes disable  is left alone   is left alone
    ready, drained           becomes disable  is left alone   is left alone
    ... but kept open        is left alone    becomes auto    is left alone
    ready, LACP up, neither  is left alone    becomes auto    is left alone
    ... but not for long     is left alone    is left alone   is left alone

A further law says which PF of a redundancy group is kept open, so that one stays open (redundancy.py).

If a PF is not ready, or no longer monitored, its VFs in disable are left disabled: the service does not set
them back. It says so while there are any, and `pf-status-relay restore` sets them to auto.

What is a fact, what is policy, what is memory:

    facts    what the last read found of the PF (facts.py) and of the others of its redundancy group, and the
             drains that are in effect (drain.py). All outlive the service. Also what FRR reports of BFD
             sessions while the service runs (bfd.py).
    policy   what the configuration says (Policy)
    memory   what earlier looks found. It serves only to log each change once, to know for how long LACP has
             been up, to wait before writing again to a VF that the driver has just refused (retries.py), and
             to notice that something else sets VFs (interference.py).

LACP counts as down if the port state says so, or earlier, if early detection (early_detection.py) or BFD says
so.

Every look applies the law to the facts, so nothing depends on having seen a change. A drain is no state of
LACP: LACP stays up while the PF is drained, and the time for which it has been up goes on.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum

from pf_status_relay.core import bfd, causes, interference, lacp, redundancy, retries, unknown_states
from pf_status_relay.core.bfd import Logged, Sessions
from pf_status_relay.core.causes import Cause, Heard, Told
from pf_status_relay.core.damping import Damping
from pf_status_relay.core.drain import Drains, drain_events
from pf_status_relay.core.early_detection import Silence, observe, silence_events
from pf_status_relay.core.events import (
    Event,
    FetchFailed,
    LacpDown,
    LacpStillDown,
    LacpUp,
    NoVfs,
    PfKeptOpen,
    PfNoLongerKeptOpen,
    PfNotReady,
    PfReady,
    PortStateChanged,
    RestoreDelayed,
    RestoreDelayGrown,
    SlowLacpRate,
    VfListIncomplete,
    VfsDetected,
    VfsLeftDisabled,
)
from pf_status_relay.core.facts import (
    BOND_MODE_8023AD,
    Absent,
    BondPort,
    Facts,
    Master,
    PhysicalFunction,
    Unreadable,
    VfLinkState,
    VirtualFunction,
)
from pf_status_relay.core.interference import Interference
from pf_status_relay.core.redundancy import NO_OTHER, Member, Openness, Place, Stand
from pf_status_relay.core.retries import Attempts, Outcome
from pf_status_relay.core.unknown_states import UnknownStates


@dataclass(frozen=True)
class Policy:
    """The part of the configuration that the decision uses.

    `early_detection_s`: seconds without a LACPDU after which LACP counts as down, although the
    port state does not say so yet. None: the port state alone decides.
    `restore_delay_s`: seconds for which LACP must be up before VFs return to auto.
    `restore_delay_max_s`: seconds to which that grows on a link that flaps. None: it does not grow.
    """

    early_detection_s: float | None = None
    restore_delay_s: float = 0.0
    restore_delay_max_s: float | None = None


class Readiness(Enum):
    """Whether the PF can be relayed for."""

    UNKNOWN = "unknown"
    ABSENT = "absent"
    NOT_READY = "not ready"
    READY = "ready"


class Pace(Enum):
    """How soon to look again."""

    INTERVAL = "at the polling interval"
    PORT_STATE = "at 1 s, or the polling interval if that is shorter, and at the port state alone at 100 ms"
    QUICK = "at 100 ms, or the polling interval if that is shorter"


@dataclass(frozen=True)
class Memory:
    """What is known of one configured interface.

    It is empty at start; a right decision needs nothing of it. `told` is what was logged of why LACP is
    down, None while it is up. `heard` is what the port had heard the last times that LACP went down.
    `up_since` (monotonic seconds) is when LACP was first seen up, None while it is down. `delayed`: VFs stay
    disabled until LACP has been up for longer. `ifindex` is that of the PF that `attempts` are about. `kept`:
    it is kept open. `openness` is how far its VFs are open once the writes are done, None if they cannot be.
    `elsewhere_since` (monotonic seconds) is since when, in an outage, one of several ports has been in an
    aggregator other than the active one; None if it is not.
    """

    interface: str
    readiness: Readiness = Readiness.UNKNOWN
    reason: str = ""
    unreadable: str = ""
    lacp_up: bool | None = None
    told: Told | None = None
    heard: tuple[Heard, ...] = ()
    up_since: float | None = None
    delayed: bool = False
    damping: Damping = field(default_factory=Damping)
    port: BondPort | None = None
    carrier: bool | None = None
    port_up: bool = False
    slow_warned: bool = False
    silence: Silence = field(default_factory=Silence)
    vf_count: int | None = None
    listed: int | None = None
    disabled: int = 0
    ifindex: int | None = None
    attempts: Attempts = field(default_factory=dict)
    unknown: UnknownStates = field(default_factory=UnknownStates)
    interference: Interference = field(default_factory=Interference)
    drains: Drains = ()
    sessions: Sessions = ()
    logged_sessions: Logged = ()
    kept: bool = False
    openness: Openness | None = None
    elsewhere_since: float | None = None

    @property
    def left_disabled(self) -> int:
        """How many VFs are disabled while the PF is not relayed for."""
        return self.disabled if self.readiness is not Readiness.READY else 0

    def member(self, order: int) -> Member:
        """Return what the other PFs of its redundancy group must know of it.

        A PF that cannot be read may be open, but cannot be opened.
        """
        can_be_open = self.openness is Openness.OPEN or not self.unreadable
        return Member(
            order,
            looked_at=self.readiness is not Readiness.UNKNOWN or bool(self.unreadable),
            openness=self.openness if can_be_open else None,
            up=bool(self.lacp_up),
            drained=bool(self.drains),
            carrier=bool(self.carrier),
            port_up=self.port_up,
        )


@dataclass(frozen=True)
class Decision:
    """The result of one look. `writes` are VFs, each with the link state to set.

    `again_in_s`: seconds after which to look again, if that is sooner than the pace says.
    """

    memory: Memory
    events: tuple[Event, ...]
    writes: tuple[VirtualFunction, ...]
    pace: Pace
    again_in_s: float | None = None


def decide(
    memory: Memory,
    facts: Facts,
    now: float,
    policy: Policy = Policy(),
    drains: Drains = (),
    place: Place | None = None,
    sessions: Sessions = (),
) -> Decision:
    """Decide what to do after one look at the interface.

    `now` is monotonic time in seconds: for early detection, for the delay of restoring VFs, and for
    the retries of refused ones. `drains` are those in effect. `place` is the PF's place in its redundancy
    group, None without a group. `sessions` are the BFD sessions on its bond.
    """
    name = memory.interface
    if isinstance(facts, Unreadable):
        events: list[Event] = []
        if facts.error != memory.unreadable:
            events.append(FetchFailed(name, facts.error))
        return Decision(replace(memory, unreadable=facts.error), tuple(events), (), Pace.QUICK)
    if isinstance(facts, Absent):
        return _absent(memory, facts)
    reason = not_ready_reason(facts)
    if memory.lacp_up is False and facts.master and _is_elsewhere(facts, facts.master):
        # When LACP comes back on one of several ports, it takes a moment to join the others.
        since = now if memory.elsewhere_since is None else memory.elsewhere_since
        memory = replace(memory, elsewhere_since=since)
        reason = reason if now - since >= causes.SETTLED_S else ""
    elif memory.elsewhere_since is not None:
        memory = replace(memory, elsewhere_since=None)
    if reason:
        events = []
        if (memory.readiness, memory.reason) != (Readiness.NOT_READY, reason):
            events.append(PfNotReady(name, reason))
        disabled = disabled_vfs(facts)
        if disabled and not memory.left_disabled:
            events.append(left_disabled_event(name, disabled))
        after = Memory(name, Readiness.NOT_READY, reason, disabled=disabled)
        return Decision(after, tuple(events), (), Pace.INTERVAL)
    return _ready(memory, facts, now, policy, drains, place, sessions)


def not_ready_reason(pf: PhysicalFunction) -> str:
    """Return the one reason why a PF cannot be monitored, or an empty string if it can."""
    master = pf.master
    if master is None:
        return "link has no master interface"
    if master.bond_mode is None:
        return f"master interface {master.name} is not a bond ({master.kind or 'unknown type'})"
    if master.bond_mode != BOND_MODE_8023AD:
        return f"bond {master.name} does not have mode 802.3ad"
    if master.port_count == 1:
        return ""
    if not pf.multi_port:
        return f"bond {master.name} has {master.port_count} ports instead of one; multi_port_bonds allows it"
    if _is_elsewhere(pf, master):
        return f"it is not in the active aggregator of bond {master.name}"
    return ""


def _is_elsewhere(pf: PhysicalFunction, master: Master) -> bool:
    """Tell whether the PF is one of several ports, hears its partner, and is not in the active aggregator.

    A port that hears no partner is in an aggregator of its own, and LACP is down on it anyway.
    """
    if master.port_count == 1 or not pf.multi_port:
        return False
    hears = pf.carrier and master.up and pf.port is not None and not pf.port.actor & lacp.FAILED
    return hears and (pf.aggregator is None or pf.aggregator != master.active_aggregator)


def settle(
    memory: Memory, outcomes: tuple[Outcome, ...], now: float, took_s: float
) -> tuple[Memory, tuple[Event, ...]]:
    """Record the outcomes of a decision's writes. Return the memory and the events to log.

    The writes were done at `now` (monotonic seconds), `took_s` seconds after the read that led to them.
    """
    name = memory.interface
    open_attempts, events = retries.record(name, outcomes, memory.attempts, now, took_s)
    unknown, told = unknown_states.settle(name, memory.unknown, outcomes)
    disabled = 0 if unknown.invented else memory.disabled
    return replace(memory, attempts=open_attempts, unknown=unknown, disabled=disabled), events + told


def explain(
    memory: Memory, events: tuple[Event, ...], pf: PhysicalFunction, now: float
) -> tuple[Memory, tuple[Event, ...]]:
    """Put into the events why LACP is down, by facts that were read after the writes, at `now`.

    `decide` has given the cause that shows without those facts. If the cause proves to be the one that was
    logged before, `lacp is still down` is left out.
    """
    if memory.told is None:
        return memory, events
    heard = memory.heard
    if any(isinstance(event, LacpDown) for event in events):
        heard = causes.remember(heard, now, pf.lacpdus_received)
    known = Cause.SLOW_PARTNER if causes.sends_slowly(heard) else memory.told.cause
    cause = causes.cause_of(pf, known) or memory.told.cause
    explained: list[Event] = []
    for event in events:
        if isinstance(event, LacpDown):
            explained.append(LacpDown(event.interface, event.actor, event.partner, event.carrier, str(cause)))
        elif not isinstance(event, LacpStillDown):
            explained.append(event)
        elif cause is not memory.told.cause:
            explained.append(
                LacpStillDown(event.interface, str(cause), event.actor, event.partner, event.carrier)
            )
    return replace(memory, told=memory.told._replace(cause=cause), heard=heard), tuple(explained)


def disabled_vfs(facts: Facts) -> int:
    """Return how many VFs are in disable."""
    vfs = facts.vfs if isinstance(facts, PhysicalFunction) else ()
    return sum(vf.link_state is VfLinkState.DISABLE for vf in vfs)


def left_disabled_event(interface: str, disabled: int) -> Event:
    """Return the event to log about VFs that the service does not set back."""
    return VfsLeftDisabled(interface, disabled, f"pf-status-relay restore {interface}")


def to_restore(facts: Facts) -> tuple[VirtualFunction, ...]:
    """Return what to write so that no VF of a PF is left disabled, whether or not the PF is in a bond."""
    if not isinstance(facts, PhysicalFunction):
        return ()
    disabled = (vf for vf in facts.vfs if vf.link_state is VfLinkState.DISABLE)
    return tuple(VirtualFunction(vf.id, VfLinkState.AUTO) for vf in disabled)


def _absent(memory: Memory, facts: Absent) -> Decision:
    name = memory.interface
    events: list[Event] = []
    if (memory.readiness, memory.reason) != (Readiness.ABSENT, facts.error):
        events.append(FetchFailed(name, facts.error))
    if memory.readiness is Readiness.READY:
        events.append(PfNotReady(name, facts.error))
    return Decision(Memory(name, Readiness.ABSENT, facts.error), tuple(events), (), Pace.INTERVAL)


def _ready(
    memory: Memory,
    pf: PhysicalFunction,
    now: float,
    policy: Policy,
    drains: Drains,
    place: Place | None,
    sessions: Sessions,
) -> Decision:
    name = memory.interface
    events: list[Event] = []
    if memory.readiness is not Readiness.READY:
        memory = Memory(name, Readiness.READY)
        events.append(PfReady(name))
    if memory.ifindex != pf.ifindex:  # the PF or its driver was created again
        memory = replace(memory, attempts={}, unknown=UnknownStates())
    memory = replace(memory, unreadable="", ifindex=pf.ifindex)

    silence = observe(memory.silence, pf, now, policy.early_detection_s)
    events += silence_events(name, memory.silence, silence)
    about_sessions, logged = bfd.session_events(name, memory.logged_sessions, sessions, now)
    events += about_sessions
    timed_out = bfd.timed_out(sessions, now)
    up = pf.lacp_up and not silence.late and not timed_out and memory.elsewhere_since is None
    hidden = Cause.BFD_TIMEOUT if timed_out else Cause.EARLY_DETECTION
    told = _follow_lacp(memory, pf, up, hidden, now, events)
    slow = up and pf.port is not None and not lacp.is_fast(pf.port.actor)
    if slow and not memory.slow_warned:
        events.append(SlowLacpRate(name))
    _follow_vf_count(memory, pf, events)
    unknown, about_unknown = unknown_states.follow(name, memory.unknown, pf)
    events += about_unknown
    events += drain_events(name, memory.drains, drains, pf.vfs)
    may_carry = up and not drains
    open_ = None if unknown.invented else redundancy.openness(pf.vfs, _refused_auto(memory.attempts))
    stand, kept = _placed(memory, pf, up, drains, open_, place, events)

    disabled = [vf for vf in pf.vfs if vf.link_state is VfLinkState.DISABLE]
    up_since = (memory.up_since if memory.up_since is not None else now) if up else None
    damping = _damped(memory, up, now, policy, events)
    delay_s = damping.delay(policy.restore_delay_s)
    wait_s = 0.0 if up_since is None else max(0.0, up_since + delay_s - now)
    delayed = may_carry and stand is not Stand.FIRST and bool(disabled) and wait_s > 0
    if delayed and not memory.delayed:
        events.append(RestoreDelayed(name, round(wait_s * 1000)))

    closing = not may_carry and stand is Stand.FREE
    writes: tuple[VirtualFunction, ...] = ()
    open_attempts, others = memory.attempts, memory.interference
    if stand is not Stand.HELD:
        if closing:
            wrong, right = [vf for vf in pf.vfs if vf.link_state is VfLinkState.AUTO], VfLinkState.DISABLE
        else:
            wrong, right = [] if delayed else disabled, VfLinkState.AUTO
        writes, open_attempts, failures = retries.plan(
            name, pf.vfs, pf.vf_count, wrong, right, memory.attempts, now
        )
        others, fought = interference.notice(name, memory.interference, pf.vfs, wrong, right, now)
        events += failures + fought

    memory = replace(
        memory,
        lacp_up=up,
        told=told,
        up_since=up_since,
        delayed=delayed,
        damping=damping,
        port=pf.port,
        carrier=pf.carrier,
        port_up=pf.lacp_up,
        silence=silence,
        slow_warned=up and (slow or memory.slow_warned),
        vf_count=pf.vf_count,
        listed=pf.vfs_listed,
        disabled=0 if unknown.invented else len(disabled),
        attempts=open_attempts,
        unknown=unknown,
        interference=others,
        drains=drains,
        sessions=sessions,
        logged_sessions=logged,
        kept=kept,
        openness=Openness.CLOSED if closing and open_ is not None else open_,
    )
    listening = policy.early_detection_s is not None and not silence.refused
    settling = retries.in_haste(open_attempts) or writes or listening
    retry_s = retries.again_in_s(open_attempts, now)
    again_s = [wait_s] if delayed else []
    held_s = bfd.held_for_s(sessions, now)
    again_s += [seconds for seconds in (retry_s, held_s) if seconds is not None]
    if told is not None and told.shows is not told.showed:
        again_s.append(told.since + causes.SETTLED_S - now)
    pace = Pace.QUICK if settling else Pace.INTERVAL if may_carry else _pace_while_closed(pf, up, timed_out)
    return Decision(memory, tuple(events), writes, pace, min(again_s, default=None))


def _pace_while_closed(pf: PhysicalFunction, up: bool, timed_out: bool) -> Pace:
    """Return how soon to look again at a PF that is down or drained, if nothing else demands a look.

    The kernel announces carrier, the state of the bond and of the PF itself, and link states that somebody
    sets. It does not announce the port state, for which pods wait, nor new VFs, which start in auto. Nor does
    it announce in which aggregator a port is; a bond of several ports can have as many aggregators. FRR
    announces changes of a BFD session that `timed_out`.
    """
    if up:
        return Pace.PORT_STATE
    alone = pf.master is not None and pf.master.port_count == 1
    shown = timed_out or not pf.lacp_up
    return Pace.PORT_STATE if alone and pf.port is not None and shown else Pace.QUICK


def _placed(
    memory: Memory,
    pf: PhysicalFunction,
    up: bool,
    drains: Drains,
    open_: Openness | None,
    place: Place | None,
    events: list[Event],
) -> tuple[Stand, bool]:
    """Return what its redundancy group means for the PF, and whether the PF is kept open."""
    stand, kept = Stand.FREE, False
    if place is not None:
        own = Member(place.order, True, open_, up, bool(drains), pf.carrier, pf.lacp_up)
        stand = redundancy.stand(own, place.others)
        kept = stand is Stand.KEPT and open_ is not None
        kept |= stand is Stand.HELD and open_ in (Openness.PARTLY, Openness.OPEN)
        if stand is Stand.HELD and not all(other.looked_at for other in place.others):
            kept = memory.kept  # logged once all have been looked at
    if kept and not memory.kept:
        reason = f"its drain is suspended: {NO_OTHER}" if up else NO_OTHER
        events.append(PfKeptOpen(memory.interface, reason))
    elif memory.kept and not kept:
        events.append(PfNoLongerKeptOpen(memory.interface))
    return stand, kept


def _refused_auto(attempts: Attempts) -> set[int]:
    """Return the numbers of the VFs that the driver refused to set to auto."""
    return {
        number
        for number, attempt in attempts.items()
        if attempt.state is VfLinkState.AUTO and attempt.refusal is not None
    }


def _follow_lacp(
    memory: Memory, pf: PhysicalFunction, up: bool, hidden: Cause, now: float, events: list[Event]
) -> Told | None:
    """Return what is now logged of why LACP is down, None if it is up. Add to `events` what is new.

    `hidden` is the cause if the port state shows none.
    """
    name, port, told = memory.interface, pf.port, memory.told
    actor, partner = (port.actor, port.partner) if port else (None, None)
    if (memory.port, memory.carrier) != (port, pf.carrier):
        events.append(PortStateChanged(name, actor, partner, pf.carrier))
    if up:
        if memory.lacp_up is not True:
            events.append(LacpUp(name, actor, partner))
        return None
    cause = causes.cause_of(pf) or hidden
    if told is None:
        events.append(LacpDown(name, actor, partner, pf.carrier, str(cause)))
        return Told(cause, cause, cause, now)
    if cause is not told.shows:
        told = told._replace(shows=cause, since=now)
    if told.is_settled(now):
        events.append(LacpStillDown(name, str(cause), actor, partner, pf.carrier))
        told = told._replace(showed=cause)
    return told


def _damped(memory: Memory, up: bool, now: float, policy: Policy, events: list[Event]) -> Damping:
    """Return the damping after this look. Add an event if the delay has grown."""
    before, least_s, most_s = memory.damping, policy.restore_delay_s, policy.restore_delay_max_s
    if most_s is None:
        return Damping()
    if up:
        return before.calmed(now, least_s) if memory.lacp_up else before.up(now, least_s)
    if not memory.lacp_up:
        return before
    damping = before.down(now, least_s, most_s)
    if damping.delay(least_s) > before.calmed(now, least_s).delay(least_s):
        events.append(RestoreDelayGrown(memory.interface, round(damping.delay_s * 1000)))
    return damping


def _follow_vf_count(memory: Memory, pf: PhysicalFunction, events: list[Event]) -> None:
    name, count, listed = memory.interface, pf.vf_count, pf.vfs_listed
    if count != memory.vf_count:
        events.append(VfsDetected(name, count) if count else NoVfs(name))
    if pf.list_has_wrapped and (memory.vf_count, memory.listed) != (count, listed):
        events.append(VfListIncomplete(name, count, listed, len(pf.vfs)))
