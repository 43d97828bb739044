"""`pf-status-relay status`: the state of the PFs, as the kernel has it."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.lab.kit.lab import Lab

NOBODY = 65534
STATE = Path("/run/pf-status-relay/state.json")


def displayed(lab: Lab, *interfaces: str) -> tuple[int, list[list[str]], str]:
    """Return the exit status, the cells of each PF's line, and what is said to be wrong."""
    done = lab.call("status", interfaces=interfaces)
    assert done.stderr == ""
    table, _, problems = done.stdout.partition("\n\n")
    return done.returncode, cells(table), problems


def cells(table: str) -> list[list[str]]:
    """Return the cells of a table whose columns are as wide as its widest cells."""
    header, *rows = table.splitlines()
    begins = [at for at in range(len(header)) if header[at] != " " and (at == 0 or header[at - 1] == " ")]
    ends = [*begins[1:], None]
    return [[row[begin:end].strip() for begin, end in zip(begins, ends)] for row in rows]


def document(lab: Lab, interfaces: Sequence[str]) -> dict[str, Any]:
    """Return what `status --json` prints."""
    found = json.loads(lab.call("status", "--json", interfaces=interfaces).stdout)
    assert isinstance(found, dict)
    return found


def test_healthy_pfs_are_a_line_each_and_status_0(lab: Lab) -> None:
    lab.pf_with_lacp("ens5f0", vfs=4)
    lab.pf_with_lacp("enp94s0f1np1", vfs=2)
    status, rows, problems = displayed(lab, "ens5f0", "enp94s0f1np1")
    assert rows == [
        ["ens5f0", "up", "bond0", "up", "-", "ATASCD", "ATASCD", "fast", "4 auto"],
        ["enp94s0f1np1", "up", "bond1", "up", "-", "ATASCD", "ATASCD", "fast", "2 auto"],
    ]
    assert problems.startswith("service: does not run")
    assert status == 0


def test_a_dead_switch_is_shown_as_expired_and_then_as_defaulted(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=2)
    pf.cable.block_lacp()
    lab.wait_until(lambda: pf.port_state() == (143, 55), within=6, what="the port expired")
    status, rows, problems = displayed(lab, "ens5f0")
    assert rows == [
        ["ens5f0", "up", "bond0", "down", "-", "ATAS-- expired", "ATA-CD", "fast", "2 auto"],
    ]
    assert "ens5f0: LACP is down: LACPDUs have stopped\n    check that " in problems
    assert "ens5f0: LACP is down and 2 of 2 VFs in auto\n    if it stays so: journalctl" in problems
    assert status == 1

    lab.wait_until(lambda: pf.port_state() == (79, 0), within=6, what="the port defaulted")
    pf.set_vf_state(0, "disable")
    status, rows, problems = displayed(lab, "ens5f0")
    assert rows[0][5:] == ["ATAS-- defaulted", "------", "fast", "1 auto, 1 disable"]
    assert "ens5f0: LACP is down: LACPDUs have stopped\n    check that " in problems
    assert "1 of 2 VFs in auto" in problems
    assert status == 1


def test_a_pulled_cable_is_down_though_the_port_state_says_up(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=1)
    pf.cable.pull()
    lab.wait_until(lambda: not pf.carrier(), within=1, what="no carrier")
    assert pf.port_state() == (63, 63)
    status, rows, problems = displayed(lab, "ens5f0")
    assert rows[0][1:5] == ["down", "bond0", "down", "-"]
    assert "ens5f0: LACP is down: no carrier\n" in problems
    assert status == 1


