"""The configuration's keys: one table of names, values and meanings, and the valid `Config`.

To add a key: a row in KEYS, a field of `Config`, and a paragraph in pf-status-relay.toml(5). Validation,
`config show` and `config import` follow from the table; tests compare the shipped file, the manual page and
the README with it. A feature gets a new key, with a name unlike the others, and no key gets new values: a
node that returns to the version before leaves the key out and relays (load.py).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Callable

from pf_status_relay.text import one_line

if TYPE_CHECKING:
    from typing_extensions import TypeGuard

AUTO = ("auto",)
"""The value of `interfaces` if the kernel, not the configuration, says for which PFs to relay."""

LEAVE = "leave"
RESTORE = "restore"

MAX_NAME_BYTES = 127
"""Maximum bytes of an interface name in the kernel: ALTIFNAMSIZ less the terminating zero."""

MAX_SOCKET_BYTES = 107
"""Maximum bytes of the path of a UNIX socket: sun_path less the terminating zero (unix(7))."""

_LIST_ALLOWED = "a list of interface names, at least one, each once"
INTERFACES_ALLOWED = f'allowed: "auto", or {_LIST_ALLOWED}'
_NAME_ALLOWED = (
    f"allowed: an interface name of 1 to {MAX_NAME_BYTES} bytes "
    "without '/', ':' or white space, not '.' or '..'"
)

Check = Callable[[str, object, list[str]], Any]
"""A check of a value found at a place: returns it as `Config` has it, or adds a line to the faults."""


def check_interfaces(
    where: str, value: object, faults: list[str], *, literally: bool = False
) -> tuple[str, ...]:
    """Check interfaces that were found at `where`. `literally`: only names, no patterns and no "auto".

    Returns the valid ones, and adds a line to `faults` for each other one.
    """
    if value == AUTO[0] and not literally:
        return AUTO
    allowed = f"allowed: {_LIST_ALLOWED}" if literally else INTERFACES_ALLOWED
    return _check_names(where, value, faults, allowed, patterns=not literally)


def _check_names(
    where: str, value: object, faults: list[str], allowed: str, *, patterns: bool
) -> tuple[str, ...]:
    """Check a list of names, with `patterns` also of patterns. A fault of the list ends with `allowed`."""
    if not isinstance(value, list) or not value:
        faults.append(f"{where} is {quoted(value)}; {allowed}")
        return ()
    names: list[str] = []
    for position, name in enumerate(value):
        if not isinstance(name, str) or not _is_interface_name(name):
            faults.append(f"{where}[{position}] is {quoted(name)}; {_NAME_ALLOWED}")
        elif is_pattern(name) and not patterns:
            faults.append(f"{where}[{position}] is {quoted(name)}; allowed: an interface name, no pattern")
        elif name in AUTO:
            faults.append(
                f'{where}[{position}] is {quoted(name)}; allowed: "auto" alone, instead of the list'
            )
        elif name in names:
            faults.append(f"{where}[{position}] is {quoted(name)} again; {allowed}")
        else:
            names.append(name)
    return tuple(names)


def _check_groups(where: str, value: object, faults: list[str]) -> tuple[tuple[str, ...], ...]:
    """Check redundancy groups: lists of names and patterns, each name in one group alone."""
    if not isinstance(value, list) or not all(isinstance(group, list) for group in value):
        faults.append(f"{where} is {quoted(value)}; allowed: a list of lists of interface names")
        return ()
    groups: list[tuple[str, ...]] = []
    for position, group in enumerate(value):
        names = _check_names(
            f"{where}[{position}]", group, faults, f"allowed: {_LIST_ALLOWED}", patterns=True
        )
        if len(names) == len(group) == 1 and not is_pattern(names[0]):
            faults.append(
                f"{where}[{position}] is {quoted(group)}; allowed: two interface names or more, or a pattern"
            )
        for name in names:
            if any(name in other for other in groups):
                faults.append(
                    f"{where}[{position}] is {quoted(group)} and {quoted(name)} is in a group before it; "
                    "allowed: each interface in one group"
                )
        groups.append(names)
    return tuple(groups)


def is_pattern(name: str) -> bool:
    """Tell whether a configured interface is a pattern, which stands for all matching names (fnmatch(3))."""
    return any(char in "*?[" for char in name)


def _is_interface_name(name: str) -> bool:
    """Tell whether the kernel can have an interface of this name (dev_valid_name, net/core/dev.c)."""
    try:
        size = len(name.encode("utf-8"))
    except UnicodeEncodeError:  # bytes in the environment that are no text
        return False
    if name in ("", ".", "..") or size > MAX_NAME_BYTES:
        return False
    return not any(char in "/:\0" or char.isspace() for char in name)


class Milliseconds:
    """A Check for a whole number of milliseconds from `least` to `most`."""

    def __init__(self, least: int, most: int) -> None:
        self.least = least
        self.most = most

    def __call__(self, where: str, value: object, faults: list[str]) -> int:
        """Check a value, as a Check does."""
        # A TOML boolean is a Python int, but no number of milliseconds.
        if type(value) is int and self.least <= value <= self.most:
            return value
        faults.append(
            f"{where} is {quoted(value)}; "
            f"allowed: a whole number of milliseconds from {self.least} to {self.most}"
        )
        return self.least


POLLING_INTERVAL = Milliseconds(100, 60_000)


class Choice:
    """A Check for one of several words."""

    def __init__(self, *words: str) -> None:
        self.words = words

    def __call__(self, where: str, value: object, faults: list[str]) -> str:
        """Check a value, as a Check does."""
        if value in self.words:
            return str(value)
        allowed = " or ".join(f'"{word}"' for word in self.words)
        faults.append(f"{where} is {quoted(value)}; allowed: {allowed}")
        return self.words[0]


def _check_boolean(where: str, value: object, faults: list[str]) -> bool:
    """Check a truth value."""
    if not isinstance(value, bool):
        faults.append(f"{where} is {quoted(value)}; allowed: true or false")
    return value is True


def _is_path(value: object) -> TypeGuard[str]:
    """Tell whether a value is an absolute path."""
    return isinstance(value, str) and value.startswith("/") and "\0" not in value


def _check_bfd_socket(where: str, value: object, faults: list[str]) -> str | None:
    """Check the path of a UNIX socket, which has at most MAX_SOCKET_BYTES."""
    if _is_path(value) and len(value.encode("utf-8", "surrogatepass")) <= MAX_SOCKET_BYTES:
        return value
    allowed = f"the absolute path of a socket, of {MAX_SOCKET_BYTES} bytes at most"
    faults.append(f"{where} is {quoted(value)}; allowed: {allowed}")
    return None


def _check_metrics_textfile(where: str, value: object, faults: list[str]) -> str | None:
    """Check a path for metrics: node_exporter reads files in its folder whose names end in `.prom`."""
    if _is_path(value):
        name = value.rpartition("/")[2]
        if name.endswith(".prom") and name != ".prom":
            return value
    faults.append(f"{where} is {quoted(value)}; allowed: the absolute path of a file named *.prom")
    return None


REQUIRED = object()
"""The default of a key that must be set."""


class Key:
    """One key.

    `kind` is the type of its values, in TOML's words. `unit` is that of a number, or an empty string. With a
    `default` of REQUIRED the key must be set; with None it is off. `meaning` is one sentence for a person.
    `always_written`: a file that the program writes has the key even if the value is the default.
    """

    def __init__(
        self,
        kind: str,
        check: Check,
        default: Any,
        meaning: str,
        unit: str = "",
        always_written: bool = False,
    ) -> None:
        self.kind = kind
        self.check = check
        self.default = default
        self.meaning = meaning
        self.unit = unit
        self.always_written = always_written


KEYS: Mapping[str, Key] = {
    "interfaces": Key(
        "list of strings, or auto",
        check_interfaces,
        REQUIRED,
        "The PFs, by interface name or alternative name.",
        always_written=True,
    ),
    "polling_interval_ms": Key(
        "whole number",
        POLLING_INTERVAL,
        1000,
        "How often to look at a PF.",
        "milliseconds",
        always_written=True,
    ),
    "early_detection_ms": Key(
        "whole number",
        Milliseconds(1500, 3000),
        None,
        "How long the partner may be silent before a PF on the fast rate counts as down.",
        "milliseconds",
    ),
    "restore_delay_ms": Key(
        "whole number",
        Milliseconds(0, 600_000),
        0,
        "How long LACP must be up before VFs return to auto.",
        "milliseconds",
    ),
    "restore_delay_max_ms": Key(
        "whole number",
        Milliseconds(1, 3_600_000),
        None,
        "How long the restore delay may become on a link that flaps.",
        "milliseconds",
    ),
    "redundancy_groups": Key(
        "list of lists of strings",
        _check_groups,
        None,
        "Groups of PFs that serve the same pods: one PF of each stays open, even if LACP is down on all.",
    ),
    "bfd_socket": Key(
        "string",
        _check_bfd_socket,
        None,
        "The control socket of FRR's bfdd, so that a PF whose BFD session times out counts as down.",
    ),
    "multi_port_bonds": Key(
        "true or false",
        _check_boolean,
        False,
        "Whether a PF may be one of several ports of its bond.",
    ),
    "on_stop": Key(
        "string",
        Choice(LEAVE, RESTORE),
        LEAVE,
        "What the service does with disabled VFs on systemctl stop.",
    ),
    "metrics_textfile": Key(
        "string",
        _check_metrics_textfile,
        None,
        "A file for Prometheus: metrics for the textfile collector of node_exporter.",
    ),
}


@dataclass(frozen=True)
class Config:
    """A valid configuration. Each field but the last two has the name of its key; KEYS says what it may be.

    `interfaces` are names, alternative names and patterns (`*`, `?` and `[…]` as in fnmatch(3)); or AUTO.
    Each of the `redundancy_groups` also has names and patterns.
    `origins` names the source of each key's value. `warnings` are lines for a person: what was left out
    of the files, and where the value from the environment differs from what it says.
    """

    interfaces: tuple[str, ...]
    polling_interval_ms: int = 1000
    early_detection_ms: int | None = None
    restore_delay_ms: int = 0
    restore_delay_max_ms: int | None = None
    redundancy_groups: tuple[tuple[str, ...], ...] | None = None
    bfd_socket: str | None = None
    multi_port_bonds: bool = False
    on_stop: str = LEAVE
    metrics_textfile: str | None = None
    origins: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)
    warnings: tuple[str, ...] = field(default=(), compare=False, repr=False)


def quoted(value: object, longest: int = 80) -> str:
    """Return a value for a message: as TOML would have it, on one line, cut to `longest` characters."""
    try:
        text = json.dumps(value, ensure_ascii=False, default=str)
    except ValueError:  # Python turns no number of thousands of digits into text
        return "a number too long to show"
    except RecursionError:  # a key of a thousand parts is as many tables, one in another
        return "nested too deeply to show"
    return one_line(text, longest)
