"""PFs appear, vanish, change their names and their masters, and are followed without a restart."""

from __future__ import annotations

from tests.lab.kit.lab import Lab
from tests.lab.kit.waiting import NOTICED_S

TWO_PORTS = "bond bond0 has 2 ports instead of one; multi_port_bonds allows it"


def test_a_pf_that_is_absent_at_start_is_picked_up_when_it_appears(lab: Lab) -> None:
    present = lab.pf_with_lacp("ens5f0", vfs=1)
    relay = lab.relay(["ens5f0", "ens5f1"])
    relay.wait_for("lacp is up", interface="ens5f0")
    relay.wait_for("failed to fetch interface", interface="ens5f1", error="Link not found", level="WARN")

    late = lab.pf_with_lacp("ens5f1", vfs=2)
    relay.wait_for("pf is ready", interface="ens5f1", within=NOTICED_S)
    relay.wait_for("lacp is up", interface="ens5f1", within=NOTICED_S)
    late.cable.block_lacp()
    late.wait_for_vfs(["disable"] * 2)
    assert present.vf_states() == ["auto"]
    assert len(relay.events("failed to fetch interface")) == 1


def test_all_pfs_absent_at_start_is_no_reason_to_give_up(lab: Lab) -> None:
    relay = lab.relay(["ens5f0", "ens5f1"])
    lab.wait_until(
        lambda: len(relay.events("failed to fetch interface")) == 2, within=2, what="both reported absent"
    )
    lab.sleep(30)
    assert relay.running()
    assert len(relay.events("failed to fetch interface")) == 2, "once each, not once per poll"

    for name in ("ens5f0", "ens5f1"):
        pf = lab.pf_with_lacp(name, vfs=1)
        relay.wait_for("lacp is up", interface=name, within=NOTICED_S)
        pf.cable.block_lacp()
        pf.wait_for_vfs("disable")


def test_an_appearing_pf_is_noticed_by_event_long_before_the_next_poll(lab: Lab) -> None:
    relay = lab.relay(["ens5f0"], polling_interval_ms=60_000)
    relay.wait_for("failed to fetch interface", interface="ens5f0")
    lab.sleep(5)
    lab.pf("ens5f0", vfs=0)
    relay.wait_for("pf is not ready", interface="ens5f0", within=0.1)


def test_a_pf_that_is_deleted_and_recreated_is_served_under_its_new_ifindex(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=2)
    bond = pf.bond
    relay = lab.relay(["ens5f0"])
    relay.wait_for("lacp is up")
    before = pf.ifindex

    pf.delete()
    relay.wait_for("failed to fetch interface", interface="ens5f0", within=NOTICED_S)
    relay.wait_for("pf is not ready", interface="ens5f0")
    pf.recreate()
    assert pf.ifindex != before
    relay.wait_for("pf is not ready", error="link has no master interface", within=NOTICED_S)
    bond.add(pf)
    lab.wait_until(lambda: len(relay.events("lacp is up")) == 2, within=40, what="LACP up again")
    pf.cable.block_lacp()
    pf.wait_for_vfs(["disable"] * 2)


def test_a_pf_that_is_renamed_is_gone_until_it_has_its_name_again(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=1)
    relay = lab.relay(["ens5f0"])
    relay.wait_for("lacp is up")

    pf.rename("other0")
    relay.wait_for("failed to fetch interface", interface="ens5f0", within=NOTICED_S)
    pf.cable.block_lacp()
    lab.sleep(6)
    assert pf.vf_states() == ["auto"], "nobody asked for other0 to be relayed"

    pf.rename("ens5f0")
    relay.wait_for("pf is ready", since=lab.now - 0.05, within=NOTICED_S)
    pf.wait_for_vfs(["disable"], within=NOTICED_S)


def test_a_pf_is_reached_by_its_alternative_name(lab: Lab) -> None:
    long = "enp94s0f0-in-the-left-slot-of-the-upper-riser"
    pf = lab.pf_with_lacp("ens5f0", vfs=1)
    pf.add_altname(long)
    relay = lab.relay([long, "enp94s0f0np0"])
    relay.wait_for("lacp is up", interface=long)
    relay.wait_for("failed to fetch interface", interface="enp94s0f0np0")
    pf.cable.block_lacp()
    pf.wait_for_vfs(["disable"])

    pf.remove_altname(long)
    relay.wait_for("pf is not ready", interface=long, within=NOTICED_S)
    pf.add_altname("enp94s0f0np0")
    relay.wait_for("lacp is down", interface="enp94s0f0np0", within=NOTICED_S)


