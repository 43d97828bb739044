"""The manual: it covers everything that the program accepts, returns and logs."""

from __future__ import annotations

import argparse
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pf_status_relay import __version__
from pf_status_relay.cli import exit_status, main
from pf_status_relay.cli.diagnosis import Coverage
from pf_status_relay.cli.overview import Condition
from pf_status_relay.config import keys, load
from pf_status_relay.core.events import Event, journal_field
from tests.support.tools import output_of

MAN = Path(__file__).parents[2] / "man"
PAGES = sorted(MAN.iterdir())


def page(name: str) -> str:
    """Return a page's source without the escapes of hyphens."""
    return (MAN / name).read_text().replace("\\-", "-")


def words(program: argparse.ArgumentParser, command: str = "") -> Iterator[str]:
    """Yield every command and option that the command line knows."""
    for action in program._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, sub in action.choices.items():
                yield from words(sub, f"{command} {name}".strip())
                if not any(isinstance(each, argparse._SubParsersAction) for each in sub._actions):
                    yield f"{command} {name}".strip()
        else:
            yield from (option for option in action.option_strings if option.startswith("--"))


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_a_page_is_well_formed(path: Path) -> None:
    assert output_of("mandoc", "-T", "lint", "-W", "warning", path) == ""
    said = subprocess.run(
        ["man", "--warnings", "--encoding=utf8", "-l", path],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=True,
    ).stderr  # fmt: skip
    assert said == ""


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_a_page_is_of_this_version(path: Path) -> None:
    assert f'"pf-status-relay {__version__}"' in page(path.name)


def test_the_manual_has_every_command_and_option() -> None:
    text = page("pf-status-relay.8")
    missing = {word for word in words(main.parser()) if not re.search(rf"{word}(?![\w-])", text)}
    assert missing == set()


def test_the_manual_has_every_exit_status_and_variable() -> None:
    text = page("pf-status-relay.8")
    listed = text[text.index(".SH EXIT STATUS") :]
    statuses = {value for name, value in vars(exit_status).items() if name.startswith("EX_")}
    statuses |= {each.value for each in (*Condition, *Coverage)}
    assert statuses == {int(number) for number in re.findall(r"^\.B (\d+)$", listed, re.MULTILINE)}
    for variable in (load.INTERFACES_VARIABLE, load.INTERVAL_VARIABLE):
        assert f".B {variable}\n" in text


def test_the_manual_has_every_journal_field() -> None:
    text = page("pf-status-relay.8")
    fields = {journal_field(key) for event in Event.__subclasses__() for key in event.fields}
    assert {field for field in fields if field not in text} == set()


def test_the_manual_has_every_key_of_the_configuration() -> None:
    documented = re.findall(r'^\.BR (\w+) " \(', page("pf-status-relay.toml.5"), re.MULTILINE)
    assert set(documented) == set(keys.KEYS)
