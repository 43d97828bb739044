"""A link message of the kernel, decoded."""

from __future__ import annotations

import struct
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pf_status_relay.core.facts import BondPort, VfLinkState, VirtualFunction
from pf_status_relay.core.lacp import PortState
from pf_status_relay.kernel.decode import (
    Link,
    LinkNames,
    MalformedMessage,
    decode,
    decode_lacpdus_received,
    decode_names,
    ifindex_of,
)
from tests.support.rtnetlink import (
    IFF_RUNNING,
    IFF_UP,
    NLA_F_NESTED,
    after_vfs,
    attribute,
    bond,
    bond_port,
    lacp_port,
    link_message,
    nest,
    netlink,
    pf_attributes,
    text,
    u8,
    u32,
    vf_entry,
    vf_list,
    vfs_of,
)

AUTO, ENABLE, DISABLE = VfLinkState
ALTNAMES = nest(52 | NLA_F_NESTED, text(53, "enp5s0f0"))


def pf_message(count: int, *, carrier: int = 1, link_flags: int = IFF_UP | IFF_RUNNING) -> bytes:
    """Return the message of a PF in a bond with ifindex 7, with LACP at the slow rate and no partner."""
    return link_message(
        5,
        pf_attributes("ens5f0", master=7, carrier=carrier),
        vfs_of([number % 3 for number in range(count)]),
        after_vfs(),
        lacp_port(0x3D, 0x8F),
        ALTNAMES,
        link_flags=link_flags,
    )


@pytest.mark.parametrize("count", [0, 1, 64, 334, 335, 700])
def test_a_pf_is_decoded_whole_however_many_vfs_it_has(count: int) -> None:
    link = decode(pf_message(count))
    vfs = tuple(VirtualFunction(number, VfLinkState(number % 3)) for number in range(count))
    assert link == Link(
        ifindex=5,
        name="ens5f0",
        up=True,
        carrier=True,
        master=7,
        kind="",
        bond_mode=None,
        port=BondPort(PortState(0x3D), PortState(0x8F)),
        aggregator=1,
        vf_count=count,
        vfs_listed=count if count <= 334 else (4 + 196 * count) % 65536 // 196,
        vfs=vfs,
    )


def test_a_cut_list_leaves_the_port_state_readable() -> None:
    entries = [vf_entry(number, 0) for number in range(3)]
    message = link_message(5, pf_attributes("ens5f0"), u32(21, 4), vf_list(entries), lacp_port(63, 63))
    link = decode(message)
    assert (link.vf_count, link.vfs_listed, len(link.vfs)) == (4, 3, 3)
    assert link.port == BondPort(PortState(63), PortState(63))


def test_a_list_with_an_odd_entry_leaves_the_port_state_readable() -> None:
    entries = [vf_entry(0, 0), vf_entry(1, 0, link_state=False), vf_entry(2, 0)]
    link = decode(link_message(5, u32(21, 3), vf_list(entries), lacp_port(63, 63)))
    assert [vf.id for vf in link.vfs] == [0]
    assert link.port == BondPort(PortState(63), PortState(63))


@pytest.mark.parametrize("counts", [(1, 2), (0, 2), (2, 1)])
def test_of_two_counts_of_vfs_the_first_is_believed(counts: tuple[int, int]) -> None:
    entries = [vf_entry(0, 0), vf_entry(1, 0)]
    link = decode(link_message(5, *(u32(21, count) for count in counts), vf_list(entries)))
    assert (link.vf_count, len(link.vfs)) == (counts[0], counts[0])


@pytest.mark.parametrize(
    ("carrier", "flags", "usable"),
    [(1, IFF_UP | IFF_RUNNING, True), (0, IFF_UP, False), (1, 0, False), (1, IFF_RUNNING, False)],
)
def test_carrier_needs_the_interface_to_be_up(carrier: int, flags: int, usable: bool) -> None:
    link = decode(pf_message(0, carrier=carrier, link_flags=flags))
    assert link.carrier is usable
    assert link.up is bool(flags & IFF_UP)


def test_an_interface_whose_carrier_is_not_told_has_none() -> None:
    assert decode(link_message(5, text(3, "x"))).carrier is False


