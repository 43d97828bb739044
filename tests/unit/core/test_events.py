"""The vocabulary of events: alerts and journal queries rely on it, so it never changes."""

from __future__ import annotations

import re

import pytest

from pf_status_relay.core import events
from pf_status_relay.core.events import Event
from pf_status_relay.core.facts import VfLinkState
from pf_status_relay.core.lacp import PortState

VOCABULARY = [
    ("Starting", "INFO", "Starting application", "3b3898db370a402e8600b28ac79061eb"),
    ("InterfacesToMonitor", "INFO", "interfaces to monitor", "d28cf8e850614523ab5a1f6af6c83032"),
    ("FetchFailed", "WARN", "failed to fetch interface", "44405c990acd40df9efe9a951f256756"),
    ("PfReady", "INFO", "pf is ready", "64ab0feb33c74a84aece1e8665ab9745"),
    ("PfNotReady", "ERROR", "pf is not ready", "f80831f549454dde8f1f44e6cc59330e"),
    ("LacpUp", "INFO", "lacp is up", "5c3c3aff39034ac9807219ada031df8c"),
    ("LacpDown", "INFO", "lacp is down", "5e3b18c5a56f406990832aaaa9d31e52"),
    ("LacpStillDown", "INFO", "lacp is still down", "999012f74b7d4cd48cfa808cf82b3e6a"),
    ("LacpLate", "WARN", "lacp is late", "9f9212eb6134461d9a9dff57b880127d"),
    ("EarlyDetectionRefused", "WARN", "early detection is not possible", "262cad5cad8f4ee08185196a4668f7fc"),
    ("SlowLacpRate", "WARN", "pf is using slow lacp rate", "5bcc3fde10d344509cb89aced65f7fb9"),
    (
        "RestoreDelayGrown",
        "WARN",
        "VFs will stay disabled for longer, as lacp flaps",
        "ddf608ba2fb145e3b6bcd042b8aa1c4e",
    ),
    ("BfdUp", "INFO", "bfd session is up", "fbcdcd4840694204a1897dc40c6784f3"),
    ("BfdTimedOut", "WARN", "bfd session timed out", "3d79d5e354104c4cbd21bb33588213a4"),
    ("BfdProvesNothing", "WARN", "bfd session proves nothing", "6717481783444ee89cbfa66a4ef6783e"),
    ("BfddConnected", "INFO", "bfdd is connected", "41932ac44ec24b73b77de05007eeafb5"),
    ("BfddNotConnected", "WARN", "bfdd is not connected", "9dd41e769afc4bfba4ba57ab6eb68311"),
    ("DriverSlow", "INFO", "driver of pf is slow", "67f3a4ef987a4a45b451d47804eb07c0"),
    ("PortStateChanged", "DEBUG", "lacp port state changed", "0c4fc77cc6ce434c814e151c76e9e72b"),
    ("PfDrained", "INFO", "pf is drained", "c835de16ef464bbc9cbffa410b544a7d"),
    ("PfKeptOpen", "WARN", "pf is kept open", "c16c95c675c044968a53152a2a640069"),
    ("PfNoLongerKeptOpen", "INFO", "pf is no longer kept open", "b7de6daf7a50401db3b840c7ac1edea0"),
    ("PfUndrained", "INFO", "pf is no longer drained", "9d3bfa853d5a41fcae5f5017ba0caaf2"),
    ("DrainIgnored", "WARN", "drain is ignored", "a5c81c2a3ce74ab3800196968a27361e"),
    ("VfsLeftDisabled", "WARN", "VFs are left disabled", "37febcfb310746aaa17d5256e1ae748f"),
    ("NoVfs", "INFO", "pf has no VFs", "b547e0b6de304f3faa3a35236c7693f2"),
    ("VfsDetected", "INFO", "VFs detected on interface", "05cddb078c6b41778f48d4445df4c082"),
    ("VfListIncomplete", "ERROR", "VF list is incomplete", "4806cfc275984b35a955fbab520e9288"),
    ("VfsMissing", "WARN", "VFs are missing in the list", "0ed3e432c9994df394ca49cc6850b712"),
    ("VfsListedAgain", "INFO", "all VFs are listed again", "13c0758b3e214dd992376a03abbad383"),
    ("VfStatesUnknown", "WARN", "vf link states are unknown", "327bbfff28fe49a5a6f3e12acd720862"),
    ("VfStatesKnown", "INFO", "vf link states are known again", "7bf79e0b5cf542a3bbf70f24ca15e239"),
    ("VfLinkStateDoubtful", "WARN", "vf link state is doubtful", "d6e876ce435740c88b15b86b109eb5f0"),
    ("VfLinkStateSet", "INFO", "vf link state was set", "0dfab200dfc1494283da9e71d89615e8"),
    (
        "VfLinkStateWouldBeSet",
        "INFO",
        "dry run: vf link state would be set",
        "1b54aea1098b4f87b5a09b77c8d57f30",
    ),
    ("SettingVfFailed", "ERROR", "failed to set vf link state", "f1bb477d598f4e339530f638b7d1e1cc"),
    (
        "VfsSetBySomebodyElse",
        "WARN",
        "vf link states are also set by somebody else",
        "03547e77107e436f8572ba8cbd35fe09",
    ),
    ("AnotherRelayRuns", "WARN", "another relay is running", "057a3cd15655490eb1e96dfa2b3d8ad4"),
    ("LinkEventsLost", "DEBUG", "link events were lost", "d1fc628003c54146b0ff3dc9cfce30de"),
    ("NetlinkReopened", "WARN", "netlink socket was reopened", "d55faebe5e134e5aa73e2e589d99a336"),
    ("NetlinkFailed", "ERROR", "netlink is not available", "52c9032b65064201a5e722d07ab02f6d"),
    (
        "InterfaceDropped",
        "INFO",
        "interface is no longer monitored, its VFs are left as they are",
        "78f054b9e7ae40af9d4eae3f72b3dc9f",
    ),
    ("InterfacesNotListed", "WARN", "failed to list interfaces", "397a02841b104d0984b30181c5cf1a43"),
    ("ConfigurationReloaded", "INFO", "configuration was reloaded", "b04152b12ff7475895ddf74403622ca8"),
    (
        "ConfigurationLeftOut",
        "WARN",
        "part of the configuration was left out",
        "38d7ba68823046aaa62a67ec3046c94d",
    ),
    ("ConfigurationRefused", "ERROR", "configuration was refused", "deceb5284c79437d82b7a6cbb36ba63e"),
    (
        "RestoreDelayed",
        "INFO",
        "VFs stay disabled until lacp has been up for longer",
        "84d18a427a20437d84d51e3c7e5a249a",
    ),
    ("LogEventsLost", "WARN", "log events were lost", "df316f0a3d4b44ddad6f090adec1fb64"),
    ("NotRestored", "WARN", "VFs are not restored", "7948a3c1724d471d9af3f2f58ef2bf55"),
    ("WritingMetricsFailed", "WARN", "failed to write metrics", "c25813e3cb024f34b2c859203654e4d6"),
    ("MetricsWrittenAgain", "INFO", "metrics are written again", "266fb2bf46af49c3a45c677d4eb6b853"),
    ("Stopping", "INFO", "Stopping application", "7ec784283c6940348b7f8641f25f5e59"),
]
"""Names, levels, messages and MESSAGE_IDs as released. Lines may be added; none may change."""


