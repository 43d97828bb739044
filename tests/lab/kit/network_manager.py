"""NetworkManager in the guest, with keyfiles (only in scenarios marked `systemd(network_manager=True)`)."""

from __future__ import annotations

import os
import signal
import subprocess
import uuid
from pathlib import Path

from tests.lab.kit.commands import run
from tests.lab.kit.service import show, systemctl
from tests.lab.kit.waiting import wait_until

FOLDER = Path("/etc/NetworkManager")
UNIT = "NetworkManager"
SERVER = """[main]
no-auto-default=*
ignore-carrier=*
"""
"""RHEL's package NetworkManager-config-server, 00-server.conf, which RHEL CoreOS has too."""
PLAIN = "[main]\n"
"""NetworkManager's defaults: a device without a keyfile gets a connection, one without carrier gets none."""
NO_ADDRESS = "[ipv4]\nmethod=disabled\n\n[ipv6]\nmethod=disabled\n"


class NetworkManager:
    """The daemon, not started yet, with this configuration. udev and D-Bus run."""

    def __init__(self, configuration: str = SERVER) -> None:
        (FOLDER / "conf.d").mkdir(exist_ok=True)
        (FOLDER / "conf.d" / "00-lab.conf").write_text(configuration)
        systemctl("start", "dbus.socket", "systemd-udevd.service")

    def start(self) -> None:
        """Start it; return when D-Bus can reach it."""
        systemctl("start", UNIT)

    def stop(self) -> None:
        """Stop it. It leaves the devices as they are."""
        systemctl("stop", UNIT)

    def restart(self) -> None:
        """Restart it."""
        systemctl("restart", UNIT)

    def kill(self) -> None:
        """Kill it with SIGKILL; return when systemd has started it again."""
        killed = show("MainPID", UNIT)
        os.kill(int(killed), signal.SIGKILL)
        wait_until(
            lambda: show("ActiveState", UNIT) == "active" and show("MainPID", UNIT) != killed,
            within=5,
            what="NetworkManager to be started again",
            poll=0.25,
        )

    def add_bond(self, name: str, options: str) -> str:
        """Write a bond's keyfile; return its UUID. `options` are lines such as lacp_rate=fast."""
        return self._write(
            name, "bond", f"interface-name={name}\n", f"[bond]\nmode=802.3ad\n{options}\n{NO_ADDRESS}"
        )

    def add_port(self, interface: str, bond: str) -> str:
        """Write the keyfile of a bond's port, BOND-INTERFACE; return its UUID."""
        words = f"interface-name={interface}\nmaster={bond}\nslave-type=bond\n"
        return self._write(f"{bond}-{interface}", "ethernet", words, "")

    def _write(self, name: str, kind: str, words: str, rest: str) -> str:
        number = str(uuid.uuid5(uuid.NAMESPACE_DNS, name))
        path = FOLDER / "system-connections" / f"{name}.nmconnection"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"[connection]\nid={name}\nuuid={number}\ntype={kind}\n{words}\n{rest}")
        path.chmod(0o600)  # NetworkManager ignores files that others can read
        return number

    def nmcli(self, *words: str) -> str:
        """Run nmcli and return what it printed."""
        return run("nmcli", *words)

    def refused(self, *words: str) -> str:
        """Run nmcli, which is refused; return why."""
        done = subprocess.run(["nmcli", *words], capture_output=True, text=True, check=False)
        assert done.returncode, f"nmcli {' '.join(words)} was not refused"
        return done.stderr

    def state(self, interface: str) -> str:
        """Return what it says of a device, such as connected, disconnected, unavailable or unmanaged."""
        listed = self.nmcli("--terse", "--fields", "DEVICE,STATE", "device").splitlines()
        return dict(line.split(":") for line in listed).get(interface, "absent")
