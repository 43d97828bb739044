"""Why LACP is down: each cause that the lab can produce, as log, `status` and `check` tell it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest

from pf_status_relay.core import causes
from pf_status_relay.core.causes import Cause
from pf_status_relay.core.events import LacpDown, LacpUp
from tests.lab.kit.commands import ip
from tests.lab.kit.lab import Lab
from tests.lab.kit.program import Relay, toml
from tests.lab.kit.topology import Pf

PF = "ens5f0"
BOND = "bond0"
STATE = Path("/run/pf-status-relay")
"""Where `status` and `check` look for what the running service says."""


class Service:
    """The service under systemd, with the words of a relay that a scenario has started by hand."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._read_at = -1.0
        self._entries: dict[str, list[dict[str, object]]] = {}
        lab.systemctl("start", "pf-status-relay")

    def events(self, msg: str, **keys: object) -> list[dict[str, object]]:
        """Return the events of a message, with their causes; the journal is read once a second."""
        if self._lab.now - self._read_at >= 1.0:
            self._read_at = self._lab.now
            for event in (LacpUp, LacpDown):
                entries = self._lab.journal(event=event)
                self._entries[event.msg] = [{"msg": msg, "cause": entry.get("CAUSE")} for entry in entries]
        return self._entries[msg]

    def wait_for(self, msg: str, *, within: float = 5.0, **keys: object) -> None:
        """Wait for an event of a message."""
        self._lab.wait_until(lambda: self.events(msg) != [], within=within, what=msg, poll=0.25)


def start(lab: Lab, early_detection_ms: int | None = None) -> Relay:
    """Start the relay: under systemd as the service, else with a folder for what it says to `status`."""
    early = f"early_detection_ms = {early_detection_ms}\n" if early_detection_ms else ""
    text = toml([PF], None) + early
    if Path("/run/systemd/system").is_dir():
        lab.write_config(text)
        return cast(Relay, Service(lab))
    STATE.mkdir(exist_ok=True)
    return lab.relay(config_text=text, environment={"RUNTIME_DIRECTORY": str(STATE)})


def with_lacp_up(lab: Lab, **rates: str) -> tuple[Pf, Relay]:
    """Return a PF with LACP up, for which a relay runs."""
    pf = lab.pf_with_lacp(PF, vfs=2, **rates)  # type: ignore[arg-type]
    relay = start(lab)
    relay.wait_for("lacp is up")
    return pf, relay


def set_down(lab: Lab) -> Relay:
    pf, relay = with_lacp_up(lab)
    pf.down()
    return relay


def pull_the_cable(lab: Lab) -> Relay:
    pf, relay = with_lacp_up(lab)
    pf.cable.pull()
    return relay


def set_the_bond_down(lab: Lab) -> Relay:
    pf, relay = with_lacp_up(lab)
    pf.bond.down()
    return relay


def enslave_a_port_without_speed(lab: Lab) -> Relay:
    """Take a dummy for the PF: its driver tells neither speed nor duplex."""
    lab.bond(BOND)
    ip(f"link add {PF} type dummy", f"link set dev {PF} master {BOND}")
    ip(f"link set dev {PF} up", f"link set dev {BOND} up")
    return start(lab)


def fall_silent_with_early_detection(lab: Lab) -> Relay:
    pf = lab.pf_with_lacp(PF, vfs=2)
    relay = start(lab, early_detection_ms=1500)
    relay.wait_for("lacp is up")
    lab.sleep(5)
    pf.cable.block_lacp("to_host")
    return relay


def make_both_ends_passive(lab: Lab) -> Relay:
    pf = lab.pf(PF, vfs=2)
    bond = lab.bond(BOND)
    ip(f"link set dev {BOND} type bond lacp_active off")
    bond.add(pf)
    cable = lab.cable(pf, lab.switch("sw0"))
    pf.wait_for_lacp(62, 63)  # one active end is enough
    relay = start(lab)
    relay.wait_for("lacp is up")
    lag = cable.port.bond
    ip(f"link set dev {lag} down", f"link set dev {lag} type bond lacp_active off", netns="sw0")
    ip(f"link set dev {lag} up", netns="sw0")
    return relay


