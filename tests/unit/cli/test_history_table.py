"""The table that `history` shows."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator

import pytest

from pf_status_relay.cli.history_table import as_json, text
from pf_status_relay.cli.terminal import Terminal
from pf_status_relay.core.history import (
    FailedWrites,
    Gap,
    History,
    Kind,
    Outage,
    Override,
    Period,
    PfHistory,
    State,
)

DAY = 1_893_456_000.0
"""2030-01-01, in seconds since 1970."""


@pytest.fixture(autouse=True)
def _zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def outage(begin: float, end: float | None, duration_s: float, **other: object) -> Outage:
    values = {
        "before": State.UP, "after": State.UP, "cause": None, "unwatched_s": 0.0, "vfs": (),
        "disabled_within_ms": None, **other,
    }  # fmt: skip
    until = None if end is None else DAY + end
    return Outage("ens5f1", DAY + begin, until, duration_s, **values)  # type: ignore[arg-type]


OUTAGES = (
    outage(18, 62.2, 44.2, cause="no carrier", vfs=(0, 1, 3), disabled_within_ms=0.412),
    outage(300, 500, 200, before=State.UNKNOWN, unwatched_s=1.25, vfs=(0,), disabled_within_ms=2500.0),
    outage(600, 610, 10, before=State.NOT_READY, after=State.NOT_READY, vfs=(0,)),
    outage(3000, None, 600, after=State.DOWN),
)
DRAINS = (
    Override("ens5f1", Kind.DRAINED, DAY + 30, DAY + 90, 60.0, False, "alice", "switch A: firmware"),
    Override("ens5f1", Kind.DRAINED, DAY + 400, None, 5.0, False, "bob", ""),
    Override("ens5f1", Kind.DRAINED, DAY + 3590, None, 10.0, True, "", "x\x1b[2J"),
)
HISTORY = History(
    DAY,
    DAY + 3600,
    (
        PfHistory("ens5f0", State.UP, DAY + 1, (), (Period(DAY, DAY + 3600, State.UP),)),
        PfHistory("ens5f1", State.DOWN, DAY + 3000, OUTAGES, (Period(DAY, DAY + 8, State.UNKNOWN),), DRAINS),
        PfHistory("ens5f2", State.UNKNOWN, None, (), ()),
    ),
    (
        Gap(DAY, DAY + 7, 7.0, "the journal does not go back further", False),
        Gap(DAY + 350, DAY + 351.25, 1.25, "the service was killed by signal 9", True),
        Gap(DAY + 700, DAY + 700, 0.0, "3 entries are missing", False),
        Gap(DAY + 3500, None, 100.0, "the service was stopped", False),
    ),
    (
        FailedWrites("ens5f1", "disable", "Operation not supported", (1, 3), 4, DAY + 18, DAY + 90),
        FailedWrites("ens5f1", "auto", "x\x1b[2J", (2,), 1, DAY + 19, DAY + 19),
    ),
)


def test_a_person_reads_outages_gaps_and_failed_writes_and_last_how_the_pfs_are() -> None:
    assert text(HISTORY, Terminal(io.StringIO(), {})) == (
        "From 2030-01-01 00:00:00 to 2030-01-01 01:00:00:\n"
        "\n"
        "PF      DOWN SINCE           UNTIL                DURATION    CAUSE       VFS DISABLED\n"
        "ens5f1  2030-01-01 00:00:18  2030-01-01 00:01:02  44.2 s      no carrier  3 within 0.412 ms\n"
        "ens5f1  2030-01-01 00:05:00  2030-01-01 00:08:20  3 min 20 s  -           1 within 2.5 s\n"
        "    found down when the service looked again: it may have begun earlier; "
        "nobody looked for 1.2 s of it\n"
        "ens5f1  2030-01-01 00:10:00  2030-01-01 00:10:10  10.0 s      -           1\n"
        "    down since the PF is ready; ended as the PF was no longer ready\n"
        "ens5f1  2030-01-01 00:50:00  still down           10 min      -           -\n"
        "\n"
        "PFs that were drained:\n"
        "  2030-01-01 00:00:30, for 1 min: ens5f1 by alice: switch A: firmware\n"
        "  2030-01-01 00:06:40, for 5.0 s (its end is not known): ens5f1 by bob\n"
        "  2030-01-01 00:59:50, for 10.0 s (still so): ens5f1: x?[2J\n"
        "\n"
        "Not known, as nobody looked or the entries are missing:\n"
        "  2030-01-01 00:00:00, for 7.0 s: the journal does not go back further\n"
        "  2030-01-01 00:05:50, for 1.2 s: the service was killed by signal 9; "
        "the service was started again\n"
        "  2030-01-01 00:11:40: 3 entries are missing\n"
        "  2030-01-01 00:58:20, for 1 min 40 s (still so): the service was stopped\n"
        "\n"
        "VF link states that the driver refused:\n"
        "  2030-01-01 00:00:18, 4 times until 2030-01-01 00:01:30: ens5f1: VFs 1, 3 not set to disable: "
        "Operation not supported\n"
        "  2030-01-01 00:00:19: ens5f1: VF 2 not set to auto: x?[2J\n"
        "\n"
        "PF      NOW      SINCE                OUTAGES  TOTAL        LONGEST  UNKNOWN\n"
        "ens5f0  up       2030-01-01 00:00:01  0        -            -        -\n"
        "ens5f1  down     2030-01-01 00:50:00  4        14 min 14 s  10 min   8.0 s\n"
        "ens5f2  unknown  -                    0        -            -        -\n"
    )


def test_where_nothing_happened_that_is_said() -> None:
    nothing = History(DAY, DAY + 60, HISTORY.pfs[:1], (), ())
    assert text(nothing, Terminal(io.StringIO(), {})) == (
        "From 2030-01-01 00:00:00 to 2030-01-01 00:01:00:\n"
        "\n"
        "LACP was not seen down.\n"
        "\n"
        "PF      NOW  SINCE                OUTAGES  TOTAL  LONGEST  UNKNOWN\n"
        "ens5f0  up   2030-01-01 00:00:01  0        -      -        -\n"
    )


class Tty(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """Return True."""
        return True

    def fileno(self) -> int:
        """Fail, so that the terminal has no size."""
        raise OSError


def test_on_a_terminal_the_state_is_coloured_and_nothing_moves() -> None:
    coloured = text(HISTORY, Terminal(Tty(), {"TERM": "xterm"}))
    assert "\x1b[32mup     \x1b[0m" in coloured
    assert "\x1b[31mdown   \x1b[0m" in coloured
    for code in ("\x1b[32m", "\x1b[31m", "\x1b[0m"):
        coloured = coloured.replace(code, "")
    assert coloured == text(HISTORY, Terminal(Tty(), {"TERM": "xterm", "NO_COLOR": "1"}))


def test_a_program_reads_one_document() -> None:
    document = json.loads(as_json(HISTORY))
    assert set(document) == {
        "since",
        "until",
        "interfaces",
        "outages",
        "drained",
        "kept_open",
        "gaps",
        "failed_writes",
    }
    assert (document["since"], document["until"]) == ("2030-01-01T00:00:00.000Z", "2030-01-01T01:00:00.000Z")
    assert document["interfaces"][1] == {
        "interface": "ens5f1", "now": "down", "since": "2030-01-01T00:50:00.000Z",
        "outages": 4, "total_s": 854.2, "longest_s": 600, "unknown_s": 8.0,
    }  # fmt: skip
    assert document["outages"][0] == {
        "interface": "ens5f1", "begin": "2030-01-01T00:00:18.000Z", "end": "2030-01-01T00:01:02.200Z",
        "duration_s": 44.2, "before": "up", "after": "up", "cause": "no carrier", "unwatched_s": 0.0,
        "vfs_disabled": [0, 1, 3], "disabled_within_ms": 0.412,
    }  # fmt: skip
    assert document["outages"][3]["end"] is None
    assert document["drained"][0] == {
        "interface": "ens5f1", "begin": "2030-01-01T00:00:30.000Z", "end": "2030-01-01T00:01:30.000Z",
        "duration_s": 60.0, "still": False, "owner": "alice", "reason": "switch A: firmware",
    }  # fmt: skip
    assert (document["drained"][2]["end"], document["drained"][2]["still"]) == (None, True)
    assert document["gaps"][3] == {
        "begin": "2030-01-01T00:58:20.000Z", "end": None, "duration_s": 100.0,
        "reason": "the service was stopped", "restarted": False,
    }  # fmt: skip
    assert document["failed_writes"][0] == {
        "interface": "ens5f1", "vfs": [1, 3], "state": "disable", "error": "Operation not supported",
        "count": 4, "first": "2030-01-01T00:00:18.000Z", "last": "2030-01-01T00:01:30.000Z",
    }  # fmt: skip
