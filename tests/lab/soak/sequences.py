"""Sequences: what can happen to a host, drawn by a seed.

A seed stands for an endless stream of steps, drawn without looking at the host. Of these the model takes
what the host is in a state for (model.py), until it has taken as many as were asked for; so a part of a
sequence can be played by the numbers of its steps in the stream, and a longer one begins like a shorter.
"""

from __future__ import annotations

import errno
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple, Union

from tests.lab.kit.personalities import BNXT, ENA, I40E, ICE, IGB, IONIC, IXGBE, MLX5, Personality

ICE_DISABLED = replace(ICE, episodes={"VFs disabled": ICE.episodes["VFs disabled"]})
"""ice without the reset that holds the RTNL lock."""

Value = Union[str, int, bool]
Draw = Callable[[random.Random], Value]

PERSONALITIES = (None, None, I40E, I40E, ICE_DISABLED, IXGBE, MLX5, IONIC, BNXT, IGB, ENA)
"""Not those that hold the RTNL lock for a second and more, for which the recorder waits, nor those that keep
link states for new VFs, which cannot be told from what the relay does."""
CONFIGURED = ("ens5f0", "ens5f1", "uplink2")
"""What the relay is told to monitor. The last is an alternative name that a PF bears at times."""
DECOY = "ens6f0"
"""A PF like the others that nobody asked for."""
PFS = ("ens5f0", "ens5f1", DECOY)
MASTERS = ("its bond", "the shared bond", "an active-backup bond", "a bridge", "nothing")
INTERVALS_MS = (1000, 1000, 200, 3000)
PAUSES_S = (0.0, 0.05, 0.3, 1.0, 2.0, 4.0, 8.0)


class Step(NamedTuple):
    """One thing that happens: a method of model.Model, its arguments, and the seconds that pass after it."""

    what: str
    arguments: tuple[Value, ...]
    pause_s: float


def one_of(*values: Value) -> Draw:
    """Draw one of these, each as likely as how often it is named."""
    return lambda source: source.choice(values)


A_PF = one_of(*PFS[:2], *PFS[:2], *PFS)
A_VF = one_of(0, 1, 2)
A_NAME = one_of(*PFS[:2])
AN_OWNER = one_of("alice", "alice", "bob")

STEPS: tuple[tuple[int, str, tuple[Draw, ...]], ...] = (
    # LACP and the cable
    (9, "block_lacp", (A_PF, one_of("to_host", "to_host", "to_switch", "both"))),
    (9, "unblock_lacp", (A_PF,)),
    (2, "partner_stops_aggregating", (A_PF,)),
    (3, "partner_aggregates_again", (A_PF,)),
    (4, "pull_cable", (A_PF,)),
    (5, "plug_cable", (A_PF,)),
    # The PF
    (1, "set_down", (A_PF,)),
    (4, "set_up", (A_PF,)),
    (1, "delete_pf", (A_PF,)),
    (4, "create_pf", (A_PF,)),
    (2, "rename_pf", (A_PF, one_of(*PFS, "other0"))),
    (2, "add_altname", (A_PF,)),
    (2, "remove_altname", ()),
    # Its master
    (4, "masters.move", (A_PF, one_of(*MASTERS))),
    (2, "masters.add_second_port", (A_PF,)),
    (3, "masters.remove_second_port", ()),
    (2, "masters.delete", (A_PF,)),
    (2, "masters.rename", (A_PF,)),
    (1, "masters.set_down", (A_PF,)),
    (2, "masters.set_up", (A_PF,)),
    # Its VFs
    (4, "change_vfs", (A_PF, one_of(0, 1, 2, 3, 5))),
    (7, "set_vf", (A_PF, A_VF, one_of("auto", "auto", "disable", "disable", "enable"))),
    (5, "refuse", (A_PF, A_VF, one_of("that VF", "every VF"), one_of(errno.EBUSY, errno.EIO, errno.EINVAL))),
    (7, "accept", (A_PF,)),
    (4, "begin_episode", (A_PF, one_of(0, 1))),
    (7, "end_episode", (A_PF,)),
    # Drains
    (3, "drain", (A_NAME, AN_OWNER)),
    (5, "undrain", (A_NAME, AN_OWNER)),
    # BFD, in the sequences that have it
    (6, "bfd_up", (A_NAME,)),
    (5, "bfd_down", (A_NAME, one_of(1, 1, 1, 3, 5, 7))),
    (2, "bfd_all_time_out", ()),
    (1, "bfdd_restarts", ()),
    (1, "bfdd_sends_garbage", ()),
    # The relay and its events
    (2, "relay.stop", ()),
    (2, "relay.kill", ()),
    (5, "relay.start", ()),
    (3, "relay.freeze", ()),
    (5, "relay.thaw", ()),
    (1, "relay.storm", ()),
    (1, "relay.overrun", (one_of(True, False),)),
    (3, "relay.reload", (one_of(True, True, False),)),
    # All is well again, or nothing happens
    (10, "fix", (A_PF,)),
    (2, "wait", (one_of(5, 15, 35),)),
)


def stream(seed: int) -> Iterator[Step]:
    """Yield the steps of a seed, without end."""
    source = random.Random(seed)
    weights = [weight for weight, _, _ in STEPS]
    while True:
        ((_, what, draws),) = source.choices(STEPS, weights)
        yield Step(what, tuple(draw(source) for draw in draws), source.choice(PAUSES_S))


def personality(seed: int, name: str) -> Personality | None:
    """Return the real driver that a PF's imitates in the sequence of a seed; None: quick, without errors."""
    return None if name == DECOY else random.Random(f"{seed} {name}").choice(PERSONALITIES)


def group(seed: int) -> tuple[str, ...]:
    """Return the redundancy group that is configured in the sequence of a seed: two PFs, three, or none."""
    return CONFIGURED[: random.Random(f"{seed} group").choice((0, 2, 2, 3))]


def bfd(seed: int) -> bool:
    """Return whether the relay listens to BFD in the sequence of a seed: it needs a redundancy group."""
    return bool(group(seed)) and random.Random(f"{seed} bfd").random() < 0.6


def polling_interval_ms(seed: int) -> int:
    """Return the relay's polling interval in the sequence of a seed."""
    return INTERVALS_MS[seed % len(INTERVALS_MS)]


def replay(seed: int, steps: int, only: Sequence[int] = ()) -> str:
    """Return the command that plays a sequence again, or `only` its steps of these numbers."""
    some = f" ONLY={','.join(map(str, only))}" if only else ""
    return f"make soak SEQUENCES=1 STEPS={steps} SEED={seed}{some}"