def test_what_is_not_ready_says_why_and_is_worse_than_down(lab: Lab) -> None:
    down = lab.pf_with_lacp("ens5f0", vfs=1)
    down.cable.block_lacp()
    bridged, crowded, second, wrong = (lab.pf(f"ens6f{number}", vfs=1) for number in range(4))
    lab.bridge("br0").add(bridged)
    lab.bond("bond7").add(crowded, second)
    lab.bond("bond8", mode="active-backup").add(wrong)
    alone = lab.pf("ens7f0", vfs=0)
    names = ["ens5f0", "ens6f0", "ens6f1", "ens6f3", "ens7f0", "ens9f9"]
    lab.wait_until(lambda: down.port_state() != (63, 63), within=6, what="LACP down")
    status, rows, problems = displayed(lab, *names)
    assert [[row[0], *row[2:4]] for row in rows] == [
        ["ens5f0", "bond0", "down"],
        ["ens6f0", "br0", "not ready"],
        ["ens6f1", "bond7", "not ready"],
        ["ens6f3", "bond8", "not ready"],
        ["ens7f0", "-", "not ready"],
        ["ens9f9", "-", "absent"],
    ]
    carriers = [pf.carrier() for pf in (down, bridged, crowded, wrong, alone)]
    assert [row[1] for row in rows] == [*("up" if carrier else "down" for carrier in carriers), "-"]
    for problem in (
        "ens6f0: master interface br0 is not a bond (bridge)",
        "ens6f1: bond bond7 has 2 ports instead of one; multi_port_bonds allows it",
        "ens6f3: bond bond8 does not have mode 802.3ad",
        "ens7f0: link has no master interface",
        "ens7f0: has no VFs",
        "ens9f9: no interface has this name",
    ):
        assert f"{problem}\n    " in problems, "and what to do"
    assert status == 2


def test_the_slow_rate_is_said_and_no_reason_for_another_status(lab: Lab) -> None:
    lab.pf_with_lacp("ens5f0", vfs=1, lacp_rate="slow")
    status, rows, problems = displayed(lab, "ens5f0")
    assert rows[0][5:8] == ["A-ASCD", "ATASCD", "slow"]
    assert "ens5f0: bond bond0 is on the slow LACP rate" in problems
    assert status == 0


def test_vfs_that_are_left_alone_are_said(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=2)
    pf.set_vf_state(0, "enable")
    _, rows, problems = displayed(lab, "ens5f0")
    assert rows[0][-1] == "1 auto, 1 enable"
    assert "ens5f0" not in problems
    pf.set_vf_state(1, "enable")
    _, rows, problems = displayed(lab, "ens5f0")
    assert rows[0][-1] == "2 enable"
    assert "ens5f0: all VFs are in link state enable and left alone" in problems


def test_a_vf_left_disabled_with_lacp_up_is_said(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=2)
    pf.set_vf_state(1, "disable")
    status, _, problems = displayed(lab, "ens5f0")
    assert "ens5f0: LACP is up and 1 of 2 VFs in disable\n" in problems
    assert status == 0


def test_an_interface_configured_by_two_of_its_names_is_shown_under_the_first(lab: Lab) -> None:
    lab.pf_with_lacp("ens5f0", vfs=1).add_altname("enp94s0f0")
    status, rows, problems = displayed(lab, "enp94s0f0", "ens5f0")
    assert [row[:4] for row in rows] == [["enp94s0f0", "up", "bond0", "up"], ["ens5f0", "-", "-", "absent"]]
    assert "ens5f0: is the same interface as enp94s0f0\n    configure it by one of its names" in problems
    assert status == 2


def test_all_of_700_vfs_are_counted(lab: Lab) -> None:
    lab.pf_with_lacp("ens5f0", vfs=700)
    assert displayed(lab, "ens5f0")[1][0][-1] == "700 auto"


