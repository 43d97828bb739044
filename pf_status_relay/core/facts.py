"""The facts that the relay decides on, as the kernel reported them at one moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple, Union

from pf_status_relay.core.lacp import PortState, is_up

MOST_LISTED_VFS = 334
"""VFs that the kernel's list can hold: each takes 196 bytes, and its length is a 16-bit field."""

BOND_MODE_8023AD = 4
"""Bond mode 802.3ad (BOND_MODE_8023AD, include/uapi/linux/if_bonding.h)."""


class VfLinkState(IntEnum):
    """The administrative link state of a VF (IFLA_VF_LINK_STATE_*, include/uapi/linux/if_link.h)."""

    AUTO = 0
    ENABLE = 1
    DISABLE = 2

    def __str__(self) -> str:
        return self.name.lower()


class VirtualFunction(NamedTuple):
    """One VF of a PF: its number on the PF, counted from 0, and its link state.

    A tuple: every look makes hundreds of them, and a dataclass takes twice the time.
    """

    id: int
    link_state: VfLinkState


@dataclass(frozen=True)
class BondPort:
    """The LACP state of a port of an 802.3ad bond: our end and the switch's."""

    actor: PortState
    partner: PortState


@dataclass(frozen=True)
class Master:
    """The interface that a PF is enslaved to.

    `kind` is the kernel's name for its type (IFLA_INFO_KIND: `bond`, `bridge`, `team`, ...).
    `bond_mode` is the number of the bond's mode, None where the master is no bond.
    `port_count` is how many ports the bond has, the PF included, None where the master is no bond.
    `up` is whether it is administratively up.
    `miimon_ms` is how often the bond checks the carrier, in milliseconds, 0 if it does not.
    `lacp_fast` is whether it is set to the fast LACP rate. Both are None where the master is no bond.
    `lacp_active` is whether it sends LACPDUs before it hears any (its option lacp_active), None where the
    master is no bond, or the kernel is too old to say.
    `active_aggregator` is the number of the aggregator that carries the bond's traffic, None without one.
    """

    ifindex: int
    name: str
    kind: str
    bond_mode: int | None
    port_count: int | None
    up: bool = True
    miimon_ms: int | None = None
    lacp_fast: bool | None = None
    lacp_active: bool | None = None
    active_aggregator: int | None = None


class LinkSettings(NamedTuple):
    """What the driver says of the link: `speed` in Mbit/s, None if it does not know, and `duplex`.

    `duplex` is `full`, `half` or `unknown`.
    """

    speed: int | None
    duplex: str


@dataclass(frozen=True)
class PhysicalFunction:
    """A PF as one read found it.

    `carrier` is true when the PF is administratively up and has carrier, `up` when it is administratively up.
    `port` is None where the kernel reports no LACP port state.
    `vf_count` is how many VFs the kernel counts (IFLA_NUM_VF), `vfs_listed` how many its list
    has by its own 16-bit length, and `vfs` are those that could be read nevertheless.
    `lacpdus_received` is the bond port's counter, None where it was not asked for or is not kept.
    `link_settings` are None where they were not asked for or cannot be read.
    `aggregator` is the number of the aggregator of its bond port, None where it is in none.
    `multi_port`: the configuration allows its bond to have other ports (multi_port_bonds).
    """

    ifindex: int
    carrier: bool
    master: Master | None
    port: BondPort | None
    vf_count: int
    vfs_listed: int
    vfs: tuple[VirtualFunction, ...]
    lacpdus_received: int | None = None
    up: bool = True
    link_settings: LinkSettings | None = None
    aggregator: int | None = None
    multi_port: bool = False

    @property
    def list_has_wrapped(self) -> bool:
        """Whether the list's 16-bit length says less than the list holds, or should hold."""
        return self.vfs_listed < self.vf_count and (
            self.vfs_listed < len(self.vfs) or self.vf_count > MOST_LISTED_VFS
        )

    @property
    def vfs_missing(self) -> int:
        """How many VFs the driver left out of the list, such as VFs in a reset."""
        return 0 if self.list_has_wrapped else self.vf_count - len(self.vfs)

    @property
    def lacp_up(self) -> bool:
        """Whether LACP is up by its bond, carrier and port state.

        The port state alone is not enough: it can stay up after the carrier is gone. And a bond that is set
        down stops LACP, while its ports keep their carrier and their last state (Linux
        drivers/net/bonding/bond_main.c, bond_close).
        """
        runs = self.master is not None and self.master.up and self.carrier
        return runs and self.port is not None and is_up(self.port.actor, self.port.partner)


@dataclass(frozen=True)
class Absent:
    """No interface has the name. `error` says so, in words of the kernel or of this program."""

    error: str


@dataclass(frozen=True)
class Unreadable:
    """The read failed, which says nothing about the PF: what was known before still stands."""

    error: str


Facts = Union[PhysicalFunction, Absent, Unreadable]
"""The result of one look at a configured interface."""


def unless_named_twice(facts: Facts, earlier: Mapping[str, Facts]) -> Facts:
    """Return the facts about an interface, `Absent` if `earlier` has it under another name.

    An interface that is configured by two of its names is served under the first alone.
    """
    if isinstance(facts, PhysicalFunction):
        for name, other in earlier.items():
            if isinstance(other, PhysicalFunction) and other.ifindex == facts.ifindex:
                return Absent(f"is the same interface as {name}")
    return facts
