"""The lock that keeps two of our relays from setting the VFs of one host's PFs.

It is flock(2) on a file in the RuntimeDirectory, `lock-` and the inode number of the network namespace
(namespaces(7)): relays in different namespaces have different PFs. The kernel frees it when its process
ends, however that ends. Others cannot open the file, so that no user can keep the service from its work.

systemd removes the RuntimeDirectory when the service has ended, and with it the file of a relay by hand
that has the lock meanwhile. So the holder takes it again before each round, in a new file if need be. If
another process took it in between, this one waits.
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
"""Seconds between looks whether the lock is free."""

_NETWORK = "/proc/self/ns/net"


class Lock:
    """The lock of this process's network namespace.

    It is kept from `take` to the end of the process, or until somebody removes its file.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._folder = state_file.runtime_directory(environment) or state_file.PATH.parent
        self._descriptor: int | None = None

    def take(self) -> int | None:
        """Take the lock; return the process that has it, 0 if that is not known, and None if it is ours now.

        Where there can be no lock, without root or on a read-only disk, it counts as ours: relaying is
        worth more.
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
        with suppress(OSError):  # it is only for telling
            os.ftruncate(descriptor, 0)
            os.write(descriptor, b"%d\n" % os.getpid())
        return None

    def _open(self) -> int:
        """Open the file, which no process that is started from this one inherits. Raises OSError."""
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
    """Take the lock, or wait while another relay has it, unless `stopped`; return whether it is ours.

    This is for the service: systemd would start it again each second if it ended. `sleep` waits for so many
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
