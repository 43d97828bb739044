"""The configuration: a TOML file and two environment variables, checked as a whole.

A `Config` is always valid. Whatever is wrong is collected and raised as one `ConfigError` with
a line per fault, so that a file is mended in one go.
"""

from __future__ import annotations

import json
import os
import re
import stat
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

from pf_status_relay import lines

DEFAULT_PATH = Path("/etc/pf-status-relay.toml")

INTERFACES_VARIABLE = "PF_STATUS_RELAY_INTERFACES"
INTERVAL_VARIABLE = "PF_STATUS_RELAY_POLLING_INTERVAL"

DEFAULT_INTERVAL_MS = 1000
MIN_INTERVAL_MS = 100
MAX_INTERVAL_MS = 60_000

MIN_EARLY_DETECTION_MS = 1500
MAX_EARLY_DETECTION_MS = 3000

MAX_FILE_BYTES = 1 << 16
"""A larger file was not written for this program: this one holds 500 names of the longest kind."""

MAX_DOTS = 1000
"""In one line. A key has a part more than dots, and TOML's readers take the square of their number."""

MAX_NAME_BYTES = 127
"""The longest name that the kernel takes for an interface: ALTIFNAMSIZ less the terminating zero."""

_DECIMAL = re.compile("[0-9]{1,9}")
_INTERFACES_ALLOWED = "allowed: a list of interface names, at least one, each once"
_INTERVAL = (MIN_INTERVAL_MS, MAX_INTERVAL_MS)
_EARLY_DETECTION = (MIN_EARLY_DETECTION_MS, MAX_EARLY_DETECTION_MS)
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
    """A valid configuration.

    `interfaces` are names or alternative names, at least one, each once.
    `polling_interval_ms` is in milliseconds, MIN_INTERVAL_MS to MAX_INTERVAL_MS.
    `early_detection_ms` is in milliseconds, MIN_EARLY_DETECTION_MS to MAX_EARLY_DETECTION_MS, or
    None: off.
    """

    interfaces: tuple[str, ...]
    polling_interval_ms: int = DEFAULT_INTERVAL_MS
    early_detection_ms: int | None = None


def load(path: Path | None, environment: Mapping[str, str]) -> Config:
    """Read the configuration. The environment variables override the file.

    `path` is the file that must exist; None stands for DEFAULT_PATH, which may be missing if
    INTERFACES_VARIABLE is set. Raises ConfigError with every fault there is.
    """
    faults: list[str] = []
    values: dict[str, Any] = {}
    file = path or DEFAULT_PATH
    where = lines.fitting(str(file))
    optional = path is None and INTERFACES_VARIABLE in environment
    try:
        values = _read(file, where, optional)
    except ConfigError as error:
        faults += error.faults
    readable = not faults

    interfaces: tuple[str, ...] = ()
    interval = DEFAULT_INTERVAL_MS
    early_detection: int | None = None
    for key, value in values.items():
        if key == "interfaces":
            interfaces = interfaces_at(f"{where}: {key}", value, faults)
        elif key == "polling_interval_ms":
            interval = polling_interval_at(f"{where}: {key}", value, faults)
        elif key == "early_detection_ms":
            early_detection = _milliseconds(f"{where}: {key}", value, _EARLY_DETECTION, faults)
        else:
            faults.append(
                f"{where}: unknown key {shown(key)} with the value {shown(value)}; "
                "allowed: interfaces, polling_interval_ms, early_detection_ms"
            )

    if INTERFACES_VARIABLE not in environment and readable and "interfaces" not in values:
        faults.append(f"{where}: interfaces is missing; {_INTERFACES_ALLOWED}")
    interfaces, interval = _overridden(interfaces, interval, environment, faults)

    if faults:
        raise ConfigError(faults)
    return Config(interfaces, interval, early_detection)


def from_environment(environment: Mapping[str, str]) -> Config:
    """Read the configuration from the environment alone, as the Go program does; no file matters.

    Raises ConfigError with every fault there is.
    """
    faults: list[str] = []
    if INTERFACES_VARIABLE not in environment:
        faults.append(f"environment: {INTERFACES_VARIABLE} is not set; {_INTERFACES_ALLOWED}")
    interfaces, interval = _overridden((), DEFAULT_INTERVAL_MS, environment, faults)
    if faults:
        raise ConfigError(faults)
    return Config(interfaces, interval)


