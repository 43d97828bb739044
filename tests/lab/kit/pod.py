"""A pod that bonds one VF of each of two PFs, and what its traffic runs through.

SIMULATED: netdevsim's VFs carry no traffic, so a VF's data path is a veth pair here. `Nic` plays the part
of the NIC's firmware, which gives a VF carrier by its link state: auto is the PF's carrier, enable is up,
disable is down. Everything else is real: the PFs, their VF link states, LACP, and the bond in the pod.

    pod (netns)            host            switch (netns)         target (netns)
    net1 ─ veth ─ (VF of PF 1, played by Nic) ─ fabric ─ veth ─┐
    bond0                                                      ├─ bridge with the target's address
    net2 ─ veth ─ (VF of PF 2, played by Nic) ─ fabric ─ veth ─┘
"""

from __future__ import annotations

import contextlib
import re
import select
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tests.lab.kit import observer, waiting
from tests.lab.kit.commands import ip, run
from tests.lab.kit.switch import Switch
from tests.lab.kit.topology import Pf
from tests.support import rtnetlink as nl

POD, TARGET = "pod", "target"
POD_ADDRESS, TARGET_ADDRESS = "192.0.2.1", "192.0.2.2"
FABRIC = "fabric"


class Nic:
    """Plays the NICs: follows VFs' link states, and gives the VFs' data paths carrier accordingly.

    It looks when the kernel announces a change of a PF, and every 20 ms in any case.
    """

    def __init__(self, vfs: Sequence[tuple[Pf, int, str, str]]) -> None:
        """Make the pod. `vfs`: each VF's PF and number, netns and name of its veth end on the NIC's side."""
        self._vfs = vfs
        self._up: dict[str, bool] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="nic", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        events = nl.RouteSocket(groups=nl.RTMGRP_LINK)
        while not self._stop.is_set():
            for pf, vf, netns, end in self._vfs:
                self._follow(pf, vf, netns, end)
            if select.select([events], [], [], 0.020)[0]:
                with contextlib.suppress(OSError):  # events were lost: look, as after any event
                    events.receive()

    def _follow(self, pf: Pf, vf: int, netns: str, end: str) -> None:
        link = observer.read(pf.ifindex, vfs=True)
        if link is None or vf >= len(link.vf_states):
            up = False
        else:
            up = {"auto": link.carrier, "enable": True, "disable": False}[link.vf_states[vf]]
        if self._up.get(end) != up:
            ip(f"link set dev {end} {'up' if up else 'down'}", netns=netns)
            self._up[end] = up

    def stop(self) -> None:
        """Stop following; the data paths stay as they are."""
        self._stop.set()
        self._thread.join()


class Pod:
    """A pod with an active-backup bond (bond0, miimon 100) over net1 and net2, which are VF `vf` of two PFs.

    The PFs must be cabled, to two switches. `address` is the pod's, `target` answers pings through either
    switch.
    """

    address = POD_ADDRESS
    target = TARGET_ADDRESS

    def __init__(self, first: Pf, second: Pf, vf: int = 0) -> None:
        ip(f"netns add {POD}", f"netns add {TARGET}")
        ip("link add name br0 type bridge", "link set dev br0 up", netns=TARGET)
        ip("link set dev lo up", f"address add {TARGET_ADDRESS}/24 dev br0", netns=TARGET)
        ip("link set dev lo up", "link add name bond0 type bond mode active-backup miimon 100", netns=POD)
        nic = []
        for number, pf in enumerate((first, second), start=1):
            self._lay(pf.switch, number)
            nic.append((pf, vf, pf.switch.name, f"vf{number}"))
        ip(f"address add {POD_ADDRESS}/24 dev bond0", "link set dev bond0 up", netns=POD)
        self.nic = Nic(nic)

    def _lay(self, switch: Switch, number: int) -> None:
        """Lay the data path from the pod's net1 or net2 through a switch to the target."""
        uplink = f"uplink{number}"
        ip(
            f"link add name {FABRIC} type bridge",
            f"link add name vf{number} type veth peer name net{number} netns {POD}",
            f"link add name {uplink} type veth peer name {uplink} netns {TARGET}",
            f"link set dev vf{number} master {FABRIC}",
            f"link set dev {uplink} master {FABRIC} up",
            f"link set dev {FABRIC} up",
            netns=switch.name,
        )
        ip(f"link set dev {uplink} master br0 up", netns=TARGET)
        ip(f"link set dev net{number} master bond0", netns=POD)

    def silence(self, pf: Pf) -> None:
        """Let the switch of a PF die with its carrier up: it forwards nothing and sends nothing any more."""
        pf.cable.silence()
        ip(f"link set dev {FABRIC} down", netns=pf.switch.name)

    def revive(self, pf: Pf) -> None:
        """Undo `silence`."""
        ip(f"link set dev {FABRIC} up", netns=pf.switch.name)
        pf.cable.revive()

    def bonding(self) -> str:
        """Return the pod's /proc/net/bonding/bond0."""
        return run("ip", "netns", "exec", POD, "cat", "/proc/net/bonding/bond0")

    def active_port(self) -> str | None:
        """Return the port that the pod's bond uses: "net1", "net2" or None."""
        return active_port(self.bonding())

    def ping(self, output: Path, *, interval: float = 0.1) -> Ping:
        """Start pinging the target every `interval` seconds."""
        return Ping(output, interval)


