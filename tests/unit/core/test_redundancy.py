"""What a redundancy group means for one of its PFs."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from pf_status_relay.core.facts import VfLinkState
from pf_status_relay.core.redundancy import Member, Openness, Place, Stand, openness, stand
from tests.support.facts import numbered

AUTO, ENABLE, DISABLE = VfLinkState
CLOSED, PARTLY, OPEN = Openness

DOWN = Member(0, True, OPEN, carrier=True)
UP = replace(DOWN, up=True)
DRAINED = replace(UP, drained=True)


def second(member: Member) -> Member:
    """Return the member as the second PF of its group."""
    return replace(member, order=1)


@pytest.mark.parametrize(
    ("states", "refused", "found"),
    [
        ([], (), None),
        ([AUTO, AUTO], (), OPEN),
        ([AUTO, ENABLE], (), OPEN),
        ([ENABLE], (), OPEN),
        ([AUTO, DISABLE], (), PARTLY),
        ([DISABLE, DISABLE], (), CLOSED),
        ([DISABLE, ENABLE], (), CLOSED),
        ([AUTO, DISABLE], (1,), OPEN),
        ([DISABLE, DISABLE], (1,), CLOSED),
        ([DISABLE, DISABLE], (0, 1), None),
    ],
)
def test_how_open_vfs_are(
    states: list[VfLinkState], refused: tuple[int, ...], found: Openness | None
) -> None:
    assert openness(numbered(states), refused) is found


@pytest.mark.parametrize(
    ("other", "meant"),
    [
        (UP, Stand.FREE),
        (replace(UP, openness=PARTLY), Stand.HELD),
        (replace(UP, openness=CLOSED), Stand.HELD),
        (replace(UP, openness=None), Stand.KEPT),
        (DRAINED, Stand.FREE),
        (replace(DRAINED, openness=CLOSED), Stand.HELD),
        (DOWN, Stand.KEPT),
        (replace(DOWN, openness=CLOSED), Stand.KEPT),
        (replace(DOWN, openness=None), Stand.KEPT),
        (Member(0, True), Stand.KEPT),
        (Member(0), Stand.HELD),
    ],
)
@pytest.mark.parametrize("own", [DOWN, replace(DOWN, openness=CLOSED)])
def test_a_pf_with_lacp_down_beside_another_one(own: Member, other: Member, meant: Stand) -> None:
    if own.openness is CLOSED and other == DOWN:
        meant = Stand.FREE  # the other one is open already
    assert stand(own, [second(other)]) is meant


def test_the_second_leaves_it_to_the_first() -> None:
    assert stand(second(DOWN), [DOWN]) is Stand.FREE
    assert stand(second(DOWN), [replace(DOWN, openness=CLOSED)]) is Stand.KEPT, "it is open already"
    assert stand(second(DOWN), [replace(DOWN, carrier=False)]) is Stand.KEPT, "the first has no carrier"


def test_a_drain_is_suspended_when_the_other_pf_is_down() -> None:
    assert stand(replace(DRAINED, openness=CLOSED), [second(DOWN)]) is Stand.KEPT
    assert stand(DRAINED, [second(DRAINED)]) is Stand.KEPT
    assert stand(second(DRAINED), [DRAINED]) is Stand.FREE


def test_lacp_up_is_free_and_the_first_to_open_if_none_is() -> None:
    assert stand(UP, [second(DOWN)]) is Stand.FREE
    assert stand(UP, [second(replace(DOWN, openness=CLOSED))]) is Stand.FIRST
    assert stand(UP, [second(replace(DOWN, openness=None))]) is Stand.FIRST


def test_a_pf_whose_driver_refuses_is_tried_again_unless_another_one_carries() -> None:
    refused = replace(DOWN, openness=None)
    assert stand(refused, [second(DOWN)]) is Stand.KEPT
    assert stand(refused, [second(UP)]) is Stand.FREE
    assert stand(refused, [second(Member(0))]) is Stand.HELD


def test_of_each_two_pfs_at_rest_one_stays_open_and_no_two_that_are_down() -> None:
    """Check that the stands of two PFs fit each other, whatever the state of both."""
    for one_openness, other_openness in itertools.product((CLOSED, PARTLY, OPEN), repeat=2):
        for one, other in itertools.product((DOWN, UP, DRAINED), repeat=2):
            first = replace(one, openness=one_openness)
            last = second(replace(other, openness=other_openness))
            meant = {stand(first, [last]), stand(last, [first])}
            carries = any(member.up and not member.drained for member in (first, last))
            assert carries or Stand.KEPT in meant or Stand.HELD in meant
            assert meant != {Stand.KEPT}


def test_of_two_that_are_down_the_one_whose_port_state_is_up_stays_open() -> None:
    """Trust the port state more: BFD may be wrong, and a port state that is down is not."""
    timed_out = replace(DOWN, port_up=True, openness=CLOSED)
    assert stand(second(timed_out), [DOWN]) is Stand.KEPT
    assert stand(DOWN, [second(timed_out)]) is Stand.HELD
    assert stand(DOWN, [second(replace(timed_out, openness=OPEN))]) is Stand.FREE


def test_another_is_open_if_it_is_up_and_read_as_open() -> None:
    assert Place(0, (second(UP),)).another_is_open
    assert Place(0, (second(replace(UP, drained=True)),)).another_is_open
    assert not Place(0, (second(DOWN),)).another_is_open
    assert not Place(0, (second(replace(UP, openness=PARTLY)),)).another_is_open
    assert not Place(0, ()).another_is_open
