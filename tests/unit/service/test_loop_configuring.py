"""What the loop does with its configuration: reload, follow interfaces, and restore on a stop."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import replace

import pytest

from pf_status_relay.config import keys
from pf_status_relay.config.keys import Config
from pf_status_relay.config.load import ConfigError
from pf_status_relay.core import events
from pf_status_relay.core.facts import VfLinkState
from pf_status_relay.service import loop, selection
from tests.support.facts import DOWN, UP
from tests.support.world import World, pf

AUTO, ENABLE, DISABLE = VfLinkState


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with World(monkeypatch) as world:
        yield world


def reload_at(world: World, seconds: float, loaded: Config | ConfigError) -> None:
    world.loads.append(loaded)
    world.at(seconds, lambda: os.kill(os.getpid(), signal.SIGHUP))


def left_disabled(interface: str, disabled: int) -> events.VfsLeftDisabled:
    return events.VfsLeftDisabled(interface, disabled, f"pf-status-relay restore {interface}")


class Host:
    """A host to select from; `listed` is the result of each further selection, or its error."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *listed: str) -> None:
        self.listed: tuple[str, ...] | selection.NotListed = listed
        monkeypatch.setattr(selection, "select", self.select)
        monkeypatch.setattr(selection, "pfs", list)

    def select(self, configured: tuple[str, ...], requests: object) -> tuple[str, ...]:
        """Return or raise `listed` if the selection depends on the host."""
        if isinstance(self.listed, selection.NotListed):
            raise self.listed
        return self.listed if selection.depends_on_host(configured) else configured


# Reload


def test_a_reload_takes_new_interfaces_and_leaves_the_vfs_of_those_that_go(world: World) -> None:
    world.facts = {"ens5f0": pf(5, DOWN, AUTO), "ens5f1": pf(6), "ens5f2": pf(7, DOWN, AUTO)}
    reload_at(world, 0.55, Config(("ens5f1", "ens5f2")))
    world.run(until=1.05, configured=Config(("ens5f0", "ens5f1")))
    assert world.all("write") == [(5, {0: "disable"}), (7, {0: "disable"})]
    assert world.logged(
        events.InterfacesToMonitor,
        events.ConfigurationReloaded,
        events.InterfaceDropped,
    ) == [
        events.InterfacesToMonitor(("ens5f0", "ens5f1")),
        events.ConfigurationReloaded(),
        events.InterfacesToMonitor(("ens5f1", "ens5f2")),
        events.InterfaceDropped("ens5f0", 1),
    ]
    assert world.logged(events.LacpUp) == [events.LacpUp("ens5f1", UP.actor, UP.partner)], "it is known"
    assert [at for at, name in world.read_at if name == "ens5f0" and at > 0.55] == [0.65, 1], (
        "for its VFs alone"
    )
    assert world.logged(events.VfsLeftDisabled)[0] == left_disabled("ens5f0", 1)
    assert world.all("status")[-1] == "2 PFs: 1 up, 1 down (ens5f2), 1 VF disabled, 1 left disabled (ens5f0)"


def test_vfs_that_are_left_disabled_are_shown_as_long_as_there_are_any(world: World) -> None:
    world.facts = {"ens5f0": pf(5, DOWN, AUTO), "ens5f1": pf(6)}
    reload_at(world, 0.55, Config(("ens5f1",)))
    world.at(2.5, lambda: world.facts.update(ens5f0=pf(5, DOWN, AUTO)))
    world.run(until=5.05, configured=Config(("ens5f0", "ens5f1")))
    told = list(dict.fromkeys(world.all("status")))
    assert told[-2:] == ["1 PF: 1 up, 0 VFs disabled, 1 left disabled (ens5f0)", "1 PF: 1 up, 0 VFs disabled"]
    assert [at for at, name in world.read_at if name == "ens5f0" and at > 0.6] == [0.65, 1, 2, 3], (
        "and no more"
    )
    assert world.all("write") == [(5, {0: "disable"})]


def test_an_interface_that_is_meant_again_is_relayed_for_again(world: World) -> None:
    world.facts = {"ens5f0": pf(5, DOWN, AUTO), "ens5f1": pf(6)}
    reload_at(world, 0.55, Config(("ens5f1",)))
    world.at(1.1, lambda: world.facts.update(ens5f0=pf(5, UP, DISABLE)))
    reload_at(world, 1.2, Config(("ens5f1", "ens5f0")))
    world.run(until=2.05, configured=Config(("ens5f0", "ens5f1")))
    assert world.all("write") == [(5, {0: "disable"}), (5, {0: "auto"})]
    assert "left disabled" not in str(world.all("status")[-1])


