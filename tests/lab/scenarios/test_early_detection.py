"""Early detection: silence noticed before LACP's own three seconds are over."""

from __future__ import annotations

import pytest

from tests.lab.kit.lab import Lab
from tests.lab.kit.pod import Pod
from tests.lab.kit.program import Relay
from tests.lab.kit.topology import Pf

LATE_S = 0.25
"""How late VFs may be disabled: the relay looks ten times a second, and the recorder adds its interval."""


def relay(lab: Lab, milliseconds: int, *interfaces: str) -> Relay:
    """Start the relay with early detection."""
    names = ", ".join(f'"{name}"' for name in interfaces)
    return lab.relay(config_text=f"interfaces = [{names}]\nearly_detection_ms = {milliseconds}\n")


def lose_lacpdus(lab: Lab, pf: Pf, count: int) -> None:
    """Drop this many LACPDUs on their way to the host, and let the next one through."""
    dropped = pf.cable.dropped("to_host")
    pf.cable.block_lacp("to_host")
    lab.wait_until(
        lambda: pf.cable.dropped("to_host") >= dropped + count, within=10, what=f"{count} LACPDUs lost"
    )
    pf.cable.unblock_lacp("to_host")


@pytest.mark.parametrize("milliseconds", [1500, 2500])
def test_a_silent_switch_is_noticed_when_the_time_is_over_and_not_when_lacp_says_so(
    lab: Lab, milliseconds: int
) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=2)
    early = relay(lab, milliseconds, "ens5f0")
    early.wait_for("lacp is up")
    lab.sleep(5)
    timeline = lab.record(pf)
    pf.cable.block_lacp("to_host")
    late = early.wait_for("lacp is late", interface="ens5f0", level="WARN", within=5)
    assert milliseconds <= late["silent_ms"] <= milliseconds + 110
    assert pf.port_state() == (63, 63), "LACP itself is still waiting"
    pf.wait_for_vfs("disable", within=0.1)
    early.wait_for("lacp is down")

    lab.wait_until(lambda: pf.port_state() == (79, 0), within=10, what="the port defaulted")
    pf.cable.unblock_lacp("to_host")
    pf.wait_for_vfs("auto")
    assert pf.port_state() == (63, 63)
    assert len(early.events("lacp is down")) == 1, str(timeline)
    assert len(early.events("lacp is late")) == 1


def test_the_next_lacpdu_ends_it(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=1)
    early = relay(lab, 1500, "ens5f0")
    early.wait_for("lacp is up")
    lab.sleep(3)
    lose_lacpdus(lab, pf, 1)
    early.wait_for("lacp is late", within=3)
    lab.wait_until(lambda: len(early.events("lacp is up")) == 2, within=2, what="LACP up again")
    assert pf.port_state() == (63, 63)
    pf.wait_for_vfs("auto", within=0.1)


def test_one_lost_lacpdu_does_not_trip_a_setting_of_2500_ms(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=1)
    timeline = lab.record(pf)
    early = relay(lab, 2500, "ens5f0")
    early.wait_for("lacp is up")
    for _ in range(10):
        lab.sleep(3.3)
        lose_lacpdus(lab, pf, 1)
    lab.sleep(3)
    assert not early.events("lacp is late")
    assert not timeline.moments(pf, lambda sample: sample.vf_states != ("auto",))


def test_a_partner_whose_lacpdus_jitter_does_not_trip_it(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=1)
    early = relay(lab, 1500, "ens5f0")
    early.wait_for("lacp is up")
    pf.cable.jitter_lacp_to_host(0.6, 1.3)
    lab.sleep(120)
    assert not early.events("lacp is late")
    assert pf.port_state() == (63, 63)
    pf.cable.end_jitter()
    early.wait_for("lacp is late", within=3)


def test_a_partner_on_the_slow_rate_is_not_judged_early(lab: Lab) -> None:
    slow = lab.pf_with_lacp("ens5f0", vfs=1, switch_rate="slow")
    fast = lab.pf_with_lacp("ens5f1", vfs=1)
    early = relay(lab, 1500, "ens5f0", "ens5f1")
    early.wait_for(
        "early detection is not possible", interface="ens5f0", level="WARN", error="the LACP rate is slow"
    )
    lab.sleep(100)
    assert len(early.events("early detection is not possible")) == 1
    assert not early.events("lacp is late")
    fast.cable.block_lacp("to_host")
    slow.cable.block_lacp("to_host")
    early.wait_for("lacp is late", interface="ens5f1", within=3)
    early.wait_for("lacp is down", interface="ens5f0", within=5)
    assert not early.events("lacp is late", interface="ens5f0")


@pytest.mark.parametrize(("milliseconds", "at_most_s"), [(None, 3.8), (2500, 3.2), (1500, 2.2)])
def test_the_pods_outage_shrinks_with_the_setting(
    lab: Lab, milliseconds: int | None, at_most_s: float
) -> None:
    first, second = lab.pf_with_lacp("ens5f0", wait=False), lab.pf_with_lacp("ens5f1", wait=False)
    for pf in (first, second):
        pf.wait_for_lacp()
    running = (
        lab.relay(["ens5f0", "ens5f1"])
        if milliseconds is None
        else relay(lab, milliseconds, "ens5f0", "ens5f1")
    )
    running.wait_for("lacp is up", interface="ens5f1")
    pod = Pod(first, second)
    lab.wait_until(lambda: pod.active_port() == "net1", within=5, what="the pod on net1")
    lab.sleep(2)
    silenced = lab.now
    pod.silence(first)
    lab.wait_until(lambda: pod.active_port() == "net2", within=10, what="the pod on net2")
    assert lab.now - silenced <= at_most_s
