"""Requests to the kernel and its answers, errors and malformed ones included."""

from __future__ import annotations

import errno
import os
import socket
import struct
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from pf_status_relay.core.facts import (
    Absent,
    BondPort,
    LinkSettings,
    Master,
    PhysicalFunction,
    Unreadable,
    VfLinkState,
    VirtualFunction,
)
from pf_status_relay.core.lacp import PortState
from pf_status_relay.kernel import sysfs
from pf_status_relay.kernel.request_socket import RequestSocket
from tests.support.netlink_socket import Answer, NetlinkSocket, done, error, link
from tests.support.rtnetlink import (
    NLM_F_DUMP_INTR,
    NLM_F_MULTI,
    NLMSG_DONE,
    NLMSG_ERROR,
    after_vfs,
    attribute,
    bond,
    error_message,
    lacp_port,
    link_message,
    nest,
    netlink,
    pf_attributes,
    request,
    text,
    u32,
    vfs_of,
)

ROOT = Path(__file__).parents[3]
AUTO, ENABLE, DISABLE = VfLinkState


@pytest.fixture
def requests(kernel: NetlinkSocket) -> RequestSocket:
    return RequestSocket()


LONE_PF = link(5, pf_attributes("ens5f0"), vfs_of([]))
PF = link(5, pf_attributes("ens5f0", master=7), vfs_of([0, 2]), after_vfs(), lacp_port(63, 0x8F))
BOND = link(7, pf_attributes("bond0"), bond(4))
PORT = link(5, text(3, "ens5f0"), u32(10, 7), lacp_port(63, 63), flags=NLM_F_MULTI)
OTHER_PORT = link(6, text(3, "ens5f1"), u32(10, 7), lacp_port(63, 63), flags=NLM_F_MULTI)
INTERRUPTED = link(6, text(3, "ens5f1"), u32(10, 7), flags=NLM_F_MULTI | NLM_F_DUMP_INTR)
STRANGER = link(9, text(3, "veth0"), flags=NLM_F_MULTI)


@pytest.mark.parametrize(
    ("name", "kind"),
    [("lo", 3), ("x" * 15, 3), ("x" * 16, 53), ("ü" * 7, 3), ("ü" * 8, 53), ("x" * 127, 53)],
)
def test_a_pf_is_asked_for_by_name_or_by_alternative_name_with_its_vfs_and_without_statistics(
    kernel: NetlinkSocket, requests: RequestSocket, name: str, kind: int
) -> None:
    kernel.answers = [LONE_PF]
    requests.read(name)
    assert kernel.requests == [request(18, 1, u32(29, 9), text(kind, name))]


def test_a_pf_is_read_with_its_master_and_the_number_of_its_ports(
    kernel: NetlinkSocket, requests: RequestSocket
) -> None:
    kernel.answers = [PF, BOND, PORT, OTHER_PORT, STRANGER, done()]
    assert requests.read("ens5f0") == PhysicalFunction(
        ifindex=5,
        carrier=True,
        master=Master(7, "bond0", "bond", 4, 2, miimon_ms=100, lacp_fast=True, active_aggregator=1),
        port=BondPort(PortState(63), PortState(0x8F)),
        vf_count=2,
        vfs_listed=2,
        vfs=(VirtualFunction(0, AUTO), VirtualFunction(1, DISABLE)),
        aggregator=1,
    )
    assert kernel.requests[1:] == [
        request(18, 1, u32(29, 9), ifindex=7, sequence=2),
        request(18, 0x301, u32(29, 8), u32(10, 7), sequence=3),
    ]


def test_a_pf_without_a_master_takes_one_request(kernel: NetlinkSocket, requests: RequestSocket) -> None:
    kernel.answers = [LONE_PF]
    facts = requests.read("ens5f0")
    assert isinstance(facts, PhysicalFunction)
    assert facts.master is None
    assert len(kernel.requests) == 1


def ports_of(facts: object) -> int | None:
    assert isinstance(facts, PhysicalFunction)
    assert facts.master is not None
    return facts.master.port_count


