"""The lab's kernel: builds User-Mode Linux once, and keeps the binary in the user's cache folder.

`python -m tests.lab.guest.kernel` prints the binary's path, after building it if need be. The source is
Debian's package linux-source-6.12, or on other distributions an unpacked tree of Linux 6.12 or later named by
PF_STATUS_RELAY_KERNEL_SOURCE.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

FRAGMENT = Path(__file__).with_name("kernel.config")
PATCH = Path(__file__).with_name("kernel.patch")
PACKAGES = Path(__file__).with_name("packages.txt")
SOURCE_VARIABLE = "PF_STATUS_RELAY_KERNEL_SOURCE"
SOURCE_ARCHIVE = Path("/usr/src/linux-source-6.12.tar.xz")
TOOLS = ("make", "gcc", "strip", "flex", "bison", "bc", "patch", "tar", "xz")
TRIED = "6.12.117"
"""The release that patch and configuration were tried with last. Debian's package moves on by itself."""
FLAGS = ("-O1", "-w")
"""Optimise less than by default, and do not warn: the build takes less time."""
EXPECTED_OBJECTS = 689
"""How many files a build compiles: only the progress bar's scale."""
NEEDED_BYTES = 2 << 30
NEEDED_FOLDERS = (
    *("arch/um", "arch/x86", "drivers/base", "drivers/char", "drivers/pps", "drivers/ptp", "drivers/tty"),
    *("block", "certs", "crypto", "fs", "include", "init", "io_uring", "ipc", "kernel", "lib", "mm", "net"),
    *("scripts", "security", "usr"),
)
NEEDED_FILES = ("Kconfig*", "Makefile*", "Kbuild*")
"""The parts of the source that are unpacked. The configuration reads every Kconfig file there is."""
UNNEEDED = ("*/drivers/net/ethernet/*.[chS]", "*/drivers/net/wireless/*.[chS]")
"""Parts of them (`net` also means drivers/net) that are not."""


class KernelError(Exception):
    """The kernel cannot be built. The message says what to do."""


@dataclasses.dataclass(frozen=True)
class Source:
    """Where the kernel's source comes from: an archive or a tree, and its version."""

    path: Path
    version: str


def source() -> Source | None:
    """Return the source to build from, None without one. Raises KernelError if the named one is unusable."""
    named = os.environ.get(SOURCE_VARIABLE)
    if named:
        return Source(Path(named).resolve(), tree_version(Path(named)))
    if SOURCE_ARCHIVE.exists():
        query = ["dpkg-query", "--show", "--showformat=${Version}", "linux-source-6.12"]
        done = subprocess.run(query, capture_output=True, text=True, check=False)
        facts = SOURCE_ARCHIVE.stat()
        return Source(SOURCE_ARCHIVE, done.stdout.strip() or f"6.12-{facts.st_size}-{int(facts.st_mtime)}")
    return None


def tree_version(tree: Path) -> str:
    """Return the version that a kernel tree's Makefile states, such as 6.12.117."""
    try:
        text = (tree / "Makefile").read_text()
    except OSError as error:
        raise KernelError(
            f"{SOURCE_VARIABLE}={tree} is not a kernel source tree: {error.strerror}"
        ) from error
    words = dict(re.findall(r"^(VERSION|PATCHLEVEL|SUBLEVEL|EXTRAVERSION) *= *(\S*)$", text, re.MULTILINE))
    if not {"VERSION", "PATCHLEVEL", "SUBLEVEL"} <= words.keys():
        raise KernelError(f"{SOURCE_VARIABLE}={tree} is not a kernel source tree: no version")
    return "{VERSION}.{PATCHLEVEL}.{SUBLEVEL}{EXTRAVERSION}".format_map({"EXTRAVERSION": "", **words})


