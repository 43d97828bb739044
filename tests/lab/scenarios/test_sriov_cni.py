"""sriov-cni beside the relay: pods come and go around outages and drains, some with a `link_state`.

What is replayed are the requests of sriov-cni to the kernel (../kit/sriov_cni.py); sriov-cni does not run.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Optional

import pytest

from pf_status_relay.core.events import (
    PfKeptOpen,
    RestoreDelayed,
    SettingVfFailed,
    VfLinkStateSet,
    VfsLeftDisabled,
    VfsSetBySomebodyElse,
)
from tests.lab.kit.lab import Lab
from tests.lab.kit.maintenance import two_pfs
from tests.lab.kit.personalities import SFC
from tests.lab.kit.program import Relay, toml
from tests.lab.kit.sriov_cni import Attachment
from tests.lab.kit.topology import Pf
from tests.lab.kit.waiting import ANNOUNCED_S, LOSS_S, RECOVERY_S

LinkState = Optional[str]

BEFORE_BEFORE, BEFORE_IN, BEFORE_AFTER, IN_IN, IN_AFTER, AFTER_AFTER, NO_POD = range(7)
"""The VF of each pod, named by when its ADD and its DEL come: before, in or after the outage or drain."""
VFS = 7

SET_RIGHT: dict[LinkState, int] = {
    None: 0,
    "auto": 2 + 1 + 1,  # two ADD and a DEL in the outage, a DEL after it
    "enable": 1 + 1 - 2 - 2,  # a DEL in the outage, one after it; two VFs less to disable, and two to restore
    "disable": 3 + 1 + 1 + 1,  # three ADD before the outage, a DEL in it, an ADD and a DEL after it
}
"""How many more VFs the relay sets than in an outage or drain without pods, by the network's `link_state`."""


class Pods:
    """The pods of one network, on the VFs of one PF. The relay sets those to `auto` or `disable`."""

    def __init__(self, pf: Pf, link_state: LinkState) -> None:
        self._pf = pf
        self._pods = [Attachment(pf, vf, link_state) for vf in range(VFS)]
        self._enabled: set[int] = set()
        self._enables = link_state == "enable"

    def add(self, *vfs: int) -> None:
        """Start the pods of these VFs."""
        for vf in vfs:
            self._pods[vf].add()
            self._enabled |= {vf} if self._enables else set()

    def delete(self, *vfs: int) -> None:
        """End the pods of these VFs."""
        for vf in vfs:
            self._pods[vf].delete()
            self._enabled -= {vf}

    def wait_for(self, state: str, *, within: float = ANNOUNCED_S) -> None:
        """Wait until all VFs are in a state, those in `enable` excepted, which are the network's affair."""
        states = ["enable" if vf in self._enabled else state for vf in range(VFS)]
        self._pf.wait_for_vfs(states, within=within)


def begin(pods: Pods) -> None:
    """Let the pods come and go that do so before the outage or drain."""
    pods.add(BEFORE_BEFORE, BEFORE_IN, BEFORE_AFTER)
    pods.wait_for("auto")
    pods.delete(BEFORE_BEFORE)
    pods.wait_for("auto")


def go_on(pods: Pods) -> None:
    """Let the pods come and go that do so in it."""
    pods.add(IN_IN, IN_AFTER)
    pods.wait_for("disable")
    pods.delete(BEFORE_IN, IN_IN)
    pods.wait_for("disable")


def end(pods: Pods) -> None:
    """Let the pods come and go that do so after it."""
    pods.add(AFTER_AFTER)
    pods.wait_for("auto")
    pods.delete(BEFORE_AFTER, IN_AFTER, AFTER_AFTER)
    pods.wait_for("auto")


@pytest.mark.parametrize(("link_state", "set_right"), SET_RIGHT.items())
def test_pods_come_and_go_around_an_outage(lab: Lab, link_state: LinkState, set_right: int) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=VFS)
    relay = lab.relay(["ens5f0"])
    relay.wait_for("lacp is up")
    pods = Pods(pf, link_state)
    begin(pods)
    pf.cable.block_lacp()
    pods.wait_for("disable", within=LOSS_S)
    go_on(pods)
    pf.cable.unblock_lacp()
    pods.wait_for("auto", within=RECOVERY_S)
    end(pods)
    lab.sleep(5)
    assert pf.in_state("auto")
    assert len(relay.events(VfLinkStateSet.msg)) == 2 * VFS + set_right
    assert not relay.events(SettingVfFailed.msg)


