"""Link events, and the PFs that they concern."""

from __future__ import annotations

import errno
import socket

import pytest

from pf_status_relay.kernel.event_socket import Affected, LinkEvents, Watched
from tests.support.netlink_socket import NetlinkSocket
from tests.support.rtnetlink import link_message, nest, text, u32

PF, OTHER, MISSED = Affected("ens5f0"), Affected("ens5f1"), Affected("ens5f2")
MASTERS = {Affected("ens5f0", master=True), Affected("ens5f1", master=True)}
WATCHED = Watched({5: {PF}, 6: {OTHER}, 7: MASTERS}, {7: MASTERS}, {"ens5f2": {MISSED}})
ALL_THERE = Watched({5: {PF}, 7: MASTERS}, {7: MASTERS}, {})
ATTACH, DETACH = 26, 27  # SO_ATTACH_FILTER, SO_DETACH_FILTER


@pytest.fixture
def link_events(kernel: NetlinkSocket) -> LinkEvents:
    opened = LinkEvents()
    opened.watch(WATCHED)
    kernel.options.clear()
    return opened


@pytest.mark.parametrize(
    ("event", "affected"),
    [
        pytest.param(link_message(5, text(3, "ens5f0")), {PF}, id="about a PF"),
        pytest.param(link_message(7, text(3, "bond0")), MASTERS, id="about a bond"),
        pytest.param(link_message(9, text(3, "ens5f2")), {MISSED}, id="of the name that is missed"),
        pytest.param(
            link_message(9, text(3, "eth0"), nest(52, text(53, "ens5f2"))), {MISSED}, id="of that altname"
        ),
        pytest.param(link_message(9, text(3, "x"), u32(10, 7)), MASTERS, id="a port of it"),
        pytest.param(link_message(9, text(3, "veth1"), u32(10, 8)), set(), id="unrelated"),
        pytest.param(link_message(9, text(3, "ens5f21")), set(), id="of a longer name"),
        pytest.param(link_message(5)[:31], set(), id="too short"),
        pytest.param(b"", set(), id="empty"),
    ],
)
def test_an_event_concerns_the_pfs_that_it_says_something_about(
    kernel: NetlinkSocket, link_events: LinkEvents, event: bytes, affected: set[Affected]
) -> None:
    kernel.answers = [event]
    assert link_events.drain() == (affected, False)


@pytest.mark.parametrize(
    "event",
    [
        pytest.param(link_message(5, text(3, "ens5f2")), id="renamed to the name that is missed"),
        pytest.param(link_message(5, text(3, "ens5f0"), u32(10, 8)), id="enslaved to another PF's bond"),
    ],
)
def test_an_event_about_one_pf_can_concern_another_one(
    kernel: NetlinkSocket, link_events: LinkEvents, event: bytes
) -> None:
    kernel.answers = [event]
    link_events.watch(Watched({5: {PF}}, {8: {MISSED}}, {"ens5f2": {MISSED}}))
    assert link_events.drain() == ({PF, MISSED}, False)


def test_an_event_of_a_pf_says_nothing_new_about_the_master_that_it_has(
    kernel: NetlinkSocket, link_events: LinkEvents
) -> None:
    kernel.answers = [link_message(5, text(3, "ens5f0"), u32(10, 7))]
    link_events.watch(Watched({5: {PF}}, {7: {Affected("ens5f0", master=True)}}, {}))
    assert link_events.drain() == ({PF}, False)


def test_what_another_process_sends_is_no_event(kernel: NetlinkSocket, link_events: LinkEvents) -> None:
    kernel.sender = 4711
    kernel.answers = [link_message(5)]
    assert link_events.drain() == (set(), False)
    assert kernel.answers == []


def test_all_events_that_are_there_are_taken(kernel: NetlinkSocket, link_events: LinkEvents) -> None:
    kernel.answers = [link_message(5), link_message(8), link_message(9, text(3, "ens5f2"))]
    assert link_events.drain() == ({PF, MISSED}, False)
    assert kernel.answers == []


def test_endless_events_do_not_keep_the_pfs_waiting(kernel: NetlinkSocket, link_events: LinkEvents) -> None:
    kernel.answers = [link_message(5)] * 5000
    assert link_events.drain() == ({PF}, False)
    assert kernel.answers


def test_lost_events_are_told_with_those_that_were_heard(
    kernel: NetlinkSocket, link_events: LinkEvents
) -> None:
    kernel.answers = [link_message(5), OSError(errno.ENOBUFS, "No buffer space available")]
    assert link_events.drain() == ({PF}, True)


def test_a_dead_event_socket_is_unusable(kernel: NetlinkSocket, link_events: LinkEvents) -> None:
    kernel.answers = [OSError(errno.EBADF, "Bad file descriptor")]
    with pytest.raises(OSError, match="Bad file descriptor"):
        link_events.drain()


@pytest.mark.parametrize(("privileged", "option"), [(True, 33), (False, socket.SO_RCVBUF)])
def test_events_have_room_to_wait_with_and_without_privileges(
    kernel: NetlinkSocket, privileged: bool, option: int
) -> None:
    kernel.forced_buffers = privileged
    link_events = LinkEvents()
    assert kernel.options == {option: 4 << 20}
    assert kernel.bound == (0, 1)  # RTMGRP_LINK
    assert link_events.fileno() == 3
    link_events.close()
    assert kernel.closed


def test_events_of_others_are_filtered_unless_a_name_is_waited_for(kernel: NetlinkSocket) -> None:
    link_events = LinkEvents()
    kernel.options.clear()
    link_events.watch(WATCHED)
    assert not kernel.options
    link_events.watch(ALL_THERE)
    assert list(kernel.options) == [ATTACH]
    link_events.watch(WATCHED)
    assert list(kernel.options) == [ATTACH, DETACH]


def test_a_filter_is_attached_once_while_nothing_changes(
    kernel: NetlinkSocket, link_events: LinkEvents
) -> None:
    link_events.watch(ALL_THERE)
    kernel.options.clear()
    link_events.watch(ALL_THERE)
    assert not kernel.options


@pytest.mark.parametrize(
    ("before", "after", "more"),
    [
        pytest.param(WATCHED, ALL_THERE, False, id="from all to some"),
        pytest.param(ALL_THERE, WATCHED, True, id="from some to all"),
        pytest.param(ALL_THERE, ALL_THERE, False, id="the same"),
        pytest.param(ALL_THERE, Watched({5: {PF}}, {7: MASTERS}, {}), False, id="less"),
        pytest.param(ALL_THERE, Watched({8: {PF}, 7: MASTERS}, {7: MASTERS}, {}), True, id="another PF"),
        pytest.param(ALL_THERE, Watched({5: {PF}, 7: MASTERS}, {5: MASTERS}, {}), True, id="a new master"),
    ],
)
def test_it_is_told_when_more_is_heard_than_before(
    kernel: NetlinkSocket, before: Watched, after: Watched, more: bool
) -> None:
    link_events = LinkEvents()
    link_events.watch(before)
    assert link_events.watch(after) is more


def test_more_interfaces_than_a_filter_has_room_for_are_heard_without_one(kernel: NetlinkSocket) -> None:
    link_events = LinkEvents()
    kernel.options.clear()
    link_events.watch(Watched({index: {PF} for index in range(1, 3000)}, {}, {}))
    assert not kernel.options
