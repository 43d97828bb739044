"""History from the journal's entries: outages, gaps, failed writes, and the state of each PF."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pf_status_relay.core import events
from pf_status_relay.core.causes import Cause
from pf_status_relay.core.events import Event
from pf_status_relay.core.facts import VfLinkState
from pf_status_relay.core.history import (
    FIELDS,
    JOURNAL_DROPPED,
    LAST_OF_BOOT,
    PROCESS_EXIT,
    Entry,
    FailedWrites,
    Gap,
    History,
    Kind,
    Known,
    Moment,
    Outage,
    Override,
    PfHistory,
    State,
    history,
)
from pf_status_relay.log.output import journal_fields

START = 1_000_000.0
"""Time of second 0 of a story, in seconds since 1970: 5 s after the boot."""

UP = events.LacpUp("ens5f0", None, None)
DOWN = events.LacpDown("ens5f0", None, None, True, "LACPDUs have stopped")
STARTING = events.Starting()
STOPPING = events.Stopping()
MISSING = "entries before this are missing: the journal did not take them"
NOT_READY = events.PfNotReady("ens5f0", "link has no master interface")
MONITORED = events.InterfacesToMonitor(("ens5f0",))


def disabled(number: int, took_ms: float = 0.4) -> Event:
    return events.VfLinkStateSet(number, VfLinkState.DISABLE, "ens5f0", took_ms)


def raw(message_id: str, **fields: str) -> tuple[str, dict[str, str]]:
    """Return the content of an entry that is no event of the service."""
    return message_id, fields


def killed(signal: int = 9) -> tuple[str, dict[str, str]]:
    return raw(PROCESS_EXIT, COMMAND="ExecStart", EXIT_CODE="killed", EXIT_STATUS=str(signal))


def vf_set(**fields: str) -> tuple[str, dict[str, str]]:
    return raw(events.VfLinkStateSet.message_id, PF_INTERFACE="ens5f0", **fields)


Told = tuple[float, "Event | tuple[str, dict[str, str]]"]


def entry(at: float, what: Any, boot: str = "a") -> Entry:
    """Return the journal's entry for an event or raw content, as the program reads it."""
    if isinstance(what, Event):
        fields = journal_fields(what)
        message_id = what.message_id
    else:
        message_id, fields = what
    wanted = FIELDS.get(message_id, ())
    return Entry(
        START + at, 5 + at, boot, message_id, {name: fields[name] for name in wanted if name in fields}
    )


def told(
    *story: Told,
    now: float = 1000.0,
    since: float = 0.0,
    begins: float | None = -100.0,
    known: Mapping[str, Known] | None = None,
    boot: str = "a",
) -> History:
    """Return the history of a story: pairs of a time in seconds and what was logged then, in one boot."""
    return told_of([entry(at, what) for at, what in story], now, since, begins, known, boot)


def told_of(
    entries: Iterable[Entry],
    now: float = 1000.0,
    since: float = 0.0,
    begins: float | None = -100.0,
    known: Mapping[str, Known] | None = None,
    boot: str = "a",
) -> History:
    return history(
        entries,
        START + since,
        Moment(START + now, 5 + now, boot),
        None if begins is None else START + begins,
        known or {},
    )


def only(found: History) -> PfHistory:
    (pf,) = found.pfs
    return pf


def outage(begin: float, end: float | None, duration_s: float, **other: Any) -> Outage:
    values: dict[str, Any] = {
        "before": State.UP,
        "after": State.UP,
        "cause": "LACPDUs have stopped",
        "unwatched_s": 0.0,
        "vfs": (),
        "disabled_within_ms": None,
        **other,
    }
    return Outage("ens5f0", START + begin, None if end is None else START + end, duration_s, **values)


def spans(pf: PfHistory) -> list[tuple[float, float, str]]:
    return [(each.begin - START, each.end - START, each.state.value) for each in pf.periods]


