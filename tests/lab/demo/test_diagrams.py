"""The drawn pictures are as they would be drawn now, and can be read on a light and on a dark ground."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from tests.lab.demo import diagrams
from tests.lab.kit.drawing import COLOURS, SIZE, WIDTH

SVG = "{http://www.w3.org/2000/svg}"
READABLE = 4.5
"""The contrast that WCAG 2 demands of text at level AA."""

each_picture = pytest.mark.parametrize("name", diagrams.PICTURES)


@each_picture
def test_a_picture_is_as_it_would_be_drawn_now(name: str) -> None:
    drawn = diagrams.PICTURES[name]()
    assert (diagrams.DOCS / name).read_text() == drawn, "python -m tests.lab.demo.diagrams"


@each_picture
def test_each_text_fits_in_its_box_and_in_the_picture(name: str) -> None:
    root = ElementTree.fromstring(diagrams.PICTURES[name]())
    boxes = [each.attrib for each in root.iter(f"{SVG}rect") if "rx" in each.attrib]
    texts = [each for each in root.iter(f"{SVG}text") if (each.text or "").strip()]
    assert len(texts) > 20
    for text in texts:
        words, x, y = text.text or "", float(text.attrib["x"]), float(text.attrib["y"])
        width = len(words) * 0.6 * SIZE
        left = x if "middle" not in text.attrib["class"] else x - width / 2
        assert left >= 0, words
        assert left + width <= WIDTH, words
        around = [
            (float(box["x"]), float(box["x"]) + float(box["width"]))
            for box in boxes
            if float(box["y"]) < y < float(box["y"]) + float(box["height"])
            and float(box["x"]) < x < float(box["x"]) + float(box["width"])
        ]
        for begin, end in around:
            assert left >= begin - 1, words
            assert left + width <= end + 1, words


def luminance(colour: str) -> float:
    """Return the relative luminance of a colour such as #1f2328, as WCAG 2 defines it."""
    parts = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("side", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(
    ("text", "below"),
    [("ink", "ground"), ("ink", "box"), ("ink", "good"), ("ink", "bad"), ("faint", "ground")],
)
def test_text_stands_out_from_what_is_below_it(text: str, below: str, side: int) -> None:
    lighter, darker = sorted((luminance(COLOURS[each][side]) for each in (text, below)), reverse=True)
    assert (lighter + 0.05) / (darker + 0.05) >= READABLE


@each_picture
def test_every_colour_follows_the_ground(name: str) -> None:
    drawn = diagrams.PICTURES[name]()
    shapes = drawn.partition("</style>")[2]
    assert not re.search(r"#[0-9a-f]{3,6}\b|(?:fill|stroke)=", shapes)
    assert set(re.findall(r"var\(--(\w+)\)", drawn)) <= set(COLOURS)
    assert drawn.count("--ink: ") == 2, "once for each ground"
