"""What a scenario has in hand: the `lab` fixture's object."""

from __future__ import annotations

import itertools
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from pf_status_relay.core.events import Event
from tests.lab.guest.guest import CHECKOUT
from tests.lab.kit import service, waiting
from tests.lab.kit.frr import INTERVAL_MS, Frr, Session
from tests.lab.kit.personalities import Personality
from tests.lab.kit.program import Relay, command, toml
from tests.lab.kit.recorder import Recorder
from tests.lab.kit.storm import LinkStorm
from tests.lab.kit.switch import Cable, Switch
from tests.lab.kit.topology import Bond, Bridge, Pf

RESULTS = Path("/run/lab")
"""The one folder of the guest that outlives it."""


class Lab:
    """A guest's network, and the program in it. All times are the guest's, in seconds; see `now`."""

    def __init__(self) -> None:
        self.recorder = Recorder(interval=0.010)
        self.relays: list[Relay] = []
        self._frrs: dict[str | None, Frr] = {}
        self._subnets = itertools.count()
        self._switches = (f"sw{number}" for number in itertools.count())
        self._bonds = (f"bond{number}" for number in itertools.count())

    # The network

    def pf(self, name: str, vfs: int = 4, *, driver: Personality | None = None) -> Pf:
        """Make a PF with VFs in state "auto", up, without a bond. Without a cable, it has carrier.

        `driver` is the real driver that its own imitates (personalities.py). By default, its own never fails.
        """
        return Pf(name, vfs, driver)

    def bond(self, name: str, mode: str = "802.3ad", lacp_rate: str = "fast", miimon: int = 100) -> Bond:
        """Make a bond without ports. It comes up with the first one."""
        return Bond(name, mode, lacp_rate, miimon)

    def bridge(self, name: str) -> Bridge:
        """Make a bridge without ports. It comes up with the first one."""
        return Bridge(name)

    def switch(self, name: str, lacp_rate: str = "fast") -> Switch:
        """Make a switch without ports; `lacp_rate` is the rate that it asks of the host."""
        return Switch(name, lacp_rate)

    def cable(self, pf: Pf, switch: Switch) -> Cable:
        """Connect a PF to a new port of a switch. `pf.cable` and `pf.switch` are then set."""
        return Cable(pf, switch.port())

    def pf_with_lacp(
        self,
        name: str,
        vfs: int = 4,
        *,
        driver: Personality | None = None,
        bond: str | None = None,
        switch: Switch | None = None,
        lacp_rate: str = "fast",
        switch_rate: str = "fast",
        wait: bool = True,
    ) -> Pf:
        """Return a PF in a single-port 802.3ad bond, cabled, both ends 63/63 (unless `wait` is false).

        A new bond (bond0, bond1, …) and a new switch (sw0, sw1, …) unless they are given. The bond's
        `lacp_rate` is the rate that the host asks of the switch (the actor's Timeout bit), `switch_rate`
        the other way round; with a slow one, the states to wait for are 61 on that end.
        """
        pf = self.pf(name, vfs, driver=driver)
        self.bond(bond or next(self._bonds), lacp_rate=lacp_rate).add(pf)
        self.cable(pf, switch or self.switch(next(self._switches), switch_rate))
        if wait:
            pf.wait_for_lacp(63 if lacp_rate == "fast" else 61, 63 if switch_rate == "fast" else 61)
        return pf

    def bfd(self, pf: Pf, interval_ms: int = INTERVAL_MS) -> Session:
        """Return a BFD session of a PF's bond with its switch, up, by FRR at both ends. LACP has to be up."""
        host = self._frr(None)
        return Session(host, self._frr(pf.switch), pf, next(self._subnets), interval_ms)

    def _frr(self, switch: Switch | None) -> Frr:
        """Return the host's FRR, or a switch's."""
        name = switch.name if switch else None
        if name not in self._frrs:
            self._frrs[name] = Frr(switch)
        return self._frrs[name]

    def link_storm(self, per_second: int, seconds: float) -> LinkStorm:
        """Start sending link events of an unrelated interface; return at once."""
        return LinkStorm(per_second, seconds)

    # The program

    def relay(
        self,
        interfaces: Sequence[str] | None = None,
        polling_interval_ms: int | None = None,
        *,
        environment: Mapping[str, str] | None = None,
        arguments: Sequence[str] = (),
        config_text: str | None = None,
    ) -> Relay:
        """Start `pf-status-relay run --log-format json`, and return when it has printed something or ended.

        With `interfaces` or `config_text` it gets a configuration file, otherwise only the environment.
        `arguments` are added.
        """
        number = len(self.relays) + 1
        words = ["run", "--log-format", "json"]
        if interfaces is not None and config_text is None:
            config_text = toml(interfaces, polling_interval_ms)
        if config_text is not None:
            config = RESULTS / f"relay-{number}.toml"
            config.write_text(config_text)
            words += ["--config", str(config)]
        relay = Relay([*words, *arguments], environment or {}, RESULTS / f"relay-{number}.log")
        self.relays.append(relay)
        self.wait_until(
            lambda: relay.lines or relay.status is not None, within=10, what="the relay's first line"
        )
        return relay

    def call(
        self, *words: str, interfaces: Sequence[str] | None = None, uid: int = 0
    ) -> subprocess.CompletedProcess[str]:
        """Run a command of the program to its end.

        With `interfaces` it gets a configuration file that names them. `uid` is the user; one other than root
        has no capabilities, and runs the installed program: the checkout may be closed to it.
        """
        line = [*words]
        if interfaces is not None:
            config = RESULTS / "call.toml"
            config.write_text(toml(interfaces, None))
            line += ["--config", str(config)]
        if uid:
            line = ["setpriv", f"--reuid={uid}", "--clear-groups", service.PROGRAM, *line]
        else:
            line = command(*line)
        return subprocess.run(line, cwd=CHECKOUT, capture_output=True, text=True, check=False)

    # The service, in scenarios marked `systemd`

    def write_config(self, text: str) -> None:
        """Write the service's configuration file."""
        service.CONFIGURATION.write_text(text)

    def configure(self, interfaces: Sequence[str], polling_interval_ms: int | None = None) -> None:
        """Write the service's configuration file from values."""
        self.write_config(toml(interfaces, polling_interval_ms))

    def start_service(self, *interfaces: str) -> int:
        """Configure the service for these interfaces and start it; return its process."""
        self.configure(interfaces)
        self.systemctl("start", "pf-status-relay")
        return int(self.show("MainPID"))

    def systemctl(self, *arguments: str, check: bool = True) -> str:
        """Run systemctl and return what it printed."""
        return service.systemctl(*arguments, check=check)

    def show(self, name: str, unit: str = service.UNIT) -> str:
        """Return a property of a unit."""
        return service.show(name, unit)

    def journal(
        self, unit: str | None = service.UNIT, *, event: type[Event] | None = None, **fields: object
    ) -> list[service.Entry]:
        """Return a unit's journal entries of this event and with these field values, oldest first."""
        if event is not None:
            fields["MESSAGE_ID"] = event.message_id
        return service.journal(unit, **fields)

    # Time

    @property
    def now(self) -> float:
        """Return the guest's monotonic time in seconds, which events and samples carry too."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        time.sleep(seconds)

    def wait_until(
        self,
        condition: Callable[[], object],
        *,
        within: float,
        what: str | Callable[[], str],
        poll: float = waiting.POLL,
    ) -> float:
        """Wait until a condition holds; return the seconds that took; fail after `within` seconds.

        It looks every 10 ms; give a larger `poll` (0.25) if the condition runs a command, such as systemctl.
        """
        return waiting.wait_until(condition, within=within, what=what, poll=poll)

    def record(self, *pfs: Pf) -> Recorder:
        """Start recording PFs, every 10 ms."""
        self.recorder.watch(*pfs)
        return self.recorder

    def close(self) -> None:
        """End what still runs and leave the timelines in the results folder."""
        for relay in self.relays:
            if relay.running():
                relay.kill()
        for frr in self._frrs.values():
            frr.close()
        if self.recorder.timelines:
            self.recorder.stop()
            (RESULTS / "timeline").write_text(f"{self.recorder}\n")
