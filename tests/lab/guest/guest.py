"""A guest: the lab's kernel as a process, with the host's files read-only, running one command to its end."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import platform
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[3]
INIT = Path(__file__).with_name("init")
VIRTUAL_START = 1_893_456_000
"""When a guest in virtual time boots, by its own clock: 2030-01-01, in seconds since 1970."""
SYSTEM_VARIABLE = "PF_STATUS_RELAY_LAB_SYSTEM"
"""Environment variable of host and guest: the system that guests have, if not the host's (system.py)."""
SYSTEM_ENVIRONMENT = "opt/lab"
"""In that system's root, its virtual environment with the project's dependencies."""


class GuestError(Exception):
    """A guest that could not be started, or did not run its command to the end."""


@dataclasses.dataclass(frozen=True)
class Result:
    """What a guest left.

    `status` is the command's exit status (0 to 255), `output` what it printed, `console` what the kernel
    and systemd said, `folder` where the command's other results lie: /run/lab in the guest.
    """

    status: int
    output: str
    console: str
    folder: Path


def python() -> str:
    """Return the interpreter that has the project's dependencies: the checkout's .venv if there is one.

    In a guest that has another system it is that one's.
    """
    candidate = CHECKOUT / ".venv" / "bin" / "python"
    is_ours = candidate.exists() and not os.environ.get(SYSTEM_VARIABLE)
    return str(candidate) if is_ours else sys.executable


def cannot_run() -> str | None:
    """Return why no guest can run on this machine, in one line; None if one can."""
    if platform.system() != "Linux" or platform.machine() != "x86_64":
        return f"the lab's kernel runs on Linux x86_64 only, this is {platform.system()} {platform.machine()}"
    for tool in ("setpriv", "taskset"):
        if shutil.which(tool) is None:
            return f"the lab needs {tool} (Debian package util-linux)"
    return None


def results_folder() -> Path:
    """Return a new folder for a guest's results. The kernel's command line cannot carry blanks."""
    folder = Path(tempfile.mkdtemp(prefix="pf-status-relay-lab-"))
    if any(character.isspace() or character in ",'\"" for character in str(folder)):
        folder.rmdir()
        raise GuestError(
            f"the lab needs a temporary folder without blanks, commas or quotes, not {folder} (TMPDIR)"
        )
    return folder


def run(
    command: Sequence[str],
    *,
    kernel: Path,
    folder: Path,
    virtual_time: bool = True,
    systemd: bool = False,
    install: bool = True,
    network_manager: bool = False,
    cpu: int | None = None,
    memory_mb: int = 512,
    timeout: float = 120.0,
    environment: Mapping[str, str] | None = None,
    root: Path = Path("/"),
) -> Result:
    """Boot a guest, run `command` in the checkout as root, and return what it left in `folder`.

    - `virtual_time`: the guest's clock jumps to the next timer as soon as nobody computes; otherwise it is
      the host's.
    - `systemd`: PID 1 is systemd and the service is installed, not started; otherwise PID 1 is a shell.
    - `install`: false leaves the service uninstalled under systemd, for the command to install the RPM.
    - `network_manager`: NetworkManager and udev are there too, under systemd, and not started.
    - `cpu`: the host CPU to stay on, by default the last allowed one. Moving between CPUs is slow.
    - `timeout`: in the host's seconds.
    - `root`: the folder that the guest sees as its files: the host's, or another system's (system.py).

    Raises GuestError if the kernel does not start, crashes, or has not ended after `timeout`.
    """
    prepare(
        folder,
        command,
        systemd=systemd,
        install=install,
        network_manager=network_manager,
        environment=environment or {},
        root=root,
    )
    arguments = [
        *("taskset", "-c", str(max(os.sched_getaffinity(0)) if cpu is None else cpu)),
        # However this process ends, its guest ends with it.
        *("setpriv", "--pdeathsig", "KILL"),
        *(str(kernel), f"mem={memory_mb}M", "root=/dev/root", "rootfstype=hostfs", "hostfs=/", "ro"),
        *(f"init={folder}/init", f"uml_dir={folder}", "umid=uml", f"LAB_RESULTS={folder}"),
        *("bonding.max_bonds=0", "dummy.numdummies=0", "random.trust_cpu=1", "panic=-1", "quiet"),
        *("con=null", "con0=null,fd:1", "con1=null", "ssl=null"),
    ]
    if virtual_time:
        arguments += ["time-travel=inf-cpu", f"time-travel-start={VIRTUAL_START * 10**9}"]
    ended = supervise(arguments, folder, memory_mb, timeout)
    shutil.rmtree(folder / "uml", ignore_errors=True)
    return collect(folder, ended)