def active_port(bonding: str) -> str | None:
    """Return the port that a bond uses, in the text of its /proc/net/bonding file."""
    found = re.search(r"^Currently Active Slave: (\S+)$", bonding, re.MULTILINE)
    return found.group(1) if found and found.group(1) != "None" else None


class Sent(NamedTuple):
    """One ping: when it left the pod (seconds, monotonic), and whether an answer came."""

    time: float
    answered: bool


class Ping:
    """A ping from the pod to the target. Its output, with wall-clock times, goes to a file."""

    def __init__(self, output: Path, interval: float) -> None:
        command = ["ip", "netns", "exec", POD, "ping", "-D", "-O", "-n", "-i", str(interval), TARGET_ADDRESS]
        self._output = output
        with output.open("wb") as file:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file)
        self.pid = self._process.pid
        waiting.wait_until(
            lambda: Path(f"/proc/{self.pid}/ns/net").samefile(f"/run/netns/{POD}"),
            within=5,
            what="ping in the pod",
        )

    def stop(self) -> tuple[int, int]:
        """End it. Returns how many pings were sent and how many were lost."""
        self._process.send_signal(2)
        self._process.wait()
        found = re.search(r"(\d+) packets transmitted, (\d+) received", self._output.read_text())
        assert found, f"ping says nothing: {self._output.read_text()}"
        sent, received = int(found.group(1)), int(found.group(2))
        return sent, sent - received

    def longest_silence(self) -> float:
        """Return the longest time between two answers, in seconds."""
        found = re.findall(r"^\[([0-9.]+)\] \d+ bytes from", self._output.read_text(), re.MULTILINE)
        answers = [float(time) for time in found]
        return max(later - earlier for earlier, later in zip(answers, answers[1:]))

    def answered(self) -> set[int]:
        """Return the numbers of the pings that were answered, from 1."""
        return set(map(int, re.findall(r"bytes from .* icmp_seq=(\d+)", self._output.read_text())))


class PodRecorder:
    """Reads the pod's active port and how many pings have left it every `interval` seconds, in a thread.

    Both are read from the pod's /proc/net, which the /proc folder of ping leads to: so no process has to be
    started in the pod. Stop the recorder before ping.
    """

    def __init__(self, ping: Ping, interval: float) -> None:
        self.ports: list[tuple[float, str | None]] = []
        """The active port from a time on (seconds, monotonic)."""
        self._ping = ping
        self._folder = Path(f"/proc/{ping.pid}/net")
        self._sent: list[float] = []
        self._interval = interval
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pod recorder", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.wait(self._interval):
            self._look()

    def _look(self) -> None:
        port = active_port((self._folder / "bonding" / "bond0").read_text())
        sent = echo_requests((self._folder / "snmp").read_text())
        now = time.monotonic()
        if not self.ports or self.ports[-1][1] != port:
            self.ports.append((now, port))
        self._sent += [now] * (sent - len(self._sent))

    def stop(self) -> None:
        """End the thread."""
        self._stop.set()
        self._thread.join()

    def pings(self) -> list[Sent]:
        """Return the pings that left the pod until `stop`. Ask once ping has ended and all answers are in."""
        answered = self._ping.answered()
        return [Sent(time, number in answered) for number, time in enumerate(self._sent, start=1)]

    def failed_over(self, port: str, *, since: float) -> float:
        """Return when a port was active first (seconds, monotonic) since a time. Fails if it never was."""
        times = [time for time, active in self.ports if active == port and time >= since]
        assert times, f"{port} was not active: {self.ports}"
        return times[0]


def echo_requests(snmp: str) -> int:
    """Return how many ICMP echo requests were sent, in the text of a network namespace's /proc/net/snmp."""
    names, counts = (line.split() for line in snmp.splitlines() if line.startswith("Icmp:"))
    return int(dict(zip(names, counts))["OutEchos"])
