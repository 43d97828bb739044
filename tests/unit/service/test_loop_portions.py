"""VF writes in portions: how long a slow driver delays the other PFs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from pf_status_relay.config.keys import RESTORE, Config
from pf_status_relay.core import events
from pf_status_relay.core.facts import PhysicalFunction, VfLinkState
from pf_status_relay.service import vf_writer
from pf_status_relay.service.interfaces import QUICK_S
from tests.support.facts import DOWN, UP
from tests.support.world import World, pf

AUTO, ENABLE, DISABLE = VfLinkState


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with World(monkeypatch) as world:
        yield world


def last_write(world: World, ifindex: int, state: VfLinkState) -> float:
    """Return when the last VF of a PF was set to this state, in seconds after the start."""
    return max(at for at, pf_, to, _ in world.written if (pf_, to) == (ifindex, state))


@pytest.mark.parametrize("cost_s", [0.0, 0.02, 0.06, 0.15])
@pytest.mark.parametrize("phase", [index / 12 for index in range(12)])
def test_a_loss_is_served_while_a_slow_driver_restores_another_pf(
    world: World, cost_s: float, phase: float
) -> None:
    world.facts = {"ens5f0": pf(5, UP, *[DISABLE] * 60), "ens5f1": pf(6, UP, *[AUTO] * 60)}
    world.cost_s = {AUTO: cost_s}
    lost_at = 1.0 + phase  # without a link event: the bond did not get the RTNL lock to send it
    world.at(lost_at, lambda: world.facts.update({"ens5f1": pf(6, DOWN, *[AUTO] * 60)}))
    world.at(0.5, lambda: world.facts.update({"ens5f0": pf(5, UP, *[DISABLE] * 60)}))
    world.run(until=15.0)
    alone_s = 1.0 if last_write(world, 5, AUTO) < lost_at else QUICK_S
    assert last_write(world, 6, DISABLE) <= lost_at + alone_s + 0.06 + cost_s
    assert [to for _, pf_, to, _ in world.written if pf_ == 5].count(AUTO) >= 60, "and all are restored"


def test_nothing_is_restored_while_vfs_are_left_to_be_disabled(world: World) -> None:
    world.facts = {"ens5f0": pf(5, UP, *[DISABLE] * 4), "ens5f1": pf(6, DOWN, *[AUTO] * 4)}
    world.cost_s = {AUTO: 0.1, DISABLE: 0.1}
    world.run(until=5.0)
    order = [(pf_, to) for _, pf_, to, _ in world.written]
    assert order == [(5, AUTO)] + [(6, DISABLE)] * 4 + [(5, AUTO)] * 3


def test_a_quick_driver_gets_one_message_once_it_is_known(world: World) -> None:
    world.facts = {"ens5f0": pf(5, DOWN, *[AUTO] * 60)}
    world.cost_s = {DISABLE: 0.000_01}
    world.at(2.0, lambda: world.facts.update({"ens5f0": pf(5, DOWN, *[AUTO] * 60)}))
    world.run(until=4.0)
    messages = [list(range(1)), list(range(1, 33)), list(range(33, 60)), list(range(60))]
    assert world.all("write") == [(5, dict.fromkeys(vfs, "disable")) for vfs in messages]


def test_a_process_that_waits_for_a_cpu_does_not_take_its_driver_for_slow(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vf_writer, "usage", lambda: vf_writer.Usage(0, 0.0))  # it neither sleeps nor works
    world.facts = {"ens5f0": pf(5, DOWN, *[AUTO] * 60)}
    world.cost_s = {DISABLE: 0.1}
    world.run(until=20.0)
    messages = [list(range(1)), list(range(1, 33)), list(range(33, 60))]
    assert world.all("write") == [(5, dict.fromkeys(vfs, "disable")) for vfs in messages]
    assert world.logged(events.DriverSlow) == []


def test_a_portion_that_is_no_longer_right_is_dropped(world: World) -> None:
    world.facts = {"ens5f0": pf(5, DOWN, *[AUTO] * 10)}
    world.cost_s = {DISABLE: 0.1}

    def comes_back() -> None:
        now = world.facts["ens5f0"]
        assert isinstance(now, PhysicalFunction)
        world.facts["ens5f0"] = replace(now, port=UP)

    world.at(0.35, comes_back)
    world.run(until=3.0)
    disabled = [vf for _, _, to, vf in world.written if to is DISABLE]
    assert disabled == [0, 1, 2, 3]
    assert [vf for _, _, to, vf in world.written if to is AUTO] == disabled


def test_between_portions_the_lock_is_left_to_others_though_events_come(world: World) -> None:
    world.facts = {"ens5f0": pf(5, DOWN, *[AUTO] * 5)}
    world.cost_s = {DISABLE: 0.1}
    for tenth in range(1, 6):
        world.hear(tenth / 10, 5)
    world.run(until=2.0)
    times = [at for at, _, _, _ in world.written]
    assert [round(after - before, 3) for before, after in zip(times, times[1:])] == [0.103] * 4


def test_a_slow_driver_is_logged_once(world: World) -> None:
    world.facts = {"ens5f0": pf(5, DOWN, *[AUTO] * 3)}
    world.cost_s = {DISABLE: 0.15}
    world.at(2.0, lambda: world.facts.update({"ens5f0": pf(5, DOWN, *[AUTO] * 3)}))
    world.run(until=4.0)
    assert world.logged(events.DriverSlow) == [events.DriverSlow("ens5f0", "setting a VF", 150)]


def test_the_service_says_that_it_is_alive_between_slow_calls(world: World) -> None:
    world.facts = {name: pf(number, DOWN, AUTO) for number, name in ((5, "ens5f0"), (6, "ens5f1"))}
    world.cost_s = {DISABLE: 60.0}
    world.run(until=121.0)
    assert world.busy_at[:2] == [60.0, 120.0]


def test_vfs_are_restored_in_portions_on_a_stop_and_systemd_hears_of_each(world: World) -> None:
    world.facts = {"ens5f0": pf(5, DOWN, *[DISABLE] * 4)}
    world.cost_s = {AUTO: 1.0}
    world.run(until=4.0, configured=Config(("ens5f0",), 1000, on_stop=RESTORE))
    assert [(at, to, vf) for at, _, to, vf in world.written] == [
        (round(5 + vf * 1.003, 6), AUTO, vf) for vf in range(4)
    ], "with a pause after each, in which the RTNL lock is left to others"
    assert [round(at) for at in world.busy_at if at >= 4] == [4, 5, 6, 7, 8, 8], "and that it is read again"


# Listing


def test_where_listing_is_slow_the_port_state_is_read_without_the_list(world: World) -> None:
    world.facts = {"ens5f0": pf(5, UP, *[AUTO] * 4)}
    world.list_s = 0.3
    world.run(until=60.0)
    listed = [at for at, _ in world.listed_at]
    assert listed[:2] == [0.0, 1.0], "the first may have been slow by chance"
    assert {round(after - before) for before, after in zip(listed[1:], listed[2:])} == {11}, "3 per cent"
    assert len(world.read_at) > 55
    assert world.logged(events.DriverSlow) == [events.DriverSlow("ens5f0", "listing the VFs", 300)]


def test_on_a_loss_the_vfs_last_seen_in_auto_are_written_before_the_list_is_read(world: World) -> None:
    world.facts = {"ens5f0": pf(5, UP, AUTO, AUTO)}
    world.list_s = 5.0
    world.at(20.5, lambda: world.facts.update({"ens5f0": pf(5, DOWN, AUTO, AUTO)}))
    world.hear(20.5, 5)
    world.run(until=40.0)
    assert [(at, to) for at, _, to, _ in world.written] == [(20.5, DISABLE)] * 2
    after = [at for at, _ in world.listed_at if at > 20]
    assert after[0] == pytest.approx(20.6), "and read at the next look"


def test_another_pf_under_the_name_is_listed_at_once(world: World) -> None:
    world.facts = {"ens5f0": pf(5, UP, AUTO, AUTO)}
    world.list_s = 5.0
    world.at(20.5, lambda: world.facts.update({"ens5f0": pf(9, DOWN, AUTO, AUTO, AUTO)}))
    world.run(until=30.0)
    assert {(ifindex, vf) for _, ifindex, _, vf in world.written} == {(9, 0), (9, 1), (9, 2)}