def never_hear_a_lacpdu(lab: Lab) -> Relay:
    pf = lab.pf_with_lacp(PF, vfs=2, wait=False)
    pf.cable.block_lacp("to_host")
    bond = pf.bond
    bond.remove(pf)
    bond.add(pf)  # a port counts its LACPDUs from here
    lab.sleep(10)
    return start(lab)


def hear_a_lacpdu_each_30_s(lab: Lab) -> Relay:
    """Have a switch that sends at the slow rate, whatever the host asks for. A third outage proves it."""
    pf, relay = with_lacp_up(lab, switch_rate="slow")
    pf.cable.jitter_lacp_to_host(29.9, 30.1)
    lab.wait_until(lambda: len(relay.events("lacp is down")) == 3, within=100, what="the third outage")
    assert [event["cause"] for event in relay.events("lacp is down")][:2] == ["LACPDUs have stopped"] * 2
    pf.cable.end_jitter()
    return relay


def kill_the_switch(lab: Lab) -> Relay:
    pf, relay = with_lacp_up(lab)
    pf.cable.block_lacp()
    return relay


def lose_our_lacpdus(lab: Lab) -> Relay:
    pf, relay = with_lacp_up(lab)
    pf.cable.block_lacp("to_switch")
    return relay


def be_answered_as_individual(lab: Lab) -> Relay:
    pf, relay = with_lacp_up(lab)
    pf.switch.announce(0x3B)  # all but aggregation
    return relay


def be_answered_for_another_aggregator(lab: Lab) -> Relay:
    pf, relay = with_lacp_up(lab)
    pf.switch.announce(0x37)  # all but synchronization
    return relay


def be_held_back(lab: Lab) -> Relay:
    pf, relay = with_lacp_up(lab)
    pf.switch.stop_aggregating()
    return relay


def start_while_the_ends_still_negotiate(lab: Lab) -> Relay:
    pf = lab.pf_with_lacp(PF, vfs=2)
    pf.cable.pull()
    lab.sleep(2)
    pf.cable.plug()
    lab.sleep(1)
    return start(lab)


PRODUCED: dict[Cause, Callable[[Lab], Relay]] = {
    Cause.PF_DOWN: set_down,
    Cause.NO_CARRIER: pull_the_cable,
    Cause.BOND_DOWN: set_the_bond_down,
    Cause.SPEED_UNKNOWN: enslave_a_port_without_speed,
    Cause.EARLY_DETECTION: fall_silent_with_early_detection,
    Cause.PASSIVE: make_both_ends_passive,
    Cause.NEVER_HEARD: never_hear_a_lacpdu,
    Cause.SLOW_PARTNER: hear_a_lacpdu_each_30_s,
    Cause.SILENT: kill_the_switch,
    Cause.NOT_HEARD: lose_our_lacpdus,
    Cause.INDIVIDUAL: be_answered_as_individual,
    Cause.OTHER_AGGREGATOR: be_answered_for_another_aggregator,
    Cause.NOT_CARRYING: be_held_back,
    Cause.NOT_AGREED: start_while_the_ends_still_negotiate,
}
"""All causes but half duplex: no device of the lab has it (tests/unit/core/test_causes.py does)."""


def test_every_cause_is_in_the_table_but_one_that_no_device_of_the_lab_has_and_bfds() -> None:
    """test_bfd.py has BFD's, which takes two PFs and FRR."""
    assert set(Cause) - set(PRODUCED) == {Cause.HALF_DUPLEX, Cause.BFD_TIMEOUT}


@pytest.mark.parametrize("cause", PRODUCED, ids=str)
def test_a_cause_is_told_alike_by_log_status_and_check(lab: Lab, cause: Cause) -> None:
    relay = PRODUCED[cause](lab)
    relay.wait_for("lacp is down", interface=PF, within=10)
    last = relay.events("lacp is down", interface=PF)[-1]
    assert last["cause"] == str(cause)
    assert list(last)[:5] == ["time", "level", "msg", "interface", "cause"], "a new key comes last"

    config = str(relay.configuration)
    fix = causes.fix(cause, PF, BOND)
    status = lab.call("status", "--config", config)
    assert f"{PF}: LACP is down: {cause}\n    {fix}\n" in status.stdout
    assert status.stdout.count("LACP is down: ") == 1
    assert status.returncode == 1
    check = lab.call("check", "--config", config)
    assert f"warning  {PF}: LACP is down: {cause}\n             {fix}\n" in check.stdout
    assert check.stdout.count("LACP is down: ") == 1


