"""The configuration: a TOML file, its drop-ins and two environment variables, checked as a whole.

A `Config` is always valid. Whatever is wrong is collected and raised as one `ConfigError` with
a line per fault, so that one edit can fix the file. Files are taken strictly. Of the environment,
whatever the Go program runs with is taken, with a warning where less than what is written counts.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pf_status_relay.config import files
from pf_status_relay.config.keys import (
    AUTO,
    INTERFACES_ALLOWED,
    KEYS,
    POLLING_INTERVAL,
    Config,
    check_interfaces,
    quoted,
)
from pf_status_relay.text import one_line

DEFAULT_PATH = Path("/etc/pf-status-relay.toml")

INTERFACES_VARIABLE = "PF_STATUS_RELAY_INTERFACES"
INTERVAL_VARIABLE = "PF_STATUS_RELAY_POLLING_INTERVAL"

_DECIMAL = re.compile("[+]?[0-9]{1,19}")
_MAX_INT = (1 << 63) - 1
"""The largest number that the Go program reads (strconv.Atoi)."""


class ConfigError(Exception):
    """The configuration cannot be used. `faults` are lines for a person, at least one."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


def from_files(
    path: Path | None,
    environment: Mapping[str, str],
    folders: Sequence[Path] = files.DROP_IN_FOLDERS,
) -> Config:
    """Read the configuration. Drop-ins override the file, environment variables override both.

    `path` is the file that must exist, and the only one that is read; None stands for DEFAULT_PATH and
    the drop-ins in `folders`. That file may be missing if there are drop-ins or INTERFACES_VARIABLE is
    set. Raises ConfigError with every fault there is.
    """
    faults: list[str] = []
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    main = path or DEFAULT_PATH
    drop_ins = files.drop_ins(folders, faults) if path is None else []
    optional = path is None and (drop_ins or INTERFACES_VARIABLE in environment)
    readable = not faults
    for file in (main, *drop_ins):
        before, where = len(faults), one_line(str(file))
        found = files.read(file, faults)
        if found is None and not (file == main and optional):
            faults.append(
                f"{where}: no such file; write one, or set {INTERFACES_VARIABLE} in the environment"
            )
        readable &= len(faults) == before
        for key, value in (found or {}).items():
            if key in KEYS:
                values[key] = KEYS[key].check(f"{where}: {key}", value, faults)
                origins[key] = where
            else:
                faults.append(
                    f"{where}: unknown key {quoted(key)} with the value {quoted(value)}; "
                    f"allowed: {', '.join(KEYS)}"
                )
    if readable and "interfaces" not in values and INTERFACES_VARIABLE not in environment:
        faults.append(f"{one_line(str(main))}: interfaces is missing; {INTERFACES_ALLOWED}")
    return _overridden(values, origins, environment, faults)


def from_environment(environment: Mapping[str, str]) -> Config:
    """Read the configuration from the environment alone, as the Go program does; no file matters.

    Raises ConfigError with every fault there is.
    """
    faults: list[str] = []
    if INTERFACES_VARIABLE not in environment:
        faults.append(f"environment: {INTERFACES_VARIABLE} is not set; {INTERFACES_ALLOWED}")
    return _overridden({}, {}, environment, faults)


def _overridden(
    values: dict[str, Any], origins: dict[str, str], environment: Mapping[str, str], faults: list[str]
) -> Config:
    """Return the configuration of these values, those of the environment before them. Raises ConfigError."""
    warnings: list[str] = []
    if INTERFACES_VARIABLE in environment:
        values["interfaces"] = _interfaces(environment[INTERFACES_VARIABLE], faults, warnings)
        origins["interfaces"] = INTERFACES_VARIABLE
    if INTERVAL_VARIABLE in environment:
        text = environment[INTERVAL_VARIABLE]
        if text.strip():
            values["polling_interval_ms"] = _interval(text.strip(), faults, warnings)
            origins["polling_interval_ms"] = INTERVAL_VARIABLE
        else:
            warnings.append(f"environment: {INTERVAL_VARIABLE} is {quoted(text)}; taken as not set")
    if faults:
        raise ConfigError(faults)
    return Config(**values, origins=origins, warnings=tuple(warnings))


def _interfaces(text: str, faults: list[str], warnings: list[str]) -> tuple[str, ...]:
    """Return the interfaces of the environment, without empty entries and repetitions."""
    where = f"environment: {INTERFACES_VARIABLE}"
    entries = Counter(name.strip() for name in text.split(","))
    names = [name for name in entries if name]
    if not names:
        faults.append(f"{where} is {quoted(text)}; {INTERFACES_ALLOWED}")
        return ()
    empty = entries[""]
    if empty:
        warnings.append(f"{where}: {empty} empty {'entry is' if empty == 1 else 'entries are'} dropped")
    repeated = [name for name in names if entries[name] > 1]
    if repeated:
        warnings.append(f"{where}: named again and dropped: {one_line(', '.join(repeated))}")
    return check_interfaces(where, AUTO[0] if names == list(AUTO) else names, faults)


def _interval(text: str, faults: list[str], warnings: list[str]) -> int:
    """Return the polling interval of the environment in milliseconds, cut to the longest one."""
    where = f"environment: {INTERVAL_VARIABLE}"
    number: object = text
    if _DECIMAL.fullmatch(text) and int(text) <= _MAX_INT:
        number = int(text)
        if number > POLLING_INTERVAL.most:
            warnings.append(f"{where} is {number}; cut to {POLLING_INTERVAL.most}")
            number = POLLING_INTERVAL.most
    return POLLING_INTERVAL(where, number, faults)
