"""`pf-status-relay check`: what is missing before the service can do its job."""

from __future__ import annotations

import errno
import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.lab.kit.commands import ip, run
from tests.lab.kit.lab import Lab
from tests.lab.kit.program import command
from tests.lab.kit.waiting import wait_until

NOBODY = 65534
DROP_IN = Path("/etc/systemd/system/pf-status-relay.service.d/check.conf")


def judged(done: subprocess.CompletedProcess[str]) -> dict[str, list[str]]:
    """Return what `check` found, by verdict; what to do about it is left out."""
    assert done.stderr == ""
    found: dict[str, list[str]] = {"passed": [], "warning": [], "failed": []}
    for line in done.stdout.splitlines():
        verdict, _, rest = line.partition(" ")
        if verdict:
            found[verdict].append(rest.strip())
    return found


def fixes(done: subprocess.CompletedProcess[str]) -> int:
    """Return how many lines say what to do."""
    return sum(line.startswith("  ") for line in done.stdout.splitlines())


def test_all_that_is_right_passes(lab: Lab) -> None:
    lab.pf_with_lacp("ens5f0", vfs=4)
    done = lab.call("check", "--probe", "ens5f0:3", interfaces=["ens5f0"])
    assert judged(done) == {
        "passed": [
            "configuration: is valid and means ens5f0",
            "ens5f0: exists",
            "ens5f0: is an SR-IOV PF",
            "ens5f0: driver netdevsim, firmware 10.20.30, eswitch mode legacy: is a simulation, not a NIC",
            "ens5f0: has 4 VFs",
            "ens5f0: no VF is in link state enable",
            "ens5f0: the driver sets VF link states",
            "ens5f0: is the only port of bond bond0 in mode 802.3ad",
            "ens5f0: bond bond0 is on the fast LACP rate",
            "ens5f0: bond bond0 looks at the carrier every 100 ms",
            "ens5f0: has carrier",
            "ens5f0: LACP is up",
            "host: CAP_NET_ADMIN: this process has it",
            "other relays: none runs",
        ],
        "warning": [],
        "failed": [],
    }
    assert done.returncode == 0


def test_what_will_pass_by_itself_or_could_be_better_is_a_warning(lab: Lab) -> None:
    down = lab.pf_with_lacp("ens5f0", vfs=1)
    down.cable.block_lacp()
    unplugged = lab.pf_with_lacp("ens5f1", vfs=1)
    unplugged.cable.pull()
    lab.pf_with_lacp("ens5f2", vfs=0, lacp_rate="slow")
    lab.wait_until(lambda: down.port_state() == (79, 0), within=12, what="the port defaulted")
    ip("link set dev bond1 type bond miimon 0")
    done = lab.call("check", interfaces=["ens5f0", "ens5f1", "ens5f2"])
    assert judged(done)["warning"] == [
        "ens5f0: LACP is down: LACPDUs have stopped",
        "ens5f1: bond bond1 has no miimon: it does not notice when the carrier goes or comes",
        "ens5f1: LACP is down: no carrier",
        "ens5f2: has no VFs",
        "ens5f2: bond bond2 is on the slow LACP rate: a dead switch is noticed after 90 s, not 3",
    ]
    assert judged(done)["failed"] == []
    assert fixes(done) == 5
    assert done.returncode == 0


def test_what_keeps_a_pf_from_being_relayed_for_fails(lab: Lab) -> None:
    bridged, crowded, second, wrong = (lab.pf(f"ens6f{number}", vfs=1) for number in range(4))
    lab.bridge("br0").add(bridged)
    lab.bond("bond7").add(crowded, second)
    lab.bond("bond8", mode="active-backup").add(wrong)
    enabled = lab.pf_with_lacp("ens5f0", vfs=2)
    for vf in range(2):
        enabled.set_vf_state(vf, "enable")
    ip("link add ens8f0 type dummy")
    names = ["ens6f0", "ens6f1", "ens6f3", "ens5f0", "ens8f0", "ens9f9"]
    done = lab.call("check", interfaces=names)
    assert judged(done)["failed"] == [
        "ens6f0: master interface br0 is not a bond (bridge)",
        "ens6f1: bond bond7 has 2 ports instead of one; multi_port_bonds allows it",
        "ens6f3: bond bond8 does not have mode 802.3ad",
        "ens5f0: all VFs are in link state enable and left alone",
        "ens8f0: is no SR-IOV PF",
        "ens8f0: link has no master interface",
        "ens9f9: no interface has this name",
    ]
    assert done.returncode == 2, "there is no PF to relay for"

    lab.pf_with_lacp("ens5f1", vfs=1)
    done = lab.call("check", interfaces=[*names, "ens5f1"])
    assert done.returncode == 1, "there is one"


