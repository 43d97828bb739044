"""How many VFs one message sets."""

from __future__ import annotations

import pytest

from pf_status_relay.core.portions import MOST_VFS, Run


def sizes(run: Run, vfs: int, each_s: float) -> list[list[int]]:
    """Return the sizes of the messages, look by look; the driver takes `each_s` seconds for each VF."""
    looks: list[list[int]] = []
    while vfs:
        used_s, messages = 0.0, []
        while vfs and (size := run.size(vfs, used_s)):
            run = run.took(size, size * each_s, refused=False)
            used_s += size * each_s
            vfs -= size
            messages.append(size)
        looks.append(messages)
    return looks


def test_a_driver_that_is_not_known_begins_with_one_vf() -> None:
    assert sizes(Run(), 334, 0.000_01) == [[1, 32, 301]]


def test_a_driver_that_was_quick_gets_one_message() -> None:
    assert sizes(Run(usual_s=0.000_1), 334, 0.000_01) == [[334]]


def test_a_message_is_no_longer_than_its_length_can_tell() -> None:
    assert sizes(Run(usual_s=0.000_001), 2500, 0.000_001) == [[MOST_VFS, MOST_VFS, 452]]


@pytest.mark.parametrize(
    ("each_s", "looks"),
    [
        (0.15, [[1]] * 10),
        (0.02, [[1, 1], *[[2]] * 4]),
        (0.006, [[1, 7], [2]]),
    ],
)
def test_a_slow_driver_gets_what_a_portion_holds(each_s: float, looks: list[list[int]]) -> None:
    assert sizes(Run(usual_s=each_s), 10, each_s) == looks
    assert sizes(Run(), 10, each_s) == looks


def test_a_vf_that_was_quick_by_chance_does_not_let_all_others_into_one_message() -> None:
    run = Run().took(1, 0.000_01, refused=False)
    assert run.size(300, 0.000_01) == 32
    assert run.took(32, 4.8, refused=False).size(268, 4.8) == 0
    assert run.took(32, 4.8, refused=False).size(268, 0.0) == 1


def test_after_a_refusal_the_vfs_go_one_by_one() -> None:
    run = Run(usual_s=0.000_01).took(64, 0.000_1, refused=True)
    assert run.size(64, 0.000_1) == 1
    assert run.took(1, 0.000_01, refused=False).size(63, 0.000_2) == 1


def test_a_slow_refusal_ends_the_portion() -> None:
    run = Run(usual_s=0.000_01).took(8, 0.8, refused=True)
    assert run.size(8, 0.8) == 0
    assert run.size(8, 0.0) == 1


def test_the_next_run_knows_what_a_vf_took_on_average() -> None:
    run = Run().took(1, 0.03, refused=False).took(2, 0.03, refused=False)
    assert run.next() == Run(usual_s=0.02)
    assert Run(usual_s=0.02).next() == Run(usual_s=0.02)


def test_what_was_refused_counts_as_one_vf() -> None:
    assert Run().took(8, 0.8, refused=True).next() == Run(usual_s=0.8)


def test_a_driver_counts_as_slow_if_each_of_several_vfs_took_long() -> None:
    slow = Run().took(1, 0.2, refused=False).took(1, 0.15, refused=False)
    assert slow.slow_s == 0.15
    assert Run().took(1, 0.2, refused=False).slow_s == 0
    assert slow.took(8, 0.000_1, refused=False).slow_s == 0
    assert Run().took(1, 0.02, refused=False).took(1, 0.02, refused=False).slow_s == 0, "it fits a portion"
    refused = Run().took(1, 0.8, refused=True).took(1, 0.8, refused=True)
    assert refused.slow_s == 0, "nothing is known of a write"
