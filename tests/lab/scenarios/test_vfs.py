"""VFs come and go, are many, and some are refused."""

from __future__ import annotations

import errno

import pytest

from tests.lab.kit.lab import Lab
from tests.lab.kit.waiting import NOTICED_S


def test_vfs_created_during_the_outage_are_disabled_and_removed_ones_forgotten(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=2)
    relay = lab.relay(["ens5f0"])
    relay.wait_for("VFs detected on interface", interface="ens5f0", count=2)
    pf.cable.block_lacp()
    pf.wait_for_vfs(["disable"] * 2)

    pf.set_vfs(5)
    pf.wait_for_vfs(["disable"] * 5, within=NOTICED_S)
    relay.wait_for("VFs detected on interface", count=5)

    pf.set_vfs(1)
    relay.wait_for("VFs detected on interface", count=1, within=NOTICED_S)
    pf.wait_for_vfs(["disable"], within=NOTICED_S)
    pf.cable.unblock_lacp()
    pf.wait_for_vfs(["auto"])
    assert not relay.events(level="ERROR")


def test_a_pf_without_vfs_is_monitored_and_gets_them_later(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=0)
    relay = lab.relay(["ens5f0"])
    relay.wait_for("pf has no VFs", level="INFO", interface="ens5f0")
    lab.sleep(5)
    assert len(relay.events("pf has no VFs")) == 1

    pf.set_vfs(3)
    relay.wait_for("VFs detected on interface", count=3, within=NOTICED_S)
    pf.cable.block_lacp()
    pf.wait_for_vfs(["disable"] * 3)
    pf.set_vfs(0)
    lab.wait_until(lambda: len(relay.events("pf has no VFs")) == 2, within=NOTICED_S, what="VFs gone")


@pytest.mark.parametrize("count", [256, 334])
def test_hundreds_of_vfs_are_disabled_and_restored(lab: Lab, count: int) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=count)
    relay = lab.relay(["ens5f0"])
    relay.wait_for("VFs detected on interface", count=count)
    pf.cable.block_lacp()
    pf.wait_for_vfs(["disable"] * count)
    pf.cable.unblock_lacp()
    pf.wait_for_vfs(["auto"] * count)
    relay.wait_for("vf link state was set", id=count - 1, state="auto")
    assert len(relay.events("vf link state was set")) == 2 * count
    assert not relay.events(level="ERROR")


def test_335_vfs_are_more_than_netlink_can_list_and_this_is_reported(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=335)
    relay = lab.relay(["ens5f0"])
    relay.wait_for("VFs detected on interface", count=335)
    reported = relay.wait_for("VF list is incomplete", level="ERROR", interface="ens5f0", count=335)
    assert reported["listed"] < 335
    assert reported["served"] == 335, "the entries are in the message, whatever the list's length says"
    pf.cable.block_lacp()
    pf.wait_for_vfs(["disable"] * 335)
    lab.sleep(5)
    assert len(relay.events("VF list is incomplete")) == 1


def test_a_vf_that_the_driver_refuses_is_reported_once_and_the_others_are_set(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=5)
    pf.refuse_vf(2)
    relay = lab.relay(["ens5f0"])
    relay.wait_for("lacp is up")
    pf.cable.block_lacp()
    refused = relay.wait_for("failed to set vf link state", level="ERROR", within=6)
    assert (refused["id"], refused["interface"]) == (2, "ens5f0")
    assert refused["error"] == "Operation not supported"
    lab.sleep(10)
    assert pf.vf_states() == ["disable", "disable", "auto", "disable", "disable"]
    assert len(relay.events("failed to set vf link state")) == 1
    assert sorted(event["id"] for event in relay.events("vf link state was set")) == [0, 1, 3, 4]

    pf.accept_vfs()
    relay.wait_for("vf link state was set", id=2, within=6)  # tried 1, 3, 7 and 15 s after the first time
    assert pf.vf_states() == ["disable"] * 5


def test_a_driver_without_vf_link_states_is_reported_once_for_all_vfs(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=3)
    pf.refuse_vf(error=errno.EOPNOTSUPP)
    relay = lab.relay(["ens5f0"])
    relay.wait_for("lacp is up")
    pf.cable.block_lacp()
    relay.wait_for("failed to set vf link state", within=6)
    lab.sleep(10)
    (failed,) = relay.events("failed to set vf link state")
    assert (failed["id"], failed["error"]) == (0, "Operation not supported; so for 2 more VFs")
    assert not relay.events("vf link state was set")
