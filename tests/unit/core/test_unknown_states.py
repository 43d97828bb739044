"""VFs with an unknown link state: missing in the list, or invented by their driver."""

from __future__ import annotations

import errno
import os
from dataclasses import replace

import pytest

from pf_status_relay.core import events
from pf_status_relay.core.facts import VirtualFunction
from tests.support.facts import AUTO, DISABLE, DOWN, UP, Watched, pf

UNSUPPORTED = os.strerror(errno.EOPNOTSUPP)
SWITCHDEV = pf(UP, DISABLE, DISABLE)
UNKNOWN, KNOWN = events.VfStatesUnknown("ens5f0"), events.VfStatesKnown("ens5f0")


@pytest.fixture
def watched() -> Watched:
    return Watched()


def test_what_a_driver_without_link_states_reads_as_disable_is_unknown_and_nothing_of_ours(
    watched: Watched,
) -> None:
    assert UNKNOWN in watched.look(SWITCHDEV, error=UNSUPPORTED).events
    assert watched.memory.disabled == 0
    looks = [
        watched.look(facts, after=2, error=UNSUPPORTED)
        for facts in [SWITCHDEV, pf(DOWN, DISABLE, DISABLE)] * 5
    ]
    assert watched.memory.disabled == 0
    assert UNKNOWN not in [each for look in looks for each in look.events]


def test_back_in_legacy_mode_it_serves_the_pf_at_the_first_look(watched: Watched) -> None:
    watched.look(SWITCHDEV, error=UNSUPPORTED)
    watched.look(pf(DOWN, DISABLE, DISABLE))
    back = watched.look(pf(DOWN, AUTO, AUTO))
    assert KNOWN in back.events
    assert back.writes == (VirtualFunction(0, DISABLE), VirtualFunction(1, DISABLE))


def test_a_write_that_is_taken_makes_them_known(watched: Watched) -> None:
    watched.look(SWITCHDEV, error=UNSUPPORTED)
    assert KNOWN in watched.look(SWITCHDEV, after=1).events
    watched.look(pf(UP, AUTO, DISABLE))
    assert watched.memory.disabled == 1


@pytest.mark.parametrize(
    ("facts", "error"),
    [
        (pf(UP, DISABLE, AUTO), UNSUPPORTED),
        (pf(DOWN, AUTO, AUTO), UNSUPPORTED),
        (SWITCHDEV, os.strerror(errno.EBUSY)),
    ],
)
def test_other_refusals_leave_them_known(watched: Watched, facts: object, error: str) -> None:
    assert UNKNOWN not in watched.look(facts, error=error).events  # type: ignore[arg-type]


def test_vfs_that_are_all_missing_tell_nothing(watched: Watched) -> None:
    watched.look(SWITCHDEV, error=UNSUPPORTED)
    hidden = replace(pf(UP), vf_count=2)
    assert watched.look(hidden).events == (events.VfsMissing("ens5f0", 2, 2),)
    assert watched.look(SWITCHDEV).events == (events.VfsListedAgain("ens5f0", 2),)
    assert watched.memory.disabled == 0


def test_a_pf_that_loses_its_vfs_has_none_missing(watched: Watched) -> None:
    watched.look(replace(pf(UP), vf_count=2))
    assert watched.look(pf(UP)).events == (events.NoVfs("ens5f0"),)
