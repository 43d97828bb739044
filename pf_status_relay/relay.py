"""The decision for one PF: from what was known and what is read to what is to be done.

Everything that decides over a VF's link state is in this file, and nothing else is: no I/O,
no clock, no logging. The law:

    the PF is ...        a VF in auto     in disable      in enable
    not ready            is left alone    is left alone   is left alone
    ready, LACP down     becomes disable  is left alone   is left alone
    ready, LACP up       is left alone    becomes auto    is left alone

It is applied to what the last read found, at every look, so nothing depends on having seen a
change. What is remembered between looks serves only to log each change once, and to hold back
from a VF that the driver has just refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum

from pf_status_relay import lacp
from pf_status_relay.events import (
    Event,
    FetchFailed,
    LacpDown,
    LacpUp,
    NoVfs,
    PfNotReady,
    PfReady,
    PortStateChanged,
    SettingVfFailed,
    SlowLacpRate,
    VfLinkStateSet,
    VfLinkStateWouldBeSet,
    VfListIncomplete,
    VfsDetected,
)
from pf_status_relay.hearing import Hearing, hearing_events, listen
from pf_status_relay.link import (
    BOND_MODE_8023AD,
    Absent,
    BondPort,
    Facts,
    PhysicalFunction,
    Unreadable,
    VfLinkState,
    VirtualFunction,
)

RETRY_S = 1.0
"""Seconds until a link state that a VF did not take is tried again."""

_TRIES_WITHOUT_EFFECT = 2
"""Writes that the driver takes and that change nothing, before the VF is held back from. The
first can be somebody else's doing, who set the VF back at that moment."""


@dataclass(frozen=True)
class Policy:
    """What the configuration has to say to the decision.

    `early_detection_s`: seconds without a LACPDU after which LACP counts as down, although the
    port state does not say so yet. None leaves it to the port state.
    """

    early_detection_s: float | None = None


class Standing(Enum):
    """Whether the PF can be relayed for."""

    UNKNOWN = "unknown"
    ABSENT = "absent"
    NOT_READY = "not ready"
    READY = "ready"


class Pace(Enum):
    """How soon to look again."""

    INTERVAL = "at the polling interval"
    QUICK = "at 100 ms, or the polling interval if that is shorter"


@dataclass(frozen=True)
class Attempt:
    """A write to a VF that has not yet been seen to work.

    `error` is why it was refused, empty if the driver took it; `tries` counts the writes taken
    in a row without effect; `retry_at` is in monotonic seconds.
    """

    state: VfLinkState
    error: str
    tries: int
    retry_at: float


@dataclass(frozen=True)
class Memory:
    """What is known of one configured interface.

    It is empty at start, and nothing in it is needed to decide rightly.
    """

    interface: str
    standing: Standing = Standing.UNKNOWN
    reason: str = ""
    unreadable: str = ""
    lacp_up: bool | None = None
    port: BondPort | None = None
    carrier: bool | None = None
    slow_warned: bool = False
    hearing: Hearing = field(default_factory=Hearing)
    vf_count: int | None = None
    listed: int | None = None
    disabled: int = 0
    attempts: Mapping[int, Attempt] = field(default_factory=dict)


@dataclass(frozen=True)
class Decision:
    """What one look leads to: `writes` are VFs with the link state that they are to get."""

    memory: Memory
    events: tuple[Event, ...]
    writes: tuple[VirtualFunction, ...]
    pace: Pace


@dataclass(frozen=True)
class Outcome:
    """What became of one write. `error` is empty when the driver took it."""

    vf: VirtualFunction
    error: str = ""
    dry_run: bool = False