def prepare(
    folder: Path,
    command: Sequence[str],
    *,
    systemd: bool,
    install: bool,
    network_manager: bool,
    environment: Mapping[str, str],
    root: Path,
) -> None:
    """Leave in `folder` what init and the guest will read there."""
    for stale in ("status", "output"):
        with contextlib.suppress(FileNotFoundError):
            (folder / stale).unlink()
    environment_folder = CHECKOUT / ".venv" if root == Path("/") else root / SYSTEM_ENVIRONMENT
    packages = sorted((environment_folder / "lib").glob("python3*/site-packages"))
    request = {
        "CHECKOUT": str(CHECKOUT),
        "SYSTEMD": "yes" if systemd else "no",
        "INSTALL": "yes" if install else "no",
        "NETWORK_MANAGER": "yes" if network_manager else "no",
        "SITE_PACKAGES": str(packages[-1]) if packages else "",
        "ROOT": str(root),
    }
    (folder / "request").write_text(
        "".join(f"{name}={shlex.quote(text)}\n" for name, text in request.items())
    )
    words = {"HOME": "/root", "LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"}
    words.update({"PYTHONHASHSEED": "0", **environment})  # a guest does the same each time
    exports = "".join(f"export {name}={shlex.quote(text)}\n" for name, text in words.items())
    (folder / "command").write_text(f"{exports}cd {shlex.quote(str(CHECKOUT))}\nexec {shlex.join(command)}\n")
    shutil.copy(INIT, folder / "init")


def supervise(arguments: Sequence[str], folder: Path, memory_mb: int, timeout: float) -> str:
    """Run the kernel and return how it ended, in words that follow "the guest"."""
    environment = {"PATH": os.environ.get("PATH", os.defpath), "TERM": "linux", "HOME": "/root"}
    if not room_in_shared_memory(memory_mb):
        environment["TMPDIR"] = tempfile.gettempdir()  # slower, but a full /dev/shm kills the guest
    with (folder / "console").open("wb") as console:
        try:
            process = subprocess.Popen(
                arguments,
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                env=environment,
                cwd=folder,
                start_new_session=True,
            )
        except OSError as error:
            raise GuestError(f"cannot start the guest: {error}") from error
        try:
            status = process.wait(timeout)
        except subprocess.TimeoutExpired:
            return f"did not end within {timeout:g} s and was killed"
        finally:
            kill_session(process)
    return f"crashed by {signal.Signals(-status).name}" if status < 0 else "ended before its command did"


def room_in_shared_memory(memory_mb: int) -> bool:
    """Return whether /dev/shm can back a guest's memory (containers often have 64 MB there)."""
    try:
        return shutil.disk_usage("/dev/shm").free > memory_mb << 20
    except OSError:
        return False


def kill_session(process: subprocess.Popen[bytes]) -> None:
    """Kill the kernel and the processes that hold its guest's address spaces: they share its session."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def collect(folder: Path, ended: str) -> Result:
    """Read what the guest left; GuestError if its command has no exit status."""
    output, console = (read_text(folder / name) for name in ("output", "console"))
    try:
        status = int((folder / "status").read_text())
    except (FileNotFoundError, ValueError):
        lines = list(last_lines(output, 20)) + list(last_lines(console, 20))
        raise GuestError("\n".join([f"the guest {ended}; its results are in {folder}", *lines])) from None
    return Result(status, output, console, folder)


def read_text(path: Path) -> str:
    """Return a file's text, however broken; empty if there is none."""
    return path.read_text(errors="replace") if path.exists() else ""


def last_lines(text: str, count: int) -> Iterator[str]:
    """Return the last `count` lines, without carriage returns."""
    return (line.rstrip("\r") for line in text.splitlines()[-count:])
