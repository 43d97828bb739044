"""The program under test, run as a process: its log events with the times at which they came."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.lab.guest.guest import CHECKOUT
from tests.lab.kit import tracing
from tests.lab.kit.waiting import wait_until

Event = dict[str, Any]
"""A log event: the keys of its JSON line, and "at", when it came (seconds, monotonic)."""


def toml(interfaces: Sequence[str], polling_interval_ms: int | None) -> str:
    """Return a configuration file."""
    text = f"interfaces = {json.dumps(list(interfaces))}\n"
    return text if polling_interval_ms is None else f"{text}polling_interval_ms = {polling_interval_ms}\n"


def command(*words: str) -> list[str]:
    """Return the command line that runs the program under test, outside the service."""
    return [*tracing.strace(words[0]), tracing.interpreter(), "-m", "pf_status_relay", *words]


class Relay:
    """A running relay. Its output goes to relay-N.log and relay-N.err in the results folder too."""

    def __init__(self, arguments: Sequence[str], environment: Mapping[str, str], record: Path) -> None:
        self.lines: list[str] = []
        self.started_at = time.monotonic()
        self._events: list[Event] = []
        self._record = record
        self._error = record.with_suffix(".err")
        with self._error.open("wb") as error:
            self.process = subprocess.Popen(
                command(*arguments),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=error,
                cwd=CHECKOUT,
                env={**os.environ, **environment},
            )
        self._reader = threading.Thread(target=self._read, name=record.stem, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout, self._record.open("w") as record:
            for raw in self.process.stdout:
                now = time.monotonic()
                line = raw.decode(errors="replace")
                record.write(f"{now:10.3f} {line}")
                record.flush()
                self.lines.append(line.rstrip("\n"))
                with contextlib.suppress(ValueError):
                    event = json.loads(line)
                    if isinstance(event, dict):
                        self._events.append({**event, "at": now})

    @property
    def pid(self) -> int:
        """Return the process's number in the guest."""
        return self.process.pid

    @property
    def status(self) -> int | None:
        """Return the exit status, negative for a signal; None while it runs."""
        return self.process.poll()

    @property
    def stderr(self) -> str:
        """Return what it has written to standard error so far."""
        return self._error.read_text(errors="replace")

    def events(self, msg: str | None = None, *, since: float = 0.0, **keys: object) -> list[Event]:
        """Return the events with this message and these keys that came at `since` or later, oldest first."""
        return [
            event
            for event in list(self._events)
            if (msg is None or event.get("msg") == msg)
            and event["at"] >= since
            and all(event.get(key) == value for key, value in keys.items())
        ]

    def wait_for(self, msg: str, *, within: float = 5.0, since: float = 0.0, **keys: object) -> Event:
        """Wait for an event and return it, the first if there are several.

        One that came earlier counts too, from `since` (monotonic seconds) on. Fails after `within` seconds.
        """
        wanted = " ".join([f"event {msg!r}", *(f"{key}={value!r}" for key, value in keys.items())])
        wait_until(
            lambda: self.events(msg, since=since, **keys) or self.status is not None,
            within=within,
            what=lambda: f"{wanted}; got:\n{self.log()}",
        )
        self._finish_reading()
        found = self.events(msg, since=since, **keys)
        assert found, f"the relay ended with status {self.status} before {wanted}:\n{self.log()}"
        return found[0]

    def log(self) -> str:
        """Return all it has printed, for a failure's message."""
        return "\n".join([*self.lines, self.stderr])

    def running(self) -> bool:
        """Return whether the process has not ended."""
        return self.status is None

    @property
    def configuration(self) -> Path:
        """Return the configuration file that it was given, if it was given one."""
        return self._record.with_suffix(".toml")

    def wakeups(self) -> int:
        """Return how often it has woken so far: the voluntary context switches of its one thread."""
        lines = Path("/proc", str(self.pid), "status").read_text().splitlines()
        (count,) = (line.split()[1] for line in lines if line.startswith("voluntary_ctxt_switches"))
        return int(count)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def stop(self, *, within: float = 5.0) -> int:
        """Ask it to end (SIGTERM), and return its exit status, negative for a signal."""
        self.signal(signal.SIGTERM)
        return self.wait(within=within)

    def kill(self) -> None:
        """End it without a chance to say goodbye (SIGKILL)."""
        self.signal(signal.SIGKILL)
        self.wait(within=5.0)

    def wait(self, *, within: float) -> int:
        """Wait until it has ended, and return its exit status, negative for a signal."""
        wait_until(lambda: self.status is not None, within=within, what=f"the end of the relay\n{self.log()}")
        self._finish_reading()
        assert self.status is not None
        return self.status

    def _finish_reading(self) -> None:
        if self.status is not None:
            self._reader.join()
