"""When LACP is up, and how a port state is shown."""

from __future__ import annotations

from itertools import product

import pytest

from pf_status_relay.core.lacp import PortState, describe, is_fast, is_up, letters

STATES_OF_A_WORKING_PORT = {0b0011_1100, 0b0011_1101, 0b0011_1110, 0b0011_1111}
"""Port states with which LACP is up: Activity and Timeout do not matter, each other bit does."""


def test_lacp_is_up_when_both_ends_carry_traffic_and_neither_has_failed() -> None:
    every = [PortState(state) for state in range(256)]
    up = {(actor, partner) for actor in every for partner in every if is_up(actor, partner)}
    assert up == set(product(STATES_OF_A_WORKING_PORT, repeat=2))


@pytest.mark.parametrize(
    ("actor", "partner", "up"),
    [
        pytest.param(63, 63, True, id="healthy"),
        pytest.param(61, 63, True, id="slow"),
        pytest.param(143, 55, False, id="LACPDUs have stopped"),
        pytest.param(79, 0, False, id="defaulted"),
        pytest.param(15, 7, False, id="recovering"),
        pytest.param(63, 15, False, id="the switch does not carry yet"),
        pytest.param(63, 61, True, id="the switch asks for the slow rate"),
        pytest.param(127, 63, False, id="defaulted, and every other bit says up"),
        pytest.param(191, 63, False, id="expired, and every other bit says up"),
        pytest.param(0, 0, False, id="nothing"),
    ],
)
def test_the_port_states_that_the_kernel_goes_through(actor: int, partner: int, up: bool) -> None:
    assert is_up(PortState(actor), PortState(partner)) is up


@pytest.mark.parametrize(("actor", "fast"), [(63, True), (61, False), (2, True), (0xFD, False)])
def test_the_timeout_bit_asks_for_the_fast_rate(actor: int, fast: bool) -> None:
    assert is_fast(PortState(actor)) is fast


@pytest.mark.parametrize(
    ("state", "text"),
    [
        (0, "0x00 (none)"),
        (1, "0x01 (activity)"),
        (61, "0x3d (activity aggregation synchronization collecting distributing)"),
        (63, "0x3f (activity timeout aggregation synchronization collecting distributing)"),
        (143, "0x8f (activity timeout aggregation synchronization expired)"),
        (64, "0x40 (defaulted)"),
        (
            255,
            "0xff (activity timeout aggregation synchronization collecting distributing defaulted expired)",
        ),
    ],
)
def test_a_port_state_is_described_in_hexadecimal_and_by_name(state: int, text: str) -> None:
    assert describe(PortState(state)) == text


@pytest.mark.parametrize(
    ("state", "displayed"),
    [
        (0x00, "------"),
        (0x01, "A-----"),
        (0x02, "-T----"),
        (0x04, "--A---"),
        (0x08, "---S--"),
        (0x10, "----C-"),
        (0x20, "-----D"),
        (0x3F, "ATASCD"),
        (0x40, "------ defaulted"),
        (0x80, "------ expired"),
        (0x4F, "ATAS-- defaulted"),
        (0x8F, "ATAS-- expired"),
        (0xFF, "ATASCD defaulted expired"),
    ],
)
def test_a_port_state_in_letters_has_a_place_for_each_bit(state: int, displayed: str) -> None:
    assert letters(PortState(state)) == displayed
