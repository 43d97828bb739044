"""The report: tables in Markdown, from what was found.

`python -m tests.bench.report FOLDER --into docs/performance.md` renews two pages, between the marks in them:
the documentation gets a result's picture and ten rows, README.md here all tables. It keeps the result in
results/.
"""

from __future__ import annotations

import argparse
import gzip
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tests.bench import figures
from tests.bench.cases import FLOOR, FULL, MEMORY, OURS, PEER
from tests.bench.host import Found
from tests.bench.targets import Target, targets

RESULT = "bench.json"
KEPT = f"{RESULT}.gz"
TABLES = "tables.md"
PICTURE = "reactions.svg"
README = Path(__file__).with_name("README.md")
RESULTS = Path(__file__).with_name("results")


class Row(NamedTuple):
    """One row of the documentation: a reader's question, and both programs' answers in a case.

    Without a `state` it is a reaction, to loss or to recovery. `memory` selects memory instead of CPU.
    """

    what: str
    case: str
    state: str = ""
    loss: bool = True
    memory: bool = False


ROWS = (
    Row("loss, 1 PF with 8 VFs", "1x8"),
    Row("loss, 16 PFs with 128 VFs each", "16x128"),
    Row("the same under load", "16x128 burdened"),
    Row("loss, 1 PF with 334 VFs", "1x334"),
    Row("loss that the kernel announces 200 ms late, 1 PF with 8 VFs", "1x8 late"),
    Row("recovery, 16 PFs with 128 VFs each", "16x128", loss=False),
    Row("CPU seconds an hour, LACP up, 4 PFs with 64 VFs each", "4x64 cost", "up"),
    Row("the same, LACP down", "4x64 cost", "down"),
    Row("the same, LACP up, 1,000 unrelated link events a second", "4x64 cost", "1000/s"),
    Row("memory, 4 PFs with 64 VFs each", "4x64 cost", "up", memory=True),
)
"""The rows of the documentation. README.md here has everything."""
BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"


def tables(result: Mapping[str, Any]) -> str:
    """Return all tables, in Markdown."""
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
        "CPU seconds per hour that an idle program uses (in the lab's kernel).",
        table(
            ("PFs x VFs", "LACP, noise", "ours", "theirs", "ours ÷ theirs", "wake-ups/s, ours", "theirs"),
            cost_rows(found),
        ),
        "### Memory and start",
        table(("What", "ours", "theirs", "`import pyroute2`", "ours ÷ import"), memory_rows(found)),
    ]
    return "\n\n".join(parts) + "\n"


def headlines(result: Mapping[str, Any]) -> str:
    """Return the rows of the documentation, in Markdown."""
    found: list[Found] = result["found"]
    known = result["facts"]
    where = ", ".join(known[name] for name in ("date", "machine") if name in known)
    measured = [target for target in targets(found) if target.met is not None]
    met = sum(target.met is True for target in measured)
    rows = ((row.what, answer(found, row, OURS), answer(found, row, PEER)) for row in ROWS)
    return (
        table(("", "pf-status-relay", result["peer"].partition(" (")[0]), rows)
        + f"\n\nCommit {known['commit']}{where and f', {where}'}, beside {result['peer']}."
        f" It met {met} of {len(measured)} targets.\n"
    )


def answer(found: Sequence[Found], row: Row, program: str) -> str:
    """Return a program's figures for a row of the documentation, "-" if there are none."""
    if row.memory:
        kib = figures.costs(found, row.case, program, row.state).get("rss_kib")
        return "-" if kib is None else f"{number(kib / 1024)} MB"
    if row.state:
        cpu = figures.cost(found, row.case, program, row.state)
        return "-" if cpu is None else f"{number(cpu)} s"
    each = figures.spread(found, row.case, program, loss=row.loss)
    if each is None:
        return "ended with an error" if figures.gave_up(found, row.case, program) else "-"
    return f"{number(each.median)} ms ({number(each.worst)} ms)"


def facts(result: Mapping[str, Any]) -> str:
    """Return where the numbers come from, in Markdown."""
    lines = [f"- {name.replace('_', ' ')}: {value}" for name, value in result["facts"].items()]
    return "\n".join(lines)


def table(head: Sequence[str], rows: Iterator[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def target_row(target: Target) -> Sequence[str]:
    """Return one row of the targets."""
    met = "not measured" if target.met is None else "yes" if target.met else "**no**"
    return (target.what, target.wanted, target.measured, met)


def cases(found: Sequence[Found], kind: str) -> list[str]:
    """Return the cases in which something of this kind was found, in the order of the plan."""
    names = list(dict.fromkeys(each["case"] for each in found if each["kind"] == kind))
    plan = [case.name for case in FULL]
    return sorted(names, key=lambda name: plan.index(name) if name in plan else len(plan))


def reaction_rows(found: Sequence[Found]) -> Iterator[Sequence[str]]:
    """Yield a row for each case, direction and program."""
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
    """Yield a row for each case and state."""
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
    """Yield the rows of resident memory, its growth, and starts."""
    for case in cases(found, "cost"):
        rss = [figures.costs(found, case, program, "up").get("rss_kib") for program in (OURS, PEER)]
        if any(rss):
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
    """Return a program's name for a reader."""
    return {OURS: "ours", PEER: "theirs", FLOOR: "floor"}[program]


def number(value: float | None) -> str:
    """Format a number with as many digits as its size calls for."""
    if value is None:
        return "-"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def ratio(value: float | None, other: float | None) -> str:
    """Return how many times `other` a value is."""
    return "-" if value is None or not other or other <= 0 else f"{number(value / other)}x"


def load(folder: Path) -> dict[str, Any]:
    """Read what `make bench` wrote, or the part that was kept."""
    kept = folder / KEPT
    text = gzip.decompress(kept.read_bytes()).decode() if kept.exists() else (folder / RESULT).read_text()
    result: dict[str, Any] = json.loads(text)
    return result


def keep(result: Mapping[str, Any], folder: Path) -> None:
    """Keep a whole result, compressed. The same result gives the same bytes."""
    folder.mkdir(exist_ok=True)
    text = json.dumps(result, separators=(",", ":"))
    (folder / KEPT).write_bytes(gzip.compress(text.encode(), 9, mtime=0))


def insert(text: str, page: Path) -> None:
    """Put a text into a page, between its marks."""
    before, mark, rest = page.read_text().partition(BEGIN)
    _, other_mark, after = rest.partition(END)
    if not mark or not other_mark:
        raise SystemExit(f"{page} has no marks {BEGIN} and {END}")
    page.write_text(f"{before}{BEGIN}\n\n{text}{END}{after}")


def document(result: Mapping[str, Any], page: Path) -> None:
    """Put a result into the documentation and into README.md here, and keep it."""
    from tests.bench import pictures  # only here: `tests/setup bench` installs matplotlib

    folder = page.parent / page.stem
    folder.mkdir(exist_ok=True)
    pictures.draw(result, folder)
    picture = f"![{pictures.SAYS}]({page.stem}/{PICTURE})"
    insert(f"{picture}\n\n{headlines(result)}", page)
    insert(tables(result), README)
    keep(result, RESULTS)


def main() -> None:
    """Print a result's tables, or put them into the documentation."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.report", description=__doc__)
    parser.add_argument("folder", type=Path, help="what `make bench` wrote, or tests/bench/results")
    parser.add_argument("--into", type=Path, metavar="PAGE", help="a Markdown page with marks")
    options = parser.parse_args()
    result = load(options.folder)
    if options.into:
        document(result, options.into)
    else:
        print(tables(result))


if __name__ == "__main__":
    main()