@pytest.mark.parametrize(
    ("name", "level", "msg", "message_id"), VOCABULARY, ids=[row[0] for row in VOCABULARY]
)
def test_an_event_keeps_its_level_message_and_id(name: str, level: str, msg: str, message_id: str) -> None:
    event = getattr(events, name)
    assert (event.level.name, event.msg, event.message_id) == (level, msg, message_id)


def test_every_event_is_in_the_vocabulary() -> None:
    assert {each.__name__ for each in Event.__subclasses__()} == {row[0] for row in VOCABULARY}


def test_message_ids_are_distinct_128_bit_numbers() -> None:
    ids = [each.message_id for each in Event.__subclasses__()]
    assert all(re.fullmatch("[0-9a-f]{32}", each) for each in ids)
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize(
    ("level", "priority"), [("DEBUG", 7), ("INFO", 6), ("WARN", 4), ("ERROR", 3)]
)  # syslog.h
def test_a_level_has_its_syslog_priority(level: str, priority: int) -> None:
    assert events.Level[level].value == priority


def test_what_is_for_the_journal_alone_is_no_key_of_the_log_line() -> None:
    down = events.LacpDown("ens5f0", PortState(143), PortState(55), True, "LACPDUs have stopped")
    assert list(down.keys()) == ["interface", "cause"]
    assert down.journal() == {
        "PF_INTERFACE": "ens5f0",
        "ACTOR_STATE": PortState(143),
        "PARTNER_STATE": PortState(55),
        "PF_CARRIER": True,
        "CAUSE": "LACPDUs have stopped",
    }


def test_the_state_that_was_refused_is_for_the_journal_alone() -> None:
    failed = events.SettingVfFailed(3, "ens5f0", "Operation not supported", VfLinkState.DISABLE)
    assert list(failed.keys()) == ["id", "interface", "error"]
    assert failed.details == ("state",)
    assert failed.journal()["VF_LINK_STATE"] is VfLinkState.DISABLE


def test_an_event_without_details_has_none() -> None:
    assert events.PfReady.details == ()


def test_events_are_values() -> None:
    assert events.PfReady("ens5f0") == events.PfReady("ens5f0") != events.PfReady("ens5f1")
    assert hash(events.PfReady("ens5f0")) == hash(events.PfReady(interface="ens5f0"))
    assert events.NoVfs("ens5f0") != events.PfReady("ens5f0")
    assert repr(events.VfsDetected("ens5f0", count=4)) == "VfsDetected(interface='ens5f0', count=4)"
    with pytest.raises(AttributeError):
        events.PfReady("ens5f0").interface = "ens5f1"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("values", "named"),
    [((), {}), (("a", 1, 2), {}), (("a",), {"interface": "b"}), (("a",), {"number": 1})],
)
def test_an_event_takes_each_of_its_fields_once(values: tuple[object, ...], named: dict[str, object]) -> None:
    with pytest.raises(TypeError, match="VfsDetected takes interface, count"):
        events.VfsDetected(*values, **named)  # type: ignore[arg-type]


def test_a_journal_field_follows_from_its_key() -> None:
    assert events.journal_field("silent_ms") == "SILENT_MS"
    fields = [events.journal_field(key) for each in Event.__subclasses__() for key in each.fields]
    assert [field for field in fields if not re.fullmatch("[A-Z][A-Z_]*", field)] == []
    for each in Event.__subclasses__():
        assert len(set(map(events.journal_field, each.fields))) == len(each.fields), each
