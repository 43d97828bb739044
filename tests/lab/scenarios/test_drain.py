"""Drains: a switch's maintenance from the operator's side, and what a pod notices of it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from pf_status_relay.core.events import DrainIgnored, LacpDown, LacpUp, PfDrained, PfUndrained
from tests.lab.kit.lab import Lab
from tests.lab.kit.maintenance import Pinging, cut_off, two_pfs
from tests.lab.kit.waiting import ANNOUNCED_S, POLL_S

FOLDER = Path("/run/pf-status-relay.drain.d")
NOBODY = 65534
MIIMON_S = 0.100


def drain(lab: Lab, *words: str) -> tuple[int, str]:
    """Run `drain`, and return its exit status and what it said."""
    done = lab.call("drain", *words)
    return done.returncode, done.stdout + done.stderr


def undrain(lab: Lab, *words: str) -> tuple[int, str]:
    """Run `undrain`, and return its exit status and what it said."""
    done = lab.call("undrain", *words)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.systemd
def test_a_switch_is_reloaded_behind_a_drain_and_the_pod_notices_nothing(lab: Lab) -> None:
    first, second = two_pfs(lab)
    pinging = Pinging(lab, first, second)
    drained = lab.now
    said = drain(lab, "ens5f0", "--reason", "switch A: firmware", "--for", "2h")
    assert said == (0, "ens5f0: drained, 2 VFs disabled\n")
    lab.sleep(1)
    assert lab.journal(event=LacpDown) == []
    reloaded = lab.now
    pinging.reload(first)
    assert first.in_state("disable")
    undrained = lab.now
    assert undrain(lab, "ens5f0") == (0, "ens5f0: no longer drained, 2 VFs in auto\n")
    lab.sleep(2)
    pings = pinging.stop()
    assert 0 < cut_off(pings, drained, reloaded) <= MIIMON_S + 0.020
    assert cut_off(pings, reloaded, undrained) == 0
    assert cut_off(pings, undrained, lab.now) == 0


@pytest.mark.systemd
def test_beside_it_the_same_reload_without_a_drain(lab: Lab) -> None:
    first, second = two_pfs(lab)
    pinging = Pinging(lab, first, second)
    reloaded = lab.now
    pinging.reload(first)
    lab.sleep(2)
    assert 2 < cut_off(pinging.stop(), reloaded, lab.now) < 4, "LACP takes its three seconds"


@pytest.mark.systemd
def test_a_maintenance_is_told_from_announcement_to_all_clear(lab: Lab) -> None:
    first, second = two_pfs(lab)
    second.set_vf_state(0, "enable")
    assert drain(lab, "ens5f1", "--reason", "switch B: firmware", "--owner", "noc") == (
        0,
        "ens5f1: drained, 1 VF disabled; 1 VF in enable not drained\n",
    )
    assert second.vf_states() == ["enable", "disable"]
    assert lab.show("StatusText") == "2 PFs: 2 up, 1 drained (ens5f1), 1 VF disabled"
    shown = lab.call("status", uid=NOBODY)
    assert shown.returncode == 0
    assert "ens5f1  up    bond1  up, drained" in shown.stdout
    assert "ens5f1: is drained by noc since 20" in shown.stdout
    assert "pf-status-relay undrain ens5f1 --owner noc" in shown.stdout
    assert "and 1 of 2 VFs in disable" not in shown.stdout
    (drained,) = lab.journal(event=PfDrained)
    assert (drained["PF_INTERFACE"], drained["DRAIN_OWNER"]) == ("ens5f1", "noc")
    assert drained["REASON"] == "switch B: firmware"

    assert undrain(lab, "ens5f1") == (
        1,
        "ens5f1: still drained by noc: switch B: firmware; --all removes these drains too\n",
    )
    assert undrain(lab, "ens5f1", "--all") == (0, "ens5f1: no longer drained, 1 VF in auto\n")
    assert undrain(lab, "ens5f1") == (0, "ens5f1: is not drained\n")
    assert second.vf_states() == ["enable", "auto"]
    assert len(lab.journal(event=PfUndrained)) == 1
    assert lab.journal(event=LacpDown) == []
    assert first.in_state("auto")


@pytest.mark.systemd
def test_a_drain_is_refused_where_it_would_cut_pods_off_or_do_nothing(lab: Lab) -> None:
    first, second = two_pfs(lab)
    status, said = drain(lab, "ens9f9", "--reason", "x")
    assert (status, "ens9f9 is not among the PFs that the service relays for: ens5f0, ens5f1" in said) == (
        2,
        True,
    )
    assert drain(lab, "ens5f0", "--reason", "x")[0] == 0
    status, said = drain(lab, "ens5f1", "--reason", "x")
    assert (
        status,
        "no other PF of the configuration (which may serve another network) has LACP up and is not drained"
        in said,
    ) == (3, True)
    assert second.in_state("auto")
    assert drain(lab, "ens5f1", "--reason", "x", "--force")[0] == 0
    assert undrain(lab, "ens5f1")[0] == 0

    lab.systemctl("stop", "pf-status-relay")
    status, said = drain(lab, "ens5f1", "--reason", "x")
    assert (status, "the service does not run" in said) == (69, True)
    assert drain(lab, "ens5f1", "--reason", "x", "--force")[0] == 1
    lab.systemctl("start", "pf-status-relay")
    second.wait_for_vfs("disable", within=ANNOUNCED_S)
    assert first.in_state("disable"), "the drain has outlived the service"


@pytest.mark.systemd
def test_drains_outlive_restarts_and_a_configuration_at_fault(lab: Lab) -> None:
    first, second = two_pfs(lab)
    assert drain(lab, "ens5f0", "--reason", "x")[0] == 0
    timeline = lab.record(first)
    since = lab.now
    for how in ("restart", "kill --signal=KILL", "reload"):
        lab.systemctl(*how.split(), "pf-status-relay")
        lab.sleep(3)
    lab.write_config("interfaces = []\n")
    lab.systemctl("reload", "pf-status-relay")
    lab.sleep(2)
    assert not timeline.moments(first, lambda sample: "auto" in sample.vf_states, since=since)
    assert undrain(lab, "ens5f0")[0] == 0
    assert first.in_state("auto")
    assert second.in_state("auto")


@pytest.mark.systemd
def test_files_written_by_hand_count_as_long_as_they_are_there(lab: Lab) -> None:
    first, _ = two_pfs(lab)
    first.add_altname("enp94s0f0")
    FOLDER.mkdir(exist_ok=True)
    alice, bob = FOLDER / "ens5f0@alice.toml", FOLDER / "enp94s0f0@bob.toml"
    alice.write_text("")
    first.wait_for_vfs("disable", within=POLL_S)
    bob.write_text('reason = "cabling"\n')
    alice.unlink()
    lab.sleep(3)
    assert first.in_state("disable"), "the union counts"
    subprocess.run(["date", "--set", "+1 hour"], check=True, stdout=subprocess.DEVNULL)
    now = subprocess.run(
        ["date", "--utc", "--date", "+20 seconds", "+%FT%TZ"], capture_output=True, text=True, check=True
    )
    bob.write_text(f"until = {now.stdout}")
    begun = lab.now
    first.wait_for_vfs("auto", within=21)
    assert 18 < lab.now - begun <= 20.2

    bob.write_text("until = tomorrow\n")
    lab.sleep(3)
    assert first.in_state("auto")
    (ignored,) = lab.journal(event=DrainIgnored)
    assert ignored["ERROR"].startswith(f"{bob}: is not valid TOML")
    shown = lab.call("status", interfaces=["ens5f0", "ens5f1"]).stdout
    assert f"drains: {bob}: is not valid TOML" in shown


@pytest.mark.systemd
def test_a_switch_that_dies_during_its_drain_is_logged_and_undraining_waits_for_lacp(lab: Lab) -> None:
    first, _ = two_pfs(lab)
    assert drain(lab, "ens5f0", "--reason", "x")[0] == 0
    first.cable.block_lacp()
    lab.wait_until(lambda: lab.journal(event=LacpDown), within=6, what="lacp is down", poll=0.25)
    status, said = undrain(lab, "ens5f0")
    assert (status, "LACP is not up" in said) == (0, True)
    lab.sleep(2)
    assert first.in_state("disable")
    first.cable.unblock_lacp()
    first.wait_for_vfs("auto")
    assert len(lab.journal(event=LacpUp, PF_INTERFACE="ens5f0")) == 2


@pytest.mark.systemd
def test_only_root_can_drain(lab: Lab) -> None:
    first, _ = two_pfs(lab)
    done = lab.call("drain", "ens5f0", "--reason", "x", uid=NOBODY)
    assert (done.returncode, done.stderr) == (77, f"pf-status-relay: {FOLDER}: only root can write there\n")
    assert first.in_state("auto")
