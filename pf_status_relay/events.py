"""What can happen to an interface and its VFs, one record per line that the log can hold (see event.py)."""

from __future__ import annotations

from dataclasses import dataclass

from pf_status_relay.event import Event, Level, detail
from pf_status_relay.lacp import PortState
from pf_status_relay.link import VfLinkState


@dataclass(frozen=True)
class FetchFailed(Event):
    """An interface does not exist, or could not be read."""

    level = Level.WARN
    msg = "failed to fetch interface"
    message_id = "44405c990acd40df9efe9a951f256756"
    interface: str
    error: str


@dataclass(frozen=True)
class PfReady(Event):
    """The PF has become the one port of an 802.3ad bond and is monitored."""

    level = Level.INFO
    msg = "pf is ready"
    message_id = "64ab0feb33c74a84aece1e8665ab9745"
    interface: str


@dataclass(frozen=True)
class PfNotReady(Event):
    """The PF is not monitored and its VFs are not touched, for the one reason given."""

    level = Level.ERROR
    msg = "pf is not ready"
    message_id = "f80831f549454dde8f1f44e6cc59330e"
    interface: str
    error: str


@dataclass(frozen=True)
class LacpUp(Event):
    """LACP is up on the PF."""

    level = Level.INFO
    msg = "lacp is up"
    message_id = "5c3c3aff39034ac9807219ada031df8c"
    interface: str
    actor: PortState | None = detail()
    partner: PortState | None = detail()


@dataclass(frozen=True)
class LacpDown(Event):
    """LACP is down on the PF. Without a carrier the port state can still read as up."""

    level = Level.INFO
    msg = "lacp is down"
    message_id = "5e3b18c5a56f406990832aaaa9d31e52"
    interface: str
    actor: PortState | None = detail()
    partner: PortState | None = detail()
    carrier: bool = detail()


@dataclass(frozen=True)
class LacpLate(Event):
    """Early detection: no LACPDU for so many milliseconds, though the port state still reads as up."""

    level = Level.WARN
    msg = "lacp is late"
    message_id = "9f9212eb6134461d9a9dff57b880127d"
    interface: str
    silent_ms: int


@dataclass(frozen=True)
class EarlyDetectionRefused(Event):
    """Early detection is configured and cannot be had on this PF, for the reason given."""

    level = Level.WARN
    msg = "early detection is not possible"
    message_id = "262cad5cad8f4ee08185196a4668f7fc"
    interface: str
    error: str


@dataclass(frozen=True)
class RestoreDelayed(Event):
    """LACP is up, and VFs stay disabled until it has been for so many milliseconds more."""

    level = Level.INFO
    msg = "VFs stay disabled until lacp has been up for longer"
    message_id = "84d18a427a20437d84d51e3c7e5a249a"
    interface: str
    wait_ms: int


@dataclass(frozen=True)
class SlowLacpRate(Event):
    """The actor asks for one LACPDU in 30 s: a dead switch is noticed after 90 s, not 3 s."""

    level = Level.WARN
    msg = "pf is using slow lacp rate"
    message_id = "5bcc3fde10d344509cb89aced65f7fb9"
    interface: str


@dataclass(frozen=True)
class PortStateChanged(Event):
    """The port state reads otherwise than at the last look, whether or not LACP is up for it."""

    level = Level.DEBUG
    msg = "lacp port state changed"
    message_id = "0c4fc77cc6ce434c814e151c76e9e72b"
    interface: str
    actor: PortState | None
    partner: PortState | None
    carrier: bool


@dataclass(frozen=True)
class NoVfs(Event):
    """The PF has no VFs."""

    level = Level.INFO
    msg = "pf has no VFs"
    message_id = "b547e0b6de304f3faa3a35236c7693f2"
    interface: str


@dataclass(frozen=True)
class VfsDetected(Event):
    """The PF has this many VFs."""

    level = Level.INFO
    msg = "VFs detected on interface"
    message_id = "05cddb078c6b41778f48d4445df4c082"
    interface: str
    count: int


@dataclass(frozen=True)
class VfListIncomplete(Event):
    """The kernel listed fewer VFs than it counts; only those that could be read are served."""

    level = Level.ERROR
    msg = "VF list is incomplete"
    message_id = "4806cfc275984b35a955fbab520e9288"
    interface: str
    count: int
    listed: int
    served: int


@dataclass(frozen=True)
class VfLinkStateSet(Event):
    """The driver took the link state of a VF."""

    level = Level.INFO
    msg = "vf link state was set"
    message_id = "0dfab200dfc1494283da9e71d89615e8"
    id: int
    state: VfLinkState
    interface: str


@dataclass(frozen=True)
class VfLinkStateWouldBeSet(Event):
    """A dry run came to where it would have set the link state of a VF. Nothing was set."""

    level = Level.INFO
    msg = "dry run: vf link state would be set"
    message_id = "1b54aea1098b4f87b5a09b77c8d57f30"
    id: int
    state: VfLinkState
    interface: str


@dataclass(frozen=True)
class SettingVfFailed(Event):
    """The driver refused the link state of a VF, or took it and left the VF as it was."""

    level = Level.ERROR
    msg = "failed to set vf link state"
    message_id = "f1bb477d598f4e339530f638b7d1e1cc"
    id: int
    interface: str
    error: str
    state: VfLinkState = detail()


@dataclass(frozen=True)
class VfsSetBySomebodyElse(Event):
    """Somebody else sets link states of the PF's VFs back, this VF's three times in a minute."""

    level = Level.WARN
    msg = "vf link states are also set by somebody else"
    message_id = "03547e77107e436f8572ba8cbd35fe09"
    interface: str
    id: int
