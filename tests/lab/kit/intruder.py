"""What somebody would try who has taken the service over: one attempt each, in a process of its own.

The sandbox's scenarios run this as a script, inside the unit's sandbox and outside of it. It prints one
JSON object: of each attempt asked for what became of it, "done" or the name of the errno. It stands alone, as
the unit's user cannot read the checkout.
"""

from __future__ import annotations

import ctypes
import errno
import json
import mmap
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Callable

Attempt = Callable[[], object]

OWN_FOLDER = Path(os.environ.get("RUNTIME_DIRECTORY", "/run/lab"))
METRICS_FOLDER = Path("/var/lib/node_exporter/textfile_collector")
PROGRAM = "/usr/bin/true"
PTRACE_TRACEME = 0
SCHED_FIFO = 1
SYSLOG_SIZE_BUFFER = 10
CLONE_NEWUSER = 0x10000000

_libc = ctypes.CDLL(None, use_errno=True)

SYSTEM_CALLS: dict[str, tuple[int, tuple[object, ...]]] = {
    # asm/unistd_64.h. With these arguments none does anything, even where it is allowed.
    "ptrace": (101, (PTRACE_TRACEME, 0, 0, 0)),
    "pivot_root": (155, (None, None)),
    "chroot": (161, (None,)),
    "acct": (163, (b"/nonexistent",)),
    "mount": (165, (None, None, None, 0, None)),
    "umount2": (166, (None, 0)),
    "swapon": (167, (None, 0)),
    "reboot": (169, (0, 0, 0, None)),
    "sethostname": (170, (None, 5)),
    "ioperm": (173, (0, 0xFFFFFFF, 1)),
    "init_module": (175, (None, 0, None)),
    "delete_module": (176, (None, 0)),
    "clock_settime": (227, (0, None)),
    "mbind": (237, (None, 0, 0, None, 0, 0)),
    "kexec_load": (246, (0, 0, None, 0)),
    "add_key": (248, (None, None, None, 0, 0)),
    "keyctl": (250, (0, 0, 0, 0, 0)),
    "unshare": (272, (0,)),
    "perf_event_open": (298, (None, 0, -1, -1, 0)),
    "fanotify_init": (300, (0xFFFFFFF, 0)),
    "open_by_handle_at": (304, (-1, None, 0)),
    "setns": (308, (-1, 0)),
    "process_vm_readv": (310, (os.getpid(), None, 0, None, 0, 0)),
    "finit_module": (313, (-1, None, 0)),
    "seccomp": (317, (99, 0, None)),
    "memfd_create": (319, (b"code", 0)),
    "bpf": (321, (0, None, 0)),
    "userfaultfd": (323, (0xFFFFFFF,)),
    "execveat": (322, (-1, None, None, None, 0)),
    "io_uring_setup": (425, (0, None)),
    "open_tree": (428, (-1, None, 0)),
    "fsopen": (430, (None, 0)),
    "pidfd_getfd": (438, (-1, 0, 0)),
    "setuid": (105, (os.getuid(),)),
    "setgroups": (116, (0, None)),
    "listen": (50, (-1, 0)),
    "accept4": (288, (-1, None, None, 0)),
    "mlockall": (151, (0xFFFFFFF,)),
    "setpriority": (141, (0, 0, 0)),
    "sched_setaffinity": (203, (0, 0, None)),
    "symlink": (88, (None, None)),
    "mknod": (133, (None, 0, 0)),
    "setxattr": (188, (None, None, None, 0, 0)),
}


def system_call(number: int, arguments: Sequence[object]) -> Attempt:
    """Return an attempt to make a system call."""

    def attempt() -> None:
        if _libc.syscall(number, *arguments) < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

    return attempt


def writing(folder: str) -> Attempt:
    """Return an attempt to make a file in a folder. The file is removed again."""

    def attempt() -> None:
        path = Path(folder, "intruder-was-here")
        path.touch()
        path.unlink()

    return attempt


def opening(path: str, flags: int = os.O_RDONLY) -> Attempt:
    """Return an attempt to open a file."""
    return lambda: os.close(os.open(path, flags))


def a_socket(family: int, kind: int, protocol: int = 0) -> Attempt:
    """Return an attempt to open a socket."""
    return lambda: socket.socket(family, kind, protocol).close()


def own_program(folder: Path) -> Path:
    """Run a program in a place that the unit may write to."""
    path = folder / "program"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o755)
    with open(descriptor, "wb") as file, open(PROGRAM, "rb") as source:
        shutil.copyfileobj(source, file)
    return path


def run_own_program(folder: Path) -> None:
    """Run a program from a place that the unit may write to."""
    subprocess.run([str(own_program(folder))], check=True)


def load_own_library(folder: Path) -> None:
    """Map a file from such a place as code, as dlopen(3) does."""
    with own_program(folder).open("rb") as file:
        mmap.mmap(file.fileno(), 4096, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_EXEC).close()


def map_writable_code() -> None:
    """Map memory that can be written and run."""
    mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC).close()


def make_memory_code() -> None:
    """Try to run code in memory that was written to."""
    memory = mmap.mmap(-1, 4096)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    if _libc.mprotect(ctypes.c_void_p(address), 4096, mmap.PROT_READ | mmap.PROT_EXEC) < 0:
        raise OSError(ctypes.get_errno(), "mprotect")


