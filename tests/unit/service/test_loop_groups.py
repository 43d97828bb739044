"""Redundancy groups in the loop: one PF of each group stays open."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from dataclasses import replace

import pytest

from pf_status_relay.config.keys import Config
from pf_status_relay.core import events
from pf_status_relay.core.drain import Drain
from pf_status_relay.core.facts import BondPort, Facts, PhysicalFunction, Unreadable, VfLinkState
from pf_status_relay.service import drains
from tests.support.facts import DOWN, GONE, UP
from tests.support.world import World, pf

AUTO, ENABLE, DISABLE = VfLinkState
GROUP = Config(("ens5f0", "ens5f1"), redundancy_groups=(("ens5f0", "ens5f1"),))
NO_OTHER = "no other PF of its redundancy group is open"


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with World(monkeypatch) as world:
        world.facts = {"ens5f0": pf(5, UP, AUTO, AUTO), "ens5f1": pf(6, UP, AUTO, AUTO)}
        yield world


def turns(world: World, name: str, port: BondPort) -> None:
    """Change the port state of a PF."""
    now = world.facts[name]
    assert isinstance(now, PhysicalFunction)
    world.facts[name] = replace(now, port=port)


def states(world: World) -> list[set[VfLinkState]]:
    """Return the link states of each PF's VFs."""
    return [
        {vf.link_state for vf in facts.vfs}
        for facts in world.facts.values()
        if isinstance(facts, PhysicalFunction)
    ]


def kept(world: World) -> list[tuple[str, bool]]:
    """Return which PFs were kept open (True) or no longer (False), in order."""
    told = world.logged(events.PfKeptOpen, events.PfNoLongerKeptOpen)
    return [
        (each.interface, isinstance(each, events.PfKeptOpen))
        for each in told
        if isinstance(each, (events.PfKeptOpen, events.PfNoLongerKeptOpen))
    ]


def test_a_loss_of_one_is_relayed_at_once_and_that_of_the_last_is_not(world: World) -> None:
    world.at(2.25, lambda: turns(world, "ens5f0", DOWN))
    world.hear(2.25, 5)
    world.at(4.25, lambda: turns(world, "ens5f1", DOWN))
    world.hear(4.25, 6)
    world.run(until=8.0, configured=GROUP)
    assert [(at, pf_) for at, pf_, _, _ in world.written] == [(2.25, 5)] * 2
    assert states(world) == [{DISABLE}, {AUTO}]
    assert world.logged(events.PfKeptOpen) == [events.PfKeptOpen("ens5f1", NO_OTHER)]
    assert (
        world.all("status")[-1]
        == "2 PFs: 0 up, 2 down (ens5f0, ens5f1), 1 kept open (ens5f1), 2 VFs disabled"
    )


def test_the_one_that_was_kept_is_disabled_once_the_vfs_of_the_other_are_back(world: World) -> None:
    world.facts = {"ens5f0": pf(5, DOWN, DISABLE, DISABLE), "ens5f1": pf(6, DOWN, AUTO, AUTO)}
    world.cost_s = {AUTO: 0.1}
    world.at(2.25, lambda: turns(world, "ens5f0", UP))
    world.hear(2.25, 5)
    world.run(until=6.0, configured=GROUP)
    order = [(pf_, state) for _, pf_, state, _ in world.written]
    assert order == [(5, AUTO), (5, AUTO), (6, DISABLE), (6, DISABLE)]
    assert kept(world) == [("ens5f1", True), ("ens5f1", False)]


def test_both_down_at_the_start_one_is_kept_and_the_other_disabled(world: World) -> None:
    world.facts = {"ens5f0": pf(5, DOWN, AUTO, AUTO), "ens5f1": pf(6, DOWN, AUTO, AUTO)}
    world.run(until=1.0, configured=GROUP)
    assert states(world) == [{AUTO}, {DISABLE}]
    assert {at for at, _, _, _ in world.written} == {0.0}, "in the first moment"
    assert kept(world) == [("ens5f0", True)]


