"""The program starts, is killed, works beside others' trouble, and stops."""

from __future__ import annotations

import errno

import pytest

from tests.lab.kit.lab import Lab


def test_started_while_lacp_is_already_down_it_disables_the_vfs(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=2)
    pf.cable.block_lacp()
    lab.wait_until(lambda: pf.port_state() == (79, 0), within=10, what="the port defaulted")
    relay = lab.relay(["ens5f0"])
    relay.wait_for("lacp is down", interface="ens5f0", within=0.5)
    pf.wait_for_vfs(["disable"] * 2, within=0.2)


def test_started_with_vfs_left_disabled_and_lacp_up_it_restores_them(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=2)
    pf.set_vf_state(0, "disable")
    pf.set_vf_state(1, "disable")
    relay = lab.relay(["ens5f0"])
    relay.wait_for("lacp is up", interface="ens5f0", within=0.5)
    pf.wait_for_vfs(["auto"] * 2, within=0.2)


@pytest.mark.parametrize("lacp_returns_meanwhile", [False, True])
def test_killed_in_the_outage_and_restarted_it_goes_on(lab: Lab, lacp_returns_meanwhile: bool) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=2)
    first = lab.relay(["ens5f0"])
    first.wait_for("lacp is up")
    pf.cable.block_lacp("to_host")
    pf.wait_for_vfs(["disable"] * 2)
    first.kill()
    if lacp_returns_meanwhile:
        pf.cable.unblock_lacp("to_host")
        pf.wait_for_lacp()
    assert pf.vf_states() == ["disable"] * 2, "nothing but the relay sets them"

    second = lab.relay(["ens5f0"])
    second.wait_for("lacp is up" if lacp_returns_meanwhile else "lacp is down")
    if not lacp_returns_meanwhile:
        lab.sleep(5)
        assert not second.events("vf link state was set"), "there was nothing to set"
        pf.cable.unblock_lacp("to_host")
    pf.wait_for_vfs(["auto"] * 2)


def test_sigterm_ends_it_at_once_and_leaves_the_vfs_as_they_are(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=2)
    relay = lab.relay(["ens5f0"], polling_interval_ms=60_000)
    relay.wait_for("lacp is up")
    pf.cable.block_lacp()
    pf.wait_for_vfs(["disable"] * 2)
    asked_at = lab.now
    assert relay.stop() == 0
    assert lab.now - asked_at < 1.0
    assert relay.events()[-1]["msg"] == "Stopping application"
    lab.sleep(3)
    assert pf.vf_states() == ["disable"] * 2


def test_three_pfs_fail_together_and_the_trouble_of_one_does_not_keep_the_others_waiting(lab: Lab) -> None:
    names = ["ens5f0", "ens5f1", "ens5f2"]
    switch = lab.switch("sw0")
    first, second, third = (lab.pf_with_lacp(name, vfs=2, switch=switch, wait=False) for name in names)
    for pf in (first, second, third):
        pf.wait_for_lacp()
    second.refuse_vf(error=errno.EIO)
    relay = lab.relay(names)
    for name in names:
        relay.wait_for("lacp is up", interface=name)

    for pf in (first, second, third):
        pf.cable.block_lacp()
    for name in names:
        relay.wait_for("lacp is down", interface=name, within=6)
    for pf in (first, third):
        pf.wait_for_vfs("disable", within=0.2)
    failures = relay.events("failed to set vf link state")
    assert {(event["interface"], event["error"]) for event in failures} == {("ens5f1", "Input/output error")}
    lab.sleep(5)
    assert len(relay.events("failed to set vf link state")) == 2, "one per VF, not one per try"

    second.accept_vfs()
    second.wait_for_vfs(["disable"] * 2, within=2)


