"""The configuration: a TOML file, its drop-ins and two environment variables, checked as a whole.

A `Config` is always valid. All faults are collected and raised as one `ConfigError` with a line per
fault, so that one edit can fix the file. The environment may hold whatever the Go program runs with;
a warning says where not all of it counts. Files are read strictly, but a start must not fail for a
detail. So these are left out with a warning:

    a faulty drop-in of a package, of an image or of this boot    not one of the administrator's, nor the file
    a key that only a later version knows                         not one that resembles a known key: a typo

A node that returns from a later version to this one still has the later version's file. That is why no key
may resemble another one (`resembled`), and why a new feature gets a new key and never a new value of an
existing key: tests/unit/config/test_versions.py.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
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
_RESEMBLES = 0.7
"""The minimum difflib ratio of a typo: `interval_ms` counts as one of `polling_interval_ms`."""

_LONGEST_KEY = 40  # a longer key resembles none, and the search takes time with the square of its length
_MAX_INT = (1 << 63) - 1
"""The largest number that the Go program reads (strconv.Atoi)."""


class ConfigError(Exception):
    """The configuration cannot be used. `faults` has at least one line for a person."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


def from_files(
    path: Path | None,
    environment: Mapping[str, str],
    folders: Sequence[Path] = files.DROP_IN_FOLDERS,
    *,
    strict: bool = False,
) -> Config:
    """Read the configuration. Drop-ins override the file, environment variables override both.

    `path` is the only file that is read, and must exist. None stands for DEFAULT_PATH and the drop-ins in
    `folders`, the administrator's first; DEFAULT_PATH may be missing if there are drop-ins or
    INTERFACES_VARIABLE is set. Each part of the files that is left out adds a line to the result's
    `warnings`; with `strict` each unknown key is a fault. Raises ConfigError with all faults.
    """
    faults: list[str] = []
    left_out: list[str] = []
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    main = path or DEFAULT_PATH
    drop_ins = files.drop_ins(folders, faults, left_out) if path is None else []
    optional = path is None and (drop_ins or INTERFACES_VARIABLE in environment)
    readable = not faults
    for file in (main, *drop_ins):
        where = one_line(str(file))
        own: list[str] = []
        found = files.read(file, own)
        if found is None and not (file == main and optional):
            own.append(f"{where}: no such file; write one, or set {INTERFACES_VARIABLE} in the environment")
        disposable = file.parent in folders[1:]
        readable &= disposable or not own
        checked = _checked(where, found or {}, own, None if strict else left_out)
        if own and disposable:
            left_out += [f"{fault}; the drop-in is left out" for fault in own]
            continue
        faults += own
        values.update(checked)
        origins.update(dict.fromkeys(checked, where))
    if readable and "interfaces" not in values and INTERFACES_VARIABLE not in environment:
        faults.append(f"{one_line(str(main))}: interfaces is missing; {INTERFACES_ALLOWED}")
    if not faults:
        _check_delays(values, origins, faults if strict else left_out)
        _check_bfd(values, origins, faults if strict else left_out)
    return _overridden(values, origins, environment, faults, left_out)


def _checked(
    where: str, found: Mapping[str, Any], faults: list[str], left_out: list[str] | None
) -> dict[str, Any]:
    """Return the values of a file's known keys. An unknown key adds a line to `left_out` or `faults`."""
    checked: dict[str, Any] = {}
    for key, value in found.items():
        if key in KEYS:
            checked[key] = KEYS[key].check(f"{where}: {key}", value, faults)
            continue
        near = resembled(key)
        said = (
            f"{where}: unknown key {quoted(key)} with the value {quoted(value)}; "
            f"{f'did you mean {near}? ' if near else ''}allowed: {', '.join(KEYS)}"
        )
        if left_out is None or near:
            faults.append(said)
        else:
            left_out.append(f"{said}; the key is left out")
    return checked


