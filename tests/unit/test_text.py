"""Making untrusted text safe to print."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pf_status_relay.text import LONGEST, one_line, reason_of


@pytest.mark.parametrize(
    ("text", "displayed"),
    [
        ("", ""),
        ("bändchen 3", "bändchen 3"),
        ("a\nb\x1b[31m\u2028\udcff\u202e", r"a\nb\x1b[31m\u2028\udcff\u202e"),
        ("x" * LONGEST, "x" * LONGEST),
        ("x" * (LONGEST + 1), "x" * (LONGEST - 3) + "..."),
        ("\n" * LONGEST, r"\n" * (LONGEST // 2 - 2) + r"\..."),
    ],
)
def test_a_text_is_shown_as_it_is_as_far_as_it_can_be_seen_and_fits(text: str, displayed: str) -> None:
    assert one_line(text) == displayed


@given(st.text(st.characters(), max_size=40), st.integers(3, 40))
def test_whatever_comes_is_one_printable_line_no_longer_than_asked_for(text: str, longest: int) -> None:
    displayed = one_line(text, longest)
    assert displayed.isprintable()
    assert len(displayed) <= longest


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError(13, "Permission denied", "/etc/x"), "Permission denied"),
        (OSError("cannot read"), "cannot read"),
        (ValueError("embedded null byte"), "embedded null byte"),
    ],
)
def test_a_reason_is_told_without_number_and_path(error: Exception, told: str) -> None:
    assert reason_of(error) == told
