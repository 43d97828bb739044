"""What counts as settled, and why something does not."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from pf_status_relay.cli.overview import overview
from pf_status_relay.cli.settlement import Settlement, as_json, settlement
from pf_status_relay.core.drain import Drain
from pf_status_relay.core.facts import Absent, Facts, Unreadable
from pf_status_relay.service.state_file import InterfaceState, ServiceState
from tests.support.facts import AUTO, DISABLE, ENABLE, GOOD, numbered, port

UP = replace(GOOD, vfs=numbered([AUTO, ENABLE]))


@pytest.mark.parametrize(
    ("facts", "settled", "found"),
    [
        (UP, True, "LACP is up"),
        (replace(UP, vfs=(), vf_count=0, vfs_listed=0), True, "LACP is up"),
        (replace(UP, vfs=numbered([AUTO, DISABLE])), False, "LACP is up and 1 of 2 VFs in disable"),
        (replace(UP, carrier=False), False, "LACP is down: no carrier"),
        (replace(UP, port=port(0x4F, 0)), False, "LACP is down: LACPDUs have stopped"),
        (replace(UP, master=None), False, "link has no master interface"),
        (Absent("Link not found"), False, "no interface has this name"),
        (Absent("is the same interface as ens5f1"), False, "is the same interface as ens5f1"),
        (Unreadable("No buffer space"), False, "cannot be read: No buffer space"),
    ],
)
def test_a_pf_is_settled_when_lacp_is_up_and_no_vf_is_left_disabled(
    facts: Facts, settled: bool, found: str
) -> None:
    (row,) = overview({"ens5f0": facts}, None).rows
    assert settlement(row) == Settlement("ens5f0", settled, found)


@pytest.mark.parametrize(
    ("facts", "settled", "found"),
    [
        (replace(UP, vfs=numbered([DISABLE, ENABLE])), True, "is drained by alice, bob"),
        (replace(UP, carrier=False, vfs=numbered([DISABLE])), True, "is drained by alice, bob"),
        (UP, False, "is drained and 1 of 2 VFs in auto"),
        (replace(UP, master=None), False, "link has no master interface"),
    ],
)
def test_a_pf_that_is_drained_is_settled_once_its_vfs_follow(facts: Facts, settled: bool, found: str) -> None:
    drains = (Drain("ens5f0", "alice"), Drain("ens5f0", "bob"))
    (row,) = overview({"ens5f0": facts}, None, drains={"ens5f0": drains}).rows
    assert settlement(row) == Settlement("ens5f0", settled, found)


def test_a_pf_that_the_service_counts_as_down_is_not_settled() -> None:
    told = InterfaceState("ready", "down", "2030-01-01T10:00:03Z", "early detection")
    (row,) = overview({"ens5f0": UP}, ServiceState(812, {"ens5f0": told})).rows
    assert settlement(row) == Settlement("ens5f0", False, "LACP is down: early detection")


def test_a_program_reads_one_document() -> None:
    assert json.loads(as_json([Settlement("ens5f0", True, "LACP is up")], True)) == {
        "settled": True,
        "interfaces": [{"interface": "ens5f0", "settled": True, "found": "LACP is up"}],
    }