def cache_folder() -> Path:
    """Return where built kernels are kept."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(base) / "pf-status-relay"


def recipe() -> str:
    """Return a short hash of configuration, patch and flags: it tells kernels of the same source apart."""
    parts = (FRAGMENT.read_bytes(), PATCH.read_bytes(), " ".join(FLAGS).encode())
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:12]


def cached() -> Path | None:
    """Return the kernel already built from the source found; without a source, the newest of this recipe."""
    found = source()
    if found is not None:
        binary = binary_of(found)
        return binary if binary.exists() else None
    binaries = sorted(cache_folder().glob(f"linux-*-{recipe()}"), key=lambda binary: binary.stat().st_mtime)
    return binaries[-1] if binaries else None


def binary_of(found: Source) -> Path:
    """Return where the kernel of a source is kept."""
    version = re.sub(r"[^0-9A-Za-z.+~]", "_", found.version)
    return cache_folder() / f"linux-{version}-{recipe()}"


def kernel() -> Path:
    """Return the kernel's binary, built now if it is not cached. Raises KernelError."""
    binary = cached()
    if binary is not None:
        return binary
    found = source()
    if found is None:
        raise KernelError(
            f"there is no kernel source: apt-get install linux-source-6.12, or set {SOURCE_VARIABLE} to an"
            " unpacked tree of Linux 6.12 or later"
        )
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        names = ", ".join(missing)
        raise KernelError(f"to build the kernel, {names} must be installed (Debian: see {PACKAGES.name})")
    if shutil.disk_usage(tempfile.gettempdir()).free < NEEDED_BYTES:
        raise KernelError(f"to build the kernel, {tempfile.gettempdir()} needs 2 GiB free (or set TMPDIR)")
    cache_folder().mkdir(parents=True, exist_ok=True)
    with locked(cache_folder() / "lock"):
        binary = binary_of(found)  # perhaps somebody else built it in the meantime
        if not binary.exists():
            build(found, binary)
    return binary


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Let one process build at a time."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def build(found: Source, binary: Path) -> None:
    """Build a kernel in a temporary folder. The binary appears in the cache whole or not at all."""
    with tempfile.TemporaryDirectory(prefix="pf-status-relay-kernel-") as folder:
        tree, out, log = Path(folder, "source"), Path(folder, "build"), Path(folder, "log")
        tree.mkdir()
        bar = ProgressBar(f"kernel {found.version}")
        bar.show(0.0)
        unpack(found.path, tree)
        apply_patch(found, tree, log)
        make = ["make", "ARCH=um", f"O={out}", "KBUILD_BUILD_USER=lab", "KBUILD_BUILD_HOST=lab"]
        make.append(f"KCFLAGS={' '.join(FLAGS)}")
        out.mkdir()
        step([*make, f"KCONFIG_ALLCONFIG={FRAGMENT}", "allnoconfig"], tree, log)
        check_configuration(found, out / ".config")
        try:
            compile_all([*make, f"-j{len(os.sched_getaffinity(0))}", "linux"], tree, log, bar)
        except KernelError as error:
            raise KernelError(f"Linux {found.version} does not build{moved(found)}:\n{error}") from None
        fresh = binary.with_name(f".{binary.name}.{os.getpid()}")
        step(["strip", "-o", str(fresh), str(out / "linux")], tree, log)
        fresh.rename(binary)
        bar.show(1.0)


def moved(found: Source) -> str:
    """Return what to do if this source is not the release that was tried; empty if it is."""
    if found.version.startswith(TRIED):
        return ""
    return (
        f". The last release tried was {TRIED}: adapt {PATCH.name} or {FRAGMENT.name} in tests/lab/guest,"
        f" or set {SOURCE_VARIABLE} to an unpacked tree of Linux {TRIED}"
    )


def apply_patch(found: Source, tree: Path, log: Path) -> None:
    """Apply the lab's patch. Raises KernelError, which says which file has changed upstream."""
    try:
        step(["patch", "-p1", "--forward", "--batch", "--reject-file=-", "-i", str(PATCH)], tree, log)
    except KernelError as error:
        told = f"tests/lab/guest/{PATCH.name} does not apply to Linux {found.version}{moved(found)}"
        raise KernelError(f"{told}:\n{error}") from None


