"""The loop with metrics: when it writes them, and that nothing waits for them."""

from __future__ import annotations

import errno
import signal
import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import pytest

from pf_status_relay.config.keys import RESTORE, Config
from pf_status_relay.core import events
from pf_status_relay.core.events import Event
from pf_status_relay.core.facts import Unreadable, VfLinkState
from pf_status_relay.service import loop, metrics
from tests.support.exposition import of_interface, samples
from tests.support.facts import DOWN, UP
from tests.support.world import World, pf

AUTO, ENABLE, DISABLE = VfLinkState


class WrittenWorld(World):
    """A world that records when metrics are written."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
        super().__init__(monkeypatch)
        self.path = path
        self.written_at: list[float] = []
        world = self

        class Textfile(metrics.Textfile):
            def write(self, now: float) -> Event | None:
                world.written_at.append(round(now - 100, 6))
                world.happened.append(("metrics", None))
                return super().write(now)

        monkeypatch.setattr(metrics, "Textfile", Textfile)

    def displayed(self, interface: str = "ens5f0") -> dict[str, float]:
        """Return what the file says about an interface."""
        return of_interface(self.path.read_text(), interface)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[WrittenWorld]:
    world = WrittenWorld(monkeypatch, tmp_path / "a.prom")
    with world:
        yield world


def test_metrics_come_last_after_writes_log_and_life(world: WrittenWorld) -> None:
    world.facts = {"ens5f0": pf(5, DOWN, AUTO), "ens5f1": pf(6, DOWN, AUTO)}
    world.run(until=0.05, metrics_textfile=str(world.path))
    served = [what for what, _ in world.happened if what not in ("open", "status", "details")]
    assert [what for what, _ in groupby(served)] == [
        "log",
        "write",
        "log",
        "ready",
        "alive",
        "metrics",
        "stopping",
        "log",
    ]
    assert world.displayed("ens5f1")["lacp_up"] == 0


def test_an_event_that_waits_is_served_before_metrics_are_written(world: WrittenWorld) -> None:
    world.facts = {"ens5f0": pf(5, UP, AUTO), "ens5f1": pf(6, UP, AUTO)}

    def both_fail_one_after_the_other(name: str) -> None:
        world.before_read = lambda name: None
        world.facts["ens5f1"] = pf(6, DOWN, AUTO)
        world.link_events.append((6, b""))

    world.at(0.45, lambda: world.facts.update(ens5f0=pf(5, DOWN, AUTO)))
    world.at(0.45, lambda: setattr(world, "before_read", both_fail_one_after_the_other))
    world.hear(0.45, 5)
    world.run(until=0.5, metrics_textfile=str(world.path))
    order = [(what, value) for what, value in world.happened if what in ("write", "metrics")]
    vf = {0: "disable"}
    assert order == [("metrics", None), ("write", (5, vf)), ("write", (6, vf)), ("metrics", None)]


def test_metrics_that_are_due_are_written_though_events_never_cease(world: WrittenWorld) -> None:
    world.facts = {"ens5f0": pf(5, UP, AUTO)}
    world.before_read = lambda name: world.link_events.append((77, b""))
    world.run(until=31, metrics_textfile=str(world.path))
    assert world.written_at == [0, 15, 30]


@pytest.mark.parametrize("interval_ms", [100, 1000, 10_000])
def test_an_idle_service_writes_at_its_looks_and_is_not_woken_for_it(
    world: WrittenWorld, interval_ms: int
) -> None:
    world.facts = {"ens5f0": pf(5, UP, AUTO)}
    world.run(until=100.05, interval_ms=interval_ms, metrics_textfile=str(world.path))
    looks = {at for at, _ in world.read_at}
    assert set(world.written_at) <= looks
    assert len(world.all("alive")) == len(world.read_at), "no cycle without a look"
    ages = [after - before for before, after in zip(world.written_at, world.written_at[1:])]
    assert len(ages) >= 6
    assert all(15 - 1.01 * interval_ms / 1000 <= age <= 15 for age in ages), ages


def test_with_looks_that_are_rarer_it_is_woken_for_it(world: WrittenWorld) -> None:
    world.facts = {"ens5f0": pf(5, UP, AUTO)}
    world.run(until=100.05, interval_ms=60_000, metrics_textfile=str(world.path))
    assert world.read_at == [(0, "ens5f0"), (20, "ens5f0"), (80, "ens5f0")]
    assert world.written_at == [0, 15, 20, 35, 50, 65, 80, 95]


def test_an_outage_is_written_in_the_cycle_that_finds_it(world: WrittenWorld) -> None:
    world.facts = {"ens5f0": pf(5, UP, AUTO)}
    world.at(4.5, lambda: world.facts.update(ens5f0=pf(5, DOWN, AUTO)))
    world.hear(4.5, 5)
    world.run(until=4.55, metrics_textfile=str(world.path))
    assert world.written_at == [0, 4.5]
    assert world.displayed()["lacp_up"] == 0
    assert world.displayed()['vf_writes_total{link_state="disable"}'] == 1
    assert samples(world.path.read_text())["reaction_seconds_count"] == 1


def test_metrics_that_cannot_be_written_are_logged_once_and_pfs_are_served(world: WrittenWorld) -> None:
    world.path = world.path.parent / "gone" / "a.prom"
    world.facts = {"ens5f0": pf(5, DOWN, AUTO)}
    world.run(until=40, metrics_textfile=str(world.path))
    assert len(world.written_at) >= 3
    assert world.logged(events.WritingMetricsFailed) == [
        events.WritingMetricsFailed(f"{world.path}: No such file or directory")
    ]
    assert world.all("write") == [(5, {0: "disable"})]


def test_vfs_that_wait_for_the_restore_delay_are_shown_as_delayed(world: WrittenWorld) -> None:
    world.facts = {"ens5f0": pf(5, DOWN, AUTO)}
    seen: list[tuple[float, float]] = []
    for at in (1.5, 60, 121.9, 122.5):
        world.at(
            at, lambda: seen.append((world.displayed()["lacp_up"], world.displayed()["restore_delayed"]))
        )
    world.at(2.0, lambda: world.facts.update(ens5f0=pf(5, UP, DISABLE)))
    config = Config(("ens5f0",), restore_delay_ms=120_000, metrics_textfile=str(world.path))
    world.run(until=123, configured=config)
    assert seen == [(0, 0), (1, 1), (1, 1), (1, 0)]


def test_after_a_stop_that_restores_the_file_has_the_vfs_as_they_are_left(
    world: WrittenWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "restart_reason", lambda environment: "")
    world.facts = {f"ens5f{number}": pf(5 + number, DOWN, AUTO, AUTO) for number in range(3)}
    config = Config(tuple(world.facts), on_stop=RESTORE, metrics_textfile=str(world.path))
    world.loads.append(replace(config, interfaces=("ens5f0", "ens5f1")))
    world.at(1.5, lambda: world.facts.update(ens5f1=replace(pf(6, DOWN, DISABLE, DISABLE), master=None)))
    world.at(2.5, lambda: signal.raise_signal(signal.SIGHUP))
    told: list[float] = []
    left = "vfs_left_disabled"
    world.at(4.0, lambda: told.extend(world.displayed(name)[left] for name in ("ens5f1", "ens5f2")))
    world.at(4.5, lambda: world.refused.update({1: "Operation not supported"}))
    world.run(until=5, configured=config)
    assert told == [2, 2]
    for name in ("ens5f0", "ens5f1"):
        displayed = world.displayed(name)
        assert (displayed['vfs{link_state="auto"}'], displayed['vfs{link_state="disable"}']) == (1, 1)
        assert displayed['vf_writes_total{link_state="auto"}'] == 2
        assert displayed['vf_writes_refused_total{link_state="auto"}'] == 1
    assert world.displayed("ens5f0")["lacp_up"] == 0
    assert world.displayed("ens5f1")[left] == 1
    assert world.displayed("ens5f2") == {left: 1}


def test_a_stop_right_after_a_write_shows_what_was_written(
    world: WrittenWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "restart_reason", lambda environment: "")
    world.facts = {"ens5f0": pf(5, DOWN, DISABLE)}
    world.at(1.45, lambda: world.facts.update(ens5f0=pf(5, UP, DISABLE)))
    config = Config(("ens5f0",), on_stop=RESTORE, metrics_textfile=str(world.path))
    world.run(until=1.55, configured=config)
    assert len(world.all("write")) == 1
    assert world.displayed()['vfs{link_state="auto"}'] == 1


def test_a_stop_that_leaves_the_vfs_writes_what_has_changed_last(world: WrittenWorld) -> None:
    world.facts = {"ens5f0": pf(5, UP, AUTO)}
    world.before_read = lambda name: world.link_events.append((77, b""))
    world.at(4.5, lambda: world.facts.update(ens5f0=pf(5, DOWN, AUTO)))
    world.run(until=6, metrics_textfile=str(world.path))
    assert world.written_at == [0, 6]
    assert world.displayed()['vfs{link_state="disable"}'] == 1


def test_a_dry_run_leaves_the_metrics_to_the_service_beside_it(world: WrittenWorld) -> None:
    world.facts = {"ens5f0": pf(5, DOWN, AUTO)}
    world.run(until=20, dry_run=True, metrics_textfile=str(world.path))
    assert world.written_at == []
    assert not world.path.exists()


def test_while_netlink_is_dead_errors_are_counted_and_written(world: WrittenWorld) -> None:
    world.facts = {"ens5f0": pf(5, UP, AUTO)}
    told: list[float] = []

    def fail() -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    def die(name: str) -> None:
        world.before_open = fail
        fail()

    world.at(1.5, lambda: setattr(world, "before_read", die))
    world.at(5.5, lambda: told.append(samples(world.path.read_text())["netlink_errors_total"]))
    world.run(until=6, metrics_textfile=str(world.path))
    # At 2 s the socket that dies and, at once, the failed opening of another; then one each second.
    assert told == [5]
    assert world.displayed()["lacp_up"] == 1, "what was known"
    assert world.displayed()["unreadable"] == 1


def test_reads_that_fail_and_events_that_are_lost_are_counted(world: WrittenWorld) -> None:
    world.facts = {"ens5f0": pf(5, UP, AUTO), "ens5f1": pf(6, UP, AUTO)}
    world.at(1.5, lambda: setattr(world, "lost", True))
    world.at(2.9, lambda: world.facts.update(ens5f1=Unreadable("Device or resource busy")))
    world.at(3.15, lambda: world.facts.update(ens5f1=pf(6, UP, AUTO)))
    world.run(until=20, metrics_textfile=str(world.path))
    displayed = samples(world.path.read_text())
    assert displayed["link_event_overruns_total"] == 1
    assert displayed["netlink_errors_total"] == 2, "at 3 and 3.1 s"
    assert displayed["cycle_duration_seconds_count"] >= 14


def test_on_a_reload_the_file_stays_and_forgets_those_that_go(world: WrittenWorld) -> None:
    world.facts = {"ens5f0": pf(5, DOWN, AUTO), "ens5f1": pf(6, UP, AUTO)}
    path = str(world.path)
    world.loads.append(Config(("ens5f1",), metrics_textfile=path))
    world.at(2.5, lambda: signal.raise_signal(signal.SIGHUP))
    world.run(until=20, metrics_textfile=path)
    text = world.path.read_text()
    assert of_interface(text, "ens5f0") == {"vfs_left_disabled": 1}
    assert samples(text)["cycle_duration_seconds_count"] > 20, "counters go on"


def test_on_a_reload_a_file_that_is_no_longer_named_is_removed(world: WrittenWorld) -> None:
    world.facts = {"ens5f0": pf(5, UP, AUTO)}
    other = world.path.with_name("other.prom")
    world.loads += [Config(("ens5f0",), metrics_textfile=str(other)), Config(("ens5f0",))]
    seen: list[tuple[bool, bool]] = []
    for at in (2.4, 3.4, 4.4):
        world.at(at, lambda: seen.append((world.path.exists(), other.exists())))
    for at in (2.5, 3.5):
        world.at(at, lambda: signal.raise_signal(signal.SIGHUP))
    world.run(until=5, metrics_textfile=str(world.path))
    assert seen == [(True, False), (False, True), (False, False)]


def test_a_reload_that_wants_metrics_without_the_library_is_refused(
    world: WrittenWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.facts = {"ens5f0": pf(5, UP, AUTO)}
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    world.loads.append(Config(("ens5f0",), metrics_textfile=str(world.path)))
    world.at(2.5, lambda: signal.raise_signal(signal.SIGHUP))
    world.run(until=3)
    (refused,) = world.logged(events.ConfigurationRefused)
    assert "metrics_textfile needs prometheus-client" in str(refused)
