"""The other system of guests: what it is made of."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.lab.guest import system


def test_the_lock_has_all_that_is_taken_of_it() -> None:
    named = re.findall(r"^([\w-]+)==", system.locked_packages(), re.MULTILINE)
    assert set(named) == set(system.FROM_LOCK)


def test_its_folder_is_another_one_when_the_lock_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = system.root("trixie")
    changed = tmp_path / "test.txt"
    changed.write_text(system.LOCK.read_text().replace("pytest==8.", "pytest==9."))
    monkeypatch.setattr(system, "LOCK", changed)
    assert system.root("trixie") != before


def test_a_name_that_means_no_system_is_refused() -> None:
    with pytest.raises(system.SystemUnavailableError, match="no system buster, only trixie"):
        system.root("buster")
