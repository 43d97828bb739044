"""The service as a container: the unit that podman's real generator makes, under the real systemd.

There is no podman in the guest: a stand-in runs the installed program where podman would run the image.
docs/openshift.md says what was run with the real one.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from pf_status_relay.openshift import quadlet
from tests.lab.kit.commands import CommandError, run
from tests.lab.kit.lab import Lab
from tests.lab.kit.machine_config_daemon import perform
from tests.lab.kit.program import toml
from tests.support.tools import QUADLET, files_of

pytestmark = pytest.mark.systemd

FILE = "/etc/pf-status-relay.toml"
SHIPPED_UNIT = Path("/usr/lib/systemd/system/pf-status-relay.service")
GENERATED_UNIT = "/run/systemd/generator/pf-status-relay.service"
IMAGE = f"registry.example.com/pf-status-relay:0.1.0@sha256:{'0123456789abcdef' * 4}"

PODMAN = """\
#!/bin/sh
case "$1 $2" in
"image exists") exit 1 ;;
"pull --quiet") exec test ! -e /run/registry-is-away ;;
esac
case $1 in
run) exec env RUNTIME_DIRECTORY=/run/pf-status-relay /usr/bin/pf-status-relay run --log-format journal ;;
kill) kill -HUP $(systemctl show --value --property MainPID pf-status-relay) ;;
esac
"""


def give_podman() -> None:
    """Install the real generator, and podman's stand-in."""
    generators = Path("/usr/lib/systemd/system-generators")
    generators.mkdir(exist_ok=True)
    (generators / "podman-system-generator").write_bytes(QUADLET.read_bytes())
    (generators / "podman-system-generator").chmod(0o755)
    podman = Path("/usr/bin/podman")
    podman.write_text(PODMAN)
    podman.chmod(0o755)


def bring(*interfaces: str, image: str = IMAGE) -> None:
    """Write files and units of the MachineConfig for these interfaces to the node, as the daemon does."""
    Path("/run/relay.toml").write_text(toml(list(interfaces), None))
    printed = run("pf-status-relay", "machineconfig", "--config", "/run/relay.toml", "--image", image)
    config = yaml.safe_load(printed)["spec"]["config"]
    for path, content in files_of(config).items():
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_bytes(content)
    for unit in config["systemd"]["units"]:
        (Path("/etc/systemd/system") / unit["name"]).write_text(unit["contents"])
        assert "enabled" not in unit
        run("systemctl", "preset", unit["name"])


@pytest.mark.parametrize("files", [[FILE, quadlet.PATH], [quadlet.PATH, FILE]], ids=["file", "container"])
def test_on_a_node_without_the_rpm_the_first_machine_config_starts_it_in_whichever_order(
    lab: Lab, files: list[str]
) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=2)
    give_podman()
    SHIPPED_UNIT.unlink()
    lab.systemctl("daemon-reload")
    assert lab.show("LoadState") == "not-found"

    bring("ens5f0")
    assert perform(files=files)
    assert lab.show("FragmentPath") == GENERATED_UNIT
    assert lab.show("StatusText") == "1 PF: 1 up, 0 VFs disabled"
    assert "pf-status-relay.service" in lab.show("Wants", "multi-user.target").split(), (
        "at the next boot, too"
    )
    pf.cable.block_lacp()
    pf.wait_for_vfs("disable")


def test_it_takes_the_place_of_the_rpms_unit_and_the_vfs_stay(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=2)
    give_podman()
    before = lab.start_service("ens5f0")
    pf.cable.block_lacp()
    pf.wait_for_vfs("disable")
    bring("ens5f0")
    assert perform(files=[quadlet.PATH, FILE])
    assert lab.show("FragmentPath") == GENERATED_UNIT
    assert int(lab.show("MainPID")) != before
    assert pf.in_state("disable")
    pf.cable.unblock_lacp()
    pf.wait_for_vfs("auto")


def test_a_unit_that_the_generator_has_made_cannot_be_enabled(lab: Lab) -> None:
    lab.pf_with_lacp("ens5f0", vfs=1)
    give_podman()
    bring("ens5f0")
    assert perform(files=[FILE, quadlet.PATH])
    assert SHIPPED_UNIT.exists()
    with pytest.raises(
        CommandError, match="transient or generated"
    ):  # a MachineConfig without --image beside it
        run("systemctl", "enable", "pf-status-relay.service")


def test_a_faulty_file_ends_it_with_78_and_the_corrected_one_starts_it(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=2)
    give_podman()
    bring("ens5f0")
    assert perform(files=[FILE, quadlet.PATH])
    lab.write_config("interfaces = []\n")
    assert not perform(files=[FILE])
    assert (lab.show("ActiveState"), lab.show("ExecMainStatus")) == ("failed", "78")
    lab.configure(["ens5f0"])
    assert perform(files=[FILE])
    pf.cable.block_lacp()
    pf.wait_for_vfs("disable")


def test_a_new_image_that_cannot_be_pulled_leaves_the_old_one_running(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=2)
    give_podman()
    bring("ens5f0")
    assert perform(files=[FILE, quadlet.PATH])
    before = lab.show("MainPID")
    Path("/run/registry-is-away").touch()
    bring("ens5f0", image=IMAGE.replace("0.1.0", "0.1.1"))
    assert not perform(files=[quadlet.PATH], units=[quadlet.PULLER]), (
        "the operator reports an error for the node"
    )
    assert lab.show("MainPID") == before
    pf.cable.block_lacp()
    pf.wait_for_vfs("disable")

    Path("/run/registry-is-away").unlink()
    assert perform(files=[quadlet.PATH], units=[quadlet.PULLER])
    assert lab.show("MainPID") != before
    assert pf.in_state("disable")


def test_systemctl_reload_reads_the_configuration_again(lab: Lab) -> None:
    lab.pf_with_lacp("ens5f0", vfs=1)
    lab.pf_with_lacp("ens5f1", vfs=1)
    give_podman()
    bring("ens5f0")
    assert perform(files=[FILE, quadlet.PATH])
    before = lab.show("MainPID")
    lab.configure(["ens5f0", "ens5f1"])
    lab.systemctl("reload", "pf-status-relay")
    lab.wait_until(
        lambda: lab.show("StatusText") == "2 PFs: 2 up, 0 VFs disabled",
        within=2,
        what=lambda: f"both PFs, found {lab.show('StatusText')}",
        poll=0.25,
    )
    assert lab.show("MainPID") == before
