"""Another system for guests than the host's: Debian 13 (systemd 257, Python 3.13), in the user's cache.

`python -m tests.lab.guest.system trixie` prints its root folder, after making it by debootstrap if need be.
That takes root. Debian's packages come from the mirror that apt is configured with. pytest, and what the
program needs, are those that requirements/test.txt locks; the modules of systemd and YAML are compiled, and
are Debian's.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.lab.guest.guest import CHECKOUT, SYSTEM_ENVIRONMENT, SYSTEM_VARIABLE
from tests.lab.guest.kernel import ProgressBar, cache_folder, locked, tail

NAMES = {"trixie": "Debian 13 (trixie)"}
LOCK = CHECKOUT / "requirements" / "test.txt"
FROM_LOCK = (
    *("iniconfig", "packaging", "pluggy", "prometheus-client", "pygments", "pyroute2", "pytest", "sdnotify"),
    *("tomli-w",),
)
"""What is installed of the lock: pure Python, which the host's pip can install for another version."""
VIRTUAL_ENVIRONMENT = "home = /usr/bin\ninclude-system-site-packages = true\n"
"""Its pyvenv.cfg: Debian's modules are found there too. The system's own Python has none of this."""
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
DEBOOTSTRAP = Path("/usr/sbin/debootstrap")
EXPECTED_LINES = 680
"""How many lines debootstrap prints: only the progress bar's scale."""


class SystemUnavailableError(Exception):
    """There is no such system here, and making it failed. The message says why."""


def chosen() -> str | None:
    """Return the name of the system that guests are to have; None: the host's."""
    return os.environ.get(SYSTEM_VARIABLE) or None


def packages(name: str) -> list[str]:
    """Return the packages of Debian that the system has beside debootstrap's variant minbase."""
    lines = Path(__file__).with_name(f"{name}.txt").read_text().splitlines()
    return [line for line in lines if not line.startswith("#")]


def locked_packages() -> str:
    """Return the part of the lock that is installed, with its hashes."""
    requirements = re.split(r"^(?=\w)", LOCK.read_text(), flags=re.MULTILINE)
    return "".join(each for each in requirements if each.split("==")[0] in FROM_LOCK)


def root(name: str) -> Path:
    """Return where the system's root folder is, or will be, by a hash of what it is made of."""
    if name not in NAMES:
        raise SystemUnavailableError(f"the lab has no system {name}, only {', '.join(NAMES)}")
    recipe = "\n".join([*packages(name), SYSTEM_ENVIRONMENT, VIRTUAL_ENVIRONMENT, locked_packages()])
    return cache_folder() / f"{name}-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"


def system(name: str) -> Path:
    """Return the system's root folder, made now if it is not cached. Raises SystemUnavailableError."""
    folder = root(name)
    if folder.exists():
        return folder
    if not DEBOOTSTRAP.exists():
        raise SystemUnavailableError(f"to make {NAMES[name]}, debootstrap must be installed")
    cache_folder().mkdir(parents=True, exist_ok=True)
    with locked(cache_folder() / f"{name}.lock"):
        if not folder.exists():  # perhaps somebody else made it in the meantime
            make(name, folder)
    return folder


def make(name: str, folder: Path) -> None:
    """Make the system. It appears in the cache whole or not at all."""
    print(
        f"Installing {NAMES[name]} into {folder}, for the lab's guests alone: its least system with\n"
        f"{', '.join(packages(name))},\nand of {LOCK.relative_to(CHECKOUT)} {', '.join(FROM_LOCK)}",
        file=sys.stderr,
    )
    fresh = folder.with_name(f".{folder.name}.{os.getpid()}")
    bar = ProgressBar(NAMES[name])
    bar.show(0.0)
    try:
        with tempfile.TemporaryDirectory(prefix="pf-status-relay-system-") as temporary:
            log = Path(temporary, "log")
            options = ["--variant=minbase", f"--keyring={KEYRING}", f"--include={','.join(packages(name))}"]
            bootstrap([str(DEBOOTSTRAP), *options, name, str(fresh), mirror()], log, bar)
            make_environment(fresh, Path(temporary), log)
        as_root(["rm", "-rf", f"{fresh}/var/cache/apt", f"{fresh}/var/lib/apt/lists"])
        as_root(["mv", str(fresh), str(folder)])
    finally:
        as_root(["rm", "-rf", "--one-file-system", str(fresh)])
    bar.show(1.0)


def mirror() -> str:
    """Return the mirror of Debian that apt is configured with."""
    targets = ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", "Label: Debian"]
    found = subprocess.run(targets, capture_output=True, text=True, check=False).stdout.split()
    if not found:
        raise SystemUnavailableError("apt is configured with no mirror of Debian")
    return found[0].rstrip("/")


def bootstrap(command: Sequence[str], log: Path, bar: ProgressBar) -> None:
    """Run debootstrap, and show how far it is by the lines that it prints."""
    with (
        log.open("wb") as record,
        subprocess.Popen(sudo(command), stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process,
    ):
        assert process.stdout is not None
        for number, line in enumerate(process.stdout):
            record.write(line)
            bar.show(min(number / EXPECTED_LINES, 0.99))
    if process.returncode:
        raise SystemUnavailableError(f"debootstrap failed:\n{tail(log)}")


def make_environment(fresh: Path, temporary: Path, log: Path) -> None:
    """Make a virtual environment of the system's Python with what is locked."""
    (library,) = fresh.glob("usr/lib/python3.*")
    environment = fresh / SYSTEM_ENVIRONMENT
    target = environment / "lib" / library.name / "site-packages"
    lock, configuration = temporary / "lock.txt", temporary / "pyvenv.cfg"
    lock.write_text(locked_packages())
    configuration.write_text(VIRTUAL_ENVIRONMENT)
    as_root(["mkdir", "-p", f"{environment}/bin"])
    as_root(["install", "-m", "644", str(configuration), f"{environment}/"])
    as_root(["ln", "-s", "/usr/bin/python3", f"{environment}/bin/python"])
    pip = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--root-user-action=ignore"]
    pip += ["--no-deps", "--require-hashes", "--no-build-isolation", "--no-compile", f"--target={target}"]
    with log.open("w") as record:
        done = subprocess.run(
            sudo([*pip, "-r", str(lock)]), stdout=record, stderr=subprocess.STDOUT, check=False
        )
    if done.returncode:
        raise SystemUnavailableError(f"pip failed:\n{tail(log)}")
    if compiled := [path.name for path in target.rglob("*.so")]:
        raise SystemUnavailableError(f"compiled for the host's Python: {', '.join(compiled)}")


def as_root(command: Sequence[str]) -> None:
    """Run a short command as root."""
    subprocess.run(sudo(command), check=True)


def sudo(command: Sequence[str]) -> list[str]:
    """Return the command that runs a command as root."""
    return [*command] if os.geteuid() == 0 else ["sudo", *command]


def main() -> int:
    """Make the system that is named if need be, and print its root folder."""
    try:
        print(system(sys.argv[1]))
    except SystemUnavailableError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
