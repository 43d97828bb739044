"""The list of VFs, as the kernel encodes it and as the program encodes it for the kernel."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pf_status_relay.core.facts import VfLinkState, VirtualFunction
from pf_status_relay.kernel import vf_list as vflist
from tests.support.rtnetlink import attribute, nest, u32, vf_entry, vf_list

AUTO, ENABLE, DISABLE = VfLinkState
BEFORE = b"before! "
FOLLOWED_BY = u32(0x7F, 0)


def states_of(count: int) -> list[VfLinkState]:
    return [VfLinkState(number % 3) for number in range(count)]


def entries_of(states: Sequence[VfLinkState]) -> list[bytes]:
    return [vf_entry(number, state) for number, state in enumerate(states)]


def link_state(number: int, state: int) -> bytes:
    return attribute(5, struct.pack("=II", number, state))


def decode(entries: Sequence[bytes], count: int) -> vflist.VfList:
    return vflist.decode(BEFORE + vf_list(entries) + FOLLOWED_BY, len(BEFORE), count)


def link_states(decoded: vflist.VfList) -> dict[int, VfLinkState]:
    return {vf.id: vf.link_state for vf in decoded.vfs}


@pytest.mark.parametrize("count", [0, 1, 2, 64, 221, 334])
def test_a_list_that_fits_its_length_is_decoded_whole(count: int) -> None:
    entries = entries_of(states_of(count))
    decoded = decode(entries, count)
    assert [vf.link_state for vf in decoded.vfs] == states_of(count)
    assert [vf.id for vf in decoded.vfs] == list(range(count))
    assert decoded.listed == count
    assert decoded.end == len(BEFORE) + 4 + 196 * count


@pytest.mark.parametrize("count", [335, 336, 669, 700, 1024])
def test_a_list_whose_length_has_wrapped_is_walked_by_its_entries(count: int) -> None:
    decoded = decode(entries_of(states_of(count)), count)
    assert [vf.link_state for vf in decoded.vfs] == states_of(count)
    assert decoded.listed == (4 + 196 * count) % 65536 // 196
    assert decoded.end == len(BEFORE) + 4 + 196 * count


def test_a_list_that_was_there_before_is_the_same_again_wherever_it_is() -> None:
    entries = entries_of(states_of(8))
    first, again = decode(entries, 8), vflist.decode(vf_list(entries), 0, 8)
    assert again.vfs == first.vfs
    assert again.end == first.end - len(BEFORE)
    entries[7] = vf_entry(7, DISABLE if states_of(8)[7] is not DISABLE else AUTO)
    assert decode(entries, 8).vfs != first.vfs


def test_a_wrapped_list_is_not_believed_when_an_entry_is_missing() -> None:
    entries = entries_of(states_of(400))
    declared = (4 + 196 * 400) & 0xFFFF
    message = BEFORE + struct.pack("=HH", declared, 22) + b"".join(entries[:390]) + FOLLOWED_BY
    decoded = vflist.decode(message, len(BEFORE), 400)
    assert decoded.end == len(BEFORE) + declared
    assert len(decoded.vfs) == (declared - 4) // 196 == decoded.listed


def test_a_vf_that_the_driver_left_out_costs_no_other() -> None:
    entries = entries_of(states_of(8))
    del entries[3]
    assert sorted(link_states(decode(entries, 8))) == [0, 1, 2, 4, 5, 6, 7]


def test_a_vf_that_the_driver_left_out_of_a_long_list_costs_no_other() -> None:
    entries = entries_of(states_of(400))
    del entries[200]
    assert len(decode(entries, 400).vfs) == 399


def test_entries_need_not_have_the_same_attributes() -> None:
    entries = [vf_entry(number, state, mac=number % 2 == 0) for number, state in enumerate(states_of(8))]
    assert list(link_states(decode(entries, 8)).values()) == states_of(8)


def test_a_link_state_is_found_wherever_it_is_in_its_entry() -> None:
    other = attribute(4, struct.pack("=II", 0, 2))
    other_short = attribute(99, bytes(4))
    entries = [
        nest(1, other, other, link_state(0, 1)),
        nest(1, link_state(1, 2)),
        nest(1, other_short, link_state(2, 0)),  # where the first one's offset leads from the second one
        nest(1, link_state(3, 1), other, other),
    ]
    assert link_states(decode(entries, 4)) == {0: ENABLE, 1: DISABLE, 2: AUTO, 3: ENABLE}


def test_a_link_state_that_is_too_short_is_none() -> None:
    assert vflist.decode(vf_list([nest(1, attribute(5, bytes(4)))]), 0, 1).vfs == ()


@pytest.mark.parametrize(
    ("odd", "why"),
    [
        (vf_entry(2, 3), "no such link state"),
        (vf_entry(1, 0), "a number again"),
        (vf_entry(0, 0), "a smaller number"),
        (vf_entry(2, 0, link_state=False), "no link state"),
        (nest(1), "an empty entry"),
        (nest(2, link_state(2, 0)), "not an entry"),
    ],
)
def test_nothing_is_believed_from_an_odd_entry_on(odd: bytes, why: str) -> None:
    decoded = decode([vf_entry(0, 1), vf_entry(1, 2), odd, vf_entry(3, 0)], 4)
    assert link_states(decoded) == {0: ENABLE, 1: DISABLE}, why


def test_the_walk_goes_no_further_than_the_kernel_counts() -> None:
    decoded = vflist.decode(vf_list(entries_of(states_of(2))) + vf_entry(2, 0), 0, 2)
    assert [vf.id for vf in decoded.vfs] == [0, 1]
    assert decoded.end == 4 + 2 * 196


def test_what_follows_the_list_is_not_taken_for_a_vf() -> None:
    decoded = vflist.decode(vf_list(entries_of(states_of(2))) + vf_entry(2, 0), 0, 3)
    assert [vf.id for vf in decoded.vfs] == [0, 1]
    assert decoded.end == 4 + 2 * 196


@pytest.mark.parametrize("missing", [1, 195, 196, 197])
def test_a_message_that_ends_within_the_list_gives_the_whole_entries(missing: int) -> None:
    message = vf_list(entries_of(states_of(4)))[:-missing]
    assert len(vflist.decode(message, 0, 4).vfs) == 4 - (missing + 195) // 196


def test_link_states_are_encoded_as_the_kernel_reads_them() -> None:
    vfs = [VirtualFunction(0, DISABLE), VirtualFunction(0x0102, AUTO)]
    native = struct.pack("=HHHHII", 16, 1, 12, 5, 0, 2) + struct.pack("=HHHHII", 16, 1, 12, 5, 0x0102, 0)
    assert vflist.encode(vfs) == native
    assert vflist.encode([]) == b""


@settings(deadline=None)
@given(st.lists(st.sampled_from(VfLinkState), max_size=20), st.integers(0, 25), st.data())
def test_a_list_of_random_bytes_changed_gives_rising_numbers_and_known_states(
    states: list[VfLinkState], count: int, data: st.DataObject
) -> None:
    message = bytearray(vf_list(entries_of(states)) + FOLLOWED_BY)
    for position in data.draw(st.sets(st.integers(0, len(message) - 1), max_size=8)):
        message[position] = data.draw(st.integers(0, 255))
    decoded = vflist.decode(bytes(message), 0, count)
    numbers = [vf.id for vf in decoded.vfs]
    assert numbers == sorted(set(numbers))
    assert len(numbers) <= count
    assert decoded.listed <= len(states)
