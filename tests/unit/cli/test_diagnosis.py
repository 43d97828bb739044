"""What passes and what fails; each failure comes with a fix."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from pf_status_relay.cli import diagnosis
from pf_status_relay.cli.diagnosis import Coverage, Host
from pf_status_relay.cli.findings import Finding, Verdict
from pf_status_relay.cli.host import Rival
from pf_status_relay.core.causes import Cause
from pf_status_relay.core.facts import (
    Absent,
    Facts,
    Master,
    Unreadable,
)
from tests.support.facts import AUTO, ENABLE, FAST_BOND, GOOD, numbered

PASSED, WARNING, FAILED = Verdict
CLEAR = replace(GOOD, vfs=numbered([AUTO, AUTO]))
"""A PF with no VF in disable."""


def wrong(facts: Facts, sriov: bool | None = True, refused: str | None = None) -> list[tuple[Verdict, str]]:
    """Return what does not pass."""
    lines = diagnosis.of_interface("ens5f0", facts, sriov, refused)
    assert all(bool(line.fix) is (line.verdict is not PASSED) for line in lines)
    assert all(line.subject == "ens5f0" for line in lines)
    return [(line.verdict, line.found) for line in lines if line.verdict is not PASSED]


def test_a_good_pf_passes_in_everything() -> None:
    assert wrong(GOOD) == []
    assert wrong(GOOD, refused="") == []
    assert len(diagnosis.of_interface("ens5f0", GOOD, True, "")) == 10


@pytest.mark.parametrize(
    ("facts", "verdict", "found"),
    [
        (Absent("Link not found"), FAILED, "no interface has this name"),
        (Absent("is the same interface as ens5f1"), FAILED, "is the same interface as ens5f1"),
        (Unreadable("No buffer space"), FAILED, "cannot be read: No buffer space"),
        (replace(CLEAR, master=None), FAILED, "link has no master interface"),
        (
            replace(CLEAR, master=Master(7, "br0", "bridge", None, None)),
            FAILED,
            "master interface br0 is not a bond (bridge)",
        ),
        (
            replace(CLEAR, master=replace(FAST_BOND, bond_mode=1)),
            FAILED,
            "bond bond0 does not have mode 802.3ad",
        ),
        (
            replace(CLEAR, master=replace(FAST_BOND, port_count=2)),
            FAILED,
            "bond bond0 has 2 ports instead of one; multi_port_bonds allows it",
        ),
        (
            replace(GOOD, vfs=numbered([ENABLE, ENABLE])),
            FAILED,
            "all VFs are in link state enable and left alone",
        ),
        (replace(GOOD, vf_count=0, vfs_listed=0, vfs=()), WARNING, "has no VFs"),
        (
            replace(GOOD, vf_count=400),
            WARNING,
            "the kernel lists 2 of its 400 VFs, the others are not relayed for",
        ),
        (replace(GOOD, carrier=False), WARNING, "LACP is down: no carrier"),
        (replace(GOOD, carrier=False, up=False), WARNING, "LACP is down: pf is set down"),
        (
            replace(GOOD, master=replace(FAST_BOND, lacp_fast=False)),
            WARNING,
            "bond bond0 is on the slow LACP rate: a dead switch is noticed after 90 s, not 3",
        ),
        (
            replace(GOOD, master=replace(FAST_BOND, miimon_ms=0)),
            WARNING,
            "bond bond0 has no miimon: it does not notice when the carrier goes or comes",
        ),
        (replace(GOOD, port=None), WARNING, "LACP is down: not agreed yet"),
    ],
)
def test_each_thing_that_is_wrong_is_found_alone(facts: Facts, verdict: Verdict, found: str) -> None:
    assert wrong(facts) == [(verdict, found)]


def test_vfs_in_disable_of_a_pf_that_is_not_relayed_for_are_said() -> None:
    assert wrong(replace(GOOD, master=None)) == [
        (FAILED, "link has no master interface"),
        (WARNING, "1 of 2 VFs in disable, and nothing sets them back"),
    ]


def test_an_interface_without_vfs_is_judged_by_its_device() -> None:
    bare = replace(GOOD, vf_count=0, vfs_listed=0, vfs=())
    assert wrong(bare, sriov=False) == [(FAILED, "is no SR-IOV PF")]
    assert wrong(bare, sriov=None) == [(WARNING, "has no VFs")], "nobody asked"
    assert wrong(GOOD, sriov=False) == [], "it has VFs, so it is one"


def test_some_vfs_in_enable_are_no_failure_and_are_told() -> None:
    some = replace(GOOD, vfs=numbered([ENABLE, AUTO]))
    assert wrong(some) == []
    found = [line.found for line in diagnosis.of_interface("ens5f0", some)]
    assert "1 of 2 VFs in link state enable and left alone" in found


def test_a_driver_that_refuses_fails() -> None:
    assert wrong(GOOD, refused="Operation not supported") == [
        (FAILED, "the driver does not set VF link states: Operation not supported")
    ]


@pytest.mark.parametrize(("up", "found"), [(True, "has no carrier"), (False, "is set down")])
def test_the_link_of_a_pf_that_is_not_ready_is_judged_too(up: bool, found: str) -> None:
    assert wrong(replace(GOOD, master=None, carrier=False, up=up)) == [
        (FAILED, "link has no master interface"),
        (WARNING, "1 of 2 VFs in disable, and nothing sets them back"),
        (WARNING, found),
    ]


@pytest.mark.parametrize("cause", Cause)
def test_each_cause_has_a_fix_that_names_what_is_to_be_changed(cause: Cause) -> None:
    line = diagnosis._lacp("ens5f0", cause, FAST_BOND)
    assert line.found == f"LACP is down: {cause}"
    assert len(line.fix) <= 100
    assert "{" not in line.fix


RIVAL = Rival(60, "the program pf-status-relay", certain=True)


@pytest.mark.parametrize(
    ("host", "verdicts"),
    [
        (Host(True, None, (), False), [PASSED, PASSED]),
        (Host(False, True, (), False), [PASSED, PASSED]),
        (Host(True, False, (), False), [FAILED, PASSED]),
        (Host(False, None, (), False), [WARNING, PASSED]),
        (Host(True, True, (), True), [PASSED, WARNING]),
        (Host(True, True, (RIVAL,), True), [PASSED, FAILED]),
        (Host(True, True, (RIVAL, replace(RIVAL, certain=False)), False), [PASSED, FAILED, WARNING]),
    ],
)
def test_the_host_is_judged_by_what_the_service_will_have(host: Host, verdicts: list[Verdict]) -> None:
    lines = diagnosis.of_host(host)
    assert [line.verdict for line in lines] == verdicts
    assert all(bool(line.fix) is (line.verdict is not PASSED) for line in lines)


@pytest.mark.parametrize(
    ("failed", "coverage"),
    [
        ([], Coverage.ALL),
        (["a"], Coverage.SOME),
        (["a", "b"], Coverage.NOTHING),
        (["host"], Coverage.NOTHING),
        (["a", "host"], Coverage.NOTHING),
        (["configuration"], Coverage.NOTHING),
        (["other relays"], Coverage.SOME),
        (["other relays", "a", "a"], Coverage.SOME),
    ],
)
def test_the_outlook_is_what_can_be_relayed_for(failed: list[str], coverage: Coverage) -> None:
    lines = [Finding("a", WARNING, "x", "y"), *(Finding(subject, FAILED, "x", "y") for subject in failed)]
    assert diagnosis.coverage(lines, ["a", "b"]) is coverage


def test_without_a_configuration_there_is_no_outlook() -> None:
    lines = diagnosis.of_configuration(["relay.toml: is no file"], [])
    assert [line.verdict for line in lines] == [FAILED]
    assert diagnosis.coverage(lines, []) is Coverage.NOTHING


def test_a_configuration_that_means_no_interface_here_is_a_warning_and_nothing_can_be_relayed_for() -> None:
    (line,) = diagnosis.of_configuration([], [])
    assert (line.verdict, line.found) == (WARNING, "is valid and means no interface of this host")
    assert diagnosis.coverage([line], []) is Coverage.NOTHING


def test_what_is_left_out_of_a_configuration_is_a_warning_and_hinders_nothing() -> None:
    passed, warning = diagnosis.of_configuration([], ["ens5f0"], ["10.toml: is at fault"])
    assert (passed.verdict, passed.found) == (PASSED, "is valid and means ens5f0")
    assert (warning.verdict, warning.found) == (WARNING, "10.toml: is at fault")
    assert diagnosis.coverage([passed, warning], ["ens5f0"]) is Coverage.ALL
    assert warning in diagnosis.of_configuration([], [], ["10.toml: is at fault"])


def test_a_program_reads_one_document() -> None:
    document = diagnosis.as_json([Finding("ens5f0", FAILED, "is broken", "replace it")], Coverage.NOTHING)
    assert json.loads(document) == {
        "can_relay_for": "nothing",
        "checks": [{"subject": "ens5f0", "verdict": "failed", "found": "is broken", "fix": "replace it"}],
    }


def test_a_redundancy_group_is_judged_by_how_many_interfaces_it_means() -> None:
    groups = [["a", "b"], ["c", "d"], ["e*"]]
    lines = diagnosis.of_groups(groups, [["a", "b"], ["c"], []])
    assert [(line.verdict, line.found) for line in lines] == [
        (Verdict.PASSED, "redundancy group a, b means a, b: one of them stays open"),
        (Verdict.WARNING, "redundancy group c, d means c alone, and has no effect"),
        (Verdict.WARNING, "redundancy group e* means no configured interface, and has no effect"),
    ]
