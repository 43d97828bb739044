"""The pictures: how reactions are distributed, and how reaction and cost grow."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot as plt

from tests.bench import figures
from tests.bench.cases import FLOOR, OURS, PEER
from tests.bench.host import Found
from tests.bench.report import PICTURES
from tests.bench.targets import BY_PFS, BY_VFS, REACTION_CASES, sizes

COLOURS = {OURS: "#1f77b4", PEER: "#d62728", FLOOR: "#7f7f7f"}


def draw(result: dict[str, Any], folder: Path) -> list[Path]:
    """Draws all pictures into a folder, as SVG, and returns where they are."""
    mpl.use("svg")
    mpl.rcParams.update({"svg.hashsalt": "bench", "font.size": 9, "svg.fonttype": "none"})
    found: list[Found] = result["found"]
    names = {OURS: "ours", PEER: result["peer"].partition(" (")[0], FLOOR: "floor"}
    paths = [folder / name for name in PICTURES]
    for path, picture in zip(paths, (reactions(found, names), growth(found, names))):
        picture.savefig(path, metadata={"Date": None}, bbox_inches="tight")
        plt.close(picture)
    return paths


def reactions(found: Sequence[Found], names: dict[str, str]) -> Any:
    """The share of reactions that are over after so many milliseconds, of all programs on one axis."""
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
                shares = [(place + 1) / len(times) for place in range(len(times))]
                axis.step(times, shares, where="post", color=COLOURS[program], label=name)
        axis.set_xscale("log")
        axis.minorticks_off()
        axis.set_title("LACP lost → last VF reads disable" if loss else "LACP back → last VF reads auto")
        axis.set_xlabel("milliseconds, logarithmic")
        axis.grid(alpha=0.3)
    axes[0].set_ylim(0, 1.02)
    axes[0].set_ylabel("share of reactions")
    explain(picture, axes[0])
    return picture


def growth(found: Sequence[Found], names: dict[str, str]) -> Any:
    """Reaction and idle CPU, against VFs of one PF and against PFs of 8 VFs."""
    picture, axes = plt.subplots(2, 2, figsize=(9, 5.5), layout="constrained")
    for column, (by, cases) in enumerate((("VFs", BY_VFS), ("PFs", BY_PFS))):
        for program, name in names.items():
            medians = [
                (size, spread.median)
                for size, case in sizes(by, cases)
                if (spread := figures.spread(found, case, program, loss=True))
            ]
            cpu = [
                (size, value)
                for size, case in sizes(by, cases)
                if (value := figures.cost(found, case, program, "up")) is not None
            ]
            for axis, points in zip(axes[:, column], (medians, cpu)):
                if points:
                    axis.plot(*zip(*points), marker="o", color=COLOURS[program], label=name)
        axes[0, column].set_yscale("log")
        axes[0, column].minorticks_off()
        axes[0, column].set_ylabel("reaction to loss, median, ms")
        axes[1, column].set_ylabel("idle CPU, s per hour")
        for axis in axes[:, column]:
            axis.set_xlabel("VFs of one PF" if by == "VFs" else "PFs of 8 VFs")
            axis.grid(alpha=0.3)
    explain(picture, axes[0, 0])
    return picture


def explain(picture: Any, axis: Any) -> None:
    """Says once, below the whole picture, which colour is which program."""
    picture.legend(*axis.get_legend_handles_labels(), loc="outside lower center", ncols=3)
