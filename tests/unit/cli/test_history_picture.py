"""What `history --svg` draws."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from pf_status_relay.cli.history_picture import WORST_LAST, svg
from pf_status_relay.core.history import History, Kind, Outage, Override, Period, PfHistory, State

DAY = 1_893_456_000.0
"""2030-01-01, in seconds since 1970."""
LEFT, COLUMNS = 130, 680
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(autouse=True)
def _zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def pf(*periods: tuple[float, float, State], name: str = "ens5f0") -> PfHistory:
    outages = tuple(
        Outage(name, DAY + begin, DAY + end, end - begin, State.UP, State.UP, None, 0.0, (), None)
        for begin, end, state in periods
        if state is State.DOWN
    )
    spans = tuple(Period(DAY + begin, DAY + end, state) for begin, end, state in periods)
    return PfHistory(name, State.UP, None, outages, spans)


def drawn(*pfs: PfHistory, seconds: float = 680.0) -> ElementTree.Element:
    return ElementTree.fromstring(svg(History(DAY, DAY + seconds, pfs, (), ())))


def bars(picture: ElementTree.Element) -> list[tuple[str, int, int]]:
    """Return the class, first column and number of columns of each bar in the rows."""
    return [
        (rect.attrib["class"], int(rect.attrib["x"]) - LEFT, int(rect.attrib["width"]))
        for rect in picture.iter(f"{SVG}rect")
        if int(rect.attrib.get("y", 0)) > 70
    ]


def texts(picture: ElementTree.Element) -> list[str]:
    return [text.text or "" for text in picture.iter(f"{SVG}text")]


def test_a_row_is_covered_from_end_to_end_in_the_states_of_the_pf() -> None:
    picture = drawn(
        pf(
            (0, 10, State.UNKNOWN),
            (10, 100, State.UP),
            (100, 150.5, State.DOWN),
            (150.5, 680, State.NOT_READY),
        )
    )
    assert bars(picture) == [("unknown", 0, 10), ("up", 10, 90), ("down", 100, 51), ("not-ready", 151, 529)]
    assert "1 outage, 50.5 s" in texts(picture)


def test_a_drain_is_a_line_below_the_bar() -> None:
    def drain(begin: float, end: float | None, duration_s: float) -> Override:
        until = None if end is None else DAY + end
        return Override("ens5f0", Kind.DRAINED, DAY + begin, until, duration_s, end is None, "a", "")

    drains = (drain(-50, 20, 70), drain(100, 100.2, 0.2), drain(600, None, 80))
    picture = drawn(replace(pf((0, 680, State.UP)), overrides=drains))
    assert bars(picture) == [("up", 0, 680), ("drained", 0, 20), ("drained", 100, 1), ("drained", 600, 80)]
    (up, line, *_) = [rect for rect in picture.iter(f"{SVG}rect") if int(rect.attrib.get("y", 0)) > 70]
    assert int(line.attrib["y"]) >= int(up.attrib["y"]) + int(up.attrib["height"])


def test_an_outage_of_a_second_in_a_year_is_seen() -> None:
    year = 365 * 86400.0
    half = pf((0, year / 2, State.UP), (year / 2, year / 2 + 1, State.DOWN), (year / 2 + 1, year, State.UP))
    assert bars(drawn(half, seconds=year)) == [("up", 0, 340), ("down", 340, 1), ("up", 341, 339)]


def test_the_worst_of_a_column_is_shown() -> None:
    for better, worse in zip(WORST_LAST, WORST_LAST[1:]):
        (first, *_) = bars(drawn(pf((0, 0.4, better), (0.4, 0.5, worse), (0.5, 680, better))))
        assert first == (worse.value.replace(" ", "-"), 0, 1)


def test_a_million_changes_make_no_more_bars_than_columns() -> None:
    changes = [
        (each / 100, (each + 1) / 100, State.DOWN if each % 200 < 100 else State.UP) for each in range(68_000)
    ]
    assert len(bars(drawn(pf(*changes)))) <= COLUMNS


@pytest.mark.parametrize(
    ("seconds", "labels"),
    [
        (600, ["00:00", "00:05", "00:10", "2030-01-01"]),
        (7 * 86400, ["01-01", "01-08", "2030"]),
        (20, ["00:00", "00:00:05", "00:00:20"]),
        (10 * 365 * 86400, ["2030", "2039"]),
    ],
)
def test_the_axis_has_round_times(seconds: float, labels: list[str]) -> None:
    found = texts(drawn(pf((0, seconds, State.UP)), seconds=seconds))
    for label in labels:
        assert label in found
    assert len([text for text in found if re.fullmatch(r"[0-9:-]+", text)]) <= 24


def test_names_cannot_leave_their_place() -> None:
    found = texts(drawn(pf(name="<script>&\x1b[2J and so on"), pf(name="a" * 40)))
    assert "<script>&?[2..." in found
    assert "aaaaaaaaaaaa..." in found


def test_without_a_pf_that_is_said() -> None:
    assert "nothing is known of any PF" in texts(drawn())


def test_it_needs_nothing_from_elsewhere_and_knows_the_dark() -> None:
    text = svg(History(DAY, DAY + 60, (pf((0, 60, State.UP)),), (), ()))
    assert "prefers-color-scheme: dark" in text
    assert set(re.findall(r"https?://[^\"' ]+", text)) == {"http://www.w3.org/2000/svg"}
    assert set(re.findall(r"url\((.*?)\)", text)) == {"#not-ready", "#unknown"}
    for state in (*WORST_LAST, *Kind):
        assert text.count(f"--{state.value.replace(' ', '-')}:") == 2, "in light and in dark"
