"""VF link states on their way to the kernel, and the refusals that come back."""

from __future__ import annotations

import errno
import struct

import pytest

from pf_status_relay.core.facts import VfLinkState, VirtualFunction
from pf_status_relay.kernel.request_socket import RequestSocket
from tests.support.netlink_socket import Answer, NetlinkSocket, error
from tests.support.rtnetlink import NLMSG_ERROR, attribute, error_message, nest, netlink, request

AUTO, ENABLE, DISABLE = VfLinkState


@pytest.fixture
def requests(kernel: NetlinkSocket) -> RequestSocket:
    return RequestSocket()


def vfs_in(request_: bytes) -> list[tuple[int, int]]:
    """Return the numbers and states in an RTM_SETLINK."""
    entries = request_[16 + 16 + 4 :]
    return [struct.unpack_from("=II", entries, at + 8) for at in range(0, len(entries), 16)]


def driver(kernel: NetlinkSocket, refused: set[int]) -> list[Answer]:
    """Return answers as of a driver that refuses these VFs."""

    def answer(sequence: int) -> bytes:
        refuse = refused & {number for number, _ in vfs_in(kernel.requests[-1])}
        return error_message(errno.EOPNOTSUPP if refuse else 0, sequence=sequence)

    return [answer] * 5000


def disabled(*numbers: int) -> list[VirtualFunction]:
    return [VirtualFunction(number, DISABLE) for number in numbers]


def test_all_vfs_of_a_pf_are_set_in_one_acknowledged_message(
    kernel: NetlinkSocket, requests: RequestSocket
) -> None:
    kernel.answers = driver(kernel, set())
    assert requests.set_vf_link_states(5, [VirtualFunction(0, DISABLE), VirtualFunction(7, AUTO)]) == {}
    entries = [nest(1, attribute(5, struct.pack("=II", *each))) for each in ((0, 2), (7, 0))]
    assert kernel.requests == [request(19, 5, nest(22, *entries), ifindex=5)]


def test_no_vfs_take_no_message(kernel: NetlinkSocket, requests: RequestSocket) -> None:
    assert requests.set_vf_link_states(5, []) == {}
    assert kernel.requests == []


@pytest.mark.parametrize("refused", [{0}, {3}, {7}, {1, 2, 5}, set(range(8))])
def test_exactly_the_refused_vfs_are_reported_and_the_others_are_set(
    kernel: NetlinkSocket, requests: RequestSocket, refused: set[int]
) -> None:
    kernel.answers = driver(kernel, refused)
    assert requests.set_vf_link_states(5, disabled(*range(8))) == dict.fromkeys(
        refused, "Operation not supported"
    )
    assert [vfs_in(each) for each in kernel.requests[1:]] == [[(number, 2)] for number in range(8)]


def test_a_single_vf_is_not_tried_twice(kernel: NetlinkSocket, requests: RequestSocket) -> None:
    kernel.answers = driver(kernel, {3})
    assert requests.set_vf_link_states(5, disabled(3)) == {3: "Operation not supported"}
    assert len(kernel.requests) == 1


def test_thousands_of_vfs_are_set_in_messages_that_the_list_length_can_tell(
    kernel: NetlinkSocket, requests: RequestSocket
) -> None:
    kernel.answers = driver(kernel, set())
    assert requests.set_vf_link_states(5, disabled(*range(2500))) == {}
    assert [len(vfs_in(each)) for each in kernel.requests] == [1024, 1024, 452]
    assert [number for each in kernel.requests for number, _ in vfs_in(each)] == list(range(2500))


def test_a_refusal_in_one_message_leaves_the_others_whole(
    kernel: NetlinkSocket, requests: RequestSocket
) -> None:
    kernel.answers = driver(kernel, {1500})
    assert requests.set_vf_link_states(5, disabled(*range(2100))) == {1500: "Operation not supported"}
    assert [len(vfs_in(each)) for each in kernel.requests] == [1024, 1024, *[1] * 1024, 52]


def test_the_kernels_words_are_part_of_the_reason(kernel: NetlinkSocket, requests: RequestSocket) -> None:
    kernel.answers = [error(errno.EINVAL, "VF out of range")]
    assert requests.set_vf_link_states(5, disabled(99)) == {99: "Invalid argument: VF out of range"}


def test_an_answer_that_makes_no_sense_is_a_refusal(kernel: NetlinkSocket, requests: RequestSocket) -> None:
    kernel.answers = [lambda sequence: netlink(NLMSG_ERROR, b"", sequence=sequence)]
    assert requests.set_vf_link_states(5, disabled(0)) == {0: "netlink message without an error code"}


def test_a_socket_that_fails_in_the_middle_of_it_is_unusable(
    kernel: NetlinkSocket, requests: RequestSocket
) -> None:
    kernel.answers = [error(errno.EOPNOTSUPP), error(0), OSError(errno.ENOBUFS, "No buffer space")]
    with pytest.raises(OSError, match="No buffer space"):
        requests.set_vf_link_states(5, disabled(0, 1, 2))
