"""`drain` and `undrain`, with a kernel and a service that follow or do not."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from pf_status_relay.cli import draining, host, main
from pf_status_relay.core.drain import Drain
from pf_status_relay.core.facts import Absent, Facts, PhysicalFunction, VfLinkState, VirtualFunction
from pf_status_relay.service import drains, state_file
from pf_status_relay.service.state_file import InterfaceState, ServiceState
from tests.support.facts import AUTO, DISABLE, ENABLE, GOOD, numbered, port

Capture = pytest.CaptureFixture[str]
UP = InterfaceState("ready", "up", "")


class Host:
    """The kernel's PFs, and the service. If `follows` is set, the service follows the drains when woken."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self.facts: dict[str, Facts] = {
            "ens5f0": replace(GOOD, ifindex=5, vfs=numbered([AUTO, AUTO])),
            "ens5f1": replace(GOOD, ifindex=6, vfs=numbered([AUTO, AUTO])),
        }
        self.other_names = {"enp94s0f0": "ens5f0"}
        self.service: ServiceState | None = ServiceState(812, {"ens5f0": UP, "ens5f1": UP})
        self.follows = True
        self.folder = folder
        fake = self

        class RequestSocket:
            def close(self) -> None:
                pass

            def ifindex(self, name: str) -> int | None:
                facts = fake.facts.get(fake.other_names.get(name, name))
                return facts.ifindex if isinstance(facts, PhysicalFunction) else None

            def read_all(self, names: Iterable[str]) -> dict[str, Facts]:
                known = {name: fake.other_names.get(name, name) for name in names}
                return {name: fake.facts.get(real, Absent("Link not found")) for name, real in known.items()}

        monkeypatch.setattr(draining, "RequestSocket", RequestSocket)
        monkeypatch.setattr(host, "RequestSocket", RequestSocket)
        monkeypatch.setattr(draining, "FOLLOWED_S", 0.05)
        monkeypatch.setattr(draining, "LOOK_S", 0.001)
        monkeypatch.setattr(state_file, "read", lambda: self.service)
        for function in (drains.write, drains.remove, drains.listed, drains.read):
            monkeypatch.setattr(
                drains, function.__name__, lambda *given, function=function: function(*given, folder)
            )
        monkeypatch.setattr(os, "kill", self.wake)
        monkeypatch.delenv("SUDO_USER", raising=False)

    def wake(self, pid: int, number: int) -> None:
        """Follow the drains, as the service does on the signal."""
        assert (pid, number) == (812, drains.CHANGED)
        if not self.follows:
            return
        drained = {drain.interface for drain in self.drains()}
        for name, pf in self.facts.items():
            if isinstance(pf, PhysicalFunction) and pf.lacp_up:
                state = DISABLE if name in drained else AUTO
                vfs = (vf if vf.link_state is ENABLE else VirtualFunction(vf.id, state) for vf in pf.vfs)
                self.facts[name] = replace(pf, vfs=tuple(vfs))

    def drains(self) -> tuple[Drain, ...]:
        """Return the drains in the folder."""
        folder = drains.Folder(self.folder)
        folder.look()
        return folder.drains

    def states(self, name: str) -> list[VfLinkState]:
        """Return the link states of a PF's VFs."""
        pf = self.facts[name]
        assert isinstance(pf, PhysicalFunction)
        return [vf.link_state for vf in pf.vfs]


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Host:
    return Host(monkeypatch, tmp_path)


def test_draining_waits_until_the_vfs_are_disabled(fake: Host, capsys: Capture) -> None:
    assert main.main(["drain", "ens5f0", "--reason", "firmware", "--for", "2h", "--owner", "alice"]) == 0
    assert capsys.readouterr() == ("ens5f0: drained, 2 VFs disabled\n", "")
    assert fake.states("ens5f0") == [DISABLE, DISABLE]
    (drain,) = fake.drains()
    assert (drain.interface, drain.owner, drain.reason) == ("ens5f0", "alice", "firmware")
    assert drain.since < drain.until
    assert main.main(["undrain", "ens5f0", "--owner", "alice"]) == 0
    assert capsys.readouterr() == ("ens5f0: no longer drained, 2 VFs in auto\n", "")
    assert fake.states("ens5f0") == [AUTO, AUTO]
    assert fake.drains() == ()


def test_a_pf_can_be_named_by_another_of_its_names(fake: Host, capsys: Capture) -> None:
    assert main.main(["drain", "enp94s0f0", "--reason", "x"]) == 0
    assert [drain.interface for drain in fake.drains()] == ["ens5f0"]
    assert main.main(["undrain", "enp94s0f0"]) == 0
    assert fake.drains() == ()
    assert capsys.readouterr().err == ""


