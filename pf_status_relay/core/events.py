"""All events that can be logged, as values that the log, the metrics and the tests share.

Existing alerts rely on an event's `msg` and on the names and order of its keys: these never change. A field
marked `detail()` is for the journal alone and is no key of the JSON line. MESSAGE_ID is stable per event
(systemd.journal-fields(7)); `journalctl -x` finds the explanation by it.

To add an event: a class here, an entry in packaging/pf-status-relay.catalog, and the place where it
happens. Its journal fields follow from its keys (`journal_field`).
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any, Callable, ClassVar

from pf_status_relay.core.facts import VfLinkState
from pf_status_relay.core.lacp import PortState

if TYPE_CHECKING:
    from typing_extensions import dataclass_transform
else:

    def dataclass_transform(**_: object) -> Callable[[type], type]:
        """Do nothing: this tells a type checker how the events are made (PEP 681)."""
        return lambda cls: cls


class Level(Enum):
    """The severity. The value is the syslog priority (syslog.h), the name is what the log shows."""

    DEBUG = 7
    INFO = 6
    WARN = 4
    ERROR = 3


def detail() -> Any:
    """Declare a field that is for the journal alone."""
    return detail


@dataclass_transform(frozen_default=True, field_specifiers=(detail,))
class Event:
    """Something that happened. Subclasses say what; their annotations are their fields, in order.

    An immutable value, like a frozen dataclass. Creating 32 frozen dataclasses takes a fifth of the time to
    import this program, at each start of the service; this takes a fiftieth.
    """

    level: ClassVar[Level]
    msg: ClassVar[str]
    message_id: ClassVar[str]
    fields: ClassVar[tuple[str, ...]] = ()
    """The names of all fields; the journal carries them all."""
    details: ClassVar[tuple[str, ...]] = ()
    """The names of the fields that are for the journal alone."""

    def __init_subclass__(cls) -> None:
        cls.fields = tuple(vars(cls).get("__annotations__", ()))
        cls.details = tuple(name for name in cls.fields if vars(cls).get(name) is detail)

    def __init__(self, *values: Any, **named: Any) -> None:
        fields = self.fields
        if len(values) + len(named) != len(fields) or not named.keys() <= set(fields[len(values) :]):
            raise TypeError(f"{type(self).__name__} takes {', '.join(fields) or 'nothing'}")
        vars(self).update(zip(fields, values), **named)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"an event does not change: {name}")

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash((type(self), *(getattr(self, name) for name in self.fields)))

    def __repr__(self) -> str:
        values = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.fields)
        return f"{type(self).__name__}({values})"

    def keys(self) -> dict[str, Any]:
        """Return the keys and values of the event itself, in the order of the log line."""
        return {name: getattr(self, name) for name in self.fields if name not in self.details}

    def journal(self) -> dict[str, Any]:
        """Return the journal fields of the event itself and their values; None: not known."""
        return {journal_field(name): getattr(self, name) for name in self.fields}


_JOURNAL_FIELDS = {
    "interface": "PF_INTERFACE",
    "interfaces": "PF_INTERFACES",
    "carrier": "PF_CARRIER",
    "id": "VF_ID",
    "state": "VF_LINK_STATE",
    "count": "VF_COUNT",
    "listed": "VF_LISTED",
    "served": "VF_SERVED",
    "missing": "VF_MISSING",
    "disabled": "VF_DISABLED",
    "actor": "ACTOR_STATE",
    "partner": "PARTNER_STATE",
    "pid": "RELAY_PID",
    "lost": "EVENTS_LOST",
    "enabled": "VF_ENABLED",
    "owner": "DRAIN_OWNER",
    "until": "DRAIN_UNTIL",
    "peer": "BFD_PEER",
    "path": "BFD_SOCKET",
}


def journal_field(key: str) -> str:
    """Return the journal's name of a key: the key in capitals, or a name that says what it belongs to."""
    return _JOURNAL_FIELDS.get(key, key.upper())


# What happens to an interface and its VFs


class FetchFailed(Event):
    """An interface does not exist, or could not be read."""

    level = Level.WARN
    msg = "failed to fetch interface"
    message_id = "44405c990acd40df9efe9a951f256756"
    interface: str
    error: str


class PfReady(Event):
    """The PF has become the one port of an 802.3ad bond and is monitored."""

    level = Level.INFO
    msg = "pf is ready"
    message_id = "64ab0feb33c74a84aece1e8665ab9745"
    interface: str


class PfNotReady(Event):
    """The PF is not monitored and its VFs are left alone, for the reason given."""

    level = Level.ERROR
    msg = "pf is not ready"
    message_id = "f80831f549454dde8f1f44e6cc59330e"
    interface: str
    error: str


