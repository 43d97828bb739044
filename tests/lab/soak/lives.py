"""The relay's lives in a sequence: one process after the other, started, stopped, killed, frozen, overrun."""

from __future__ import annotations

import itertools
import json
import os
import signal
import time
from contextlib import suppress
from pathlib import Path

from tests.lab.kit import observer
from tests.lab.kit.lab import Lab
from tests.lab.kit.program import Relay, toml
from tests.lab.kit.storm import LinkStorm
from tests.lab.kit.waiting import wait_until
from tests.lab.soak.history import History

STORM_PER_SECOND, STORM_S = 1000, 2.0
OVERRUN_EVENTS = 10_000
"""More than the relay's event socket holds (8 MiB)."""


class Life:
    """One process of the relay.

    `awake`: from when until when it could act (monotonic seconds; None: it still can). `overruns`: when it
    lost link events. `storms_asleep`: how many storms came while it could not listen; it may have lost events
    in each. `reloads`: when it was told to read its configuration again. `used`: now and then, how many
    descriptors it had open, and its memory in KiB. One descriptor for each file of port states, and those of
    connections to bfdd, are not counted.
    """

    def __init__(self, relay: Relay) -> None:
        self.relay = relay
        self.awake: list[tuple[float, float | None]] = [(relay.started_at, None)]
        self.killed = False
        self.overruns: list[float] = []
        self.storms_asleep = 0
        self.reloads: list[float] = []
        self.used: list[tuple[int, int]] = []

    def is_awake(self) -> bool:
        """Return whether it runs, and is not frozen."""
        return self.awake[-1][1] is None

    def sleeps(self, since: float) -> None:
        """Note that it cannot act from now on."""
        self.awake[-1] = (self.awake[-1][0], since)

    def measure(self, connections: int) -> None:
        """Note what the process uses now, if it runs, with so many connections to bfdd."""
        if not self.relay.running():
            return
        process = Path(f"/proc/{self.relay.pid}")
        files = min((self._files(process) for _ in range(3)), key=len)
        followed = [file for file in files if file.endswith("_oper_port_state")]
        descriptors = len(files) - len(set(followed)) - connections
        (rss,) = (line for line in (process / "status").read_text().splitlines() if line.startswith("VmRSS"))
        self.used.append((descriptors, int(rss.split()[1])))

    @staticmethod
    def _files(process: Path) -> list[str]:
        """Return what it has open. Some of that is open for a moment only, as the folder of drains is."""
        time.sleep(0.001)
        files: list[str] = []
        for descriptor in (process / "fd").iterdir():
            with suppress(FileNotFoundError):
                files.append(os.readlink(descriptor))
        return files


class Lives:
    """The steps that happen to the relay. Each returns what it did, in words; an empty text if nothing."""

    def __init__(
        self,
        lab: Lab,
        history: History,
        interfaces: tuple[str, ...],
        interval_ms: int,
        group: tuple[str, ...],
        bfd_socket: Path | None,
    ) -> None:
        self.all: list[Life] = []
        self._lab = lab
        self._history = history
        self._interfaces = interfaces
        self._config_text = toml(interfaces, interval_ms)
        if group:
            self._config_text += f"redundancy_groups = [{json.dumps(group)}]\n"
        if bfd_socket:
            self._config_text += f'bfd_socket = "{bfd_socket}"\n'
        self._bystanders = (f"bystander{number}" for number in itertools.count())

    @property
    def last(self) -> Life:
        """Return the process that was started last."""
        return self.all[-1]

    def start(self) -> str:
        """Start the relay, if it does not run."""
        if self.all and self.last.relay.running():
            return ""
        relay = self._lab.relay(config_text=self._config_text, arguments=["--log-level", "debug"])
        self.all.append(Life(relay))
        return "the relay is started"

    def stop(self) -> str:
        """Send SIGTERM."""
        if not self.last.is_awake():
            return ""
        self.last.sleeps(self._lab.now)
        self.last.relay.stop()
        return "the relay is stopped"

    def kill(self) -> str:
        """Send SIGKILL, to a frozen process too."""
        if not self.last.relay.running():
            return ""
        if self.last.is_awake():
            self.last.sleeps(self._lab.now)
        self.last.relay.kill()
        self.last.killed = True
        return "the relay is killed"

    def freeze(self) -> str:
        """Send SIGSTOP."""
        if not self.last.is_awake():
            return ""
        self.last.sleeps(self._lab.now)
        self.last.relay.signal(signal.SIGSTOP)
        return "the relay is frozen"

    def thaw(self) -> str:
        """Send SIGCONT."""
        if self.last.is_awake() or not self.last.relay.running():
            return ""
        self.last.awake.append((self._lab.now, None))
        self.last.relay.signal(signal.SIGCONT)
        return "the relay is thawed"

    def reload(self, good: bool) -> str:
        """Send SIGHUP, with the configuration as it is, or with a faulty one in its place for some time."""
        if not self.last.is_awake():
            return ""
        file = self.last.relay.configuration
        text = file.read_text()
        if not good:
            file.write_text("interfaces = [")
        said = len(self.last.relay.events())
        self.last.reloads.append(self._lab.now)
        self.last.relay.signal(signal.SIGHUP)
        what = "configuration was reloaded" if good else "configuration was refused"
        wait_until(lambda: self.last.relay.events()[said:] != [], within=2, what=what)
        file.write_text(text)
        return f"the relay is told to read a {'good' if good else 'broken'} configuration"

    def wake(self) -> None:
        """Make it look at the drains, as the command does, if it runs."""
        if self.last.relay.running():
            self.last.relay.signal(signal.SIGURG)

    def storm(self) -> str:
        """Cause link events of an unrelated interface, for a while."""
        if not self.last.is_awake():
            self.last.storms_asleep += 1
        self._storm(STORM_PER_SECOND, STORM_S)
        return f"{STORM_PER_SECOND} unrelated link events a second come for {STORM_S:g} s"

    def overrun(self, goes_on: bool) -> str:
        """Cause more link events at once than the relay's socket holds; the relay `goes_on`, or stays frozen.

        They are of a PF: those of others do not pass the relay's filter.
        """
        links = map(observer.read, self._interfaces)
        heard = [link.name for link in links if link is not None and link.carrier]
        if not heard or not self.freeze():
            return ""
        LinkStorm(OVERRUN_EVENTS * 100, 0.01, heard[0]).wait()
        self.last.overruns.append(self._lab.now)
        if goes_on:
            self.thaw()
        return f"the relay's event socket overruns{'' if goes_on else ', and the relay is frozen'}"

    def _storm(self, per_second: int, seconds: float) -> LinkStorm:
        name = next(self._bystanders)
        storm = LinkStorm(per_second, seconds, name)
        link = observer.read(name)
        assert link is not None
        self._history.ignored.add(link.ifindex)
        return storm
