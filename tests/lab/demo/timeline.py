"""The picture of a recorded run, as SVG: port states, VF link states, the pod's active port and its pings.

Two panels over the same lanes: the whole run in seconds, and below it the failure alone in milliseconds,
because the failover takes a tenth of a second of a run of several seconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from math import ceil
from typing import NamedTuple
from xml.sax.saxutils import escape

from tests.lab.kit.observer import VF_LINK_STATES
from tests.lab.kit.pod import Sent
from tests.lab.kit.recorder import Sample

WIDTH, LEFT, RIGHT = 960, 178, 930
"""How wide the picture is, and where its lanes begin and end, in pixels."""
LANE, GAP, LABELS = 36, 6, 3
"""How high a lane is with the gap below it, and how many rows of labels a panel has above."""
BEFORE_S, AFTER_S = 0.06, 0.14
"""How much of what was before and after the failure the second panel shows, in seconds."""
SIZE = 13
FONTS = "Helvetica, Arial, Liberation Sans, DejaVu Sans, sans-serif"
INK, FAINT, PAPER, ZOOM = "#1f2328", "#59636e", "#ffffff", "#fff4cc"
GOOD, BAD, MIXED, LOST = "#c3def2", "#f5bf98", "#e6e0d4", "#b5340a"
PORTS = {"net1": "#d5dae0", "net2": "#b5d6bd"}
TITLE = 'A switch dies, its carrier stays up: what "make demo" recorded'
NOTES = (
    "Simulated: NICs and VFs (netdevsim, with veth pairs for traffic). Real: the kernel's bonding and LACP.",
    "Recorded in a Linux kernel that runs as a process: it shows the order of things, and is no benchmark.",
)


class Run(NamedTuple):
    """What was recorded. All times are seconds, monotonic; samples and ports hold from their time on.

    `failed` is the PF whose switch falls silent at `silenced` and returns at `revived`; its port state was
    `down`, its last VF `disabled` and `restored`, and the pod's bond `failed_over` at those times.
    """

    started: float
    ended: float
    pfs: Mapping[str, Sequence[Sample]]
    ports: Sequence[tuple[float, str | None]]
    pings: Sequence[Sent]
    failed: str
    silenced: float
    down: float
    disabled: float
    failed_over: float
    revived: float
    restored: float


class State(NamedTuple):
    """What a lane shows from `time` on: the first of `texts` that there is room for, on a colour."""

    time: float
    texts: tuple[str, ...]
    colour: str


class Lane(NamedTuple):
    """A name, a word about it, and what was so when."""

    name: str
    detail: str
    states: Sequence[State]


PINGS = Lane("pings from the pod", "long tick: lost", [])


class Panel:
    """Some lanes, and below them one of pings, over an axis from `since` to `until` (seconds, monotonic)."""

    def __init__(self, lanes: Sequence[Lane], top: float, since: float, until: float) -> None:
        self.top = top
        self.bottom = top + LANE * (len(lanes) + 1) - GAP
        self._lanes = lanes
        self._since = since
        self._until = until

    def x(self, time: float) -> float:
        """Return where a time is, in pixels; at an edge if it is beyond."""
        share = (time - self._since) / (self._until - self._since)
        return LEFT + (RIGHT - LEFT) * min(max(share, 0.0), 1.0)

    def draw(self, pings: Sequence[Sent], marks: Sequence[tuple[float, str]]) -> Iterator[str]:
        """Draw the lanes, and lines with labels at some times, in order. No line goes through a text."""
        spans = list(self._spans())
        for x, y, length, state in spans:
            yield rect(x, y, max(length - 1, 1), LANE - GAP, state.colour)
        yield from self._pings(pings)
        yield from self._marks(marks)
        for x, y, length, state in spans:
            for words in [each for each in state.texts if width(each) < length][:1]:
                yield text(x + 6, y + 20, words, halo=state.colour)
        for number, (name, detail, _) in enumerate([*self._lanes, PINGS]):
            yield text(LEFT - 12, self.top + number * LANE + 12, name, anchor="end")
            yield text(LEFT - 12, self.top + number * LANE + 26, detail, FAINT, 11, "end")

    def _spans(self) -> Iterator[tuple[float, float, float, State]]:
        """Yield where each state of each lane is, and how long, as far as the axis goes."""
        for number, lane in enumerate(self._lanes):
            ends = [*(state.time for state in lane.states[1:]), self._until]
            for state, end in zip(lane.states, ends):
                x = self.x(state.time)
                if self.x(end) > x:
                    yield x, self.top + number * LANE, self.x(end) - x, state

    def _pings(self, pings: Sequence[Sent]) -> Iterator[str]:
        """Draw a tick for each ping when it was sent."""
        for ping in pings:
            if self._since <= ping.time <= self._until:
                margin, colour, thickness = (10, FAINT, 1.5) if ping.answered else (0, LOST, 3)
                top, bottom = self.bottom - LANE + GAP + margin, self.bottom - margin
                yield line(self.x(ping.time), top, bottom, colour, thickness)

    def _marks(self, marks: Sequence[tuple[float, str]]) -> Iterator[str]:
        """Draw the labels above the lanes, each lower than an earlier one that is in its way."""
        ends = [0.0] * LABELS
        for time, label in marks:
            x = self.x(time)
            # At the right edge a label is on the left of its line.
            start, anchor = (x, "start") if x + width(label) < WIDTH else (x - width(label), "end")
            row = min(max((row + 1 for row, end in enumerate(ends) if end > start), default=0), LABELS - 1)
            ends[row] = start + width(label)
            y = self.top - 14 - (LABELS - 1 - row) * 17
            yield line(x, y - 10, self.bottom, INK)
            yield text(x + 5 if anchor == "start" else x - 5, y, label, anchor=anchor)

    def axis(self, zero: float, unit: float, name: str) -> Iterator[str]:
        """Draw the time since `zero` at round numbers of units (each of so many seconds), about ten."""
        first, last = (self._since - zero) / unit, (self._until - zero) / unit
        step = next(n * 10**e for e in range(9) for n in (1, 2, 5) if last - first <= 11 * n * 10**e)
        for count in range(ceil(first / step) * step, int(last) + 1, step):
            x = self.x(zero + count * unit)
            yield line(x, self.bottom + 3, self.bottom + 8, FAINT)
            yield text(x, self.bottom + 21, f"{count} {name}", FAINT, 12, "middle")


def draw(run: Run) -> str:
    """Draw a run: the whole text of an SVG file."""
    pod = Lane("pod's active port", "active-backup bond", active_ports(run))
    lanes = {name: pf_lanes(name, samples) for name, samples in run.pfs.items()}
    since, until = run.down - BEFORE_S, run.failed_over + AFTER_S
    whole = Panel([*chain.from_iterable(lanes.values()), pod], 112, run.started, run.ended)
    close = Panel([*lanes[run.failed], pod], whole.bottom + 116, since, until)
    height = close.bottom + 84
    silent, returns = (run.silenced, "switch falls silent"), (run.revived, "switch returns")
    down, restored = (run.down, "port state down"), (run.restored, "VFs back in auto")
    disabled, over = (run.disabled, "last VF disabled"), (run.failed_over, "pod fails over")
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="{FONTS}">',
        rect(0, 0, WIDTH, height, PAPER),
        text(16, 30, TITLE, size=18),
        *magnifier(whole, close, since, until),
        *whole.draw(run.pings, [silent, (run.down, "port state down: see below"), returns, restored]),
        *whole.axis(run.silenced, 1.0, "s"),
        *close.draw(run.pings, [down, disabled, over]),
        *close.axis(run.down, 0.001, "ms"),
        *(text(16, height - 28 + 16 * row, note, FAINT, 12) for row, note in enumerate(NOTES)),
    ]
    return "\n".join([*parts, "</svg>\n"])


def magnifier(whole: Panel, close: Panel, since: float, until: float) -> Iterator[str]:
    """Draw the ground of that part of the whole that the other panel shows, and of that panel."""
    left, right, bottom = whole.x(since), whole.x(until), whole.bottom
    top = close.top - GAP
    yield rect(left, whole.top - GAP, right - left, bottom - whole.top + GAP, ZOOM)
    corners = f"M{left:.1f} {bottom}H{right:.1f}L{RIGHT} {top}H{LEFT}Z"
    yield f'<path d="{corners}" fill="{ZOOM}"/>'
    yield rect(LEFT, top, RIGHT - LEFT, close.bottom - top, ZOOM)


def pf_lanes(name: str, samples: Sequence[Sample]) -> list[Lane]:
    """Return the lanes of one PF: its port state, and its VFs' link states."""
    ports = merged(State(sample.time, *port_state(sample)) for sample in samples)
    vfs = merged(State(sample.time, *vf_states(sample)) for sample in samples)
    return [Lane(name, "actor/partner port state", ports), Lane(f"VFs of {name}", "link state", vfs)]


