"""LACP goes and comes, and the VFs follow."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.lab.kit.lab import Lab
from tests.lab.kit.recorder import Sample
from tests.lab.kit.waiting import ANNOUNCED_S, POLL_S


def all_in(state: str) -> Callable[[Sample], bool]:
    """Return the condition that a PF has VFs and all of them are in one link state."""
    return lambda sample: bool(sample.vf_states) and set(sample.vf_states) == {state}


def lacp_down(sample: Sample) -> bool:
    return not sample.lacp_up()


def test_lacp_lost_with_the_carrier_kept_disables_the_vfs_until_lacp_returns(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=4)
    timeline = lab.record(pf)
    relay = lab.relay(["ens5f0"])
    relay.wait_for("lacp is up", interface="ens5f0")

    pf.cable.block_lacp("to_host")
    relay.wait_for("lacp is down", interface="ens5f0", within=6)
    pf.wait_for_vfs(["disable"] * 4, within=ANNOUNCED_S)
    assert pf.carrier()
    lost = timeline.first(pf, lacp_down)
    assert timeline.first(pf, all_in("disable")) - lost <= ANNOUNCED_S

    restored_at = lab.now
    pf.cable.unblock_lacp("to_host")
    pf.wait_for_lacp()
    relay.wait_for("lacp is up", interface="ens5f0", since=restored_at, within=POLL_S)
    pf.wait_for_vfs(["auto"] * 4, within=ANNOUNCED_S)

    assert [(event["id"], event["state"]) for event in relay.events("vf link state was set")] == [
        *((vf, "disable") for vf in range(4)),
        *((vf, "auto") for vf in range(4)),
    ]
    assert len(relay.events("lacp is down")) == 1
    assert len(relay.events("lacp is up")) == 2
    assert not relay.events(level="ERROR")


def test_recovery_from_defaulted_is_noticed_though_the_kernel_does_not_announce_it(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=2)
    timeline = lab.record(pf)
    relay = lab.relay(["ens5f0"], polling_interval_ms=60_000)
    relay.wait_for("lacp is up")

    pf.cable.block_lacp("to_host")
    lab.wait_until(lambda: pf.port_state() == (79, 0), within=10, what="the port defaulted")
    assert pf.vf_states() == ["disable"] * 2

    pf.cable.unblock_lacp("to_host")
    pf.wait_for_lacp()
    relay.wait_for("lacp is up", since=lab.now - 0.05, within=0.2)
    pf.wait_for_vfs(["auto"] * 2, within=0.2)

    up_again = timeline.first(pf, Sample.lacp_up, since=timeline.first(pf, lacp_down))
    assert timeline.first(pf, all_in("auto"), since=up_again) - up_again <= 0.15


def test_a_switch_that_stops_carrying_while_its_lacpdus_go_on_is_down(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=2)
    timeline = lab.record(pf)
    relay = lab.relay(["ens5f0"])
    relay.wait_for("lacp is up")

    pf.switch.stop_aggregating()
    pf.wait_for_vfs(["disable"] * 2, within=3)
    relay.wait_for("lacp is down", within=0.1)
    lost = timeline.first(pf, lacp_down)
    lost_state = timeline.moments(pf, lacp_down)[0].port_state
    assert lost_state is not None
    assert lost_state[0] & 0xC0 == 0, "the partner is alive: neither defaulted nor expired"
    assert timeline.first(pf, all_in("disable"), since=lost) - lost <= POLL_S

    pf.switch.resume_aggregating()
    pf.wait_for_vfs(["auto"] * 2, within=10)
    assert pf.port_state() == (63, 63)


def test_a_vf_in_enable_is_untouched_throughout(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=3)
    pf.set_vf_state(1, "enable")
    timeline = lab.record(pf)
    relay = lab.relay(["ens5f0"])
    relay.wait_for("lacp is up")

    pf.cable.block_lacp()
    pf.wait_for_vfs(["disable", "enable", "disable"])
    pf.cable.pull()
    lab.sleep(2)
    pf.cable.plug()
    pf.cable.unblock_lacp()
    pf.wait_for_vfs(["auto", "enable", "auto"])

    assert not timeline.moments(pf, lambda sample: sample.vf_states[1] != "enable")
    assert not relay.events("vf link state was set", id=1)


def test_a_vf_that_somebody_sets_back_to_auto_during_the_outage_is_disabled_again(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=2)
    relay = lab.relay(["ens5f0"])
    relay.wait_for("lacp is up")
    pf.cable.block_lacp()
    pf.wait_for_vfs(["disable"] * 2)
    lab.sleep(3)

    for _ in range(3):
        set_back_at = lab.now
        pf.set_vf_state(0, "auto")
        relay.wait_for("vf link state was set", id=0, state="disable", since=set_back_at, within=0.2)
        assert pf.vf_states() == ["disable"] * 2
    assert len(relay.events("vf link state was set", id=1)) == 1
    assert not relay.events(level="ERROR")


def test_after_a_pulled_cable_no_vf_is_in_auto_before_lacp_is_up(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=4)
    timeline = lab.record(pf)
    relay = lab.relay(["ens5f0"])
    relay.wait_for("lacp is up")

    pf.cable.pull()
    pulled_at = lab.now
    pf.wait_for_vfs(["disable"] * 4, within=ANNOUNCED_S)
    assert pf.port_state() == (63, 63), "the kernel keeps the port state: only the carrier tells"
    lab.sleep(5)
    pf.cable.plug()
    pf.wait_for_lacp()
    pf.wait_for_vfs(["auto"] * 4, within=POLL_S)

    first_disabled = timeline.first(pf, all_in("disable"), since=pulled_at)
    too_early = timeline.moments(
        pf,
        lambda sample: sample.time > first_disabled and not sample.lacp_up() and "auto" in sample.vf_states,
    )
    assert not too_early, str(timeline)
    assert len(relay.events("lacp is down")) == 1
    assert len(relay.events("lacp is up")) == 2


def test_a_bond_that_is_set_down_runs_no_lacp_though_its_port_reads_as_up(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=2)
    relay = lab.relay(["ens5f0"])
    relay.wait_for("lacp is up")

    pf.bond.down()
    relay.wait_for("lacp is down", within=0.2)
    pf.wait_for_vfs("disable", within=0.2)
    lab.sleep(60)
    assert (pf.port_state(), pf.carrier()) == ((63, 63), True), "a state of the past, for good"
    assert pf.in_state("disable")

    pf.bond.up()
    pf.wait_for_vfs("auto", within=40)


def test_a_slow_lacp_rate_is_warned_of_once_per_up_transition(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=1, lacp_rate="slow")
    relay = lab.relay(["ens5f0"])
    relay.wait_for("pf is using slow lacp rate", interface="ens5f0")
    lab.sleep(10)
    assert [event["level"] for event in relay.events("pf is using slow lacp rate")] == ["WARN"]

    pf.cable.pull()
    relay.wait_for("lacp is down")
    lab.sleep(2)
    pf.cable.plug()
    lab.wait_until(lambda: len(relay.events("lacp is up")) == 2, within=100, what="LACP up again")
    lab.sleep(5)
    assert len(relay.events("pf is using slow lacp rate")) == 2
    assert pf.vf_states() == ["auto"]


@pytest.mark.parametrize("direction", ["to_host", "to_switch", "both"])
def test_whichever_way_lacpdus_are_lost_the_vfs_are_disabled_and_restored(lab: Lab, direction: str) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=2)
    relay = lab.relay(["ens5f0"])
    relay.wait_for("lacp is up")
    pf.cable.block_lacp(direction)
    pf.wait_for_vfs(["disable"] * 2, within=10)
    lab.sleep(10)
    pf.cable.unblock_lacp(direction)
    pf.wait_for_vfs(["auto"] * 2)
    assert relay.running()
