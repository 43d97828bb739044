"""Figures: the numbers that readers ask for, computed from what was found."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from tests.bench.host import Found


class Spread(NamedTuple):
    """Reactions in milliseconds. `missed` counts those that did not come within 10 s; the rest omit them."""

    failures: int
    median: float
    p99: float
    worst: float
    uncertain: float
    missed: int


def spread(found: Iterable[Found], case: str, program: str, *, loss: bool) -> Spread | None:
    """Return the reactions of a program in a case; None if there are none."""
    ours = [
        each
        for each in found
        if (each["kind"], each["case"], each.get("program")) == ("reaction", case, program)
        and each["loss"] is loss
    ]
    times = sorted(each["seconds"] * 1000 for each in ours if each["seconds"] is not None)
    if not times:
        return None
    return Spread(
        len(times),
        statistics.median(times),
        percentile(times, 99),
        times[-1],
        max(each["uncertain_s"] for each in ours) * 1000,
        len(ours) - len(times),
    )


def percentile(times: Sequence[float], percent: float) -> float:
    """Return the nearest-rank percentile of sorted values; of fewer than 100 the 99th is the largest."""
    return times[max(0, math.ceil(len(times) * percent / 100) - 1)]


def cost(found: Iterable[Found], case: str, program: str, state: str) -> float | None:
    """Return the CPU seconds per hour that a program uses while it idles; None if it was not measured."""
    shares = [
        each["cpu_s"] / each["seconds"]
        for each in found
        if (each["kind"], each["case"], each["program"], each.get("state")) == ("cost", case, program, state)
        and "cpu_s" in each
    ]
    return statistics.mean(shares) * 3600 if shares else None


def costs(found: Iterable[Found], case: str, program: str, state: str) -> Found:
    """Return the other costs of an idle program: wake-ups a second, memory in KiB. Empty if not measured."""
    for each in found:
        which = (each["kind"], each["case"], each.get("program"), each.get("state"))
        if which == ("cost", case, program, state) and "rss_kib" in each:
            return each
    return {}


def start_ms(found: Iterable[Found], case: str, program: str) -> float | None:
    """Return the median start, in milliseconds; None if it was not measured."""
    times = [
        each["seconds"]
        for each in found
        if (each["kind"], each["case"], each["program"]) == ("start", case, program) and each["seconds"]
    ]
    return statistics.median(times) * 1000 if times else None


def gave_up(found: Iterable[Found], case: str, program: str) -> str:
    """Return why a program did not do its work in a case, or an empty string."""
    for each in found:
        if (each["kind"], each["case"], each.get("program")) == ("gave up", case, program):
            return " ".join([each["why"], *each["said"]])
    return ""


def memory(found: Iterable[Found]) -> Found:
    """Return our memory before and after the failures of the memory case. Empty if it was not run."""
    for each in found:
        if (each["kind"], each["case"]) == ("memory", "memory"):
            return each
    return {}


def size(case: str) -> tuple[int, int]:
    """Return the number of PFs and of VFs per PF, from a case's name."""
    pfs, _, vfs = case.split()[0].partition("x")
    return int(pfs), int(vfs)
