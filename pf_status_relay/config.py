"""The configuration: a TOML file, its drop-ins and two environment variables, checked as a whole.

A `Config` is always valid. Whatever is wrong is collected and raised as one `ConfigError` with
a line per fault, so that a file is mended in one go.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable

from pf_status_relay import configfiles, lines

DEFAULT_PATH = Path("/etc/pf-status-relay.toml")

INTERFACES_VARIABLE = "PF_STATUS_RELAY_INTERFACES"
INTERVAL_VARIABLE = "PF_STATUS_RELAY_POLLING_INTERVAL"

DEFAULT_INTERVAL_MS = 1000
MIN_INTERVAL_MS = 100
MAX_INTERVAL_MS = 60_000

MIN_EARLY_DETECTION_MS = 1500
MAX_EARLY_DETECTION_MS = 3000

MAX_RESTORE_DELAY_MS = 600_000

AUTO = ("auto",)
"""The interfaces of a configuration that leaves it to the kernel which PFs there are to relay for."""

LEAVE = "leave"
RESTORE = "restore"

MAX_NAME_BYTES = 127
"""The longest name that the kernel takes for an interface: ALTIFNAMSIZ less the terminating zero."""

_DECIMAL = re.compile("[0-9]{1,9}")
_LIST_ALLOWED = "a list of interface names, at least one, each once"
_INTERFACES_ALLOWED = f'allowed: "auto", or {_LIST_ALLOWED}'
_NAME_ALLOWED = (
    f"allowed: an interface name of 1 to {MAX_NAME_BYTES} bytes "
    "without '/', ':' or white space, not '.' or '..'"
)


class ConfigError(Exception):
    """The configuration cannot be used. `faults` are lines for a person, at least one."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


@dataclass(frozen=True)
class Config:
    """A valid configuration. Each field but the last has the name of its key.

    `interfaces` are names, alternative names and patterns (`*`, `?` and `[…]` as in fnmatch(3)), at
    least one, each once; or AUTO.
    `polling_interval_ms` is in milliseconds, MIN_INTERVAL_MS to MAX_INTERVAL_MS.
    `early_detection_ms` is in milliseconds, MIN_EARLY_DETECTION_MS to MAX_EARLY_DETECTION_MS, or
    None: off.
    `restore_delay_ms` is in milliseconds, 0 to MAX_RESTORE_DELAY_MS: for how long LACP has to have been up
    before VFs go back to auto.
    `on_stop` is LEAVE or RESTORE: what becomes of disabled VFs when the service is stopped.
    `metrics_textfile` is the absolute path of a file whose name ends in `.prom`, or None: off.
    `origins` says of each key where its value is from.
    """

    interfaces: tuple[str, ...]
    polling_interval_ms: int = DEFAULT_INTERVAL_MS
    early_detection_ms: int | None = None
    restore_delay_ms: int = 0
    on_stop: str = LEAVE
    metrics_textfile: str | None = None
    origins: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)