def test_an_interface_configured_by_two_of_its_names_is_served_under_the_first(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=1)
    pf.add_altname("enp94s0f0")
    relay = lab.relay(["ens5f0", "enp94s0f0"])
    relay.wait_for(
        "failed to fetch interface", interface="enp94s0f0", error="is the same interface as ens5f0"
    )
    pf.cable.block_lacp()
    relay.wait_for("vf link state was set", within=6)
    lab.sleep(3)
    assert [event["interface"] for event in relay.events("vf link state was set")] == ["ens5f0"]


def test_a_pf_without_a_master_is_not_ready_until_it_joins_its_bond(lab: Lab) -> None:
    pf = lab.pf("ens5f0", vfs=1)
    bond = lab.bond("bond0")
    lab.cable(pf, lab.switch("sw0"))
    relay = lab.relay(["ens5f0"])
    relay.wait_for("pf is not ready", level="ERROR", error="link has no master interface")
    lab.sleep(5)
    assert len(relay.events("pf is not ready")) == 1
    assert pf.vf_states() == ["auto"], "LACP is not up, and the PF not ours"

    bond.add(pf)
    relay.wait_for("pf is ready", within=NOTICED_S)
    relay.wait_for("lacp is up", within=10)
    left_at = lab.now
    bond.remove(pf)
    relay.wait_for("pf is not ready", error="link has no master interface", since=left_at, within=NOTICED_S)
    states = pf.vf_states()
    lab.sleep(5)
    assert pf.vf_states() == states


def test_a_pf_in_a_bridge_is_not_ready(lab: Lab) -> None:
    pf = lab.pf("ens5f0", vfs=1)
    lab.cable(pf, lab.switch("sw0"))
    bridge = lab.bridge("br0")
    bridge.add(pf)
    relay = lab.relay(["ens5f0"])
    relay.wait_for("pf is not ready", error="master interface br0 is not a bond (bridge)")
    lab.sleep(3)
    assert pf.vf_states() == ["auto"]

    bridge.remove(pf)
    lab.bond("bond0").add(pf)
    relay.wait_for("lacp is up", within=10)
    back_at = lab.now
    pf.bond.remove(pf)
    bridge.add(pf)
    relay.wait_for("pf is not ready", error="master interface br0 is not a bond (bridge)", since=back_at)


def test_a_pf_in_a_bond_of_another_mode_is_not_ready(lab: Lab) -> None:
    pf = lab.pf("ens5f0", vfs=1)
    lab.cable(pf, lab.switch("sw0"))
    wrong = lab.bond("bond0", mode="active-backup")
    wrong.add(pf)
    relay = lab.relay(["ens5f0"])
    relay.wait_for("pf is not ready", error="bond bond0 does not have mode 802.3ad")
    lab.sleep(3)
    assert pf.vf_states() == ["auto"]

    wrong.remove(pf)
    right = lab.bond("bond1")
    right.add(pf)
    relay.wait_for("lacp is up", within=10)
    back_at = lab.now
    right.remove(pf)
    wrong.add(pf)
    relay.wait_for("pf is not ready", error="bond bond0 does not have mode 802.3ad", since=back_at)


def test_a_bond_with_two_ports_is_not_ready_until_one_leaves(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=1)
    second = lab.pf("ens5f1", vfs=0)
    relay = lab.relay(["ens5f0"])
    relay.wait_for("lacp is up")

    pf.bond.add(second)
    joined = relay.wait_for(
        "pf is not ready",
        error=TWO_PORTS,
        within=NOTICED_S,
    )
    pf.cable.block_lacp()
    lab.sleep(8)
    assert pf.vf_states() == ["auto"], "not touched while not ready"

    pf.bond.remove(second)
    relay.wait_for("pf is ready", since=joined["at"], within=NOTICED_S)
    pf.wait_for_vfs(["disable"], within=NOTICED_S)
    pf.bond.add(second)
    lab.wait_until(lambda: len(relay.events("pf is not ready")) == 2, within=NOTICED_S, what="wrong again")


def test_a_bond_that_is_deleted_leaves_its_pf_not_ready(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=1)
    relay = lab.relay(["ens5f0"])
    relay.wait_for("lacp is up")
    pf.bond.delete()
    relay.wait_for("pf is not ready", error="link has no master interface", within=NOTICED_S)
    lab.bond("bond7").add(pf)
    lab.wait_until(lambda: len(relay.events("lacp is up")) == 2, within=10, what="LACP up again")


def test_a_second_port_is_noticed_by_event_long_before_the_next_poll(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=1)
    second = lab.pf("ens5f1", vfs=0)
    relay = lab.relay(["ens5f0"], polling_interval_ms=60_000)
    relay.wait_for("lacp is up")
    lab.sleep(5)
    pf.bond.add(second)
    relay.wait_for(
        "pf is not ready",
        error=TWO_PORTS,
        within=0.1,
    )