@pytest.mark.systemd
@pytest.mark.parametrize("cause", PRODUCED, ids=str)
def test_a_person_on_call_is_told_it_by_status_alone_and_later_by_history(lab: Lab, cause: Cause) -> None:
    service = PRODUCED[cause](lab)
    service.wait_for("lacp is down", within=10)
    told = f"{PF}: LACP is down: {cause}\n    {causes.fix(cause, PF, BOND)}\n"
    lab.wait_until(lambda: told in lab.call("status").stdout, within=60, what="it in status", poll=0.7)
    outages = json.loads(lab.call("history", "--json").stdout)["outages"]
    assert (outages[-1]["interface"], outages[-1]["cause"]) == (PF, str(cause))
    lines = [line for line in lab.call("history").stdout.splitlines() if line.startswith(PF)]
    assert any(str(cause) in line for line in lines)


def test_two_pfs_on_one_port_channel_are_told_by_the_one_that_the_switch_leaves_out(lab: Lab) -> None:
    """A bond for each PF and one port channel for both: the switch can aggregate only one of the two."""
    first = lab.pf_with_lacp("ens5f1", vfs=1, bond="bond1")
    second = lab.pf_with_lacp(PF, vfs=2, bond=BOND, switch=first.switch)
    port, lag = second.cable.port.name, first.cable.port.bond
    ip(f"link set dev {port} down", f"link set dev {port} master {lag}", netns=first.switch.name)
    ip(f"link set dev {port} up", netns=first.switch.name)
    lab.wait_until(lambda: second.port_state() == (15, 7), within=30, what="the ends at odds")
    status = lab.call("status", interfaces=[PF, "ens5f1"])
    assert f"{PF}: LACP is down: {Cause.OTHER_AGGREGATOR}\n" in status.stdout
    assert status.stdout.count("LACP is down: ") == 1


def test_a_cause_that_has_become_another_is_told_once_it_has_stood_for_a_while(lab: Lab) -> None:
    pf, relay = with_lacp_up(lab)
    pf.cable.pull()
    relay.wait_for("lacp is down", cause="no carrier")
    pf.cable.block_lacp()
    lab.sleep(5)
    plugged_at = lab.now
    pf.cable.plug()
    still = relay.wait_for("lacp is still down", cause="LACPDUs have stopped", within=30)
    assert still["at"] - plugged_at > causes.SETTLED_S
    assert pf.in_state("disable")
    lab.sleep(60)
    assert len(relay.events("lacp is still down")) == 1
    assert len(relay.events("lacp is down")) == 1


def test_a_cable_that_is_plugged_in_again_is_told_without_what_lacp_passes_through(lab: Lab) -> None:
    pf, relay = with_lacp_up(lab)
    pf.cable.pull()
    relay.wait_for("lacp is down", cause="no carrier")
    lab.sleep(20)
    pf.cable.plug()
    pf.wait_for_vfs("auto")
    assert not relay.events("lacp is still down")


@pytest.mark.systemd
def test_the_sandbox_lets_the_service_read_what_explains_an_outage(lab: Lab) -> None:
    lab.bond(BOND)
    ip(f"link add {PF} type dummy", f"link set dev {PF} master {BOND}")
    ip(f"link set dev {PF} up", f"link set dev {BOND} up")
    unheard = lab.pf("ens5f1", vfs=1)
    lab.bond("bond1").add(unheard)
    cable = lab.cable(unheard, lab.switch("sw0"))
    cable.block_lacp("to_host")
    lab.start_service(PF, "ens5f1")
    lab.wait_until(lambda: len(lab.journal(event=LacpDown)) == 2, within=5, what="both outages", poll=0.25)
    told = {entry["PF_INTERFACE"]: entry["CAUSE"] for entry in lab.journal(event=LacpDown)}
    assert told == {PF: "speed or duplex unknown", "ens5f1": "no LACPDU has come yet"}
