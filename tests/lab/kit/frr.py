"""FRR's zebra and bfdd in the guest, Debian's own: BFD between the host's bond and the switch's.

tests/setup takes them into build/frr. They run as on a host: as the user frr, with Nice=-5. In virtual time
they get another ppoll, which tests/setup compiles from whole_milliseconds.c. Without it, a second of a
session takes several seconds of the host's.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path
from typing import Any, NamedTuple

from tests.lab.guest.guest import CHECKOUT
from tests.lab.kit.commands import ip, run
from tests.lab.kit.switch import Switch
from tests.lab.kit.topology import Pf
from tests.lab.kit.waiting import wait_until
from tests.support.bfdd import HEADER, REQUEST

PACKAGE = CHECKOUT / "build" / "frr"
PRELOADED = Path("/usr/local/lib/whole_milliseconds.so")
SOCKET = "/run/frr/bfdd.sock"
"""The host's control socket, where Debian and RHEL have it."""
INTERVAL_MS, MULTIPLIER = 50, 3
UP_S = 10.0
"""Until a session is up: both ends send once a second before that."""
TIMED_OUT_S = 0.2
"""Until a session is down after the last frame: three intervals of 50 ms, and the last frame's age."""


def install() -> None:
    """Put FRR's files and users where its package would. Once in a guest."""
    if Path("/etc/frr/vtysh.conf").exists():
        return
    assert PACKAGE.is_dir(), "there is no FRR: tests/setup takes it out of Debian's packages"
    run("cp", "-r", "--preserve=mode,links", f"{PACKAGE}/.", "/")
    with open("/etc/passwd", "a") as users, open("/etc/group", "a") as groups:
        users.write("frr:x:990:990:Frr routing suite:/nonexistent:/usr/sbin/nologin\n")
        groups.write("frr:x:990:\nfrrvty:x:991:frr\n")
    run("systemd-tmpfiles", "--create", "frr.conf")
    Path("/var/tmp/frr").mkdir(exist_ok=True)
    if "time-travel" in Path("/proc/cmdline").read_text():
        shutil.copy(CHECKOUT / "build" / PRELOADED.name, PRELOADED)


