"""Faults around the relay: what it depends on hangs, fills up, disappears, returns (docs/reliability.md)."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import signal
import socket
import subprocess
import threading
import time
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from pf_status_relay.core.events import VfLinkStateSet, VfsDetected
from pf_status_relay.log import backlog
from tests.lab.kit import flaps, service
from tests.lab.kit.commands import run
from tests.lab.kit.lab import RESULTS, Lab
from tests.lab.kit.program import Relay, command, toml
from tests.lab.kit.topology import Pf

SET = "vf link state was set"
LOST = "log events were lost"


def flap(lab: Lab, pf: Pf) -> None:
    """Take LACP away and give it back; the relay follows, within what LACP takes for it."""
    pf.cable.block_lacp("to_host")
    pf.wait_for_vfs("disable")
    pf.cable.unblock_lacp("to_host")
    pf.wait_for_vfs("auto", within=6)


@pytest.mark.systemd
def test_a_hung_journal_does_not_hold_up_relaying_and_gets_every_line_in_the_end(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=256)
    pid = lab.start_service("ens5f0")
    journald = int(lab.show("MainPID", "systemd-journald"))
    os.kill(journald, signal.SIGSTOP)
    for _ in range(2):
        flap(lab, pf)
    assert int(Path("/proc/sys/net/unix/max_dgram_qlen").read_text()) < 1024, "more than the socket holds"
    lab.sleep(60)
    flap(lab, pf)
    os.kill(journald, signal.SIGCONT)
    lab.sleep(1)
    assert int(lab.show("MainPID")) == pid, "the watchdog saw it work"
    was_set = [entry["VF_ID"] for entry in lab.journal(event=VfLinkStateSet)]
    assert was_set == [str(vf) for vf in range(256)] * 6


@pytest.mark.systemd
def test_a_journal_that_hangs_for_so_long_that_events_are_lost_is_told_how_many(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=334)
    pid = lab.start_service("ens5f0")
    lab.wait_until(lambda: lab.journal(event=VfsDetected), within=2, what="the last line of a start")
    at_start = len(lab.journal())
    journald = int(lab.show("MainPID", "systemd-journald"))
    os.kill(journald, signal.SIGSTOP)
    for _ in range(16):
        flap(lab, pf)
    os.kill(journald, signal.SIGCONT)
    lab.sleep(1)
    flap(lab, pf)
    assert int(lab.show("MainPID")) == pid, "the watchdog saw it work"
    told = lab.journal()
    (gap,) = (number for number, entry in enumerate(told) if entry["MESSAGE"].startswith(LOST))
    flap_lines = len(told) - gap - 1
    assert gap > backlog.LIMIT
    assert gap + int(told[gap]["EVENTS_LOST"]) == at_start + 16 * flap_lines, "each is kept or counted"


@pytest.mark.systemd
def test_a_service_with_a_hung_journal_can_be_stopped(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=256)
    lab.start_service("ens5f0")
    journald = int(lab.show("MainPID", "systemd-journald"))
    os.kill(journald, signal.SIGSTOP)
    for _ in range(2):
        flap(lab, pf)
    asked_at = lab.now
    lab.systemctl("stop", "pf-status-relay")
    assert lab.now - asked_at < 3, "below TimeoutStopSec"
    assert lab.show("Result") == "success"
    os.kill(journald, signal.SIGCONT)


def fill(sender: socket.socket, address: str) -> None:
    """Send messages that systemd passes over, until its queue or the sender's is full."""
    while True:
        sender.sendto(b"WATCHDOG=1", address)


@pytest.mark.systemd
@pytest.mark.parametrize(
    ("fault", "refusal"), [("hangs", BlockingIOError), ("has crashed", ConnectionRefusedError)]
)
def test_a_systemd_that_takes_no_more_messages_is_not_waited_for(
    lab: Lab, fault: str, refusal: type[OSError]
) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=2)
    pid = lab.start_service("ens5f0")
    if fault == "hangs":
        Path("/sys/fs/cgroup/init.scope/cgroup.freeze").write_text("1")
    else:
        os.kill(1, signal.SIGSEGV)
        lab.sleep(0.1)
    with contextlib.ExitStack() as others:
        for _ in range(8):  # more than one can fill its queue
            other = others.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
            other.setblocking(False)
            with pytest.raises(refusal):
                fill(other, "/run/systemd/notify")
        for _ in range(10):
            flap(lab, pf)
    os.kill(pid, 0)
    was_set = [entry for entry in lab.journal() if str(entry["MESSAGE"]).startswith(SET)]
    assert len(was_set) == 10 * 4
    assert not lab.journal(PRIORITY=4)
    assert not lab.journal(PRIORITY=3)


