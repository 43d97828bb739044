"""Two PFs that are ports of one bond to a pair of switches (MLAG), if the configuration allows it."""

from __future__ import annotations

import json

import pytest

from pf_status_relay.core.events import LacpDown, PfKeptOpen, PfNotReady, PfReady
from tests.lab.kit.commands import ip
from tests.lab.kit.lab import Lab
from tests.lab.kit.program import toml
from tests.lab.kit.topology import Pf
from tests.lab.kit.waiting import LOSS_S, RECOVERY_S

NAMES = ("ens5f0", "ens5f1")
ALLOWED = f"{toml(NAMES, None)}multi_port_bonds = true\n"
GROUP = f"{ALLOWED}redundancy_groups = [{json.dumps(NAMES)}]\n"
ELSEWHERE = "it is not in the active aggregator of bond bond0"


def two_ports(lab: Lab, mlag: bool = True) -> tuple[Pf, Pf]:
    """Return two PFs in one bond; their switches are one to LACP (MLAG), or two that know nothing of it."""
    first, second = (lab.pf(name, vfs=2) for name in NAMES)
    bond = lab.bond("bond0")
    bond.add(first, second)
    switch = lab.switch("sw0")
    lab.cable(first, switch)
    lab.cable(second, switch if mlag else lab.switch("sw1"))
    if mlag:
        port, other = first.cable.port, second.cable.port
        ip(
            f"link set dev {other.name} down",
            f"link set dev {other.name} nomaster",
            f"link set dev {other.name} master {port.bond}",
            f"link set dev {other.name} up",
            netns=switch.name,
        )
    if mlag:
        second.wait_for_lacp()
        first.wait_for_lacp()
    else:
        lab.wait_until(
            lambda: {first.port_state(), second.port_state()} == {(63, 63), (7, 15)}, within=40, what="LACP"
        )
    return first, second


def states(*pfs: Pf) -> list[set[str]]:
    """Return the link states of each PF's VFs."""
    return [set(pf.vf_states()) for pf in pfs]


def test_without_the_key_both_are_not_ready_and_the_reason_names_it(lab: Lab) -> None:
    first, second = two_ports(lab)
    relay = lab.relay(config_text=toml(NAMES, None))
    for pf in (first, second):
        not_ready = relay.wait_for(PfNotReady.msg, interface=pf.name)
        assert not_ready["error"] == "bond bond0 has 2 ports instead of one; multi_port_bonds allows it"
    first.cable.block_lacp()
    lab.sleep(10)
    assert states(first, second) == [{"auto"}, {"auto"}]


def test_one_switch_of_the_pair_dies_and_then_the_other(lab: Lab) -> None:
    first, second = two_ports(lab)
    relay = lab.relay(config_text=ALLOWED)
    relay.wait_for(PfReady.msg, interface="ens5f1")
    first.cable.block_lacp()
    first.wait_for_vfs("disable", within=LOSS_S)
    lab.sleep(10)
    assert states(first, second) == [{"disable"}, {"auto"}]
    second.cable.block_lacp()
    second.wait_for_vfs("disable", within=LOSS_S)
    lab.sleep(10)
    assert states(first, second) == [{"disable"}, {"disable"}]
    first.cable.unblock_lacp()
    first.wait_for_vfs("auto", within=RECOVERY_S)
    second.cable.unblock_lacp()
    second.wait_for_vfs("auto", within=RECOVERY_S)
    assert {event["interface"] for event in relay.events(LacpDown.msg)} == set(NAMES)
    assert relay.events(PfNotReady.msg) == []


def test_a_pf_on_a_switch_that_is_not_of_the_pair_is_not_ready(lab: Lab) -> None:
    first, second = two_ports(lab, mlag=False)
    relay = lab.relay(config_text=ALLOWED)
    not_ready = relay.wait_for(PfNotReady.msg, within=5)
    assert not_ready["error"] == ELSEWHERE
    (active,) = (pf for pf in (first, second) if pf.name != not_ready["interface"])
    (other,) = (pf for pf in (first, second) if pf is not active)
    shown = lab.call("status", "--config", str(relay.configuration))
    assert f"{other.name}: {ELSEWHERE}" in shown.stdout
    active.cable.block_lacp()
    active.wait_for_vfs("disable", within=LOSS_S)
    relay.wait_for(PfReady.msg, within=5, interface=other.name)
    other.wait_for_lacp()
    other.wait_for_vfs("auto", within=2)


def test_a_port_leaves_and_joins(lab: Lab) -> None:
    first, second = two_ports(lab)
    relay = lab.relay(config_text=ALLOWED)
    relay.wait_for(PfReady.msg, interface="ens5f1")
    bond = first.bond
    bond.remove(second)
    relay.wait_for(PfNotReady.msg, interface="ens5f1", error="link has no master interface")
    first.cable.block_lacp()
    first.wait_for_vfs("disable", within=LOSS_S)
    assert second.in_state("auto")
    since = lab.now
    bond.add(second)
    relay.wait_for(PfReady.msg, within=5, since=since, interface="ens5f1")
    second.wait_for_vfs("auto", within=RECOVERY_S)
    first.cable.unblock_lacp()
    first.wait_for_vfs("auto", within=RECOVERY_S)


def test_min_links_takes_the_carrier_of_the_bond_and_not_of_its_ports(lab: Lab) -> None:
    first, second = two_ports(lab)
    ip("link set dev bond0 type bond min_links 2")
    relay = lab.relay(config_text=ALLOWED)
    relay.wait_for(PfReady.msg, interface="ens5f1")
    first.cable.block_lacp()
    first.wait_for_vfs("disable", within=LOSS_S)
    lab.sleep(5)
    assert states(first, second) == [{"disable"}, {"auto"}], "each port counts by itself"


def test_a_redundancy_group_within_the_bond_keeps_one_port_open(lab: Lab) -> None:
    first, second = two_ports(lab)
    relay = lab.relay(config_text=GROUP)
    relay.wait_for(PfReady.msg, interface="ens5f1")
    first.cable.block_lacp()
    first.wait_for_vfs("disable", within=LOSS_S)
    second.cable.block_lacp()
    relay.wait_for(PfKeptOpen.msg, within=LOSS_S, interface="ens5f1")
    lab.sleep(10)
    assert states(first, second) == [{"disable"}, {"auto"}]


@pytest.mark.systemd
def test_a_drain_of_one_port_within_the_bond(lab: Lab) -> None:
    first, second = two_ports(lab)
    lab.write_config(GROUP)
    lab.systemctl("start", "pf-status-relay")
    drained = lab.call("drain", "ens5f0", "--reason", "switch A")
    assert (drained.returncode, drained.stdout) == (0, "ens5f0: drained, 2 VFs disabled\n")
    assert states(first, second) == [{"disable"}, {"auto"}]
    assert lab.call("undrain", "ens5f0").returncode == 0
    assert states(first, second) == [{"auto"}, {"auto"}]