def become_root_by_a_program() -> None:
    """Run a program that is setuid root."""
    done = subprocess.run(["/usr/bin/setuid-id", "-u"], capture_output=True, text=True, check=True)
    if done.stdout != "0\n":
        raise PermissionError(errno.EPERM, "it is not root")


def make_setuid() -> None:
    """Make a file of its own setuid."""
    descriptor = os.open(OWN_FOLDER / "setuid", os.O_WRONLY | os.O_CREAT, 0o600)
    os.fchmod(descriptor, stat.S_ISUID | 0o700)


def clone_into_user_namespace() -> None:
    """Start a process in a user namespace of its own, in which it would have every capability."""
    process = _libc.syscall(56, CLONE_NEWUSER | signal.SIGCHLD, 0, 0, 0, 0)
    if process < 0:
        raise OSError(ctypes.get_errno(), "clone")
    if process == 0:
        os._exit(0)
    os.waitpid(process, 0)


def see_others() -> None:
    """See other users' processes."""
    if not Path("/proc/1/cmdline").exists():
        raise PermissionError(errno.EPERM, "there are none")


def have_more_capabilities() -> None:
    """Find another capability than CAP_NET_ADMIN in any of its sets."""
    lines = Path("/proc/self/status").read_text().splitlines()
    sets = [int(line.split()[1], 16) for line in lines if line.startswith("Cap")]
    if not any(each & ~(1 << 12) for each in sets):
        raise PermissionError(errno.EPERM, "there is none")


ATTEMPTS: dict[str, dict[str, Attempt]] = {
    "system calls": {name: system_call(*call) for name, call in SYSTEM_CALLS.items()},
    "capabilities": {
        "another capability": have_more_capabilities,
        "give a file away": lambda: os.chown("/run/lab/request", 1, 1),
        "read what is root's": opening("/etc/shadow"),
        "signal init": lambda: os.kill(1, 0),
    },
    "sockets": {
        "IPv4": a_socket(socket.AF_INET, socket.SOCK_DGRAM),
        "IPv4, raw": a_socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP),
        "packets": a_socket(socket.AF_PACKET, socket.SOCK_RAW),
    },
    "writing": {
        folder: writing(folder)
        for folder in (
            *("/", "/etc", "/usr", "/usr/lib/pf-status-relay", "/var", "/var/lib", "/home", "/root", "/boot"),
            *("/run", "/opt", "/srv", "/tmp", "/var/tmp", "/dev", "/dev/shm", "/dev/mqueue"),
        )
    }
    | {
        path: opening(path, os.O_WRONLY)
        for path in (
            "/etc/pf-status-relay.toml",
            "/usr/bin/pf-status-relay",
            "/proc/sys/kernel/pid_max",
            "/proc/sysrq-trigger",
            "/sys/bus/netdevsim/new_device",
            "/sys/fs/cgroup/cgroup.procs",
        )
    },
    "devices": {
        "/dev/kmsg": opening("/dev/kmsg"),
        "/dev/console": opening("/dev/console"),
        "kernel log": system_call(103, (SYSLOG_SIZE_BUFFER, None, 0)),
        "a device by another name": opening("/run/lab-device"),
    },
    "others": {
        "processes": see_others,
        "/root": lambda: os.listdir("/root"),
        "files in /tmp": lambda: os.stat("/tmp/of-the-host"),
    },
    "memory": {"writable code": map_writable_code, "memory made code": make_memory_code},
    "privileges": {
        "setuid program": become_root_by_a_program,
        "setuid file": make_setuid,
        "realtime": lambda: os.sched_setscheduler(0, SCHED_FIFO, os.sched_param(1)),
        "user namespace": clone_into_user_namespace,
        "personality": system_call(135, (0x0400000,)),
    },
    "code": {
        "own program": lambda: run_own_program(OWN_FOLDER),
        "own library": lambda: load_own_library(OWN_FOLDER),
        "program among the metrics": lambda: run_own_program(METRICS_FOLDER),
        "library among the metrics": lambda: load_own_library(METRICS_FOLDER),
    },
    # What the service does need, to show that the sandbox is not merely broken.
    "needed": {
        "its own folder": writing(str(OWN_FOLDER)),
        "metrics": writing(str(METRICS_FOLDER)),
        "netlink": a_socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE),
        "unix": a_socket(socket.AF_UNIX, socket.SOCK_DGRAM),
        "a program of the host": lambda: subprocess.run([PROGRAM], check=True),
        "configuration": opening("/etc/pf-status-relay.toml"),
    },
}


def outcome(attempt: Attempt) -> str:
    """Make an attempt in a process of its own, and say what became of it."""
    reader, writer = os.pipe()
    process = os.fork()
    if process == 0:
        try:
            attempt()
            said = "done"
        except OSError as error:
            said = errno.errorcode.get(error.errno or 0, str(error))
        except BaseException as error:
            said = repr(error)
        os.write(writer, said.encode())
        os._exit(0)
    os.close(writer)
    with open(reader, "rb") as result:
        text = result.read().decode()
    _, status = os.waitpid(process, 0)
    return text or f"ended with {status}"


if __name__ == "__main__":
    print(json.dumps({name: outcome(attempt) for name, attempt in ATTEMPTS[sys.argv[1]].items()}))
