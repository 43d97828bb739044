"""NetworkManager's connections, and the fixes for devices that it manages."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import replace

import pytest

from pf_status_relay.cli import connections, diagnosis
from pf_status_relay.cli.overview import overview
from pf_status_relay.core.facts import Facts
from tests.support.facts import AUTO, FAST_BOND, GONE, GOOD, numbered

BOND, PORT = "0f8b2c1a-0000-4000-8000-0000000000b0", "0f8b2c1a-0000-4000-8000-0000000000f0"
LISTING = f"""bond0:connected:{BOND}
ens5f0:connected:{PORT}
ens6f0:connecting (prepare):{PORT}
ens7f0:disconnected:
ens8f0:unavailable:
eth0:connected (externally):0f8b2c1a-0000-4000-8000-0000000000e0
lo:unmanaged:
"""
MANAGED = {"bond0": BOND, "ens5f0": PORT, "ens6f0": PORT, "ens7f0": "", "ens8f0": ""}
SLOW = replace(GOOD, master=replace(FAST_BOND, lacp_fast=False))
BLIND = replace(GOOD, master=replace(FAST_BOND, miimon_ms=0))
PF_DOWN = replace(GOOD, up=False, carrier=False)
BOND_DOWN = replace(GOOD, master=replace(FAST_BOND, up=False), port=None)
LONE = replace(GOOD, master=None, vfs=numbered([AUTO, AUTO]))
TWO_PORTS = replace(GOOD, master=replace(FAST_BOND, port_count=2))


def test_managed_are_devices_that_are_neither_unmanaged_nor_set_up_by_others() -> None:
    assert connections.parse(LISTING) == MANAGED
    assert connections.parse("") == {}
    assert connections.parse("Warning: nmcli and NetworkManager versions do not match\n") == {}


def answer(monkeypatch: pytest.MonkeyPatch, result: Exception | str) -> list[dict[str, object]]:
    """Make nmcli print a text or fail; return a list that collects the keyword arguments of its calls."""
    calls: list[dict[str, object]] = []

    def run(command: tuple[str, ...], **words: object) -> subprocess.CompletedProcess[bytes]:
        assert command[0] == "nmcli"
        calls.append(words)
        if isinstance(result, Exception):
            raise result
        return subprocess.CompletedProcess(command, 0, result.encode(), b"")

    monkeypatch.setattr(subprocess, "run", run)
    return calls


@pytest.mark.parametrize("facts", [SLOW, BLIND, LONE, TWO_PORTS])
def test_network_manager_is_asked_in_its_own_words_and_not_for_long(
    monkeypatch: pytest.MonkeyPatch, facts: Facts
) -> None:
    calls = answer(monkeypatch, LISTING)
    assert connections.read([GONE, GOOD, facts]) == MANAGED
    ((call),) = calls
    environment = call["env"]
    assert isinstance(environment, dict)
    assert (environment["LC_ALL"], call["timeout"], call["check"]) == ("C", 3, True)


@pytest.mark.parametrize("facts", [[], [GONE], [GOOD], [PF_DOWN], [BOND_DOWN]])
def test_it_is_not_asked_while_it_can_set_nothing_right(
    monkeypatch: pytest.MonkeyPatch, facts: list[Facts]
) -> None:
    calls = answer(monkeypatch, LISTING)
    assert connections.read(facts) == {}
    assert calls == []


@pytest.mark.parametrize(
    "error",
    [
        FileNotFoundError(2, "No such file or directory"),
        subprocess.CalledProcessError(8, "nmcli"),
        subprocess.TimeoutExpired("nmcli", 3),
    ],
)
def test_where_it_does_not_answer_it_manages_nothing(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    answer(monkeypatch, error)
    assert connections.read([SLOW]) == {}


def fixes(facts: Facts, managed: Mapping[str, str]) -> list[str]:
    """Return the fixes for a PF, which are the same in `check` and `status`."""
    found = [line.fix for line in diagnosis.of_interface("ens5f0", facts, managed=managed) if line.fix]
    (row,) = overview({"ens5f0": facts}, None, managed=managed).rows
    assert found == [line.fix for line in row.problems if line.fix in found]
    return found


@pytest.mark.parametrize(
    ("facts", "by_hand", "by_network_manager"),
    [
        (
            SLOW,
            "set lacp_rate=fast on the bond",
            f"nmcli connection modify {BOND} +bond.options lacp_rate=fast"
            f" && nmcli connection up {BOND} (its VFs are disabled for 9 s)",
        ),
        (
            BLIND,
            "set miimon=100 on the bond",
            f"nmcli connection modify {BOND} +bond.options miimon=100"
            " && nmcli device reapply bond0 (no VF is disabled)",
        ),
    ],
)
def test_a_fix_names_the_connection_of_what_is_managed(
    facts: Facts, by_hand: str, by_network_manager: str
) -> None:
    assert by_hand in fixes(facts, {})
    assert by_hand in fixes(facts, {"eth0": PORT})
    assert by_network_manager in fixes(facts, MANAGED)


def test_a_port_that_is_managed_and_not_active_can_be_activated() -> None:
    by_hand = "make it the only port of a bond with mode=802.3ad, lacp_rate=fast, miimon=100"
    command = "nmcli connection up ifname ens5f0"
    lone = replace(LONE, up=False, carrier=False)
    for managed in ({}, {"ens5f0": PORT}):
        assert fixes(lone, managed)[0] == by_hand
        assert fixes(lone, managed)[-1] == "set it up: ip link set dev ens5f0 up"
    told = fixes(lone, {"ens5f0": ""})
    assert told[0] == f"{by_hand}; if NetworkManager has a connection for that: {command}"
    assert told[-1] == command


@pytest.mark.parametrize(("facts", "device"), [(PF_DOWN, "ens5f0"), (BOND_DOWN, "bond0")])
def test_what_was_set_down_under_an_active_connection_is_not_activated_for_that(
    facts: Facts, device: str
) -> None:
    assert fixes(facts, MANAGED) == [f"set it up: ip link set dev {device} up"]
