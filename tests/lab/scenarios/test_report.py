"""`pf-status-relay report`: what is in it on a host that is well, and on hosts that are half broken."""

from __future__ import annotations

import json
import subprocess
import tarfile
from collections.abc import Sequence
from typing import Any

import pytest

from pf_status_relay.core.events import LacpDown
from tests.lab.kit import service
from tests.lab.kit.commands import run
from tests.lab.kit.lab import RESULTS, Lab

pytestmark = pytest.mark.systemd

ARCHIVE = RESULTS / "report.tar.gz"


def report(prefix: Sequence[str] = ()) -> tuple[dict[str, str], dict[str, str]]:
    """Write a report with the installed program, and `read` it."""
    ARCHIVE.unlink(missing_ok=True)
    command = [*prefix, service.PROGRAM, "report", "--json", str(ARCHIVE)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return read(done.stdout)


def read(printed: str) -> tuple[dict[str, str], dict[str, str]]:
    """Return the texts of the archive's files and the reasons of what is missing, as the list has them."""
    listed: dict[str, Any] = json.loads(printed)
    found = {}
    with tarfile.open(ARCHIVE) as tar:
        for member in tar:
            content = tar.extractfile(member)
            assert content is not None
            found[member.name.partition("/")[2]] = content.read().decode()
    assert set(found) == {"CONTENTS.txt", *(part["name"] for part in listed["parts"])}
    missing = {each["name"]: each["reason"] for each in listed["missing"]}
    for name, reason in missing.items():
        assert name in found["CONTENTS.txt"]
        assert reason in found["CONTENTS.txt"]
    return found, missing


def test_on_a_host_that_is_well_everything_is_there(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=2)
    lab.start_service("ens5f0")
    pf.cable.block_lacp()
    pf.wait_for_vfs("disable")
    lab.sleep(1)
    run("journalctl", "--sync")
    found, missing = report()

    assert set(missing) <= {"selinux.txt"}, "the lab's kernel has no audit, everything else is there"
    assert json.loads(found["status.json"])["condition"] == "down"
    assert json.loads(found["history.json"])["interfaces"][0]["now"] == "down"
    assert found["history.svg"].startswith("<svg ")
    assert json.loads(found["check.json"])["can_relay_for"] == "all"
    assert '"ens5f0"' in found["config.toml"]
    assert found["config/etc/pf-status-relay.toml"] == service.CONFIGURATION.read_text()
    assert "ens5f0" in {link["ifname"] for link in json.loads(found["links.json"])}
    assert "Bonding Mode: IEEE 802.3ad" in found["bonds/bond0.txt"]
    assert "MainPID=" in found["unit-properties.txt"]
    assert "ExecStart=" in found["unit-files.txt"]
    assert "lacp is down interface=ens5f0" in found["journal.txt"]
    entries = [json.loads(line) for line in found["journal.json"].splitlines()]
    (down,) = [entry for entry in entries if entry.get("MESSAGE_ID") == LacpDown.message_id]
    assert down["PF_INTERFACE"] == "ens5f0"
    assert json.loads(found["state.json"])["interfaces"]["ens5f0"]["lacp"] == "down"
    assert "pf-status-relay " in found["versions.txt"]


def test_without_a_running_service_the_rest_is_there(lab: Lab) -> None:
    lab.pf_with_lacp("ens5f0", vfs=1)
    lab.configure(["ens5f0"])
    found, missing = report()
    assert missing["state.json"] == "No such file or directory"
    assert json.loads(found["status.json"])["service"] is None
    assert json.loads(found["history.json"])["gaps"][-1]["reason"] == "the service has logged nothing"


def test_without_a_journal_the_rest_is_there(lab: Lab) -> None:
    lab.pf_with_lacp("ens5f0", vfs=1)
    lab.start_service("ens5f0")
    hidden = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /run/log && exec "$@"', "sh"]
    found, missing = report(hidden)
    reason = "no journal of this host in /var/log/journal or /run/log/journal"
    assert {missing[name] for name in ("history.json", "history.svg", "journal.txt", "journal.json")} == {
        reason
    }
    assert json.loads(found["status.json"])["condition"] == "up"


def test_without_netlink_the_rest_is_there(lab: Lab) -> None:
    lab.pf_with_lacp("ens5f0", vfs=1)
    lab.start_service("ens5f0")
    printed = RESULTS / "printed"
    unit = ["-p", "RestrictAddressFamilies=AF_UNIX", "-p", f"StandardOutput=file:{printed}"]
    run("systemd-run", "--quiet", "--unit=report", *unit, service.PROGRAM, "report", "--json", str(ARCHIVE))
    lab.wait_until(
        lambda: lab.show("ActiveState", "report") == "inactive", within=30, what="the report", poll=0.25
    )
    found, missing = read(printed.read_text())
    assert missing["status.json"].startswith("the kernel cannot be asked by netlink: ")
    assert missing["links.json"].startswith("ip ended with status ")
    assert "failed" in {each["verdict"] for each in json.loads(found["check.json"])["checks"]}
    assert "Bonding Mode" in found["bonds/bond0.txt"]
    assert json.loads(found["history.json"])["interfaces"][0]["interface"] == "ens5f0"


def test_a_user_without_rights_gets_what_a_user_may_see(lab: Lab) -> None:
    lab.pf_with_lacp("ens5f0", vfs=1)
    lab.start_service("ens5f0")
    run("chgrp", "-R", "systemd-journal", "/run/log/journal")
    run("chmod", "-R", "g+rX,o=", "/run/log/journal")
    RESULTS.chmod(0o777)
    found, missing = report(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"])
    assert "the group systemd-journal" in missing["history.json"]
    assert "the group systemd-journal" in missing["journal.txt"]
    assert json.loads(found["status.json"])["condition"] == "up"


def test_with_a_faulty_configuration_its_file_is_there(lab: Lab) -> None:
    lab.write_config("interfaces = 1\n")
    found, missing = report()
    assert missing["config.toml"].startswith("/etc/pf-status-relay.toml: interfaces is 1")
    assert found["config/etc/pf-status-relay.toml"] == "interfaces = 1\n"
    assert json.loads(found["check.json"])["can_relay_for"] == "nothing"
