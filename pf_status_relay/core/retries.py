"""VF writes that no read has confirmed yet: which to repeat now, which to delay.

A driver may refuse a link state, for now or for good (refusals.py), or accept it and ignore it, or refuse
it and yet show it. Each is logged once, and tried again after a delay. Without that delay, the notification
of each write would cause the next look, and that look the next write. Pure; part of decision.py's work.

    the driver ...                    the VF is written to again
    refuses for now                   after 0.1, 0.2, 0.4, 0.8 s, then each second
    refuses for good                  after 1, 2, 4, ... s, then each minute: one VF of all these
    refuses for another reason        each second
    refused, and shows the new state  as above, three times
    accepts and ignores it            once at once, then each second

A VF that the list lacks is unknown: its attempt waits until it is listed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from pf_status_relay.core.events import (
    Event,
    SettingVfFailed,
    VfLinkStateDoubtful,
    VfLinkStateSet,
    VfLinkStateWouldBeSet,
)
from pf_status_relay.core.facts import VfLinkState, VirtualFunction
from pf_status_relay.core.refusals import Kind, Refusal

RETRY_S = 1.0
"""Seconds until a write that a VF did not take is tried again."""

SOONEST_RETRY_S = 0.1
"""Seconds until the first retry after a refusal for now. Each further retry waits twice as long."""

SELDOMMEST_RETRY_S = 60.0
"""Maximum seconds between tries of writes that are refused for good."""

QUIET_S = 1.0
"""Seconds for which refusals for now must last before they are logged."""

REPEATS = 3
"""How many times a refused write is repeated although the VF reads as wanted."""

_TRIES_WITHOUT_EFFECT = 2
"""Accepted writes without effect before the VF counts as failing. One may be someone else setting it back."""


@dataclass(frozen=True)
class Attempt:
    """A write to a VF that has not yet been seen to work.

    `tries` counts the writes that the driver accepted in a row without effect. `retry_at` is when to write
    again, `tried_at` when the last write was (monotonic seconds). If the write was refused: `refusal` says
    why, `refused` counts refusals of that kind in a row, `since` is when the first refusal was, `told` is the
    kind that was logged last. `shown`: the last read shows the new state nevertheless; `repeats` counts the
    writes since then.
    """

    state: VfLinkState
    tries: int
    retry_at: float
    tried_at: float
    refusal: Refusal | None = None
    refused: int = 0
    since: float = 0.0
    told: Kind | None = None
    shown: bool = False
    repeats: int = 0

    @property
    def kind(self) -> Kind | None:
        """The kind of the refusal; None if the driver accepted the write."""
        return self.refusal.kind if self.refusal else None

    @property
    def given_up(self) -> bool:
        """Whether it was repeated often enough: the VF shows the state wanted."""
        return self.shown and self.repeats >= REPEATS


Attempts = Mapping[int, Attempt]
"""The attempts of one PF, by VF number."""


@dataclass(frozen=True)
class Outcome:
    """The outcome of one write. `refusal` is None when the driver accepted it."""

    vf: VirtualFunction
    refusal: Refusal | None = None
    dry_run: bool = False

    @property
    def error(self) -> str:
        """Why the driver refused the write, empty if it did not."""
        return self.refusal.reason if self.refusal else ""


def plan(
    name: str,
    vfs: Iterable[VirtualFunction],
    vf_count: int,
    wrong: Iterable[VirtualFunction],
    right: VfLinkState,
    before: Attempts,
    now: float,
) -> tuple[tuple[VirtualFunction, ...], Attempts, tuple[Event, ...]]:
    """Plan the writes after a look at the interface `name`: `wrong` are the VFs not in the `right` state.

    Returns the writes to make at `now` (monotonic seconds), the attempts that are still open, and the
    events to log.
    """
    due: list[int] = []
    attempts: dict[int, Attempt] = {}
    events: list[Event] = []
    for vf in wrong:
        attempt = before.get(vf.id)
        if attempt and attempt.state is right:
            attempt = replace(attempt, shown=False) if attempt.shown else attempt
            attempts[vf.id] = _without_effect(name, vf, attempt, events)
        if vf.id not in attempts or _is_due(attempts[vf.id], now):
            due.append(vf.id)
    others = {number: each for number, each in before.items() if each.state is right}
    if len(others) > len(attempts):
        states = dict(vfs)
        for number in others.keys() - attempts.keys():
            attempt = others[number]
            if number not in states:
                attempts.update({number: attempt} if number < vf_count else {})
            elif states[number] is right and attempt.refusal and attempt.refusal.leaves_doubt:
                attempts[number] = attempt = replace(attempt, shown=True)
                if attempt.retry_at <= now and not attempt.given_up:
                    due.append(number)
    writes = tuple(VirtualFunction(number, right) for number in sorted(_one_for_good(due, attempts)))
    return writes, attempts, tuple(events)


def record(
    name: str, outcomes: Iterable[Outcome], before: Attempts, now: float, took_s: float
) -> tuple[Attempts, tuple[Event, ...]]:
    """Record the outcomes of writes. Return the attempts and the events to log.

    The writes were done at `now` (monotonic seconds), `took_s` seconds after the read that led to them. A
    refusal is logged when its kind is new; a refusal for good once for all VFs of the PF.
    """
    events: list[Event] = []
    attempts = dict(before)
    outcomes = tuple(outcomes)
    for_good = sum(
        outcome.refusal is not None and outcome.refusal.kind is Kind.FOR_GOOD for outcome in outcomes
    )
    for outcome in outcomes:
        number, state = outcome.vf.id, outcome.vf.link_state
        earlier = attempts.get(number)
        if outcome.dry_run:
            if not earlier:
                events.append(VfLinkStateWouldBeSet(number, state, name))
            attempts[number] = Attempt(state, 0, now + RETRY_S, now)
        elif outcome.refusal:
            attempts[number] = _refused(name, outcome.refusal, outcome.vf, attempts, for_good, now, events)
        else:
            tries = 1 + (earlier.tries if earlier else 0)
            if tries <= _TRIES_WITHOUT_EFFECT:
                events.append(VfLinkStateSet(number, state, name, round(took_s * 1000, 3)))
            attempts[number] = Attempt(state, tries, now + RETRY_S, now)
            if earlier and earlier.kind is Kind.FOR_GOOD:
                _pace_for_good(attempts, 0, now)
    if for_good:
        level = max(each.refused for each in attempts.values() if each.kind is Kind.FOR_GOOD)
        _pace_for_good(attempts, level, now + min(RETRY_S * 2 ** min(level - 1, 16), SELDOMMEST_RETRY_S))
    return attempts, tuple(events)


def in_haste(attempts: Attempts) -> bool:
    """Tell whether any attempt is due again within a second or so."""
    return any(each.kind is not Kind.FOR_GOOD and not each.given_up for each in attempts.values())


def again_in_s(attempts: Attempts, now: float) -> float | None:
    """Return the seconds until a write refused for good is tried again; None if there is none."""
    waiting = (each.retry_at - now for each in attempts.values() if each.kind is Kind.FOR_GOOD)
    return min((seconds for seconds in waiting if seconds > 0), default=None)


def _refused(
    name: str,
    refusal: Refusal,
    vf: VirtualFunction,
    attempts: Attempts,
    for_good: int,
    now: float,
    events: list[Event],
) -> Attempt:
    """Return the attempt after a refusal. Add an event if the refusal is news.

    `for_good` is how many of the writes made at the same time were refused for good.
    """
    earlier = attempts.get(vf.id)
    if earlier is None or earlier.refusal is None:
        earlier = Attempt(vf.link_state, 0, now, now, since=now)
    kind = refusal.kind
    attempt = replace(
        earlier,
        tries=0,
        refusal=refusal,
        refused=earlier.refused + 1 if earlier.kind is kind else 1,
        repeats=earlier.repeats + earlier.shown,
        tried_at=now,
    )
    delay_s = min(SOONEST_RETRY_S * 2 ** min(attempt.refused - 1, 16), RETRY_S)
    attempt = replace(attempt, retry_at=now + (delay_s if kind is Kind.FOR_NOW else RETRY_S))
    if attempt.given_up and not earlier.given_up:
        events.append(VfLinkStateDoubtful(vf.id, name, refusal.reason, vf.link_state))
        return replace(attempt, told=kind)
    if kind is earlier.told or (kind is Kind.FOR_NOW and now - attempt.since < QUIET_S):
        return attempt
    if kind is not Kind.FOR_GOOD or not any(each.told is Kind.FOR_GOOD for each in attempts.values()):
        more = for_good - 1 if kind is Kind.FOR_GOOD else 0
        reason = f"{refusal.reason}; so for {more} more VF{'s' * (more > 1)}" if more else refusal.reason
        events.append(SettingVfFailed(vf.id, name, reason, vf.link_state))
    return replace(attempt, told=kind)


def _one_for_good(due: Iterable[int], attempts: Attempts) -> set[int]:
    """Return the VFs that are due; of those refused for good, only the one whose last try is longest ago."""
    numbers = set(due)
    refused = [number for number in numbers if number in attempts and attempts[number].kind is Kind.FOR_GOOD]
    if refused:
        numbers -= set(refused)
        numbers.add(min(refused, key=lambda number: (attempts[number].tried_at, number)))
    return numbers


def _pace_for_good(attempts: dict[int, Attempt], refused: int, retry_at: float) -> None:
    """Set the same pace for all writes that the driver refused for good."""
    for number, attempt in attempts.items():
        if attempt.kind is Kind.FOR_GOOD:
            attempts[number] = replace(attempt, refused=refused, retry_at=retry_at)


def _is_due(attempt: Attempt, now: float) -> bool:
    set_back = 0 < attempt.tries < _TRIES_WITHOUT_EFFECT
    return set_back or attempt.retry_at <= now


def _without_effect(name: str, vf: VirtualFunction, attempt: Attempt, events: list[Event]) -> Attempt:
    """Return the attempt. Add an event, once, if the driver accepts writes and the VF does not change."""
    if attempt.tries != _TRIES_WITHOUT_EFFECT:
        return attempt
    error = f"the driver took {attempt.state} without an error, and the VF still is {vf.link_state}"
    events.append(SettingVfFailed(vf.id, name, error, attempt.state))
    return replace(attempt, tries=attempt.tries + 1)