def merged(states: Iterable[State]) -> list[State]:
    """Return the states, without those that say the same as the one before."""
    kept: list[State] = []
    for state in states:
        if not kept or kept[-1][1:] != state[1:]:
            kept.append(state)
    return kept


def port_state(sample: Sample) -> tuple[tuple[str, ...], str]:
    """Return what a lane says of a port state, and its colour."""
    ends = "no bond" if sample.port_state is None else "{}/{}".format(*sample.port_state)
    up = sample.lacp_up()
    return (f"{ends}, LACP {'up' if up else 'down'}", ends), GOOD if up else BAD


def vf_states(sample: Sample) -> tuple[tuple[str, ...], str]:
    """Return what a lane says of the VFs' link states, and its colour."""
    words = [
        f"{sample.vf_states.count(state)} {state}" for state in VF_LINK_STATES if state in sample.vf_states
    ]
    return (", ".join(words),), {"auto": GOOD, "disable": BAD}.get(" ".join({*sample.vf_states}), MIXED)


def active_ports(run: Run) -> list[State]:
    """Return the states of the pod's lane. Its ports are VFs of the PFs, in the same order."""
    owners = {f"net{number}": f"VF of {name}" for number, name in enumerate(run.pfs, start=1)}
    return [
        State(time, (f"{port}, {owners[port]}", port), PORTS[port]) if port else State(time, ("none",), BAD)
        for time, port in run.ports
    ]


def width(words: str) -> float:
    """Return how many pixels a text of normal size takes at most, in whatever font the viewer has."""
    return len(words) * 0.6 * SIZE + 6


def rect(x: float, y: float, length: float, height: float, colour: str) -> str:
    """Draw a filled rectangle."""
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{length:.1f}" height="{height:.1f}" fill="{colour}"/>'


def line(x: float, y: float, end: float, colour: str, thickness: float = 1) -> str:
    """Draw a line straight down."""
    return f'<path d="M{x:.1f} {y:.1f}V{end:.1f}" stroke="{colour}" stroke-width="{thickness}"/>'


def text(
    x: float,
    y: float,
    words: str,
    colour: str = INK,
    size: int = SIZE,
    anchor: str = "start",
    halo: str = "none",
) -> str:
    """Draw a line of text; with a halo it stands out from the lines that it covers."""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{colour}" text-anchor="{anchor}"'
        f' stroke="{halo}" stroke-width="8" stroke-linejoin="round" paint-order="stroke">'
        f"{escape(words)}</text>"
    )
