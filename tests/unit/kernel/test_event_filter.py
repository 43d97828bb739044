"""The filter of link events, run by the kernel: on a Unix socket, which accepts filters, too."""

from __future__ import annotations

import socket
from collections.abc import Sequence

import pytest

from pf_status_relay.kernel import event_filter
from tests.support.rtnetlink import link_message, nest, text, u32

IFNAME, MASTER, LINKINFO = 3, 10, 18


def let_through(messages: Sequence[bytes], ifindexes: Sequence[int], masters: Sequence[int]) -> list[bytes]:
    """Return the messages that a socket with the filter receives."""
    sender, receiver = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with sender, receiver:
        receiver.setblocking(False)
        event_filter.attach(receiver, ifindexes, masters)
        received = []
        for message in messages:
            sender.send(message)
            try:
                received.append(receiver.recv(4096))
            except BlockingIOError:
                continue
        event_filter.remove(receiver)
        sender.send(b"anything")
        assert receiver.recv(4096) == b"anything"
        return received


@pytest.mark.parametrize("ifindex", [1, 5, 255, 256, 0x01020304, 0x7FFFFFFF])
def test_events_of_an_interface_pass_whole(ifindex: int) -> None:
    its_own, other = link_message(ifindex, text(IFNAME, "ens5f0")), link_message(ifindex ^ 0x100)
    assert let_through([its_own, other], [3, ifindex], []) == [its_own]


@pytest.mark.parametrize("master", [7, 256, 0x01020304])
def test_events_of_a_masters_ports_pass_wherever_the_attribute_is(master: int) -> None:
    first = link_message(9, u32(MASTER, master), text(IFNAME, "ens5f9"))
    last = link_message(9, text(IFNAME, "ens5f9"), nest(LINKINFO, text(1, "veth")), u32(MASTER, master))
    assert let_through([first, last], [5], [4, master]) == [first, last]


def test_events_of_others_do_not_pass() -> None:
    others = [
        link_message(9, text(IFNAME, "veth1")),
        link_message(9, u32(MASTER, 8)),
        link_message(9, u32(MASTER + 1, 7)),
        link_message(9, nest(LINKINFO, u32(MASTER, 7))),
        link_message(7),
    ]
    assert let_through(others, [5], [7]) == []


@pytest.mark.parametrize("size", [0, 1, 19, 23, 31, 32, 33, 39])
def test_a_message_that_is_cut_does_not_pass_for_what_is_missing(size: int) -> None:
    message = link_message(9, u32(MASTER, 7))
    assert len(message) == 40
    assert let_through([message[:size]], [5], [7]) == []


def test_a_filter_has_room_for_as_many_as_it_says() -> None:
    count = event_filter.MAX_NUMBERS // 2
    last = link_message(9, u32(MASTER, 9000 + count))
    masters = range(9001, 9001 + count)
    assert let_through([last, link_message(count)], range(1, count + 1), masters) == [
        last,
        link_message(count),
    ]
