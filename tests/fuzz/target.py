"""`python -m tests.fuzz.target TARGET FILE…` replays inputs; with libFuzzer's arguments it fuzzes."""

from __future__ import annotations

import importlib
import shlex
import sys
from pathlib import Path
from typing import Any

from tests.fuzz import TARGETS

_INSTRUMENTED = ["pf_status_relay", "pyroute2", "tomllib", "yaml"]
_NOT_INSTRUMENTED = ["yaml.reader", "yaml.scanner"]  # they go by characters: a hundred times slower


def main(name: str, *arguments: str) -> None:
    """Check each file if all arguments are files, which needs no atheris; otherwise fuzz."""
    if name not in TARGETS:
        sys.exit(f"no target {name}; there are {', '.join(TARGETS)}")
    if arguments and all(Path(argument).is_file() for argument in arguments):
        module = importlib.import_module(f"tests.fuzz.{name}")
        for argument in arguments:
            print(argument)
            module.check(Path(argument).read_bytes())
        return
    atheris: Any = importlib.import_module("atheris")
    with atheris.instrument_imports(include=_INSTRUMENTED, exclude=_NOT_INSTRUMENTED):
        module = importlib.import_module(f"tests.fuzz.{name}")
    # libFuzzer passes its first argument to a shell when it merges.
    itself = shlex.join([sys.executable, "-m", "tests.fuzz.target", name])
    atheris.Setup([itself, *arguments], module.check)
    atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])