def test_a_start_with_one_down_says_nothing_of_keeping_it(world: World) -> None:
    world.facts["ens5f0"] = pf(5, DOWN, AUTO, AUTO)
    world.run(until=1.0, configured=GROUP)
    assert [(at, pf_) for at, pf_, _, _ in world.written] == [(0.0, 5)] * 2
    assert kept(world) == []


def test_a_restart_changes_nothing(world: World) -> None:
    world.facts = {"ens5f0": pf(5, DOWN, DISABLE, DISABLE), "ens5f1": pf(6, DOWN, AUTO, AUTO)}
    world.run(until=3.0, configured=GROUP)
    assert world.written == []


def test_the_restore_delay_comes_before_the_one_that_was_kept_is_disabled(world: World) -> None:
    world.facts = {"ens5f0": pf(5, DOWN, DISABLE, DISABLE), "ens5f1": pf(6, DOWN, AUTO, AUTO)}
    world.at(1.0, lambda: turns(world, "ens5f0", UP))
    world.hear(1.0, 5)
    world.run(until=14.0, configured=replace(GROUP, restore_delay_ms=10_000))
    assert [(round(at), state) for at, _, state, _ in world.written] == [
        *[(11, AUTO)] * 2,
        *[(11, DISABLE)] * 2,
    ]


def test_with_none_open_the_first_that_comes_up_is_restored_without_a_delay(world: World) -> None:
    world.facts = {"ens5f0": pf(5, UP, DISABLE, DISABLE), "ens5f1": GONE}
    world.run(until=3.0, configured=replace(GROUP, restore_delay_ms=60_000))
    assert [(at, state) for at, _, state, _ in world.written] == [(0.0, AUTO)] * 2


@pytest.mark.parametrize(
    "other", [GONE, Unreadable("Connection timed out"), pf(6, UP), replace(pf(6, UP, AUTO), master=None)]
)
def test_a_pf_that_does_not_count_leaves_the_other_open(world: World, other: Facts) -> None:
    world.facts = {"ens5f0": pf(5, DOWN, AUTO, AUTO), "ens5f1": other}
    world.run(until=3.0, configured=GROUP)
    assert world.written == []
    assert kept(world) == [("ens5f0", True)]


def test_a_pf_that_fails_to_be_read_counts_as_it_was(world: World) -> None:
    world.at(1.5, lambda: world.facts.update({"ens5f1": Unreadable("Connection timed out")}))
    world.at(2.25, lambda: turns(world, "ens5f0", DOWN))
    world.hear(2.25, 5)
    world.run(until=4.0, configured=GROUP)
    assert states(world) == [{DISABLE}]


def test_restoring_the_last_way_out_does_not_wait_for_disabling_elsewhere(world: World) -> None:
    world.facts = {
        "ens5f0": pf(5, UP, DISABLE, DISABLE),
        "ens5f1": pf(6, DOWN, DISABLE, DISABLE),
        "ens6f0": pf(7, DOWN, *[AUTO] * 8),
    }
    world.cost_s = {AUTO: 0.1, DISABLE: 0.1}
    names = ("ens6f0", "ens5f0", "ens5f1")
    world.run(until=3.0, configured=replace(GROUP, interfaces=names))
    order = [pf_ for _, pf_, _, _ in world.written]
    assert order[:4] == [7, 5, 7, 5]
    world_of_its_own = [pf_ for pf_ in order if pf_ == 7]
    assert len(world_of_its_own) == 8


