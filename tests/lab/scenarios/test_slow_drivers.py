"""Drivers that take long with the kernel's RTNL lock held: what that costs, and whom.

The driver's own counters tell when it was asked: a reader of links would wait for the same lock.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pf_status_relay.core.events import DriverSlow
from tests.lab.kit.lab import Lab
from tests.lab.kit.topology import Pf
from tests.lab.kit.waiting import RECOVERY_S

PHASES = 12
VFS_RESTORED = 60
VFS_LOST = 8
LATER_S = 0.3
"""Seconds that a loss on one PF may be served later, beside one VF's write, while another PF is restored."""


def lacp_is_lost(pf: Pf) -> bool:
    """Return whether the bond has given its switch up. Nobody takes the RTNL lock to read this file."""
    assert pf.master is not None
    bond = Path("/proc/net/bonding", pf.master.name).read_text()
    return re.findall("port state: ([0-9]+)", bond)[:1] != ["63"]


def served_after_silence(lab: Lab, pf: Pf, phase: float) -> float:
    """Silence the switch for a while; return how many seconds after LACP was lost all VFs were off."""
    lab.sleep(30 - (lab.now - phase) % 1)
    writes = pf.driver.writes
    pf.cable.block_lacp()
    lab.wait_until(lambda: lacp_is_lost(pf), within=4, what="LACP lost")
    lost_at = lab.now
    lab.wait_until(lambda: pf.driver.writes - writes >= VFS_LOST, within=5, what="the last VF disabled")
    served_s = pf.driver.written_at - lost_at
    pf.cable.unblock_lacp()
    pf.wait_for_vfs("auto", within=RECOVERY_S)
    return served_s


def served(lab: Lab, restored: Pf, lost: Pf, phase: float, busy: bool) -> float:
    """Silence the switch of `lost`; return how long after LACP was lost its last VF was disabled, in seconds.

    The silence begins at a phase of the polling interval. If `busy`, the VFs of `restored` are found
    disabled a while before LACP is lost, and restored.
    """
    lab.sleep(1 - (lab.now - phase) % 1)
    writes = lost.driver.writes
    lost.cable.block_lacp()
    lab.sleep(1.5)
    if busy:
        restored.driver.put_vfs("disable")
    lab.wait_until(lambda: lacp_is_lost(lost), within=3, what="LACP lost")
    lost_at = lab.now
    lab.wait_until(lambda: lost.driver.writes - writes >= VFS_LOST, within=15, what="the last VF disabled")
    served_s = lost.driver.written_at - lost_at
    restored.wait_for_vfs("auto", within=30)
    lost.cable.unblock_lacp()
    lost.wait_for_vfs("auto", within=RECOVERY_S + 10)
    return served_s


@pytest.mark.parametrize("ms", [0, 20, 60, 150])
def test_a_loss_is_served_while_another_pf_is_restored_by_a_slow_driver(lab: Lab, ms: int) -> None:
    restored = lab.pf_with_lacp("ens5f0", vfs=VFS_RESTORED)
    lost = lab.pf_with_lacp("ens5f1", vfs=VFS_LOST)
    relay = lab.relay(["ens5f0", "ens5f1"])
    relay.wait_for("lacp is up", interface="ens5f1")
    restored.driver.takes(auto=ms)
    for index in range(PHASES):
        phase = index / PHASES
        idle_s = served(lab, restored, lost, phase, busy=False)
        busy_s = served(lab, restored, lost, phase, busy=True)
        print(f"{ms} ms a VF, phase {phase:.2f}: {idle_s:.3f} s, while restoring {busy_s:.3f} s")
        assert busy_s <= idle_s + LATER_S + ms / 1000
    slow = relay.events(DriverSlow.msg)
    assert [event["milliseconds"] >= ms for event in slow] == ([True] if ms >= 20 else [])
    assert restored.driver.same_writes == 0


def test_where_listing_vfs_is_slow_a_loss_is_served_without_the_list(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=VFS_LOST)
    pf.driver.set(vf_get_ms=100)
    relay = lab.relay(["ens5f0"])
    slow = relay.wait_for(DriverSlow.msg, within=10)
    assert (slow["operation"], slow["milliseconds"] >= 800) == ("listing the VFs", True)
    served_s = [served_after_silence(lab, pf, phase) for phase in (0.0, 0.25, 0.5, 0.75)]
    assert sorted(served_s)[2] <= 0.2, "one may have met a list that had begun"
    assert max(served_s) <= 0.2 + slow["milliseconds"] / 1000
    assert pf.driver.same_writes == 0


@pytest.mark.systemd
def test_a_call_that_blocks_for_a_minute_is_no_hang(lab: Lab) -> None:
    pfs = [lab.pf_with_lacp(f"ens5f{port}", vfs=1) for port in range(3)]
    pid = lab.start_service(*(pf.name for pf in pfs))
    for pf in pfs:
        pf.driver.takes(disable=60_000)
        pf.cable.block_lacp()
    lab.wait_until(lambda: sum(pf.driver.writes for pf in pfs) == 3, within=200, what="three slow writes")
    lab.sleep(65)
    assert int(lab.show("MainPID")) == pid
    assert lab.show("NRestarts") == "0"
