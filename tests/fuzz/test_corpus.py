"""The corpus of the fuzzer (tests/fuzz), replayed without it."""

from __future__ import annotations

import importlib
import os
import re
from pathlib import Path

import pytest

from tests.fuzz import TARGETS, datagrams, lines
from tests.fuzz.__main__ import CORPUS, MAX_BYTES

INPUTS = [(name, path) for name in TARGETS for path in sorted((CORPUS / name).iterdir())]
MAX_CORPUS_BYTES = 150_000

# sdnotify leaves its socket to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


@pytest.mark.parametrize(("target", "path"), INPUTS, ids=[f"{name}-{path.name}" for name, path in INPUTS])
def test_no_input_that_was_ever_found_ends_in_anything_but_what_is_documented(
    target: str, path: Path
) -> None:
    importlib.import_module(f"tests.fuzz.{target}").check(path.read_bytes())


def test_the_corpus_has_inputs_for_each_target_and_stays_small() -> None:
    assert sorted(os.listdir(CORPUS)) == sorted(TARGETS)
    assert {name for name, _ in INPUTS} == set(TARGETS)
    assert sum(path.stat().st_size for _, path in INPUTS) <= MAX_CORPUS_BYTES
    assert all(path.stat().st_size <= MAX_BYTES for _, path in INPUTS)


def test_each_input_is_named_for_what_it_is() -> None:
    named = re.compile(r"(?![0-9a-f]{40}$)[a-z0-9]+(-[a-z0-9]+)*")  # a SHA-1 is a name by libFuzzer
    assert [f"{target}/{path.name}" for target, path in INPUTS if not named.fullmatch(path.name)] == []


def test_the_fuzzer_takes_datagrams_apart_as_the_corpus_puts_them_together() -> None:
    assert datagrams.split(datagrams.join([b"one", b"", b"three"])) == [b"one", b"", b"three"]
    assert datagrams.split(b"\5\0cut") == [b"cut"]
    assert datagrams.split(b"\5") == []


@pytest.mark.parametrize("line", ["", "two\nlines", "\x1b[31m", "\udcff", "x" * (lines.LONGEST + 1)])
def test_the_fuzzer_takes_no_line_that_cannot_be_shown(line: str) -> None:
    with pytest.raises(AssertionError):
        lines.check(["good", line])