def test_with_auto_what_an_earlier_run_left_is_found(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    Host(monkeypatch, "ens5f0")
    monkeypatch.setattr(selection, "pfs", lambda: ["ens5f0", "ens5f1", "ens5f2"])
    out = replace(pf(6, UP, DISABLE), master=None)
    world.facts = {"ens5f0": pf(5), "ens5f1": out, "ens5f2": replace(out, ifindex=7, vfs=())}
    world.run(until=2.05, configured=Config(keys.AUTO))
    assert world.logged(events.VfsLeftDisabled) == [left_disabled("ens5f1", 1)]
    assert world.all("status")[-1] == "1 PF: 1 up, 0 VFs disabled, 1 left disabled (ens5f1)"
    assert world.all("write") == []


def test_a_stop_says_what_stays_disabled_unless_that_was_said(world: World) -> None:
    world.facts = {"ens5f0": pf(5, DOWN, AUTO), "ens5f1": replace(pf(6, UP, DISABLE), master=None)}
    world.run(until=1.05)
    told = [
        event for event in world.all("log") if isinstance(event, (events.VfsLeftDisabled, events.Stopping))
    ]
    assert told == [left_disabled("ens5f1", 1), left_disabled("ens5f0", 1), events.Stopping()]


def test_systemd_is_told_of_a_reload_until_it_is_done(world: World) -> None:
    world.facts = {"ens5f0": pf(5)}
    reload_at(world, 0.55, Config(("ens5f0",)))
    world.run(until=0.6)
    kinds = [kind for kind, value in world.happened if kind in ("ready", "reloading")]
    assert kinds == ["ready", "reloading", "ready"]


def test_a_new_interval_counts_from_the_reload_on(world: World) -> None:
    world.facts = {"ens5f0": pf(5)}
    reload_at(world, 1.55, Config(("ens5f0",), 200))
    world.run(until=2.05)
    assert [at for at, _ in world.read_at] == [0, 1, 1.55, 1.6, 1.8, 2]


def test_a_bad_configuration_is_refused_with_all_its_faults_and_the_old_one_kept(world: World) -> None:
    world.facts = {"ens5f0": pf(5)}
    reload_at(world, 0.55, ConfigError(["first", "second"]))
    reload_at(world, 1.55, Config(("ens5f0",)))
    world.run(until=2.05)
    assert world.logged(events.ConfigurationRefused, events.ConfigurationReloaded) == [
        events.ConfigurationRefused("first"),
        events.ConfigurationRefused("second"),
        events.ConfigurationReloaded(),
    ]
    told = [str(line) for line in world.all("status")]
    refused = "1 PF: 1 up, 0 VFs disabled; the new configuration is refused, see the log"
    assert refused in told
    assert told[-1] == "1 PF: 1 up, 0 VFs disabled"


def test_what_was_left_out_is_logged_at_the_start_and_at_a_reload_and_systemd_shows_it(world: World) -> None:
    world.facts = {"ens5f0": pf(5)}
    reload_at(world, 0.55, Config(("ens5f0",), warnings=("second", "third")))
    reload_at(world, 1.55, ConfigError(["fourth"]))
    reload_at(world, 2.55, Config(("ens5f0",)))
    world.run(until=3.05, configured=Config(("ens5f0",), warnings=("first",)))
    assert world.logged(
        events.Starting,
        events.ConfigurationLeftOut,
        events.ConfigurationReloaded,
        events.ConfigurationRefused,
    ) == [
        events.Starting(),
        events.ConfigurationLeftOut("first"),
        events.ConfigurationReloaded(),
        events.ConfigurationLeftOut("second"),
        events.ConfigurationLeftOut("third"),
        events.ConfigurationRefused("fourth"),
        events.ConfigurationReloaded(),
    ]
    line = "1 PF: 1 up, 0 VFs disabled"
    left_out = f"{line}; part of the configuration is left out, see the log"
    refused = f"{line}; the new configuration is refused, see the log"
    told = [str(each) for each in world.all("status") if str(each).startswith(line)]
    assert [each for each, before in zip(told, ["", *told]) if each != before] == [left_out, refused, line]


# The interfaces of the host


def test_interfaces_that_come_and_go_are_followed_at_the_interval(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = Host(monkeypatch, "ens5f0")
    world.facts = {"ens5f0": pf(5, DOWN, AUTO), "ens5f1": pf(6)}
    world.at(1.5, lambda: setattr(host, "listed", ("ens5f1",)))
    world.run(until=3.05, configured=Config(keys.AUTO))
    assert world.logged(events.InterfacesToMonitor, events.InterfaceDropped) == [
        events.InterfacesToMonitor(("ens5f0",)),
        events.InterfacesToMonitor(("ens5f1",)),
        events.InterfaceDropped("ens5f0", 1),
    ]
    assert [at for at, name in world.read_at if name == "ens5f1"] == [2, 3]


def test_a_host_without_pfs_is_waited_on_and_is_no_fault(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = Host(monkeypatch)
    world.facts = {"ens5f0": pf(5)}
    world.at(2.5, lambda: setattr(host, "listed", ("ens5f0",)))
    world.run(until=3.05, configured=Config(keys.AUTO))
    assert world.logged(events.InterfacesToMonitor) == [
        events.InterfacesToMonitor(()),
        events.InterfacesToMonitor(("ens5f0",)),
    ]
    assert world.all("ready") == [None]
    assert world.all("status")[0] == "0 PFs: 0 up, 0 VFs disabled"


def test_interfaces_that_cannot_be_listed_stay_as_they_were_and_that_is_told_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = Host(monkeypatch, "ens5f0")
    world.facts = {"ens5f0": pf(5)}
    world.at(1.5, lambda: setattr(host, "listed", selection.NotListed("busy")))
    world.run(until=4.05, configured=Config(keys.AUTO))
    assert world.logged(events.InterfacesNotListed) == [events.InterfacesNotListed("busy")]
    assert [at for at, _ in world.read_at] == [0, 1, 2, 3, 4]


# On a stop


def on_stop(
    world: World, monkeypatch: pytest.MonkeyPatch, what: str, *, reason: str = "", dry_run: bool = False
) -> None:
    monkeypatch.setattr(loop, "restart_reason", lambda environment: reason)
    world.facts = {"ens5f0": pf(5, DOWN, AUTO, ENABLE)}
    world.run(until=0.5, configured=Config(("ens5f0",), on_stop=what), dry_run=dry_run)


@pytest.mark.parametrize(("what", "writes"), [(keys.LEAVE, []), (keys.RESTORE, [(5, {0: "auto"})])])
def test_a_stop_restores_if_it_is_to(
    world: World, monkeypatch: pytest.MonkeyPatch, what: str, writes: list[object]
) -> None:
    on_stop(world, monkeypatch, what)
    assert world.all("write") == [(5, {0: "disable"}), *writes]
    assert world.all("log")[-1] == events.Stopping()


def test_what_a_stop_restores_is_logged(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    on_stop(world, monkeypatch, keys.RESTORE)
    assert world.logged(events.VfLinkStateSet)[-1] == events.VfLinkStateSet(0, AUTO, "ens5f0", 0.0)


def test_a_restart_restores_nothing_and_says_why(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    on_stop(world, monkeypatch, keys.RESTORE, reason="the service is restarted")
    assert world.all("write") == [(5, {0: "disable"})]
    assert world.logged(events.NotRestored) == [events.NotRestored("the service is restarted")]


def test_a_stop_restores_those_too_that_have_left_their_bond_or_the_configuration(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "restart_reason", lambda environment: "")
    world.facts = {f"ens5f{number}": pf(5 + number, DOWN, DISABLE) for number in range(3)}
    world.facts["ens5f3"] = replace(pf(8, DOWN, DISABLE), master=None)  # it was never ready
    out = replace(pf(6, DOWN, DISABLE), master=None)
    world.at(0.3, lambda: world.facts.update(ens5f1=out))
    reload_at(world, 1.55, Config(("ens5f0", "ens5f1", "ens5f3"), on_stop=keys.RESTORE))
    world.run(until=2.05, configured=Config(tuple(world.facts), on_stop=keys.RESTORE))
    assert world.all("write") == [(5, {0: "auto"}), (6, {0: "auto"}), (7, {0: "auto"})]


def test_a_dry_run_restores_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.facts = {"ens5f0": pf(5, UP, DISABLE)}
    monkeypatch.setattr(loop, "restart_reason", lambda environment: "")
    world.run(until=0.5, configured=Config(("ens5f0",), on_stop=keys.RESTORE), dry_run=True)
    assert world.all("write") == []
