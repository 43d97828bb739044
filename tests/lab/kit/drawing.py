"""What the drawn pictures share: colours for a light and a dark ground, and the file around the shapes.

Shapes get their colours by class: good, bad, faint and so on. A viewer's choice of light or dark applies.
"""

from __future__ import annotations

from collections.abc import Iterable

WIDTH = 960
"""Pixels: what a page of GitHub shows without making it smaller."""
SIZE = 13
"""The height of a text, in pixels; 12 in class faint."""
COLOURS = {
    "ground": ("#ffffff", "#0d1117"),
    "ink": ("#1f2328", "#f0f6fc"),
    "faint": ("#59636e", "#9198a1"),
    "box": ("#eef1f4", "#21262d"),
    "good": ("#c3def2", "#1f4a68"),
    "bad": ("#f5bf98", "#6e3a16"),
    "lost": ("#b5340a", "#ff7b54"),
    "way": ("#1a7f37", "#3fb950"),
}
"""Each colour on a light and on a dark ground."""

_LIGHT, _DARK = (
    "; ".join(f"--{name}: {colours[side]}" for name, colours in COLOURS.items()) for side in (0, 1)
)
_STYLE = f"""
svg {{ {_LIGHT}; background: var(--ground) }}
@media (prefers-color-scheme: dark) {{
  svg {{ {_DARK} }}
}}
text {{ font: {SIZE}px Helvetica, Arial, "DejaVu Sans", sans-serif; fill: var(--ink) }}
.ground {{ fill: var(--ground) }}
.box {{ fill: var(--box) }}
.good {{ fill: var(--good) }}
.bad {{ fill: var(--bad) }}
.lost {{ fill: var(--lost) }}
.faint {{ font-size: 12px; fill: var(--faint) }}
"""


def document(height: int, meaning: str, parts: Iterable[str], style: str = "") -> str:
    """Return an SVG file: WIDTH wide, with its meaning for those who do not see it, and further style."""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
        f'viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{meaning}">'
    )
    ground = f'<rect class="ground" width="{WIDTH}" height="{height}"/>'
    return "\n".join([head, f"<style>{_STYLE}{style}</style>", ground, *parts, "</svg>", ""])
