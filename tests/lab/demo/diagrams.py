"""The drawn pictures: the problem that the service solves, and what flows through it.

`python -m tests.lab.demo.diagrams` writes both into docs/. Unlike demo.svg they show no run.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Callable
from xml.sax.saxutils import escape

from tests.lab.kit.drawing import WIDTH, document

DOCS = Path(__file__).parents[3] / "docs"
LINE = 17
"""Pixels from one line of a text to the next."""
STYLE = """
.middle { text-anchor: middle }
.title { font-weight: 600 }
.wing { font: 12px monospace }
.edge { fill: none; stroke: var(--faint); stroke-width: 1.5 }
.way { fill: none; stroke: var(--way); stroke-width: 5 }
.dead { fill: none; stroke: var(--lost); stroke-width: 5 }
.arrow { fill: none; stroke: var(--ink); stroke-width: 1.5; marker-end: url(#head) }
.head { fill: var(--ink) }
"""
HEAD = (
    '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" '
    'orient="auto-start-reverse"><path class="head" d="M0 0L8 4L0 8Z"/></marker></defs>'
)


def words(x: float, y: float, lines: str, kind: str = "") -> Iterator[str]:
    """Yield lines of text around x, empty ones left out; y is the bottom of the first one."""
    classes = f"middle {kind}".rstrip()
    for number, line in enumerate(lines.split("\n")):
        if line:
            yield f'<text class="{classes}" x="{x:g}" y="{y + LINE * number:g}">{escape(line)}</text>'


def box(x: float, y: float, width: float, lines: str, kind: str = "box") -> Iterator[str]:
    """Yield a box around x with lines of text, the first one as its title; y is its top."""
    count = lines.count("\n") + 1
    yield (
        f'<rect class="{kind}" x="{x - width / 2:g}" y="{y:g}" width="{width:g}" '
        f'height="{height_of(count):g}" rx="4"/>'
    )
    title, _, rest = lines.partition("\n")
    yield from words(x, y + 20, title, "title")
    if rest:
        yield from words(x, y + 20 + LINE, rest)


def height_of(lines: int) -> float:
    """Return how high a box with so many lines is."""
    return 14 + LINE * lines


def path(kind: str, commands: str) -> str:
    """Return a line along SVG's path commands."""
    return f'<path class="{kind}" d="{commands}"/>'


# The problem

NODE, RELAY, POD = 168, 248, 388
"""Where the node, the service and the pod begin, in pixels from the top."""


def half(left: float, with_relay: bool) -> Iterator[str]:
    """Yield one of the two node pictures; its columns are the path through each switch."""
    first, second = left + 118, left + 330
    middle = (first + second) / 2
    title = "With pf-status-relay" if with_relay else "Without pf-status-relay"
    yield from words(middle, 56, title, "title")
    yield f'<rect class="edge" x="{left:g}" y="{NODE}" width="448" height="284" rx="6"/>'
    yield from words(left + 26, NODE + 18, "node", "faint")

    dead, way = (second, "way") if with_relay else (first, "dead")
    for x in (first, second):
        kind = way if x == dead else "edge"
        yield path(kind, f"M{x:g} 121V196M{x:g} 244V284M{x:g} 332V{POD + 30}")
        yield from words(x + 46, 146, "carrier: up", "faint")
    yield from box(first, 72, 184, "Switch A\ndead, its port stays up", "bad")
    yield from box(second, 72, 184, "Switch B\nworks", "good")
    yield from box(first, 196, 150, "PF ens5f0\nLACP: down", "bad")
    yield from box(second, 196, 150, "PF ens5f1\nLACP: up", "good")
    state = "disable: link down" if with_relay else "auto: link up"
    yield from box(first, 284, 150, f"VF of ens5f0\n{state}", "bad" if with_relay else "good")
    yield from box(second, 284, 150, "VF of ens5f1\nauto: link up", "good")
    if with_relay:
        yield from box(middle, RELAY, 122, "pf-status-relay")
        yield path("arrow", f"M{first + 75:g} 220H{middle:g}V{RELAY - 2}")
        yield path("arrow", f"M{middle:g} {RELAY + height_of(1):g}V308H{first + 77:g}")

    yield from box(middle, POD, 416, "Pod: bond0, active-backup\n")
    for x, port in ((first, "net1"), (second, "net2")):
        active = (x == second) is with_relay
        yield from words(x, POD + 20 + LINE, f"{port}: active" if active else port)
    sentence = (
        "The pod uses net2. It was cut off for about 3 seconds."
        if with_relay
        else "The pod stays on net1, cut off until the switch is back."
    )
    yield from words(middle, 478, sentence)


def problem() -> str:
    """Return the picture of a dead switch, without the service and with it."""
    meaning = (
        "Switch A is dead and its cable keeps its carrier. Without the relay the pod stays on the VF behind "
        "it. With the relay that VF is disabled, and the pod uses the VF behind switch B."
    )
    headline = "A switch dies, and its cable keeps its carrier"
    parts = [HEAD, f'<text class="title" x="16" y="28">{headline}</text>', *half(16, False), *half(496, True)]
    return document(496, meaning, parts, STYLE)


# What flows

STEPS = (
    "Wait\nevent, timer,\nsignal\nservice/loop",
    "Read\nport states,\nbonds, VFs\nkernel",
    "Decide\na function\nof the facts\ncore",
    "Write\nVF link states,\nin portions\nkernel",
    "Log\nevents, in a\nthread of its own\nlog",
    "Tell\nwhat was found\nand done\nservice",
)
STEP, APART = 132, 154
"""How wide a step is, and how far from the next."""


def data_flow() -> str:
    """Return the picture of one cycle of the service: what goes in, and what comes out."""
    middles = [95 + APART * number for number in range(len(STEPS))]
    wait, read, _, write, log, tell = middles
    top, bottom = 186, 186 + height_of(4)
    parts = [
        HEAD,
        '<text class="title" x="16" y="28">One cycle of the service, from left to right</text>',
        *box(WIDTH / 2, 48, 928, "Linux kernel: PFs, VFs, bonds, LACP"),
        f'<rect class="edge" x="16" y="{top - 36}" width="928" height="{bottom - top + 82:g}" rx="6"/>',
        *words(WIDTH / 2, top - 16, "pf-status-relay", "faint"),
    ]
    for x, step in zip(middles, STEPS):
        title, *lines, wing = step.split("\n")
        parts += box(x, top, STEP, "\n".join((title, *lines, "")), "good")
        parts += words(x, top + 20 + 3 * LINE, wing, "wing")
        if x != tell:
            parts.append(path("arrow", f"M{x + STEP / 2:g} {top + 40}H{x + APART - STEP / 2:g}"))
    parts += [
        path("arrow", f"M{tell:g} {bottom:g}V{bottom + 22:g}H{wait + 20:g}V{bottom + 2:g}"),
        *words(
            WIDTH / 2,
            bottom + 39,
            "and again: a write is never assumed to have worked, the next read shows it",
        ),
        path("arrow", f"M{wait:g} 79V{top - 2}"),
        *words(wait, 128, "link events", "halo"),
        path("arrow", f"M{read - 8:g} {top}V81"),
        path("arrow", f"M{read + 8:g} 79V{top - 2}"),
        *words(read, 128, "rtnetlink, sysfs", "halo"),
        path("arrow", f"M{write:g} {top}V81"),
        *words(write, 128, "rtnetlink", "halo"),
        *box(wait + 20, 346, 172, "Configuration, drains\nfiles"),
        path("arrow", f"M{wait - 24:g} 346V{bottom + 2:g}"),
        *box(log - 20, 346, 158, "Journal\nfor history"),
        path("arrow", f"M{log + 34:g} {bottom:g}V344"),
        *box(tell, 346, 158, "systemd, metrics\nand state.json"),
        path("arrow", f"M{tell + 24:g} {bottom:g}V344"),
    ]
    meaning = (
        "The service waits for a link event, a timer or a signal, reads facts from the kernel, decides, "
        "writes VF link states, logs, tells systemd and the metrics, and waits again."
    )
    halo = ".halo { paint-order: stroke; stroke: var(--ground); stroke-width: 8 }\n"
    return document(412, meaning, parts, STYLE + halo)


PICTURES: dict[str, Callable[[], str]] = {"problem.svg": problem, "data-flow.svg": data_flow}


def main() -> None:
    """Write the pictures."""
    for name, drawn in PICTURES.items():
        (DOCS / name).write_text(drawn())


if __name__ == "__main__":
    main()
