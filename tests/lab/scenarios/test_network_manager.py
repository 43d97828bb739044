"""The real NetworkManager beside the service: its keyfiles make the bond, its commands take it apart again.

The PF is netdevsim's; NetworkManager, udev and D-Bus are of the guest's Debian, 12 or 13. A guest boots
without them, and the scenario starts them, before the service or after it.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from functools import partial
from typing import Callable

import pytest

from pf_status_relay.core.events import (
    LacpDown,
    LacpStillDown,
    LacpUp,
    PfNotReady,
    PfReady,
    VfLinkStateSet,
    VfsLeftDisabled,
)
from tests.lab.kit.commands import ip, run
from tests.lab.kit.lab import Lab
from tests.lab.kit.network_manager import PLAIN, SERVER, NetworkManager
from tests.lab.kit.waiting import ANNOUNCED_S, NOTICED_S

pytestmark = pytest.mark.systemd(network_manager=True)

FAST = "lacp_rate=fast\nmiimon=100\n"
BOND, PORT = "bond0", "bond0-ens5f0"
ACTIVATION_S = 8.5, 9.0
"""For how long VFs are disabled when NetworkManager activates bond or port.

A bond that is up before it has a port waits for 8 s before it selects an aggregator.
"""
FROM_CHECK = ("check",)
"""Stands for the command that `check` names."""
REENSLAVED = ["pf is not ready", "pf is ready"]
"""The port is taken out of the bond and put back within a millisecond."""
NO_BOND = "link has no master interface"
LEFT = "VFs are left disabled"
NOTHING_SETS_BACK = "2 of 2 VFs in disable, and nothing sets them back"
SILENT = "LACP is down: LACPDUs have stopped"
EVENTS = {
    each.message_id: each.msg
    for each in (PfReady, PfNotReady, LacpUp, LacpDown, LacpStillDown, VfsLeftDisabled)
}


class Host:
    """A host with one PF, cabled to a switch, and keyfiles that make it the one port of bond0.

    Neither NetworkManager nor the service is started yet.
    """

    def __init__(self, lab: Lab, configuration: str = SERVER, options: str = FAST) -> None:
        self.lab = lab
        self.manager = NetworkManager(configuration)
        self.pf = lab.pf("ens5f0", vfs=2)
        lab.cable(self.pf, lab.switch("sw0"))
        self.bond = self.manager.add_bond(BOND, options)
        self.port = self.manager.add_port("ens5f0", BOND)
        self._logged = 0

    def relayed(self) -> None:
        """Start NetworkManager, and with LACP up the service."""
        self.manager.start()
        self.pf.wait_for_lacp()
        self.lab.start_service("ens5f0")
        self.lab.sleep(NOTICED_S)
        assert self.judged("up", "auto") == []
        assert self.log() == ["pf is ready", "lacp is up"]

    def outage(self) -> None:
        """Silence the switch until the VFs are disabled."""
        self.pf.cable.block_lacp()
        self.pf.wait_for_vfs("disable")
        assert self.judged("down", "disable") == [SILENT]
        assert self.log() == ["lacp is down", "disable"]

    def recovery(self) -> None:
        """Let the switch speak again until the VFs are in auto."""
        self.pf.cable.unblock_lacp()
        self.pf.wait_for_vfs("auto")
        assert self.judged("up", "auto") == []
        assert self.log() == ["lacp is up", "auto"]

    def wait_for_activation(self) -> None:
        """Wait until LACP is up after bond or port have been activated, with the VFs disabled meanwhile."""
        self.pf.wait_for_vfs("disable", within=NOTICED_S)
        assert ACTIVATION_S[0] < self.pf.wait_for_vfs("auto", within=ACTIVATION_S[1]) < ACTIVATION_S[1]
        assert self.judged("up", "auto") == []

    def take_apart(self, command: tuple[str, ...]) -> None:
        """Let nmcli take the PF out of its bond, until the service has noticed."""
        self.manager.nmcli(*command)
        self.lab.sleep(NOTICED_S)

    def put_together(self, command: tuple[str, ...]) -> None:
        """Let nmcli put the PF into its bond again, or what `check` says."""
        if command is FROM_CHECK:
            (_, fix), *_ = self.checked(2)
            run("sh", "-c", fix.partition("NetworkManager has a connection for that: ")[2])
        else:
            self.manager.nmcli(*command)

    def log(self) -> list[str]:
        """Return what the service logged since the last call: events, and states that VFs were set to.

        Of equal ones in a row, as for several VFs, it has one.
        """
        self.lab.sleep(ANNOUNCED_S)
        entries = self.lab.journal()
        new, self._logged = entries[self._logged :], len(entries)
        told = (
            entry["VF_LINK_STATE"]
            if entry.get("MESSAGE_ID") == VfLinkStateSet.message_id
            else EVENTS.get(entry.get("MESSAGE_ID", ""))
            for entry in new
        )
        return [event for event, _ in itertools.groupby(told) if event]

    def judged(self, condition: str, vfs: str) -> list[str]:
        """Return what `check` finds wrong, after VFs and `status` are seen to be so."""
        assert self.pf.in_state(vfs)
        (row,) = json.loads(self.lab.call("status", "--json").stdout)["interfaces"]
        assert (row["condition"], row["vfs"][vfs]) == (condition, 2)
        return [found for found, _ in self.checked(2 if condition == "not ready" else 0)]

    def stays_as_it_is(
        self, steps: Sequence[Callable[[], object]], condition: str = "up", vfs: str = "auto", *wrong: str
    ) -> None:
        """See that none of these steps changes anything, by port state, VFs, `status`, `check` and log."""
        port_state = self.pf.port_state()
        for step in steps:
            step()
            self.lab.sleep(5)
            assert self.pf.port_state() == port_state
            assert self.judged(condition, vfs) == [*wrong]
        assert self.log() == []

    def checked(self, status: int = 0) -> list[tuple[str, str]]:
        """Return what `check`, which ends with this status, finds wrong with the PF, and the fixes."""
        done = self.lab.call("check", "--json")
        assert done.returncode == status
        lines = json.loads(done.stdout)["checks"]
        wrong = [each for each in lines if each["verdict"] != "passed" and each["subject"] == "ens5f0"]
        return [(each["found"], each["fix"]) for each in wrong]


def test_a_service_that_was_first_relays_as_soon_as_the_keyfiles_bond_is_there(lab: Lab) -> None:
    host = Host(lab)
    lab.start_service("ens5f0")
    lab.sleep(NOTICED_S)
    assert host.judged("not ready", "auto") == [NO_BOND]
    assert host.log() == ["pf is not ready"]
    host.manager.start()
    host.wait_for_activation()
    assert host.log() == ["pf is ready", "lacp is down", "disable", "lacp is up", "auto"]


def test_a_network_manager_that_comes_and_goes_changes_nothing(lab: Lab) -> None:
    host = Host(lab)
    host.relayed()

    coming_and_going = (host.manager.restart, host.manager.kill, host.manager.stop, host.manager.start)
    host.stays_as_it_is(coming_and_going)
    assert host.manager.state("ens5f0") == "connected"
    host.outage()
    lab.sleep(5)  # until the port has defaulted
    host.stays_as_it_is(coming_and_going, "down", "disable", SILENT)
    assert host.manager.state("ens5f0") == "connected"
    host.recovery()


def test_an_activation_disables_the_vfs_for_nine_seconds(lab: Lab) -> None:
    host = Host(lab)
    host.relayed()
    for name in (BOND, PORT):
        host.manager.nmcli("connection", "up", name)
        host.wait_for_activation()
        assert host.log() == [*REENSLAVED, "lacp is down", "disable", "lacp is up", "auto"]
    host.outage()
    for name in (BOND, PORT):
        host.manager.nmcli("connection", "up", name)
        lab.sleep(20)
        assert host.judged("down", "disable") == ["LACP is down: no LACPDU has come yet"]
        # NetworkManager takes the port out of the bond and puts it back within 0.2 ms. A relay that looks
        # only after that has seen nothing, and there is nothing to say: the PF was down and is.
        seen = ["pf is not ready", LEFT, "pf is ready", "lacp is down", "lacp is still down"]
        assert host.log() in (seen, [])
    host.recovery()


def test_a_reapply_costs_nothing_and_takes_no_lacp_rate(lab: Lab) -> None:
    host = Host(lab)
    host.relayed()

    commands = (("device", "reapply", BOND), ("device", "reapply", "ens5f0"), ("connection", "reload"))
    reapplying = [partial(host.manager.nmcli, *words) for words in commands]
    host.stays_as_it_is(reapplying)
    host.outage()
    lab.sleep(5)
    host.stays_as_it_is(reapplying, "down", "disable", SILENT)
    host.recovery()
    host.manager.nmcli("connection", "modify", BOND, "+bond.options", "lacp_rate=slow")
    assert "Can't reapply 'lacp_rate' bond option" in host.manager.refused("device", "reapply", BOND)
    assert host.log() == []


def test_the_commands_that_check_names_set_rate_and_miimon(lab: Lab) -> None:
    host = Host(lab, options="lacp_rate=slow\nmiimon=0\n")
    host.manager.start()
    host.pf.wait_for_lacp(61, 63)
    lab.start_service("ens5f0")
    lab.sleep(NOTICED_S)
    assert host.log() == ["pf is ready", "lacp is up"]
    (slow, set_rate), (blind, set_miimon) = host.checked()
    assert lab.call("status").stdout.count(f"\n    {set_rate}\n") == 1

    assert blind.startswith("bond bond0 has no miimon")
    command, cost = set_miimon.split(" (")
    assert cost == "no VF is disabled)"
    run("sh", "-c", command)
    lab.sleep(5)
    assert host.judged("up", "auto") == [slow]
    assert host.log() == []

    assert slow.startswith("bond bond0 is on the slow LACP rate")
    command, cost = set_rate.split(" (")
    assert cost == "its VFs are disabled for 9 s)"
    run("sh", "-c", command)
    host.wait_for_activation()
    assert host.log() == [*REENSLAVED, "lacp is down", "disable", "lacp is up", "auto"]
    assert host.pf.port_state() == (63, 63)


SOONER_S = 4.0
"""Until VFs are back after `ip link set dev … up`: what LACP takes. An activation takes 8.7 s."""


def test_what_was_set_down_by_hand_is_sooner_back_without_network_manager(lab: Lab) -> None:
    host = Host(lab)
    host.relayed()
    for interface in ("ens5f0", BOND):
        ip(f"link set dev {interface} down")
        host.pf.wait_for_vfs("disable", within=NOTICED_S)
        lab.sleep(1)  # both ends look at the carrier each 100 ms: all have noticed
        assert host.manager.state("ens5f0") == host.manager.state(BOND) == "connected"
        ((found, fix),) = host.checked()
        assert found.endswith("is set down")
        run("sh", "-c", fix.replace("set it up: ", ""))
        host.pf.wait_for_vfs("auto", within=SOONER_S)
        assert host.judged("up", "auto") == []
        assert host.log() == ["lacp is down", "disable", "lacp is up", "auto"]


DOWN_AND_UP = [
    (("connection", "down", PORT), ("connection", "up", PORT)),
    (("connection", "down", BOND), ("connection", "up", PORT)),  # in 1.52 a bond comes up without its port
    (("device", "disconnect", "ens5f0"), FROM_CHECK),
    (("networking", "off"), ("networking", "on")),
]


def test_the_bond_is_taken_apart_and_put_together(lab: Lab) -> None:
    host = Host(lab)
    host.relayed()
    for down, up in DOWN_AND_UP:
        host.take_apart(down)
        assert host.judged("not ready", "auto")[0] == NO_BOND
        assert host.log() == ["pf is not ready"]
        host.put_together(up)
        host.wait_for_activation()
        assert host.log() == ["pf is ready", "lacp is down", "disable", "lacp is up", "auto"]


def test_in_an_outage_vfs_stay_disabled_for_as_long_as_the_bond_is_away(lab: Lab) -> None:
    host = Host(lab)
    host.relayed()
    for down, up in DOWN_AND_UP:
        host.outage()
        host.take_apart(down)
        host.pf.cable.unblock_lacp()
        lab.sleep(30)
        assert host.judged("not ready", "disable")[:2] == [NO_BOND, NOTHING_SETS_BACK]
        assert host.log() == ["pf is not ready", LEFT]
        host.put_together(up)
        host.wait_for_activation()
        assert host.log() == ["pf is ready", "lacp is down", "lacp is up", "auto"]


def test_a_cable_is_pulled_and_put_back(lab: Lab) -> None:
    host = Host(lab)
    host.relayed()
    host.pf.cable.pull()
    host.pf.wait_for_vfs("disable", within=ANNOUNCED_S)
    lab.sleep(60)
    assert host.judged("down", "disable") == ["LACP is down: no carrier"]
    assert host.manager.state("ens5f0") == host.manager.state(BOND) == "connected"
    host.pf.cable.plug()
    host.pf.wait_for_vfs("auto", within=4)
    assert host.judged("up", "auto") == []
    assert host.log() == ["lacp is down", "disable", "lacp is up", "auto"]


def test_a_cable_that_is_out_at_the_start_does_not_hold_up_a_server(lab: Lab) -> None:
    host = Host(lab)
    host.pf.cable.pull()
    lab.start_service("ens5f0")
    host.manager.start()
    host.pf.wait_for_vfs("disable", within=NOTICED_S)
    lab.sleep(10)
    assert host.judged("down", "disable") == ["LACP is down: no carrier"]
    assert host.log() == ["pf is not ready", "pf is ready", "lacp is down", "disable"]
    host.pf.cable.plug()
    host.pf.wait_for_vfs("auto", within=4)
    assert host.judged("up", "auto") == []
    assert host.log() == ["lacp is up", "auto"]


def test_a_cable_that_is_out_at_the_start_leaves_a_plain_host_without_a_port(lab: Lab) -> None:
    host = Host(lab, PLAIN)
    host.pf.cable.pull()
    lab.start_service("ens5f0")
    host.manager.start()
    lab.sleep(10)
    assert host.judged("not ready", "auto") == [NO_BOND, "has no carrier"]
    assert (host.manager.state("ens5f0"), host.manager.state(BOND)) == ("unavailable", "connected")
    assert host.log() == ["pf is not ready"]
    host.pf.cable.plug()
    host.wait_for_activation()
    assert host.log() == ["pf is ready", "lacp is down", "disable", "lacp is up", "auto"]


def test_on_a_plain_host_the_port_has_to_be_activated(lab: Lab) -> None:
    manager = NetworkManager(PLAIN)
    pf = lab.pf("ens5f0", vfs=2)
    lab.cable(pf, lab.switch("sw0"))
    lab.start_service("ens5f0")
    manager.start()
    lab.sleep(3)
    manager.nmcli(
        *("connection", "add", "type", "bond", "con-name", BOND, "ifname", BOND, "bond.options"),
        *("mode=802.3ad,miimon=100,lacp_rate=fast", "ipv4.method", "disabled", "ipv6.method", "disabled"),
    )
    manager.nmcli(
        *("connection", "add", "type", "ethernet", "con-name", PORT, "ifname", "ens5f0"),
        *("master", BOND, "slave-type", "bond"),
    )
    lab.sleep(5)
    assert "Wired connection 1" in manager.nmcli("device")
    assert pf.port_state() is None
    manager.nmcli("connection", "up", PORT)
    pf.wait_for_vfs("disable", within=NOTICED_S)
    pf.wait_for_vfs("auto", within=ACTIVATION_S[1])
    assert lab.call("check").returncode == 0


def test_auto_finds_the_bond_and_loses_it(lab: Lab) -> None:
    host = Host(lab)
    lab.write_config('interfaces = "auto"\n')
    lab.systemctl("start", "pf-status-relay")
    lab.sleep(NOTICED_S)
    assert host.log() == []
    host.manager.start()
    host.pf.wait_for_vfs("disable", within=NOTICED_S)
    host.pf.wait_for_vfs("auto", within=ACTIVATION_S[1])
    assert host.judged("up", "auto") == []
    assert host.log() == ["pf is ready", "lacp is down", "disable", "lacp is up", "auto"]
    host.outage()
    host.manager.nmcli("connection", "down", BOND)
    lab.sleep(2 * NOTICED_S)
    assert host.log() == ["pf is not ready", LEFT]
    assert host.checked(2)[0][0] == NO_BOND
    host.pf.cable.unblock_lacp()
    host.manager.nmcli("connection", "up", PORT)
    host.pf.wait_for_vfs("auto", within=ACTIVATION_S[1])
    assert host.judged("up", "auto") == []
    assert host.log() == ["pf is ready", "lacp is down", "lacp is up", "auto"]
