"""The output of `history`: outages, gaps, failed writes and a line per PF; or the same as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from pf_status_relay.cli.terminal import Colour, Terminal, columns, printable
from pf_status_relay.cli.times import duration, local, rfc3339
from pf_status_relay.core.history import FailedWrites, Gap, History, Kind, Outage, Override, PfHistory, State

_NOTHING = "-"
_COLOURS = {State.UP: Colour.GREEN, State.DOWN: Colour.RED}
_OUTAGES = ("PF", "DOWN SINCE", "UNTIL", "DURATION", "CAUSE", "VFS DISABLED")
_PFS = ("PF", "NOW", "SINCE", "OUTAGES", "TOTAL", "LONGEST", "UNKNOWN")
_NOW_COLUMN = _PFS.index("NOW")


def text(history: History, terminal: Terminal) -> str:
    """Return the history for a person, oldest first; the PFs' present states come last."""
    parts = [
        [f"From {local(history.since)} to {local(history.until)}:"],
        _outages(history.outages),
        *(_overrides(kind, history.overrides, terminal) for kind in Kind),
        _gaps(history.gaps, terminal),
        _failed_writes(history.failed_writes, terminal),
        _pfs(history.pfs, terminal),
    ]
    return "\n".join("".join(f"{line}\n" for line in part) for part in parts if part)


def _outages(outages: Iterable[Outage]) -> list[str]:
    rows, notes = [_OUTAGES], [""]
    for outage in outages:
        cells = (
            outage.interface,
            local(outage.begin),
            local(outage.end) if outage.end is not None else _open_end(outage),
            duration(outage.duration_s),
            outage.cause or "",
            _disabled(outage),
        )
        rows.append(cells)
        notes.append(_note(outage))
    if len(rows) == 1:
        return ["LACP was not seen down."]
    lines = []
    for row, note in zip(columns(_filled(rows)), notes):
        lines += [row, *([f"    {note}"] if note else [])]
    return lines


def _open_end(outage: Outage) -> str:
    return "still down" if outage.after is State.DOWN else "not known"


def _disabled(outage: Outage) -> str:
    if not outage.vfs:
        return ""
    within = outage.disabled_within_ms
    return f"{len(outage.vfs)}" if within is None else f"{len(outage.vfs)} within {_milliseconds(within)}"


def _milliseconds(number: float) -> str:
    return duration(number / 1000) if number >= 1000 else f"{number:.3g} ms"


def _note(outage: Outage) -> str:
    notes = []
    if outage.before is State.NOT_READY:
        notes.append("down since the PF is ready")
    elif outage.before is State.UNKNOWN:
        notes.append("found down when the service looked again: it may have begun earlier")
    if outage.unwatched_s:
        notes.append(f"nobody looked for {duration(outage.unwatched_s)} of it")
    if outage.end is not None and outage.after is State.NOT_READY:
        notes.append("ended as the PF was no longer ready")
    return "; ".join(notes)


def _overrides(kind: Kind, overrides: Iterable[Override], terminal: Terminal) -> list[str]:
    lines = []
    for each in overrides:
        if each.kind is kind:
            still = " (still so)" if each.still else " (its end is not known)" if each.end is None else ""
            by = f" by {each.owner}" if each.owner else ""
            why = f": {each.reason}" if each.reason else ""
            when = f"{local(each.begin)}, for {duration(each.duration_s)}{still}"
            lines += terminal.wrap(f"{when}: {each.interface}{by}{why}", indent="  ")
    return [f"PFs that were {kind.value}:", *lines] if lines else []


def _gaps(gaps: Iterable[Gap], terminal: Terminal) -> list[str]:
    lines = []
    for gap in gaps:
        if gap.begin == gap.end:
            when = local(gap.begin)
        else:
            when = f"{local(gap.begin)}, for {duration(gap.duration_s)}"
        after = "; the service was started again" if gap.restarted else ""
        still = " (still so)" if gap.end is None else ""
        lines += terminal.wrap(f"{when}{still}: {gap.reason}{after}", indent="  ")
    return ["Not known, as nobody looked or the entries are missing:", *lines] if lines else []