def test_several_messages_can_come_in_one_datagram(kernel: NetlinkSocket, requests: RequestSocket) -> None:
    def together(sequence: int) -> bytes:
        odd = link_message(5, u32(10, 7), b"x", sequence=sequence)
        even = link_message(6, u32(10, 7), sequence=sequence)
        end = netlink(NLMSG_DONE, bytes(4), sequence=sequence)
        return b"".join(part + bytes(-len(part) % 4) for part in (odd, even, end))

    kernel.answers = [PF, BOND, together]
    assert ports_of(requests.read("ens5f0")) == 2


def test_an_interrupted_dump_is_made_again(kernel: NetlinkSocket, requests: RequestSocket) -> None:
    kernel.answers = [PF, BOND, INTERRUPTED, PORT, done(), INTERRUPTED, done(), PORT, done()]
    assert ports_of(requests.read("ens5f0")) == 1


def test_a_dump_whose_end_says_that_it_was_interrupted_is_made_again(
    kernel: NetlinkSocket, requests: RequestSocket
) -> None:
    interrupted = done(flags=NLM_F_DUMP_INTR)
    kernel.answers = [PF, BOND, PORT, interrupted, PORT, OTHER_PORT, done()]
    assert ports_of(requests.read("ens5f0")) == 2


def test_a_dump_that_is_interrupted_every_time_makes_the_pf_unreadable(
    kernel: NetlinkSocket, requests: RequestSocket
) -> None:
    kernel.answers = [PF, BOND, *[PORT, INTERRUPTED, done()] * 3]
    assert requests.read("ens5f0") == Unreadable("links change faster than their list can be read")


def test_a_dump_that_ends_with_an_error_is_not_believed(
    kernel: NetlinkSocket, requests: RequestSocket
) -> None:
    kernel.answers = [PF, BOND, PORT, done(errno.EMSGSIZE)]
    assert requests.read("ens5f0") == Unreadable(os.strerror(errno.EMSGSIZE))


@pytest.mark.parametrize(
    ("answer", "facts"),
    [
        pytest.param(error(errno.ENODEV), Absent("Link not found"), id="no such device"),
        pytest.param(error(errno.EBUSY), Unreadable("Device or resource busy"), id="another error"),
        pytest.param(
            error(errno.ERANGE, "Attribute failed policy validation"),
            Unreadable("Numerical result out of range: Attribute failed policy validation"),
            id="an error with the kernel's words",
        ),
        pytest.param(
            lambda sequence: netlink(NLMSG_ERROR, b"", sequence=sequence),
            Unreadable("netlink message without an error code"),
            id="an error without an error",
        ),
        pytest.param(
            lambda sequence: netlink(NLMSG_ERROR, struct.pack("=i", -(1 << 31)), sequence=sequence),
            Unreadable("netlink message with the error code -2147483648"),
            id="an error that no error has the number of",
        ),
        pytest.param(
            error(errno.EINVAL, "a\nb\0\x1b[31m" + "c" * 400),
            Unreadable(r"Invalid argument: a\nb\x00\x1b[31m" + "c" * (300 - 16 - 3) + "..."),
            id="an error with words that would break the line",
        ),
        pytest.param(error(0), Unreadable("no link in the kernel's answer"), id="an acknowledgement"),
        pytest.param(
            lambda sequence: netlink(16, b"short", sequence=sequence),
            Unreadable("link message of 21 bytes"),
            id="a short message",
        ),
        pytest.param(
            struct.pack("=IHHII", 100, 16, 0, 1, 0) + bytes(16),
            Unreadable("netlink message of 100 bytes in 32"),
            id="a message that is cut",
        ),
        pytest.param(
            struct.pack("=IHHII", 15, 16, 0, 1, 0),
            Unreadable("netlink message of 15 bytes in 16"),
            id="a length less than the header",
        ),
    ],
)
def test_an_answer_that_is_no_link_says_so(
    kernel: NetlinkSocket, requests: RequestSocket, answer: Answer, facts: object
) -> None:
    kernel.answers = [answer]
    assert requests.read("ens5f0") == facts


def test_an_answer_larger_than_the_buffer_makes_the_pf_unreadable(
    kernel: NetlinkSocket, requests: RequestSocket
) -> None:
    kernel.answers, kernel.flags = [LONE_PF], socket.MSG_TRUNC
    assert requests.read("ens5f0") == Unreadable("the kernel's answer has more than 1048576 bytes")


