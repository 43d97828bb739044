"""Names of no PF, and the PF that was probably meant."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pf_status_relay.cli.names import Hint, hints
from pf_status_relay.core.facts import Absent, Facts, Unreadable
from pf_status_relay.kernel.decode import LinkNames
from tests.support.facts import GONE, GOOD

LINKS = [
    LinkNames(1, "lo", (), "", 0),
    LinkNames(5, "ens7f0np0", ("enp94s0f0np0",), "", 7),
    LinkNames(6, "ens8f1", (), "", 0),
    LinkNames(7, "bond0", (), "bond", 0),
    LinkNames(8, "bond1", (), "bond", 0),
    LinkNames(9, "ens5f0v3", (), "", 0),
    LinkNames(10, "br0", (), "bridge", 0),
    LinkNames(11, "ens6f0np0v3", (), "", 0),
]
CONFIGURATION = "Correct the configuration"


def hint(name: str, facts: Facts, **others: Facts) -> Hint | None:
    pf_of_vf = {9: "ens5f0"}
    found = hints({name: facts, **others}, LINKS, lambda ifindex: pf_of_vf.get(ifindex, ""))
    return found.get(name)


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("ens7f0", "ens7f0np0"),
        ("enp94s0f0", "enp94s0f0np0 (an alternative name of ens7f0np0)"),
        ("ens8f1np1", "ens8f1"),
    ],
)
def test_an_absent_name_is_near_to_one_that_differs_by_the_name_of_the_port(name: str, near: str) -> None:
    expected = Hint("no interface has this name", f"did you mean {near}? {CONFIGURATION}")
    assert hint(name, GONE) == expected


@pytest.mark.parametrize("name", ["ens7f1", "ens7f0np1", "ens7f0np", "ens7", "ens9f9", "np0", "ens6f0"])
def test_another_absent_name_is_near_to_nothing(name: str) -> None:
    assert hint(name, GONE) is None


def test_an_interface_that_is_configured_already_is_not_what_was_meant() -> None:
    assert hint("ens7f0", GONE, ens7f0np0=GOOD) is None
    assert hint("ens7f0np0", Absent("is the same interface as enp94s0f0np0"), enp94s0f0np0=GOOD) is None


@pytest.mark.parametrize(
    ("ifindex", "found", "fix"),
    [
        (9, "is a VF of ens5f0, not a PF", "name ens5f0 in the configuration"),
        (7, "is a bond, not a PF", "name its port ens7f0np0 in the configuration"),
        (8, "is a bond, not a PF", "name the PF that is to be its port in the configuration"),
    ],
)
def test_a_vf_and_a_bond_are_no_pfs(ifindex: int, found: str, fix: str) -> None:
    assert hint("x", replace(GOOD, ifindex=ifindex, master=None)) == Hint(found, fix)


@pytest.mark.parametrize("facts", [GOOD, replace(GOOD, ifindex=10, master=None), Unreadable("x")])
def test_what_can_be_a_pf_or_is_not_known_is_left_alone(facts: Facts) -> None:
    assert hint("x", facts) is None
