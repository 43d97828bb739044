"""The targets, and whether what was found meets them. All are ratios within one run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from tests.bench import figures
from tests.bench.cases import FLOOR, OURS, PEER
from tests.bench.host import Found

REACTION_CASES = ("1x8", "4x64", "1x256", "1x334", "16x16")
RECOVERY_CASES = (*REACTION_CASES, "16x16 defaulted")
P99_CASES = (*REACTION_CASES, "4x64 at 1000/s")
LATE = "1x8 late"
STANDARD = "4x64 cost"
MEMORY_MB = 30
GROWTH_MB = 1.0
"""MB of growth over 1,000 failures that count as none: memory that an allocator keeps."""
BY_VFS = ("1x1", "1x8", "1x64", "1x256", "1x334")
BY_PFS = ("1x8", "4x8", "16x8", "32x8")


class Target(NamedTuple):
    """A target: what was asked, what was found, and whether it is met; None if it was not measured."""

    what: str
    wanted: str
    measured: str
    met: bool | None


def targets(found: Sequence[Found]) -> list[Target]:
    """Return all targets, in the order in which they were set."""
    return [
        compare(
            found, "reaction to loss, median", 20, REACTION_CASES, lambda spread: spread.median, loss=True
        ),
        floor(found),
        compare(found, "reaction to loss, p99", 4, P99_CASES, lambda spread: spread.p99, loss=True),
        compare(
            found,
            "reaction to a loss that is announced late, p99",
            4,
            (LATE,),
            lambda each: each.p99,
            loss=True,
        ),
        compare(found, "recovery, median", 4, RECOVERY_CASES, lambda spread: spread.median, loss=False),
        many_vfs(found),
        idle_cpu(found),
        reaction_growth(found, "VFs", BY_VFS),
        reaction_growth(found, "PFs", BY_PFS),
        cost_growth(found, "VFs", BY_VFS),
        cost_growth(found, "PFs", BY_PFS),
        memory(found),
        memory_growth(found),
        *(start(found, case) for case in ("this machine", STANDARD)),
    ]


def compare(
    found: Sequence[Found],
    what: str,
    times: float,
    cases: Sequence[str],
    figure: Callable[[figures.Spread], float],
    *,
    loss: bool,
) -> Target:
    """Compare ours with the other relay, in each case that both completed."""
    ratios = []
    for case in cases:
        ours, theirs = (figures.spread(found, case, program, loss=loss) for program in (OURS, PEER))
        if ours and theirs:
            ratios.append((figure(theirs) / figure(ours), case))
    return at_least(what, times, ratios, "times faster than theirs")


def at_least(what: str, times: float, ratios: list[tuple[float, str]], words: str) -> Target:
    """Return a target for the worst of some ratios."""
    wanted = f"{times:g} {words}"
    if not ratios:
        return Target(what, wanted, "-", None)
    worst, case = min(ratios)
    best = max(ratios)[0]
    return Target(what, wanted, f"{worst:.1f} ({case}) to {best:.1f}", worst >= times)


def floor(found: Sequence[Found]) -> Target:
    """Compare ours with the floor, in each case."""
    what, wanted = "reaction to loss, median", "within 3 times of the floor"
    ratios = []
    for case in REACTION_CASES:
        ours, least = (figures.spread(found, case, program, loss=True) for program in (OURS, FLOOR))
        if ours and least:
            ratios.append((ours.median / least.median, case))
    if not ratios:
        return Target(what, wanted, "-", None)
    worst, case = max(ratios)
    return Target(what, wanted, f"{min(ratios)[0]:.1f} to {worst:.1f} ({case})", worst <= 3)


def many_vfs(found: Sequence[Found]) -> Target:
    """Return the target for 334 VFs on a PF."""
    what, wanted = "334 VFs", "works"
    ours = figures.spread(found, "1x334", OURS, loss=True)
    theirs = figures.gave_up(found, "1x334", PEER) or "works too"
    if ours is None:
        return Target(what, wanted, "-", None)
    return Target(
        what, wanted, f"{ours.failures} of {ours.failures + ours.missed}; theirs: {theirs}", not ours.missed
    )


def idle_cpu(found: Sequence[Found]) -> Target:
    """Return the target for the CPU of an idle relay."""
    what, wanted = "idle CPU, LACP up, 4 x 64 VFs", "below theirs"
    ours, theirs = (figures.cost(found, STANDARD, program, "up") for program in (OURS, PEER))
    if ours is None or theirs is None:
        return Target(what, wanted, "-", None)
    return Target(what, wanted, f"{ours:.1f} to {theirs:.1f} s/h, {ours / theirs:.2f} times", ours < theirs)


def steps(points: Sequence[tuple[int, float]]) -> float:
    """Return how much steeper than linear values grow at the steepest step: 1 is linear, less is better.

    Each point is compared with the straight line through the origin and the point before.
    """
    pairs = zip(points, points[1:])
    return max((value / before) / (size / size_before) for (size_before, before), (size, value) in pairs)


def growth(what: str, by: str, points: Sequence[tuple[int, float]], unit: str) -> Target:
    """Return a target for how something grows."""
    wanted = f"at most linear in {by}, no step"
    if len(points) < 2 or any(value <= 0 for _, value in points):
        return Target(what, wanted, "-", None)
    steepest = steps(points)
    displayed = ", ".join(f"{size}: {value:.1f}" for size, value in points)
    return Target(
        what, wanted, f"{displayed} {unit}; steepest step {steepest:.2f} of linear", steepest <= 1.0
    )


def sizes(by: str, cases: Sequence[str]) -> list[tuple[int, str]]:
    """Return the cases, each with the size that grows."""
    return [(figures.size(case)[by == "VFs"], case) for case in cases]


def reaction_growth(found: Sequence[Found], by: str, cases: Sequence[str]) -> Target:
    """Return the target for the growth of the reaction to loss."""
    points = [
        (size, spread.median)
        for size, case in sizes(by, cases)
        if (spread := figures.spread(found, case, OURS, loss=True))
    ]
    return growth(f"growth of reaction with {by}", by, points, "ms")


def cost_growth(found: Sequence[Found], by: str, cases: Sequence[str]) -> Target:
    """Return the target for the growth of the cost of idling."""
    points = [
        (size, value)
        for size, case in sizes(by, cases)
        if (value := figures.cost(found, case, OURS, "up")) is not None
    ]
    return growth(f"growth of idle CPU with {by}", by, points, "s/h")


def memory(found: Sequence[Found]) -> Target:
    """Return the target for resident memory."""
    what, wanted = "resident memory", f"{MEMORY_MB} MB or less"
    all_rss = [
        (each["rss_kib"] / 1024, each["case"])
        for each in found
        if each["kind"] in ("cost", "memory") and each.get("program") == OURS and "rss_kib" in each
    ]
    if not all_rss:
        return Target(what, wanted, "-", None)
    most, case = max(all_rss)
    return Target(what, wanted, f"{most:.1f} MB at most ({case})", most <= MEMORY_MB)


def memory_growth(found: Sequence[Found]) -> Target:
    """Return the target for the growth of memory over many failures."""
    what, wanted = "memory over 1,000 failures", "no growth"
    each = figures.memory(found)
    if not each:
        return Target(what, wanted, "-", None)
    change = (each["rss_kib"] - each["rss_before_kib"]) / 1024
    text = f"{change:+.2f} MB over {each['failures']} failures"
    return Target(what, wanted, text, change <= GROWTH_MB)


def start(found: Sequence[Found], case: str) -> Target:
    """Compare the start to the first complete cycle with importing the whole library."""
    what = f"start to first complete cycle, {case}"
    wanted = "under half of `import pyroute2`"
    ours, library = (figures.start_ms(found, case, program) for program in (OURS, "import pyroute2"))
    if ours is None or library is None:
        return Target(what, wanted, "-", None)
    return Target(
        what, wanted, f"{ours:.0f} to {library:.0f} ms, {ours / library:.2f} times", ours < library / 2
    )
