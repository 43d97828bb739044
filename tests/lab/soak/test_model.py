"""Sequences of everything that can happen to a host, and the promises S1 to S7 (README.md)."""

from __future__ import annotations

import pytest

from tests.lab.kit.lab import Lab
from tests.lab.soak.play import play
from tests.lab.soak.sequences import replay

SEQUENCES, STEPS = 40, 20


@pytest.mark.parametrize("seed", range(1, SEQUENCES + 1))
def test_whatever_happens_the_safety_properties_hold(lab: Lab, seed: int) -> None:
    played = play(lab, seed, STEPS)
    if played.violations:
        pytest.fail(f"{played}\nPlay it: {replay(seed, STEPS)}", pytrace=False)
