"""Facts about the host from other sources than netlink."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from pf_status_relay.cli import host

NET_ADMIN = "CapInh:\t0000000000000000\nCapEff:\t0000000000001000\n"


@pytest.mark.parametrize(
    ("status", "able"),
    [
        (NET_ADMIN, True),
        ("CapEff:\t000001ffffffffff\n", True),
        ("CapEff:\t000001ffffffefff\n", False),
        ("CapEff:\n", False),
        ("", False),
    ],
)
def test_this_process_has_the_capability_if_it_is_effective(tmp_path: Path, status: str, able: bool) -> None:
    (tmp_path / "self").mkdir()
    (tmp_path / "self" / "status").write_text(status)
    assert host.has_net_admin(tmp_path) is able


def test_without_proc_it_has_none(tmp_path: Path) -> None:
    assert not host.has_net_admin(tmp_path)


SHIPPED = """LoadState=loaded
AmbientCapabilities=cap_net_admin
CapabilityBoundingSet=cap_net_admin
DynamicUser=yes
User=
"""


@pytest.mark.parametrize(
    ("properties", "gives"),
    [
        (SHIPPED, True),
        (SHIPPED.replace("AmbientCapabilities=cap_net_admin", "AmbientCapabilities="), False),
        (SHIPPED.replace("DynamicUser=yes", "DynamicUser=no"), True),
        (SHIPPED.replace("Set=cap_net_admin", "Set=cap_net_raw").replace("=yes", "=no"), False),
        (SHIPPED.replace("User=\n", "User=relay\n").replace("=yes", "=no"), True),
        (SHIPPED.replace("loaded", "not-found"), None),
        (SHIPPED.replace("loaded", "masked"), None),
        ("", None),
    ],
)
def test_the_unit_gives_it_to_its_user_or_leaves_it_to_root(
    monkeypatch: pytest.MonkeyPatch, properties: str, gives: bool | None
) -> None:
    def answer(command: list[str], **words: object) -> subprocess.CompletedProcess[bytes]:
        assert command[0] == "systemctl"
        return subprocess.CompletedProcess(command, 0, properties.encode(), b"")

    monkeypatch.setattr(subprocess, "run", answer)
    assert host.unit_has_net_admin() is gives


@pytest.mark.parametrize(
    "error",
    [
        FileNotFoundError(2, "No such file or directory"),
        subprocess.CalledProcessError(1, "systemctl"),
        subprocess.TimeoutExpired("systemctl", 10),
    ],
)
def test_where_there_is_no_systemd_to_ask_nothing_is_known(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*words: object, **more: object) -> None:
        raise error

    monkeypatch.setattr(subprocess, "run", fail)
    assert host.unit_has_net_admin() is None


@pytest.mark.parametrize("able", [True, False])
def test_a_process_of_the_unit_goes_by_what_it_has(monkeypatch: pytest.MonkeyPatch, able: bool) -> None:
    monkeypatch.setattr(host, "in_unit", lambda pid: True)
    monkeypatch.setattr(host, "has_net_admin", lambda: able)
    assert host.unit_has_net_admin() is able