def test_a_reader_of_the_log_that_hangs_does_not_hold_up_relaying(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=256)
    reading, writing = os.pipe()
    configuration = RESULTS / "hung.toml"
    configuration.write_text(toml(["ens5f0"], None))
    with subprocess.Popen(
        command("run", "--log-format", "json", "--config", str(configuration)), stdout=writing
    ) as relay:
        os.close(writing)
        for _ in range(4):  # 2048 lines of 100 bytes: more than a pipe holds
            flap(lab, pf)
        relay.terminate()
        lab.wait_until(lambda: relay.poll() is not None, within=3, what="its end, with a log left to write")
        assert relay.returncode == 0
        assert os.read(reading, 1 << 20).count(b"\n") > 100


def test_a_journal_that_is_gone_gets_every_line_once_it_is_there(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=4)
    address = Path("/run/systemd/journal/socket")
    assert not address.exists()
    configuration = RESULTS / "journal.toml"
    configuration.write_text(toml(["ens5f0"], None))
    with subprocess.Popen(command("run", "--log-format", "journal", "--config", str(configuration))) as relay:
        flap(lab, pf)
        address.parent.mkdir(parents=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journald:
            journald.bind(str(address))
            journald.settimeout(5)
            for expected in ("Starting application", "interfaces to monitor", "pf is ready", "lacp is up"):
                assert journald.recv(4096).startswith(f"MESSAGE={expected}".encode())
            relay.terminate()
            told = [journald.recv(4096)]
            while not told[-1].startswith(b"MESSAGE=Stopping"):
                told.append(journald.recv(4096))
        assert sum(entry.startswith(f"MESSAGE={SET}".encode()) for entry in told) == 8


def test_descriptors_0_1_and_2_closed_at_the_start_are_nobodys(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=2)
    configuration = RESULTS / "closed.toml"
    configuration.write_text(toml(["ens5f0"], None))
    words = shlex.join(command("run", "--log-format", "json", "--config", str(configuration)))
    with subprocess.Popen(["sh", "-c", f"exec {words} 0<&- 1>&- 2>&-"]) as relay:
        flap(lab, pf)
        standard = {os.readlink(f"/proc/{relay.pid}/fd/{number}") for number in range(3)}
        assert standard == {"/dev/null"}
        relay.terminate()
        lab.wait_until(lambda: relay.poll() is not None, within=1, what="its end")
        assert relay.returncode == 0


@pytest.mark.parametrize(
    "environment",
    [
        {"LC_ALL": "C", "LANG": "C"},
        {"LC_ALL": "xx_YY.KOI-99", "LANG": "no such"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"PYTHONIOENCODING": "ascii:strict", "LC_ALL": "POSIX"},
    ],
)
def test_no_locale_is_one_too_few(lab: Lab, environment: dict[str, str]) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=2)
    relay = lab.relay(["ens5f0", "f\u00fcr0"], environment=environment)
    flap(lab, pf)
    relay.wait_for("failed to fetch interface", interface="f\u00fcr0")
    assert relay.stderr == ""


def test_while_the_rtnl_lock_is_held_the_relay_waits_and_reacts_as_soon_as_it_is_free(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=4)
    relay = lab.relay(["ens5f0"])
    relay.wait_for("lacp is up")
    with subprocess.Popen(["sh", "-c", f"echo 20000 > {pf.rtnl_holder}"]) as holder:
        pf.cable.pull()
        holder.wait()
    pf.wait_for_vfs("disable", within=0.3)


def test_a_pf_that_goes_between_being_read_and_written_to_is_said_to_have_gone(lab: Lab) -> None:
    pf, other = lab.pf_with_lacp("ens5f0", vfs=2), lab.pf_with_lacp("ens5f1", vfs=2)
    bond = pf.master
    assert bond is not None
    relay = lab.relay(["ens5f0", "ens5f1"])
    relay.wait_for("lacp is up", interface="ens5f1")
    # Of those who wait for a lock that it frees, the kernel lets any other run first.
    os.sched_setscheduler(relay.pid, os.SCHED_IDLE, os.sched_param(0))
    for _ in range(5):
        delete_behind_a_read(lab, pf, other, relay)
        refused = relay.events("failed to set vf link state")
        if refused:
            break
        # The relay got the lock for its write before the PF went, which some kernels allow: once more.
        pf.recreate()
        bond.add(pf)
        pf.wait_for_lacp()
        pf.wait_for_vfs("auto", within=2)
    assert [(event["id"], event["error"]) for event in refused] == [
        (0, "No such device"),
        (1, "No such device"),
    ]
    relay.wait_for("pf is not ready", interface="ens5f0", error="Link not found")
    flap(lab, other)


