"""The configuration file: bytes → a `Config`, or ConfigError."""

from __future__ import annotations

from pathlib import Path

from pf_status_relay.config import load, render
from pf_status_relay.config.keys import Config
from pf_status_relay.config.load import ConfigError
from tests.fuzz import files, lines


def check(data: bytes) -> None:
    """Load; then a file rendered from the result loads to the same."""
    try:
        loaded = take(data)
    except ConfigError as error:
        lines.check_faults(error.faults)
        return
    assert take(render.toml(loaded).encode()) == loaded


def take(data: bytes) -> Config:
    """Load a file that holds the data, in an environment without configuration."""
    with files.holding(data) as path:
        return load.from_files(Path(path), {})
