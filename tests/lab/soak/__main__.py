"""Many sequences, each in a guest of its own: `python -m tests.lab.soak`, which `make soak` calls.

A sequence that breaks a property is played again with fewer and fewer of its steps, as long as it breaks the
same property. What is left is printed as a story, with the command that plays it.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import json
import os
import queue
import shutil
import sys
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from tests.lab.guest import guest, kernel, scenario
from tests.lab.soak import sequences

Numbers = tuple[int, ...]
PLAYED = "played"
TIMEOUT_S = 300.0
PROGRESS = 20
"""Sequences between two lines of progress."""


class Outcome(NamedTuple):
    """What became of a sequence: the numbers of its steps, which properties it broke, its story and figures.

    `broken` has "guest" if it was not played to its end.
    """

    numbers: Numbers
    broken: frozenset[str]
    story: str
    figures: dict[str, float]


Future = concurrent.futures.Future[Outcome]


def main() -> int:
    """Play the sequences; return an exit status."""
    arguments = parse()
    if os.environ.get(scenario.INSIDE):
        inside(arguments)
        return 0
    reason = scenario.unavailable()
    if reason is not None:
        print(f"the lab cannot run: {reason}", file=sys.stderr)
        return 1
    cpus: queue.SimpleQueue[int] = queue.SimpleQueue()
    for cpu in sorted(os.sched_getaffinity(0)):
        cpus.put(cpu)
    with concurrent.futures.ThreadPoolExecutor(cpus.qsize()) as pool:
        try:
            return soak(arguments, lambda seed, only: pool.submit(play, cpus, seed, arguments.steps, only))
        except KeyboardInterrupt:
            pool.shutdown(cancel_futures=True)
            raise


def soak(arguments: argparse.Namespace, start: Callable[[int, Numbers | None], Future]) -> int:
    """Play all sequences, then shrink and print those that failed; return an exit status.

    `start` begins to play a seed, or those of its steps that have these numbers.
    """
    only = None if arguments.only is None else numbers_of(arguments.only)
    seeds = {
        start(arguments.seed + number, only): arguments.seed + number for number in range(arguments.sequences)
    }
    figures: Counter[str] = Counter()
    failed: dict[int, Outcome] = {}
    for done, future in enumerate(concurrent.futures.as_completed(seeds), start=1):
        outcome = future.result()
        figures.update(outcome.figures)
        if outcome.broken:
            failed[seeds[future]] = outcome
            print(f"seed {seeds[future]} breaks {', '.join(sorted(outcome.broken))}", flush=True)
        if done % PROGRESS == 0 or done == len(seeds):
            print(f"{done} of {len(seeds)} sequences, {len(failed)} failed", flush=True)
    for seed, outcome in sorted(failed.items()):
        tell(seed, arguments.steps, shrink(outcome, partial(start, seed)) if arguments.shrink else outcome)
    print("; ".join(f"{value:g} {name}" for name, value in figures.items()), end="")
    print(f"; {len(failed)} sequences that break a property")
    return 1 if failed else 0


def parse() -> argparse.Namespace:
    """Return the arguments."""
    parser = argparse.ArgumentParser(prog="python -m tests.lab.soak", description="Play sequences.")
    parser.add_argument("--sequences", type=int, default=1000, help="how many (default: 1000)")
    parser.add_argument("--steps", type=int, default=30, help="steps in each (default: 30)")
    parser.add_argument(
        "--seed", type=int, default=1, help="of the first; each next has the next (default: 1)"
    )
    parser.add_argument(
        "--only", metavar="N,N,...", help="play only these steps, by their numbers in the story"
    )
    parser.add_argument(
        "--no-shrink", dest="shrink", action="store_false", help="leave failed sequences long"
    )
    return parser.parse_args()


def numbers_of(text: str) -> Numbers:
    """Return the numbers of steps that --only names."""
    return tuple(int(number) for number in text.split(",") if number)


def inside(arguments: argparse.Namespace) -> None:
    """Play one sequence, and leave what became of it. Runs in the guest."""
    from tests.lab.kit.lab import RESULTS, Lab
    from tests.lab.soak.play import play as play_here

    only = None if arguments.only is None else numbers_of(arguments.only)
    lab = Lab()
    try:
        played = play_here(lab, arguments.seed, arguments.steps, only)
    finally:
        lab.close()
    left = {
        "numbers": [number for number, _, _ in played.steps],
        "broken": sorted({violation.name for violation in played.violations}),
        "story": str(played),
        "figures": played.figures,
    }
    (RESULTS / PLAYED).write_text(json.dumps(left))


def play(cpus: queue.SimpleQueue[int], seed: int, steps: int, only: Numbers | None) -> Outcome:
    """Play one sequence in a guest on the next free CPU. Runs on the host."""
    command = [guest.python(), "-m", "tests.lab.soak", "--seed", str(seed), "--steps", str(steps)]
    if only is not None:
        command += ["--only", ",".join(map(str, only))]
    cpu = cpus.get()
    folder = guest.results_folder()
    try:
        result = guest.run(
            command,
            kernel=kernel.kernel(),
            folder=folder,
            cpu=cpu,
            timeout=TIMEOUT_S,
            environment={scenario.INSIDE: "1"},
        )
        if result.status:
            return Outcome(only or (), frozenset({"guest"}), result.output, {})
        left = json.loads((folder / PLAYED).read_text())
        return Outcome(tuple(left["numbers"]), frozenset(left["broken"]), left["story"], left["figures"])
    except guest.GuestError as error:
        return Outcome(only or (), frozenset({"guest"}), str(error), {})
    finally:
        cpus.put(cpu)
        shutil.rmtree(folder, ignore_errors=True)


def shrink(outcome: Outcome, start: Callable[[Numbers], Future]) -> Outcome:
    """Leave out what the failure does not need: smaller and smaller parts, until each step is needed.

    `start` begins to play the steps of these numbers. All candidates of one size are played side by side,
    and the search goes on with the first that still breaks a property that the whole sequence broke.
    """
    broken, size = outcome.broken, max(1, len(outcome.numbers) // 2)
    while outcome.numbers and not broken <= {"guest"}:
        numbers = outcome.numbers
        shorter = [numbers[:at] + numbers[at + size :] for at in range(0, len(numbers), size)]
        futures = [start(candidate) for candidate in shorter]
        found = None
        for future in futures:
            if found is None and not future.cancelled() and future.result().broken & broken:
                found = future.result()
                for other in futures:
                    other.cancel()
        if found is not None:
            outcome = found
            size = min(size, max(1, len(outcome.numbers) // 2))
        elif size == 1:
            break
        else:
            size = max(1, size // 2)
    return outcome


def tell(seed: int, steps: int, outcome: Outcome) -> None:
    """Print a failure, and how to play it."""
    print(f"\nseed {seed} breaks {', '.join(sorted(outcome.broken))}:\n{outcome.story}")
    print(f"Play it: {sequences.replay(seed, steps, outcome.numbers)}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
