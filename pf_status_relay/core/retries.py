"""VF writes no read has confirmed yet: which to repeat now, which to delay.

A driver may refuse a link state, or accept it and ignore it. Either is logged once and tried again after
RETRY_S. Without that delay, the notification of each write would cause the next look, and that look the next
write. Pure, as decision.py is, which it belongs to.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from pf_status_relay.core.events import Event, SettingVfFailed, VfLinkStateSet, VfLinkStateWouldBeSet
from pf_status_relay.core.facts import VfLinkState, VirtualFunction

RETRY_S = 1.0
"""Seconds until a link state that a VF did not take is tried again."""

_TRIES_WITHOUT_EFFECT = 2
"""Accepted writes without effect before the VF counts as failing. One may be someone else setting it back."""


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


Attempts = Mapping[int, Attempt]
"""The attempts of one PF, by VF number."""


class Refusal(NamedTuple):
    """Why a write was refused: the error's number (errno.h), 0 where the kernel gave none, and its reason."""

    code: int
    reason: str


@dataclass(frozen=True)
class Outcome:
    """What became of one write. `refusal` is None when the driver took it."""

    vf: VirtualFunction
    refusal: Refusal | None = None
    dry_run: bool = False

    @property
    def error(self) -> str:
        """Why the driver refused it, empty when it did not."""
        return self.refusal.reason if self.refusal else ""


def plan(
    name: str, vfs: Iterable[VirtualFunction], right: VfLinkState, before: Attempts, now: float
) -> tuple[tuple[VirtualFunction, ...], Attempts, tuple[Event, ...]]:
    """Take in that these VFs of the interface `name` do not have the link state that is right.

    Returns the writes to be made at `now` (monotonic seconds), the attempts that are still open, and
    what is to be logged.
    """
    writes: list[VirtualFunction] = []
    attempts: dict[int, Attempt] = {}
    events: list[Event] = []
    for vf in vfs:
        attempt = before.get(vf.id)
        if attempt and attempt.state is right:
            attempt = _without_effect(name, vf, attempt, events)
            attempts[vf.id] = attempt
        else:
            attempt = None
        if not attempt or _is_due(attempt, now):
            writes.append(VirtualFunction(vf.id, right))
    return tuple(writes), attempts, tuple(events)


def record(
    name: str, outcomes: Iterable[Outcome], before: Attempts, now: float
) -> tuple[Attempts, tuple[Event, ...]]:
    """Take in what became of the writes, and return the attempts and what is to be logged.

    A refusal is logged when it is new; the VF is tried again after RETRY_S.
    """
    events: list[Event] = []
    attempts = dict(before)
    for outcome in outcomes:
        number, state = outcome.vf.id, outcome.vf.link_state
        earlier = attempts.get(number)
        if outcome.error or outcome.dry_run:
            tries = 0
            if not earlier or earlier.error != outcome.error:
                events.append(_not_set(name, outcome))
        else:
            tries = 1 + (earlier.tries if earlier else 0)
            if tries <= _TRIES_WITHOUT_EFFECT:
                events.append(VfLinkStateSet(number, state, name))
        attempts[number] = Attempt(state, outcome.error, tries, now + RETRY_S)
    return attempts, tuple(events)


def _not_set(name: str, outcome: Outcome) -> Event:
    number, state = outcome.vf.id, outcome.vf.link_state
    if outcome.dry_run:
        return VfLinkStateWouldBeSet(number, state, name)
    return SettingVfFailed(number, name, outcome.error, state)


def _is_due(attempt: Attempt, now: float) -> bool:
    set_back = 0 < attempt.tries < _TRIES_WITHOUT_EFFECT
    return set_back or attempt.retry_at <= now


def _without_effect(name: str, vf: VirtualFunction, attempt: Attempt, events: list[Event]) -> Attempt:
    """Log, once, that a VF reads as it did although the driver took every write."""
    if attempt.tries != _TRIES_WITHOUT_EFFECT:
        return attempt
    error = f"the driver took {attempt.state} without an error, and the VF still is {vf.link_state}"
    events.append(SettingVfFailed(vf.id, name, error, attempt.state))
    return replace(attempt, tries=attempt.tries + 1)
