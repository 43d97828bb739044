"""Metrics for node_exporter, written by the shipped unit under systemd, as docs/monitoring.md has it."""

from __future__ import annotations

import os
import re
import stat
import subprocess
from pathlib import Path

import pytest

from tests.lab.guest.guest import CHECKOUT
from tests.lab.kit import package
from tests.lab.kit.commands import run
from tests.lab.kit.lab import Lab
from tests.lab.kit.service import CONFIGURATION, Entry
from tests.lab.kit.topology import Pf
from tests.support.exposition import of_interface, samples

pytestmark = pytest.mark.systemd

FOLDER = Path("/var/lib/node_exporter/textfile_collector")
FILE = FOLDER / "pf_status_relay.prom"
FAILED = "c25813e3cb024f34b2c859203654e4d6"
WORKS_AGAIN = "266fb2bf46af49c3a45c677d4eb6b853"


def commands() -> str:
    """Return the commands of the page that enable metrics, as written: the first block under its heading."""
    page = (CHECKOUT / "docs" / "monitoring.md").read_text()
    _, _, section = page.partition("\n## Enable it\n")
    block = re.search(r"\n\n((?:    .+\n)+)", section)
    assert block is not None
    return block[1]


def configure(lab: Lab, *interfaces: str) -> None:
    lab.configure(list(interfaces))
    with CONFIGURATION.open("a") as configuration:
        configuration.write(f'metrics_textfile = "{FILE}"\n')


def displayed(interface: str = "ens5f0") -> dict[str, float]:
    """Return what the file says of an interface; nothing if there is no file."""
    return of_interface(FILE.read_text(), interface) if FILE.exists() else {}


def as_nobody(*command: str) -> str:
    return run("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", *command)


def told(lab: Lab, message_id: str) -> list[Entry]:
    return lab.journal(MESSAGE_ID=message_id)


def lose_lacp(lab: Lab, pf: Pf) -> None:
    pf.cable.block_lacp()
    pf.wait_for_vfs("disable")


def test_the_commands_of_the_page_give_node_exporter_a_file_that_follows_lacp(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=4)
    lab.configure(["ens5f0"])
    subprocess.run(["sh", "-euc", commands()], check=True)
    assert lab.show("ActiveState") == "active"
    lab.wait_until(lambda: displayed().get("lacp_up") == 1, within=1, what="metrics")
    assert samples(as_nobody("cat", str(FILE))) == samples(FILE.read_text())
    assert stat.S_IMODE(FILE.stat().st_mode) == 0o644
    assert displayed()['vfs{link_state="auto"}'] == 4

    lose_lacp(lab, pf)
    lab.wait_until(
        lambda: displayed()['vfs{link_state="disable"}'] == 4, within=0.3, what="metrics of the outage"
    )
    during = displayed()
    assert (during["lacp_up"], during["actor_port_state"], during["partner_port_state"]) == (0, 143, 55)
    assert during['vf_writes_total{link_state="disable"}'] == 4
    assert during['lacp_transitions_total{to="down"}'] == 1
    assert samples(FILE.read_text())["reaction_seconds_count"] == 1

    pf.cable.unblock_lacp()
    pf.wait_for_vfs("auto")
    lab.wait_until(
        lambda: displayed()['vfs{link_state="auto"}'] == 4, within=0.3, what="metrics of the recovery"
    )
    assert displayed()["lacp_up"] == 1
    assert os.listdir(FOLDER) == [FILE.name]
    assert told(lab, FAILED) == []


def test_an_idle_service_keeps_the_file_fresh(lab: Lab) -> None:
    lab.pf_with_lacp("ens5f0", vfs=1)
    lab.configure(["ens5f0"])
    subprocess.run(["sh", "-euc", commands()], check=True)
    lab.wait_until(lambda: displayed().get("lacp_up") == 1, within=1, what="metrics")
    lab.sleep(2)
    written = set()
    for _ in range(60):
        written.add(FILE.stat().st_mtime_ns)
        lab.sleep(1)
    ages = [(after - before) / 1e9 for before, after in zip(sorted(written), sorted(written)[1:])]
    assert len(ages) >= 3
    assert all(13.9 < age <= 15.1 for age in ages), ages


