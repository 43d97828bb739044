"""The lab itself: the kernel and the topology behave as the scenarios take for granted."""

from __future__ import annotations

import errno

import pytest

from tests.lab.kit.commands import CommandError, run
from tests.lab.kit.lab import Lab


def test_both_ends_reach_63(lab: Lab) -> None:
    pf = lab.pf("ens5f0", vfs=4)
    lab.bond("bond0").add(pf)
    lab.cable(pf, lab.switch("sw0"))
    seconds = pf.wait_for_lacp()
    assert 2 < seconds < 4
    assert pf.carrier()
    assert pf.link().operstate == "up"
    assert pf.vf_states() == ["auto"] * 4


def test_lacpdus_stop_and_come_back(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0")
    recorder = lab.record(pf)
    blocked = lab.now
    pf.cable.block_lacp("to_host")
    expired = lab.wait_until(lambda: pf.port_state() == (143, 55), within=4, what="expired")
    assert 2 < expired < 3.5
    defaulted = lab.wait_until(lambda: pf.port_state() == (79, 0), within=4, what="defaulted")
    assert 2.8 < defaulted < 3.5
    assert pf.carrier()
    pf.cable.unblock_lacp("to_host")
    assert pf.wait_for_lacp() < 5
    assert all(sample.carrier for sample in recorder.samples(pf, since=blocked))
    states = [sample.port_state for sample in recorder.samples(pf, since=blocked)]
    assert states[:3] == [(63, 63), (143, 55), (79, 0)]
    assert states[-1] == (63, 63)


def test_both_ends_default_and_recover_slowly(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0")
    pf.cable.block_lacp()
    lab.wait_until(lambda: pf.port_state() == (79, 0), within=10, what="defaulted")
    lab.sleep(5)
    pf.cable.unblock_lacp()
    assert 5 < pf.wait_for_lacp() < 35


def test_cable_pulled_and_plugged(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0")
    pf.cable.pull()
    assert not pf.carrier()
    assert pf.port_state() == (63, 63), "the kernel leaves the port state as it was"
    lab.sleep(2)
    assert pf.port_state() != (63, 63)
    pf.cable.plug()
    assert pf.carrier()
    assert 2 < pf.wait_for_lacp() < 5


def test_partners_bits_alone_change(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0")
    pf.switch.stop_aggregating()
    lab.wait_until(lambda: pf.port_state() == (63, 15), within=2, what="63/15")
    lab.sleep(5)
    assert pf.port_state() == (63, 15)
    pf.switch.resume_aggregating()
    assert pf.wait_for_lacp() < 2


def test_slow_rate(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", lacp_rate="slow")
    assert pf.port_state() == (61, 63)


@pytest.mark.parametrize("count", [0, 1, 256, 334, 335])
def test_vfs_are_listed(lab: Lab, count: int) -> None:
    pf = lab.pf("ens5f0", vfs=count)
    assert pf.vf_states() == ["auto"] * count
    if count:
        pf.set_vf_state(count - 1, "disable")
        assert pf.vf_states() == ["auto"] * (count - 1) + ["disable"]
        pf.set_vfs(4)
        assert pf.vf_states() == ["auto"] * 4


def test_driver_refuses_chosen_vfs(lab: Lab) -> None:
    pf = lab.pf("ens5f0", vfs=4)
    pf.refuse_vf(2)
    for vf in (0, 1, 3):
        pf.set_vf_state(vf, "disable")
    with pytest.raises(CommandError, match="not supported"):
        pf.set_vf_state(2, "disable")
    assert pf.vf_states() == ["disable", "disable", "auto", "disable"]
    pf.refuse_vf(error=errno.EIO)
    with pytest.raises(CommandError, match="Input/output error"):
        pf.set_vf_state(0, "auto")
    pf.accept_vfs()
    pf.set_vf_state(2, "disable")
    assert pf.vf_states() == ["disable"] * 4


def test_a_driver_takes_its_time_and_counts_what_it_was_asked(lab: Lab) -> None:
    pf = lab.pf("ens5f0", vfs=2)
    pf.driver.takes(auto=60, disable=5)
    began = lab.now
    pf.set_vf_state(0, "disable")
    assert 0.005 <= lab.now - began < 0.02
    assert began < pf.driver.written_at <= lab.now
    pf.set_vf_state(0, "auto")
    pf.set_vf_state(0, "auto")
    assert 0.125 <= lab.now - began < 0.15
    assert (pf.driver.writes, pf.driver.same_writes) == (3, 1)


def test_a_driver_refuses_some_calls_some_states_and_may_do_it_all_the_same(lab: Lab) -> None:
    pf = lab.pf("ens5f0", vfs=2)
    pf.driver.refuse(error=errno.EAGAIN, calls=1, states=("disable",))
    with pytest.raises(CommandError, match="temporarily unavailable"):
        pf.set_vf_state(0, "disable")
    pf.set_vf_state(0, "disable")
    pf.driver.refuse(error=errno.EIO, stored=True, ms=500)
    began = lab.now
    with pytest.raises(CommandError, match="Input/output error"):
        pf.set_vf_state(1, "disable")
    assert 0.5 <= lab.now - began < 0.52
    assert pf.vf_states() == ["disable", "disable"]
    pf.driver.refuse(error=0)
    pf.set_vf_state(1, "auto")
    assert pf.vf_states() == ["disable", "disable"], "success, and nothing done"


def test_a_driver_hides_vfs(lab: Lab) -> None:
    pf = lab.pf("ens5f0", vfs=4)
    pf.set_vf_state(3, "disable")
    pf.driver.hide(1)
    assert pf.vf_states() == ["auto", "missing", "auto", "disable"]
    pf.driver.set(vf_get_ms=800)
    began = lab.now
    pf.driver.hide()
    assert pf.vf_states() == ["missing"] * 4
    assert 3.2 <= lab.now - began < 3.3
    pf.driver.set(vf_get_ms=0)
    pf.driver.show()
    pf.driver.list_vfs(False)
    assert pf.link(vfs=True)[-2:] == (4, ())
    pf.driver.list_vfs(True)
    assert pf.vf_states() == ["auto", "auto", "auto", "disable"]


def test_a_driver_forgets_and_invents_states(lab: Lab) -> None:
    pf = lab.pf("ens5f0", vfs=2)
    pf.driver.put_vfs("disable")
    assert pf.vf_states() == ["disable", "disable"]
    pf.driver.set(vf_born_state=2)
    pf.set_vfs(3)
    assert pf.vf_states() == ["disable"] * 3


def test_a_driver_needs_its_pf_up(lab: Lab) -> None:
    pf = lab.pf("ens5f0", vfs=2)
    pf.driver.set(vf_needs_up="Y", vf_same_ignored="Y")
    pf.down()
    assert pf.vf_states() == ["missing", "missing"]
    with pytest.raises(CommandError, match="Invalid argument"):
        pf.set_vf_state(0, "disable")
    pf.set_vf_state(0, "disable")
    pf.up()
    assert pf.vf_states() == ["disable", "auto"]


def test_a_driver_in_switchdev_mode(lab: Lab) -> None:
    pf = lab.pf("ens5f0", vfs=2)
    pf.driver.set(vf_needs_legacy="Y")
    pf.driver.set_mode("switchdev")
    assert pf.vf_states() == ["disable", "disable"]
    with pytest.raises(CommandError, match="not supported"):
        pf.set_vf_state(0, "auto")
    pf.driver.set_mode("legacy")
    assert pf.vf_states() == ["auto", "auto"]
    pf.set_vf_state(0, "disable")
    pf.driver.set_mode("switchdev")
    pf.driver.set_mode("legacy")
    assert pf.vf_states() == ["auto", "auto"]


def test_a_pf_has_a_switch_id_or_none(lab: Lab) -> None:
    pf = lab.pf("ens5f0", vfs=1)
    assert "switchid" in run("ip", "-d", "link", "show", "dev", "ens5f0")
    pf.driver.set(switch_id=0)
    assert "switchid" not in run("ip", "-d", "link", "show", "dev", "ens5f0")


def test_pf_recreated_renamed_and_by_altname(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0")
    first = pf.ifindex
    pf.add_altname("enp5s0f0")
    assert pf.link().altnames == ("enp5s0f0",)
    pf.rename("ens6f0")
    assert pf.link().name == "ens6f0"
    pf.delete()
    assert not pf.exists()
    pf.recreate()
    assert pf.ifindex != first
    assert pf.port_state() is None
    lab.bond("bond1").add(pf)
    pf.wait_for_lacp()


def test_link_storm(lab: Lab) -> None:
    start = lab.now
    storm = lab.link_storm(per_second=1000, seconds=2)
    storm.wait()
    assert storm.sent == 2000
    assert 1.9 < lab.now - start < 2.5


@pytest.mark.systemd
def test_systemd_and_its_journal(lab: Lab) -> None:
    assert lab.systemctl("is-system-running").strip() == "running"
    assert lab.show("ActiveState", "systemd-journald.service") == "active"
    messages = [entry["MESSAGE"] for entry in lab.journal(unit=None)]
    assert any("lab.service" in str(message) for message in messages)


@pytest.mark.real_time
def test_real_time(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0")
    assert pf.carrier()


def test_virtual_time_is_reproducible(lab: Lab) -> None:
    # The boot takes no virtual time, so the clock reads the same wherever this runs.
    assert lab.now < 1
    lab.sleep(1000)
    assert 1000 < lab.now < 1001