def delete_behind_a_read(lab: Lab, pf: Pf, holder: Pf, relay: Relay) -> None:
    """Hold the RTNL lock while the carrier's loss, the relay's poll and the PF's removal wait for it."""
    polls = relay.wakeups()
    lab.wait_until(lambda: relay.wakeups() > polls, within=1.5, what="a poll: the next is a second away")
    with subprocess.Popen(["sh", "-c", f"echo 3000 > {holder.rtnl_holder}"]):
        waiting = []
        for doing in (pf.cable.pull, pf.delete):
            lab.sleep(0.1)
            waiting.append(threading.Thread(target=doing))
            waiting[-1].start()
            lab.sleep(1)  # the relay's next poll: it waits behind the first
        for thread in waiting:
            thread.join()
    lab.sleep(0.1)


@pytest.mark.systemd
def test_an_rtnl_lock_that_is_held_for_20_s_is_not_taken_for_a_hang(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=4)
    pid = lab.start_service("ens5f0")
    for _ in range(3):
        pf.rtnl_holder.write_text("20000")
        lab.sleep(1)
    assert int(lab.show("MainPID")) == pid
    assert lab.show("StatusText") == "1 PF: 1 up, 0 VFs disabled"
    assert not lab.journal(PRIORITY=4), "no socket failed"
    assert not lab.journal(PRIORITY=3)


@pytest.mark.systemd
@pytest.mark.parametrize("seconds", [5, 120])
def test_a_service_that_was_stopped_for_a_while_catches_up(lab: Lab, seconds: int) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=2)
    pid = lab.start_service("ens5f0")
    os.kill(pid, signal.SIGSTOP)
    pf.cable.block_lacp()
    lab.sleep(seconds)
    if seconds == 5:
        os.kill(pid, signal.SIGCONT)
    pf.wait_for_vfs("disable", within=0.3)
    assert lab.show("NRestarts") == ("0" if seconds == 5 else "1")


@pytest.mark.parametrize("days", [1, -1])
def test_a_clock_that_is_set_by_a_day_changes_nothing_but_the_times_of_the_log(lab: Lab, days: int) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=2)
    timeline = lab.record(pf)
    relay = lab.relay(["ens5f0"])
    relay.wait_for("lacp is up")
    time.clock_settime(time.CLOCK_REALTIME, time.time() + days * 86_400)
    before = relay.wakeups()
    lab.sleep(20)
    assert 18 <= relay.wakeups() - before <= 25, "the polls of 20 s"
    flap(lab, pf)
    time.clock_settime(time.CLOCK_REALTIME, time.time() - days * 86_400)
    flap(lab, pf)
    lost = timeline.first(pf, lambda sample: not sample.lacp_up())
    disabled = timeline.first(pf, lambda sample: "disable" in sample.vf_states)
    assert disabled - lost <= 0.3
    down, again = (datetime.fromisoformat(each["time"][:-1]) for each in relay.events("lacp is down"))
    assert round((down - again) / timedelta(days=1)) == days
    assert not relay.events(level="ERROR")


@pytest.mark.systemd
def test_a_full_run_costs_state_json_alone(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=2)
    lab.start_service("ens5f0")
    state = Path("/run/pf-status-relay/state.json")
    written = state.read_text()
    room = os.statvfs("/run")
    used = (room.f_blocks - room.f_bfree) * room.f_frsize
    run("mount", "-o", f"remount,size={used}", "/run")
    pf.cable.block_lacp()
    pf.wait_for_vfs("disable")
    assert state.read_text() == written, "the old file stays, whole"
    run("mount", "-o", "remount,size=64m", "/run")
    lab.wait_until(
        lambda: json.loads(state.read_text())["interfaces"]["ens5f0"]["lacp"] == "down",
        within=1.2,
        what="state.json",
    )