def test_a_restart_goes_on_in_the_same_folder(lab: Lab) -> None:
    lab.pf_with_lacp("ens5f0", vfs=1)
    lab.configure(["ens5f0"])
    subprocess.run(["sh", "-euc", commands()], check=True)
    lab.wait_until(lambda: displayed().get("lacp_up") == 1, within=1, what="metrics")
    before = FILE.stat().st_mtime_ns
    run("systemctl", "kill", "--signal=KILL", "pf-status-relay")
    lab.wait_until(lambda: FILE.stat().st_mtime_ns != before, within=3, what="metrics after the restart")
    assert lab.show("NRestarts") == "1"
    assert os.listdir(FOLDER) == [FILE.name]
    assert told(lab, FAILED) == []


@pytest.mark.systemd(install=False)
def test_the_package_brings_the_library_and_the_page(lab: Lab) -> None:
    lab.pf_with_lacp("ens5f0", vfs=1)
    package.install(package.current())
    lab.configure(["ens5f0"])
    assert {"monitoring.md", "alerts.yml"} <= {file.name for file in package.files()}
    subprocess.run(["sh", "-euc", commands()], check=True)
    lab.wait_until(lambda: displayed().get("lacp_up") == 1, within=1, what="metrics")
    assert package.changed() == [f"S.5....T.  c {CONFIGURATION}"]


def test_another_folder_takes_one_more_line_in_the_drop_in(lab: Lab) -> None:
    lab.pf_with_lacp("ens5f0", vfs=1)
    lab.configure(["ens5f0"])
    page = (CHECKOUT / "docs" / "monitoring.md").read_text()
    block = re.search(r"\n\n((?:    .+\n)+)", page[page.index("For another folder") :])
    assert block is not None
    drop_in = block[1].replace("    ", "")
    subprocess.run(["sh", "-euc", commands().replace(str(FOLDER), "/srv/metrics")], check=True)
    assert "Read-only file system" in told(lab, FAILED)[0]["MESSAGE"]

    Path("/etc/systemd/system/pf-status-relay.service.d/metrics.conf").write_text(drop_in)
    lab.systemctl("daemon-reload")
    lab.systemctl("restart", "pf-status-relay")
    file = Path("/srv/metrics/pf_status_relay.prom")
    lab.wait_until(file.exists, within=1, what="metrics")


def test_a_missing_folder_is_logged_once_and_lacp_is_relayed(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=2)
    configure(lab, "ens5f0")
    assert not FOLDER.exists()
    lab.systemctl("start", "pf-status-relay")
    lose_lacp(lab, pf)
    lab.sleep(60)
    (failed,) = told(lab, FAILED)
    assert failed["PRIORITY"] == "4"
    assert failed["ERROR"] == f"{FILE}: No such file or directory"


def test_a_folder_of_others_is_logged_once_and_lacp_is_relayed(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=2)
    configure(lab, "ens5f0")
    FOLDER.mkdir(parents=True)
    lab.systemctl("start", "pf-status-relay")
    lose_lacp(lab, pf)
    lab.sleep(60)
    (failed,) = told(lab, FAILED)
    assert failed["ERROR"] == f"{FILE}: Permission denied"

    FOLDER.chmod(0o777)
    lab.wait_until(FILE.exists, within=15.1, what="metrics")
    lab.sleep(0.1)
    assert len(told(lab, WORKS_AGAIN)) == 1


def test_a_full_disk_is_logged_once_and_lacp_is_relayed(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=2)
    configure(lab, "ens5f0")
    FOLDER.mkdir(parents=True)
    run("mount", "-t", "tmpfs", "-o", "size=64k,mode=777", "tmpfs", str(FOLDER))
    lab.systemctl("start", "pf-status-relay")
    lab.wait_until(lambda: displayed().get("lacp_up") == 1, within=1, what="metrics")
    filler = FOLDER / "filler"
    subprocess.run(["dd", "if=/dev/zero", f"of={filler}", "bs=4096"], check=False, stderr=subprocess.DEVNULL)

    lose_lacp(lab, pf)
    lab.sleep(60)
    (failed,) = told(lab, FAILED)
    assert failed["ERROR"] == f"{FILE}: No space left on device"
    assert displayed()["lacp_up"] == 1, "the old file stays"
    assert sorted(os.listdir(FOLDER)) == sorted([FILE.name, filler.name])

    filler.unlink()
    lab.wait_until(lambda: displayed()["lacp_up"] == 0, within=15.1, what="metrics of the outage")
    lab.sleep(0.1)
    assert len(told(lab, WORKS_AGAIN)) == 1
    assert len(told(lab, FAILED)) == 1
