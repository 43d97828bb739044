"""The other end: a switch (a network namespace that runs LACP too), and the cables to it."""

from __future__ import annotations

import json
import subprocess

from tests.lab.guest.guest import CHECKOUT, python
from tests.lab.kit.commands import ip, run, tc, write
from tests.lab.kit.topology import DEVICES, Pf, new_netdevsim

SLOW_PROTOCOLS = "0x8809"
"""The Ethertype of LACPDUs."""
ACTOR_STATE_OFFSET = 18
"""Offset of a LACPDU's actor state, in bytes after the Ethernet header (IEEE 802.1AX, 6.4.2)."""
DIRECTIONS = {"to_host": ("egress",), "to_switch": ("ingress",), "both": ("egress", "ingress")}


class Switch:
    """A switch. Each of its ports is a netdevsim in a fast 802.3ad bond of its own."""

    def __init__(self, name: str, lacp_rate: str = "fast") -> None:
        self.name = name
        self.lacp_rate = lacp_rate
        self.ports: list[SwitchPort] = []
        ip(f"netns add {name}")
        ip("link set dev lo up", netns=name)

    def port(self) -> SwitchPort:
        """Return a new port, up, with nothing plugged in."""
        port = SwitchPort(self, len(self.ports) + 1)
        self.ports.append(port)
        return port

    def announce(self, state: int | None) -> None:
        """Make all ports announce this actor state (0 to 255) in their LACPDUs; None: the true one again."""
        for port in self.ports:
            port.announce(state)

    def stop_aggregating(self) -> None:
        """Announce that it neither collects nor distributes. The partner's bits alone change, to 63/15."""
        self.announce(15)

    def resume_aggregating(self) -> None:
        """Undo stop_aggregating."""
        self.announce(None)


class SwitchPort:
    """One port of a switch. `name` is its interface and `bond` its bond, both in the switch's namespace.

    `announces_falsely` tells whether its LACPDUs are rewritten.
    """

    def __init__(self, switch: Switch, number: int) -> None:
        self.switch = switch
        self.name = f"port{number}"
        self.bond = f"lag{number}"
        _, interface = new_netdevsim()
        ip(f"link set dev {interface} netns {switch.name}")
        displayed = ip(
            f"link set dev {interface} name {self.name}",
            f"link add name {self.bond} type bond mode 802.3ad miimon 100 lacp_rate {switch.lacp_rate}",
            f"link set dev {self.name} master {self.bond}",
            f"link set dev {self.name} up",
            f"link set dev {self.bond} up",
            f"link show dev {self.name}",
            netns=switch.name,
        )
        self.ifindex = int(displayed.split(":", 1)[0])
        tc(f"qdisc add dev {self.name} clsact", netns=switch.name)
        self.announces_falsely = False

    def announce(self, state: int | None) -> None:
        """Rewrite the actor state of the LACPDUs that leave this port; None: no more."""
        if self.announces_falsely:
            tc(f"filter del dev {self.name} egress pref 2", netns=self.switch.name)
        if state is not None:
            tc(
                f"filter add dev {self.name} egress protocol {SLOW_PROTOCOLS} pref 2 matchall"
                f" action pedit munge offset {ACTOR_STATE_OFFSET} u8 set {state:#x}",
                netns=self.switch.name,
            )
        self.announces_falsely = state is not None


class Cable:
    """A cable between a PF and a switch port.

    `plugged` says whether it is in, `blocked` on which hooks of the switch's end LACPDUs are dropped.
    """

    def __init__(self, pf: Pf, port: SwitchPort) -> None:
        self.pf = pf
        self.port = port
        self.plugged = False
        self.blocked: set[str] = set()
        pf.cable = self
        # A netdevsim's operstate is UNKNOWN until its carrier has changed once.
        self.plug()
        self.pull()
        self.plug()

    def plug(self) -> None:
        """Plug the cable in: both ends get carrier if both are up."""
        with open("/proc/self/ns/net") as host, open(f"/run/netns/{self.port.switch.name}") as switch:
            write(
                f"{DEVICES}/link_device",
                f"{host.fileno()}:{self.pf.ifindex} {switch.fileno()}:{self.port.ifindex}",
            )
        self.plugged = True

    def pull(self) -> None:
        """Pull the cable: both ends lose carrier at once."""
        with open("/proc/self/ns/net") as host:
            write(f"{DEVICES}/unlink_device", f"{host.fileno()}:{self.pf.ifindex}")
        self.plugged = False

    def block_lacp(self, direction: str = "both") -> None:
        """Drop LACPDUs "to_host", "to_switch" or "both" ways. The carrier stays, and so do all other frames.

        The filters are on the switch's end, so that they outlive the PF and change nothing on the host.
        """
        for hook in DIRECTIONS[direction]:
            if hook not in self.blocked:
                tc(
                    f"filter add dev {self.port.name} {hook} protocol {SLOW_PROTOCOLS} pref 1"
                    " matchall action drop",
                    netns=self.port.switch.name,
                )
                self.blocked.add(hook)

    def silence(self) -> None:
        """Drop every frame, both ways: the switch is dead, and the carrier stays."""
        self._on_all_frames("add", " matchall action drop")

    def revive(self) -> None:
        """Undo `silence`."""
        self._on_all_frames("del", "")

    def _on_all_frames(self, verb: str, rule: str) -> None:
        for hook in DIRECTIONS["both"]:
            tc(
                f"filter {verb} dev {self.port.name} {hook} protocol all pref 3{rule}",
                netns=self.port.switch.name,
            )

    def dropped(self, direction: str) -> int:
        """Return how many LACPDUs the present block "to_host" or "to_switch" has dropped; 0 without one."""
        (hook,) = DIRECTIONS[direction]
        displayed = run(
            *(
                "tc",
                "-s",
                "-j",
                "-n",
                self.port.switch.name,
                "filter",
                "show",
                "dev",
                self.port.name,
                hook,
                "pref",
                "1",
            )
        )
        filters = [each["options"] for each in json.loads(displayed or "[]") if "options" in each]
        return sum(action["stats"]["drops"] for each in filters for action in each["actions"])

    def jitter_lacp_to_host(self, least: float, most: float) -> None:
        """Let the switch's LACPDUs come `least` to `most` seconds apart, until end_jitter."""
        netns = ("ip", "netns", "exec", self.port.switch.name)
        self._jitter = subprocess.Popen(
            [*netns, python(), "-m", "tests.lab.kit.lacpdus", self.port.name, str(least), str(most)],
            stdout=subprocess.PIPE,
            cwd=CHECKOUT,
        )
        assert self._jitter.stdout is not None
        self._jitter.stdout.readline()
        self.block_lacp("to_host")

    def end_jitter(self) -> None:
        """End the LACPDUs of jitter_lacp_to_host; the kernel's own stay blocked."""
        self._jitter.kill()
        self._jitter.communicate()

    def unblock_lacp(self, direction: str = "both") -> None:
        """Let LACPDUs pass again."""
        for hook in DIRECTIONS[direction]:
            if hook in self.blocked:
                tc(f"filter del dev {self.port.name} {hook} pref 1", netns=self.port.switch.name)
                self.blocked.discard(hook)