def test_json_is_one_document_that_says_the_same(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=2)
    pf.cable.block_lacp()
    lab.wait_until(lambda: pf.port_state() == (79, 0), within=12, what="the port defaulted")
    found = document(lab, ["ens5f0", "ens5f1"])
    assert found["condition"] == "not ready"
    assert found["service"] is None
    assert found["interfaces"] == [
        {
            "interface": "ens5f0",
            "condition": "down",
            "standing": "ready",
            "since": None,
            "cause": "LACPDUs have stopped",
            "delay_ms": None,
            "kept_open": False,
            "bfd": [],
            "driver": {
                "name": "netdevsim",
                "firmware": "10.20.30",
                "mode": "legacy",
                "known": "driver netdevsim, firmware 10.20.30, eswitch mode legacy: "
                "is a simulation, not a NIC",
            },
            "carrier": True,
            "master": {"name": "bond0", "kind": "bond"},
            "actor": {
                "octet": 79,
                "letters": "ATAS-- defaulted",
                "bits": ["activity", "timeout", "aggregation", "synchronization", "defaulted"],
            },
            "partner": {"octet": 0, "letters": "------", "bits": []},
            "lacp_rate": "fast",
            "drains": [],
            "vfs": {"auto": 2, "enable": 0, "disable": 0, "not_listed": 0},
        },
        {
            "interface": "ens5f1",
            "condition": "not ready",
            "standing": "absent",
            "since": None,
            "cause": None,
            "delay_ms": None,
            "kept_open": False,
            "bfd": [],
            "driver": None,
            "carrier": None,
            "master": None,
            "actor": None,
            "partner": None,
            "lacp_rate": None,
            "drains": [],
            "vfs": None,
        },
    ]
    assert {line["subject"] for line in found["problems"]} == {"ens5f0", "ens5f1", "service"}
    assert all(line["fix"] for line in found["problems"])


@pytest.mark.systemd
def test_the_service_says_since_when_to_an_unprivileged_user(lab: Lab) -> None:
    first, second = lab.pf_with_lacp("ens5f0", vfs=2), lab.pf_with_lacp("ens5f1", vfs=2)
    lab.configure(["ens5f0", "ens5f1"])
    lab.systemctl("start", "pf-status-relay")
    before = json.loads(STATE.read_text())
    assert before["pid"] == int(lab.show("MainPID"))
    lab.sleep(10)
    second.cable.block_lacp()
    second.wait_for_vfs(["disable"] * 2)
    lab.sleep(5)

    done = lab.call("status", "--json", uid=NOBODY)
    assert done.returncode == 1, done.stderr
    found = json.loads(done.stdout)
    assert found["service"] == {"pid": before["pid"]}
    up, down = found["interfaces"]
    assert up["since"] == before["interfaces"]["ens5f0"]["since"]
    assert down["since"] > up["since"]
    assert down["vfs"]["disable"] == 2
    assert [line["subject"] for line in found["problems"]] == ["ens5f1"]

    done = lab.call("status", uid=NOBODY)
    rows = cells(done.stdout.partition("\n\n")[0])
    assert rows[1][3] == "down"
    assert rows[1][4].startswith("2030-01-01 00:0")
    assert "service" not in done.stdout
    assert first.vf_states() == ["auto"] * 2


@pytest.mark.systemd
def test_what_a_service_that_has_ended_said_is_gone_and_not_believed(lab: Lab) -> None:
    lab.pf_with_lacp("ens5f0", vfs=1)
    lab.configure(["ens5f0"])
    lab.systemctl("start", "pf-status-relay")
    left = STATE.read_text()
    assert oct(STATE.stat().st_mode) == "0o100644"
    lab.systemctl("stop", "pf-status-relay")
    assert not STATE.exists()

    STATE.parent.mkdir()
    STATE.write_text(left)
    found = json.loads(lab.call("status", "--json", uid=NOBODY).stdout)
    assert found["service"] is None
    assert found["interfaces"][0]["since"] is None


@pytest.mark.systemd
def test_a_state_file_that_cannot_be_written_does_not_disturb_the_relaying(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=2)
    lab.configure(["ens5f0"])
    lab.systemctl("start", "pf-status-relay")
    STATE.unlink()
    STATE.with_suffix(".new").mkdir()
    pf.cable.block_lacp("to_host")
    pf.wait_for_vfs(["disable"] * 2)
    lab.sleep(3)
    assert lab.show("NRestarts") == "0"
    assert not STATE.exists()

    os.rmdir(STATE.with_suffix(".new"))
    lab.wait_until(STATE.exists, within=2, what="the file")
    assert json.loads(STATE.read_text())["interfaces"]["ens5f0"]["lacp"] == "down"