def test_hardware_without_a_master_is_no_port() -> None:
    link = decode(link_message(5, pf_attributes("ens5f0")))
    assert (link.master, link.kind, link.bond_mode, link.port) == (0, "", None, None)


def test_a_port_of_a_bond_in_another_mode_has_no_port_state() -> None:
    link = decode(link_message(5, pf_attributes("ens5f0", master=7), bond_port()))
    assert (link.master, link.port) == (7, None)


def test_a_port_of_a_bridge_has_no_port_state() -> None:
    info = nest(18, text(4, "bridge"), nest(5, u8(1, 3), u8(7, 63), attribute(8, b"\x3f\0")))
    link = decode(link_message(5, pf_attributes("ens5f0", master=7), info))
    assert (link.master, link.port) == (7, None)


@pytest.mark.parametrize("mode", range(7))
def test_a_bond_has_its_mode(mode: int) -> None:
    link = decode(link_message(7, pf_attributes("bond0"), bond(mode)))
    assert (link.ifindex, link.name, link.kind, link.bond_mode) == (7, "bond0", "bond", mode)
    assert (link.miimon_ms, link.lacp_fast) == (100, True)


def test_a_bond_without_miimon_and_on_the_slow_rate_says_so() -> None:
    info = nest(18, text(1, "bond"), nest(2, u8(1, 4), u32(3, 0), u8(21, 0)))
    link = decode(link_message(7, text(3, "bond0"), info))
    assert (link.miimon_ms, link.lacp_fast) == (0, False)


@pytest.mark.parametrize(("attributes", "active"), [(u8(29, 1), True), (u8(29, 0), False), (b"", None)])
def test_a_bond_says_whether_it_is_active_unless_the_kernel_is_too_old(
    attributes: bytes, active: bool | None
) -> None:
    info = nest(18, text(1, "bond"), nest(2, u8(1, 4), attributes))
    assert decode(link_message(7, text(3, "bond0"), info)).lacp_active is active


@pytest.mark.parametrize("kind", ["bridge", "team", "vlan", "netdevsim"])
def test_another_interface_has_its_kind_and_no_mode(kind: str) -> None:
    info = nest(18, text(1, kind), nest(2, u8(1, 4)))
    link = decode(link_message(7, pf_attributes("x"), info))
    assert (link.kind, link.bond_mode) == (kind, None)
    assert (link.miimon_ms, link.lacp_fast) == (None, None)


def test_a_port_of_a_bond_can_be_a_bond_or_a_vlan_itself() -> None:
    slave = [text(4, "bond"), nest(5, u8(7, 63), attribute(8, b"\x3f\0"))]
    link = decode(link_message(7, text(3, "vlan5"), nest(18, text(1, "vlan"), *slave)))
    assert (link.kind, link.port) == ("vlan", BondPort(PortState(63), PortState(63)))


def test_only_the_octet_of_the_16_bit_partner_state_counts() -> None:
    link = decode(link_message(5, lacp_port(63, 0x013F)))
    assert link.port == BondPort(PortState(63), PortState(63))


def test_flags_of_an_attribute_type_are_no_part_of_it() -> None:
    info = lacp_port(63, 63)
    nested = struct.pack("=HH", len(info), 18 | NLA_F_NESTED) + info[4:]
    assert decode(link_message(5, nested)).port == BondPort(PortState(63), PortState(63))


@pytest.mark.parametrize("length", [0, 16, 31])
def test_a_message_without_a_whole_header_is_malformed(length: int) -> None:
    message = link_message(5)[:length]
    with pytest.raises(MalformedMessage, match=f"link message of {length} bytes"):
        ifindex_of(message)
    with pytest.raises(MalformedMessage):
        decode(message)


def test_the_ifindex_is_read_without_decoding() -> None:
    assert ifindex_of(link_message(0x01020304) + b"garbage") == 0x01020304


