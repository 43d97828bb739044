"""The lab's kernel: builds User-Mode Linux once, and keeps the binary in the user's cache folder.

`python -m tests.lab.kernel` prints the binary's path, after building it if need be. The source is Debian's
package linux-source-6.12, or on other distributions an unpacked tree of Linux 6.12 or later named by
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
EXPECTED_OBJECTS = 762
"""How many files a build compiles: only the progress bar's scale."""
NEEDED_BYTES = 2 << 30
UNNEEDED_DRIVERS = ("gpu", "media", "infiniband", "staging", "scsi", "usb", "iio", "hwmon", "mtd")
UNNEEDED_NETWORK = ("ethernet", "wireless", "can", "dsa")
UNNEEDED_MACHINES = ("arm", "arm64", "mips", "powerpc", "riscv", "s390", "sparc", "m68k", "sh")
UNNEEDED = (
    *("Documentation", "samples", "sound", "rust", "tools/perf", "tools/testing"),
    *(f"arch/{name}" for name in UNNEEDED_MACHINES),
    *(f"drivers/{name}" for name in UNNEEDED_DRIVERS),
    *(f"drivers/net/{name}" for name in UNNEEDED_NETWORK),
)
"""Parts of the source that this kernel compiles nothing of; their Kconfig files are still needed."""


class KernelError(Exception):
    """The kernel cannot be built. The message says what to do."""


@dataclasses.dataclass(frozen=True)
class Source:
    """Where the kernel's source comes from: an archive or a tree, and its version."""

    path: Path
    version: str


def source() -> Source | None:
    """The source to build from, None if there is none. Raises KernelError if the named one is unusable."""
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
    """The version that a kernel tree's Makefile states, such as 6.12.117."""
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
    """Where built kernels are kept."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(base) / "pf-status-relay"


def recipe() -> str:
    """What distinguishes kernels of the same source: the configuration and the patch, as a short hash."""
    return hashlib.sha256(FRAGMENT.read_bytes() + b"\0" + PATCH.read_bytes()).hexdigest()[:12]


def cached() -> Path | None:
    """The kernel built before from the source there is; without a source, the newest one of this recipe."""
    found = source()
    if found is not None:
        binary = binary_of(found)
        return binary if binary.exists() else None
    binaries = sorted(cache_folder().glob(f"linux-*-{recipe()}"), key=lambda binary: binary.stat().st_mtime)
    return binaries[-1] if binaries else None


def binary_of(found: Source) -> Path:
    """Where the kernel of a source is kept."""
    version = re.sub(r"[^0-9A-Za-z.+~]", "_", found.version)
    return cache_folder() / f"linux-{version}-{recipe()}"


def kernel() -> Path:
    """The kernel's binary, built now if it is not cached. Raises KernelError."""
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
    """Lets one process build at a time."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def build(found: Source, binary: Path) -> None:
    """Builds a kernel in a temporary folder. The binary appears in the cache whole or not at all."""
    with tempfile.TemporaryDirectory(prefix="pf-status-relay-kernel-") as folder:
        tree, out, log = Path(folder, "source"), Path(folder, "build"), Path(folder, "log")
        tree.mkdir()
        bar = ProgressBar(f"kernel {found.version}")
        bar.show(0.0)
        unpack(found.path, tree)
        step(["patch", "-p1", "--silent", "-i", str(PATCH)], tree, log)
        make = ["make", "ARCH=um", f"O={out}", "KBUILD_BUILD_USER=lab", "KBUILD_BUILD_HOST=lab"]
        out.mkdir()
        step([*make, f"KCONFIG_ALLCONFIG={FRAGMENT}", "allnoconfig"], tree, log)
        check_configuration(out / ".config")
        compile_all([*make, f"-j{len(os.sched_getaffinity(0))}", "linux"], tree, log, bar)
        fresh = binary.with_name(f".{binary.name}.{os.getpid()}")
        step(["strip", "-o", str(fresh), str(out / "linux")], tree, log)
        fresh.rename(binary)
        bar.show(1.0)


def unpack(path: Path, tree: Path) -> None:
    """Unpacks an archive, or copies a tree, without the parts that are not needed."""
    excluded = [f"--exclude=*/{part}/*.[chS]" for part in UNNEEDED] + ["--exclude=*.dts", "--exclude=*.rst"]
    if path.is_dir():
        reading = ["tar", "--create", "--exclude-vcs", "-C", str(path.parent), path.name]
    else:
        reading = ["xz", "--decompress", "--stdout", "-T0", str(path)]
    writing = ["tar", "--extract", "--strip-components=1", "-C", str(tree), *excluded]
    with subprocess.Popen(reading, stdout=subprocess.PIPE) as reader:
        done = subprocess.run(writing, stdin=reader.stdout, capture_output=True, text=True, check=False)
    if done.returncode or reader.returncode:
        raise KernelError(f"cannot unpack {path}: {done.stderr.strip()}")


def check_configuration(config: Path) -> None:
    """Fails if the kernel's configuration system dropped a line of the fragment, as it silently does."""
    have = set(config.read_text().splitlines())
    wanted = [line for line in FRAGMENT.read_text().splitlines() if line.startswith("CONFIG_")]
    dropped = [line for line in wanted if line not in have]
    if dropped:
        raise KernelError(f"this kernel source does not accept {', '.join(dropped)} of {FRAGMENT.name}")


def compile_all(command: Sequence[str], tree: Path, log: Path, bar: ProgressBar) -> None:
    """Runs the long step of the build, and shows how far it is by the objects that make names."""
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
        raise KernelError("the kernel does not build:\n" + tail(log))


def step(command: Sequence[str], tree: Path, log: Path) -> None:
    """Runs one short step of the build in the tree."""
    with log.open("w") as record:
        done = subprocess.run(command, cwd=tree, stdout=record, stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        raise KernelError(f"{' '.join(command)} failed:\n{tail(log)}")


def tail(log: Path) -> str:
    """The last lines of a log."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-20:])


class ProgressBar:
    """A bar on standard error; on anything but a terminal, a line for every tenth."""

    WIDTH = 40

    def __init__(self, title: str) -> None:
        self._title = title
        self._start = time.monotonic()
        self._shown = -1

    def show(self, done: float) -> None:
        """Shows how much is done: 0.0 to 1.0."""
        terminal = sys.stderr.isatty()
        steps = int(done * (100 if terminal else 10))
        if steps == self._shown:
            return
        self._shown = steps
        filled = int(done * self.WIDTH)
        seconds = int(time.monotonic() - self._start)
        line = (
            f"{self._title} [{'#' * filled}{'.' * (self.WIDTH - filled)}] {int(done * 100):3} %"
            f"  {seconds // 60}:{seconds % 60:02}"
        )
        end = "\n" if done >= 1 or not terminal else ""
        print(f"\r{line}" if terminal else line, end=end, file=sys.stderr, flush=True)


def main() -> int:
    """Builds if need be, and prints the path."""
    try:
        print(kernel())
    except KernelError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
