"""The configuration file: bytes → a `Config`, or ConfigError."""

from __future__ import annotations

from pathlib import Path

from pf_status_relay import config, configtext
from pf_status_relay.config import Config, ConfigError
from tests.fuzz import files, lines


def check(data: bytes) -> None:
    """Load; and the file that is made of what was loaded is loaded to the same."""
    try:
        loaded = load(data)
    except ConfigError as error:
        lines.check_faults(error.faults)
        return
    assert load(configtext.toml(loaded).encode()) == loaded


def load(data: bytes) -> Config:
    """Load a file that holds the data, in an environment that configures nothing."""
    with files.holding(data) as path:
        return config.load(Path(path), {})