def load(
    path: Path | None,
    environment: Mapping[str, str],
    folders: Sequence[Path] = configfiles.DROP_IN_FOLDERS,
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
    drop_ins = configfiles.drop_ins(folders, faults) if path is None else []
    optional = path is None and (drop_ins or INTERFACES_VARIABLE in environment)
    readable = not faults
    for file in (main, *drop_ins):
        before, where = len(faults), lines.fitting(str(file))
        found = configfiles.read(file, faults)
        if found is None and not (file == main and optional):
            faults.append(
                f"{where}: no such file; write one, or set {INTERFACES_VARIABLE} in the environment"
            )
        readable &= len(faults) == before
        for key, value in (found or {}).items():
            if key in KEYS:
                values[key] = KEYS[key](f"{where}: {key}", value, faults)
                origins[key] = where
            else:
                faults.append(
                    f"{where}: unknown key {shown(key)} with the value {shown(value)}; "
                    f"allowed: {', '.join(KEYS)}"
                )
    if readable and "interfaces" not in values and INTERFACES_VARIABLE not in environment:
        faults.append(f"{lines.fitting(str(main))}: interfaces is missing; {_INTERFACES_ALLOWED}")
    return _overridden(values, origins, environment, faults)


def from_environment(environment: Mapping[str, str]) -> Config:
    """Read the configuration from the environment alone, as the Go program does; no file matters.

    Raises ConfigError with every fault there is.
    """
    faults: list[str] = []
    if INTERFACES_VARIABLE not in environment:
        faults.append(f"environment: {INTERFACES_VARIABLE} is not set; {_INTERFACES_ALLOWED}")
    return _overridden({}, {}, environment, faults)


def _overridden(
    values: dict[str, Any], origins: dict[str, str], environment: Mapping[str, str], faults: list[str]
) -> Config:
    """Return the configuration of these values, those of the environment before them. Raises ConfigError."""
    if INTERFACES_VARIABLE in environment:
        names: object = [name.strip() for name in environment[INTERFACES_VARIABLE].split(",")]
        names = AUTO[0] if names == list(AUTO) else names
        values["interfaces"] = interfaces_at(f"environment: {INTERFACES_VARIABLE}", names, faults)
        origins["interfaces"] = INTERFACES_VARIABLE
    if INTERVAL_VARIABLE in environment:
        text = environment[INTERVAL_VARIABLE].strip()
        number: object = int(text) if _DECIMAL.fullmatch(text) else text
        values["polling_interval_ms"] = polling_interval_at(
            f"environment: {INTERVAL_VARIABLE}", number, faults
        )
        origins["polling_interval_ms"] = INTERVAL_VARIABLE
    if faults:
        raise ConfigError(faults)
    return Config(**values, origins=origins)


def interfaces_at(
    where: str, value: object, faults: list[str], *, literally: bool = False
) -> tuple[str, ...]:
    """Check interfaces that were found at `where`; `literally`: names alone, no patterns and no "auto".

    Returns the valid ones among the value, and adds a line to `faults` for each other one.
    """
    if value == AUTO[0] and not literally:
        return AUTO
    allowed = f"allowed: {_LIST_ALLOWED}" if literally else _INTERFACES_ALLOWED
    if not isinstance(value, list) or not value:
        faults.append(f"{where} is {shown(value)}; {allowed}")
        return ()
    names: list[str] = []
    for position, name in enumerate(value):
        if not isinstance(name, str) or not _is_interface_name(name):
            faults.append(f"{where}[{position}] is {shown(name)}; {_NAME_ALLOWED}")
        elif literally and is_pattern(name):
            faults.append(f"{where}[{position}] is {shown(name)}; allowed: an interface name, no pattern")
        elif name in AUTO:
            faults.append(f'{where}[{position}] is {shown(name)}; allowed: "auto" alone, instead of the list')
        elif name in names:
            faults.append(f"{where}[{position}] is {shown(name)} again; {allowed}")
        else:
            names.append(name)
    return tuple(names)


def is_pattern(name: str) -> bool:
    """Tell whether a configured interface stands for all whose names match it (fnmatch(3))."""
    return any(char in "*?[" for char in name)


def polling_interval_at(where: str, value: object, faults: list[str]) -> int:
    """Check a polling interval in milliseconds that was found at `where`, as that of a file is.

    Returns it if it is valid; otherwise adds a line to `faults` and returns some valid one.
    """
    return _milliseconds(where, value, faults, MIN_INTERVAL_MS, MAX_INTERVAL_MS)


def _early_detection_at(where: str, value: object, faults: list[str]) -> int:
    return _milliseconds(where, value, faults, MIN_EARLY_DETECTION_MS, MAX_EARLY_DETECTION_MS)


def _restore_delay_at(where: str, value: object, faults: list[str]) -> int:
    return _milliseconds(where, value, faults, 0, MAX_RESTORE_DELAY_MS)


def _on_stop_at(where: str, value: object, faults: list[str]) -> str:
    if value not in (LEAVE, RESTORE):
        faults.append(f'{where} is {shown(value)}; allowed: "{LEAVE}" or "{RESTORE}"')
        return LEAVE
    return str(value)


def _metrics_textfile_at(where: str, value: object, faults: list[str]) -> str | None:
    """Check a path for metrics: node_exporter reads the files of its folder whose names end in `.prom`."""
    if isinstance(value, str) and value.startswith("/") and "\0" not in value:
        name = value.rpartition("/")[2]
        if name.endswith(".prom") and name != ".prom":
            return value
    faults.append(f"{where} is {shown(value)}; allowed: the absolute path of a file named *.prom")
    return None


KEYS: dict[str, Callable[[str, object, list[str]], Any]] = {
    "interfaces": interfaces_at,
    "polling_interval_ms": polling_interval_at,
    "early_detection_ms": _early_detection_at,
    "restore_delay_ms": _restore_delay_at,
    "on_stop": _on_stop_at,
    "metrics_textfile": _metrics_textfile_at,
}
"""What checks the value of each key: given where it was found, and the faults to add to."""


def _is_interface_name(name: str) -> bool:
    """Tell whether the kernel can have an interface of this name (dev_valid_name, net/core/dev.c)."""
    try:
        size = len(name.encode("utf-8"))
    except UnicodeEncodeError:  # bytes of the environment that are no text
        return False
    if name in ("", ".", "..") or size > MAX_NAME_BYTES:
        return False
    return not any(char in "/:\0" or char.isspace() for char in name)


def _milliseconds(where: str, value: object, faults: list[str], least: int, most: int) -> int:
    # A TOML boolean is a Python int, and no number of milliseconds.
    if type(value) is int and least <= value <= most:
        return value
    faults.append(
        f"{where} is {shown(value)}; allowed: a whole number of milliseconds from {least} to {most}"
    )
    return least


def shown(value: object) -> str:
    """Return a value as TOML would have it, on one line and not too long, for a message."""
    try:
        text = json.dumps(value, ensure_ascii=False, default=str)
    except ValueError:  # Python turns no number of thousands of digits into text
        return "a number too long to show"
    except RecursionError:  # a key of a thousand parts is as many tables, one in another
        return "nested too deeply to show"
    return lines.fitting(text, 80)