def decide(memory: Memory, facts: Facts, now: float, policy: Policy = Policy()) -> Decision:
    """Decide on one look at the interface.

    `now` is monotonic time in seconds: for the retries of refused VFs, and for early detection.
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
    if reason:
        events = []
        if (memory.standing, memory.reason) != (Standing.NOT_READY, reason):
            events.append(PfNotReady(name, reason))
        return Decision(Memory(name, Standing.NOT_READY, reason), tuple(events), (), Pace.INTERVAL)
    return _ready(memory, facts, now, policy)


def not_ready_reason(pf: PhysicalFunction) -> str:
    """Return the one reason why a PF cannot be monitored, or an empty string if it can."""
    master = pf.master
    if master is None:
        return "link has no master interface"
    if master.bond_mode is None:
        return f"master interface {master.name} is not a bond ({master.kind or 'unknown type'})"
    if master.bond_mode != BOND_MODE_8023AD:
        return f"bond {master.name} does not have mode 802.3ad"
    if master.port_count != 1:
        return f"bond {master.name} has {master.port_count} ports instead of one"
    return ""


def settle(memory: Memory, outcomes: tuple[Outcome, ...], now: float) -> tuple[Memory, tuple[Event, ...]]:
    """Take in what became of the writes of a decision, and say what is to be logged of it.

    A refusal is logged when it is new; the VF is tried again after RETRY_S.
    """
    name = memory.interface
    events: list[Event] = []
    attempts = dict(memory.attempts)
    for outcome in outcomes:
        number, state = outcome.vf.id, outcome.vf.link_state
        before = attempts.get(number)
        refused = outcome.error or outcome.dry_run
        if refused:
            tries = 0
            if not before or before.error != outcome.error:
                events.append(_not_set(name, outcome))
        else:
            tries = 1 + (before.tries if before else 0)
            if tries <= _TRIES_WITHOUT_EFFECT:
                events.append(VfLinkStateSet(number, state, name))
        attempts[number] = Attempt(state, outcome.error, tries, now + RETRY_S)
    return replace(memory, attempts=attempts), tuple(events)


def _not_set(name: str, outcome: Outcome) -> Event:
    number, state = outcome.vf.id, outcome.vf.link_state
    if outcome.dry_run:
        return VfLinkStateWouldBeSet(number, state, name)
    return SettingVfFailed(number, name, outcome.error, state)


def _absent(memory: Memory, facts: Absent) -> Decision:
    name = memory.interface
    events: list[Event] = []
    if (memory.standing, memory.reason) != (Standing.ABSENT, facts.error):
        events.append(FetchFailed(name, facts.error))
    if memory.standing is Standing.READY:
        events.append(PfNotReady(name, facts.error))
    return Decision(Memory(name, Standing.ABSENT, facts.error), tuple(events), (), Pace.INTERVAL)


def _ready(memory: Memory, pf: PhysicalFunction, now: float, policy: Policy) -> Decision:
    name = memory.interface
    events: list[Event] = []
    if memory.standing is not Standing.READY:
        memory = Memory(name, Standing.READY)
        events.append(PfReady(name))
    memory = replace(memory, unreadable="")

    hearing = listen(memory.hearing, pf, now, policy.early_detection_s)
    events += hearing_events(name, memory.hearing, hearing)
    up = _follow_lacp(memory, pf, hearing.late, events)
    slow = up and pf.port is not None and not lacp.is_fast(pf.port.actor)
    if slow and not memory.slow_warned:
        events.append(SlowLacpRate(name))
    _follow_vf_count(memory, pf, events)

    wrong, right = (VfLinkState.DISABLE, VfLinkState.AUTO) if up else (VfLinkState.AUTO, VfLinkState.DISABLE)
    writes: list[VirtualFunction] = []
    attempts: dict[int, Attempt] = {}
    for vf in pf.vfs:
        if vf.link_state is not wrong:
            continue
        attempt = memory.attempts.get(vf.id)
        if attempt and attempt.state is right:
            attempt = _without_effect(name, vf, attempt, events)
            attempts[vf.id] = attempt
        else:
            attempt = None
        if not attempt or _is_due(attempt, now):
            writes.append(VirtualFunction(vf.id, right))

    memory = replace(
        memory,
        lacp_up=up,
        port=pf.port,
        carrier=pf.carrier,
        hearing=hearing,
        slow_warned=up and (slow or memory.slow_warned),
        vf_count=pf.vf_count,
        listed=pf.vfs_listed,
        disabled=sum(vf.link_state is VfLinkState.DISABLE for vf in pf.vfs),
        attempts=attempts,
    )
    listening = policy.early_detection_s is not None and not hearing.refused
    settling = not up or attempts or writes or listening
    return Decision(memory, tuple(events), tuple(writes), Pace.QUICK if settling else Pace.INTERVAL)


def _follow_lacp(memory: Memory, pf: PhysicalFunction, late: bool, events: list[Event]) -> bool:
    name, port = memory.interface, pf.port
    actor, partner = (port.actor, port.partner) if port else (None, None)
    up = pf.lacp_up and not late
    if (memory.port, memory.carrier) != (port, pf.carrier):
        events.append(PortStateChanged(name, actor, partner, pf.carrier))
    if up is not memory.lacp_up:
        events.append(LacpUp(name, actor, partner) if up else LacpDown(name, actor, partner, pf.carrier))
    return up


def _follow_vf_count(memory: Memory, pf: PhysicalFunction, events: list[Event]) -> None:
    name, count, listed = memory.interface, pf.vf_count, pf.vfs_listed
    if count != memory.vf_count:
        events.append(VfsDetected(name, count) if count else NoVfs(name))
    if listed < count and (memory.vf_count, memory.listed) != (count, listed):
        events.append(VfListIncomplete(name, count, listed, len(pf.vfs)))


def _is_due(attempt: Attempt, now: float) -> bool:
    set_back = 0 < attempt.tries < _TRIES_WITHOUT_EFFECT
    return set_back or attempt.retry_at <= now


def _without_effect(name: str, vf: VirtualFunction, attempt: Attempt, events: list[Event]) -> Attempt:
    """Log, once, that a VF reads as it did although the driver took every write.

    Without this a driver that takes link states and ignores them would be written to, and
    logged about, at every look; and the notification of each write would cause the next look.
    """
    if attempt.tries != _TRIES_WITHOUT_EFFECT:
        return attempt
    error = f"the driver took {attempt.state} without an error, and the VF still is {vf.link_state}"
    events.append(SettingVfFailed(vf.id, name, error, attempt.state))
    return replace(attempt, tries=attempt.tries + 1)
