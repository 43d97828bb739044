"""Writes of VF link states to the kernel, and its refusals."""

from __future__ import annotations

import errno
import struct

import pytest

from pf_status_relay.core.facts import VfLinkState, VirtualFunction
from pf_status_relay.kernel.request_socket import RequestSocket
from tests.support.netlink_socket import NetlinkSocket, error
from tests.support.rtnetlink import NLMSG_ERROR, attribute, nest, netlink, request

AUTO, ENABLE, DISABLE = VfLinkState


@pytest.fixture
def requests(kernel: NetlinkSocket) -> RequestSocket:
    return RequestSocket()


def disabled(*numbers: int) -> list[VirtualFunction]:
    return [VirtualFunction(number, DISABLE) for number in numbers]


def test_vfs_of_a_pf_are_set_in_one_acknowledged_message(
    kernel: NetlinkSocket, requests: RequestSocket
) -> None:
    kernel.answers = [error(0)]
    assert requests.set_vf_link_states(5, [VirtualFunction(0, DISABLE), VirtualFunction(7, AUTO)]) is None
    entries = [nest(1, attribute(5, struct.pack("=II", *each))) for each in ((0, 2), (7, 0))]
    assert kernel.requests == [request(19, 5, nest(22, *entries), ifindex=5)]


def test_a_refusal_has_the_number_and_the_words_of_the_error(
    kernel: NetlinkSocket, requests: RequestSocket
) -> None:
    kernel.answers = [error(errno.EOPNOTSUPP)]
    assert requests.set_vf_link_states(5, disabled(3)) == (errno.EOPNOTSUPP, "Operation not supported")
    assert len(kernel.requests) == 1


def test_no_answer_at_all_is_an_interruption(kernel: NetlinkSocket, requests: RequestSocket) -> None:
    stale = netlink(NLMSG_ERROR, struct.pack("=i", 0), sequence=77)
    for stales in (0, 1):
        kernel.answers = [stale] * stales
        assert requests.set_vf_link_states(5, disabled(3)) == (errno.EINTR, "Interrupted system call")


def test_the_kernels_words_are_part_of_the_reason(kernel: NetlinkSocket, requests: RequestSocket) -> None:
    kernel.answers = [error(errno.EINVAL, "VF out of range")]
    assert requests.set_vf_link_states(5, disabled(99)) == (errno.EINVAL, "Invalid argument: VF out of range")


def test_an_answer_that_makes_no_sense_is_a_refusal(kernel: NetlinkSocket, requests: RequestSocket) -> None:
    kernel.answers = [lambda sequence: netlink(NLMSG_ERROR, b"", sequence=sequence)]
    assert requests.set_vf_link_states(5, disabled(0)) == (0, "netlink message without an error code")


def test_a_socket_that_fails_is_unusable(kernel: NetlinkSocket, requests: RequestSocket) -> None:
    kernel.answers = [OSError(errno.ENOBUFS, "No buffer space")]
    with pytest.raises(OSError, match="No buffer space"):
        requests.set_vf_link_states(5, disabled(0, 1, 2))
