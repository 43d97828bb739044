"""VFs whose link state nobody knows.

A VF is missing in the list of its PF while its driver does not answer for it: in a reset (ice), while the
firmware recovers (mlx5, ionic), while the PF is down (bnx2x). Some drivers (ena, enic) never list VFs.

In eswitch mode switchdev mlx5 reads every VF as `disable`, whatever its representor does, and sets none
(EOPNOTSUPP; drivers/net/ethernet/mellanox/mlx5/core/eswitch_offloads.c). So where a driver that sets no
link states reads all as `disable`, nothing has been disabled by us and nothing is left to restore. The switch
ID of the PF (IFLA_PHYS_SWITCH_ID) does not tell the mode: mlx5, ice, bnxt and nfp have one in mode legacy,
too.
Pure, as decision.py is, which it belongs to.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from pf_status_relay.core.events import Event, VfsListedAgain, VfsMissing, VfStatesKnown, VfStatesUnknown
from pf_status_relay.core.facts import PhysicalFunction, VfLinkState
from pf_status_relay.core.retries import Outcome


@dataclass(frozen=True)
class UnknownStates:
    """What is not known of a PF's VFs.

    `missing` counts those that the list lacks. `all_disabled`: all that were listed last are in `disable`.
    `invented`: so they are read, and the driver sets none.
    """

    missing: int = 0
    all_disabled: bool = False
    invented: bool = False


def follow(name: str, before: UnknownStates, pf: PhysicalFunction) -> tuple[UnknownStates, tuple[Event, ...]]:
    """Take in one look at the PF of the interface `name`."""
    events: list[Event] = []
    missing = pf.vfs_missing
    if missing and not before.missing:
        events.append(VfsMissing(name, pf.vf_count, missing))
    elif before.missing and not missing and pf.vf_count:
        events.append(VfsListedAgain(name, pf.vf_count))
    if not pf.vfs and missing:
        return replace(before, missing=missing), tuple(events)
    all_disabled = bool(pf.vfs) and all(vf.link_state is VfLinkState.DISABLE for vf in pf.vfs)
    invented = before.invented and all_disabled
    if before.invented and not invented:
        events.append(VfStatesKnown(name))
    return UnknownStates(missing, all_disabled, invented), tuple(events)


def settle(
    name: str, before: UnknownStates, outcomes: Collection[Outcome]
) -> tuple[UnknownStates, tuple[Event, ...]]:
    """Take in what became of writes."""
    unsupported = [outcome.refusal is not None and outcome.refusal.unsupported for outcome in outcomes]
    invented = before.all_disabled and (all(unsupported) if unsupported else before.invented)
    if invented is before.invented:
        return before, ()
    events = (VfStatesUnknown(name) if invented else VfStatesKnown(name),)
    return replace(before, invented=invented), events
