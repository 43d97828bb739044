"""The loop and the folder of drains: when they are noticed, and what a restart changes."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Callable

import pytest

from pf_status_relay.core import events
from pf_status_relay.service import drains
from tests.support.facts import AUTO, DISABLE, DOWN, UP
from tests.support.world import World, pf


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[World]:
    with World(monkeypatch) as world:
        world.drain_folder = tmp_path
        yield world


def written(world: World, name: str, text: str = "") -> Callable[[], object]:
    return lambda: (world.drain_folder / f"{name}.toml").write_text(text)


def removed(world: World, name: str) -> Callable[[], object]:
    return lambda: (world.drain_folder / f"{name}.toml").unlink()


def wake() -> None:
    signal.raise_signal(drains.CHANGED)


def test_a_drain_takes_effect_when_the_command_wakes_the_service(world: World) -> None:
    world.facts = {"ens5f0": pf(5, UP, AUTO), "ens5f1": pf(6, UP, AUTO)}
    world.at(0.3, written(world, "ens5f0@alice", 'reason = "firmware"'))
    world.at(0.3, wake)
    world.run(until=0.5)
    assert world.all("write") == [(5, {0: "disable"})]
    assert world.read_at == [(0, "ens5f0"), (0, "ens5f1"), (0.3, "ens5f0"), (0.4, "ens5f0")]
    assert world.logged(events.PfDrained) == [events.PfDrained("ens5f0", "alice", "firmware", "", 0)]
    assert world.logged(events.LacpDown) == []
    assert world.all("status")[-1] == "2 PFs: 2 up, 1 drained (ens5f0), 1 VF disabled"


def test_without_a_signal_it_is_noticed_at_the_next_look(world: World) -> None:
    world.facts = {"ens5f0": pf(5, UP, AUTO)}
    world.at(0.3, written(world, "ens5f0@alice"))
    world.at(1.6, removed(world, "ens5f0@alice"))
    world.run(until=2.5)
    assert world.all("write") == [(5, {0: "disable"}), (5, {0: "auto"})]
    assert world.logged(events.PfUndrained) == [events.PfUndrained("ens5f0", "alice", "")]


def test_its_end_is_kept_to_the_second_whatever_the_interval(world: World) -> None:
    world.facts = {"ens5f0": pf(5, UP, DISABLE)}
    written(world, "ens5f0@alice", "until = 1970-01-01T00:01:43Z")()  # the world begins 100 s after the epoch
    world.run(until=4, interval_ms=60_000)
    assert world.written == [(3, 5, AUTO, 0)]
    drained = [0, 1, 2, 3]
    restored = [3, 3.1]
    assert [at for at, _ in world.read_at] == drained + restored, "and once more to see what became of it"


def test_a_restart_during_a_drain_changes_nothing(world: World) -> None:
    world.facts = {"ens5f0": pf(5, UP, DISABLE)}
    written(world, "ens5f0@alice")()
    world.run(until=2.5)
    assert world.all("write") == []


@pytest.mark.parametrize("name", ["ens5f0", "enp94s0f0"])
def test_nor_one_by_another_of_its_names(world: World, name: str) -> None:
    world.facts, world.other_names = {"ens5f0": pf(5, UP, DISABLE)}, {"enp94s0f0": "ens5f0"}
    written(world, f"{name}@alice")()
    world.run(until=2.5)
    assert world.all("write") == []
    assert world.logged(events.PfDrained) == [events.PfDrained("ens5f0", "alice", "", "", 0)]


def test_one_of_another_pf_matters_to_none(world: World) -> None:
    world.facts = {"ens5f0": pf(5, UP, AUTO)}
    written(world, "ens9f9@alice")()
    world.run(until=2.5)
    assert world.all("write") == []
    assert len(world.read_at) == 3


def test_a_faulty_one_is_logged_once_and_relaying_goes_on(world: World) -> None:
    world.facts = {"ens5f0": pf(5, DOWN, AUTO)}
    written(world, "ens5f0@alice", "until = soon")()
    world.run(until=2.5)
    assert world.all("write") == [(5, {0: "disable"})]
    assert len(world.logged(events.DrainIgnored)) == 1
    assert world.logged(events.PfDrained) == []


def test_the_reaction_to_lacp_does_not_wait_for_the_folder(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = drains.Folder.look

    def heard(folder: drains.Folder) -> object:
        world.happened.append(("folder", None))
        return look(folder)

    monkeypatch.setattr(drains.Folder, "look", heard)
    world.facts = {"ens5f0": pf(5, UP, AUTO)}
    world.at(0.3, lambda: world.facts.update(ens5f0=pf(5, DOWN, AUTO)))
    world.hear(0.3, 5)
    world.run(until=0.35)
    order = [what for what, _ in world.happened if what in ("folder", "write")]
    assert order == ["folder", "folder", "write", "folder"], "before the first look, and after each cycle"
