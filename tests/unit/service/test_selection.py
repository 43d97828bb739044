"""Which interfaces a configuration selects on a host."""

from __future__ import annotations

import errno
from typing import cast

import pytest

from pf_status_relay.config import keys
from pf_status_relay.kernel import sysfs
from pf_status_relay.kernel.request_socket import Refused, RequestSocket
from pf_status_relay.service import selection


class Host:
    """A host's interfaces: name → whether it is a PF. `ports` are the only ports of their 802.3ad bonds."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **pfs: bool) -> None:
        self.ports: list[str] = []
        self.error: Exception | None = None
        monkeypatch.setattr(sysfs, "interfaces", lambda: self._or_error(list(pfs)))
        monkeypatch.setattr(sysfs, "is_pf", lambda name: pfs.get(name, False))

    def _or_error(self, value: list[str]) -> list[str]:
        if self.error:
            raise self.error
        return value

    def lacp_ports(self) -> list[str]:
        """Answer as RequestSocket does."""
        return self._or_error(self.ports)

    def select(self, *configured: str) -> tuple[str, ...]:
        """Select on this host."""
        return selection.select(configured, cast(RequestSocket, self))


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Host:
    host = Host(monkeypatch, ens6f0=True, ens5f1=True, ens5f0=True, ens5f0v0=False, bond0=False, ens7f0=True)
    host.ports = ["ens6f0", "ens5f0", "bond0"]
    return host


def test_names_are_taken_as_they_are_there_or_not(host: Host) -> None:
    assert host.select("ens9f0", "ens5f0") == ("ens9f0", "ens5f0")


def test_a_pattern_means_the_pfs_that_match_it_in_the_order_of_their_names(host: Host) -> None:
    assert host.select("ens*f0") == ("ens5f0", "ens6f0", "ens7f0")
    assert host.select("ens5f*") == ("ens5f0", "ens5f1"), "a VF is no PF"
    assert host.select("ENS*") == ()


def test_names_and_patterns_together_mean_each_interface_once(host: Host) -> None:
    assert host.select("ens6f0", "ens[56]f0", "ens9f0") == ("ens6f0", "ens5f0", "ens9f0")


def test_auto_means_the_pfs_that_are_alone_in_an_lacp_bond(host: Host) -> None:
    assert host.select(*keys.AUTO) == ("ens5f0", "ens6f0")


@pytest.mark.parametrize(
    ("configured", "depends"),
    [(keys.AUTO, True), (("a", "b*"), True), (("a[0]",), True), (("a", "b"), False)],
)
def test_what_depends_on_the_host_is_known(configured: tuple[str, ...], depends: bool) -> None:
    assert selection.depends_on_host(configured) is depends


@pytest.mark.parametrize(
    ("configured", "error"),
    [
        ("auto", Refused(errno.EINTR, "links change faster than their list can be read")),
        ("ens*", PermissionError(errno.EACCES, "Permission denied")),
    ],
)
def test_a_host_that_cannot_be_listed_is_not_one_without_interfaces(
    host: Host, configured: str, error: Exception
) -> None:
    host.error = error
    with pytest.raises(selection.NotListed, match=str(error.args[1])):
        host.select(configured)


def test_a_dead_socket_is_the_services_business(host: Host) -> None:
    host.error = OSError(errno.EBADF, "Bad file descriptor")
    with pytest.raises(OSError, match="Bad file descriptor"):
        host.select("auto")


def test_this_machine_has_a_loopback_and_it_is_no_pf() -> None:
    assert "lo" in sysfs.interfaces()
    assert not sysfs.is_pf("lo")


@pytest.mark.parametrize(
    ("configured", "found"),
    [
        ([["a", "b"]], (("a", "b"),)),
        ([["b", "a"]], (("b", "a"),)),
        ([["ens*"], ["a", "c"]], (("ens1", "ens0"), ("a",))),
        ([["alias", "b"]], (("a", "b"),)),
        ([["alias", "a", "b"]], (("a", "b"),)),
        ([["a", "ens1"], ["ens*"]], (("a", "ens1"), ("ens0",))),
        ([["c", "d*"]], ((),)),
    ],
)
def test_which_interfaces_a_redundancy_group_means(
    configured: list[list[str]], found: tuple[tuple[str, ...], ...]
) -> None:
    """Count an interface that two groups name for the first."""
    names = ("a", "b", "ens1", "ens0")
    assert selection.groups(configured, names, lambda name: {"alias": "a"}.get(name, name)) == found