def gaps(found: History) -> list[tuple[float, float | None, str, bool]]:
    return [
        (gap.begin - START, None if gap.end is None else gap.end - START, gap.reason, gap.restarted)
        for gap in found.gaps
    ]


def test_an_outage_has_begin_end_and_the_vfs_that_were_disabled_for_it() -> None:
    pf = only(
        told(
            (0, STARTING), (1, UP), (10, DOWN), (10, disabled(0)), (10, disabled(2)), (50, UP),
        )
    )  # fmt: skip
    assert pf.outages == (outage(10, 50, 40, vfs=(0, 2), disabled_within_ms=0.4),)
    assert spans(pf) == [(0, 1, "unknown"), (1, 10, "up"), (10, 50, "down"), (50, 1000, "up")]
    assert (pf.now, pf.since) == (State.UP, START + 50)
    assert (pf.total_s, pf.longest_s, pf.unknown_s) == (40, 40, 1)


def test_an_outage_that_goes_on_has_no_end() -> None:
    pf = only(told((0, STARTING), (1, UP), (900, DOWN)))
    assert pf.outages == (outage(900, None, 100, after=State.DOWN),)
    assert pf.now is State.DOWN


def test_total_and_longest_are_of_all_outages() -> None:
    pf = only(told((0, STARTING), (0, UP), (10, DOWN), (15, UP), (20, DOWN), (40, UP)))
    assert (len(pf.outages), pf.total_s, pf.longest_s) == (2, 25, 20)


def test_pfs_are_told_apart() -> None:
    other = events.LacpDown("ens5f1", None, None, True, "no carrier")
    found = told((0, STARTING), (0, UP), (10, other), (20, DOWN), (30, UP))
    assert [(pf.interface, len(pf.outages), pf.now.value) for pf in found.pfs] == [
        ("ens5f0", 1, "up"),
        ("ens5f1", 1, "down"),
    ]
    assert [each.interface for each in found.outages] == ["ens5f1", "ens5f0"], "as they began"
    assert [pf.interface for pf in found.of("ens5f1").pfs] == ["ens5f1"]


@pytest.mark.parametrize(
    ("vfs", "within"),
    [
        ([(10.0, disabled(0, 2000.0)), (10.09, disabled(1, 2000.0))], 2000.0),  # a slow driver, one look
        ([(10.0, disabled(0, 0.4)), (11.0, disabled(1, 0.3))], 1000.0),  # the driver refused at first
        ([(10.0, disabled(0, 0.4)), (500.0, disabled(0, 0.3))], 0.4),  # someone else had set it back
        ([(10.0, vf_set(VF_ID="0", VF_LINK_STATE="disable"))], None),  # from a version that did not log it
        ([(10.0, events.VfLinkStateSet(0, VfLinkState.AUTO, "ens5f0", 0.4))], None),
        ([(10.0, vf_set(VF_ID="x", VF_LINK_STATE="disable"))], None),
    ],
)  # fmt: skip
def test_how_quickly_vfs_were_disabled_is_by_the_services_clock_for_the_first_look(
    vfs: list[Told], within: float | None
) -> None:
    pf = only(told((0, STARTING), (0, UP), (10, DOWN), *vfs))
    found = pf.outages[0].disabled_within_ms
    assert found == (None if within is None else pytest.approx(within))


def test_the_cause_is_that_of_the_event() -> None:
    what = raw(
        events.LacpDown.message_id, PF_INTERFACE="ens5f0", **{events.journal_field("cause"): "no carrier"}
    )
    pf = only(told((0, STARTING), (0, UP), (10, what)))
    assert pf.outages[0].cause == "no carrier"


@pytest.mark.parametrize("cause", Cause)
def test_each_cause_is_told_as_the_log_tells_it(cause: Cause) -> None:
    down = events.LacpDown("ens5f0", None, None, True, str(cause))
    (found,) = only(told((0, STARTING), (0, UP), (10, down), (30, UP))).outages
    assert found.cause == str(cause)