def polling_interval_at(where: str, value: object, faults: list[str]) -> int:
    """Check a polling interval in milliseconds that was found at `where`, as that of a file is.

    Returns it if it is valid; otherwise adds a line to `faults` and returns some valid one.
    """
    return _milliseconds(where, value, _INTERVAL, faults)


def _overridden(
    interfaces: tuple[str, ...], interval: int, environment: Mapping[str, str], faults: list[str]
) -> tuple[tuple[str, ...], int]:
    """Return interfaces and polling interval, each that of the environment if it is set there."""
    if INTERFACES_VARIABLE in environment:
        names = [name.strip() for name in environment[INTERFACES_VARIABLE].split(",")]
        interfaces = interfaces_at(f"environment: {INTERFACES_VARIABLE}", names, faults)
    if INTERVAL_VARIABLE in environment:
        text = environment[INTERVAL_VARIABLE].strip()
        number: object = int(text) if _DECIMAL.fullmatch(text) else text
        interval = polling_interval_at(f"environment: {INTERVAL_VARIABLE}", number, faults)
    return interfaces, interval


def _read(path: Path, where: str, optional: bool) -> dict[str, Any]:
    try:
        # O_NONBLOCK: a FIFO in the file's place must not hold up the start for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        if optional:
            return {}
        raise ConfigError(
            [f"{where}: no such file; write one, or set {INTERFACES_VARIABLE} in the environment"]
        ) from None
    except (OSError, ValueError) as error:
        raise ConfigError([f"{where}: cannot be read: {_reason(error)}"]) from None
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise ConfigError([f"{where}: is not a regular file; allowed: a TOML file"])
    with open(descriptor, "rb") as file:
        if status.st_size > MAX_FILE_BYTES:
            raise ConfigError([f"{where}: has {status.st_size} bytes; allowed: up to {MAX_FILE_BYTES}"])
        try:
            text = file.read(MAX_FILE_BYTES).decode("utf-8")
        except OSError as error:
            raise ConfigError([f"{where}: cannot be read: {_reason(error)}"]) from None
        except UnicodeDecodeError as error:
            line = error.object.count(b"\n", 0, error.start) + 1
            byte = error.object[error.start]
            raise ConfigError(
                [f"{where}: line {line} has the byte 0x{byte:02x}; allowed: UTF-8 text"]
            ) from None
    for number, content in enumerate(text.split("\n"), start=1):
        if content.count(".") > MAX_DOTS:
            raise ConfigError(
                [f"{where}: line {number} has {content.count('.')} dots; allowed: up to {MAX_DOTS}"]
            )
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ConfigError([f"{where}: is not valid TOML: nested too deeply"]) from None
    except ValueError as error:
        if not isinstance(error, tomllib.TOMLDecodeError):  # Python reads no number of thousands of digits
            raise ConfigError([f"{where}: is not valid TOML: a number of too many digits"]) from None
        message = str(error).replace("at end of document", _end_of(text))
        what, at, place = message.rpartition(" (at ")
        raise ConfigError([f"{where}: is not valid TOML: {lines.fitting(what)}{at}{place}"]) from None


def _end_of(text: str) -> str:
    return f"at line {text.count(chr(10)) + 1}, column {len(text) - text.rfind(chr(10))}"


def _reason(error: Exception) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)


def interfaces_at(where: str, value: object, faults: list[str]) -> tuple[str, ...]:
    """Check interfaces that were found at `where`.

    Returns the valid names among the value, and adds a line to `faults` for each other one.
    """
    if not isinstance(value, list) or not value:
        faults.append(f"{where} is {shown(value)}; {_INTERFACES_ALLOWED}")
        return ()
    names: list[str] = []
    for position, name in enumerate(value):
        if not isinstance(name, str) or not _is_interface_name(name):
            faults.append(f"{where}[{position}] is {shown(name)}; {_NAME_ALLOWED}")
        elif name in names:
            faults.append(f"{where}[{position}] is {shown(name)} again; {_INTERFACES_ALLOWED}")
        else:
            names.append(name)
    return tuple(names)


def _is_interface_name(name: str) -> bool:
    """Tell whether the kernel can have an interface of this name (dev_valid_name, net/core/dev.c)."""
    try:
        size = len(name.encode("utf-8"))
    except UnicodeEncodeError:  # bytes of the environment that are no text
        return False
    if name in ("", ".", "..") or size > MAX_NAME_BYTES:
        return False
    return not any(char in "/:\0" or char.isspace() for char in name)


def _milliseconds(where: str, value: object, allowed: tuple[int, int], faults: list[str]) -> int:
    least, most = allowed
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
