"""Why LACP is down: one cause for each report of the kernel."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pf_status_relay.core import causes
from pf_status_relay.core.causes import Cause, Heard, cause_of
from pf_status_relay.core.decision import explain
from pf_status_relay.core.events import LacpDown, LacpStillDown
from pf_status_relay.core.facts import LinkSettings, PhysicalFunction
from pf_status_relay.core.lacp import PortState, is_up
from tests.support.facts import DISABLE, FAST_BOND, GOOD, Watched, pf, port

PASSIVE_BOND = replace(FAST_BOND, lacp_active=False)
FULL = LinkSettings(25_000, "full")
HEARING = replace(GOOD, lacpdus_received=9, link_settings=FULL)


def down(actor: int, partner: int, **facts: object) -> PhysicalFunction:
    """Return a PF in these port states, with its details read."""
    return replace(HEARING, port=port(actor, partner), **facts)  # type: ignore[arg-type]


UNPLUGGED = down(0x07, 0x37, carrier=False)
"""A PF without carrier, and the state in which the kernel leaves its port."""

SEEN = {
    "set down": (replace(UNPLUGGED, up=False), Cause.PF_DOWN),
    "the cable is pulled, at once": (replace(HEARING, carrier=False), Cause.NO_CARRIER),
    "and then": (UNPLUGGED, Cause.NO_CARRIER),
    "the bond is set down": (replace(HEARING, master=replace(FAST_BOND, up=False)), Cause.BOND_DOWN),
    "no speed from the start": (down(0x4F, 0, lacpdus_received=0, link_settings=LinkSettings(None, "full")),
                                Cause.SPEED_UNKNOWN),
    "no speed once the carrier is back": (down(0x07, 0x37, link_settings=LinkSettings(None, "unknown")),
                                          Cause.SPEED_UNKNOWN),
    "no duplex": (down(0x4F, 0, link_settings=LinkSettings(25_000, "unknown")), Cause.SPEED_UNKNOWN),
    "half duplex": (down(0x4F, 0, link_settings=LinkSettings(100, "half")), Cause.HALF_DUPLEX),
    "no port state": (replace(HEARING, port=None), Cause.NOT_AGREED),
    "both passive, from the start": (down(0x4E, 0, master=PASSIVE_BOND, lacpdus_received=0), Cause.PASSIVE),
    "both passive": (down(0x3E, 0x8E, master=PASSIVE_BOND), Cause.PASSIVE),
    "we passive, on a kernel that then falls silent": (down(0x3E, 0xBF, master=PASSIVE_BOND), Cause.PASSIVE),
    "we passive, and an active switch dies": (down(0x8E, 0x37, master=PASSIVE_BOND), Cause.SILENT),
    "enslaved, and nothing comes": (down(0xC7, 0x02, lacpdus_received=0), Cause.NEVER_HEARD),
    "still nothing": (down(0x4F, 0, lacpdus_received=0), Cause.NEVER_HEARD),
    "the switch dies": (down(0x8F, 0x37), Cause.SILENT),
    "and stays so": (down(0x4F, 0), Cause.SILENT),
    "the carrier is just back": (down(0x47, 0), Cause.NOT_AGREED),
    "and soon after": (down(0xC7, 0x02), Cause.NOT_AGREED),
    "while both wait": (down(0x07, 0x07), Cause.NOT_AGREED),
    "our LACPDUs do not arrive": (down(0x3F, 0xBF), Cause.NOT_HEARD),
    "for longer": (down(0x3F, 0x47), Cause.NOT_HEARD),
    "the switch's port is individual": (down(0x3F, 0x3B), Cause.INDIVIDUAL),
    "the switch's port is in another aggregator": (down(0x0F, 0x37), Cause.OTHER_AGGREGATOR),
    "or not attached": (down(0x0F, 0x05), Cause.OTHER_AGGREGATOR),
    "the switch holds the port back": (down(0x3F, 0x0F), Cause.NOT_CARRYING),
    "the last step": (down(0x0F, 0x3F), Cause.NOT_AGREED),
}  # fmt: skip


@pytest.mark.parametrize(("seen", "cause"), list(SEEN.values()), ids=list(SEEN))
def test_what_the_kernel_says_has_one_cause(seen: PhysicalFunction, cause: Cause) -> None:
    assert cause_of(seen) is cause


def test_every_cause_is_seen_above_or_known_to_the_service_alone() -> None:
    seen = {cause for _, cause in SEEN.values()}
    assert set(Cause) - seen == {Cause.EARLY_DETECTION, Cause.BFD_TIMEOUT, Cause.SLOW_PARTNER}
    assert set(causes.FIXES) == set(Cause)


def test_there_is_a_cause_whenever_lacp_is_down_and_none_while_it_is_up() -> None:
    for actor in range(256):
        for partner in range(256):
            for bond in (FAST_BOND, PASSIVE_BOND):
                cause = cause_of(down(actor, partner, master=bond))
                assert (cause is None) is is_up(PortState(actor), PortState(partner))


@pytest.mark.parametrize("settings", [FULL, None])
def test_a_speed_that_is_known_or_was_not_asked_for_is_no_cause(settings: LinkSettings | None) -> None:
    assert cause_of(down(0x4F, 0, link_settings=settings)) is Cause.SILENT


def test_a_port_that_has_expired_ran_lacp_so_that_its_speed_is_not_the_cause() -> None:
    assert cause_of(down(0x8F, 0x37, link_settings=LinkSettings(None, "unknown"))) is Cause.SILENT


def test_a_kernel_that_does_not_count_lacpdus_does_not_say_that_none_came() -> None:
    assert cause_of(down(0x4F, 0, lacpdus_received=None)) is Cause.SILENT


@pytest.mark.parametrize(
    ("told", "seen", "cause"),
    [
        (Cause.EARLY_DETECTION, HEARING, Cause.EARLY_DETECTION),
        (Cause.EARLY_DETECTION, down(0x8F, 0x37), Cause.SILENT),
        (Cause.SLOW_PARTNER, down(0x8F, 0x37), Cause.SLOW_PARTNER),
        (Cause.SLOW_PARTNER, UNPLUGGED, Cause.NO_CARRIER),
        (Cause.SLOW_PARTNER, HEARING, None),
        (Cause.NO_CARRIER, HEARING, None),
    ],
)
def test_what_the_service_knows_counts_unless_the_kernel_contradicts_it(
    told: Cause, seen: PhysicalFunction, cause: Cause | None
) -> None:
    assert cause_of(seen, told) is cause


def at(*heard: tuple[float, int]) -> tuple[Heard, ...]:
    return tuple(Heard(*each) for each in heard)


@pytest.mark.parametrize(
    ("heard", "slow"),
    [
        pytest.param(at((3, 6), (33, 7), (63, 8)), True, id="one in 30 s, twice"),
        pytest.param(at((3, 6), (33, 7)), False, id="once can be a coincidence"),
        pytest.param(at((3, 6), (33, 7), (63, 17)), False, id="ten in 30 s"),
        pytest.param(at((3, 6), (7, 7), (11, 8)), False, id="one in 4 s: LACPDUs get lost"),
        pytest.param(at((3, 6), (303, 7), (603, 8)), False, id="one in 5 minutes: outages"),
        pytest.param(at((3, 6), (33, 6), (63, 7)), False, id="none"),
        pytest.param(at((3, 6), (33, 0), (63, 1)), False, id="another port"),
        pytest.param(at((3, 6), (63, 8), (93, 9)), True, id="two in a minute"),
    ],
)
def test_a_partner_that_sends_slowly_is_known_by_its_lacpdus_from_outage_to_outage(
    heard: tuple[Heard, ...], slow: bool
) -> None:
    assert causes.sends_slowly(heard) is slow


def test_the_last_outages_are_remembered_if_lacpdus_are_counted() -> None:
    heard: tuple[Heard, ...] = ()
    for now in (1.0, 2.0, 3.0, 4.0):
        heard = causes.remember(heard, now, int(now))
    assert heard == at((2.0, 2), (3.0, 3), (4.0, 4))
    assert causes.remember(heard, 5.0, None) == ()


def test_the_third_outage_of_a_slow_partner_says_so() -> None:
    watched = Watched()
    said = []
    for number in range(3):
        watched.look(pf(port(63, 61), DISABLE), after=27)
        expired = pf(port(0x8F, 0x35), DISABLE)
        decision = watched.look(expired, after=3)
        details = replace(expired, lacpdus_received=5 + number)
        watched.memory, events = explain(watched.memory, decision.events, details, watched.now)
        said += [event.cause for event in events if isinstance(event, LacpDown)]
    assert said == ["LACPDUs have stopped", "LACPDUs have stopped", "partner sends slowly"]


SILENT, NO_CARRIER = pf(port(0x4F, 0), DISABLE), pf(port(0x07, 0x37), DISABLE, carrier=False)
"""PFs with LACP down for one cause each: LACPDUs have stopped, and no carrier."""


def told(watched: Watched, seen: PhysicalFunction, after: float, **details: object) -> list[str]:
    """Return the causes logged for one look. The details are read only if there is something to log."""
    decision = watched.look(seen, after=after)
    outage = tuple(each for each in decision.events if isinstance(each, (LacpDown, LacpStillDown)))
    if not outage:
        return []
    watched.memory, events = explain(watched.memory, outage, replace(seen, **details), watched.now)  # type: ignore[arg-type]
    return [f"{event.msg}: {event.cause}" for event in events if isinstance(event, (LacpDown, LacpStillDown))]


def test_another_cause_that_stays_is_told_once_and_so_is_the_first_if_it_returns() -> None:
    watched = Watched()
    assert told(watched, NO_CARRIER, 0) == ["lacp is down: no carrier"]
    assert told(watched, NO_CARRIER, 60) == []
    assert told(watched, SILENT, 0.1) == []
    assert told(watched, SILENT, 9.8) == []
    assert told(watched, SILENT, 0.3) == ["lacp is still down: LACPDUs have stopped"]
    assert told(watched, SILENT, 60) == []
    assert told(watched, NO_CARRIER, 1) == []
    assert told(watched, NO_CARRIER, 10) == ["lacp is still down: no carrier"]


def test_a_cause_that_passes_is_not_told() -> None:
    watched = Watched()
    told(watched, NO_CARRIER, 0)
    for _ in range(5):
        assert told(watched, SILENT, 9) == []
        assert told(watched, NO_CARRIER, 9) == []


def test_a_cause_that_turns_out_to_be_the_one_that_was_told_is_not_told_again() -> None:
    watched = Watched()
    begun = pf(port(0xC7, 0x02), DISABLE)
    assert told(watched, begun, 0, lacpdus_received=0) == ["lacp is down: no LACPDU has come yet"]
    assert told(watched, SILENT, 1) == []
    assert told(watched, SILENT, 10, lacpdus_received=0) == []
    assert told(watched, SILENT, 60, lacpdus_received=5) == []


def test_the_next_outage_is_told_as_the_first_was() -> None:
    watched = Watched()
    first = told(watched, NO_CARRIER, 0)
    watched.look(pf(port(63, 63), DISABLE), after=1)
    assert told(watched, NO_CARRIER, 1) == first
