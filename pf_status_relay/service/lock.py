"""The lock that keeps two processes of this program from setting the VFs of the same PFs.

It is flock(2) on a file in the RuntimeDirectory. The file's name is `lock-` and the inode number of the
network namespace (namespaces(7)): relays in different namespaces have different PFs. The kernel frees the
lock when its process ends in any way. Other users cannot open the file, so they cannot block the service.

systemd removes the RuntimeDirectory when the service has ended. That also removes the file of a relay that
was started by hand and has the lock meanwhile. So the holder takes the lock again before each round, in a new
file if necessary. If another process took it in between, this one waits.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Callable

from pf_status_relay.core.events import AnotherRelayRuns, Event
from pf_status_relay.service import state_file
from pf_status_relay.service.systemd import Notifier

LOOK_S = 1.0
"""Seconds between attempts to take the lock."""

_NETWORK = "/proc/self/ns/net"


class Lock:
    """The lock of this process's network namespace.

    The process has it from `take` to its end, or until somebody removes the file.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._folder = state_file.runtime_directory(environment) or state_file.PATH.parent
        self._descriptor: int | None = None

    def take(self) -> int | None:
        """Take the lock. Return None if this process has it now, or the pid that has it (0: unknown).

        Where there can be no lock, without root or on a read-only disk, return None: relaying matters more.
        """
        if self._descriptor is not None and os.fstat(self._descriptor).st_nlink:
            return None
        try:
            descriptor = self._open()
        except OSError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            said = os.read(descriptor, 20)
            os.close(descriptor)
            return int(said) if said.strip().isdigit() else 0
        except OSError:
            os.close(descriptor)
            return None
        if self._descriptor is not None:
            os.close(self._descriptor)
        self._descriptor = descriptor
        with suppress(OSError):  # the pid in the file only serves messages
            os.ftruncate(descriptor, 0)
            os.write(descriptor, b"%d\n" % os.getpid())
        return None

    def _open(self) -> int:
        """Open the file, so that child processes do not inherit the descriptor. Raises OSError."""
        with suppress(FileExistsError):
            os.mkdir(self._folder, 0o755)
        path = self._folder / f"lock-{os.stat(_NETWORK).st_ino}"
        # Through a symbolic link, root would write where the owner of the folder wants.
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def wait(
    lock: Lock,
    notifier: Notifier,
    tell: Callable[[Sequence[Event]], None],
    sleep: Callable[[float], None],
    stopped: Callable[[], bool],
) -> bool:
    """Take the lock, or wait while another relay has it, until `stopped`. Return whether this process has it.

    The service waits because systemd would restart it each second if it ended. `sleep` waits for the given
    seconds, or until a signal comes.
    """
    told: int | None = None
    while (holder := lock.take()) is not None:
        if told is None:
            tell([AnotherRelayRuns(holder)])
        if told != holder:
            notifier.status(f"waits for another relay to end (process {holder}), sets nothing")
            notifier.ready()
        told = holder
        notifier.cycle_done()
        sleep(LOOK_S)
        if stopped():
            return False
    return True