def test_a_name_that_means_no_pf_is_answered_with_the_one_that_was_probably_meant(lab: Lab) -> None:
    lab.pf_with_lacp("ens7f0np0", vfs=1)
    lab.pf("eth4", vfs=1).add_altname("enp94s0f1np1")
    near = {
        "ens7f0": ("no interface has this name", "did you mean ens7f0np0? Correct the configuration"),
        "enp94s0f1": (
            "no interface has this name",
            "did you mean enp94s0f1np1 (an alternative name of eth4)? Correct the configuration",
        ),
        "bond0": ("is a bond, not a PF", "name its port ens7f0np0 in the configuration"),
    }
    for name, (found, fix) in near.items():
        done = lab.call("check", interfaces=[name])
        assert f"failed   {name}: {found}\n             {fix}\n" in done.stdout
        assert done.returncode == 2
        done = lab.call("status", interfaces=[name])
        assert f"{name}: {found}\n    {fix}\n" in done.stdout
        assert done.returncode == 2


@pytest.mark.parametrize("error", [errno.EOPNOTSUPP, errno.EIO])
def test_the_probe_finds_a_driver_that_sets_no_vf_and_changes_nothing(lab: Lab, error: int) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=3)
    pf.set_vf_state(1, "disable")
    for vf in range(3):
        assert lab.call("check", "--probe", f"ens5f0:{vf}", interfaces=["ens5f0"]).returncode == 0
    assert pf.vf_states() == ["auto", "disable", "auto"]

    pf.refuse_vf(error=error)
    assert lab.call("check", interfaces=["ens5f0"]).returncode == 0, "it was not asked"
    done = lab.call("check", "--probe", "ens5f0:1", interfaces=["ens5f0"])
    (failed,) = judged(done)["failed"]
    assert failed.startswith("ens5f0: the driver does not set VF link states: ")
    assert done.returncode == 2


def test_the_probe_writes_to_no_other_vf_than_the_one_it_is_given(lab: Lab) -> None:
    pf, other = lab.pf_with_lacp("ens5f0", vfs=3), lab.pf_with_lacp("ens5f1", vfs=3)
    pf.refuse_vf(0, 2)
    other.refuse_vf()
    names = ["ens5f0", "ens5f1"]
    done = lab.call("check", "--probe", "ens5f0:1", interfaces=names)
    assert "passed   ens5f0: the driver sets VF link states" in done.stdout
    assert done.returncode == 0, "those who would refuse were not asked"
    for named, error in {
        "ens5f0:3": "ens5f0 has no VF 3; its VFs: 0, 1, 2",
        "ens9f9:0": "ens9f9 is not configured; configured: ens5f0, ens5f1",
    }.items():
        done = lab.call("check", "--probe", named, interfaces=names)
        assert done.stderr == f"pf-status-relay: --probe: {error}\n"
        assert done.stdout == ""
        assert done.returncode == 2


def test_another_relay_on_the_same_network_fails_and_one_elsewhere_does_not(lab: Lab) -> None:
    lab.pf_with_lacp("ens5f0", vfs=1)
    relay = lab.relay(["ens5f0"])
    done = lab.call("check", interfaces=["ens5f0"])
    assert judged(done)["failed"] == [
        f"other relays: another pf-status-relay run (process {relay.pid}) runs, on the same network"
    ]
    assert done.returncode == 1, "the service can do its job, though not alone"
    relay.stop()

    imposter = Path("/tmp/pf-status-relay")
    imposter.symlink_to("/usr/bin/sleep")
    run("ip", "netns", "add", "pod")
    with running("ip", "netns", "exec", "pod", str(imposter), "1000"):
        assert judged(lab.call("check", interfaces=["ens5f0"]))["failed"] == []
    with running(str(imposter), "1000") as pid:
        assert judged(lab.call("check", interfaces=["ens5f0"]))["failed"] == [
            f"other relays: the program pf-status-relay (process {pid}) runs, on the same network"
        ]