def unpack(path: Path, tree: Path) -> None:
    """Unpack the needed parts of an archive, or copy those of a tree."""
    wanted = [f"*/{folder}/*" for folder in NEEDED_FOLDERS] + [f"*/{name}" for name in NEEDED_FILES]
    excluded = [f"--exclude={part}" for part in UNNEEDED]
    if path.is_dir():
        reading = ["tar", "--create", "--exclude-vcs", "-C", str(path.parent), path.name]
    else:
        reading = ["xz", "--decompress", "--stdout", "-T0", str(path)]
    writing = ["tar", "--extract", "--strip-components=1", "-C", str(tree), "--wildcards", *excluded, *wanted]
    with subprocess.Popen(reading, stdout=subprocess.PIPE) as reader:
        done = subprocess.run(writing, stdin=reader.stdout, capture_output=True, text=True, check=False)
    if done.returncode or reader.returncode:
        raise KernelError(f"cannot unpack {path}: {done.stderr.strip()}")


def check_configuration(found: Source, config: Path) -> None:
    """Fail if the kernel's configuration system dropped a line of the fragment, as it silently does."""
    have = set(config.read_text().splitlines())
    wanted = [line for line in FRAGMENT.read_text().splitlines() if line.startswith("CONFIG_")]
    dropped = [line for line in wanted if line not in have]
    if dropped:
        told = (
            f"Linux {found.version} does not accept {', '.join(dropped)} of tests/lab/guest/{FRAGMENT.name}"
        )
        raise KernelError(told + moved(found))


def compile_all(command: Sequence[str], tree: Path, log: Path, bar: ProgressBar) -> None:
    """Run the long step of the build, and show how far it is by the objects that make names."""
    with (
        log.open("wb") as record,
        subprocess.Popen(command, cwd=tree, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as compiler,
    ):
        assert compiler.stdout is not None
        objects = 0
        for line in compiler.stdout:
            record.write(line)
            if line.split(None, 1)[:1] in ([b"CC"], [b"AS"], [b"HOSTCC"]):
                objects += 1
                bar.show(min(objects / EXPECTED_OBJECTS, 0.99))
    if compiler.returncode:
        raise KernelError(tail(log))


def step(command: Sequence[str], tree: Path, log: Path) -> None:
    """Run one short step of the build in the tree."""
    with log.open("w") as record:
        done = subprocess.run(command, cwd=tree, stdout=record, stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        raise KernelError(f"{' '.join(command)} failed:\n{tail(log)}")


def tail(log: Path) -> str:
    """Return the last lines of a log."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-20:])


def clock(seconds: int) -> str:
    """Return minutes and seconds, as in 3:05."""
    return f"{seconds // 60}:{seconds % 60:02}"


def left(done: float, seconds: int) -> str:
    """Return how long the rest takes at the pace so far; empty at the beginning and at the end."""
    if not 0.05 <= done < 1:
        return ""
    return f", about {clock(round(seconds * (1 - done) / done))} left"


class ProgressBar:
    """A bar on standard error; on anything but a terminal, a line for every tenth."""

    WIDTH = 40

    def __init__(self, title: str) -> None:
        self._title = title
        self._start = time.monotonic()
        self._displayed = -1

    def show(self, done: float) -> None:
        """Show how much is done: 0.0 to 1.0."""
        terminal = sys.stderr.isatty()
        steps = int(done * (100 if terminal else 10))
        if steps == self._displayed:
            return
        self._displayed = steps
        filled = int(done * self.WIDTH)
        seconds = int(time.monotonic() - self._start)
        line = (
            f"{self._title} [{'#' * filled}{'.' * (self.WIDTH - filled)}] {int(done * 100):3} %"
            f"  {clock(seconds)}{left(done, seconds)}"
        )
        end = "\n" if done >= 1 or not terminal else ""
        print(f"\r{line}\x1b[K" if terminal else line, end=end, file=sys.stderr, flush=True)


def main() -> int:
    """Build if need be, and print the path."""
    try:
        print(kernel())
    except KernelError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