def _failed_writes(failed: Iterable[FailedWrites], terminal: Terminal) -> list[str]:
    lines = []
    for each in failed:
        vfs = f"VF{'s' * (len(each.vfs) != 1)} {', '.join(map(str, each.vfs))}"
        often = f", {each.count} times until {local(each.last)}" if each.count > 1 else ""
        found = f"{local(each.first)}{often}: {each.interface}: {vfs} not set to {each.state}: {each.error}"
        lines += terminal.wrap(found, indent="  ")
    return ["VF link states that the driver refused:", *lines] if lines else []


def _pfs(pfs: Iterable[PfHistory], terminal: Terminal) -> list[str]:
    rows, states = [_PFS], []
    for pf in pfs:
        cells = (
            pf.interface,
            pf.now.value,
            local(pf.since) if pf.since is not None else "",
            str(len(pf.outages)),
            duration(pf.total_s) if pf.outages else "",
            duration(pf.longest_s) if pf.outages else "",
            duration(pf.unknown_s) if pf.unknown_s else "",
        )
        rows.append(cells)
        states.append(pf.now)
    if not states:
        return []

    def paint(row: int, column: int, cell: str) -> str:
        colour = _COLOURS.get(states[row - 1]) if row and column == _NOW_COLUMN else None
        return terminal.paint(cell, colour) if colour else cell

    return columns(_filled(rows), paint)


def _filled(rows: Iterable[Iterable[str]]) -> list[list[str]]:
    return [[printable(cell) or _NOTHING for cell in row] for row in rows]


def as_json(history: History) -> str:
    """Return the history as one JSON document, which pf-status-relay(8) describes."""
    document = {
        "since": rfc3339(history.since),
        "until": rfc3339(history.until),
        "interfaces": [_pf(pf) for pf in history.pfs],
        "outages": [_outage(each) for each in history.outages],
        **{
            kind.value.replace(" ", "_"): [_override(each) for each in history.overrides if each.kind is kind]
            for kind in Kind
        },
        "gaps": [_gap(each) for each in history.gaps],
        "failed_writes": [_failed(each) for each in history.failed_writes],
    }
    return f"{json.dumps(document, indent=2)}\n"


def _time(time: float | None) -> str | None:
    return None if time is None else rfc3339(time)


def _pf(pf: PfHistory) -> dict[str, Any]:
    return {
        "interface": pf.interface,
        "now": pf.now.value,
        "since": _time(pf.since),
        "outages": len(pf.outages),
        "total_s": round(pf.total_s, 3),
        "longest_s": round(pf.longest_s, 3),
        "unknown_s": round(pf.unknown_s, 3),
    }


def _outage(outage: Outage) -> dict[str, Any]:
    return {
        "interface": outage.interface,
        "begin": rfc3339(outage.begin),
        "end": _time(outage.end),
        "duration_s": round(outage.duration_s, 3),
        "before": outage.before.value,
        "after": outage.after.value,
        "cause": outage.cause,
        "unwatched_s": round(outage.unwatched_s, 3),
        "vfs_disabled": list(outage.vfs),
        "disabled_within_ms": outage.disabled_within_ms,
    }


def _override(override: Override) -> dict[str, Any]:
    return {
        "interface": override.interface,
        "begin": rfc3339(override.begin),
        "end": _time(override.end),
        "duration_s": round(override.duration_s, 3),
        "still": override.still,
        "owner": override.owner,
        "reason": override.reason,
    }


def _gap(gap: Gap) -> dict[str, Any]:
    return {
        "begin": rfc3339(gap.begin),
        "end": _time(gap.end),
        "duration_s": round(gap.duration_s, 3),
        "reason": gap.reason,
        "restarted": gap.restarted,
    }


def _failed(failed: FailedWrites) -> dict[str, Any]:
    return {
        "interface": failed.interface,
        "vfs": list(failed.vfs),
        "state": failed.state,
        "error": failed.error,
        "count": failed.count,
        "first": rfc3339(failed.first),
        "last": rfc3339(failed.last),
    }
