"""Writes of VF link states to a driver that refuses some VFs of a message."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from typing import cast

import pytest

from pf_status_relay.core.facts import VirtualFunction
from pf_status_relay.core.refusals import Refusal
from pf_status_relay.core.retries import Outcome
from pf_status_relay.kernel.request_socket import RequestSocket
from pf_status_relay.service.vf_writer import VfWriter
from tests.support.facts import AUTO, DISABLE, numbered

EIGHT = numbered([DISABLE] * 8)
BUSY, BROKEN = Refusal(errno.EBUSY, "busy"), Refusal(errno.EIO, "broken")


class Driver:
    """A driver that refuses one VF of its eight; with `shows`, that VF reads in its new state anyway."""

    def __init__(self) -> None:
        self.refused: int | None = None
        self.refusal = BUSY
        self.shows = False
        self.states = dict(numbered([AUTO] * 8))
        self.asked: list[int] = []

    def set_vf_link_states(self, _: int, vfs: Sequence[VirtualFunction]) -> Refusal | None:
        """Set VFs in order, up to the refused one."""
        for vf in vfs:
            self.asked.append(vf.id)
            if vf.id != self.refused or self.shows:
                self.states[vf.id] = vf.link_state
            if vf.id == self.refused:
                return self.refusal
        return None

    def vfs(self) -> tuple[VirtualFunction, ...]:
        """Return the VFs as a read shows them."""
        return tuple(VirtualFunction(*each) for each in self.states.items())


@pytest.fixture
def driver() -> Driver:
    return Driver()


@pytest.fixture
def writer(driver: Driver) -> VfWriter:
    """Return a writer that has found the driver quick."""
    writer = VfWriter(lambda: 0.0)
    write(writer, driver, EIGHT)
    driver.states = dict(numbered([AUTO] * 8))
    driver.asked.clear()
    return writer


def write(
    writer: VfWriter, driver: Driver, vfs: Sequence[VirtualFunction], singly: bool = False
) -> tuple[Outcome, ...]:
    return writer.write(cast(RequestSocket, driver), 5, vfs, singly)


def test_what_a_refused_message_set_is_not_set_again(writer: VfWriter, driver: Driver) -> None:
    driver.refused = 5
    assert write(writer, driver, EIGHT) == ()
    assert writer.unsure
    assert writer.resolve(driver.vfs()) == tuple(map(Outcome, EIGHT[:5]))
    assert not writer.unsure
    rest = write(writer, driver, EIGHT[5:])
    assert rest == (Outcome(EIGHT[5], BUSY), Outcome(EIGHT[6]), Outcome(EIGHT[7]))
    assert driver.asked == [0, 1, 2, 3, 4, 5, 5, 6, 7]
    assert writer.left is None


def test_a_vf_that_shows_though_it_may_be_the_refused_one_counts_as_refused(
    writer: VfWriter, driver: Driver
) -> None:
    driver.refused, driver.refusal, driver.shows = 5, BROKEN, True
    write(writer, driver, EIGHT)
    assert writer.resolve(driver.vfs()) == (*map(Outcome, EIGHT[:5]), Outcome(EIGHT[5], BROKEN))


def test_a_message_whose_first_vf_is_refused_has_set_none(writer: VfWriter, driver: Driver) -> None:
    driver.refused, driver.refusal = 0, BROKEN
    write(writer, driver, EIGHT)
    assert writer.resolve(driver.vfs()) == ()


def test_vfs_that_were_refused_go_one_by_one(writer: VfWriter, driver: Driver) -> None:
    driver.refused = 2
    assert write(writer, driver, EIGHT[:4], singly=True)[2] == Outcome(EIGHT[2], BUSY)
    assert driver.asked == [0, 1, 2, 3]