class Frr:
    """zebra and bfdd of the host, or of a switch in its namespace. `socket` is bfdd's control socket."""

    def __init__(self, switch: Switch | None = None) -> None:
        install()
        self._netns = switch.name if switch else None
        self._space = ("-N", switch.name) if switch else ()
        self._folder = Path("/etc/frr", switch.name) if switch else Path("/etc/frr")
        self._state = Path("/run/frr", switch.name) if switch else Path("/run/frr")
        for each in (self._folder, self._state):
            each.mkdir(exist_ok=True)
            os.chown(each, 990, 990)
        (self._folder / "vtysh.conf").touch()
        self._peers: dict[tuple[str, str], int] = {}
        self._write()
        (self._folder / "zebra.conf").touch()
        self.socket = self._state / "bfdd.sock"
        self._zebra = self._run("zebra")
        self._wait_for("zebra.vty")
        self.start()

    def _run(self, daemon: str) -> subprocess.Popen[bytes]:
        words = ["nice", "-n", "-5", f"/usr/lib/frr/{daemon}", *self._space, "-P", "0", "-A", "127.0.0.1"]
        words += ["-f", str(self._folder / f"{daemon}.conf")]
        if self._netns:
            words = ["ip", "netns", "exec", self._netns, *words]
        environment = {"LD_PRELOAD": str(PRELOADED)} if PRELOADED.exists() else {}
        with open(f"/run/lab/frr-{self._netns or 'host'}-{daemon}.log", "ab") as log:
            return subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, **environment}
            )

    def _wait_for(self, name: str) -> None:
        path = self._state / name
        wait_until(path.exists, within=10, what=f"{path}")

    def _write(self) -> None:
        lines = ["bfd"]
        for (address, interface), interval_ms in self._peers.items():
            lines += [f" peer {address} interface {interface}", f"  detect-multiplier {MULTIPLIER}"]
            lines += [f"  receive-interval {interval_ms}", f"  transmit-interval {interval_ms}", " !"]
        (self._folder / "bfdd.conf").write_text("\n".join([*lines, "!", ""]))

    # bfdd, the process

    def start(self) -> None:
        """Start bfdd with the peers that there are; return when its sockets are there."""
        for name in ("bfdd.sock", "bfdd.vty"):
            (self._state / name).unlink(missing_ok=True)
        self._bfdd = self._run("bfdd")
        self._wait_for("bfdd.vty")

    def kill(self) -> None:
        """End bfdd without a chance to say goodbye (SIGKILL). Its sockets stay behind, closed."""
        self._bfdd.kill()
        self._bfdd.wait()

    def stop(self) -> None:
        """End bfdd as its unit does (SIGTERM). It sends its neighbours nothing."""
        self._bfdd.terminate()
        self._bfdd.wait()

    def restart(self) -> None:
        """End bfdd and start it again."""
        self.stop()
        self.start()

    def freeze(self) -> None:
        """Stop bfdd from running (SIGSTOP), as a starved host does."""
        self._bfdd.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Undo `freeze`."""
        self._bfdd.send_signal(signal.SIGCONT)

    def close(self) -> None:
        """End both daemons."""
        for process in (self._bfdd, self._zebra):
            process.kill()
            process.wait()

    # Its configuration, as an administrator would change it

    def vtysh(self, *lines: str) -> str:
        """Run lines of vtysh in bfdd, and return what it printed."""
        words = [word for line in lines for word in ("-c", line)]
        return run("vtysh", *self._space, "-d", "bfdd", *words)

    def configure(self, *lines: str) -> None:
        """Run lines below `bfd` in its configuration."""
        self.vtysh("configure terminal", "bfd", *lines)

    def add_peer(self, address: str, interface: str, interval_ms: int = INTERVAL_MS) -> None:
        """Add a peer at this address on this interface. Both send a packet each `interval_ms`."""
        self._peers[address, interface] = interval_ms
        self._write()
        intervals = (f"receive-interval {interval_ms}", f"transmit-interval {interval_ms}")
        self.configure(f"peer {address} interface {interface}", f"detect-multiplier {MULTIPLIER}", *intervals)

    def remove_peer(self, address: str, interface: str) -> None:
        """Remove a peer."""
        del self._peers[address, interface]
        self._write()
        self.configure(f"no peer {address} interface {interface}")

    def shut_down(self, address: str, interface: str) -> None:
        """Shut a peer down, administratively."""
        self.configure(f"peer {address} interface {interface}", "shutdown")

    def no_shut_down(self, address: str, interface: str) -> None:
        """Undo `shut_down`."""
        self.configure(f"peer {address} interface {interface}", "no shutdown")

    def peer(self, address: str) -> dict[str, Any] | None:
        """Return what bfdd shows of a peer, such as its "status": up, down, init, shutdown; or None."""
        shown = json.loads(self.vtysh("show bfd peers json"))
        return next((each for each in shown if each["peer"] == address), None)


class Session:
    """A BFD session over a PF's bond: a subnet of its own, and a peer at either end. It waits until it is up.

    `host` is the host's FRR, `far` the switch's. `peer` is the switch's address and `address` the host's.
    """

    def __init__(self, host: Frr, far: Frr, pf: Pf, number: int = 0, interval_ms: int = INTERVAL_MS) -> None:
        """Set it up. `number` (0 to 63) tells the subnets of several sessions apart."""
        self.host, self.far, self.pf = host, far, pf
        self.address, self.peer = (f"198.51.100.{4 * number + end}" for end in (1, 2))
        port = pf.cable.port
        self._ends = ((host, self.peer, pf.bond.name), (far, self.address, port.bond))
        ip(f"address add {self.address}/30 dev {pf.bond.name}")
        ip(f"address add {self.peer}/30 dev {port.bond}", netns=port.switch.name)
        for frr, address, interface in self._ends:
            frr.add_peer(address, interface, interval_ms)
        self.wait_until_up()

    def wait_until_up(self) -> None:
        """Wait until both ends say that the session is up."""
        for frr, address, _ in self._ends:
            wait_until(
                lambda frr=frr, address=address: (frr.peer(address) or {}).get("status") == "up",  # type: ignore[misc]
                within=UP_S,
                what=f"BFD with {address} up",
                poll=0.25,
            )

    def shut_down(self, end: str) -> None:
        """Shut it down administratively at one end, "host" or "far"."""
        frr, address, interface = self._ends[("host", "far").index(end)]
        frr.shut_down(address, interface)

    def no_shut_down(self, end: str) -> None:
        """Undo `shut_down`."""
        frr, address, interface = self._ends[("host", "far").index(end)]
        frr.no_shut_down(address, interface)

    def remove(self, end: str) -> None:
        """Remove the peer at one end, "host" or "far"."""
        frr, address, interface = self._ends[("host", "far").index(end)]
        frr.remove_peer(address, interface)


class Change(NamedTuple):
    """A peer's state as bfdd told it: when it came (seconds, monotonic), "up", "down" or "adm-down", and why.

    `diagnostics` is RFC 5880's number: 1 is the detection timeout, 3 what the neighbour signalled.
    """

    at: float
    peer: str
    interface: str | None
    state: str
    diagnostics: int


class Subscriber:
    """A client of bfdd's control socket that records what bfdd sends. It has a decoder of its own."""

    def __init__(self, frr: Frr) -> None:
        self.changes: list[Change] = []
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(frr.socket))
        self.subscribe()
        self._thread = threading.Thread(target=self._read, name="bfd subscriber", daemon=True)
        self._thread.start()

    def subscribe(self) -> None:
        """Subscribe to changes. bfdd reports the present state of each peer first."""
        # In one piece: bfdd stands still, all sessions with it, between a request's header and its body.
        self._socket.sendall(REQUEST)

    def close(self) -> None:
        """Hang up."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.close()

    def _read(self) -> None:
        with self._socket.makefile("rb") as stream:
            while len(header := stream.read(HEADER.size)) == HEADER.size:
                message = json.loads(stream.read(HEADER.unpack(header)[0]))
                if message.get("op") == "status":
                    self.changes.append(
                        Change(
                            time.monotonic(),
                            message["peer-address"],
                            message.get("local-interface"),
                            message["state"],
                            message["diagnostics"],
                        )
                    )

    def states_of(self, peer: str) -> list[tuple[str, int]]:
        """Return the states that bfdd has reported of a peer, each with its diagnostic."""
        return [(each.state, each.diagnostics) for each in list(self.changes) if each.peer == peer]

    def wait_for(self, peer: str, state: str, *, within: float, since: float = 0.0) -> Change:
        """Wait until bfdd has reported this state of a peer; return the first such message.

        One that came earlier counts too, from `since` (monotonic seconds) on.
        """

        def found() -> list[Change]:
            wanted = (peer, state)
            return [
                each for each in list(self.changes) if each.at >= since and (each.peer, each.state) == wanted
            ]

        wait_until(found, within=within, what=lambda: f"{peer} {state}; told: {self.changes}")
        return found()[0]