@pytest.mark.systemd
@pytest.mark.parametrize(("link_state", "set_right"), SET_RIGHT.items())
def test_pods_come_and_go_around_a_drain(lab: Lab, link_state: LinkState, set_right: int) -> None:
    first, second = two_pfs(lab, VFS)
    pods = Pods(first, link_state)
    begin(pods)
    drained = lab.call("drain", "ens5f0", "--reason", "switch A: firmware")
    assert drained.returncode == 0, drained.stderr
    assert ("2 VFs in enable not drained" in drained.stdout) == (link_state == "enable")
    go_on(pods)
    undrained = lab.call("undrain", "ens5f0")
    assert undrained.returncode == 0, undrained.stderr
    pods.wait_for("auto")
    end(pods)
    lab.sleep(1)
    assert len(lab.journal(event=VfLinkStateSet)) == 2 * VFS + set_right
    assert first.in_state("auto")
    assert second.in_state("auto")


@pytest.mark.parametrize("link_state", ["auto", "disable"])
def test_pods_that_come_and_go_do_not_close_the_pf_that_is_kept_open(lab: Lab, link_state: str) -> None:
    names = ("ens5f0", "ens5f1")
    closed, kept = (lab.pf_with_lacp(name, vfs=2, wait=False) for name in names)
    for pf in (closed, kept):
        pf.wait_for_lacp()
    relay = lab.relay(config_text=f"{toml(names, None)}redundancy_groups = [{json.dumps(names)}]\n")
    pods = [[Attachment(pf, vf, link_state) for vf in range(2)] for pf in (closed, kept)]
    black_out(relay, closed, kept)
    begun = lab.now
    for number in range(2):
        pods[0][number].add()
        pods[1][number].add()
        one_is_open(lab, closed, kept)
    for number in range(2):
        pods[1][number].delete()
        pods[0][number].delete()
        one_is_open(lab, closed, kept)
    assert len(relay.events(VfLinkStateSet.msg, since=begun)) == 2
    for pf in (closed, kept):
        pf.cable.unblock_lacp()
    for pf in (closed, kept):
        pf.wait_for_vfs("auto", within=RECOVERY_S)


@pytest.mark.parametrize("at_once", [False, True])
def test_states_of_an_outage_that_are_written_back_in_the_next_leave_a_pf_open(
    lab: Lab, at_once: bool
) -> None:
    names = ("ens5f0", "ens5f1")
    first, kept = (lab.pf_with_lacp(name, vfs=2, wait=False) for name in names)
    for pf in (first, kept):
        pf.wait_for_lacp()
    relay = lab.relay(config_text=f"{toml(names, None)}redundancy_groups = [{json.dumps(names)}]\n")
    # An outage of the PF that will be kept open in the next one: its pods start in disable.
    kept.cable.block_lacp()
    kept.wait_for_vfs("disable", within=LOSS_S)
    pods = [Attachment(kept, vf, "auto") for vf in range(2)]
    for pod in pods:
        pod.add()
    kept.wait_for_vfs("disable", within=ANNOUNCED_S)
    kept.cable.unblock_lacp()
    kept.wait_for_vfs("auto", within=RECOVERY_S)
    black_out(relay, first, kept)
    begun = lab.now
    for pod in pods:
        pod.delete()
        if not at_once:
            kept.wait_for_vfs("auto", within=ANNOUNCED_S)
    one_is_open(lab, first, kept)
    # With all VFs of the one in disable, the PFs are alike, and the first of the group is opened.
    assert (first if at_once else kept).in_state("auto")
    assert len(relay.events(VfLinkStateSet.msg, since=begun)) == 2


def black_out(relay: Relay, first: Pf, last: Pf) -> None:
    """Silence one switch after the other; the PF of the last is kept open."""
    first.cable.block_lacp()
    first.wait_for_vfs("disable", within=LOSS_S)
    last.cable.block_lacp()
    relay.wait_for(PfKeptOpen.msg, within=LOSS_S, interface=last.name)


def one_is_open(lab: Lab, *pfs: Pf) -> None:
    """Wait until the VFs of one PF are in auto and those of the others in disable, and see it stay so."""

    def states() -> Sequence[str]:
        return sorted(str(set(pf.vf_states())) for pf in pfs)

    wanted = ["{'auto'}", *["{'disable'}"] * (len(pfs) - 1)]
    lab.wait_until(lambda: states() == wanted, within=ANNOUNCED_S, what=lambda: f"one open: {states()}")
    lab.sleep(2)
    assert states() == wanted