def test_the_cause_that_an_outage_has_come_to_have_counts() -> None:
    later = events.LacpStillDown("ens5f0", "partner is individual", None, None, True)
    pf = only(told((0, STARTING), (0, UP), (10, DOWN), (20, later), (30, UP)))
    (outage,) = pf.outages
    assert (outage.duration_s, outage.cause) == (20, "partner is individual")


def test_a_restart_does_not_end_an_outage_and_what_nobody_saw_of_it_is_told() -> None:
    found = told(
        (0, STARTING), (0, UP), (10, DOWN), (20, STOPPING), (23, STARTING), (24, DOWN), (30, UP),
    )  # fmt: skip
    assert only(found).outages == (outage(10, 30, 20, unwatched_s=4),)
    assert gaps(found) == [(20, 23, "the service was stopped", True)]
    assert spans(only(found))[1:4] == [(10, 20, "down"), (20, 24, "unknown"), (24, 30, "down")]


def test_an_outage_that_ended_while_nobody_looked_ends_when_it_was_found_over() -> None:
    pf = only(told((0, STARTING), (0, UP), (10, DOWN), (20, STOPPING), (50, STARTING), (50, UP)))
    assert pf.outages == (outage(10, 50, 40, unwatched_s=30),)


def test_an_outage_that_began_while_nobody_looked_says_so() -> None:
    pf = only(told((0, STARTING), (0, UP), (20, STOPPING), (50, STARTING), (50, DOWN), (60, UP)))
    assert pf.outages == (outage(50, 60, 10, before=State.UNKNOWN),)


def test_a_restart_of_the_host_ends_an_outage_at_a_time_that_nobody_knows() -> None:
    entries = [
        *(entry(at, what) for at, what in ((0, STARTING), (0, UP), (10, DOWN))),
        entry(90, raw(LAST_OF_BOOT)),
        *(
            Entry(START + at, at - 200, "b", *entry(at, what)[3:])
            for at, what in ((203, STARTING), (205, DOWN))
        ),
    ]
    found = told_of(entries, boot="b", now=300)
    first, second = only(found).outages
    assert first == outage(10, None, 80, after=State.UNKNOWN)
    assert (second.begin, second.before) == (START + 205, State.UNKNOWN)
    assert gaps(found) == [(90, 203, "the host was restarted", True)]


def test_a_stop_before_a_restart_of_the_host_is_named() -> None:
    found = told((0, STARTING), (10, STOPPING), (90, raw(LAST_OF_BOOT)), boot="b")
    assert gaps(found) == [(10, None, "the service was stopped, and the host was restarted", False)]


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        (killed(), "the service was killed by signal 9"),
        (
            raw(PROCESS_EXIT, COMMAND="ExecStart", EXIT_CODE="exited", EXIT_STATUS="1"),
            "the service exited with status 1",
        ),
    ],
)
def test_how_the_service_ended_is_systemds_to_say(what: Any, reason: str) -> None:
    found = told((0, STARTING), (0, UP), (10, DOWN), (20.5, what), (21.5, STARTING), (21.6, DOWN))
    assert gaps(found) == [(20.5, 21.5, reason, True)]
    assert only(found).outages == (outage(10, None, 990, after=State.DOWN, unwatched_s=pytest.approx(1.1)),)
    assert (only(found).now, only(found).since) == (State.DOWN, START + 10), "not since the restart"


def test_a_reload_that_fails_is_no_end_of_the_service() -> None:
    reload = raw(PROCESS_EXIT, COMMAND="ExecReload", EXIT_CODE="exited", EXIT_STATUS="1")
    found = told((0, STARTING), (0, UP), (10, reload))
    assert found.gaps == ()
    assert only(found).now is State.UP


