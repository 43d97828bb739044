"""Plays a sequence in a guest: its steps, one after the other, then quiet, then the judgement."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from tests.lab.kit.lab import Lab
from tests.lab.soak import sequences, tidiness
from tests.lab.soak.model import Model
from tests.lab.soak.properties import NOTICED_S, Case, Violation

QUIET_S = 6.0
"""How long nothing may happen at the end, once the relay has had its time to react."""


class Played(NamedTuple):
    """A sequence that was played: its steps in words, what it broke, and how often things happened."""

    seed: int
    steps: list[tuple[int, float, str]]
    violations: list[Violation]
    figures: dict[str, float]

    def __str__(self) -> str:
        told = [(time, f"{number:4}. {story}") for number, time, story in self.steps]
        told += [(violation.time, f"  !!! {violation}") for violation in self.violations]
        return "\n".join(f"{time:10.3f} {text}" for time, text in sorted(told))


def play(lab: Lab, seed: int, count: int, only: Collection[int] | None = None) -> Played:
    """Play the first `count` steps of a seed that the host is in a state for, or `only` some, by number."""
    interval_ms = sequences.polling_interval_ms(seed)
    drivers = {name: sequences.personality(seed, name) for name in sequences.PFS}
    group = sequences.group(seed)
    model = Model(lab, interval_ms, drivers, group, sequences.bfd(seed))
    for number, step in enumerate(sequences.stream(seed)):
        if len(model.steps) >= count or (only is not None and number > max(only, default=0)):
            break
        if only is None or number in only:
            model.take(number, step)
    quiet_since = model.come_to_rest(interval_ms / 1000 + NOTICED_S + QUIET_S)
    written = model.written_at()
    model.history.stop()
    case = Case(model.history, model.relay.all, sequences.CONFIGURED, group, interval_ms / 1000, quiet_since)
    found = sorted(
        [*case.violations(), *tidiness.violations(case), *case.idle_writes(written)],
        key=lambda violation: violation.time,
    )
    lines = [event for life in model.relay.all for event in life.relay.events()]
    figures = {
        "sequences": 1,
        "steps": len(model.steps),
        "hours of virtual time": (model.history.ended - model.history.snapshots[0].time) / 3600,
        "times that LACP or readiness of a PF changed": changes(case),
        "starts of the relay": len(model.relay.all),
        "lines logged": len(lines),
        "VF link states set": len([event for event in lines if event["msg"] == "vf link state was set"]),
        "violations": len(found),
    }
    return Played(seed, model.steps, found, figures)


def changes(case: Case) -> int:
    """Return how often the verdict changed: LACP went up or down, or a PF became ready or not."""
    verdicts = [case.served(snapshot) for snapshot in case.snapshots]
    return sum(
        before.get(index) is not after.get(index)
        for before, after in zip(verdicts, verdicts[1:])
        for index in {*before, *after}
    )
