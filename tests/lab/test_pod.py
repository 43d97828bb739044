"""The simulated part: a pod's bond follows VF link states, and its traffic dies with the switch."""

from __future__ import annotations

from tests.lab.lab import RESULTS, Lab
from tests.lab.pod import Pod


def test_pod_fails_over_when_its_vf_is_disabled(lab: Lab) -> None:
    first, second = lab.pf_with_lacp("ens5f0", wait=False), lab.pf_with_lacp("ens5f1", wait=False)
    for pf in (first, second):
        pf.wait_for_lacp()
    pod = Pod(first, second)
    lab.wait_until(lambda: pod.active_port() == "net1", within=5, what="net1 active")
    ping = pod.ping(RESULTS / "ping")
    lab.sleep(1)
    pod.silence(first)
    lab.sleep(1)
    assert first.carrier()
    assert pod.active_port() == "net1", "a bond sees carrier only"
    first.set_vf_state(0, "disable")
    lab.wait_until(lambda: pod.active_port() == "net2", within=2, what="net2 active")
    lab.sleep(1)
    first.set_vf_state(0, "auto")
    second.cable.pull()
    pod.revive(first)
    lab.wait_until(
        lambda: pod.active_port() == "net1", within=2, what="net1 active: net2's PF has no carrier"
    )
    lab.sleep(1)
    sent, lost = ping.stop()
    assert sent >= 30
    assert 8 <= lost <= 20, f"{lost} of {sent} lost: about those of one second, when the switch was dead"