def test_a_list_that_does_not_end_makes_the_pf_unreadable(
    kernel: NetlinkSocket, requests: RequestSocket
) -> None:
    kernel.answers = [PF, BOND, *[PORT] * 9_999, done()]
    assert ports_of(requests.read("ens5f0")) == 9_999
    kernel.answers = [PF, BOND, *[PORT] * 10_001]
    assert requests.read("ens5f0") == Unreadable("the kernel's answer has more than 10000 datagrams")


def test_a_pf_whose_master_has_just_gone_is_read_again(
    kernel: NetlinkSocket, requests: RequestSocket
) -> None:
    kernel.answers = [PF, error(errno.ENODEV), LONE_PF]
    facts = requests.read("ens5f0")
    assert isinstance(facts, PhysicalFunction)
    assert facts.master is None


def test_a_pf_whose_master_goes_every_time_is_unreadable_and_not_absent(
    kernel: NetlinkSocket, requests: RequestSocket
) -> None:
    kernel.answers = [PF, error(errno.ENODEV)] * 3
    assert requests.read("ens5f0") == Unreadable("its master changes faster than it can be read")


def test_a_late_answer_to_an_earlier_request_is_passed_over(
    kernel: NetlinkSocket, requests: RequestSocket
) -> None:
    kernel.answers = [link_message(6, text(3, "old"), sequence=99), error_message(5, sequence=99), LONE_PF]
    facts = requests.read("ens5f0")
    assert isinstance(facts, PhysicalFunction)
    assert facts.ifindex == 5


def test_who_is_not_the_kernel_is_not_believed(kernel: NetlinkSocket, requests: RequestSocket) -> None:
    kernel.answers, kernel.sender = [LONE_PF], 4711
    with pytest.raises(BlockingIOError):
        requests.read("ens5f0")


@pytest.mark.parametrize("number", [errno.EAGAIN, errno.ENOBUFS, errno.EBADF])
def test_a_socket_that_fails_is_unusable(kernel: NetlinkSocket, requests: RequestSocket, number: int) -> None:
    kernel.answers = [OSError(number, os.strerror(number))]
    with pytest.raises(OSError, match=os.strerror(number)):
        requests.read("ens5f0")


def test_the_socket_is_set_up_for_the_answers_that_are_read(
    kernel: NetlinkSocket, requests: RequestSocket
) -> None:
    assert kernel.options.keys() == {10, 11, socket.SO_RCVTIMEO}  # NETLINK_CAP_ACK, NETLINK_EXT_ACK
    requests.close()
    assert kernel.closed


def test_a_socket_that_cannot_be_bound_is_closed(kernel: NetlinkSocket) -> None:
    kernel.bind_error = PermissionError(errno.EPERM, "Operation not permitted")
    with pytest.raises(PermissionError):
        RequestSocket()
    assert kernel.closed


def test_this_machine_has_a_loopback_interface() -> None:
    requests = RequestSocket()
    facts = requests.read("lo")
    absent = requests.read("no such one")
    requests.close()
    assert isinstance(facts, PhysicalFunction)
    assert (facts.ifindex, facts.master, facts.port) == (socket.if_nametoindex("lo"), None, None)
    assert absent == Absent("Link not found")


def test_a_name_is_utf_8_to_the_kernel_in_every_locale() -> None:
    code = (
        "from pf_status_relay.kernel import event_socket, request_socket; "
        "print(event_socket.name_content(chr(252)), request_socket.RequestSocket().read(chr(252)))"
    )
    ascii_only = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **ascii_only},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == (r"b'\xc3\xbc\x00' Absent(error='Link not found')" + "\n", "")


def counted(lacpdus: int) -> Answer:
    """Return RTM_NEWSTATS of a bond port: received first, sent next (BOND_3AD_STAT_*)."""
    counters = attribute(0, struct.pack("=Q", lacpdus)) + attribute(1, struct.pack("=Q", 4))
    nested = nest(3, nest(2, nest(1, counters)))
    payload = struct.pack("=B3xII", 0, 5, 4) + nested
    return lambda sequence: netlink(92, payload, sequence=sequence)


