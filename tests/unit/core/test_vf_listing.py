"""When the VFs of a PF are listed again."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pf_status_relay.core.facts import VfLinkState, VirtualFunction
from pf_status_relay.core.vf_listing import OLDEST_S, VfListing
from tests.support.facts import UP
from tests.support.world import pf

AUTO, ENABLE, DISABLE = VfLinkState
PF = pf(5, UP, AUTO, AUTO)


def test_a_quick_list_is_read_at_each_look() -> None:
    listing = VfListing().read(PF, 100.0, 0.001).read(PF, 101.0, 0.04)
    assert listing.slow_s == 0
    assert listing.due <= 101.0


def test_one_read_may_be_slow_by_chance() -> None:
    assert VfListing().read(PF, 100.0, 0.2).slow_s == 0
    assert VfListing().read(PF, 100.0, 0.2).read(PF, 101.0, 0.001).slow_s == 0


@pytest.mark.parametrize(("took_s", "due"), [(0.06, 102.0), (0.3, 110.0), (0.9, 130.0)])
def test_a_slow_list_takes_a_few_per_cent_of_the_time(took_s: float, due: float) -> None:
    listing = VfListing().read(PF, 99.0, took_s).read(PF, 100.0, took_s)
    assert listing.slow_s == took_s
    assert listing.due == pytest.approx(due)


def test_a_list_is_never_older_than_stated() -> None:
    listing = VfListing().read(PF, 100.0, 51.0)
    assert listing.slow_s == 51.0, "nobody waits a second for a CPU"
    assert listing.due == 100.0 + OLDEST_S


def test_a_pf_that_was_read_without_its_vfs_gets_those_of_the_list_with_what_was_written() -> None:
    listing = VfListing().read(PF, 100.0, 2.0).wrote([VirtualFunction(1, DISABLE)])
    bare = replace(PF, carrier=False, vf_count=0, vfs_listed=0, vfs=())
    expected = replace(PF, carrier=False, vfs=(VirtualFunction(0, AUTO), VirtualFunction(1, DISABLE)))
    assert listing.added_to(bare) == expected


def test_the_list_can_be_wanted_soon() -> None:
    assert VfListing().read(PF, 100.0, 2.0).soon().due == 0


def test_while_vfs_are_missing_the_list_is_read_soon_for_as_long_as_a_reset_may_last() -> None:
    hidden = replace(PF, vfs=PF.vfs[:1], vfs_listed=1)
    listing = VfListing().read(hidden, 100.0, 3.2)
    assert listing.due == 100.5
    assert listing.read(hidden, 159.0, 3.2).due == 159.5
    assert listing.read(hidden, 161.0, 3.2).due == 191.0
    assert listing.read(PF, 104.0, 3.2).read(hidden, 161.0, 3.2).due == 161.5
