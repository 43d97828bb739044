"""An event in the log, character by character: alerts match it, and journalctl selects by it."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone

import pytest

from pf_status_relay.core import events
from pf_status_relay.core.events import Event
from pf_status_relay.core.facts import VfLinkState
from pf_status_relay.core.lacp import PortState
from pf_status_relay.log.output import journal_fields, json_line

TIME = datetime(2026, 2, 3, 4, 5, 6, 7, tzinfo=timezone.utc)
EXPIRED, STALE = PortState(143), PortState(55)
EXPIRED_TEXT = "0x8f (activity timeout aggregation synchronization expired)"
STALE_TEXT = "0x37 (activity timeout aggregation collecting distributing)"

LOG = [
    (events.Starting(), 'INFO","msg":"Starting application"', "Starting application", {}),
    (
        events.InterfacesToMonitor(("ens5f0", "ens5f1")),
        'INFO","msg":"interfaces to monitor","interfaces":["ens5f0","ens5f1"]',
        "interfaces to monitor interfaces=ens5f0,ens5f1",
        {"PF_INTERFACES": "ens5f0,ens5f1"},
    ),
    (
        events.InterfaceDropped("ens5f0", disabled=4),
        'INFO","msg":"interface is no longer monitored, its VFs are left as they are"'
        ',"interface":"ens5f0","disabled":4',
        "interface is no longer monitored, its VFs are left as they are interface=ens5f0 disabled=4",
        {"PF_INTERFACE": "ens5f0", "VF_DISABLED": "4"},
    ),
    (
        events.InterfacesNotListed("Permission denied"),
        'WARN","msg":"failed to list interfaces","error":"Permission denied"',
        'failed to list interfaces error="Permission denied"',
        {"ERROR": "Permission denied"},
    ),
    (
        events.ConfigurationReloaded(),
        'INFO","msg":"configuration was reloaded"',
        "configuration was reloaded",
        {},
    ),
    (
        events.ConfigurationRefused("x: no such file"),
        'ERROR","msg":"configuration was refused","error":"x: no such file"',
        'configuration was refused error="x: no such file"',
        {"ERROR": "x: no such file"},
    ),
    (
        events.ConfigurationLeftOut("x: is no link"),
        'WARN","msg":"part of the configuration was left out","error":"x: is no link"',
        'part of the configuration was left out error="x: is no link"',
        {"ERROR": "x: is no link"},
    ),
    (
        events.RestoreDelayed("ens5f0", wait_ms=5000),
        'INFO","msg":"VFs stay disabled until lacp has been up for longer"'
        ',"interface":"ens5f0","wait_ms":5000',
        "VFs stay disabled until lacp has been up for longer interface=ens5f0 wait_ms=5000",
        {"PF_INTERFACE": "ens5f0", "WAIT_MS": "5000"},
    ),
    (
        events.LogEventsLost(3),
        'WARN","msg":"log events were lost","lost":3',
        "log events were lost lost=3",
        {"EVENTS_LOST": "3"},
    ),
    (
        events.NotRestored("the service is restarted"),
        'WARN","msg":"VFs are not restored","error":"the service is restarted"',
        'VFs are not restored error="the service is restarted"',
        {"ERROR": "the service is restarted"},
    ),
    (
        events.FetchFailed("ens5f0", "Link not found"),
        'WARN","msg":"failed to fetch interface","interface":"ens5f0","error":"Link not found"',
        'failed to fetch interface interface=ens5f0 error="Link not found"',
        {"PF_INTERFACE": "ens5f0", "ERROR": "Link not found"},
    ),
    (
        events.PfReady("ens5f0"),
        'INFO","msg":"pf is ready","interface":"ens5f0"',
        "pf is ready interface=ens5f0",
        {"PF_INTERFACE": "ens5f0"},
    ),
    (
        events.PfNotReady("ens5f0", "link has no master interface"),
        'ERROR","msg":"pf is not ready","interface":"ens5f0","error":"link has no master interface"',
        'pf is not ready interface=ens5f0 error="link has no master interface"',
        {"PF_INTERFACE": "ens5f0", "ERROR": "link has no master interface"},
    ),
    (
        events.LacpUp("ens5f0", PortState(63), PortState(1)),
        'INFO","msg":"lacp is up","interface":"ens5f0"',
        "lacp is up interface=ens5f0",
        {
            "PF_INTERFACE": "ens5f0",
            "ACTOR_STATE": ("0x3f (activity timeout aggregation synchronization collecting distributing)"),
            "PARTNER_STATE": "0x01 (activity)",
        },
    ),
    (
        events.LacpDown("ens5f0", EXPIRED, STALE, carrier=False, cause="no carrier"),
        'INFO","msg":"lacp is down","interface":"ens5f0","cause":"no carrier"',
        'lacp is down interface=ens5f0 cause="no carrier"',
        {
            "PF_INTERFACE": "ens5f0",
            "ACTOR_STATE": EXPIRED_TEXT,
            "PARTNER_STATE": STALE_TEXT,
            "PF_CARRIER": "no",
            "CAUSE": "no carrier",
        },
    ),
    (
        events.LacpDown("ens5f0", None, None, carrier=True, cause="not agreed yet"),
        'INFO","msg":"lacp is down","interface":"ens5f0","cause":"not agreed yet"',
        'lacp is down interface=ens5f0 cause="not agreed yet"',
        {"PF_INTERFACE": "ens5f0", "PF_CARRIER": "yes", "CAUSE": "not agreed yet"},
    ),
    (
        events.LacpStillDown("ens5f0", "LACPDUs have stopped", EXPIRED, STALE, carrier=True),
        'INFO","msg":"lacp is still down","interface":"ens5f0","cause":"LACPDUs have stopped"',
        'lacp is still down interface=ens5f0 cause="LACPDUs have stopped"',
        {
            "PF_INTERFACE": "ens5f0",
            "CAUSE": "LACPDUs have stopped",
            "ACTOR_STATE": EXPIRED_TEXT,
            "PARTNER_STATE": STALE_TEXT,
            "PF_CARRIER": "yes",
        },
    ),
    (
        events.LacpLate("ens5f0", silent_ms=2510),
        'WARN","msg":"lacp is late","interface":"ens5f0","silent_ms":2510',
        "lacp is late interface=ens5f0 silent_ms=2510",
        {"PF_INTERFACE": "ens5f0", "SILENT_MS": "2510"},
    ),
    (
        events.EarlyDetectionRefused("ens5f0", "the LACP rate is slow"),
        'WARN","msg":"early detection is not possible","interface":"ens5f0","error":"the LACP rate is slow"',
        'early detection is not possible interface=ens5f0 error="the LACP rate is slow"',
        {"PF_INTERFACE": "ens5f0", "ERROR": "the LACP rate is slow"},
    ),
    (
        events.PfDrained("ens5f0", "alice", "switch A: firmware", "2030-01-01T12:00:00Z", enabled=1),
        'INFO","msg":"pf is drained","interface":"ens5f0","owner":"alice","reason":"switch A: firmware",'
        '"until":"2030-01-01T12:00:00Z","enabled":1',
        'pf is drained interface=ens5f0 owner=alice reason="switch A: firmware" until=2030-01-01T12:00:00Z '
        "enabled=1",
        {
            "PF_INTERFACE": "ens5f0",
            "DRAIN_OWNER": "alice",
            "REASON": "switch A: firmware",
            "DRAIN_UNTIL": "2030-01-01T12:00:00Z",
            "VF_ENABLED": "1",
        },
    ),
    (
        events.PfKeptOpen("ens5f0", "no other PF of its redundancy group is open"),
        'WARN","msg":"pf is kept open","interface":"ens5f0",'
        '"reason":"no other PF of its redundancy group is open"',
        'pf is kept open interface=ens5f0 reason="no other PF of its redundancy group is open"',
        {"PF_INTERFACE": "ens5f0", "REASON": "no other PF of its redundancy group is open"},
    ),
    (
        events.PfNoLongerKeptOpen("ens5f0"),
        'INFO","msg":"pf is no longer kept open","interface":"ens5f0"',
        "pf is no longer kept open interface=ens5f0",
        {"PF_INTERFACE": "ens5f0"},
    ),
    (
        events.PfUndrained("ens5f0", "alice", "switch A: firmware"),
        'INFO","msg":"pf is no longer drained","interface":"ens5f0","owner":"alice",'
        '"reason":"switch A: firmware"',
        'pf is no longer drained interface=ens5f0 owner=alice reason="switch A: firmware"',
        {"PF_INTERFACE": "ens5f0", "DRAIN_OWNER": "alice", "REASON": "switch A: firmware"},
    ),
    (
        events.DrainIgnored("/run/a: no"),
        'WARN","msg":"drain is ignored","error":"/run/a: no"',
        'drain is ignored error="/run/a: no"',
        {"ERROR": "/run/a: no"},
    ),
    (
        events.VfsLeftDisabled("ens5f0", 2, "pf-status-relay restore ens5f0"),
        'WARN","msg":"VFs are left disabled","interface":"ens5f0","disabled":2,'
        '"command":"pf-status-relay restore ens5f0"',
        'VFs are left disabled interface=ens5f0 disabled=2 command="pf-status-relay restore ens5f0"',
        {
            "PF_INTERFACE": "ens5f0",
            "VF_DISABLED": "2",
            "COMMAND": "pf-status-relay restore ens5f0",
        },
    ),
    (
        events.RestoreDelayGrown("ens5f0", delay_ms=20_000),
        'WARN","msg":"VFs will stay disabled for longer, as lacp flaps","interface":"ens5f0",'
        '"delay_ms":20000',
        "VFs will stay disabled for longer, as lacp flaps interface=ens5f0 delay_ms=20000",
        {"PF_INTERFACE": "ens5f0", "DELAY_MS": "20000"},
    ),
    (
        events.BfdUp("ens5f0", "192.0.2.2"),
        'INFO","msg":"bfd session is up","interface":"ens5f0","peer":"192.0.2.2"',
        "bfd session is up interface=ens5f0 peer=192.0.2.2",
        {"PF_INTERFACE": "ens5f0", "BFD_PEER": "192.0.2.2"},
    ),
    (
        events.BfdTimedOut("ens5f0", "192.0.2.2"),
        'WARN","msg":"bfd session timed out","interface":"ens5f0","peer":"192.0.2.2"',
        "bfd session timed out interface=ens5f0 peer=192.0.2.2",
        {"PF_INTERFACE": "ens5f0", "BFD_PEER": "192.0.2.2"},
    ),
    (
        events.BfdProvesNothing("ens5f0", "192.0.2.2", "it has not been up yet"),
        'WARN","msg":"bfd session proves nothing","interface":"ens5f0","peer":"192.0.2.2",'
        '"reason":"it has not been up yet"',
        'bfd session proves nothing interface=ens5f0 peer=192.0.2.2 reason="it has not been up yet"',
        {"PF_INTERFACE": "ens5f0", "BFD_PEER": "192.0.2.2", "REASON": "it has not been up yet"},
    ),
    (
        events.BfddConnected("/run/frr/bfdd.sock"),
        'INFO","msg":"bfdd is connected","path":"/run/frr/bfdd.sock"',
        "bfdd is connected path=/run/frr/bfdd.sock",
        {"BFD_SOCKET": "/run/frr/bfdd.sock"},
    ),
    (
        events.BfddNotConnected("/run/frr/bfdd.sock", "Connection refused"),
        'WARN","msg":"bfdd is not connected","path":"/run/frr/bfdd.sock","error":"Connection refused"',
        'bfdd is not connected path=/run/frr/bfdd.sock error="Connection refused"',
        {"BFD_SOCKET": "/run/frr/bfdd.sock", "ERROR": "Connection refused"},
    ),
    (
        events.DriverSlow("ens5f0", "setting a VF", 150),
        'INFO","msg":"driver of pf is slow","interface":"ens5f0","operation":"setting a VF",'
        '"milliseconds":150',
        'driver of pf is slow interface=ens5f0 operation="setting a VF" milliseconds=150',
        {"PF_INTERFACE": "ens5f0", "OPERATION": "setting a VF", "MILLISECONDS": "150"},
    ),
    (
        events.SlowLacpRate("ens5f0"),
        'WARN","msg":"pf is using slow lacp rate","interface":"ens5f0"',
        "pf is using slow lacp rate interface=ens5f0",
        {"PF_INTERFACE": "ens5f0"},
    ),
    (
        events.PortStateChanged("ens5f0", EXPIRED, STALE, carrier=True),
        f'DEBUG","msg":"lacp port state changed","interface":"ens5f0","actor":"{EXPIRED_TEXT}",'
        f'"partner":"{STALE_TEXT}","carrier":true',
        f'lacp port state changed interface=ens5f0 actor="{EXPIRED_TEXT}" partner="{STALE_TEXT}" carrier=yes',
        {
            "PF_INTERFACE": "ens5f0",
            "ACTOR_STATE": EXPIRED_TEXT,
            "PARTNER_STATE": STALE_TEXT,
            "PF_CARRIER": "yes",
        },
    ),
    (
        events.NoVfs("ens5f0"),
        'INFO","msg":"pf has no VFs","interface":"ens5f0"',
        "pf has no VFs interface=ens5f0",
        {"PF_INTERFACE": "ens5f0"},
    ),
    (
        events.VfsDetected("ens5f0", 8),
        'INFO","msg":"VFs detected on interface","interface":"ens5f0","count":8',
        "VFs detected on interface interface=ens5f0 count=8",
        {"PF_INTERFACE": "ens5f0", "VF_COUNT": "8"},
    ),
    (
        events.VfListIncomplete("ens5f0", count=335, listed=0, served=335),
        'ERROR","msg":"VF list is incomplete","interface":"ens5f0","count":335,"listed":0,"served":335',
        "VF list is incomplete interface=ens5f0 count=335 listed=0 served=335",
        {"PF_INTERFACE": "ens5f0", "VF_COUNT": "335", "VF_LISTED": "0", "VF_SERVED": "335"},
    ),
    (
        events.VfsMissing("ens5f0", count=4, missing=1),
        'WARN","msg":"VFs are missing in the list","interface":"ens5f0","count":4,"missing":1',
        "VFs are missing in the list interface=ens5f0 count=4 missing=1",
        {"PF_INTERFACE": "ens5f0", "VF_COUNT": "4", "VF_MISSING": "1"},
    ),
    (
        events.VfsListedAgain("ens5f0", 4),
        'INFO","msg":"all VFs are listed again","interface":"ens5f0","count":4',
        "all VFs are listed again interface=ens5f0 count=4",
        {"PF_INTERFACE": "ens5f0", "VF_COUNT": "4"},
    ),
    (
        events.VfStatesUnknown("ens5f0"),
        'WARN","msg":"vf link states are unknown","interface":"ens5f0"',
        "vf link states are unknown interface=ens5f0",
        {"PF_INTERFACE": "ens5f0"},
    ),
    (
        events.VfStatesKnown("ens5f0"),
        'INFO","msg":"vf link states are known again","interface":"ens5f0"',
        "vf link states are known again interface=ens5f0",
        {"PF_INTERFACE": "ens5f0"},
    ),
    (
        events.VfLinkStateDoubtful(7, "ens5f0", "Input/output error", VfLinkState.AUTO),
        'WARN","msg":"vf link state is doubtful","id":7,"interface":"ens5f0","error":"Input/output error"',
        'vf link state is doubtful id=7 interface=ens5f0 error="Input/output error"',
        {
            "VF_ID": "7",
            "PF_INTERFACE": "ens5f0",
            "ERROR": "Input/output error",
            "VF_LINK_STATE": "auto",
        },
    ),
    (
        events.VfLinkStateSet(0, VfLinkState.DISABLE, "ens5f0", 0.412),
        'INFO","msg":"vf link state was set","id":0,"state":"disable","interface":"ens5f0"',
        "vf link state was set id=0 state=disable interface=ens5f0",
        {"VF_ID": "0", "VF_LINK_STATE": "disable", "PF_INTERFACE": "ens5f0", "TOOK_MS": "0.412"},
    ),
    (
        events.VfLinkStateWouldBeSet(7, VfLinkState.AUTO, "ens5f0"),
        'INFO","msg":"dry run: vf link state would be set","id":7,"state":"auto","interface":"ens5f0"',
        "dry run: vf link state would be set id=7 state=auto interface=ens5f0",
        {"VF_ID": "7", "VF_LINK_STATE": "auto", "PF_INTERFACE": "ens5f0"},
    ),
    (
        events.SettingVfFailed(7, "ens5f0", "Operation not supported", VfLinkState.AUTO),
        'ERROR","msg":"failed to set vf link state","id":7,"interface":"ens5f0",'
        '"error":"Operation not supported"',
        'failed to set vf link state id=7 interface=ens5f0 error="Operation not supported"',
        {
            "VF_ID": "7",
            "PF_INTERFACE": "ens5f0",
            "ERROR": "Operation not supported",
            "VF_LINK_STATE": "auto",
        },
    ),
    (
        events.VfsSetBySomebodyElse("ens5f0", 3),
        'WARN","msg":"vf link states are also set by somebody else","interface":"ens5f0","id":3',
        "vf link states are also set by somebody else interface=ens5f0 id=3",
        {"PF_INTERFACE": "ens5f0", "VF_ID": "3"},
    ),
    (
        events.AnotherRelayRuns(812),
        'WARN","msg":"another relay is running","pid":812',
        "another relay is running pid=812",
        {"RELAY_PID": "812"},
    ),
    (events.LinkEventsLost(), 'DEBUG","msg":"link events were lost"', "link events were lost", {}),
    (
        events.NetlinkReopened("Bad file descriptor"),
        'WARN","msg":"netlink socket was reopened","error":"Bad file descriptor"',
        'netlink socket was reopened error="Bad file descriptor"',
        {"ERROR": "Bad file descriptor"},
    ),
    (
        events.NetlinkFailed("EPERM"),
        'ERROR","msg":"netlink is not available","error":"EPERM"',
        "netlink is not available error=EPERM",
        {"ERROR": "EPERM"},
    ),
    (
        events.WritingMetricsFailed("/a.prom: Permission denied"),
        'WARN","msg":"failed to write metrics","error":"/a.prom: Permission denied"',
        'failed to write metrics error="/a.prom: Permission denied"',
        {"ERROR": "/a.prom: Permission denied"},
    ),
    (
        events.MetricsWrittenAgain(),
        'INFO","msg":"metrics are written again"',
        "metrics are written again",
        {},
    ),
    (events.Stopping(), 'INFO","msg":"Stopping application"', "Stopping application", {}),
]
NAMES = [type(row[0]).__name__ for row in LOG]
PRIORITIES = {"DEBUG": "7", "INFO": "6", "WARN": "4", "ERROR": "3"}


def test_every_event_is_in_the_table() -> None:
    assert {type(row[0]) for row in LOG} == set(Event.__subclasses__())


@pytest.mark.parametrize(("event", "line"), [row[:2] for row in LOG], ids=NAMES)
def test_the_json_line_of_an_event(event: Event, line: str) -> None:
    assert json_line(event, TIME) == '{"time":"2026-02-03T04:05:06.000007Z","level":"' + line + "}"


@pytest.mark.parametrize(("event", "line", "message", "own"), LOG, ids=NAMES)
def test_the_journal_fields_of_an_event(event: Event, line: str, message: str, own: dict[str, str]) -> None:
    assert journal_fields(event) == {
        "MESSAGE": message,
        "MESSAGE_ID": event.message_id,
        "PRIORITY": PRIORITIES[line.split('"')[0]],
        "SYSLOG_IDENTIFIER": "pf-status-relay",
        **own,
    }


def test_the_time_is_told_in_utc_wherever_the_clock_is() -> None:
    there = TIME.astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert json_line(events.Starting(), there) == json_line(events.Starting(), TIME)


@pytest.mark.parametrize(
    ("error", "word"),
    [
        ("plain", "plain"),
        ("", '""'),
        ("two words", '"two words"'),
        ('a"b', '"a\\"b"'),
        ("a=b", '"a=b"'),
        ("line\nbreak", '"line\\nbreak"'),
        ("ü", "ü"),
    ],
)
def test_a_value_is_one_word_of_the_message(error: str, word: str) -> None:
    assert journal_fields(events.NetlinkFailed(error))["MESSAGE"] == f"netlink is not available error={word}"


@pytest.mark.parametrize("error", ['quote "', "line\nbreak", "\x7f\x00", "ü", "\udcff"])
def test_a_json_line_is_one_line_of_ascii_and_means_what_was_said(error: str) -> None:
    line = json_line(events.NetlinkFailed(error), TIME)
    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line)["error"] == error