class LacpUp(Event):
    """LACP is up on the PF."""

    level = Level.INFO
    msg = "lacp is up"
    message_id = "5c3c3aff39034ac9807219ada031df8c"
    interface: str
    actor: PortState | None = detail()
    partner: PortState | None = detail()


class LacpDown(Event):
    """LACP is down on the PF, for a Cause. Without a carrier the port state can still read as up."""

    level = Level.INFO
    msg = "lacp is down"
    message_id = "5e3b18c5a56f406990832aaaa9d31e52"
    interface: str
    actor: PortState | None = detail()
    partner: PortState | None = detail()
    carrier: bool = detail()
    cause: str


class LacpStillDown(Event):
    """LACP has for some time been down for a cause other than the one last logged."""

    level = Level.INFO
    msg = "lacp is still down"
    message_id = "999012f74b7d4cd48cfa808cf82b3e6a"
    interface: str
    cause: str
    actor: PortState | None = detail()
    partner: PortState | None = detail()
    carrier: bool = detail()


class LacpLate(Event):
    """Early detection: no LACPDU for `silent_ms`, although the port state still reads as up."""

    level = Level.WARN
    msg = "lacp is late"
    message_id = "9f9212eb6134461d9a9dff57b880127d"
    interface: str
    silent_ms: int


class EarlyDetectionRefused(Event):
    """Early detection is configured but not possible on this PF, for the reason given."""

    level = Level.WARN
    msg = "early detection is not possible"
    message_id = "262cad5cad8f4ee08185196a4668f7fc"
    interface: str
    error: str


class BfdUp(Event):
    """A BFD session on the PF's bond is up."""

    level = Level.INFO
    msg = "bfd session is up"
    message_id = "fbcdcd4840694204a1897dc40c6784f3"
    interface: str
    peer: str


class BfdTimedOut(Event):
    """A BFD session that was up is down by a detection timeout: the PF counts as down."""

    level = Level.WARN
    msg = "bfd session timed out"
    message_id = "3d79d5e354104c4cbd21bb33588213a4"
    interface: str
    peer: str


class BfdProvesNothing(Event):
    """A BFD session says nothing about the PF, for the reason given: LACP decides without it."""

    level = Level.WARN
    msg = "bfd session proves nothing"
    message_id = "6717481783444ee89cbfa66a4ef6783e"
    interface: str
    peer: str
    reason: str


class RestoreDelayed(Event):
    """LACP is up, and VFs stay disabled until it has been up for another `wait_ms`."""

    level = Level.INFO
    msg = "VFs stay disabled until lacp has been up for longer"
    message_id = "84d18a427a20437d84d51e3c7e5a249a"
    interface: str
    wait_ms: int


class PfDrained(Event):
    """The PF is drained: its VFs are disabled although LACP may be up.

    `owner` and `reason` are those of all drains that are in effect. `until` (RFC 3339) is when the last of
    them ends, empty if one has no end. `enabled` VFs are in link state enable, and so are not drained.
    """

    level = Level.INFO
    msg = "pf is drained"
    message_id = "c835de16ef464bbc9cbffa410b544a7d"
    interface: str
    owner: str
    reason: str
    until: str
    enabled: int


class PfUndrained(Event):
    """No drain of the PF is in effect any longer: LACP alone decides. `owner` had the last drains."""

    level = Level.INFO
    msg = "pf is no longer drained"
    message_id = "9d3bfa853d5a41fcae5f5017ba0caaf2"
    interface: str
    owner: str
    reason: str


class PfKeptOpen(Event):
    """VFs stay in auto although LACP is down or the PF is drained: no other PF of its group is open."""

    level = Level.WARN
    msg = "pf is kept open"
    message_id = "c16c95c675c044968a53152a2a640069"
    interface: str
    reason: str


class PfNoLongerKeptOpen(Event):
    """Another PF of its redundancy group is open, or LACP is up on this one: LACP and drains decide again."""

    level = Level.INFO
    msg = "pf is no longer kept open"
    message_id = "b7de6daf7a50401db3b840c7ac1edea0"
    interface: str


class RestoreDelayGrown(Event):
    """LACP was lost again soon: when it returns next, VFs stay disabled for `delay_ms`."""

    level = Level.WARN
    msg = "VFs will stay disabled for longer, as lacp flaps"
    message_id = "ddf608ba2fb145e3b6bcd042b8aa1c4e"
    interface: str
    delay_ms: int


class SlowLacpRate(Event):
    """The actor asks for one LACPDU in 30 s: a dead switch is noticed after 90 s, not 3 s."""

    level = Level.WARN
    msg = "pf is using slow lacp rate"
    message_id = "5bcc3fde10d344509cb89aced65f7fb9"
    interface: str


