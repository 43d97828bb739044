"""`pf-status-relay report`: collect all that a bug report needs into one archive."""

from __future__ import annotations

import argparse
import io
import json
import socket
import sys
import tarfile
import time
from collections.abc import Sequence
from pathlib import Path

from pf_status_relay import __version__
from pf_status_relay.cli import evidence, main, new_file, streams
from pf_status_relay.cli.evidence import Absent, Part
from pf_status_relay.cli.exit_status import EX_IOERR, EX_OK, EX_USAGE, Refused
from pf_status_relay.cli.shared_arguments import Commands, Help, add_config
from pf_status_relay.cli.terminal import printable

_SUFFIX = ".tar.gz"
_CONTENTS = "CONTENTS.txt"
_PRIVATE = (
    "It contains names and MAC addresses of interfaces, the host's name, the configuration and the service's "
    "log. Nothing was sent. Read it before you pass it on."
)


def add(commands: Commands) -> None:
    """Add the command's arguments."""
    command = commands.add_parser(
        "report",
        help="collect all that a bug report needs into one archive",
        description="Collect all that a bug report needs into one archive, and list its contents: versions, "
        "the effective configuration and its files, what status, check and history print, drains, "
        "interfaces, bonds, drivers, the unit, its journal of the last seven days, and SELinux's denials "
        "about the service. Send, change and overwrite nothing. The list names what could not be collected, "
        "and why. Run it as root to collect more.",
        epilog=f"""Exit status:

  0  the archive was written, though parts may be missing
  {EX_IOERR}  FILE exists, or cannot be written

From an OpenShift node:

  oc debug node/NODE -- chroot /host pf-status-relay report - > report.tar.gz""",
        formatter_class=Help,
    )
    command.add_argument(
        "file",
        nargs="?",
        metavar="FILE",
        help="the archive, which must not exist (-: standard output; default: "
        "pf-status-relay-HOST-TIME.tar.gz in the current folder)",
    )
    add_config(command)
    command.add_argument("--json", action="store_true", help="print the list as one JSON document")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Write the archive."""
    to_output = options.file == "-"
    if to_output and (options.json or sys.stdout.isatty()):
        raise Refused(["-: standard output takes the archive alone: redirect it, without --json"], EX_USAGE)
    made = time.time()
    name = f"pf-status-relay-{_host()}-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(made))}"
    path = Path(options.file or f"{name}{_SUFFIX}")
    if not to_output:
        new_file.check(path)  # before the work: a file that exists is refused at once
    config = () if options.config is None else ("--config", str(options.config))
    found = list(evidence.collect(_run, config, evidence.Places()))
    parts = [each for each in found if isinstance(each, Part)]
    absent = [each for each in found if isinstance(each, Absent)]
    listing = _listing(parts, absent)
    content = archive(name, [Part(_CONTENTS, "", _contents(made, listing)), *parts], made)
    if to_output:
        streams.put(content)
        return EX_OK
    new_file.write(path, content)
    if options.json:
        document = {
            "archive": str(path),
            "bytes": len(content),
            "parts": [{"name": each.name, "about": each.about, "bytes": len(each.content)} for each in parts],
            "missing": [vars(each) for each in absent],
        }
        streams.put(f"{json.dumps(document, indent=2)}\n")
    else:
        streams.put(f"{printable(str(path))}, {len(content)} bytes:\n\n{listing}")
    return EX_OK


def _run(words: Sequence[str]) -> int:
    """Run another command of this program."""
    options = main.parser(words[:1]).parse_args(words)
    status = options.run(options)
    assert isinstance(status, int)
    return status


def _host() -> str:
    name = socket.gethostname().partition(".")[0]
    return "".join(char if char.isascii() and (char.isalnum() or char in "-_") else "_" for char in name)


def _listing(parts: Sequence[Part], absent: Sequence[Absent]) -> str:
    """Say what is in the archive and what is not, a line each."""
    width = max([*(len(each.name) for each in parts), *(len(each.name) for each in absent)], default=0)
    lines = [
        f"  {printable(each.name):{width}}  {len(each.content):>9} bytes  {printable(each.about)}"
        for each in parts
    ]
    if absent:
        lines += ["", "Missing:"]
        lines += [f"  {printable(each.name):{width}}  {each.reason}" for each in absent]
    return "".join(f"{line}\n" for line in [*lines, "", _PRIVATE])


def _contents(made: float, listing: str) -> bytes:
    when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(made))
    return f"Made by `pf-status-relay report` {__version__} at {when}.\n\n{listing}".encode(errors="replace")


def archive(name: str, parts: Sequence[Part], made: float) -> bytes:
    """Return a tar archive, compressed, with the parts in a folder of this name."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz", format=tarfile.PAX_FORMAT) as tar:
        for part in parts:
            info = tarfile.TarInfo(f"{name}/{part.name}")
            info.size, info.mtime, info.mode = len(part.content), int(made), 0o600
            tar.addfile(info, io.BytesIO(part.content))
    return content.getvalue()
