"""The shell completion: bash offers the commands and options that the program has."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from pf_status_relay.cli.main import parser

MAKE = Path(__file__).parents[2] / "packaging" / "completion.py"
ASK = """
source /dev/stdin <<<"$1"
shift
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
_pf_status_relay pf-status-relay "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
printf '%s\\n' "${COMPREPLY[@]}"
"""


@cache
def script() -> str:
    """Return the completion script that the package installs."""
    path = {**os.environ, "PYTHONPATH": str(MAKE.parents[1])}
    made = subprocess.run([sys.executable, str(MAKE)], env=path, capture_output=True, text=True, check=True)
    return made.stdout


def completed(*words: str, folder: Path | None = None) -> set[str]:
    """Return what bash offers for the last of the words, split at its COMP_WORDBREAKS."""
    done = subprocess.run(
        ["bash", "-uc", ASK, "bash", script(), "pf-status-relay", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    return set(done.stdout.split())


def taken(program: argparse.ArgumentParser, *command: str) -> Iterator[tuple[tuple[str, ...], set[str]]]:
    """Yield every command, and what can follow it: commands and long options."""
    follows: set[str] = set()
    for action in program._actions:
        if isinstance(action, argparse._SubParsersAction):
            follows |= set(action.choices)
            for name, sub in action.choices.items():
                yield from taken(sub, *command, name)
        follows |= {option for option in action.option_strings if option.startswith("--")}
    yield command, follows


COMMANDS = dict(taken(parser()))


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_what_a_command_takes_is_offered_and_nothing_else(command: tuple[str, ...]) -> None:
    assert completed(*command, "") == COMMANDS[command]
    assert completed(*command, "--") == {each for each in COMMANDS[command] if each.startswith("--")}


@pytest.mark.parametrize("option", ["--log-format", "--log-level"])
def test_the_values_of_an_option_are_offered(option: str) -> None:
    (run,) = (action for action in parser()._actions if isinstance(action, argparse._SubParsersAction))
    (choices,) = (each.choices for each in run.choices["run"]._actions if option in each.option_strings)
    assert choices
    assert completed("run", option, "") == set(choices)
    assert completed("run", option, "=", "j") == {each for each in choices if each.startswith("j")}


def test_every_option_that_takes_a_value_is_known_to_take_one(tmp_path: Path) -> None:
    (tmp_path / "here.toml").touch()

    def options(
        program: argparse.ArgumentParser, *command: str
    ) -> Iterator[tuple[tuple[str, ...], str, bool]]:
        for action in program._actions:
            if isinstance(action, argparse._SubParsersAction):
                for name, sub in action.choices.items():
                    yield from options(sub, *command, name)
            elif action.nargs != 0 and action.option_strings:
                yield command, action.option_strings[-1], action.metavar == "FILE"

    for command, option, file in options(parser()):
        offered = completed(*command, option, "", folder=tmp_path)
        assert ("here.toml" in offered) is file, (command, option)
        assert not {each for each in offered if each.startswith("-")}, (command, option)
        assert completed(*command, option, "value", "--") == {
            each for each in COMMANDS[command] if each.startswith("--")
        }


def test_several_files_can_be_given_where_the_program_takes_several(tmp_path: Path) -> None:
    (tmp_path / "b.yaml").touch()
    words = ("machineconfig", "--from-pflacpmonitor", "a.yaml")
    assert completed(*words, "", folder=tmp_path) == {"b.yaml"}
    assert "--role" in completed(*words, "--", folder=tmp_path)


def test_options_are_offered_after_what_a_command_names(tmp_path: Path) -> None:
    assert completed("wait", "ens5f0", "ens5f1", "--") == COMMANDS[("wait",)]


def test_a_command_after_an_option_is_still_known() -> None:
    assert completed("run", "--dry-run", "--log-level", "info", "") == COMMANDS[("run",)]
    assert completed("run", "--dry-run", "--log-level", "info", "--con") == {"--config"}
