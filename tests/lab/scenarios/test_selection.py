"""Which interfaces are relayed for: "auto" and patterns, followed as PFs come and go."""

from __future__ import annotations

from tests.lab.kit.lab import Lab

AUTO = 'interfaces = "auto"\n'


def chosen(events: list[dict[str, object]]) -> object:
    """Return the interfaces of the last such event."""
    return events[-1]["interfaces"]


def test_auto_relays_for_each_pf_that_is_alone_in_an_lacp_bond_and_for_no_other(lab: Lab) -> None:
    alone = lab.pf_with_lacp("ens5f0", vfs=2)
    lab.pf("ens6f0", vfs=2)  # in no bond
    lab.bond("bond7", mode="active-backup").add(lab.pf("ens7f0", vfs=2))
    lab.bond("bond8").add(lab.pf("ens8f0", vfs=2), lab.pf("ens8f1", vfs=2))
    relay = lab.relay(config_text=AUTO)
    relay.wait_for("lacp is up", interface="ens5f0")
    assert chosen(relay.events("interfaces to monitor")) == ["ens5f0"]
    assert not relay.events(level="ERROR"), "of PFs that are not meant nothing is wrong"
    alone.cable.block_lacp()
    alone.wait_for_vfs("disable")


def test_auto_follows_pfs_that_come_and_go(lab: Lab) -> None:
    relay = lab.relay(config_text=AUTO)
    lab.wait_until(lambda: relay.events("interfaces to monitor"), within=2, what="the first selection")
    assert chosen(relay.events("interfaces to monitor")) == []

    pf = lab.pf_with_lacp("ens5f0", vfs=2, wait=False)
    relay.wait_for("interfaces to monitor", interfaces=["ens5f0"], within=2)
    pf.wait_for_lacp()
    pf.wait_for_vfs("auto", within=2)
    pf.cable.block_lacp()
    pf.wait_for_vfs("disable")

    pf.bond.remove(pf)
    dropped = relay.wait_for(
        "interface is no longer monitored, its VFs are left as they are", interface="ens5f0", within=2
    )
    lab.sleep(3)
    assert pf.in_state("disable"), "nothing is known of it any more"
    assert chosen(relay.events("interfaces to monitor")) == []
    assert dropped["disabled"] in (0, 2)


def test_auto_follows_a_pf_to_its_new_name(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=1)
    relay = lab.relay(config_text=AUTO)
    relay.wait_for("lacp is up", interface="ens5f0")
    pf.rename("ens9f0")
    relay.wait_for("lacp is up", interface="ens9f0", within=3)
    pf.cable.block_lacp()
    pf.wait_for_vfs("disable")


def test_a_pattern_means_pfs_alone_and_says_of_each_what_is_wrong(lab: Lab) -> None:
    lab.pf_with_lacp("ens5f0", vfs=1)
    lab.pf("ens5f1", vfs=1)
    lab.bond("ens5bond")
    relay = lab.relay(config_text='interfaces = ["ens5*"]\n')
    relay.wait_for("lacp is up", interface="ens5f0")
    assert chosen(relay.events("interfaces to monitor")) == ["ens5f0", "ens5f1"]
    relay.wait_for("pf is not ready", interface="ens5f1", error="link has no master interface")
    lab.pf("ens5f2", vfs=1)
    relay.wait_for("pf is not ready", interface="ens5f2", within=2)