class DriverSlow(Event):
    """The driver takes long for an operation, during which the kernel holds its RTNL lock.

    Logged once for each `operation`: "setting a VF" or "listing the VFs". `milliseconds` is the minimum time.
    """

    level = Level.INFO
    msg = "driver of pf is slow"
    message_id = "67f3a4ef987a4a45b451d47804eb07c0"
    interface: str
    operation: str
    milliseconds: int


class PortStateChanged(Event):
    """The port state or the carrier has changed since the last look, whether or not LACP goes up or down."""

    level = Level.DEBUG
    msg = "lacp port state changed"
    message_id = "0c4fc77cc6ce434c814e151c76e9e72b"
    interface: str
    actor: PortState | None
    partner: PortState | None
    carrier: bool


class NoVfs(Event):
    """The PF has no VFs."""

    level = Level.INFO
    msg = "pf has no VFs"
    message_id = "b547e0b6de304f3faa3a35236c7693f2"
    interface: str


class VfsDetected(Event):
    """The PF has this many VFs."""

    level = Level.INFO
    msg = "VFs detected on interface"
    message_id = "05cddb078c6b41778f48d4445df4c082"
    interface: str
    count: int


class VfListIncomplete(Event):
    """The list of VFs is longer than netlink can express; only VFs that could be read are served."""

    level = Level.ERROR
    msg = "VF list is incomplete"
    message_id = "4806cfc275984b35a955fbab520e9288"
    interface: str
    count: int
    listed: int
    served: int


class VfsMissing(Event):
    """The list of VFs lacks some: the driver does not answer for them, as in a reset."""

    level = Level.WARN
    msg = "VFs are missing in the list"
    message_id = "0ed3e432c9994df394ca49cc6850b712"
    interface: str
    count: int
    missing: int


class VfsListedAgain(Event):
    """No VF is missing from the list any more."""

    level = Level.INFO
    msg = "all VFs are listed again"
    message_id = "13c0758b3e214dd992376a03abbad383"
    interface: str
    count: int


class VfStatesUnknown(Event):
    """The driver sets no link states and reports all VFs as disable, like mlx5 in eswitch mode switchdev."""

    level = Level.WARN
    msg = "vf link states are unknown"
    message_id = "327bbfff28fe49a5a6f3e12acd720862"
    interface: str


class VfStatesKnown(Event):
    """The driver sets link states again, or reports VFs in a state other than disable."""

    level = Level.INFO
    msg = "vf link states are known again"
    message_id = "7bf79e0b5cf542a3bbf70f24ca15e239"
    interface: str


class VfLinkStateSet(Event):
    """The driver accepted the link state of a VF.

    `took_ms`: milliseconds until the VF was set, with the others of its portion. They count from the read
    that found LACP down, or, later on, from the read that found the VF wrong.
    """

    level = Level.INFO
    msg = "vf link state was set"
    message_id = "0dfab200dfc1494283da9e71d89615e8"
    id: int
    state: VfLinkState
    interface: str
    took_ms: float = detail()


class VfLinkStateWouldBeSet(Event):
    """A dry run would have set the link state of a VF here. It set nothing."""

    level = Level.INFO
    msg = "dry run: vf link state would be set"
    message_id = "1b54aea1098b4f87b5a09b77c8d57f30"
    id: int
    state: VfLinkState
    interface: str


class SettingVfFailed(Event):
    """The driver refused the link state of a VF, or accepted it and left the VF as it was."""

    level = Level.ERROR
    msg = "failed to set vf link state"
    message_id = "f1bb477d598f4e339530f638b7d1e1cc"
    id: int
    interface: str
    error: str
    state: VfLinkState = detail()


class VfLinkStateDoubtful(Event):
    """The driver refused the link state of a VF again and again, and yet the VF reads as in that state."""

    level = Level.WARN
    msg = "vf link state is doubtful"
    message_id = "d6e876ce435740c88b15b86b109eb5f0"
    id: int
    interface: str
    error: str
    state: VfLinkState = detail()


class VfsLeftDisabled(Event):
    """The service does not, or no longer, relay for the PF: `disabled` VFs stay disabled, whatever LACP says.

    `command` sets them back.
    """

    level = Level.WARN
    msg = "VFs are left disabled"
    message_id = "37febcfb310746aaa17d5256e1ae748f"
    interface: str
    disabled: int
    command: str


class VfsSetBySomebodyElse(Event):
    """Somebody else sets link states of the PF's VFs back; this VF's three times in a minute."""

    level = Level.WARN
    msg = "vf link states are also set by somebody else"
    message_id = "03547e77107e436f8572ba8cbd35fe09"
    interface: str
    id: int


# What happens to the service itself


