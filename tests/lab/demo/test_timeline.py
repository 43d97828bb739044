"""The picture of a run says what was recorded, where it happened, and stays readable."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple
from xml.etree import ElementTree

import pytest

from tests.lab.demo import timeline
from tests.lab.demo.timeline import BAD, FAINT, GOOD, LEFT, LOST, MIXED, PORTS, RIGHT, WIDTH, Run
from tests.lab.kit.pod import Sent
from tests.lab.kit.recorder import Sample

AUTO, DISABLE = ("auto",) * 8, ("disable",) * 8
FAILED = (
    Sample(90.0, (63, 63), True, AUTO),
    Sample(103.0, (143, 55), True, AUTO),
    Sample(103.02, (143, 55), True, (*DISABLE[:5], *AUTO[5:])),
    Sample(103.04, (143, 55), True, DISABLE),
    Sample(105.0, (15, 63), True, DISABLE),
    Sample(105.01, (63, 63), True, DISABLE),
    Sample(105.1, (63, 63), True, AUTO),
)
PINGS = (Sent(100.5, True), Sent(101.5, False), Sent(102.5, False), Sent(103.05, False), Sent(103.15, True))
RUN = Run(
    started=100.0,
    ended=108.0,
    pfs={"ens5f0": FAILED, "ens5f1": (Sample(90.0, (63, 63), True, AUTO),)},
    ports=((90.0, "net1"), (103.1, None), (103.12, "net2")),
    pings=PINGS,
    failed="ens5f0",
    silenced=101.0,
    down=103.0,
    disabled=103.04,
    failed_over=103.12,
    revived=104.5,
    restored=105.1,
)


class Text(NamedTuple):
    """A text, and where it is if its font is as wide as any."""

    words: str
    left: float
    right: float
    y: float
    size: int


class Picture:
    """A picture as a reader finds it: each panel's shapes in pixels from the left."""

    def __init__(self, run: Run) -> None:
        self.root = ElementTree.fromstring(timeline.draw(run))
        self.texts = [self._text(each) for each in self._all("text")]
        self.height = float(self.root.attrib["viewBox"].split()[3])

    def _all(self, tag: str) -> Iterator[ElementTree.Element]:
        return self.root.iter(f"{{http://www.w3.org/2000/svg}}{tag}")

    @staticmethod
    def _text(element: ElementTree.Element) -> Text:
        words, size = element.text or "", int(element.attrib["font-size"])
        x, long = float(element.attrib["x"]), len(words) * size * 0.6
        left = x - {"start": 0, "middle": long / 2, "end": long}[element.attrib["text-anchor"]]
        return Text(words, left, left + long, float(element.attrib["y"]), size)

    def words(self) -> list[str]:
        """Return all texts."""
        return [each.words for each in self.texts]

    def lane(self, name: str, panel: int) -> list[tuple[float, float, str]]:
        """Return the states of a lane in the first or second panel (0 or 1): left, right, colour."""
        y = [each.y for each in self.texts if each.words == name][panel] - 12
        return [
            (float(each["x"]), float(each["x"]) + float(each["width"]), each["fill"])
            for each in (rectangle.attrib for rectangle in self._all("rect"))
            if float(each["y"]) == y
        ]

    def lines(self, colour: str, thickness: str) -> list[float]:
        """Return where lines of a kind are, of both panels."""
        return [
            float(each["d"][1:].split()[0])
            for each in (path.attrib for path in self._all("path"))
            if (each.get("stroke"), each.get("stroke-width")) == (colour, thickness)
        ]


def in_whole(time: float) -> float:
    """Return where a time of RUN is in the first panel."""
    return LEFT + (RIGHT - LEFT) * (time - 100) / 8


def in_close(time: float) -> float:
    """Return where a time of RUN is in the second panel."""
    since, until = 103.0 - timeline.BEFORE_S, 103.12 + timeline.AFTER_S
    return LEFT + (RIGHT - LEFT) * (time - since) / (until - since)


def edges(lane: Sequence[tuple[float, float, str]]) -> list[float]:
    """Return where the states of a lane begin."""
    return [left for left, _, _ in lane]


def near(*places: float) -> object:
    """Return these places, equal to others within a tenth of a pixel."""
    return pytest.approx(places, abs=0.051)


def colours(lane: Sequence[tuple[float, float, str]]) -> list[str]:
    """Return the colours of a lane's states."""
    return [colour for _, _, colour in lane]


def test_it_says_what_is_simulated_and_what_is_real() -> None:
    words = " ".join(Picture(RUN).words())
    assert "Simulated: NICs and VFs (netdevsim" in words
    assert "Real: the kernel's bonding and LACP" in words


