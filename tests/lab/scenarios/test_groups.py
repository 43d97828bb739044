"""Redundancy groups: LACP is down on all PFs of a pod, and the pod keeps one of them."""

from __future__ import annotations

import json

import pytest

from pf_status_relay.core.events import LacpDown, PfKeptOpen, PfNoLongerKeptOpen
from tests.lab.kit.lab import Lab
from tests.lab.kit.personalities import I40E
from tests.lab.kit.program import Relay, toml
from tests.lab.kit.topology import Pf
from tests.lab.kit.waiting import LOSS_S, RECOVERY_S

NAMES = ("ens5f0", "ens5f1")
GROUP = f"{toml(NAMES, None)}redundancy_groups = [{json.dumps(NAMES)}]\n"


@pytest.fixture
def pfs(lab: Lab) -> tuple[Pf, Pf]:
    """Return two PFs at two switches, with LACP up."""
    first, second = (lab.pf_with_lacp(name, vfs=4, wait=False) for name in NAMES)
    first.wait_for_lacp()
    second.wait_for_lacp()
    return first, second


def states(*pfs: Pf) -> list[set[str]]:
    """Return the link states of each PF's VFs."""
    return [set(pf.vf_states()) for pf in pfs]


def kept(relay: Relay) -> list[tuple[str, str]]:
    """Return what was said of PFs that are kept open, and of which, in order."""
    said = [event for event in relay.events() if event["msg"] in (PfKeptOpen.msg, PfNoLongerKeptOpen.msg)]
    return [(event["msg"], event["interface"]) for event in said]


def test_the_fabric_dies_and_one_pf_stays_open_until_the_other_is_back(lab: Lab, pfs: tuple[Pf, Pf]) -> None:
    first, second = pfs
    relay = lab.relay(config_text=GROUP)
    recorder = lab.record(first, second)
    first.cable.block_lacp()
    first.wait_for_vfs("disable", within=LOSS_S)
    second.cable.block_lacp()
    relay.wait_for(PfKeptOpen.msg, within=LOSS_S, interface="ens5f1")
    lab.sleep(10)
    assert states(first, second) == [{"disable"}, {"auto"}]
    first.cable.unblock_lacp()
    second.wait_for_vfs("disable", within=RECOVERY_S + 10)
    assert states(first, second) == [{"auto"}, {"disable"}]
    second.cable.unblock_lacp()
    second.wait_for_vfs("auto", within=RECOVERY_S)
    recorder.stop()
    assert kept(relay) == [(PfKeptOpen.msg, "ens5f1"), (PfNoLongerKeptOpen.msg, "ens5f1")]


def test_both_switches_at_once_leave_one_pf_open(lab: Lab, pfs: tuple[Pf, Pf]) -> None:
    relay = lab.relay(config_text=GROUP)
    for pf in pfs:
        pf.cable.block_lacp()
    for pf in pfs:
        relay.wait_for(LacpDown.msg, within=LOSS_S, interface=pf.name)
    lab.sleep(8)
    assert sorted(states(*pfs), key=str) == [{"auto"}, {"disable"}]
    assert len(kept(relay)) == 1


def test_a_restart_in_the_outage_changes_nothing(lab: Lab, pfs: tuple[Pf, Pf]) -> None:
    first, second = pfs
    relay = lab.relay(config_text=GROUP)
    first.cable.block_lacp()
    first.wait_for_vfs("disable", within=LOSS_S)
    second.cable.block_lacp()
    relay.wait_for(PfKeptOpen.msg, within=LOSS_S)
    relay.stop()
    writes = [pf.driver.writes for pf in pfs]
    again = lab.relay(config_text=GROUP)
    again.wait_for(PfKeptOpen.msg, interface="ens5f1")
    lab.sleep(5)
    assert [pf.driver.writes for pf in pfs] == writes


def test_without_a_group_both_are_disabled(lab: Lab, pfs: tuple[Pf, Pf]) -> None:
    lab.relay(config_text=toml(NAMES, None))
    for pf in pfs:
        pf.cable.block_lacp()
    for pf in pfs:
        pf.wait_for_vfs("disable", within=LOSS_S)


def test_a_slow_driver_restores_all_before_the_other_pf_is_disabled(lab: Lab) -> None:
    first = lab.pf_with_lacp("ens5f0", vfs=8, driver=I40E)
    second = lab.pf_with_lacp("ens5f1", vfs=8)
    relay = lab.relay(config_text=GROUP)
    first.cable.block_lacp()
    first.wait_for_vfs("disable", within=LOSS_S)
    second.cable.block_lacp()
    relay.wait_for(PfKeptOpen.msg, within=LOSS_S)
    first.cable.unblock_lacp()
    lab.wait_until(lambda: second.driver.writes > 0, within=RECOVERY_S + 10, what="ens5f1 is disabled")
    second.wait_for_vfs("disable", within=1)
    assert first.in_state("auto")
    assert first.driver.same_writes == 0
    assert second.driver.written_at > first.driver.written_at


@pytest.mark.systemd
def test_a_pf_is_drained_and_then_the_other_switch_dies(lab: Lab, pfs: tuple[Pf, Pf]) -> None:
    first, second = pfs
    lab.write_config(GROUP)
    lab.systemctl("start", "pf-status-relay")
    assert lab.call("drain", "ens5f0", "--reason", "switch A").stdout == "ens5f0: drained, 4 VFs disabled\n"
    refused = lab.call("drain", "ens5f1", "--reason", "switch B")
    assert refused.returncode == 3
    assert "no other PF of the redundancy group has LACP up and is not drained" in refused.stderr
    second.cable.block_lacp()
    second.wait_for_vfs("disable", within=LOSS_S + 1)
    assert states(first, second) == [{"auto"}, {"disable"}]
    shown = lab.call("status").stdout
    assert "up, drained, kept open" in shown
    assert "ens5f0: is kept open, its drain is suspended" in shown
    assert lab.show("StatusText") == (
        "2 PFs: 1 up, 1 down (ens5f1), 1 drained (ens5f0), 1 kept open (ens5f0), 4 VFs disabled"
    )
    settled = lab.call("wait", "ens5f0", "--timeout", "1")
    assert (settled.returncode, "ens5f0: is kept open" in settled.stdout) == (0, True)
    second.cable.unblock_lacp()
    first.wait_for_vfs("disable", within=RECOVERY_S + 1)
    assert states(first, second) == [{"disable"}, {"auto"}]
    forced = lab.call("drain", "ens5f1", "--reason", "switch B", "--force")
    assert (forced.returncode, forced.stdout) == (
        1,
        "ens5f1: the drain is written and suspended: no other PF of its redundancy group is open\n",
    )
    history = json.loads(lab.call("history", "--json").stdout)
    kept_open = [each["interface"] for each in history["kept_open"]]
    assert kept_open == ["ens5f1", "ens5f0", "ens5f1"], "the first time until the VFs of ens5f0 were back"
    assert lab.call("check").stdout.count("redundancy group ens5f0, ens5f1 means ens5f0, ens5f1") == 1
