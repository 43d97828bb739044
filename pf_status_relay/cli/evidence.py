"""What `report` collects for a bug report. Each part is separate: if one fails, the others remain.

The sources are on this host: commands of this program, the kernel's files, systemd, the journal, the audit
log. For a missing part the report says why. Nothing is changed, and nothing is sent.
"""

from __future__ import annotations

import io
import os
import platform
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from pf_status_relay import __version__
from pf_status_relay.cli.exit_status import Refused
from pf_status_relay.cli.host import UNIT
from pf_status_relay.config import files, load
from pf_status_relay.service import drains, state_file
from pf_status_relay.text import one_line, reason_of

JOURNAL_SINCE = "-7d"
JOURNAL_ENTRIES = 10_000
"""Maximum number of entries, the newest ones: some megabytes before compression."""

LINKS = ("ip", "-d", "-s", "-j", "link", "show")

_TIMEOUT_S = 60
_LARGEST_FILE = 8 << 20  # bytes; of a larger file the report has the end
_PROGRAM = b"pf-status-relay"  # comm of the process in the audit log
_FACTS = ("driver", "vendor", "device", "sriov_totalvfs", "sriov_numvfs", "numa_node")


class Missing(Exception):
    """A part could not be collected. The message is the reason."""


@dataclass(frozen=True)
class Part:
    """A file of the report: its name, what it is about, and its content."""

    name: str
    about: str
    content: bytes


@dataclass(frozen=True)
class Absent:
    """A file that the report does not have, and why."""

    name: str
    reason: str


Run = Callable[[Sequence[str]], int]
"""Run a command of this program, given by its arguments, and return its exit status."""


@dataclass(frozen=True)
class Places:
    """Paths of the files of the kernel and the host."""

    net: Path = Path("/sys/class/net")
    bonds: Path = Path("/proc/net/bonding")
    audit: Path = Path("/var/log/audit/audit.log")
    release: Path = Path("/etc/os-release")
    state: Path = state_file.PATH
    configuration: Path = load.DEFAULT_PATH
    drop_ins: tuple[Path, ...] = files.DROP_IN_FOLDERS
    drains: Path = drains.FOLDER


def collect(run: Run, config: Sequence[str], places: Places) -> Iterator[Part | Absent]:
    """Collect all parts. `config` holds the arguments that name a configuration, if one was named."""
    unit = ("systemctl", "--no-pager")
    journal = ("journalctl", "--no-pager", f"--since={JOURNAL_SINCE}", f"--lines={JOURNAL_ENTRIES}")
    ours = (f"_SYSTEMD_UNIT={UNIT}", "+", "_PID=1", f"UNIT={UNIT}")
    wanted: tuple[tuple[str, str, Callable[[], bytes]], ...] = (
        ("versions.txt", "program, libraries, Python, kernel, system", lambda: _versions(places)),
        ("config.toml", "the configuration in effect", lambda: _own(run, "config", "show", *config)),
        ("status.json", "the states of the PFs", lambda: _own(run, "status", "--json", *config)),
        ("check.json", "what the service needs, and lacks", lambda: _own(run, "check", "--json", *config)),
        ("history.json", "what happened", lambda: _own(run, "history", "--json")),
        ("history.svg", "the history as a picture", lambda: _own(run, "history", "--svg", "-")),
        ("state.json", "what the running service says", lambda: _file(places.state)),
        ("links.json", "all interfaces of the kernel", lambda: _command(*LINKS)),
        ("drivers.txt", "drivers and SR-IOV facts", lambda: _drivers(places)),
        ("unit-properties.txt", "the unit's properties in systemd", lambda: _command(*unit, "show", UNIT)),
        ("unit-files.txt", "the unit's files", lambda: _command(*unit, "cat", UNIT)),
        ("journal.txt", "the unit's log", lambda: _journal(*journal, "-o", "short-iso-precise", *ours)),
        ("journal.json", "the unit's log with all fields", lambda: _journal(*journal, "-o", "json", *ours)),
        ("selinux.txt", "SELinux's denials about the service", lambda: _denials(journal, places)),
    )
    for name, about, get in wanted:
        yield _part(name, about, get)
    for name, path in _files(places):
        yield _part(name, f"{path}", lambda path=path: _file(path))  # type: ignore[misc]


def _part(name: str, about: str, get: Callable[[], bytes]) -> Part | Absent:
    try:
        return Part(name, about, get())
    except Missing as error:
        return Absent(name, one_line(str(error)))
    except OSError as error:
        return Absent(name, one_line(reason_of(error)))
    except Exception as error:  # the fault to be reported must not prevent the report
        return Absent(name, one_line(f"{type(error).__name__}: {error}"))


def _files(places: Places) -> Iterator[tuple[str, Path]]:
    """Yield the files of configuration, drains and bonds, as they are, with their names in the report."""
    yield f"config{places.configuration}", places.configuration
    for folder in places.drop_ins:
        for path in _listed(folder):
            if path.suffix == ".toml":
                yield f"config{path}", path
    for path in _listed(places.drains):
        yield f"drains/{path.name}", path
    bonds = _listed(places.bonds)
    for path in bonds:
        yield f"bonds/{path.name}.txt", path
    if not bonds:
        yield "bonds", places.bonds


