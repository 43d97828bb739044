"""When VFs go back to auto: the delay, and what a stop does."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lab.kit.lab import Lab
from tests.lab.kit.topology import Pf

RESTORE = 'interfaces = ["ens5f0"]\non_stop = "restore"\n'


def fail(lab: Lab, pf: Pf) -> None:
    """Silence the switch until the VFs are disabled."""
    pf.cable.block_lacp()
    pf.wait_for_vfs("disable")


def name_user(lab: Lab) -> None:
    """Give the service's user a name.

    D-Bus refuses users without a name. On RHEL, nss-systemd gives dynamic users a name.
    """
    lines = Path("/proc", lab.show("MainPID"), "status").read_text().splitlines()
    (user,) = (line.split()[1] for line in lines if line.startswith("Uid:"))
    with Path("/etc/passwd").open("a") as file:
        file.write(f"dynamic{user}:x:{user}:{user}::/:/usr/sbin/nologin\n")


def test_vfs_go_back_when_lacp_has_been_up_for_the_delay_and_not_before(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=2)
    timeline = lab.record(pf)
    relay = lab.relay(config_text='interfaces = ["ens5f0"]\nrestore_delay_ms = 10250\n')
    relay.wait_for("lacp is up")
    fail(lab, pf)
    pf.cable.unblock_lacp()
    up = relay.wait_for("lacp is up", since=lab.now, within=60)
    relay.wait_for(
        "VFs stay disabled until lacp has been up for longer", wait_ms=10_250, since=up["at"] - 0.1
    )
    pf.wait_for_vfs("auto", within=12)
    back = timeline.first(pf, lambda sample: set(sample.vf_states) == {"auto"}, since=up["at"])
    assert 10.2 <= back - up["at"] <= 10.4


def test_a_switch_that_flaps_does_not_drag_the_pod_along(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=2)
    timeline = lab.record(pf)
    relay = lab.relay(config_text='interfaces = ["ens5f0"]\nrestore_delay_ms = 20000\n')
    relay.wait_for("lacp is up")
    fail(lab, pf)
    first_lost = lab.now
    for _ in range(4):
        pf.cable.unblock_lacp()
        pf.wait_for_lacp()
        lab.sleep(5)
        pf.cable.block_lacp()
        lab.wait_until(lambda: pf.port_state() != (63, 63), within=6, what="LACP lost again")
    assert not timeline.moments(pf, lambda sample: "auto" in sample.vf_states, since=first_lost)
    pf.cable.unblock_lacp()
    pf.wait_for_lacp()
    pf.wait_for_vfs("auto", within=21)


def test_by_hand_a_stop_restores_if_it_is_to(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=2)
    pf.set_vf_state(1, "enable")
    relay = lab.relay(config_text=RESTORE)
    relay.wait_for("lacp is up")
    pf.cable.block_lacp()
    pf.wait_for_vfs(["disable", "enable"])
    assert relay.stop() == 0
    assert pf.vf_states() == ["auto", "enable"]


@pytest.mark.systemd
def test_systemctl_stop_restores_and_a_restart_does_not(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=2)
    lab.systemctl("start", "dbus.socket")  # how the service asks systemd without being root
    lab.write_config(RESTORE)
    lab.systemctl("start", "pf-status-relay")
    name_user(lab)
    fail(lab, pf)
    timeline = lab.record(pf)

    restarted_at = lab.now
    for how in ("restart", "try-restart"):  # the latter is what an upgrade of the package does
        lab.systemctl(how, "pf-status-relay")
        name_user(lab)
    lab.sleep(1)
    assert not timeline.moments(pf, lambda sample: "auto" in sample.vf_states, since=restarted_at)
    reasons = {entry["ERROR"] for entry in lab.journal() if "VFs are not restored" in str(entry["MESSAGE"])}
    assert reasons == {"the service is restarted"}

    lab.systemctl("stop", "pf-status-relay")
    assert pf.in_state("auto")
    assert lab.show("Result") == "success"


@pytest.mark.systemd
def test_a_service_that_cannot_ask_systemd_restores_nothing_and_says_so(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=2)  # and no D-Bus
    lab.write_config(RESTORE)
    lab.systemctl("start", "pf-status-relay")
    fail(lab, pf)
    lab.systemctl("stop", "pf-status-relay")
    assert pf.in_state("disable")
    (entry,) = [entry for entry in lab.journal() if "VFs are not restored" in str(entry["MESSAGE"])]
    assert "systemd cannot be asked" in entry["ERROR"]
    assert lab.show("Result") == "success"


@pytest.mark.systemd
def test_a_stop_restores_the_vfs_of_a_slow_driver_however_long_that_takes(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=60)
    lab.systemctl("start", "dbus.socket")
    lab.write_config(RESTORE)
    lab.systemctl("start", "pf-status-relay")
    name_user(lab)
    fail(lab, pf)
    pf.driver.takes(auto=150)
    asked_at = lab.now
    lab.systemctl("stop", "pf-status-relay")
    assert lab.now - asked_at > 9, "longer than TimeoutStopSec="
    assert lab.show("Result") == "success"
    assert pf.in_state("auto")


def test_a_link_that_flaps_for_long_drags_the_pod_along_no_more(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=1)
    config = 'interfaces = ["ens5f0"]\nrestore_delay_ms = 5000\nrestore_delay_max_ms = 60000\n'
    relay = lab.relay(config_text=config)
    relay.wait_for("lacp is up")
    for _ in range(7):  # LACP is up for 7.2 to 8.2 s each time: LACP itself takes three to notice the silence
        pf.cable.block_lacp()
        relay.wait_for("lacp is down", since=lab.now, within=6)
        pf.cable.unblock_lacp()
        relay.wait_for("lacp is up", since=lab.now, within=6)
        lab.sleep(5)
    grown = [event["delay_ms"] for event in relay.events("VFs will stay disabled for longer, as lacp flaps")]
    assert grown == [10_000, 20_000, 40_000, 60_000]
    back = [event for event in relay.events("vf link state was set") if event["state"] == "auto"]
    assert len(back) == 1, "after the first return alone"
    lab.sleep(50)
    assert pf.in_state("disable")
    pf.wait_for_vfs("auto", within=10)