def test_a_port_state_is_shown_from_when_to_when_it_was() -> None:
    picture = Picture(RUN)
    whole, close = picture.lane("ens5f0", 0), picture.lane("ens5f0", 1)
    assert colours(whole) == [GOOD, BAD, BAD, GOOD]
    assert edges(whole) == near(LEFT, in_whole(103), in_whole(105), in_whole(105.01))
    assert colours(close) == [GOOD, BAD]
    assert edges(close) == near(LEFT, in_close(103))
    assert picture.words().count("143/55, LACP down") == 2
    assert colours(picture.lane("ens5f1", 0)) == [GOOD]


def test_a_state_too_short_for_words_has_none() -> None:
    words = Picture(RUN).words()
    assert not any(each.startswith("15/63") for each in words)
    assert "3 auto, 5 disable" not in words


def test_vfs_link_states_are_counted() -> None:
    picture = Picture(
        RUN._replace(disabled=104.4, failed_over=104.4, pfs={"ens5f0": FAILED[:3], "ens5f1": ()})
    )
    assert "8 auto" in picture.words()
    assert picture.words().count("3 auto, 5 disable") == 2
    assert colours(picture.lane("VFs of ens5f0", 1)) == [GOOD, MIXED]
    close = Picture(RUN).lane("VFs of ens5f0", 1)
    assert colours(close) == [GOOD, MIXED, BAD]
    assert edges(close) == near(LEFT, in_close(103.02), in_close(103.04))


def test_the_pods_active_port_is_named_with_its_pf() -> None:
    picture = Picture(RUN)
    close = picture.lane("pod's active port", 1)
    assert colours(close) == [PORTS["net1"], BAD, PORTS["net2"]]
    assert edges(close) == near(LEFT, in_close(103.1), in_close(103.12))
    assert {"net1, VF of ens5f0", "net2, VF of ens5f1"} <= set(picture.words())


def test_each_lost_ping_is_a_long_tick_when_it_was_sent() -> None:
    picture = Picture(RUN)
    lost = [in_whole(101.5), in_whole(102.5), in_whole(103.05), in_close(103.05)]
    assert picture.lines(LOST, "3") == near(*lost)
    answered = [in_whole(100.5), in_whole(103.15), in_close(103.15)]
    assert picture.lines(FAINT, "1.5") == near(*answered)


def test_what_happened_is_marked_at_its_time() -> None:
    picture = Picture(RUN)
    lines = [in_whole(each) for each in (101, 103, 104.5, 105.1)]
    lines += [in_close(each) for each in (103, 103.04, 103.12)]
    assert picture.lines(timeline.INK, "1") == near(*lines)
    found = {each.words: each.left for each in picture.texts}
    for label, time in (("switch falls silent", 101), ("switch returns", 104.5), ("VFs back in auto", 105.1)):
        assert found[label] - in_whole(time) == pytest.approx(5, abs=0.1), label
    for label, time in (("port state down", 103), ("last VF disabled", 103.04), ("pod fails over", 103.12)):
        assert found[label] - in_close(time) == pytest.approx(5, abs=0.1), label


def test_time_is_counted_from_the_silence_and_from_the_port_state() -> None:
    centres = {each.words: (each.left + each.right) / 2 for each in Picture(RUN).texts}
    assert [centres[f"{second} s"] for second in (-1, 0, 7)] == near(LEFT, in_whole(101), RIGHT)
    assert [centres[f"{ms} ms"] for ms in (-50, 0, 200)] == near(*map(in_close, (102.95, 103, 103.2)))


@pytest.mark.parametrize("disabled", [103.0, 103.001, 103.005, 103.04])
@pytest.mark.parametrize("failed_over", [103.04, 103.05, 103.2, 109.0])
@pytest.mark.parametrize("recovery", [0.1, 1.0, 30.0])
@pytest.mark.parametrize("afterwards", [0.5, 3.0])
def test_no_text_is_on_another_or_outside(
    disabled: float, failed_over: float, recovery: float, afterwards: float
) -> None:
    revived = failed_over + 0.7
    picture = Picture(
        RUN._replace(
            disabled=disabled,
            failed_over=failed_over,
            revived=revived,
            restored=revived + recovery,
            ended=revived + recovery + afterwards,
        )
    )
    for each in picture.texts:
        assert each.left >= 0, each
        assert each.right <= WIDTH, each
        assert 0 < each.y < picture.height, each
    for one, other in itertools.combinations(picture.texts, 2):
        beside = one.right <= other.left or other.right <= one.left
        assert beside or abs(one.y - other.y) >= 11, (one, other)
