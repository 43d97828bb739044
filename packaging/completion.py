"""Print the bash completion of pf-status-relay, made from the parsers of its commands.

    PYTHONPATH=FOLDER python3 packaging/completion.py

FOLDER holds the program and the libraries that it needs. packaging/rpm.spec puts the result into the package.
"""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterator

from pf_status_relay.cli.main import parser

SCRIPT = """\
# bash completion for pf-status-relay(8). Written by packaging/completion.py.
_pf_status_relay() {{
    local current=$2 word command='' option='' taken='' words
    # What stands before the word: the command, and the option whose value this may be.
    for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
        case $word in
            =) ;;
            -*) option=$word taken='' ;;
            *)
                if [[ -z $option || -n $taken && ' {several} ' != *" $option "* ]]; then
                    command+=${{command:+ }}$word
                else
                    taken=yes
                fi
                ;;
        esac
        [[ ' {valued} ' == *" $option "* ]] || option=''
    done
    [[ $current != = ]] || current=''

    words=''
    if [[ -n $option && ( -z $taken || ' {several} ' == *" $option "* ) && $current != -* ]]; then
        if [[ ' {files} ' == *" $option "* ]]; then
            compopt -o filenames 2>/dev/null
            mapfile -t COMPREPLY < <(compgen -f -- "$current")
            return
        fi
        case $option in
{values}
        esac
    else
        case $command in
{commands}
        esac
    fi
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}}
complete -F _pf_status_relay pf-status-relay"""


def parsers(program: argparse.ArgumentParser, *command: str) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Yield the parser of each command, the program's own first, and the command's words."""
    yield " ".join(command), program
    for action in program._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, sub in action.choices.items():
                yield from parsers(sub, *command, name)


def follows(program: argparse.ArgumentParser) -> list[str]:
    """Return the words that can follow a command: commands, and the long forms of options."""
    words: list[str] = []
    for action in program._actions:
        if isinstance(action, argparse._SubParsersAction):
            words += action.choices
        words += [option for option in action.option_strings if option.startswith("--")]
    return words


def pattern(command: str, operands: bool) -> str:
    """Return the pattern by which bash matches a command, including its operands if it takes some."""
    quoted = shlex.quote(command)
    return f"{quoted} | {shlex.quote(f'{command} ')}*" if operands else quoted


def script() -> str:
    """Return the completion as a script for bash."""
    commands = dict(parsers(parser()))
    operands = {
        command
        for command, program in commands.items()
        if any(not each.option_strings and not each.choices for each in program._actions)
    }
    options = {
        action.option_strings[-1]: action
        for program in commands.values()
        for action in program._actions
        if action.option_strings and action.nargs != 0
    }
    branches = {command: shlex.quote(" ".join(follows(program))) for command, program in commands.items()}
    return SCRIPT.format(
        several=" ".join(name for name, action in options.items() if action.nargs == "+"),
        valued=" ".join(options),
        files=" ".join(name for name, action in options.items() if action.metavar == "FILE"),
        values="\n".join(
            f"            {name}) words={shlex.quote(' '.join(map(str, action.choices)))} ;;"
            for name, action in options.items()
            if action.choices
        ),
        commands="\n".join(
            f"            {pattern(command, command in operands)}) words={words} ;;"
            for command, words in branches.items()
        ),
    )


if __name__ == "__main__":
    print(script())