def test_a_second_start_without_an_end_is_told() -> None:
    found = told((0, STARTING), (0, UP), (50, STARTING), (50, UP))
    assert gaps(found) == [(50, 50, "the service ended, and the journal does not say why", True)]


def test_a_service_that_does_not_run_knows_nothing() -> None:
    found = told((0, STARTING), (0, UP), (10, DOWN), (20, STOPPING))
    assert gaps(found) == [(20, None, "the service was stopped", False)]
    assert found.gaps[0].duration_s == 980
    assert only(found).outages == (outage(10, None, 10, after=State.UNKNOWN),)
    assert (only(found).now, only(found).since) == (State.UNKNOWN, None)


def test_before_the_journal_begins_nothing_is_known() -> None:
    found = told((200, STARTING), (201, UP), begins=100)
    assert gaps(found) == [
        (0, 100, "the journal does not go back further", False),
        (100, 200, "the service was not started", False),
    ]
    assert only(found).unknown_s == 201


def test_an_entry_older_than_the_systems_is_where_the_journal_begins() -> None:
    found = told((50, STARTING), (50, UP), begins=100)  # journald has a file for each user
    assert gaps(found) == [(0, 50, "the journal does not go back further", False)]


@pytest.mark.parametrize("begins", [-100, None])
def test_without_any_entry_all_is_unknown(begins: float | None) -> None:
    found = told(begins=begins)
    assert found.pfs == ()
    assert found.gaps[-1].reason == "the service has logged nothing"
    assert found.gaps[-1].end is None
    assert sum(gap.duration_s for gap in found.gaps) == 1000


def test_a_service_that_runs_for_longer_than_the_journal_says_how_its_pfs_are() -> None:
    known = {"ens5f0": Known(State.UP, START - 5000), "ens5f1": Known(State.DOWN, START + 700, "no carrier")}
    found = told(begins=100, known=known)
    up, down = found.pfs
    assert (up.now, up.since) == (State.UP, START - 5000)
    assert spans(up) == [(0, 1000, "up")]
    assert spans(down) == [(0, 700, "unknown"), (700, 1000, "down")]
    assert [(each.begin, each.duration_s, each.cause) for each in down.outages] == [
        (START + 700, 300, "no carrier")
    ]
    assert [gap.reason for gap in found.gaps] == ["the journal does not go back further"]


def test_a_pf_that_is_not_ready_is_not_down() -> None:
    pf = only(told((0, STARTING), (1, NOT_READY), (50, DOWN), (53, UP), (60, DOWN), (70, NOT_READY)))
    assert pf.outages == (
        outage(50, 53, 3, before=State.NOT_READY),
        outage(60, 70, 10, after=State.NOT_READY),
    )
    assert spans(pf)[1:3] == [(1, 50, "not ready"), (50, 53, "down")]


def test_an_absent_pf_is_not_ready_and_one_that_once_cannot_be_read_stays_as_it_is() -> None:
    failed = events.FetchFailed("ens5f0", "x")
    assert only(told((0, STARTING), (1, failed))).now is State.NOT_READY
    assert only(told((0, STARTING), (1, UP), (2, failed))).now is State.UP


def test_a_pf_that_is_no_longer_monitored_is_unknown() -> None:
    pf = only(told((0, STARTING), (0, UP), (10, DOWN), (30, events.InterfaceDropped("ens5f0", 4))))
    assert pf.now is State.UNKNOWN
    assert pf.outages == (outage(10, None, 20, after=State.UNKNOWN),)


def test_without_netlink_nobody_looks_and_afterwards_what_was_not_told_is_as_before() -> None:
    found = told(
        (0, STARTING), (0, UP),
        (10, events.NetlinkFailed("x")), (15, events.NetlinkReopened("x")), (20, DOWN),
    )  # fmt: skip
    assert gaps(found) == [(10, 15, "the kernel could not be asked (netlink)", False)]
    assert spans(only(found)) == [
        (0, 10, "up"), (10, 15, "unknown"), (15, 20, "up"), (20, 1000, "down"),
    ]  # fmt: skip


