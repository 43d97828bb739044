"""The host's side of the network: PFs with VFs (netdevsim), bonds and bridges."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tests.lab.kit import observer
from tests.lab.kit.commands import CommandError, ip, run, write
from tests.lab.kit.driver import DEBUG, Driver
from tests.lab.kit.personalities import EVERY_CALL, Personality
from tests.lab.kit.waiting import LOSS_S, RECOVERY_S, wait_until

if TYPE_CHECKING:
    from tests.lab.kit.switch import Cable, Switch

DEVICES = "/sys/bus/netdevsim"

_numbers = itertools.count(1)


def new_netdevsim() -> tuple[int, str]:
    """Make a netdevsim device with one port: its number, and the name the kernel gave its interface."""
    number = next(_numbers)
    write(f"{DEVICES}/new_device", f"{number} 1")
    (interface,) = Path(f"{DEVICES}/devices/netdevsim{number}/net").iterdir()
    return number, interface.name


class Pf:
    """A PF: one netdevsim device, whose interface carries the given name and is up.

    `master` is the bond or bridge that it was last added to. `ifindex` is the current one. `driver` is how it
    treats link states of VFs.
    """

    def __init__(self, name: str, vfs: int, personality: Personality | None = None) -> None:
        self.name = name
        self.master: Master | None = None
        self._personality = personality
        self._cable: Cable | None = None
        self.ifindex = 0
        self._vfs = vfs
        self._create()

    def _create(self) -> None:
        self._room = 0
        self._number, interface = new_netdevsim()
        self.driver = Driver(self._number, self._personality)
        ip(f"link set dev {interface} name {self.name}", f"link set dev {self.name} up")
        self.ifindex = self.link().ifindex if self.ifindex == 0 else self._new_ifindex()
        if self._vfs:
            self.set_vfs(self._vfs)

    def _new_ifindex(self) -> int:
        link = observer.read(self.name)
        assert link is not None, f"{self.name} does not exist"
        return link.ifindex

    def link(self, *, vfs: bool = False) -> observer.Link:
        """Return what the kernel says about the PF now. Fails if it does not exist."""
        link = observer.read(self.ifindex or self.name, vfs=vfs)
        assert link is not None, f"{self.name} does not exist"
        return link

    def exists(self) -> bool:
        """Return whether the device is there, by whatever name."""
        return observer.read(self.ifindex) is not None

    @property
    def cable(self) -> Cable:
        """Return the cable that was last plugged in. Fails if there was none."""
        assert self._cable is not None, f"{self.name} is not cabled"
        return self._cable

    @cable.setter
    def cable(self, cable: Cable) -> None:
        self._cable = cable

    @property
    def switch(self) -> Switch:
        """Return the switch at the other end of the cable."""
        return self.cable.port.switch

    @property
    def bond(self) -> Bond:
        """Return the bond that it was last added to. Fails if it is in none."""
        assert isinstance(self.master, Bond), f"{self.name} is in no bond"
        return self.master

    def port_state(self) -> tuple[int, int] | None:
        """Return the (actor, partner) port state, 63/63 being healthy; None outside a bond."""
        return self.link().port_state

    def carrier(self) -> bool:
        """Return whether the PF has carrier."""
        return self.link().carrier

    def vf_states(self) -> list[str]:
        """Return each VF's link state: "auto", "enable" or "disable", or "missing" if the list lacks it."""
        return list(self.link(vfs=True).vf_states)

    def in_state(self, state: str) -> bool:
        """Return whether there are VFs and all of them are in this link state."""
        return set(self.vf_states()) == {state}

    def wait_for_vfs(self, state: str | Sequence[str], *, within: float | None = None) -> float:
        """Wait until all VFs are in a link state, or each in the one listed; return the seconds that took.

        `within` is by default what LACP itself takes for it: LOSS_S, or RECOVERY_S if any is to be in auto.
        """
        if within is None:
            within = RECOVERY_S if "auto" in state else LOSS_S
        return wait_until(
            lambda: self.in_state(state) if isinstance(state, str) else self.vf_states() == list(state),
            within=within,
            what=lambda: f"VFs of {self.name} in {state}, found {self.vf_states()}",
        )

    def set_vf_state(self, vf: int, state: str) -> None:
        """Set one VF's link state, as an administrator would."""
        run("ip", "link", "set", "dev", self.name, "vf", str(vf), "state", state)

    def set_vfs(self, count: int) -> None:
        """Remove all VFs and create `count` new ones, through 0 as on real NICs.

        They are in auto, unless the `driver` keeps earlier states or begins with others.
        """
        with contextlib.suppress(CommandError):
            write(f"{DEVICES}/devices/netdevsim{self._number}/sriov_numvfs", "0")
        if count > self._room or not self._keeps_states():
            # Also makes the driver forget the link states of the VFs that are gone.
            write(f"{DEBUG}/netdevsim{self._number}/max_vfs", str(max(count, 1)))
            self._room = count
        if count:
            write(f"{DEVICES}/devices/netdevsim{self._number}/sriov_numvfs", str(count))
        self._vfs = count

    def _keeps_states(self) -> bool:
        return self._personality is not None and self._personality.knobs.get("vf_born_state") == EVERY_CALL

    def refuse_vf(self, *vfs: int, error: int | None = None) -> None:
        """Make the driver refuse to set the link state of these VFs (0 to 63), of all VFs if none is named.

        `error` is the errno it refuses with, EOPNOTSUPP by default. Reading is not affected.
        """
        self.driver.refuse(*vfs, error=error)

    def accept_vfs(self) -> None:
        """Make the driver accept every VF's link state again."""
        self.driver.accept()

    @property
    def rtnl_holder(self) -> Path:
        """Return the file that makes the driver hold the kernel's RTNL lock, as a reset of real hardware can.

        A write of a number of milliseconds holds the lock that long, and returns when it is free again.
        """
        return Path(f"{DEBUG}/netdevsim{self._number}/hold_rtnl_ms")

    def up(self) -> None:
        """Set the PF up."""
        ip(f"link set dev {self.name} up")

    def down(self) -> None:
        """Set the PF down. Both ends of its cable lose carrier."""
        ip(f"link set dev {self.name} down")

    def rename(self, name: str) -> None:
        """Give the interface another name."""
        ip(f"link set dev {self.name} name {name}")
        self.name = name

    def add_altname(self, name: str) -> None:
        """Add an alternative name."""
        ip(f"link property add dev {self.name} altname {name}")

    def remove_altname(self, name: str) -> None:
        """Remove an alternative name."""
        ip(f"link property del dev {self.name} altname {name}")

    def delete(self) -> None:
        """Remove the device, as unbinding its driver does. Its cable's other end loses carrier."""
        write(f"{DEVICES}/del_device", str(self._number))
        self.master = None

    def recreate(self) -> None:
        """Make the device again: same name, VFs and cable, another ifindex, in no bond."""
        if self.exists():
            self.delete()
        self._create()
        if self._cable is not None and self._cable.plugged:
            self._cable.plug()

    def wait_for_lacp(self, actor: int = 63, partner: int = 63, *, within: float = 40.0) -> float:
        """Wait until the port state is 63/63, or as given; return the seconds that took."""
        return wait_until(
            lambda: self.port_state() == (actor, partner),
            within=within,
            what=lambda: f"{self.name} at port state {actor}/{partner}, found {self.port_state()}",
        )


