"""Drivers that take long with the kernel's RTNL lock held: what that costs the other PFs.

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
    """Whether the bond has given its switch up. This file is read without the RTNL lock, as no link is."""
    assert pf.master is not None
    bond = Path("/proc/net/bonding", pf.master.name).read_text()
    return re.findall("port state: ([0-9]+)", bond)[:1] != ["63"]


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