def test_a_thousand_unrelated_link_events_a_second_hide_nothing(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=4)
    timeline = lab.record(pf)
    relay = lab.relay(["ens5f0"])
    relay.wait_for("lacp is up")
    storm = lab.link_storm(per_second=1000, seconds=10)
    lab.sleep(1)
    pf.cable.block_lacp("to_host")
    pf.wait_for_vfs(["disable"] * 4)
    pf.cable.unblock_lacp("to_host")
    pf.wait_for_vfs(["auto"] * 4, within=6)
    storm.wait()
    assert storm.sent == 10_000

    lost = timeline.first(pf, lambda sample: not sample.lacp_up())
    disabled = timeline.first(pf, lambda sample: set(sample.vf_states) == {"disable"})
    assert disabled - lost <= 0.3
    assert len(relay.events("vf link state was set")) == 8
    assert not relay.events(level="ERROR")


def test_events_of_other_interfaces_do_not_wake_it(lab: Lab) -> None:
    lab.pf_with_lacp("ens5f0", vfs=4)
    relay = lab.relay(["ens5f0"])
    relay.wait_for("lacp is up")
    lab.sleep(1)
    before = relay.wakeups()
    lab.link_storm(per_second=500, seconds=10).wait()
    assert relay.wakeups() - before <= 15, "it wakes to poll, once a second"


def test_its_own_writes_do_not_set_it_off_again(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=4)
    relay = lab.relay(["ens5f0"], arguments=["--log-level", "debug"])
    relay.wait_for("lacp is up")
    pf.cable.block_lacp("to_host")
    lab.wait_until(lambda: pf.port_state() == (79, 0), within=10, what="the port defaulted")
    lab.sleep(20)
    assert len(relay.events("vf link state was set")) == 4
    changes = [event for event in relay.events() if event["msg"] != "vf link state was set"]
    assert len(changes) <= 15, "one line per change"


def test_a_loss_that_the_kernel_announces_late_waits_for_the_next_poll_at_most(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=4)
    timeline = lab.record(pf)
    relay = lab.relay(["ens5f0"])
    relay.wait_for("lacp is up")
    silent_at = lab.now
    pf.cable.block_lacp("to_host")
    while lab.now < silent_at + 6:
        # The bond announces only what it gets the RTNL lock for, which it tries once each 100 ms.
        pf.rtnl_holder.write_text("40")
        lab.sleep(0.005)
    lost = timeline.first(pf, lambda sample: not sample.lacp_up(), since=silent_at)
    disabled = timeline.first(pf, lambda sample: set(sample.vf_states) == {"disable"}, since=lost)
    assert disabled - lost <= 1.2, "the interval, and the lock's gaps"


def test_a_dry_run_says_what_it_would_set_and_sets_nothing(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=2)
    timeline = lab.record(pf)
    relay = lab.relay(["ens5f0"], arguments=["--dry-run"])
    relay.wait_for("lacp is up")
    pf.cable.block_lacp("to_host")
    relay.wait_for("dry run: vf link state would be set", id=1, state="disable", within=6)
    lab.sleep(5)
    assert [event["id"] for event in relay.events("dry run: vf link state would be set")] == [0, 1]
    assert not relay.events("vf link state was set")
    assert not timeline.moments(pf, lambda sample: sample.vf_states != ("auto", "auto"))


def test_the_environment_alone_configures_it_as_the_operators_daemonset_does(lab: Lab) -> None:
    first, second = lab.pf_with_lacp("ens5f0", vfs=1), lab.pf_with_lacp("ens5f1", vfs=1)
    relay = lab.relay(
        environment={
            "PF_STATUS_RELAY_INTERFACES": "ens5f0, ens5f1",
            "PF_STATUS_RELAY_POLLING_INTERVAL": "500",
        }
    )
    relay.wait_for("lacp is up", interface="ens5f1")
    assert relay.events()[0]["msg"] == "Starting application"
    assert relay.events("interfaces to monitor")[0]["interfaces"] == ["ens5f0", "ens5f1"]
    first.cable.block_lacp()
    relay.wait_for("vf link state was set", interface="ens5f0", id=0, state="disable", within=6)
    assert second.vf_states() == ["auto"]
