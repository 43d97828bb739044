"""The simulated part: a pod's bond follows VF link states, and its traffic dies with the switch."""

from __future__ import annotations

import os

from tests.lab.kit.lab import RESULTS, Lab
from tests.lab.kit.pod import Pod, PodRecorder
from tests.lab.kit.storm import LinkStorm
from tests.support import rtnetlink as netlink


def test_pod_fails_over_when_its_vf_is_disabled(lab: Lab) -> None:
    first, second = lab.pf_with_lacp("ens5f0", wait=False), lab.pf_with_lacp("ens5f1", wait=False)
    for pf in (first, second):
        pf.wait_for_lacp()
    pod = Pod(first, second)
    lab.wait_until(lambda: pod.active_port() == "net1", within=5, what="net1 active")
    ping = pod.ping(RESULTS / "ping")
    recorder = PodRecorder(ping, interval=0.005)
    lab.sleep(1)
    silenced = lab.now
    pod.silence(first)
    lab.sleep(1)
    assert first.carrier()
    assert pod.active_port() == "net1", "a bond sees carrier only"
    first.set_vf_state(0, "disable")
    lab.wait_until(lambda: pod.active_port() == "net2", within=2, what="net2 active")
    failed_over = lab.now
    lab.sleep(1)
    first.set_vf_state(0, "auto")
    second.cable.pull()
    pod.revive(first)
    lab.wait_until(
        lambda: pod.active_port() == "net1", within=2, what="net1 active: net2's PF has no carrier"
    )
    lab.sleep(1)
    recorder.stop()
    sent, lost = ping.stop()
    assert sent >= 30
    assert 8 <= lost <= 20, f"{lost} of {sent} lost: about those of one second, when the switch was dead"

    assert [port for _, port in recorder.ports] == ["net1", "net2", "net1"]
    assert 0 <= failed_over - recorder.failed_over("net2", since=silenced) < 0.02
    pings = recorder.pings()
    assert len(pings) in (sent, sent - 1), "ping may send one after the last look"
    gaps = [later.time - earlier.time for earlier, later in zip(pings, pings[1:])]
    assert 0.095 < sum(gaps) / len(gaps) < 0.120, "0.1 s, and what the guest's clock ticks add"
    assert all(0 < gap < 0.2 for gap in gaps), "none is missed, none counted twice"
    assert sum(not ping.answered for ping in pings) == lost
    while_dead = [ping for ping in pings if silenced + 0.01 < ping.time < failed_over - 0.02]
    assert len(while_dead) > 5
    assert not any(ping.answered for ping in while_dead)
    before = [ping for ping in pings if ping.time < silenced]
    assert len(before) > 5
    assert all(ping.answered for ping in before)


def link_events_lost() -> int:
    """Return how many link events those who listen in this network namespace had no room for."""
    return sum(int(each[8]) for each in netlink.sockets() if int(each[3], 16) == netlink.RTMGRP_LINK)


def test_the_nic_goes_on_when_it_has_lost_link_events(lab: Lab) -> None:
    first, second = lab.pf_with_lacp("ens5f0", wait=False), lab.pf_with_lacp("ens5f1", wait=False)
    for pf in (first, second):
        pf.wait_for_lacp()
    pod = Pod(first, second)
    lab.wait_until(lambda: pod.active_port() == "net1", within=5, what="net1 active")
    # Before everything else in the guest, so that the NIC comes to read nothing meanwhile.
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    LinkStorm(per_second=200_000, seconds=0.01).wait()
    assert link_events_lost() > 0
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    first.set_vf_state(0, "disable")
    lab.wait_until(lambda: pod.active_port() == "net2", within=2, what="net2 active")