@pytest.mark.parametrize(
    ("name", "displayed"),
    [(b"bond\xff\0", r"bond\xff"), (b"\x1b[31m\0", r"\x1b[31m"), ("bändchen\0".encode(), "bändchen")],
)
def test_a_name_is_shown_so_that_any_line_can_hold_it(name: bytes, displayed: str) -> None:
    link = decode(link_message(7, attribute(3, name), nest(18, attribute(1, name))))
    assert (link.name, link.kind) == (displayed, displayed)


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(link_message(5, attribute(10, b"")), id="master"),
        pytest.param(link_message(5, attribute(33, b"")), id="carrier"),
        pytest.param(link_message(5, nest(18, text(1, "bond"), nest(2, attribute(1, b"")))), id="bond mode"),
    ],
)
def test_an_attribute_at_the_end_that_is_too_short_for_its_number_is_malformed(message: bytes) -> None:
    with pytest.raises(MalformedMessage, match="is no number"):
        decode(message)


@pytest.mark.parametrize("after", [b"", u32(21, 1)])
def test_a_count_of_vfs_that_is_too_short_is_malformed_whatever_follows(after: bytes) -> None:
    with pytest.raises(MalformedMessage, match="too short"):
        decode(link_message(5, attribute(21, b"\1"), after, vf_list([vf_entry(0, 0)])))


@pytest.mark.parametrize("message", [link_message(0), link_message(-5), link_message(5, u32(10, 1 << 31))])
def test_an_ifindex_that_no_interface_can_have_is_malformed(message: bytes) -> None:
    with pytest.raises(MalformedMessage, match="no interface has these ifindexes"):
        decode(message)


def test_a_counter_that_is_too_short_for_its_number_is_malformed() -> None:
    counters = nest(3, nest(2, nest(1, attribute(0, b"\1\0\0\0"))))
    with pytest.raises(MalformedMessage, match="is no number"):
        decode_lacpdus_received(netlink(92, bytes(12) + counters))


def test_a_malformed_message_is_told_to_nobody_but_the_caller(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(MalformedMessage):
        decode(link_message(5, attribute(10, b"")))
    assert caplog.records == []


def test_a_bond_without_data_is_malformed() -> None:
    with pytest.raises(MalformedMessage, match="link message of interface 7"):
        decode(link_message(7, nest(18, text(1, "bond"))))


def decodes_or_is_malformed(message: bytes) -> None:
    with suppress(MalformedMessage):
        assert isinstance(decode(message), Link)


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_random_bytes_decode_or_are_malformed(garbage: bytes) -> None:
    decodes_or_is_malformed(garbage)
    decodes_or_is_malformed(link_message(5, garbage))
    decodes_or_is_malformed(pf_message(3) + garbage)


@settings(deadline=None)
@given(st.data(), st.sampled_from([pf_message(2), link_message(7, pf_attributes("bond0"), bond(4))]))
def test_a_valid_message_with_changed_bytes_decodes_or_is_malformed(
    data: st.DataObject, valid: bytes
) -> None:
    message = bytearray(valid)
    for position in data.draw(st.sets(st.integers(0, len(message) - 1), max_size=6)):
        message[position] = data.draw(st.integers(0, 255))
    decodes_or_is_malformed(bytes(message[: data.draw(st.integers(0, len(message)))]))


@settings(deadline=None)
@given(st.binary(max_size=40))
def test_garbage_after_the_attributes_changes_nothing_that_came_before(garbage: bytes) -> None:
    cannot_be_an_attribute = b"\xff\xff\xff\xff" + garbage
    assert decode(pf_message(2) + cannot_be_an_attribute) == decode(pf_message(2))


def test_an_interface_has_its_names_its_type_and_its_master() -> None:
    two = nest(52 | NLA_F_NESTED, text(53, "enp5s0f0"), text(53, "\x1b[2J"))
    port = link_message(5, pf_attributes("ens5f0", master=7), lacp_port(63, 63), two)
    assert decode_names(port) == LinkNames(5, "ens5f0", ("enp5s0f0", "\\x1b[2J"), "", 7)
    assert decode_names(link_message(7, text(3, "bond0"), bond(4))) == LinkNames(7, "bond0", (), "bond", 0)


@given(st.binary(max_size=64))
def test_whatever_comes_as_names_is_names_or_malformed(content: bytes) -> None:
    decode_names(link_message(5, content))
    with pytest.raises(MalformedMessage):
        decode_names(content[:31])
