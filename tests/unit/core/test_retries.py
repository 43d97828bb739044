"""A driver's refusals: for now, for good, or while it shows the new state."""

from __future__ import annotations

import errno
import os
from dataclasses import replace

import pytest

from pf_status_relay.core import events
from pf_status_relay.core.decision import Pace
from pf_status_relay.core.facts import VirtualFunction
from pf_status_relay.core.refusals import Kind, Refusal
from tests.support.facts import AUTO, DISABLE, DOWN, UP, Watched, pf

UNSUPPORTED, BUSY, BROKEN = map(os.strerror, (errno.EOPNOTSUPP, errno.EBUSY, errno.EIO))
TIMED_OUT = os.strerror(errno.ETIMEDOUT)


@pytest.fixture
def watched() -> Watched:
    return Watched()


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        *(
            (code, Kind.FOR_NOW)
            for code in (errno.EAGAIN, errno.EBUSY, errno.EINTR, errno.ETIMEDOUT, errno.EINVAL)
        ),
        *((code, Kind.FOR_GOOD) for code in (errno.EOPNOTSUPP, errno.EPERM)),
        *((code, Kind.OTHER) for code in (0, errno.EIO, errno.ENODEV)),
    ],
)
def test_refusals_are_told_apart_by_their_errors(code: int, kind: Kind) -> None:
    assert Refusal(code, "").kind is kind


def test_what_is_refused_for_good_is_tried_ever_more_seldom_up_to_a_minute(watched: Watched) -> None:
    written = []
    for _ in range(4000):
        if watched.look(pf(DOWN, AUTO), after=0.125, error=UNSUPPORTED).writes:
            written.append(watched.now)
    assert [b - a for a, b in zip(written, written[1:])] == [1, 2, 4, 8, 16, 32, *[60] * (len(written) - 7)]


def test_one_vf_stands_for_all_that_are_refused_for_good_and_one_line_tells_of_them(watched: Watched) -> None:
    first = watched.look(pf(DOWN, *[AUTO] * 4), error=UNSUPPORTED)
    failed = [each for each in first.events if isinstance(each, events.SettingVfFailed)]
    assert failed == [events.SettingVfFailed(0, "ens5f0", f"{UNSUPPORTED}; so for 3 more VFs", DISABLE)]
    looks = [watched.look(pf(DOWN, *[AUTO] * 4), after=0.5, error=UNSUPPORTED) for _ in range(60)]
    assert [vf.id for look in looks for vf in look.writes] == [0, 1, 2, 3]
    assert not any(look.events for look in looks)


def test_where_one_is_taken_at_last_the_others_follow_at_once(watched: Watched) -> None:
    watched.look(pf(DOWN, *[AUTO] * 3), error=UNSUPPORTED)
    assert [vf.id for vf in watched.look(pf(DOWN, *[AUTO] * 3), after=1).writes] == [0]
    assert [vf.id for vf in watched.look(pf(DOWN, DISABLE, AUTO, AUTO)).writes] == [1]
    assert [vf.id for vf in watched.look(pf(DOWN, DISABLE, DISABLE, AUTO)).writes] == [2]


def test_another_pf_of_the_name_is_tried_at_once(watched: Watched) -> None:
    watched.look(pf(DOWN, AUTO), error=UNSUPPORTED)
    assert not watched.look(pf(DOWN, AUTO), after=0.5).writes
    other = watched.look(replace(pf(DOWN, AUTO), ifindex=6), error=UNSUPPORTED)
    assert other.writes == (VirtualFunction(0, DISABLE),)
    assert events.SettingVfFailed(0, "ens5f0", UNSUPPORTED, DISABLE) in other.events


def test_what_is_refused_for_good_is_no_reason_to_look_often(watched: Watched) -> None:
    watched.look(pf(UP, DISABLE, AUTO), error=UNSUPPORTED)
    assert watched.look(pf(UP, DISABLE, AUTO), after=0.5).pace is Pace.INTERVAL


def test_what_is_refused_for_now_is_tried_soon_and_told_if_it_lasts(watched: Watched) -> None:
    begun = watched.now
    written, told = [], []
    for _ in range(50):
        look = watched.look(pf(DOWN, AUTO), error=BUSY)
        written += [watched.now - begun] if look.writes else []
        told += [watched.now - begun for each in look.events if isinstance(each, events.SettingVfFailed)]
        watched.now += 0.0625
    assert written == [0.0, 0.125, 0.375, 0.8125, 1.625, 2.625]
    assert told == [1.625]


def test_a_kind_that_changes_is_told_and_an_error_of_the_same_kind_is_not(watched: Watched) -> None:
    told = []
    for error in (BROKEN, os.strerror(errno.ENODEV), UNSUPPORTED, BUSY, BUSY, BROKEN):
        look = watched.look(pf(DOWN, AUTO), after=2, error=error)
        told += [each.error for each in look.events if isinstance(each, events.SettingVfFailed)]
    assert told == [BROKEN, UNSUPPORTED, BUSY, BROKEN]


@pytest.mark.parametrize("error", [BROKEN, TIMED_OUT])
def test_a_state_that_shows_after_its_refusal_is_written_three_times_more_and_doubted(
    watched: Watched, error: str
) -> None:
    watched.look(pf(DOWN, AUTO), error=error)
    looks = [watched.look(pf(DOWN, DISABLE), after=0.25, error=error) for _ in range(40)]
    assert sum(len(look.writes) for look in looks) == 3
    assert [each for look in looks for each in look.events] == [
        events.VfLinkStateDoubtful(0, "ens5f0", error, DISABLE)
    ]
    assert watched.look(pf(UP, DISABLE), after=0.25).writes == (VirtualFunction(0, AUTO),)


def test_a_state_that_shows_after_its_refusal_is_believed_when_the_driver_takes_it(watched: Watched) -> None:
    watched.look(pf(DOWN, AUTO), error=BROKEN)
    again = watched.look(pf(DOWN, DISABLE), after=1)
    assert again.writes == (VirtualFunction(0, DISABLE),)
    assert again.events == (events.VfLinkStateSet(0, DISABLE, "ens5f0", 0.0),)
    assert not any(watched.look(pf(DOWN, DISABLE), after=1).writes for _ in range(5))


@pytest.mark.parametrize("error", ["", BUSY, UNSUPPORTED])
def test_what_the_driver_took_or_did_not_begin_is_not_written_again(watched: Watched, error: str) -> None:
    watched.look(pf(DOWN, AUTO), error=error)
    assert not any(watched.look(pf(DOWN, DISABLE), after=1).writes for _ in range(100))


def test_a_vf_that_is_missing_keeps_its_attempt(watched: Watched) -> None:
    watched.look(pf(DOWN, AUTO, AUTO), error=BROKEN)
    hidden = replace(pf(DOWN, AUTO), vf_count=2)
    told = [watched.look(hidden, after=0.25).events for _ in range(2)]
    assert told == [(events.VfsMissing("ens5f0", 2, 1),), ()]
    back = watched.look(pf(DOWN, DISABLE, AUTO), after=1, error=BROKEN)
    assert VirtualFunction(1, DISABLE) in back.writes
    assert back.events == (events.VfsListedAgain("ens5f0", 2),), "its refusal is no news"