def _check_delays(values: dict[str, Any], origins: Mapping[str, str], told: list[str]) -> None:
    """Drop a limit to which the delay cannot grow, and add a line to `told`. Relaying matters more."""
    most, least = values.get("restore_delay_max_ms"), values.get("restore_delay_ms") or 0
    if most is not None and not 0 < least <= most:
        told.append(
            f"{origins['restore_delay_max_ms']}: restore_delay_max_ms is {most} "
            f"and restore_delay_ms is {least}; "
            "allowed: a restore_delay_ms from 1 to restore_delay_max_ms; the limit is left out"
        )
        values["restore_delay_max_ms"] = None


def _check_bfd(values: dict[str, Any], origins: Mapping[str, str], told: list[str]) -> None:
    """Drop BFD where no group keeps a PF open, and add a line to `told`. Relaying matters more."""
    if values.get("bfd_socket") is not None and not values.get("redundancy_groups"):
        told.append(
            f"{origins['bfd_socket']}: bfd_socket is {quoted(values['bfd_socket'])} "
            "and redundancy_groups is missing; "
            "allowed: a bfd_socket beside redundancy_groups; the socket is left out"
        )
        values["bfd_socket"] = None


def resembled(key: str, known: Iterable[str] = KEYS) -> str | None:
    """Return the known key of which an unknown one is a typo, None if it resembles none."""
    import difflib  # imported here: only a typo needs it, and its import would delay each start

    written = key.lower().replace("-", "_")[:_LONGEST_KEY]
    return next(iter(difflib.get_close_matches(written, known, 1, _RESEMBLES)), None)


def from_environment(environment: Mapping[str, str]) -> Config:
    """Read the configuration from the environment alone, as the Go program does.

    Raises ConfigError with all faults.
    """
    faults: list[str] = []
    if INTERFACES_VARIABLE not in environment:
        faults.append(f"environment: {INTERFACES_VARIABLE} is not set; {INTERFACES_ALLOWED}")
    return _overridden({}, {}, environment, faults, [])


def _overridden(
    values: dict[str, Any],
    origins: dict[str, str],
    environment: Mapping[str, str],
    faults: list[str],
    warnings: list[str],
) -> Config:
    """Return the configuration of these values; the environment overrides them. Raises ConfigError."""
    left_out = [*warnings]
    if INTERFACES_VARIABLE in environment:
        values["interfaces"] = _interfaces(environment[INTERFACES_VARIABLE], faults, warnings)
        origins["interfaces"] = INTERFACES_VARIABLE
    if INTERVAL_VARIABLE in environment:
        text = environment[INTERVAL_VARIABLE]
        if text.strip():
            values["polling_interval_ms"] = _interval(text.strip(), faults, warnings)
            origins["polling_interval_ms"] = INTERVAL_VARIABLE
        else:
            warnings.append(f"environment: {INTERVAL_VARIABLE} is {quoted(text)}; counts as not set")
    if faults:
        raise ConfigError(faults + left_out)
    return Config(**values, origins=origins, warnings=tuple(warnings))


def _interfaces(text: str, faults: list[str], warnings: list[str]) -> tuple[str, ...]:
    """Return the interfaces in the environment, without empty entries and repetitions."""
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
        warnings.append(f"{where}: repeated names are dropped: {one_line(', '.join(repeated))}")
    return check_interfaces(where, AUTO[0] if names == list(AUTO) else names, faults)


def _interval(text: str, faults: list[str], warnings: list[str]) -> int:
    """Return the polling interval in the environment in milliseconds, cut to the maximum."""
    where = f"environment: {INTERVAL_VARIABLE}"
    number: object = text
    if _DECIMAL.fullmatch(text) and int(text) <= _MAX_INT:
        number = int(text)
        if number > POLLING_INTERVAL.most:
            warnings.append(f"{where} is {number}; cut to {POLLING_INTERVAL.most}")
            number = POLLING_INTERVAL.most
    return POLLING_INTERVAL(where, number, faults)
