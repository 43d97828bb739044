"""The shipped unit's sandbox, tried from inside: what is forbidden fails there, and does not fail outside.

Each scenario runs a group of attempts (`intruder.py`) in place of the service, everything else of the
unit being as shipped, and then again as root without a sandbox: what fails there too proves nothing.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.lab.kit import intruder, service
from tests.lab.kit.commands import run
from tests.lab.kit.lab import RESULTS, Lab
from tests.support import rtnetlink as netlink

pytestmark = pytest.mark.systemd

PROBE = Path("/usr/lib/pf-status-relay/intruder.py")
OUTSIDE = Path("/run/outside")
DROP_IN = f"""[Service]
Type=oneshot
Restart=no
ExecStart=
ExecStart={service.PYTHON} {PROBE} "%s"
StandardOutput=truncate:{RESULTS}/inside
"""
NARROWING = {"seccomp"}
"""Calls that only take rights from their caller: newer versions of systemd allow them to all (@sandbox)."""
REFUSED = {"EPERM", "EACCES", "EROFS", "ENOENT", "EAFNOSUPPORT"}
"""How the kernel refuses: by filter or capability, by a mode, by a mount, or because it is not there."""


def inside(lab: Lab, group: str) -> dict[str, str]:
    """Return what becomes of a group of attempts in the unit's sandbox."""
    shutil.copy(intruder.__file__, PROBE)
    PROBE.chmod(0o644)
    folder = Path("/run/systemd/system/pf-status-relay.service.d")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "intruder.conf").write_text(DROP_IN % group)
    lab.systemctl("daemon-reload")
    lab.systemctl("start", "pf-status-relay", check=False)
    assert lab.show("Result") == "success", lab.journal()
    found: dict[str, str] = json.loads((RESULTS / "inside").read_text())
    assert found.keys() == intruder.ATTEMPTS[group].keys()
    return found


def outside(group: str) -> dict[str, str]:
    """Return what becomes of the same attempts as root."""
    OUTSIDE.mkdir(exist_ok=True)
    done = subprocess.run(
        [service.PYTHON, str(PROBE), group],
        env={**os.environ, "RUNTIME_DIRECTORY": str(OUTSIDE)},
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, str] = json.loads(done.stdout)
    return found


def prepare_host() -> None:
    """Give the host what the attempts are after."""
    Path("/tmp/of-the-host").touch()
    shutil.copy("/usr/bin/id", "/usr/bin/setuid-id")
    os.chmod("/usr/bin/setuid-id", 0o4755)
    intruder.METRICS_FOLDER.mkdir(parents=True)
    intruder.METRICS_FOLDER.chmod(0o777)
    os.mknod("/run/lab-device", 0o666 | 0o020000, os.makedev(1, 11))  # /dev/kmsg, by another name


@pytest.mark.parametrize(
    "group", [each for each in intruder.ATTEMPTS if each not in ("needed", "system calls")]
)
def test_what_is_forbidden_fails_inside_and_not_outside(lab: Lab, group: str) -> None:
    prepare_host()
    found = inside(lab, group)
    assert {name: said for name, said in found.items() if said not in REFUSED} == {}
    assert {name: said for name, said in outside(group).items() if said != "done"} == {}


def test_a_system_call_that_is_not_on_the_list_is_refused(lab: Lab) -> None:
    found = inside(lab, "system calls")
    always = run("systemd-analyze", "syscall-filter", "@default").split()
    permitted = NARROWING if "@sandbox" in always else set()
    assert {name for name, said in found.items() if said != "EPERM"} == permitted, found
    refused = [name for name, said in outside("system calls").items() if said == "EPERM"]
    assert refused == [], "root is refused it too: that proves nothing"


def test_what_the_service_needs_is_allowed(lab: Lab) -> None:
    prepare_host()
    assert set(inside(lab, "needed").values()) == {"done"}


def test_others_cannot_send_it_link_events(lab: Lab) -> None:
    lab.pf_with_lacp("ens5f0", vfs=1)
    lab.configure(["ens5f0"])
    lab.systemctl("start", "pf-status-relay")
    ports = [int(each[2]) for each in netlink.sockets() if each[1] == "0" and int(each[3], 16) & 1]
    assert ports, "the service's event socket"
    code = f"""
import socket
route = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
route.sendto(bytes(32), ({ports[0]}, 0))
"""
    run(service.PYTHON, "-c", code)
    done = subprocess.run(
        ["setpriv", "--reuid=65534", "--clear-groups", service.PYTHON, "-c", code],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "PermissionError" in done.stderr