class Master:
    """An interface that other interfaces can join. It comes up when the first one does.

    A bond that is up before it has a port waits 8 s instead of 1 s before it selects an aggregator.
    """

    def __init__(self, name: str, kind: str) -> None:
        self.name = name
        ip(f"link add name {name} {kind}")

    def add(self, *pfs: Pf) -> None:
        """Add PFs. They go down and up for it: a bond takes no port that is up."""
        for pf in pfs:
            ip(
                f"link set dev {pf.name} down",
                f"link set dev {pf.name} master {self.name}",
                f"link set dev {pf.name} up",
                f"link set dev {self.name} up",
            )
            pf.master = self

    def remove(self, *pfs: Pf) -> None:
        """Release PFs and leave them up."""
        for pf in pfs:
            ip(f"link set dev {pf.name} nomaster", f"link set dev {pf.name} up")
            pf.master = None

    def up(self) -> None:
        """Set the interface up."""
        ip(f"link set dev {self.name} up")

    def down(self) -> None:
        """Set the interface down. Its ports stay up."""
        ip(f"link set dev {self.name} down")

    def delete(self) -> None:
        """Delete the interface. Its ports go on without a master."""
        ip(f"link del dev {self.name}")


class Bond(Master):
    """A Linux bond. `mode` is the kernel's word for it: 802.3ad, active-backup, balance-rr."""

    def __init__(self, name: str, mode: str, lacp_rate: str, miimon: int) -> None:
        rate = f"lacp_rate {lacp_rate}" if mode == "802.3ad" else ""
        super().__init__(name, f"type bond mode {mode} miimon {miimon} {rate}")


class Bridge(Master):
    """A Linux bridge."""

    def __init__(self, name: str) -> None:
        super().__init__(name, "type bridge")
