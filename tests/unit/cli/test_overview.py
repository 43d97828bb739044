"""How the PFs are shown: a line each, what is wrong, and the same as JSON."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from pf_status_relay.cli.overview import Condition, as_json, overview
from pf_status_relay.cli.status_table import text
from pf_status_relay.cli.terminal import Terminal
from pf_status_relay.core.causes import Cause
from pf_status_relay.core.drain import Drain
from pf_status_relay.core.facts import Absent, BondPort, Facts, PhysicalFunction, Unreadable
from pf_status_relay.core.lacp import PortState
from pf_status_relay.kernel.driver import Driver
from pf_status_relay.service.state_file import InterfaceState, ServiceState
from tests.support.facts import AUTO, DISABLE, ENABLE, GOOD, numbered, port

UP = replace(GOOD, vfs=numbered([AUTO, AUTO]))
DOWN = replace(GOOD, ifindex=6, port=port(0x4F, 0), vfs=numbered([DISABLE, DISABLE]))
LONE = replace(GOOD, ifindex=8, master=None, port=None)
GONE = Absent("Link not found")


class Tty(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """Return True."""
        return True

    def fileno(self) -> int:
        """Fail, so that the terminal has no size."""
        raise OSError


def service(**interfaces: InterfaceState) -> ServiceState:
    return ServiceState(812, interfaces)


@pytest.fixture
def _berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "CET-1")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("_berlin")
def test_there_is_an_aligned_line_for_each_pf_and_then_what_is_wrong() -> None:
    facts: dict[str, Facts] = {"ens5f0": UP, "enp94s0f1": DOWN, "ens6f0": LONE, "ens7f0": GONE}
    told = service(
        ens5f0=InterfaceState("ready", "up", "2030-01-01T10:00:03Z"),
        ens7f0=InterfaceState("absent", None, "2030-01-01T23:30:00Z"),
    )
    displayed = text(overview(facts, told), Terminal(io.StringIO(), {}))
    assert displayed == (
        "PF         LINK  BOND   LACP       SINCE                ACTOR             PARTNER  RATE  VFS\n"
        "ens5f0     up    bond0  up         2030-01-01 11:00:03  ATASCD            ATASCD   fast  2 auto\n"
        "enp94s0f1  up    bond0  down       -                    ATAS-- defaulted  ------   fast  2 disable\n"
        "ens6f0     up    -      not ready  -                    -                 -        -     "
        "1 auto, 1 disable\n"
        "ens7f0     -     -      absent     2030-01-02 00:30:00  -                 -        -     -\n"
        "\n"
        "enp94s0f1: LACP is down: LACPDUs have stopped\n"
        "    check that the switch is alive, and still runs LACP on this port\n"
        "ens6f0: link has no master interface\n"
        "    make it the only port of a bond with mode=802.3ad, lacp_rate=fast, miimon=100\n"
        "ens6f0: 1 of 2 VFs in disable, and nothing sets them back\n"
        "    if the PF will not return to its bond: pf-status-relay restore ens6f0\n"
        "ens7f0: no interface has this name\n"
        "    correct the configuration, or plug in the NIC; the service picks it up when it appears\n"
    )


def test_all_is_well_without_a_word() -> None:
    displayed = text(overview({"ens5f0": UP}, service()), Terminal(io.StringIO(), {}))
    assert len(displayed.splitlines()) == 2


@pytest.mark.parametrize(
    ("facts", "condition"),
    [
        ([UP], Condition.UP),
        ([UP, DOWN], Condition.DOWN),
        ([replace(UP, carrier=False)], Condition.DOWN),
        ([LONE, UP], Condition.NOT_READY),
        ([GONE, DOWN], Condition.NOT_READY),
        ([Unreadable("x")], Condition.NOT_READY),
    ],
)
def test_the_condition_is_the_worst_of_all(facts: list[Facts], condition: Condition) -> None:
    found = overview({f"ens{number}": each for number, each in enumerate(facts)}, None)
    assert found.condition is condition


@pytest.mark.parametrize(
    ("facts", "told", "believed"),
    [
        (UP, ("ready", "up"), True),
        (UP, ("ready", "down"), False),
        (UP, ("not ready", None), False),
        (DOWN, ("ready", "down"), True),
        (LONE, ("not ready", None), True),
        (LONE, ("ready", None), False),
        (GONE, ("absent", None), True),
    ],
)
def test_the_service_is_believed_where_it_says_what_the_kernel_says(
    facts: Facts, told: tuple[str, str | None], believed: bool
) -> None:
    (row,) = overview({"a": facts}, service(a=InterfaceState(*told, "2030-01-01T10:00:03Z"))).rows
    assert row.since == ("2030-01-01T10:00:03Z" if believed else "")


def test_what_only_the_service_can_know_is_taken_from_it() -> None:
    """Follow early detection: it counts a port as down that reads as up, and its VFs are then right."""
    disabled = replace(UP, vfs=numbered([DISABLE, DISABLE]))
    told = service(a=InterfaceState("ready", "down", "2030-01-01T10:00:03Z", "early detection"))
    found = overview({"a": disabled}, told)
    (row,) = found.rows
    assert (row.condition, row.cause, row.since) == (
        Condition.DOWN,
        Cause.EARLY_DETECTION,
        "2030-01-01T10:00:03Z",
    )
    assert [line.found for line in found.problems] == ["LACP is down: early detection"]
    assert json.loads(as_json(found))["interfaces"][0]["cause"] == "early detection"


def test_a_cause_of_the_service_that_the_kernel_contradicts_is_not_taken() -> None:
    told = service(a=InterfaceState("ready", "down", "2030-01-01T10:00:03Z", "no carrier"))
    assert overview({"a": UP}, told).condition is Condition.UP
    (row,) = overview({"a": DOWN}, told).rows
    assert row.cause is Cause.SILENT


@pytest.mark.parametrize(
    ("pf", "problem"),
    [
        (replace(UP, vfs=numbered([AUTO, DISABLE])), "LACP is up and 1 of 2 VFs in disable"),
        (replace(DOWN, vfs=numbered([AUTO, DISABLE])), "LACP is down and 1 of 2 VFs in auto"),
        (replace(DOWN, vfs=numbered([ENABLE, DISABLE])), ""),
        (UP, ""),
    ],
)
def test_vfs_that_do_not_follow_lacp_are_a_problem(pf: PhysicalFunction, problem: str) -> None:
    problems = [line.found for line in overview({"a": pf}, service()).problems]
    assert [each for each in problems if "VFs in" in each] == [problem] * bool(problem)


def test_vfs_that_are_counted_and_not_listed_are_shown() -> None:
    displayed = text(overview({"a": replace(UP, vf_count=5)}, service()), Terminal(io.StringIO(), {}))
    assert "2 auto, 3 not listed\n" in displayed


def test_without_a_service_that_is_a_problem_but_not_of_a_pf() -> None:
    found = overview({"a": UP}, None)
    assert [line.subject for line in found.problems] == ["service"]
    assert found.condition is Condition.UP


def test_colours_move_nothing() -> None:
    found = overview({"ens5f0": UP, "ens6f0": LONE}, service())
    coloured = text(found, Terminal(Tty(), {"TERM": "xterm"}))
    assert "\x1b[32mup       \x1b[0m" in coloured
    plain = text(found, Terminal(Tty(), {"TERM": "xterm", "NO_COLOR": "1"}))
    for code in ("\x1b[32m", "\x1b[33m", "\x1b[0m"):
        coloured = coloured.replace(code, "")
    assert coloured == plain


@pytest.mark.parametrize("since", ["", "yesterday", "\x1b[2J"])
def test_a_time_that_is_none_is_not_shown(since: str) -> None:
    found = overview({"a": UP}, service(a=InterfaceState("ready", "up", since)))
    assert "\x1b" not in text(found, Terminal(io.StringIO(), {}))


def test_a_name_moves_no_cursor() -> None:
    assert "\x1b" not in text(overview({"a\x1b[2J": GONE}, None), Terminal(io.StringIO(), {}))


def test_a_program_reads_one_document() -> None:
    told = service(ens5f0=InterfaceState("ready", "up", "2030-01-01T10:00:03Z"))
    slow = replace(UP, port=BondPort(PortState(61), PortState(63)))
    driver = Driver("i40e", "9.20 0x8000d8c5", "")
    document = json.loads(as_json(overview({"ens5f0": slow}, told, drivers={"ens5f0": driver})))
    assert document == {
        "condition": "up",
        "service": {"pid": 812},
        "interfaces": [
            {
                "interface": "ens5f0",
                "condition": "up",
                "standing": "ready",
                "since": "2030-01-01T10:00:03Z",
                "cause": None,
                "delay_ms": None,
                "kept_open": False,
                "bfd": [],
                "driver": {
                    "name": "i40e",
                    "firmware": "9.20 0x8000d8c5",
                    "mode": "",
                    "known": "driver i40e, firmware 9.20 0x8000d8c5: "
                    "resets a VF that it sets to auto, which takes 0.06 to 0.26 s",
                },
                "carrier": True,
                "master": {"name": "bond0", "kind": "bond"},
                "actor": {
                    "octet": 61,
                    "letters": "A-ASCD",
                    "bits": ["activity", "aggregation", "synchronization", "collecting", "distributing"],
                },
                "partner": {
                    "octet": 63,
                    "letters": "ATASCD",
                    "bits": [
                        "activity",
                        "timeout",
                        "aggregation",
                        "synchronization",
                        "collecting",
                        "distributing",
                    ],
                },
                "lacp_rate": "slow",
                "drains": [],
                "vfs": {"auto": 2, "enable": 0, "disable": 0, "not_listed": 0},
            }
        ],
        "problems": [],
    }


def test_a_delay_that_flapping_has_made_longer_is_said() -> None:
    told = service(a=InterfaceState("ready", "up", "2030-01-01T10:00:03Z", delay_ms=20_000))
    found = overview({"a": UP}, told)
    assert [line.found for line in found.problems] == [
        "LACP flaps: VFs stay disabled until LACP has been up for 20 s"
    ]
    assert json.loads(as_json(found))["interfaces"][0]["delay_ms"] == 20_000


def test_a_drain_is_said_with_its_owner_time_and_reason() -> None:
    drained = replace(GOOD, vfs=numbered([DISABLE, ENABLE]))
    alice = Drain("ens5f0", "alice", "firmware", "2030-01-01T10:00:00Z", "2030-01-01T12:00:00Z")
    found = overview(
        {"ens5f0": drained, "ens5f1": UP}, service(), drains={"ens5f0": (alice, Drain("ens5f0", "bob"))}
    )
    assert found.condition is Condition.UP
    displayed = text(found, Terminal(io.StringIO(), {}))
    assert "  up, drained  " in displayed.splitlines()[1]
    assert displayed.partition("\n\n")[2] == (
        "ens5f0: is drained by alice since 2030-01-01T10:00:00Z until 2030-01-01T12:00:00Z: firmware; "
        "1 of 2 VFs in enable, which are not drained\n"
        "    when the work is done: pf-status-relay undrain ens5f0 --owner alice\n"
        "ens5f0: is drained by bob; 1 of 2 VFs in enable, which are not drained\n"
        "    when the work is done: pf-status-relay undrain ens5f0 --owner bob\n"
    )
    assert json.loads(as_json(found))["interfaces"][0]["drains"] == [
        {
            "owner": "alice",
            "reason": "firmware",
            "since": "2030-01-01T10:00:00Z",
            "until": "2030-01-01T12:00:00Z",
        },
        {"owner": "bob", "reason": "", "since": None, "until": None},
    ]


def test_vfs_that_do_not_follow_a_drain_are_said() -> None:
    found = overview({"ens5f0": UP}, service(), drains={"ens5f0": (Drain("ens5f0", "bob"),)})
    assert [line.found for line in found.problems] == [
        "it is drained and 2 of 2 VFs in auto",
        "is drained by bob",
    ]


def test_a_pf_that_is_kept_open_is_said() -> None:
    kept = InterfaceState("ready", "down", "2030-01-01T10:00:03Z", kept_open=True, group=("a", "b"))
    down = replace(UP, port=port(143, 55))
    found = overview({"a": down, "b": replace(UP, carrier=False)}, service(a=kept))
    displayed = text(found, Terminal(io.StringIO(), {}))
    assert "  down, kept open  " in displayed.splitlines()[1]
    assert (
        "a: is kept open, though LACP is down: no other PF of its redundancy group is open\n"
        "    bring LACP up on a PF of the group that is not drained\n"
    ) in displayed
    assert [each["kept_open"] for each in json.loads(as_json(found))["interfaces"]] == [True, False]
    assert "a: LACP is down and 2 of 2 VFs in auto" not in displayed
    assert "b: LACP is down and 2 of 2 VFs in auto" in displayed


def test_a_drain_that_is_suspended_is_said() -> None:
    kept = InterfaceState("ready", "up", "2030-01-01T10:00:03Z", kept_open=True, group=("a", "b"))
    found = overview({"a": UP}, service(a=kept), drains={"a": (Drain("a", "bob"),)})
    assert [line.found for line in found.problems] == [
        "is kept open, its drain is suspended: no other PF of its redundancy group is open",
        "is drained by bob",
    ]


def test_a_bfd_session_that_is_not_up_is_said_with_what_it_means() -> None:
    sessions = (("192.0.2.2", "timed out"), ("192.0.2.6", "up"), ("192.0.2.10", "not up yet"))
    told = service(a=InterfaceState("ready", "down", "2030-01-01T10:00:03Z", bfd=sessions))
    found = overview({"a": UP}, told)
    assert [line.found for line in found.rows[0].problems if "BFD" in line.found] == [
        "BFD session with 192.0.2.2: timed out; the PF counts as down until it is up again",
        "BFD session with 192.0.2.10: not up yet; LACP alone decides",
    ]
    assert json.loads(as_json(found))["interfaces"][0]["bfd"] == [
        {"peer": peer, "standing": standing} for peer, standing in sessions
    ]
