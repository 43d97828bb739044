"""The picture of `history --svg`: a row for each PF shows when it was in which state. It needs no other file.

Below the bar of a PF, one line shows when it was drained, and another when it was kept open.

A column is a pixel wide, and shows the worst state of its time: an outage of a second in a month is visible.
States differ in shape as well as in colour. The colours follow the reader's choice of light or dark.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import groupby
from xml.sax.saxutils import escape

from pf_status_relay.cli.terminal import printable
from pf_status_relay.cli.times import duration, local
from pf_status_relay.core.history import History, Kind, PfHistory, State

WORST_LAST = (State.UP, State.UNKNOWN, State.NOT_READY, State.DOWN)
"""All states that a column can show. Of several states in its time, it shows the last in this order."""

_RANK = {state: rank for rank, state in enumerate(WORST_LAST)}
_CLASSES = {state: state.value.replace(" ", "-") for state in WORST_LAST}
_HEIGHTS = {State.UP: 6, State.UNKNOWN: 18, State.NOT_READY: 18, State.DOWN: 22}

_LINE_BELOW = 12
"""Pixels from the middle of a row to the first of its lines."""
_LINE_APART = 4
"""Pixels from one line of a row to the next."""

_WIDTH = 1000
_LEFT, _RIGHT = 130, 190
_COLUMNS = _WIDTH - _LEFT - _RIGHT
_TOP, _ROW, _BELOW = 74, 34, 62
_LONGEST_NAME = 15  # IFNAMSIZ; an alternative name may be longer
_LABELS = 8
_STEPS_S = (1, 5, 15, 60, 300, 900, 3600, 3 * 3600, 6 * 3600, 12 * 3600)
_STEPS_DAYS = (1, 2, 7, 14, 28, 91, 365, 3650)

_STYLE = """
svg { --ground: #ffffff; --ink: #1f2328; --faint: #59636e; --line: #d1d9e0;
      --drained: #0969da;
      --kept-open: #8250df;
      --up: #1a7f37; --down: #cf222e; --not-ready: #9a6700; --unknown: #818b98; background: var(--ground) }
@media (prefers-color-scheme: dark) {
  svg { --ground: #0d1117; --ink: #f0f6fc; --faint: #9198a1; --line: #3d444d;
        --drained: #58a6ff;
        --kept-open: #bc8cff;
        --up: #3fb950; --down: #f85149; --not-ready: #d29922; --unknown: #656c76 }
}
text { font: 13px system-ui, "DejaVu Sans", sans-serif; fill: var(--ink) }
.title { font-size: 16px; font-weight: 600 }
.faint { font-size: 12px; fill: var(--faint) }
.line { stroke: var(--line) }
.end { text-anchor: end }
.middle { text-anchor: middle }
.ground { fill: var(--ground) }
.up { fill: var(--up) }
.down { fill: var(--down) }
.drained { fill: var(--drained) }
.kept-open { fill: var(--kept-open) }
.not-ready { fill: url(#not-ready) }
.unknown { fill: url(#unknown) }
.not-ready-ink { stroke: var(--not-ready) }
.unknown-ink { stroke: var(--unknown) }
"""

_PATTERNS = """<defs>
<pattern id="not-ready" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
<path class="not-ready-ink" d="M1.5 0V6" stroke-width="3"/></pattern>
<pattern id="unknown" width="4" height="4" patternUnits="userSpaceOnUse" patternTransform="rotate(-45)">
<path class="unknown-ink" d="M0.5 0V4" stroke-width="1"/></pattern>
</defs>"""


def svg(history: History) -> str:
    """Return the picture of a history."""
    height = _TOP + _ROW * max(len(history.pfs), 1) + _BELOW
    title = f"LACP from {local(history.since)} to {local(history.until)}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" '
        f'viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{title}">',
        f"<style>{_STYLE}</style>",
        _PATTERNS,
        f'<rect class="ground" width="{_WIDTH}" height="{height}"/>',
        f'<text class="title" x="16" y="30">{title}</text>',
        *_legend(),
        *_axis(history, height - _BELOW),
    ]
    if not history.pfs:
        parts.append(f'<text x="{_LEFT}" y="{_TOP + 21}">nothing is known of any PF</text>')
    for number, pf in enumerate(history.pfs):
        parts += _row(pf, history, _TOP + _ROW * number + _ROW // 2)
    return "\n".join([*parts, "</svg>", ""])


def _legend() -> Iterator[str]:
    x = 16
    for state in WORST_LAST:
        yield _bar(x, 24, 52, state)
        yield f'<text class="faint" x="{x + 30}" y="56">{state.value}</text>'
        x += 60 + 7 * len(state.value)
    for kind in Kind:
        yield _line(x, 24, 51 - _LINE_BELOW - _LINE_APART * list(Kind).index(kind), kind)
        yield f'<text class="faint" x="{x + 30}" y="56">{kind.value}</text>'
        x += 60 + 7 * len(kind.value)
    yield f'<text class="faint" x="{x}" y="56">a column shows the worst state in its time</text>'


def _row(pf: PfHistory, history: History, middle: int) -> Iterator[str]:
    name = printable(pf.interface)
    if len(name) > _LONGEST_NAME:
        name = f"{name[: _LONGEST_NAME - 3]}..."
    yield f'<text class="end" x="{_LEFT - 12}" y="{middle + 5}">{escape(name)}</text>'
    column = 0
    for state, run in groupby(_columns(pf, history)):
        width = len(list(run))
        yield _bar(_LEFT + column, width, middle, state)
        column += width
    scale = _COLUMNS / max(history.until - history.since, 1e-6)
    for each in pf.overrides:
        first = min(max(0, int((each.begin - history.since) * scale)), _COLUMNS - 1)
        end = each.begin + each.duration_s if each.end is None else each.end
        last = max(first + 1, min(_COLUMNS, round((end - history.since) * scale)))
        yield _line(_LEFT + first, last - first, middle, each.kind)
    number = len(pf.outages)
    found = f"{number} outage{'s' * (number != 1)}, {duration(pf.total_s)}" if number else "no outage seen"
    yield f'<text class="faint" x="{_WIDTH - _RIGHT + 12}" y="{middle + 5}">{found}</text>'


def _bar(x: int, width: int, middle: int, state: State) -> str:
    high = _HEIGHTS[state]
    return (
        f'<rect class="{_CLASSES[state]}" x="{x}" y="{middle - high // 2}" width="{width}" height="{high}"/>'
    )


def _line(x: int, width: int, middle: int, kind: Kind) -> str:
    name = kind.value.replace(" ", "-")
    below = _LINE_BELOW + _LINE_APART * list(Kind).index(kind)
    return f'<rect class="{name}" x="{x}" y="{middle + below}" width="{width}" height="3"/>'


def _columns(pf: PfHistory, history: History) -> list[State]:
    """Return the worst state in the time of each column."""
    worst = [-1] * _COLUMNS
    scale = _COLUMNS / max(history.until - history.since, 1e-6)
    for period in pf.periods:
        rank = _RANK[period.state]
        first = min(int((period.begin - history.since) * scale), _COLUMNS - 1)
        # A period that ends where a column begins is not in that column.
        last = min(max(-int(-(period.end - history.since) * scale // 1) - 1, first), _COLUMNS - 1)
        for column in range(first, last + 1):
            worst[column] = max(worst[column], rank)
    return [WORST_LAST[rank] if rank >= 0 else State.UNKNOWN for rank in worst]


def _axis(history: History, bottom: int) -> Iterator[str]:
    yield f'<path class="line" d="M{_LEFT} {bottom + 4}H{_LEFT + _COLUMNS}"/>'
    day = None
    for moment, whole_days in _ticks(history.since, history.until):
        share = (moment.timestamp() - history.since) / max(history.until - history.since, 1e-6)
        x = round(_LEFT + share * _COLUMNS, 1)
        yield f'<path class="line" d="M{x} {_TOP}V{bottom + 9}"/>'
        first = moment.strftime("%m-%d" if whole_days else "%H:%M:%S" if moment.second else "%H:%M")
        yield f'<text class="faint middle" x="{x}" y="{bottom + 24}">{first}</text>'
        second = moment.year if whole_days else moment.date()
        if second != day:
            yield f'<text class="faint middle" x="{x}" y="{bottom + 40}">{second}</text>'
        day = second


def _ticks(since: float, until: float) -> Iterator[tuple[datetime, bool]]:
    """Yield round local times in between, at most `_LABELS` + 1, and whether they are whole days."""
    at_least_s = (until - since) / _LABELS
    step_s = next((step for step in _STEPS_S if step >= at_least_s), None)
    first = datetime.fromtimestamp(since)
    midnight = datetime(first.year, first.month, first.day)
    if step_s is not None:
        step = timedelta(seconds=step_s)
    else:
        step = timedelta(
            days=next((days for days in _STEPS_DAYS if days * 86400 >= at_least_s), _STEPS_DAYS[-1])
        )
    moment = midnight + (first - midnight) // step * step
    while moment.timestamp() <= until:
        if moment.timestamp() >= since:
            yield moment, step_s is None
        moment += step