@contextmanager
def running(*words: str) -> Iterator[int]:
    """Run a program of the name pf-status-relay; yield its process."""
    process = subprocess.Popen(words)
    comm = Path(f"/proc/{process.pid}/comm")
    wait_until(lambda: comm.read_text() == "pf-status-relay\n", within=2, what="the other program")
    try:
        yield process.pid
    finally:
        process.kill()
        process.wait()


def test_a_dry_run_and_other_commands_are_no_rivals(lab: Lab) -> None:
    lab.pf_with_lacp("ens5f0", vfs=1)
    lab.relay(["ens5f0"], arguments=["--dry-run"])
    with subprocess.Popen([*command("status", "--watch"), "--config", "/run/lab/relay-1.toml"]) as watching:
        lab.sleep(3)
        done = lab.call("check", interfaces=["ens5f0"])
        watching.terminate()
    assert watching.returncode == 0, "the status of its last look"
    assert "passed   other relays: none runs" in done.stdout


def test_a_bad_configuration_fails_with_a_line_for_each_fault(lab: Lab) -> None:
    lab.relay(config_text='interfaces = [""]\npolling_interval_ms = 5\n')
    done = lab.call("check", "--config", "/run/lab/relay-1.toml")
    failed = judged(done)["failed"]
    assert len(failed) == 2
    assert failed[0].startswith('configuration: /run/lab/relay-1.toml: interfaces[0] is ""; allowed: ')
    assert done.returncode == 2


def test_json_says_the_same(lab: Lab) -> None:
    lab.pf("ens5f0", vfs=1)
    done = lab.call("check", "--json", interfaces=["ens5f0"])
    found = json.loads(done.stdout)
    assert found["can_relay_for"] == "nothing"
    assert {
        "subject": "ens5f0",
        "verdict": "failed",
        "found": "link has no master interface",
        "fix": "make it the only port of a bond with mode=802.3ad, lacp_rate=fast, miimon=100",
    } in found["checks"]
    assert done.returncode == 2


@pytest.mark.systemd
def test_it_is_the_service_that_needs_the_capability_and_not_who_checks(lab: Lab) -> None:
    lab.pf_with_lacp("ens5f0", vfs=1)
    lab.configure(["ens5f0"])
    lab.systemctl("start", "pf-status-relay")
    done = lab.call("check")
    assert "passed   host: CAP_NET_ADMIN: the unit gives it to the service" in done.stdout
    assert "passed   other relays: none runs" in done.stdout, "the service is no rival of itself"
    assert done.returncode == 0, done.stdout

    done = lab.call("check", uid=NOBODY)
    assert judged(done)["warning"] == [  # the guest has no D-Bus, through which it could ask
        "host: CAP_NET_ADMIN: systemd does not say whether the unit gives it to the service"
    ]
    assert done.returncode == 0, done.stdout
    done = lab.call("check", "--probe", "ens5f0:0", uid=NOBODY)
    assert done.returncode == 77
    assert done.stderr == "pf-status-relay: --probe needs CAP_NET_ADMIN: run it as root\n"

    DROP_IN.parent.mkdir(parents=True)
    DROP_IN.write_text("[Service]\nAmbientCapabilities=\n")
    lab.systemctl("daemon-reload")
    done = lab.call("check")
    assert judged(done)["failed"] == ["host: CAP_NET_ADMIN: the unit does not give it to the service"]
    assert done.returncode == 2


@pytest.mark.systemd
def test_as_a_condition_of_the_unit_it_starts_the_service_when_all_is_right(lab: Lab) -> None:
    lab.configure(["ens5f0", "ens5f1"])
    DROP_IN.parent.mkdir(parents=True)
    DROP_IN.write_text("[Service]\nExecCondition=/usr/bin/pf-status-relay check\n")
    lab.systemctl("daemon-reload")
    lab.systemctl("start", "pf-status-relay", check=False)
    assert lab.show("ActiveState") == "inactive"

    lab.pf_with_lacp("ens5f0", vfs=1)
    lab.systemctl("start", "pf-status-relay", check=False)
    assert lab.show("ActiveState") == "inactive", "one PF is missing"
    DROP_IN.write_text("[Service]\nExecCondition=/usr/bin/pf-status-relay check\nSuccessExitStatus=1\n")
    lab.systemctl("daemon-reload")
    lab.systemctl("start", "pf-status-relay")
    assert lab.show("ActiveState") == "active", "and that is allowed now"
    passed = [str(entry["MESSAGE"]) for entry in lab.journal()]
    assert "passed   host: CAP_NET_ADMIN: the unit gives it to the service" in passed