def test_while_another_relay_runs_nothing_is_known() -> None:
    found = told((0, STARTING), (0.5, events.AnotherRelayRuns(7)), (30, MONITORED), (30, UP))
    assert gaps(found) == [(0.5, 30, "another relay was running", False)]
    assert only(found).unknown_s == 30


@pytest.mark.parametrize("lost", [events.LogEventsLost(12), raw(JOURNAL_DROPPED, N_DROPPED="12")])
def test_after_lost_entries_a_pf_is_unknown_until_the_next(lost: Any) -> None:
    found = told((0, STARTING), (0, UP), (10, DOWN), (20, lost), (40, UP))
    assert found.gaps == (
        Gap(
            START + 20,
            START + 20,
            0,
            "12 entries before this are missing: the journal did not take them",
            False,
        ),
    )
    assert only(found).outages == (outage(10, 40, 30, unwatched_s=20),)
    assert spans(only(found))[2:] == [(20, 40, "unknown"), (40, 1000, "up")]


def test_entries_lost_while_netlink_failed_leave_a_pf_unknown() -> None:
    failed, again = events.NetlinkFailed("x"), events.NetlinkReopened("x")
    found = told((0, STARTING), (0, UP), (10, failed), (12, events.LogEventsLost(1)), (15, again))
    assert only(found).now is State.UNKNOWN


def test_failed_writes_with_one_reason_are_one() -> None:
    def refused(number: int, error: str) -> Event:
        return events.SettingVfFailed(number, "ens5f0", error, VfLinkState.DISABLE)

    found = told(
        (0, STARTING),
        (10, refused(3, "no")), (11, refused(1, "no")), (20, refused(3, "no")), (30, refused(3, "x")),
    )  # fmt: skip
    assert found.failed_writes == (
        FailedWrites("ens5f0", "disable", "no", (1, 3), 3, START + 10, START + 20),
        FailedWrites("ens5f0", "disable", "x", (3,), 1, START + 30, START + 30),
    )
    assert found.of("ens5f0").failed_writes == found.failed_writes
    assert found.of("ens5f1").failed_writes == ()


def test_what_is_over_before_the_time_asked_for_is_left_out_and_what_reaches_in_is_whole() -> None:
    found = told(
        (-90, STARTING), (-90, UP), (-80, DOWN), (-70, UP), (-60, STOPPING),
        (-59, STARTING), (-59, DOWN), (50, UP),
    )  # fmt: skip
    assert [each.begin - START for each in found.outages] == [-59]
    assert found.outages[0].duration_s == 109
    assert found.gaps == ()
    assert spans(only(found)) == [(0, 50, "down"), (50, 1000, "up")]


def test_a_clock_that_is_set_changes_no_duration() -> None:
    entries = [entry(at, what) for at, what in ((0, STARTING), (0, UP), (10, DOWN), (30, UP))]
    set_back = [each._replace(time=each.time - 7200) if each.monotonic > 20 else each for each in entries]
    (found,) = told_of(set_back).outages
    assert found.duration_s == 20


DRAINED = events.PfDrained("ens5f0", "alice", "firmware", "", 0)
UNDRAINED = events.PfUndrained("ens5f0", "alice", "firmware")


def drain(begin: float, end: float | None, duration_s: float, **other: Any) -> Override:
    values: dict[str, Any] = {"still": False, "owner": "alice", "reason": "firmware", **other}
    until = None if end is None else START + end
    return Override("ens5f0", Kind.DRAINED, START + begin, until, duration_s, **values)


def test_a_drain_begins_and_ends_beside_what_lacp_is() -> None:
    pf = only(told((0, STARTING), (0, UP), (10, DRAINED), (20, DOWN), (30, UP), (50, UNDRAINED)))
    assert pf.overrides == (drain(10, 50, 40),)
    assert [(each.begin - START, each.duration_s) for each in pf.outages] == [(20, 10)]


