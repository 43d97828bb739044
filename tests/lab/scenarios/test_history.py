"""`pf-status-relay history`: what happened, as the journal has it, beside what was done here."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from datetime import datetime
from typing import Any
from xml.etree import ElementTree

import pytest

from pf_status_relay.core.causes import Cause
from pf_status_relay.core.events import LacpDown, LacpUp, PfDrained, PfUndrained
from tests.lab.kit import service
from tests.lab.kit.commands import run
from tests.lab.kit.lab import RESULTS, Lab
from tests.lab.kit.topology import Pf
from tests.lab.kit.waiting import LOSS_S, RECOVERY_S

pytestmark = pytest.mark.systemd

NOT_ALLOWED = "this user may not read the journal: use root, or a user in the group systemd-journal"


def document(lab: Lab, *words: str) -> dict[str, Any]:
    """Return what `history --json` prints."""
    run("journalctl", "--sync")
    done = lab.call("history", "--json", *words)
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


def lose_lacp(lab: Lab, pf: Pf) -> None:
    """Have the switch fall silent until the VFs are disabled."""
    pf.cable.block_lacp()
    pf.wait_for_vfs("disable")


def regain_lacp(lab: Lab, pf: Pf) -> None:
    """Have the switch speak again until the VFs are back."""
    pf.cable.unblock_lacp()
    pf.wait_for_vfs("auto", within=RECOVERY_S)


def logged(lab: Lab, event: type[LacpDown] | type[LacpUp]) -> list[float]:
    """Return when an event was logged, in seconds since 1970, as journalctl has it."""
    return [int(entry["__REALTIME_TIMESTAMP"]) / 1e6 for entry in lab.journal(event=event)]


def seconds(text: str) -> float:
    """Return a time of the document in seconds since 1970."""
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def test_an_outage_and_its_end_are_as_journalctl_has_them(lab: Lab) -> None:
    pf, other = lab.pf_with_lacp("ens5f0", vfs=4), lab.pf_with_lacp("ens5f1", vfs=2)
    other.set_vf_state(0, "enable")
    lab.start_service("ens5f0", "ens5f1")
    lose_lacp(lab, pf)
    lab.sleep(7)
    regain_lacp(lab, pf)
    lab.sleep(1)

    found = document(lab)
    (outage,) = found["outages"]
    (down,), (_, up) = logged(lab, LacpDown), [at for at in logged(lab, LacpUp) if at][-2:]
    assert outage["interface"] == "ens5f0"
    assert seconds(outage["begin"]) == pytest.approx(down, abs=0.001)
    assert seconds(outage["end"]) == pytest.approx(up, abs=0.001)
    assert outage["duration_s"] == pytest.approx(up - down, abs=0.002)
    assert outage["duration_s"] > 7
    assert (outage["before"], outage["after"], outage["unwatched_s"]) == ("up", "up", 0)
    assert outage["cause"] == str(Cause.SILENT)
    assert outage["vfs_disabled"] == [0, 1, 2, 3]
    # In virtual time computing takes none; what is tested is that the field is there and believed.
    assert 0 <= outage["disabled_within_ms"] < 100
    assert [(pf["interface"], pf["now"], pf["outages"]) for pf in found["interfaces"]] == [
        ("ens5f0", "up", 1),
        ("ens5f1", "up", 0),
    ]
    assert [gap["reason"] for gap in found["gaps"]] == [
        "the journal does not go back further",
        "the service was not started",
    ]
    assert [pf["interface"] for pf in document(lab, "--interface", "ens5f1")["interfaces"]] == ["ens5f1"]
    assert document(lab, "--since", "-7d", "--interface", "ens5f1")["outages"] == []


def test_the_picture_has_a_row_for_each_pf_and_overwrites_nothing(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=1)
    lab.pf_with_lacp("ens5f1", vfs=1)
    lab.start_service("ens5f0", "ens5f1")
    lose_lacp(lab, pf)
    lab.sleep(5)
    path = RESULTS / "history.svg"
    done = lab.call("history", "--since", "today", "--svg", str(path))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    texts = [text.text for text in ElementTree.parse(path).iter("{http://www.w3.org/2000/svg}text")]
    assert {"ens5f0", "ens5f1", "no outage seen"} <= set(texts)
    assert lab.call("history", "--svg", "-").stdout.startswith("<svg ")
    done = lab.call("history", "--svg", str(path))
    assert (done.returncode, done.stdout) == (74, "")
    assert done.stderr == f"pf-status-relay: {path} exists and is not overwritten: name another file\n"


def test_a_restart_and_a_kill_during_an_outage_are_gaps_in_one_outage(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=2)
    pid = lab.start_service("ens5f0")
    lose_lacp(lab, pf)
    lab.sleep(3)
    lab.systemctl("restart", "pf-status-relay")
    lab.sleep(3)
    pid = int(lab.show("MainPID"))
    os.kill(pid, signal.SIGKILL)
    lab.wait_until(
        lambda: lab.show("MainPID") not in ("0", str(pid)) and lab.show("ActiveState") == "active",
        within=10, what="the service is back", poll=0.25,
    )  # fmt: skip
    lab.sleep(3)
    regain_lacp(lab, pf)
    lab.sleep(1)

    found = document(lab)
    (outage,) = found["outages"]
    first, *_ = logged(lab, LacpDown)
    *_, last = logged(lab, LacpUp)
    assert len(logged(lab, LacpDown)) == 3, "each start logs what it finds"
    assert seconds(outage["begin"]) == pytest.approx(first, abs=0.001)
    assert seconds(outage["end"]) == pytest.approx(last, abs=0.001)
    assert outage["vfs_disabled"] == [0, 1]
    _, _, restart, kill = found["gaps"]
    assert (restart["reason"], restart["restarted"]) == ("the service was stopped", True)
    assert (kill["reason"], kill["restarted"]) == ("the service was killed by signal 9", True)
    assert kill["duration_s"] >= 1, "RestartSec=1"
    unwatched = restart["duration_s"] + kill["duration_s"]
    assert unwatched <= outage["unwatched_s"] <= unwatched + 1
    assert found["interfaces"][0]["now"] == "up"


def test_what_happens_while_the_service_does_not_run_is_not_known(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=2)
    lab.start_service("ens5f0")
    lab.systemctl("stop", "pf-status-relay")
    pf.cable.block_lacp()
    lab.sleep(LOSS_S + 20)

    found = document(lab)
    assert found["interfaces"][0]["now"] == "unknown"
    assert (found["gaps"][-1]["reason"], found["gaps"][-1]["end"]) == ("the service was stopped", None)
    assert found["outages"] == []

    lab.systemctl("start", "pf-status-relay")
    pf.wait_for_vfs("disable")
    lab.sleep(10)
    found = document(lab)
    (outage,) = found["outages"]
    assert (outage["before"], outage["end"], outage["after"]) == ("unknown", None, "down")
    assert found["gaps"][-1]["restarted"]
    assert found["gaps"][-1]["duration_s"] > 20
    assert found["interfaces"][0]["unknown_s"] > 20


def test_a_drain_is_told_with_its_owner_and_over_a_restart(lab: Lab) -> None:
    pf, _ = lab.pf_with_lacp("ens5f0", vfs=2), lab.pf_with_lacp("ens5f1", vfs=2)
    lab.start_service("ens5f0", "ens5f1")
    lab.sleep(5)
    lab.call("drain", "ens5f0", "--owner", "alice", "--reason", "switch A: firmware")
    pf.wait_for_vfs("disable")
    lab.sleep(10)
    lab.systemctl("restart", "pf-status-relay")
    lab.sleep(10)
    assert [each["still"] for each in document(lab)["drained"]] == [True]
    lab.call("undrain", "ens5f0", "--owner", "alice")
    pf.wait_for_vfs("auto")
    lab.sleep(1)

    found = document(lab)
    (drain,) = found["drained"]
    (begin, _), (end,) = lab.journal(event=PfDrained), lab.journal(event=PfUndrained)
    assert (drain["interface"], drain["owner"], drain["reason"]) == ("ens5f0", "alice", "switch A: firmware")
    assert seconds(drain["begin"]) == pytest.approx(int(begin["__REALTIME_TIMESTAMP"]) / 1e6, abs=0.001)
    assert seconds(drain["end"]) == pytest.approx(int(end["__REALTIME_TIMESTAMP"]) / 1e6, abs=0.001)
    assert found["outages"] == [], "a drain is no outage"


def test_a_driver_that_refuses_is_told_with_its_vfs(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=3)
    pf.refuse_vf(1)
    lab.start_service("ens5f0")
    pf.cable.block_lacp()
    pf.wait_for_vfs(["disable", "auto", "disable"])
    lab.sleep(2)
    found = document(lab)
    (failed,) = found["failed_writes"]
    assert (failed["interface"], failed["vfs"], failed["state"]) == ("ens5f0", [1], "disable")
    assert found["outages"][0]["vfs_disabled"] == [0, 2]
    assert "VF 1 not set to disable: " in lab.call("history").stdout


def test_a_forged_event_is_not_believed(lab: Lab) -> None:
    lab.pf_with_lacp("ens5f0", vfs=1)
    lab.start_service("ens5f0")
    forged = f"MESSAGE=lacp is down\nMESSAGE_ID={LacpDown.message_id}\nPF_INTERFACE=ens5f0\n"
    subprocess.run(["logger", "--journald"], input=forged, text=True, check=True)
    lab.sleep(1)
    assert len(lab.journal(None, event=LacpDown)) == 1, "it is in the journal"
    assert document(lab)["outages"] == []


def test_a_journal_that_forgot_the_start_is_completed_by_the_running_service(lab: Lab) -> None:
    lab.pf_with_lacp("ens5f0", vfs=1)
    lab.start_service("ens5f0")
    lab.sleep(60)
    run("journalctl", "--sync")
    run("journalctl", "--rotate")
    lab.sleep(1)
    run("journalctl", "--vacuum-time=1s")
    lab.sleep(5)
    found = document(lab)
    assert lab.journal() == [], "the journal has forgotten all of it"
    assert found["interfaces"][0]["now"] == "up"
    assert found["outages"] == []
    assert [gap["reason"] for gap in found["gaps"]] == ["the journal does not go back further"]


def test_a_user_who_may_not_read_the_journal_is_told_which_group_may(lab: Lab) -> None:
    lab.pf_with_lacp("ens5f0", vfs=1)
    lab.start_service("ens5f0")
    # On a host systemd-tmpfiles does that, which does not run here.
    run("chgrp", "-R", "systemd-journal", "/run/log/journal")
    run("chmod", "-R", "g+rX,o=", "/run/log/journal")
    done = lab.call("history", uid=65534)
    assert (done.returncode, done.stdout) == (77, "")
    assert done.stderr == f"pf-status-relay: {NOT_ALLOWED}\n"
    command = ["setpriv", "--reuid=65534", "--regid=65534", "--groups=systemd-journal"]
    done = subprocess.run([*command, service.PROGRAM, "history"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "ens5f0  up" in done.stdout


def test_an_interface_of_which_nothing_is_known_is_refused(lab: Lab) -> None:
    lab.pf_with_lacp("ens5f0", vfs=1)
    lab.start_service("ens5f0")
    done = lab.call("history", "--interface", "ens5f9")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == ("pf-status-relay: --interface: nothing is known of ens5f9; known: ens5f0\n")


def test_without_the_journal_there_is_one_line(lab: Lab) -> None:
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", "mount -t tmpfs none /run/log && exec pf-status-relay history"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 69
    assert done.stderr == "pf-status-relay: no journal of this host in /var/log/journal or /run/log/journal\n"
