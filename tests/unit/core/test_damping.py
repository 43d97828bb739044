"""How long VFs stay disabled on a link that flaps."""

from __future__ import annotations

import pytest

from pf_status_relay.core import events
from pf_status_relay.core.damping import Damping
from pf_status_relay.core.decision import Policy
from pf_status_relay.core.facts import VfLinkState
from tests.support.facts import DOWN, UP, Watched
from tests.support.world import pf

AUTO, ENABLE, DISABLE = VfLinkState
LEAST_S, MOST_S = 10.0, 60.0


def flap(damping: Damping, at: float, up_s: float, down_s: float = 5.0) -> tuple[Damping, float]:
    """Bring LACP up at a time, lose it after `up_s`; return when it may come up again. All in seconds."""
    lost_at = at + up_s
    return damping.up(at, LEAST_S).down(lost_at, LEAST_S, MOST_S), lost_at + down_s


def delays(*up_s: float) -> list[float]:
    """Return the delay in seconds after each loss; LACP was up for `up_s` seconds before it."""
    damping, at, found = Damping(), 100.0, []
    for each in up_s:
        damping, at = flap(damping, at, each)
        found.append(damping.delay(LEAST_S))
    return found


def test_the_first_loss_changes_nothing_and_each_further_one_doubles_the_delay_up_to_the_limit() -> None:
    assert delays(1, 1, 1, 1, 1) == [10, 20, 40, 60, 60]


def test_a_loss_counts_until_lacp_has_been_up_for_the_delay_and_as_long_again() -> None:
    assert delays(1, 19.9) == [10, 20]
    assert delays(1, 20.0) == [10, 10]
    assert delays(1, 1, 39.9) == [10, 20, 40]


@pytest.mark.parametrize(
    ("calm_s", "delay_s"),
    # After three losses the delay is 40 s. 80 s with LACP up halve it, 20 s more halve it again.
    [(79.9, 60), (80.0, 40), (99.9, 40), (100.0, 20), (109.9, 20), (110.0, 10), (10_000.0, 10)],
)
def test_an_equally_long_time_of_health_halves_it_again(calm_s: float, delay_s: float) -> None:
    assert delays(1, 1, 1, calm_s)[-1] == delay_s


def test_a_flap_long_after_is_a_first_one() -> None:
    assert delays(1, 1, 1, 1000, 1) == [10, 20, 40, 10, 20]


def looks(watched: Watched, at: float, up: bool) -> list[events.Event]:
    watched.now = at
    port, state = (UP, DISABLE) if up else (DOWN, DISABLE)
    decision = watched.look(pf(5, port, state))
    kinds = (events.RestoreDelayGrown, events.RestoreDelayed)
    return [event for event in decision.events if isinstance(event, kinds)]


def test_vfs_stay_disabled_for_as_long_as_it_has_grown_and_it_is_told_when_it_grows() -> None:
    watched = Watched(Policy(restore_delay_s=LEAST_S, restore_delay_max_s=MOST_S))
    assert looks(watched, 100, up=True) == [events.RestoreDelayed("ens5f0", 10_000)]
    assert looks(watched, 105, up=False) == []
    assert looks(watched, 106, up=True) == [events.RestoreDelayed("ens5f0", 10_000)]
    assert looks(watched, 107, up=False) == [events.RestoreDelayGrown("ens5f0", 20_000)]
    assert looks(watched, 108, up=True) == [events.RestoreDelayed("ens5f0", 20_000)]
    watched.now = 127.9
    assert watched.look(pf(5, UP, DISABLE)).writes == ()
    watched.now = 128.0
    assert watched.look(pf(5, UP, DISABLE)).writes != ()


def test_without_a_limit_it_never_grows() -> None:
    watched = Watched(Policy(restore_delay_s=LEAST_S))
    for at in range(100, 200, 2):
        assert not any(
            isinstance(event, events.RestoreDelayGrown)
            for up in (True, False)
            for event in looks(watched, at + (not up), up)
        )
    assert looks(watched, 300, up=True) == [events.RestoreDelayed("ens5f0", 10_000)]
