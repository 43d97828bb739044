"""Detection of others that set the link states of VFs: another relay, or a script.

Under systemd the service cannot see other processes. It can see what they do: a VF that was seen in the
right link state is found in the wrong one, and LACP did not change in between. Once may be a person. The
same VF set back again and again is a fight, in which the pods' network comes and goes. Pure; part of
decision.py's work.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from pf_status_relay.core.events import Event, VfsSetBySomebodyElse
from pf_status_relay.core.facts import VfLinkState, VirtualFunction

SET_BACK_TIMES = 3
"""How many times a VF must be set back within WINDOW_S to count as a fight."""

WINDOW_S = 60.0
"""Seconds for which a VF that was set back is remembered."""

QUIET_S = 600.0
"""Seconds without a VF being set back, after which the next fight is logged again."""


@dataclass(frozen=True)
class Interference:
    """What looks have shown of others that set the VFs of one PF.

    `vfs` are those of the last look, and `right` is the link state that they should have had then.
    `set_back` holds, by VF number, when somebody set the VF back (monotonic seconds). `fight` is when that
    was last seen since a fight was logged, None if there is none.
    """

    right: VfLinkState | None = None
    vfs: tuple[VirtualFunction, ...] = ()
    set_back: Mapping[int, tuple[float, ...]] = field(default_factory=dict)
    fight: float | None = None


def notice(
    interface: str,
    before: Interference,
    vfs: tuple[VirtualFunction, ...],
    wrong: Iterable[VirtualFunction],
    right: VfLinkState,
    now: float,
) -> tuple[Interference, tuple[Event, ...]]:
    """Compare a look at `now` (monotonic seconds) with the one before; return what to remember and to log.

    `wrong` are those of `vfs` that are not in the `right` state. New VFs start in auto and are not counted: a
    changed number of VFs shows them. Nor is a VF that ignored our write: no look saw it in the right state.
    """
    after = replace(before, right=right, vfs=vfs)
    if before.right is not right or len(before.vfs) != len(vfs):
        return after, ()
    states = dict(before.vfs)
    found = [vf.id for vf in wrong if states.get(vf.id) is right]
    if not found:
        return after, ()
    set_back = {
        number: tuple(when for when in moments if now - when < WINDOW_S)
        for number, moments in before.set_back.items()
    }
    for number in found:
        set_back[number] = (*set_back.get(number, ()), now)[-SET_BACK_TIMES:]
    fought = [number for number in found if len(set_back[number]) == SET_BACK_TIMES]
    fight = before.fight if before.fight is not None and now - before.fight < QUIET_S else None
    events = (VfsSetBySomebodyElse(interface, fought[0]),) if fought and fight is None else ()
    if fought or fight is not None:
        fight = now
    kept = {number: moments for number, moments in set_back.items() if moments}
    return replace(after, set_back=kept, fight=fight), events
