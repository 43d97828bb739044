"""Faults around the relay: what it stands on hangs, fills up, goes, and comes back. docs/reliability.md has them all."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.lab.lab import RESULTS, Lab
from tests.lab.program import command, toml
from tests.lab.test_systemd import start
from tests.lab.topology import Pf

SET = "vf link state was set"
LOST = "log events were lost"


def flap(lab: Lab, pf: Pf) -> None:
    """Loses LACP and gets it back; the relay follows, within what LACP takes for it."""
    pf.cable.block_lacp("to_host")
    lab.wait_until(lambda: pf.in_state("disable"), within=6, what="VFs disabled")
    pf.cable.unblock_lacp("to_host")
    lab.wait_until(lambda: pf.in_state("auto"), within=6, what="VFs back in auto")


@pytest.mark.systemd
def test_a_hung_journal_does_not_hold_up_relaying_and_gets_every_line_in_the_end(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=256)
    pid = start(lab, "ens5f0")
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
    was_set = [entry["VF_ID"] for entry in lab.journal(MESSAGE_ID="0dfab200dfc1494283da9e71d89615e8")]
    assert was_set == [str(vf) for vf in range(256)] * 6


@pytest.mark.systemd
def test_a_service_with_a_hung_journal_can_be_stopped(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=256)
    start(lab, "ens5f0")
    journald = int(lab.show("MainPID", "systemd-journald"))
    os.kill(journald, signal.SIGSTOP)
    for _ in range(2):
        flap(lab, pf)
    asked_at = lab.now
    lab.systemctl("stop", "pf-status-relay")
    assert lab.now - asked_at < 3, "below TimeoutStopSec"
    assert lab.show("Result") == "success"
    os.kill(journald, signal.SIGCONT)


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
