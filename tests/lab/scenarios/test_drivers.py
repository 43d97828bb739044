"""Real drivers, each as a personality of the lab's: slow ones, and ones that refuse, lie, hide and forget."""

from __future__ import annotations

import errno
import json

import pytest

from tests.lab.kit.lab import RESULTS, Lab
from tests.lab.kit.personalities import (
    BE2NET,
    BNX2X,
    BNXT,
    ENA,
    HINIC,
    I40E,
    ICE,
    IGB,
    IONIC,
    IXGBE,
    LIQUIDIO,
    MLX5,
    NFP,
    SFC,
    Personality,
)
from tests.lab.kit.program import Relay
from tests.lab.kit.topology import Pf
from tests.lab.kit.waiting import ANNOUNCED_S, LOSS_S, NOTICED_S
from tests.support.exposition import of_interface

METRICS = RESULTS / "pf.prom"
SET = "vf link state was set"
FAILED = "failed to set vf link state"
MISSING, LISTED_AGAIN = "VFs are missing in the list", "all VFs are listed again"


def start(lab: Lab, *pfs: Pf, text: str = "") -> Relay:
    """Start the relay for PFs and wait until it has looked at all of them."""
    names = ", ".join(f'"{pf.name}"' for pf in pfs)
    relay = lab.relay(config_text=f"interfaces = [{names}]\n{text}")
    for pf in pfs:
        relay.wait_for("lacp is up", interface=pf.name)
    return relay


def lose(relay: Relay, *pfs: Pf, within: float = LOSS_S) -> None:
    """Let the switches fall silent and wait until the relay has logged LACP down for the last PF.

    The relay sets the VFs before it logs this. With a slow driver, that takes longer.
    """
    now = max((event["at"] for event in relay.events()), default=0.0)
    for pf in pfs:
        pf.cable.block_lacp("to_host")
    for pf in pfs:
        relay.wait_for("lacp is down", interface=pf.name, since=now, within=within)


def flap(relay: Relay, pf: Pf) -> None:
    """Take LACP away and give it back; the relay follows."""
    lose(relay, pf)
    pf.wait_for_vfs("disable", within=2)
    pf.cable.unblock_lacp("to_host")
    pf.wait_for_vfs("auto", within=8)


# i40e, ixgbe


@pytest.mark.parametrize("driver", [I40E, IXGBE], ids=lambda driver: driver.driver)
def test_no_vf_is_written_to_in_an_hour_of_health(lab: Lab, driver: Personality) -> None:
    pf = lab.pf_with_lacp("ens5f0", driver=driver)
    relay = start(lab, pf)
    lab.sleep(3600)
    assert pf.driver.writes == 0
    assert not relay.events(SET)


@pytest.mark.parametrize("driver", [I40E, IXGBE], ids=lambda driver: driver.driver)
def test_a_vf_is_reset_once_for_each_transition(lab: Lab, driver: Personality) -> None:
    pf = lab.pf_with_lacp("ens5f0", driver=driver)
    relay = start(lab, pf)
    for _ in range(3):
        flap(relay, pf)
    lab.sleep(5)
    assert (pf.driver.writes, pf.driver.same_writes) == (3 * 2 * 4, 0)
    assert not relay.events(level="ERROR")


