"""The picture: how reactions are distributed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot as plt

from tests.bench.cases import FLOOR, OURS, PEER
from tests.bench.host import Found
from tests.bench.report import PICTURE
from tests.bench.targets import REACTION_CASES

COLOURS = {OURS: "#1f77b4", PEER: "#d62728", FLOOR: "#7f7f7f"}


SAYS = "Share of reactions that are finished within so many milliseconds: ours, theirs and the floor"
"""The picture in words, for readers who cannot see it."""

POINTS = 50
"""Maximum points of a curve. More cannot be told apart, and each is a line of numbers in the file."""


def draw(result: Mapping[str, Any], folder: Path) -> Path:
    """Draw the picture into a folder, as SVG, and return its path."""
    mpl.use("svg")
    mpl.rcParams.update({"svg.hashsalt": "bench", "font.size": 9, "svg.fonttype": "none"})
    names = {OURS: "ours", PEER: result["peer"].partition(" (")[0], FLOOR: "floor"}
    picture = reactions(result["found"], names)
    path = folder / PICTURE
    unsaid = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    picture.savefig(path, metadata=unsaid, bbox_inches="tight")
    plt.close(picture)
    path.write_text(small(path.read_text()))
    return path


def small(svg: str) -> str:
    """Shorten a picture's lines and digits: matplotlib writes a line for each point of a path."""
    svg = re.sub(r' d="[^"]+"', lambda path: " ".join(path[0].split()).join((" ", "")), svg)
    return re.sub(r"\d+\.\d{3,}", lambda number: f"{float(number[0]):.2f}".rstrip("0").rstrip("."), svg)


def thinned(times: Sequence[float]) -> list[tuple[float, float]]:
    """Return the share that has finished at some of these sorted times, the last one included."""
    count = len(times)
    places = sorted({round(count * point / POINTS) for point in range(1, POINTS + 1)} - {0})
    return [(times[place - 1], place / count) for place in places]


def reactions(found: Sequence[Found], names: dict[str, str]) -> Any:
    """Plot the share of reactions that finish within a time in milliseconds, all programs on one axis."""
    picture, axes = plt.subplots(1, 2, figsize=(9, 3.2), sharey=True, layout="constrained")
    for axis, loss in zip(axes, (True, False)):
        for program, name in names.items():
            times = sorted(
                each["seconds"] * 1000
                for each in found
                if each["kind"] == "reaction"
                and each["case"] in REACTION_CASES
                and each["program"] == program
                and each["loss"] is loss
                and each["seconds"]
            )
            if times:
                axis.step(*zip(*thinned(times)), where="post", color=COLOURS[program], label=name)
        axis.set_xscale("log")
        axis.minorticks_off()
        axis.xaxis.set_major_formatter("{x:g}")
        axis.set_title("LACP lost → last VF reads disable" if loss else "LACP back → last VF reads auto")
        axis.set_xlabel("milliseconds, logarithmic")
        axis.grid(alpha=0.3)
    axes[0].set_ylim(0, 1.02)
    axes[0].set_ylabel("share of reactions")
    explain(picture, axes[0])
    return picture


def explain(picture: Any, axis: Any) -> None:
    """Add one legend below the whole picture: which colour is which program."""
    picture.legend(*axis.get_legend_handles_labels(), loc="outside lower center", ncols=3)