def test_in_the_restore_delay_an_auto_stays_and_a_disable_waits_for_its_end(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=3)
    relay = lab.relay(config_text=f"{toml(['ens5f0'], None)}restore_delay_ms = 20000\n")
    relay.wait_for("lacp is up")
    pf.cable.block_lacp()
    pf.wait_for_vfs("disable", within=LOSS_S)
    pf.cable.unblock_lacp()
    relay.wait_for(RestoreDelayed.msg, within=RECOVERY_S)
    pods = [Attachment(pf, vf, "auto") for vf in range(2)]
    for pod in pods:
        pod.add()
    lab.sleep(2)
    pods[1].delete()
    lab.sleep(5)
    assert pf.vf_states() == ["auto", "disable", "disable"]
    pf.wait_for_vfs("auto", within=20)


def started_in_an_outage(lab: Lab) -> tuple[Pf, Relay, Attachment]:
    """Return a PF, its relay, and a pod on VF 1 that started in an outage, which is over."""
    pf = lab.pf_with_lacp("ens5f0", vfs=2)
    relay = lab.relay(["ens5f0"])
    relay.wait_for("lacp is up")
    pf.cable.block_lacp()
    pf.wait_for_vfs("disable", within=LOSS_S)
    pod = Attachment(pf, 1, "auto")
    pod.add()
    pf.wait_for_vfs("disable", within=ANNOUNCED_S)
    pf.cable.unblock_lacp()
    pf.wait_for_vfs("auto", within=RECOVERY_S)
    return pf, relay, pod


def test_a_state_that_is_written_back_while_no_relay_runs_is_set_right_at_the_next_start(lab: Lab) -> None:
    pf, relay, pod = started_in_an_outage(lab)
    relay.stop()
    pod.delete()
    lab.sleep(5)
    assert pf.vf_states() == ["auto", "disable"]
    assert "LACP is up and 1 of 2 VFs in disable" in lab.call("status", interfaces=["ens5f0"]).stdout
    lab.relay(["ens5f0"])
    pf.wait_for_vfs("auto", within=ANNOUNCED_S)


def test_a_state_that_is_written_back_after_the_bond_is_gone_is_told(lab: Lab) -> None:
    pf, relay, pod = started_in_an_outage(lab)
    pf.bond.delete()
    relay.wait_for("pf is not ready")
    pod.delete()
    relay.wait_for(VfsLeftDisabled.msg, interface="ens5f0", disabled=1)


def test_pods_that_start_again_and_again_in_an_outage_are_told_as_somebody_else(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=2)
    relay = lab.relay(["ens5f0"])
    relay.wait_for("lacp is up")
    pf.cable.block_lacp()
    pf.wait_for_vfs("disable", within=LOSS_S)
    for _ in range(4):
        pod = Attachment(pf, 1, "auto")
        pod.add()
        pf.wait_for_vfs("disable", within=ANNOUNCED_S)
        lab.sleep(5)
        pod.delete()
        pf.wait_for_vfs("disable", within=ANNOUNCED_S)
    (told,) = relay.events(VfsSetBySomebodyElse.msg)
    assert (told["interface"], told["id"]) == ("ens5f0", 1)


def test_an_enable_that_is_written_back_stays(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=2)
    pf.set_vf_state(1, "enable")  # as the pod before left it, whose node died without a DEL
    relay = lab.relay(["ens5f0"])
    relay.wait_for("lacp is up")
    pod = Attachment(pf, 1, "auto")
    pod.add()
    pf.cable.block_lacp()
    pf.wait_for_vfs("disable", within=LOSS_S)
    pod.delete()
    lab.sleep(2)
    assert pf.vf_states() == ["disable", "enable"]
    assert "1 of 2 VFs in link state enable and left alone" in lab.call("check", interfaces=["ens5f0"]).stdout


def test_where_listing_vfs_is_slow_a_state_that_is_written_back_is_found_with_the_next_list(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=VFS, driver=SFC)
    relay = lab.relay(["ens5f0"])
    relay.wait_for("lacp is up", within=10)
    pods = Pods(pf, "auto")
    pf.cable.block_lacp()
    pods.wait_for("disable", within=LOSS_S + 2)
    pods.add(IN_AFTER)
    pods.wait_for("disable", within=31)
    pf.cable.unblock_lacp()
    pods.wait_for("auto", within=RECOVERY_S + 2)
    pods.delete(IN_AFTER)
    pods.wait_for("auto", within=31)
