"""What can happen to the service itself, one record per line that the log can hold (see event.py)."""

from __future__ import annotations

from dataclasses import dataclass

from pf_status_relay.event import Event, Level


@dataclass(frozen=True)
class Starting(Event):
    """The service begins."""

    level = Level.INFO
    msg = "Starting application"
    message_id = "3b3898db370a402e8600b28ac79061eb"


@dataclass(frozen=True)
class InterfacesToMonitor(Event):
    """The interfaces that the configuration names."""

    level = Level.INFO
    msg = "interfaces to monitor"
    message_id = "d28cf8e850614523ab5a1f6af6c83032"
    interfaces: tuple[str, ...]


@dataclass(frozen=True)
class InterfaceDropped(Event):
    """The interface is no longer among those to monitor. Its VFs, some disabled, stay as they are."""

    level = Level.INFO
    msg = "interface is no longer monitored, its VFs are left as they are"
    message_id = "78f054b9e7ae40af9d4eae3f72b3dc9f"
    interface: str
    disabled: int


@dataclass(frozen=True)
class InterfacesNotListed(Event):
    """The interfaces for `auto` or a pattern could not be listed; those known before are still monitored."""

    level = Level.WARN
    msg = "failed to list interfaces"
    message_id = "397a02841b104d0984b30181c5cf1a43"
    error: str


@dataclass(frozen=True)
class ConfigurationReloaded(Event):
    """The configuration was read again and is in effect."""

    level = Level.INFO
    msg = "configuration was reloaded"
    message_id = "b04152b12ff7475895ddf74403622ca8"


@dataclass(frozen=True)
class ConfigurationRefused(Event):
    """The configuration was read again, has this fault, and is not in effect; the one before still is."""

    level = Level.ERROR
    msg = "configuration was refused"
    message_id = "deceb5284c79437d82b7a6cbb36ba63e"
    error: str


@dataclass(frozen=True)
class AnotherRelayRuns(Event):
    """Another relay of ours has the lock; the service sets nothing until that has ended."""

    level = Level.WARN
    msg = "another relay is running"
    message_id = "057a3cd15655490eb1e96dfa2b3d8ad4"
    pid: int


@dataclass(frozen=True)
class LinkEventsLost(Event):
    """The kernel had more link events than the socket could hold; everything is read again."""

    level = Level.DEBUG
    msg = "link events were lost"
    message_id = "d1fc628003c54146b0ff3dc9cfce30de"


@dataclass(frozen=True)
class NetlinkReopened(Event):
    """The netlink sockets failed and were opened anew."""

    level = Level.WARN
    msg = "netlink socket was reopened"
    message_id = "d55faebe5e134e5aa73e2e589d99a336"
    error: str


@dataclass(frozen=True)
class NetlinkFailed(Event):
    """The netlink sockets failed and could not be opened anew; nothing is relayed until they are."""

    level = Level.ERROR
    msg = "netlink is not available"
    message_id = "52c9032b65064201a5e722d07ab02f6d"
    error: str


@dataclass(frozen=True)
class LogEventsLost(Event):
    """Whoever takes the log did not for so long that events, this many, could not be kept for it."""

    level = Level.WARN
    msg = "log events were lost"
    message_id = "df316f0a3d4b44ddad6f090adec1fb64"
    lost: int


@dataclass(frozen=True)
class NotRestored(Event):
    """The service ends and does not restore VFs, though it is to on a stop, for the reason given."""

    level = Level.WARN
    msg = "VFs are not restored"
    message_id = "7948a3c1724d471d9af3f2f58ef2bf55"
    error: str


@dataclass(frozen=True)
class WritingMetricsFailed(Event):
    """The file with the metrics could not be written; the one from before, if any, stays as it is."""

    level = Level.WARN
    msg = "failed to write metrics"
    message_id = "c25813e3cb024f34b2c859203654e4d6"
    error: str


@dataclass(frozen=True)
class MetricsWrittenAgain(Event):
    """The file with the metrics could be written after it could not."""

    level = Level.INFO
    msg = "metrics are written again"
    message_id = "266fb2bf46af49c3a45c677d4eb6b853"


@dataclass(frozen=True)
class Stopping(Event):
    """The service ends. Unless it is told to restore them, it leaves VF link states as they are."""

    level = Level.INFO
    msg = "Stopping application"
    message_id = "7ec784283c6940348b7f8641f25f5e59"
