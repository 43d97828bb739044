"""The report: tables in Markdown, from what was found.

`python -m tests.bench.report FOLDER --into docs/performance.md` puts a result's tables and pictures into the
documentation, between the marks there.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.bench import figures
from tests.bench.cases import FLOOR, FULL, MEMORY, OURS, PEER
from tests.bench.host import Found
from tests.bench.targets import Target, targets

RESULT = "bench.json"
TABLES = "tables.md"
PICTURES = ("reactions.svg", "growth.svg")
BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"


def tables(result: Mapping[str, Any]) -> str:
    """All tables, in Markdown."""
    found: list[Found] = result["found"]
    peer = result["peer"]
    parts = [
        facts(result),
        "### Targets",
        table(("What", "Target", "Measured", "Met"), map(target_row, targets(found))),
        "### Reaction, in milliseconds",
        "From the first moment that the port state reads as down (up) until all VFs read `disable` (`auto`)."
        f" The other relay: {peer}. ± is how much longer a reaction can have been, at most.",
        table(
            (
                "PFs x VFs",
                "",
                "program",
                "n",
                "median",
                "p99",
                "max",
                "±",
                "median, theirs ÷ ours",
                "÷ floor",
            ),
            reaction_rows(found),
        ),
        "### Cost of an idle program",
        "CPU seconds per hour that the machine spends more than without the program (in the lab's kernel).",
        table(
            ("PFs x VFs", "LACP, noise", "ours", "theirs", "ours ÷ theirs", "wake-ups/s, ours", "theirs"),
            cost_rows(found),
        ),
        "### Memory and start",
        table(("What", "ours", "theirs", "`import pyroute2`", "ours ÷ import"), memory_rows(found)),
    ]
    return "\n\n".join(parts) + "\n"


def facts(result: Mapping[str, Any]) -> str:
    """Where the numbers come from."""
    lines = [f"- {name.replace('_', ' ')}: {value}" for name, value in result["facts"].items()]
    return "\n".join(lines)


def table(head: Sequence[str], rows: Iterator[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def target_row(target: Target) -> Sequence[str]:
    """One row of the targets."""
    met = "not measured" if target.met is None else "yes" if target.met else "**no**"
    return (target.what, target.wanted, target.measured, met)


def cases(found: Sequence[Found], kind: str) -> list[str]:
    """The cases that something of this kind was found in, in the order of the plan."""
    names = list(dict.fromkeys(each["case"] for each in found if each["kind"] == kind))
    plan = [case.name for case in FULL]
    return sorted(names, key=lambda name: plan.index(name) if name in plan else len(plan))


def reaction_rows(found: Sequence[Found]) -> Iterator[Sequence[str]]:
    """For every case and direction a row for each program."""
    for case in cases([each for each in found if each["case"] != MEMORY.name], "reaction"):
        for loss in (True, False):
            ours = figures.spread(found, case, OURS, loss=loss)
            for program in (OURS, PEER, FLOOR):
                each = figures.spread(found, case, program, loss=loss)
                if each is None:
                    why = figures.gave_up(found, case, program)
                    if why and loss:
                        yield (case, "", displayed(program), "0", why, *[""] * 5)
                    continue
                by_ours = ratio(each.median, ours and ours.median) if program == PEER else ""
                by_floor = ratio(ours and ours.median, each.median) if program == FLOOR else ""
                count = f"{each.failures}" + (f" ({each.missed} missed)" if each.missed else "")
                yield (
                    case, "loss" if loss else "recovery", displayed(program), count, number(each.median),
                    number(each.p99), number(each.worst), number(each.uncertain), by_ours, by_floor,
                )  # fmt: skip


def cost_rows(found: Sequence[Found]) -> Iterator[Sequence[str]]:
    """For every case and state a row."""
    for case in cases(found, "cost"):
        states = dict.fromkeys(
            each["state"] for each in found if (each["kind"], each["case"]) == ("cost", case)
        )
        for state in states:
            ours, theirs = (figures.cost(found, case, program, state) for program in (OURS, PEER))
            wakeups = [
                number(figures.costs(found, case, program, state).get("wakeups_per_s"))
                for program in (OURS, PEER)
            ]
            yield (case, state, number(ours), number(theirs), ratio(ours, theirs), *wakeups)


def memory_rows(found: Sequence[Found]) -> Iterator[Sequence[str]]:
    """Resident memory, its growth, and starts."""
    for case in cases(found, "cost"):
        rss = [figures.costs(found, case, program, "up").get("rss_kib") for program in (OURS, PEER)]
        yield (f"resident, {case}, MB", *(number(each and each / 1024) for each in rss), "", "")
    growth = figures.memory(found)
    if growth:
        change = (growth["rss_kib"] - growth["rss_before_kib"]) / 1024
        yield (f"growth over {growth['failures']} failures, MB", number(change), "", "", "")
    for case in cases(found, "start"):
        ours, theirs, library = (
            figures.start_ms(found, case, program) for program in (OURS, PEER, "import pyroute2")
        )
        yield (
            f"start to first complete cycle, {case}, ms",
            number(ours),
            number(theirs),
            number(library),
            ratio(ours, library),
        )


def displayed(program: str) -> str:
    """A program's name for a reader."""
    return {OURS: "ours", PEER: "theirs", FLOOR: "floor"}[program]


def number(value: float | None) -> str:
    """A number with as many digits as it deserves."""
    if value is None:
        return "-"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def ratio(value: float | None, other: float | None) -> str:
    """How many times `other` a value is."""
    return "-" if value is None or not other or other <= 0 else f"{number(value / other)}x"


def insert(folder: Path, page: Path) -> None:
    """Puts a result into a page of the documentation, and its pictures beside the page."""
    before, mark, rest = page.read_text().partition(BEGIN)
    _, other_mark, after = rest.partition(END)
    if not mark or not other_mark:
        raise SystemExit(f"{page} has no marks {BEGIN} and {END}")
    pictures = page.parent / page.stem
    pictures.mkdir(exist_ok=True)
    links = []
    for name in PICTURES:
        if (folder / name).exists():
            shutil.copy(folder / name, pictures / name)
            links.append(f"![{name.partition('.')[0]}]({page.stem}/{name})")
    shutil.copy(folder / RESULT, pictures / RESULT)
    content = "\n\n".join(["", *links, (folder / TABLES).read_text()])
    page.write_text(f"{before}{BEGIN}{content}{END}{after}")


def main() -> None:
    """Prints a result's tables, or puts them into a page."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.report", description=__doc__)
    parser.add_argument("folder", type=Path, help="what `make bench` wrote")
    parser.add_argument("--into", type=Path, metavar="PAGE", help="a Markdown page with marks")
    options = parser.parse_args()
    text = tables(json.loads((options.folder / RESULT).read_text()))
    (options.folder / TABLES).write_text(text)
    if options.into:
        insert(options.folder, options.into)
    else:
        print(text)


if __name__ == "__main__":
    main()