@pytest.mark.parametrize("kind", ["directory", "FIFO", "100 MB"])
def test_a_configuration_that_was_replaced_by_something_else_is_refused_and_the_old_one_kept(
    lab: Lab, kind: str
) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=2)
    relay = lab.relay(["ens5f0"])
    relay.wait_for("lacp is up")
    file = RESULTS / "relay-1.toml"
    file.unlink()
    if kind == "directory":
        file.mkdir()
    elif kind == "FIFO":
        os.mkfifo(file)
    else:
        with file.open("wb") as large:
            large.truncate(100 << 20)
    relay.signal(signal.SIGHUP)
    refused = relay.wait_for("configuration was refused", within=0.5)
    expected = "has 104857600 bytes; allowed: up to 65536" if kind == "100 MB" else "is not a regular file"
    assert expected in refused["error"]
    flap(lab, pf)
    assert len(relay.events("configuration was refused")) == 1


def test_32_pfs_with_64_vfs_that_go_down_together_are_all_served_and_all_logged(lab: Lab) -> None:
    switch = lab.switch("sw0")
    names = [f"ens{number}" for number in range(32)]
    pfs = [lab.pf_with_lacp(name, vfs=64, switch=switch, wait=False) for name in names]
    for pf in pfs:
        pf.wait_for_lacp()
    relay = lab.relay(names)
    relay.wait_for("lacp is up", interface=names[-1])
    pulled_at = lab.now
    for pf in pfs:
        pf.cable.pull()
    for pf in pfs:
        pf.wait_for_vfs("disable", within=0.3)
    assert lab.now - pulled_at <= 0.3
    lab.sleep(1)
    was_set = [(event["interface"], event["id"]) for event in relay.events(SET, state="disable")]
    assert sorted(was_set) == sorted((name, vf) for name in names for vf in range(64))
    assert not relay.events(LOST)


def test_flaps_leave_nothing_behind_and_each_is_logged_once(lab: Lab) -> None:
    figures = flaps.play(lab, 200)
    assert (figures.flaps, figures.lost) == (200, 0)
    assert figures.lines == figures.expected_lines
    assert figures.grown_descriptors == 0
    assert figures.grown_kb <= 1024


@pytest.mark.systemd
def test_a_service_that_runs_into_a_memory_limit_is_started_until_there_is_memory(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=2)
    lab.configure(["ens5f0"])
    drop_in = Path("/run/systemd/system/pf-status-relay.service.d/limit.conf")
    drop_in.parent.mkdir(parents=True)
    drop_in.write_text("[Service]\nMemoryMax=12M\n")
    lab.systemctl("daemon-reload")
    lab.systemctl("start", "--no-block", "pf-status-relay")
    pf.cable.block_lacp()
    lab.wait_until(lambda: int(lab.show("NRestarts")) >= 3, within=30, what="restarts", poll=0.5)
    drop_in.unlink()
    lab.systemctl("daemon-reload")
    pf.wait_for_vfs("disable", within=10)
    assert "oom-kill" in service.text("pf-status-relay")


@pytest.mark.systemd
@pytest.mark.real_time
def test_where_memory_runs_out_again_and_again_others_are_killed_and_the_service_relays(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=2)
    pid = lab.start_service("ens5f0")
    eating = "eaten = []\nwhile True: eaten.append(bytearray(8 << 20))"
    protected = ("-p", "OOMScoreAdjust=-500", "-p", "Restart=always", "-p", "StartLimitIntervalSec=0")
    run("systemd-run", "--unit=eater", *protected, service.PYTHON, "-c", eating)

    def killed() -> int:
        return int(lab.show("NRestarts", "eater"))

    pf.cable.block_lacp("to_host")
    pf.wait_for_vfs("disable", within=60)
    before = killed()
    pf.cable.unblock_lacp("to_host")
    pf.wait_for_vfs("auto")
    lab.wait_until(lambda: killed() > before, within=60, what="memory run out", poll=1)
    assert int(lab.show("MainPID")) == pid


@pytest.mark.systemd
@pytest.mark.real_time
def test_where_every_core_is_busy_the_service_gets_its_share(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=2)
    pid = lab.start_service("ens5f0")
    for number in range(8):
        run("systemd-run", f"--unit=busy{number}", "sh", "-c", "while :; do :; done")
    pf.cable.block_lacp()
    pf.wait_for_vfs("disable", within=60)
    assert [lab.show("ActiveState", f"busy{number}") for number in range(8)] == ["active"] * 8
    assert int(lab.show("MainPID")) == pid
