"""VFs whose link state the kernel does not show.

A VF is missing from its PF's list while the driver does not answer for it: in a reset (ice), while the
firmware recovers (mlx5, ionic), while the PF is down (bnx2x). Some drivers (ena, enic) never list VFs.

In eswitch mode switchdev mlx5 reports every VF as `disable`, whatever its representor does, and sets none
(EOPNOTSUPP; drivers/net/ethernet/mellanox/mlx5/core/eswitch_offloads.c). So where a driver sets no link
states and reports all as `disable`, the relay disabled nothing and has nothing to restore. The PF's switch ID
(IFLA_PHYS_SWITCH_ID) does not tell the mode: mlx5, ice, bnxt and nfp have one in mode legacy, too.

Pure; part of decision.py's work.
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

    `missing` counts the VFs that the list lacks. `all_disabled`: all VFs of the last list are in `disable`.
    `invented`: the same, and the driver sets none.
    """

    missing: int = 0
    all_disabled: bool = False
    invented: bool = False


def follow(name: str, before: UnknownStates, pf: PhysicalFunction) -> tuple[UnknownStates, tuple[Event, ...]]:
    """Follow one look at the PF `name`; return what is known now, and the events to log."""
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
    """Follow the outcomes of writes; return what is known now, and the events to log."""
    unsupported = [outcome.refusal is not None and outcome.refusal.unsupported for outcome in outcomes]
    invented = before.all_disabled and (all(unsupported) if unsupported else before.invented)
    if invented is before.invented:
        return before, ()
    events = (VfStatesUnknown(name) if invented else VfStatesKnown(name),)
    return replace(before, invented=invented), events