def _listed(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _own(run: Run, *words: str) -> bytes:
    """Return the output of a command of this program; before a configuration its warnings, as comments."""
    out, said = io.TextIOWrapper(io.BytesIO(), encoding="utf-8"), io.StringIO()
    try:
        with redirect_stdout(out), redirect_stderr(said):
            run(words)
    except (Refused, load.ConfigError) as error:
        raise Missing("; ".join(error.faults)) from None
    except SystemExit as error:
        raise Missing(said.getvalue() or f"{words[0]} ended with status {error.code}") from None
    out.flush()
    content = out.buffer.getvalue() if isinstance(out.buffer, io.BytesIO) else b""
    warnings = "".join(f"# {line}\n" for line in said.getvalue().splitlines() if words[0] == "config")
    return warnings.encode() + content


def _command(*words: str) -> bytes:
    """Return the output of another program."""
    try:
        done = subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TIMEOUT_S,
            check=False,
            env={**os.environ, "LC_ALL": "C", "SYSTEMD_COLORS": "0"},
        )
    except FileNotFoundError:
        raise Missing(f"{words[0]} is not installed") from None
    except subprocess.TimeoutExpired:
        raise Missing(f"{words[0]} did not end within {_TIMEOUT_S} s") from None
    if done.returncode:
        said = " ".join((done.stderr or done.stdout).decode(errors="replace").split())
        raise Missing(f"{words[0]} ended with status {done.returncode}: {said or 'no message'}")
    return done.stdout


def _journal(*words: str) -> bytes:
    """Return the output of journalctl. Raises Missing if the user may not read all of the journal."""
    try:
        from pf_status_relay.log import journal_reader
    except ImportError:  # journalctl does not need systemd-python
        return _command(*words)
    try:
        journal_reader.check_access()
    except journal_reader.NoJournal as error:
        raise Missing(str(error)) from None
    except journal_reader.NotAllowed:
        raise Missing(journal_reader.NOT_ALLOWED) from None
    return _command(*words)


def _file(path: Path) -> bytes:
    """Return the content of a file, or the end of a large one."""
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size  # 0 for the kernel's files
        file.seek(max(0, size - _LARGEST_FILE))
        return file.read(_LARGEST_FILE)


def _versions(places: Places) -> bytes:
    lines = [
        f"pf-status-relay {__version__}",
        f"program: {sys.argv[0]}",
        f"Python {platform.python_version()} ({sys.executable})",
        f"kernel {platform.release()} {platform.version()} {platform.machine()}",
        f"user {os.geteuid()}",
        *(f"{name} {version}" for name, version in _libraries()),
    ]
    for words in (
        ("systemctl", "--version"),
        ("rpm", "-q", "pf-status-relay", "python3-systemd"),
        ("ip", "-V"),
        ("uname", "-a"),
    ):
        try:
            lines.append(_command(*words).decode(errors="replace").strip())
        except Missing as error:
            lines.append(f"{' '.join(words)}: {one_line(str(error))}")
    try:
        lines += ["", _file(places.release).decode(errors="replace").strip()]
    except OSError as error:
        lines.append(f"{places.release}: {reason_of(error)}")
    return "".join(f"{line}\n" for line in lines).encode()


def _libraries() -> Iterator[tuple[str, str]]:
    """Yield the version of each library in use. Libraries that the package bundles have no metadata."""
    from importlib import metadata

    for name in ("pyroute2", "sdnotify", "systemd-python", "tomli", "tomli-w", "prometheus-client", "PyYAML"):
        try:
            yield name, metadata.version(name)
        except metadata.PackageNotFoundError:
            yield name, "version unknown: bundled, or not installed"


def _drivers(places: Places) -> bytes:
    """Return what sysfs and ethtool say about each interface that has a device."""
    lines = []
    for path in _listed(places.net):
        device = path / "device"
        if not device.exists():
            continue
        lines.append(f"{path.name}:")
        for fact, value in _facts(device).items():
            lines.append(f"    {fact}: {value}")
        try:
            said = _command("ethtool", "-i", path.name).decode(errors="replace").splitlines()
        except Missing as error:
            said = [str(error)]
        lines += [f"    ethtool: {one_line(line)}" for line in said]
    if not lines:
        raise Missing(f"no interface in {places.net} has a device")
    return "".join(f"{line}\n" for line in lines).encode()


def _facts(device: Path) -> Mapping[str, str]:
    facts = {}
    for name in _FACTS:
        path = device / name
        try:
            # The driver is a link to its folder.
            link = os.readlink(path).rpartition("/")[2] if path.is_symlink() else ""
            facts[name] = link or path.read_text().strip()
        except OSError:
            continue
    return {"path": os.path.realpath(device), **facts}


def _denials(journal: Sequence[str], places: Places) -> bytes:
    """Return SELinux's denials about the service from the audit log and the journal."""
    lines: list[bytes] = []
    reasons: list[str] = []
    looked = False
    sources: tuple[tuple[str, Callable[[], bytes]], ...] = (
        (str(places.audit), lambda: _file(places.audit)),
        ("the journal", lambda: _journal(*journal, "-o", "short-iso-precise", "_TRANSPORT=audit")),
    )
    for place, get in sources:
        try:
            lines += [line for line in get().splitlines() if _PROGRAM in line and b"avc:" in line]
            looked = True
        except (Missing, OSError) as error:
            reasons.append(f"{place}: {reason_of(error)}")
    if not looked:
        raise Missing("; ".join(reasons))
    found = lines or [b"# no denial was found"]
    return b"".join(line + b"\n" for line in [*found, *(f"# {reason}".encode() for reason in reasons)])