class Starting(Event):
    """The service begins."""

    level = Level.INFO
    msg = "Starting application"
    message_id = "3b3898db370a402e8600b28ac79061eb"


class InterfacesToMonitor(Event):
    """The interfaces that the configuration names."""

    level = Level.INFO
    msg = "interfaces to monitor"
    message_id = "d28cf8e850614523ab5a1f6af6c83032"
    interfaces: tuple[str, ...]


class InterfaceDropped(Event):
    """The interface is no longer among those to monitor. Its VFs, some disabled, stay as they are."""

    level = Level.INFO
    msg = "interface is no longer monitored, its VFs are left as they are"
    message_id = "78f054b9e7ae40af9d4eae3f72b3dc9f"
    interface: str
    disabled: int


class InterfacesNotListed(Event):
    """The interfaces for `auto` or a pattern could not be listed; those known before are still monitored."""

    level = Level.WARN
    msg = "failed to list interfaces"
    message_id = "397a02841b104d0984b30181c5cf1a43"
    error: str


class ConfigurationReloaded(Event):
    """The configuration was read again and is in effect."""

    level = Level.INFO
    msg = "configuration was reloaded"
    message_id = "b04152b12ff7475895ddf74403622ca8"


class ConfigurationRefused(Event):
    """The configuration was read again and has this fault. The one before stays in effect."""

    level = Level.ERROR
    msg = "configuration was refused"
    message_id = "deceb5284c79437d82b7a6cbb36ba63e"
    error: str


class DrainIgnored(Event):
    """A file in the folder of drains has a fault and drains nothing; `error` names the file."""

    level = Level.WARN
    msg = "drain is ignored"
    message_id = "a5c81c2a3ce74ab3800196968a27361e"
    error: str


class ConfigurationLeftOut(Event):
    """A part of the configuration, which the event names, is not in effect; everything else is."""

    level = Level.WARN
    msg = "part of the configuration was left out"
    message_id = "38d7ba68823046aaa62a67ec3046c94d"
    error: str


class AnotherRelayRuns(Event):
    """Another relay has the lock. The service sets nothing until that one has ended."""

    level = Level.WARN
    msg = "another relay is running"
    message_id = "057a3cd15655490eb1e96dfa2b3d8ad4"
    pid: int


class BfddConnected(Event):
    """FRR's bfdd reports its BFD sessions. `path` is its control socket."""

    level = Level.INFO
    msg = "bfdd is connected"
    message_id = "41932ac44ec24b73b77de05007eeafb5"
    path: str


class BfddNotConnected(Event):
    """BFD sessions are not known, for the reason given: LACP alone decides. The service tries again."""

    level = Level.WARN
    msg = "bfdd is not connected"
    message_id = "9dd41e769afc4bfba4ba57ab6eb68311"
    path: str
    error: str


class LinkEventsLost(Event):
    """The kernel had more link events than the socket could hold. The service reads everything again."""

    level = Level.DEBUG
    msg = "link events were lost"
    message_id = "d1fc628003c54146b0ff3dc9cfce30de"


class NetlinkReopened(Event):
    """The netlink sockets failed and were opened again."""

    level = Level.WARN
    msg = "netlink socket was reopened"
    message_id = "d55faebe5e134e5aa73e2e589d99a336"
    error: str


class NetlinkFailed(Event):
    """The netlink sockets failed and could not be opened again. Nothing is relayed until they are."""

    level = Level.ERROR
    msg = "netlink is not available"
    message_id = "52c9032b65064201a5e722d07ab02f6d"
    error: str


class LogEventsLost(Event):
    """The log dropped this many events, because its reader took nothing for a while."""

    level = Level.WARN
    msg = "log events were lost"
    message_id = "df316f0a3d4b44ddad6f090adec1fb64"
    lost: int


class NotRestored(Event):
    """The service ends and does not restore VFs, although on_stop says so, for the reason given."""

    level = Level.WARN
    msg = "VFs are not restored"
    message_id = "7948a3c1724d471d9af3f2f58ef2bf55"
    error: str


class WritingMetricsFailed(Event):
    """The file with the metrics could not be written; the one from before, if any, stays as it is."""

    level = Level.WARN
    msg = "failed to write metrics"
    message_id = "c25813e3cb024f34b2c859203654e4d6"
    error: str


class MetricsWrittenAgain(Event):
    """The file with the metrics could be written again, after a failure."""

    level = Level.INFO
    msg = "metrics are written again"
    message_id = "266fb2bf46af49c3a45c677d4eb6b853"


class Stopping(Event):
    """The service ends. It leaves VF link states as they are, unless on_stop says restore."""

    level = Level.INFO
    msg = "Stopping application"
    message_id = "7ec784283c6940348b7f8641f25f5e59"
