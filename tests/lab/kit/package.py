"""The RPM: built on the host from the checkout as it is, installed in a guest with the real rpm.

There are two: the one of `make rpm`, and a next version with another default configuration, to upgrade to.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
from pathlib import Path

from tests.lab.guest.guest import CHECKOUT, python
from tests.lab.kit.commands import run

NAME = "pf-status-relay"
DIST = CHECKOUT / "dist"
NEXT = CHECKOUT / "build" / "next"
"""The source of the next version, unpacked, with a `dist` of its own."""
NEXT_INTERVAL_MS = 2000
"""polling_interval_ms in the next version's default configuration."""
DEBIAN = Path("/etc/debian_version")
FORCED = ("--force-debian",) if DEBIAN.exists() and DEBIAN.read_text().startswith("12.") else ()
"""Debian 12's rpm refuses to install otherwise. Debian 13's does not know the option."""
NETWORK = "--define=__transaction_unshare %{nil}"
"""Debian 13's rpm 4.20 runs scriptlets without a network, where they see no PF. RHEL 10's 4.19 does not."""
RPM = ("rpm", "--dbpath=/run/rpm", NETWORK, *FORCED)
"""rpm with a database in the guest's memory."""


class PackageError(Exception):
    """The package could not be built; the message says why."""


# On the host


def build() -> None:
    """Build both packages, if anything that goes into them has changed. Raises PackageError."""
    make(CHECKOUT)
    NEXT.parent.mkdir(exist_ok=True)
    with (NEXT.parent / "next.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        built = (DIST / ".ingredients").read_text()
        if not (NEXT / "from").exists() or (NEXT / "from").read_text() != built:
            unpack_next()
            make(NEXT)
            (NEXT / "from").write_text(built)


def make(tree: Path, *arguments: str) -> None:
    """Run packaging/build in a source tree."""
    done = subprocess.run(
        ["packaging/build", *arguments],
        cwd=tree,
        env={**os.environ, "PYTHON": python()},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise PackageError(f"the RPM does not build:\n{done.stdout}{done.stderr}")


def unpack_next() -> None:
    """Make the next version's source from the source package that was just built."""
    shutil.rmtree(NEXT, ignore_errors=True)
    NEXT.mkdir(parents=True)
    (archive,) = (CHECKOUT / "build" / "rpm" / "SOURCES").glob(f"{NAME}-*.tar.gz")
    subprocess.run(
        ["tar", "--extract", "--strip-components=1", "--file", archive, "--directory", NEXT], check=True
    )
    substitute(NEXT / "packaging" / "rpm.spec", r"^(Version: *\S+)", r"\1.1")
    substitute(NEXT / "pf_status_relay" / "__init__.py", r'^(__version__ = "[^"]+)', r"\1.1")
    substitute(NEXT / "etc" / f"{NAME}.toml", r"^(polling_interval_ms =).*", rf"\1 {NEXT_INTERVAL_MS}")


def substitute(path: Path, pattern: str, by: str) -> None:
    """Replace the one line that a regular expression matches."""
    text, count = re.subn(pattern, by, path.read_text(), flags=re.MULTILINE)
    assert count == 1, f"{path}: {pattern} matches {count} times"
    path.write_text(text)


def of(tree: Path) -> Path:
    """Return the package that was built of a tree."""
    (found,) = (tree / "dist").glob(f"{NAME}-*.noarch.rpm")
    return found


def current() -> Path:
    """Return the package of the checkout."""
    return of(CHECKOUT)


def following() -> Path:
    """Return the package of the next version."""
    return of(NEXT)


# In a guest


def install(package: Path) -> str:
    """Install a package. rpm does not know Debian's packages; tests/packages-apt.txt has what it needs."""
    return run(*RPM, "--install", "--nodeps", str(package))


def upgrade(package: Path) -> str:
    """Upgrade to a package; return what rpm said."""
    done = subprocess.run(
        [*RPM, "--upgrade", "--nodeps", str(package)], capture_output=True, text=True, check=True
    )
    return done.stdout + done.stderr


def erase() -> str:
    """Erase the package; return what rpm said."""
    done = subprocess.run([*RPM, "--erase", NAME], capture_output=True, text=True, check=True)
    return done.stdout + done.stderr


def files() -> list[Path]:
    """Return the files and folders of the installed package."""
    return [Path(line) for line in run(*RPM, "--query", "--list", NAME).splitlines()]


def changed() -> list[str]:
    """Return what is not as the package installed it, as `rpm --verify` says."""
    done = subprocess.run([*RPM, "--verify", "--nodeps", NAME], capture_output=True, text=True, check=False)
    return done.stdout.splitlines()