def test_lacpdus_are_counted_where_that_is_asked_for(kernel: NetlinkSocket, requests: RequestSocket) -> None:
    kernel.answers = [PF, BOND, PORT, done(), counted(4711)]
    facts = requests.read("ens5f0", count_lacpdus=True)
    assert isinstance(facts, PhysicalFunction)
    assert facts.lacpdus_received == 4711
    assert kernel.requests[-1][:8] + kernel.requests[-1][16:] == struct.pack("=IHHB3xII", 28, 94, 1, 0, 5, 4)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(error(errno.EOPNOTSUPP), id="a kernel without statistics"),
        pytest.param(lambda sequence: netlink(92, bytes(12), sequence=sequence), id="without this counter"),
    ],
)
def test_a_kernel_that_does_not_count_lacpdus_is_read_all_the_same(
    kernel: NetlinkSocket, requests: RequestSocket, answer: Answer
) -> None:
    kernel.answers = [PF, BOND, PORT, done(), answer]
    facts = requests.read("ens5f0", count_lacpdus=True)
    assert isinstance(facts, PhysicalFunction)
    assert facts.lacpdus_received is None


@pytest.mark.parametrize(
    ("answer", "received"),
    [
        (counted(4711), 4711),
        (error(errno.EOPNOTSUPP), None),
        (lambda sequence: netlink(92, b"", sequence=sequence), None),
    ],
)
def test_details_are_the_counter_and_the_link_settings(
    kernel: NetlinkSocket,
    requests: RequestSocket,
    monkeypatch: pytest.MonkeyPatch,
    answer: Answer,
    received: int | None,
) -> None:
    monkeypatch.setattr(sysfs, "link_settings", {5: LinkSettings(25_000, "full")}.get)
    kernel.answers = [LONE_PF]
    facts = requests.read("ens5f0")
    assert isinstance(facts, PhysicalFunction)
    kernel.answers = [answer]
    details = requests.read_details(facts)
    assert details == replace(facts, lacpdus_received=received, link_settings=LinkSettings(25_000, "full"))


def test_a_pf_that_is_set_down_says_so(kernel: NetlinkSocket, requests: RequestSocket) -> None:
    attributes = pf_attributes("ens5f0")
    kernel.answers = [lambda sequence: link_message(5, attributes, link_flags=0, sequence=sequence)]
    facts = requests.read("ens5f0")
    assert isinstance(facts, PhysicalFunction)
    assert (facts.up, facts.carrier) == (False, False)


def test_the_ports_of_a_bridge_are_not_counted(kernel: NetlinkSocket, requests: RequestSocket) -> None:
    kernel.answers = [PF, link(7, pf_attributes("br0"), nest(18, text(1, "bridge")))]
    facts = requests.read("ens5f0")
    assert isinstance(facts, PhysicalFunction)
    assert facts.master == Master(ifindex=7, name="br0", kind="bridge", bond_mode=None, port_count=None)
    assert len(kernel.requests) == 2


def test_a_master_that_is_known_is_not_read_again(kernel: NetlinkSocket, requests: RequestSocket) -> None:
    known = Master(ifindex=7, name="bond0", kind="bond", bond_mode=4, port_count=1)
    kernel.answers = [PF]
    facts = requests.read("ens5f0", known=known)
    assert isinstance(facts, PhysicalFunction)
    assert facts.master == known
    assert len(kernel.requests) == 1


def test_a_master_that_is_another_than_the_known_one_is_read(
    kernel: NetlinkSocket, requests: RequestSocket
) -> None:
    known = Master(ifindex=8, name="bond1", kind="bond", bond_mode=4, port_count=1)
    kernel.answers = [PF, BOND, PORT, done()]
    facts = requests.read("ens5f0", known=known)
    assert isinstance(facts, PhysicalFunction)
    assert facts.master is not None
    assert facts.master.ifindex == 7


def test_the_names_of_all_interfaces_are_listed(kernel: NetlinkSocket, requests: RequestSocket) -> None:
    kernel.answers = [PORT, STRANGER, done()]
    assert [(each.ifindex, each.name, each.master) for each in requests.names()] == [
        (5, "ens5f0", 7),
        (9, "veth0", 0),
    ]
    assert kernel.requests == [request(18, 0x301, u32(29, 8))]