def test_the_owner_is_who_called_sudo(fake: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_USER", "DOMAIN\\alice")
    main.main(["drain", "ens5f0", "--reason", "x"])
    assert [drain.owner for drain in fake.drains()] == ["DOMAIN_alice"]


def test_vfs_in_enable_are_told_as_not_drained(fake: Host, capsys: Capture) -> None:
    fake.facts["ens5f0"] = replace(GOOD, ifindex=5, vfs=numbered([AUTO, ENABLE]))
    assert main.main(["drain", "ens5f0", "--reason", "x"]) == 0
    assert capsys.readouterr().out == "ens5f0: drained, 1 VF disabled; 1 VF in enable not drained\n"


def test_a_driver_that_refuses_is_said_with_status_1(fake: Host, capsys: Capture) -> None:
    fake.follows = False
    assert main.main(["drain", "ens5f0", "--reason", "x"]) == 1
    assert "ens5f0: the drain is written; 2 VFs still in auto: journalctl" in capsys.readouterr().out
    fake.facts["ens5f0"] = replace(GOOD, ifindex=5, vfs=numbered([DISABLE, AUTO]))
    assert main.main(["undrain", "ens5f0"]) == 1
    assert "ens5f0: the drain is removed; 1 VF still disabled: " in capsys.readouterr().out


def test_the_last_pf_is_drained_by_force_alone(fake: Host, capsys: Capture) -> None:
    fake.facts["ens5f1"] = replace(GOOD, ifindex=6, port=port(0x8F, 0x37))
    assert main.main(["drain", "ens5f0", "--reason", "x"]) == 3
    assert (
        "no other PF of the configuration (which may serve another network) has LACP up and is not drained"
        in capsys.readouterr().err
    )
    assert fake.drains() == ()
    assert main.main(["drain", "ens5f0", "--reason", "x", "--force"]) == 0


def test_a_drained_pf_is_no_way_out_for_another(fake: Host, capsys: Capture) -> None:
    assert main.main(["drain", "ens5f1", "--reason", "x"]) == 0
    assert main.main(["drain", "ens5f0", "--reason", "x"]) == 3
    assert [drain.interface for drain in fake.drains()] == ["ens5f1"]


def test_what_is_not_relayed_for_is_refused_with_status_2(fake: Host, capsys: Capture) -> None:
    assert main.main(["drain", "ens9f9", "--reason", "x"]) == 2
    assert capsys.readouterr().err == (
        "pf-status-relay: ens9f9 is not among the PFs that the service relays for: ens5f0, ens5f1\n"
    )


def test_without_the_service_nothing_would_follow(fake: Host, capsys: Capture) -> None:
    fake.service = None
    assert main.main(["drain", "ens5f0", "--reason", "x"]) == 69
    assert "the service does not run" in capsys.readouterr().err
    assert main.main(["drain", "ens5f0", "--reason", "x", "--force"]) == 1
    assert main.main(["undrain", "ens5f0"]) == 1
    assert capsys.readouterr().out.splitlines()[-1] == (
        "ens5f0: the drain is removed; the service does not run, and VFs stay as they are"
    )


def test_another_owner_s_drain_is_removed_with_all_alone(fake: Host, capsys: Capture) -> None:
    main.main(["drain", "ens5f0", "--reason", "cabling", "--owner", "bob"])
    main.main(["drain", "ens5f0", "--reason", "firmware", "--owner", "alice"])
    capsys.readouterr()
    assert main.main(["undrain", "ens5f0", "--owner", "alice"]) == 1
    assert capsys.readouterr().out == (
        "ens5f0: still drained by bob: cabling; --all removes these drains too\n"
    )
    assert main.main(["undrain", "ens5f0", "--all"]) == 0
    assert fake.drains() == ()


def test_what_is_not_ready_or_not_up_is_said(fake: Host, capsys: Capture) -> None:
    fake.facts["ens5f0"] = replace(GOOD, ifindex=5, master=None)
    assert main.main(["drain", "ens5f0", "--reason", "x"]) == 1
    assert "the PF is not relayed for: link has no master interface" in capsys.readouterr().out
    fake.facts["ens5f0"] = Absent("Link not found")
    assert main.main(["drain", "ens5f0", "--reason", "x"]) == 1
    assert "the PF cannot be read: Link not found" in capsys.readouterr().out
    fake.facts["ens5f0"] = replace(GOOD, ifindex=5, port=port(0x8F, 0x37))
    assert main.main(["undrain", "ens5f0"]) == 0
    assert "LACP is not up" in capsys.readouterr().out
    assert main.main(["undrain", "ens5f0"]) == 0
    assert capsys.readouterr().out == "ens5f0: is not drained\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["ens5f0"],
        ["ens5f0", "--reason", " "],
        ["ens5f0", "--reason", "x" * 301],
        ["ens5f0", "--reason", "x", "--for", "2"],
        ["ens5f0", "--reason", "x", "--for", "0s"],
        ["ens5f0", "--reason", "x", "--for", "366d"],
        ["ens5f0", "--reason", "x", "--owner", "a/b"],
    ],
)
def test_bad_arguments_are_refused(fake: Host, arguments: list[str], capsys: Capture) -> None:
    with pytest.raises(SystemExit) as ended:
        main.main(["drain", *arguments])
    assert ended.value.code == 2
    assert fake.drains() == ()


def test_a_folder_that_may_not_be_written_is_status_77(
    fake: Host, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    def refuse(*given: object) -> None:
        raise PermissionError

    monkeypatch.setattr(drains, "write", refuse)
    assert main.main(["drain", "ens5f0", "--reason", "x"]) == 77
    assert capsys.readouterr().err == (
        "pf-status-relay: /run/pf-status-relay.drain.d: only root can write there\n"
    )