def test_a_drain_of_the_last_pf_is_suspended_and_goes_on_when_the_other_is_back(
    world: World, tmp_path_factory: pytest.TempPathFactory
) -> None:
    world.drain_folder = tmp_path_factory.mktemp("drains")
    drains.write(Drain("ens5f0", "alice", "firmware"), world.drain_folder)
    world.at(2.0, lambda: turns(world, "ens5f1", DOWN))
    world.hear(2.0, 6)
    world.at(4.0, lambda: turns(world, "ens5f1", UP))
    world.hear(4.0, 6)
    world.run(until=6.0, configured=GROUP)
    order = [(pf_, state) for _, pf_, state, vf in world.written if vf == 0]
    assert order == [(5, DISABLE), (5, AUTO), (6, DISABLE), (6, AUTO), (5, DISABLE)]
    assert world.logged(events.PfKeptOpen)[-1] == events.PfKeptOpen(
        "ens5f0", f"its drain is suspended: {NO_OTHER}"
    )
    assert len(world.logged(events.PfDrained)) == 1


def test_a_group_names_pfs_by_pattern_and_by_another_name(world: World) -> None:
    world.other_names = {"enp5s0f1np1": "ens5f1"}
    world.facts["ens5f0"] = pf(5, DOWN, AUTO)
    world.facts["ens5f1"] = pf(6, DOWN, AUTO)
    for group in (("ens5f*",), ("ens5f0", "enp5s0f1np1")):
        world.facts = {"ens5f0": pf(5, DOWN, AUTO), "ens5f1": pf(6, DOWN, AUTO)}
        world.run(until=1.0, configured=replace(GROUP, redundancy_groups=(group,)))
        assert states(world) == [{AUTO}, {DISABLE}]


def test_a_group_of_which_one_pf_is_configured_has_no_effect(world: World) -> None:
    world.facts = {"ens5f0": pf(5, DOWN, AUTO)}
    world.run(until=1.0, configured=replace(GROUP, interfaces=("ens5f0",)))
    assert states(world) == [{DISABLE}]


def test_a_reload_that_makes_a_group_opens_one_of_its_pfs(world: World) -> None:
    world.facts = {"ens5f0": pf(5, DOWN, AUTO), "ens5f1": pf(6, DOWN, AUTO)}
    world.loads = [GROUP]
    world.at(2.0, lambda: signal.raise_signal(signal.SIGHUP))
    world.run(until=4.0, configured=replace(GROUP, redundancy_groups=None))
    assert states(world) == [{AUTO}, {DISABLE}]
    assert [(round(at), pf_, state) for at, pf_, state, _ in world.written][-1] == (2, 5, AUTO)


def test_what_is_known_of_the_other_pf_is_renewed_before_the_last_one_is_closed(world: World) -> None:
    """Change both PFs at once, as after the process was frozen."""
    turned = replace(pf(6, UP, AUTO, AUTO), master=None)
    world.at(2.5, lambda: world.facts.update({"ens5f0": pf(5, DOWN, AUTO, AUTO), "ens5f1": turned}))
    world.run(until=5.0, configured=GROUP)
    assert world.written == []
    assert kept(world) == [("ens5f0", True)]


def test_a_loss_that_is_found_by_polling_is_relayed_as_soon_as_both_have_been_looked_at(world: World) -> None:
    world.at(2.5, lambda: turns(world, "ens5f0", DOWN))
    world.run(until=5.0, configured=GROUP)
    assert [(at, pf_) for at, pf_, _, _ in world.written] == [(3.0, 5)] * 2
    assert [name for at, name in world.read_at if at == 3.0] == ["ens5f0", "ens5f1"] * 2
    assert [name for at, name in world.read_at if at == 2.0] == ["ens5f0", "ens5f1"]


@pytest.mark.parametrize("error", ["Input/output error", "Operation not supported"])
def test_a_driver_that_refuses_to_open_the_last_pf_is_tried_again_at_a_pace_and_told_once(
    world: World, error: str
) -> None:
    world.facts = {"ens5f0": pf(5, UP, DISABLE), "ens5f1": pf(6, DOWN, DISABLE)}
    world.refused = {0: error}
    world.at(0.5, lambda: turns(world, "ens5f0", DOWN))
    world.run(until=30.0, configured=GROUP)
    asked = world.all("write")
    assert 4 < len(asked) < 70
    told = world.logged(events.SettingVfFailed)
    assert len(told) == 2, "once for each of the two PFs"