def test_i40e_that_is_busy_is_asked_again_soon_and_quietly(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", driver=I40E)
    relay = start(lab, pf)
    pf.driver.begin("operation pending")
    lose(relay, pf)
    pf.wait_for_vfs("disable", within=ANNOUNCED_S)
    lab.sleep(2)
    assert not relay.events(level="ERROR")
    assert sorted(event["id"] for event in relay.events(SET)) == [0, 1, 2, 3]


def test_i40e_whose_rings_do_not_stop_is_asked_again_although_the_vf_reads_as_disabled(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", driver=I40E)
    relay = start(lab, pf)
    pf.driver.begin("rings do not stop")
    lose(relay, pf)
    relay.wait_for(SET, id=0, state="disable", within=1)
    lab.sleep(5)
    assert pf.vf_states() == ["disable"] * 4
    assert sorted(event["id"] for event in relay.events(SET)) == [0, 1, 2, 3]
    assert not relay.events(level="ERROR")


def test_a_vf_in_the_middle_that_is_busy_does_not_have_the_others_set_twice(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=8)
    relay = start(lab, pf)
    flap(relay, pf)
    pf.driver.refuse(5, error=errno.EAGAIN, calls=1)
    flap(relay, pf)
    assert pf.driver.same_writes == 0
    assert len(relay.events(SET)) == 4 * 8


# ice


@pytest.mark.parametrize("episode", list(ICE.episodes))
def test_ice_comes_back_from_a_reset_in_which_lacp_was_lost(lab: Lab, episode: str) -> None:
    pf = lab.pf_with_lacp("ens5f0", driver=ICE)
    relay = start(lab, pf)
    pf.driver.begin(episode)
    missing = relay.wait_for(MISSING, interface="ens5f0", level="WARN", within=8)
    assert (missing["count"], missing["missing"]) == (4, 4)
    lose(relay, pf)
    lab.sleep(4)
    pf.driver.end(episode)
    pf.wait_for_vfs("disable", within=1.0)
    relay.wait_for(LISTED_AGAIN, count=4, within=1)
    pf.cable.unblock_lacp("to_host")
    pf.wait_for_vfs("auto", within=8)
    assert len(relay.events("VFs detected on interface")) == 1
    assert not relay.events("pf has no VFs")
    assert len(relay.events(MISSING)) == 1


def test_ice_in_a_reset_that_refuses_is_logged_when_it_lasts_and_set_afterwards(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", driver=ICE)
    relay = start(lab, pf)
    pf.driver.refuse(error=errno.EINVAL)
    lose(relay, pf)
    lost = lab.now
    lab.sleep(0.8)
    assert not relay.events(FAILED)
    relay.wait_for(FAILED, error="Invalid argument", within=1.5)
    pf.driver.refuse(error=errno.EBUSY)
    lab.sleep(5)
    assert len(relay.events(FAILED)) == 4, "once for each VF, though the error changed"
    assert pf.driver.writes <= 4 * (lab.now - lost + 5)
    pf.driver.accept()
    pf.wait_for_vfs("disable", within=1.1)


# mlx5, ionic


def test_mlx5_in_switchdev_has_nothing_to_restore_and_is_served_when_it_returns(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", driver=MLX5)
    other = lab.pf_with_lacp("ens5f1")
    pf.driver.set_mode("switchdev")
    relay = start(lab, pf, other)
    relay.wait_for("vf link states are unknown", interface="ens5f0", level="WARN")
    (failed,) = relay.events(FAILED)
    assert failed["error"] == "Operation not supported; so for 3 more VFs"
    lab.sleep(300)
    assert pf.driver.writes <= 15, "ever more seldom"
    lose(relay, pf, other)
    other.wait_for_vfs("disable", within=ANNOUNCED_S)
    lab.sleep(3)
    pf.driver.set_mode("legacy")
    pf.wait_for_vfs("disable", within=NOTICED_S)
    relay.wait_for("vf link states are known again", within=1)
    pf.cable.unblock_lacp("to_host")
    pf.wait_for_vfs("auto", within=8)
    assert len(relay.events("vf link states are unknown")) == 1


def test_mlx5_in_switchdev_is_left_alone_on_a_stop(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", driver=MLX5)
    pf.driver.set_mode("switchdev")
    relay = start(lab, pf, text='on_stop = "restore"\n')
    relay.wait_for("vf link states are unknown")
    before = pf.driver.writes
    relay.stop()
    assert pf.driver.writes == before
    assert len(relay.events(FAILED)) == 1


def test_mlx5_that_goes_to_switchdev_in_an_outage_and_back_is_disabled_again(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", driver=MLX5)
    relay = start(lab, pf)
    lose(relay, pf)
    pf.wait_for_vfs("disable", within=ANNOUNCED_S)
    pf.driver.set_mode("switchdev")
    lab.sleep(3)
    pf.driver.set_mode("legacy")
    pf.wait_for_vfs("disable", within=NOTICED_S)
    assert not relay.events(level="ERROR")


@pytest.mark.parametrize("driver", [MLX5, IONIC], ids=lambda driver: driver.driver)
def test_vfs_that_a_firmwares_recovery_hides_are_right_at_the_next_look(
    lab: Lab, driver: Personality
) -> None:
    (episode,) = driver.episodes
    pf = lab.pf_with_lacp("ens5f0", driver=driver)
    relay = start(lab, pf)
    lose(relay, pf)
    pf.wait_for_vfs("disable", within=ANNOUNCED_S)
    pf.driver.begin(episode)
    relay.wait_for(MISSING, count=4, missing=4, within=NOTICED_S)
    lab.sleep(5)
    pf.driver.end(episode)
    pf.wait_for_vfs("disable", within=NOTICED_S)
    relay.wait_for(LISTED_AGAIN, within=1)
    pf.driver.begin(episode)
    pf.cable.unblock_lacp("to_host")
    relay.wait_for("lacp is up", since=lab.now, within=8)
    pf.driver.end(episode)
    pf.wait_for_vfs("auto", within=NOTICED_S)
    lab.sleep(3)
    assert pf.vf_states() == ["auto"] * 4
    assert not relay.events(level="ERROR")


# bnx2x


def test_bnx2x_is_believed_when_its_pf_is_up_again(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", driver=BNX2X)
    relay = start(lab, pf)
    pf.down()
    relay.wait_for("lacp is down", within=1)
    relay.wait_for(MISSING, count=4, missing=4, within=1)
    lab.sleep(2)
    pf.up()
    pf.wait_for_vfs("disable", within=1)
    relay.wait_for("lacp is up", since=lab.now, within=10)
    pf.wait_for_vfs("auto", within=1)


def test_bnx2x_that_stored_what_it_refused_is_asked_again(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", driver=BNX2X)
    relay = start(lab, pf)
    pf.driver.refuse(error=errno.EINVAL, calls=1, stored=True)  # its PF was down just then
    lose(relay, pf)
    relay.wait_for(SET, id=0, state="disable", within=1)
    assert pf.vf_states() == ["disable"] * 4
    assert pf.driver.same_writes == 1


def test_bnx2x_keeps_states_for_new_vfs(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", driver=BNX2X)
    relay = start(lab, pf)
    lose(relay, pf)
    pf.wait_for_vfs("disable", within=ANNOUNCED_S)
    pf.set_vfs(0)
    pf.cable.unblock_lacp("to_host")
    relay.wait_for("lacp is up", since=lab.now, within=8)
    pf.set_vfs(4)
    assert pf.vf_states() == ["disable"] * 4
    pf.wait_for_vfs("auto", within=NOTICED_S)


# bnxt, nfp


@pytest.mark.parametrize(("driver", "within"), [(BNXT, 6), (NFP, 120)], ids=["bnxt", "nfp"])
def test_a_state_that_shows_although_it_was_refused_is_repeated_and_doubted(
    lab: Lab, driver: Personality, within: float
) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=2, driver=driver)
    relay = start(lab, pf)
    pf.driver.begin("firmware refuses")
    lose(relay, pf, within=20)
    for vf in (0, 1):
        doubtful = relay.wait_for("vf link state is doubtful", id=vf, level="WARN", within=within)
        assert doubtful["error"] == "Input/output error"
    assert pf.driver.same_writes == 6, "three more for each VF"
    lab.sleep(60)
    assert pf.driver.same_writes == 6
    assert [event["id"] for event in relay.events(FAILED)] == [0, 1]
    pf.driver.end("firmware refuses")
    pf.cable.unblock_lacp("to_host")
    pf.wait_for_vfs("auto", within=40)


def test_bnxt_whose_firmware_refuses_once_is_set_the_second_time(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=2, driver=BNXT)
    relay = start(lab, pf)
    pf.driver.refuse(error=errno.EIO, calls=1, stored=True)
    lose(relay, pf)
    relay.wait_for(SET, id=0, state="disable", within=2)
    lab.sleep(5)
    assert pf.driver.writes == 3
    assert not relay.events("vf link state is doubtful")


# igb, ena


def test_igb_is_one_line_and_is_asked_ever_more_seldom(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", driver=IGB)
    other = lab.pf_with_lacp("ens5f1")
    relay = start(lab, pf, other)
    lose(relay, pf, other)
    other.wait_for_vfs("disable", within=ANNOUNCED_S)
    lab.sleep(300)
    assert pf.driver.writes <= 15
    (failed,) = relay.events(FAILED)
    assert (failed["id"], failed["error"]) == (0, "Operation not supported; so for 3 more VFs")
    assert not relay.events("vf link states are unknown"), "they read as auto"
    before = pf.driver.writes
    lab.sleep(600)
    assert 9 <= pf.driver.writes - before <= 11, "once a minute"
    other.cable.unblock_lacp("to_host")
    other.wait_for_vfs("auto")


def test_igb_that_is_replaced_by_another_driver_is_asked_at_once(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", driver=IGB)
    relay = start(lab, pf)
    lose(relay, pf)
    lab.sleep(100)
    bond = pf.bond
    pf.delete()
    pf.recreate()
    pf.driver.accept()
    bond.add(pf)
    pf.wait_for_vfs("disable", within=NOTICED_S)


def test_ena_has_no_list_and_is_one_line(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", driver=ENA)
    other = lab.pf_with_lacp("ens5f1")
    relay = start(lab, pf, other)
    relay.wait_for(MISSING, interface="ens5f0", count=4, missing=4)
    lose(relay, pf, other)
    other.wait_for_vfs("disable", within=ANNOUNCED_S)
    lab.sleep(60)
    assert pf.driver.writes == 0
    assert len(relay.events(MISSING)) == 1
    assert not relay.events(level="ERROR")


# Slow firmware


def test_a_firmware_that_takes_seconds_holds_up_nobody_else_for_longer_than_one_call(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", driver=BE2NET)
    other = lab.pf_with_lacp("ens5f1")
    relay = start(lab, pf, other)
    pf.cable.block_lacp("to_host")
    lab.wait_until(lambda: pf.driver.writes, within=LOSS_S, what="a write")
    other.cable.pull()
    other.wait_for_vfs("disable", within=10.5)
    pf.wait_for_vfs("disable", within=25)
    assert not relay.events(level="ERROR")


def test_a_firmware_that_refuses_after_seconds_is_logged_once_and_set_at_last(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=1, driver=BE2NET)
    relay = start(lab, pf)
    pf.driver.begin("firmware refuses")
    lose(relay, pf, within=12)
    relay.wait_for(FAILED, error="Input/output error", within=6)
    lab.sleep(30)
    assert len(relay.events(FAILED)) == 1
    pf.driver.end("firmware refuses")
    relay.wait_for(SET, id=0, state="disable", within=15)


def test_liquidio_that_is_interrupted_is_asked_again(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", driver=LIQUIDIO)
    relay = start(lab, pf)
    pf.driver.begin("interrupted")
    lose(relay, pf, within=8)
    pf.wait_for_vfs("disable", within=2)
    assert not relay.events(level="ERROR")


def test_sfc_whose_firmware_is_silent_for_a_while_is_set_afterwards(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", driver=SFC)
    relay = start(lab, pf)
    pf.driver.begin("firmware silent")
    lose(relay, pf, within=20)
    lab.sleep(20)
    pf.driver.end("firmware silent")
    pf.wait_for_vfs("disable", within=12)


# hinic


def test_hinics_new_vfs_are_born_in_disable_and_go_to_auto(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", driver=HINIC)
    assert pf.vf_states() == ["disable"] * 4
    relay = start(lab, pf)
    pf.wait_for_vfs("auto", within=1)
    pf.set_vfs(6)
    pf.wait_for_vfs(["auto"] * 6, within=NOTICED_S)
    assert not relay.events(level="ERROR")


def test_hinic_whose_mailbox_fails_is_found_out_and_set_when_it_works(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=1, driver=HINIC)
    relay = start(lab, pf)
    pf.wait_for_vfs("auto", within=1)
    pf.driver.begin("mailbox fails")
    lose(relay, pf)
    error = "the driver took disable without an error, and the VF still is auto"
    relay.wait_for(FAILED, error=error, within=2)
    pf.driver.end("mailbox fails")
    pf.wait_for_vfs("disable", within=1.1)


# What the commands say


@pytest.mark.systemd
def test_check_and_status_know_the_driver_and_a_user_without_rights_all_but_the_mode(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", driver=MLX5)
    pf.driver.set(firmware="22.41.1000")
    pf.driver.set_mode("switchdev")
    lab.configure(["ens5f0"])
    said = " ".join(lab.call("check", interfaces=["ens5f0"]).stdout.split())
    assert "driver mlx5_core, firmware 22.41.1000, eswitch mode switchdev: in this mode it sets no" in said
    pf.driver.set_mode("legacy")
    (row,) = json.loads(lab.call("status", "--json", interfaces=["ens5f0"]).stdout)["interfaces"]
    assert (row["driver"]["name"], row["driver"]["firmware"]) == ("mlx5_core", "22.41.1000")
    assert row["driver"]["mode"] == "legacy"
    (row,) = json.loads(lab.call("status", "--json", uid=65534).stdout)["interfaces"]
    assert (row["driver"]["name"], row["driver"]["mode"]) == ("mlx5_core", "")


def test_status_does_not_explain_a_reset_by_too_many_vfs(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", driver=ICE)
    pf.driver.begin("VFs disabled")
    said = " ".join(lab.call("status", interfaces=["ens5f0"]).stdout.split())
    assert "the driver leaves 4 of its 4 VFs out of the list, as in a reset" in said
    assert "334" not in said


def test_metrics_tell_refusals_by_kind_and_how_long_vfs_take(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", driver=I40E)
    other = lab.pf_with_lacp("ens5f1", driver=IGB)
    relay = start(lab, pf, other, text=f'metrics_textfile = "{METRICS}"\n')
    pf.driver.begin("operation pending")
    lose(relay, pf, other)
    pf.wait_for_vfs("disable", within=ANNOUNCED_S)
    pf.cable.unblock_lacp("to_host")
    pf.wait_for_vfs("auto")
    lab.sleep(16)
    told = {pf.name: of_interface(METRICS.read_text(), pf.name) for pf in (pf, other)}
    assert told["ens5f0"]['vf_refusals_total{kind="for_now"}'] == 3
    assert told["ens5f1"]['vf_refusals_total{kind="for_good"}'] >= 4
    assert 0.24 <= told["ens5f0"]["vf_write_seconds_sum"] < 0.3, "four times 60 ms"
    assert told["ens5f0"]["vf_list_seconds_count"] > 10