def test_a_drain_that_goes_on_is_told_with_its_last_owner() -> None:
    both = events.PfDrained("ens5f0", "alice, bob", "firmware, cabling", "", 0)
    found = told((0, STARTING), (0, UP), (10, DRAINED), (20, both))
    assert found.overrides == (
        drain(10, None, 990, still=True, owner="alice, bob", reason="firmware, cabling"),
    )
    assert found.of("ens5f1").overrides == ()


@pytest.mark.parametrize(
    ("after", "drains"),
    [
        ([(23, STARTING), (23, UP), (23.01, DRAINED)], [drain(10, None, 990, still=True)]),
        ([(23, STARTING), (23, UP)], [drain(10, None, 10)]),  # it ended while the service did not run
        ([(23, STARTING), (23, UP), (60, DRAINED)], [drain(10, None, 10), drain(60, None, 940, still=True)]),
        ([], [drain(10, None, 10)]),
    ],
)
def test_a_drain_goes_on_over_a_restart_if_the_first_look_says_so(
    after: list[Told], drains: list[Override]
) -> None:
    pf = only(told((0, STARTING), (0, UP), (10, DRAINED), (20, STOPPING), *after))
    assert pf.overrides == tuple(drains)


def test_a_drain_goes_on_over_a_failure_of_netlink_which_says_nothing_of_it() -> None:
    failed, again = events.NetlinkFailed("x"), events.NetlinkReopened("x")
    pf = only(told((0, STARTING), (0, UP), (10, DRAINED), (20, failed), (30, again), (50, UNDRAINED)))
    assert pf.overrides == (drain(10, 50, 40),)


@pytest.mark.parametrize(
    ("what", "ended"),
    [(NOT_READY, drain(10, 30, 20)), (events.InterfaceDropped("ens5f0", 0), drain(10, None, 20))],
)
def test_a_pf_that_is_not_relayed_for_is_not_drained(what: Event, ended: Override) -> None:
    assert only(told((0, STARTING), (0, UP), (10, DRAINED), (30, what))).overrides == (ended,)


def test_a_drain_that_ended_before_the_time_asked_for_is_left_out() -> None:
    assert told((-90, STARTING), (-90, UP), (-80, DRAINED), (-70, UNDRAINED)).overrides == ()


ANYTHING = st.sampled_from(
    [
        STARTING, STOPPING, killed(), UP, DOWN, NOT_READY, MONITORED, disabled(0),
        events.NetlinkFailed("x"), events.NetlinkReopened("x"), events.LogEventsLost(1),
        DRAINED, UNDRAINED, events.InterfaceDropped("ens5f0", 0),
        events.FetchFailed("ens5f0", "x"), events.AnotherRelayRuns(1),
    ]
)  # fmt: skip


@given(st.lists(st.tuples(st.integers(0, 100), ANYTHING), max_size=30))
def test_whatever_is_logged_the_time_is_covered_once_and_what_was_seen_down_is_the_outages(
    what: list[tuple[int, Any]],
) -> None:
    now, story = 0.0, []
    for step, each in what:
        now += step
        story.append((now, each))
    found = told(*story, now=now + 1)
    for pf in found.pfs:
        assert pf.periods[0].begin == START
        assert pf.periods[-1].end == START + now + 1
        assert all(one.end == other.begin for one, other in zip(pf.periods, pf.periods[1:]))
        seen = sum(each.end - each.begin for each in pf.periods if each.state is State.DOWN)
        assert seen == pytest.approx(sum(each.duration_s - each.unwatched_s for each in pf.outages))
        for each in pf.overrides:
            assert each.duration_s >= 0
            assert not (each.still and each.end is not None)
    for gap in found.gaps:
        assert gap.duration_s >= 0
        assert gap.end is None or gap.end >= gap.begin
