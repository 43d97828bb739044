"""The RPM, with the real rpm under systemd as PID 1: install, upgrade, erase, and what it brings."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from pf_status_relay.core.events import LacpDown
from tests.lab.guest.guest import CHECKOUT
from tests.lab.kit import package
from tests.lab.kit.commands import run
from tests.lab.kit.lab import Lab
from tests.lab.kit.service import CONFIGURATION
from tests.lab.kit.topology import Pf

UNIT = "pf-status-relay"
WANTED = Path("/etc/systemd/system/multi-user.target.wants/pf-status-relay.service")
PRIVATE = Path("/usr/lib/pf-status-relay")
PRESET = Path("/usr/lib/systemd/system-preset/99-default-disable.preset")

systemd = pytest.mark.systemd(install=False)


@pytest.fixture
def lab(lab: Lab) -> Lab:
    """Return a guest that presets services as RHEL does: disabled. Debian would enable them."""
    PRESET.parent.mkdir(parents=True, exist_ok=True)
    PRESET.write_text("disable *\n")
    return lab


def running(lab: Lab, *interfaces: str) -> int:
    """Install, configure and enable the service; return its process."""
    package.install(package.current())
    lab.configure(list(interfaces))
    lab.systemctl("enable", "--now", UNIT)
    assert lab.show("ActiveState") == "active"
    return int(lab.show("MainPID"))


def disabled_by_the_service(lab: Lab, pf: Pf) -> None:
    pf.cable.block_lacp()
    lab.wait_until(lambda: set(pf.vf_states()) == {"disable"}, within=6, what="VFs disabled")


def pf_status_relay(*arguments: str) -> str:
    return run("/usr/bin/pf-status-relay", *arguments)


def version(of: Path) -> str:
    return run("rpm", "--query", "--queryformat=%{version}", "--package", str(of))


@pytest.fixture(scope="module")
def built() -> Path:
    """Return the package, and beside it its source package. On the host."""
    package.build()
    return package.current()


def test_rpmlint_finds_nothing(built: Path) -> None:
    recipe = CHECKOUT / "packaging"
    settings = [f"--config={recipe}/rpmlint.toml", f"--rpmlintrc={recipe}/rpmlintrc"]
    (source,) = built.parent.glob("*.src.rpm")
    done = subprocess.run(
        ["rpmlint", *settings, built, source, recipe / "rpm.spec"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert " 0 errors, 0 warnings," in done.stdout, done.stdout + done.stderr


def test_a_bundled_library_with_another_hash_is_refused(built: Path, tmp_path: Path) -> None:
    (tmp_path / "SOURCES").mkdir()
    (source,) = built.parent.glob("*.src.rpm")
    top = f"--define=_topdir {tmp_path}"
    subprocess.run(["rpm", top, "--install", source], check=True, capture_output=True)
    recipe = tmp_path / "SPECS" / "rpm.spec"
    prepare = ["rpmbuild", top, "-bp", str(recipe)]
    subprocess.run(prepare, check=True, capture_output=True)
    wheel = tmp_path / "SOURCES" / "tomli_w-1.2.0-py3-none-any.whl"
    wheel.write_bytes(wheel.read_bytes() + b"\n")
    done = subprocess.run(prepare, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "tomli_w-1.2.0-py3-none-any.whl is not the file that packaging/bundled.txt pins" in done.stderr


def test_every_file_is_roots_and_nobody_else_may_write_it(built: Path) -> None:
    query = [
        "rpm",
        "--query",
        "--queryformat=[%{fileusername} %{filegroupname} %{filemodes:octal} %{filenames}\n]",
    ]
    for line in run(*query, "--package", str(built)).splitlines():
        user, group, mode, path = line.split(" ", 3)
        assert (user, group) == ("root", "root"), path
        assert int(mode, 8) & 0o022 == 0, path
        assert int(mode, 8) & 0o444 == 0o444, path


@systemd
def test_install_edit_one_file_enable_and_it_relays(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=2)
    package.install(package.current())
    assert lab.show("UnitFileState") == "disabled", "the preset decides, and RHEL's says no"
    assert lab.show("ActiveState") == "inactive"

    lab.configure(["ens5f0"])
    lab.systemctl("enable", "--now", UNIT)
    assert WANTED.is_symlink()
    disabled_by_the_service(lab, pf)
    pf.cable.unblock_lacp()
    pf.wait_for_vfs(["auto"] * 2)


@systemd
def test_an_upgrade_restarts_the_service_and_leaves_the_vfs(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=2)
    before = running(lab, "ens5f0")
    disabled_by_the_service(lab, pf)
    timeline = lab.record(pf)
    upgrade_at = lab.now
    package.upgrade(package.following())

    assert lab.show("ActiveState") == "active"
    assert int(lab.show("MainPID")) not in (0, before)
    assert lab.show("NRestarts") == "0", "it was asked to restart; it did not fail"
    lab.sleep(3)
    assert {sample.vf_states for sample in timeline.samples(pf, since=upgrade_at)} == {("disable",) * 2}
    assert pf_status_relay("--version").split() == [UNIT, version(package.following())]
    pf.cable.unblock_lacp()
    pf.wait_for_vfs(["auto"] * 2)


@systemd
def test_an_edited_configuration_survives_an_upgrade_and_the_new_default_lands_beside_it(lab: Lab) -> None:
    running(lab, "ens5f0")
    edited = CONFIGURATION.read_text()
    said = package.upgrade(package.following())
    assert CONFIGURATION.read_text() == edited
    beside = CONFIGURATION.with_name(f"{CONFIGURATION.name}.rpmnew")
    assert str(beside) in said
    assert f"polling_interval_ms = {package.NEXT_INTERVAL_MS}" in beside.read_text().splitlines()


@systemd
def test_an_unedited_configuration_becomes_the_new_default(lab: Lab) -> None:
    package.install(package.current())
    package.upgrade(package.following())
    assert f"polling_interval_ms = {package.NEXT_INTERVAL_MS}" in CONFIGURATION.read_text().splitlines()
    assert not CONFIGURATION.with_name(f"{CONFIGURATION.name}.rpmnew").exists()


@systemd
def test_an_upgrade_does_not_start_what_was_stopped(lab: Lab) -> None:
    package.install(package.current())
    package.upgrade(package.following())
    assert lab.show("ActiveState") == "inactive"
    assert lab.show("UnitFileState") == "disabled"


@systemd
def test_erasing_stops_disables_and_removes_and_a_reinstall_works(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=2)
    process = running(lab, "ens5f0")
    edited = CONFIGURATION.read_text()
    installed = package.files()
    disabled_by_the_service(lab, pf)
    said = package.erase()

    assert not Path(f"/proc/{process}").exists()
    assert lab.show("LoadState") == "not-found"
    assert not WANTED.is_symlink()
    assert [path for path in installed if path.exists()] == []
    saved = CONFIGURATION.with_name(f"{CONFIGURATION.name}.rpmsave")
    assert saved.read_text() == edited
    assert str(saved) in said
    assert pf.vf_states() == ["disable"] * 2, "nobody set them back"

    running(lab, "ens5f0")
    pf.cable.unblock_lacp()
    pf.wait_for_vfs(["auto"] * 2)


@systemd
def test_the_journal_explains_an_event(lab: Lab) -> None:
    pf = lab.pf_with_lacp("ens5f0", vfs=1)
    running(lab, "ens5f0")
    disabled_by_the_service(lab, pf)
    lab.sleep(0.2)
    run("journalctl", "--sync")
    explained = run("journalctl", "--no-pager", "--catalog", "--unit", UNIT)
    assert "Subject: LACP is down on PF ens5f0" in explained
    assert "Documentation: man:pf-status-relay(8)" in explained
    assert "ens5f0 has no working LACP with its switch: LACPDUs have stopped" in explained
    assert "Subject: VF 0 of PF ens5f0 was set to disable" in explained

    (down,) = lab.journal(event=LacpDown)
    assert down["MESSAGE"] == 'lacp is down interface=ens5f0 cause="LACPDUs have stopped"'
    package.erase()
    listed = subprocess.run(
        ["journalctl", "--list-catalog", down["MESSAGE_ID"]], capture_output=True, text=True, check=False
    )
    assert "LACP is down" not in listed.stdout, "erased with the package"


@systemd
def test_the_commands_of_the_install_page_work_as_written(lab: Lab) -> None:
    """Run them, with rpm in dnf's place, and a configuration that is written as vi would write it."""
    page = (CHECKOUT / "docs" / "install.md").read_text()
    host = page[page.index("## Install and start") : page.index("## Move from")]
    commands = re.findall(r"^    (\S.*)$", host, re.MULTILINE)
    shipped = f"./dist/{package.current().name}"
    pf = lab.pf_with_lacp("ens5f0", vfs=1)
    done: list[str] = []
    for command in commands:
        if command == f"dnf install -y {shipped}":
            package.install(package.current())
        elif command == f"dnf upgrade -y {shipped}":
            package.upgrade(package.following())
        elif command == "dnf remove -y pf-status-relay":
            package.erase()
        elif command.startswith("vi "):
            lab.configure(["ens5f0"])
        elif "--dry-run" in command:
            ended = subprocess.run(["timeout", "-s", "INT", "2", *command.split()], check=False)
            assert ended.returncode == 124, "it ran until Ctrl-C"
        elif command == "pf-status-relay status":
            displayed = subprocess.run(command.split(), capture_output=True, text=True, check=False)
            assert displayed.returncode == 1, displayed.stderr
            assert "ens5f0: LACP is down" in displayed.stdout
        else:
            done.append(run(*command.split()))
        if command.startswith("systemctl enable --now"):
            disabled_by_the_service(lab, pf)
    assert len(done) == 11, commands
    assert "the driver sets" not in done[0], "check alone writes nothing"
    assert "passed   ens5f0: the driver sets VF link states\n" in done[1], "what check --probe shows"
    assert "1 down (ens5f0), 1 VF disabled" in done[3], "what systemctl status shows"
    assert pf.vf_states() == ["auto"], "the last command set it back"


@systemd
def test_the_commands_of_the_readme_work_as_written(lab: Lab) -> None:
    """Run them from installing to a bug report, with rpm in dnf's place, on a host that has an outage."""
    page = (CHECKOUT / "README.md").read_text()
    host = page[page.index("## Install") : page.index("## What it is not for")]
    (configuration,) = re.findall(r"^```toml$\n(.*?)^```$", host, re.MULTILINE | re.DOTALL)
    words = [
        line or inline
        for line, inline in re.findall(
            r"^    (\S.*?)(?:  +#.*)?$|`((?:pf-status-relay|journalctl) [^`]*)`", host, re.MULTILINE
        )
    ]
    assert words[:2] == ["make rpm", f"dnf install -y ./dist/{package.current().name}"]
    pf = lab.pf_with_lacp("ens5f0", vfs=2)
    lab.pf_with_lacp("ens5f1", vfs=2)
    package.install(package.current())
    CONFIGURATION.write_text(configuration)
    printed: dict[str, str] = {}
    for command in words[2:]:
        if command == "pf-status-relay status":
            disabled_by_the_service(lab, pf)
        done = subprocess.run(command.split(), cwd="/run/lab", capture_output=True, text=True, check=False)
        assert done.returncode == (1 if command == "pf-status-relay status" else 0), done
        printed[command] = done.stdout
    assert "ens5f0: LACP is down: LACPDUs have stopped" in printed["pf-status-relay status"]
    assert "2 within" in printed["pf-status-relay history --since -1d"]
    assert "passed   ens5f1: LACP is up" in printed["pf-status-relay check"]
    assert "Subject: LACP is down on PF ens5f0" in printed["journalctl -x -u pf-status-relay"]
    assert list(Path("/run/lab").glob("pf-status-relay-*.tar.gz")), printed["pf-status-relay report"]
    assert len(printed) == 7, words


@systemd
def test_it_runs_as_the_operators_operand(lab: Lab) -> None:
    """Run it as packaging/Containerfile does: two variables, no arguments, no configuration file."""
    recipe = (CHECKOUT / "packaging" / "Containerfile").read_text()
    lines = dict(line.split(" ", 1) for line in recipe.splitlines() if line.startswith(("ENTRYPOINT", "CMD")))
    entry_point = [*json.loads(lines["ENTRYPOINT"]), *json.loads(lines["CMD"])]
    pf = lab.pf_with_lacp("ens5f0", vfs=2)
    package.install(package.current())
    drop_ins = CONFIGURATION.with_suffix(".d")
    CONFIGURATION.unlink()
    drop_ins.rmdir()
    assert f"RUN rm -r {CONFIGURATION} {drop_ins} && " in recipe
    for link in (CONFIGURATION, drop_ins):
        link.symlink_to(f"/run/host{link}")  # which is there for the container of --image alone
    refused = subprocess.run(entry_point, env={}, capture_output=True, text=True, check=False)
    assert refused.returncode == 78, refused.stderr

    given = {"PF_STATUS_RELAY_INTERFACES": "ens5f0", "PF_STATUS_RELAY_POLLING_INTERVAL": "1000"}
    with subprocess.Popen(entry_point, env=given, stdout=subprocess.PIPE, text=True) as operand:
        assert operand.stdout is not None
        assert json.loads(operand.stdout.readline())["msg"] == "Starting application"
        disabled_by_the_service(lab, pf)
        operand.terminate()
        events = [json.loads(line)["msg"] for line in operand.stdout]
        assert "lacp is down" in events
    assert operand.returncode == 0


@systemd
def test_the_manual_is_found_by_name_and_by_the_unit(lab: Lab) -> None:
    package.install(package.current())
    for section, name in (("8", "pf-status-relay"), ("5", "pf-status-relay.toml")):
        page = Path(f"/usr/share/man/man{section}/{name}.{section}.gz")
        for arguments in ([section, name], ["-l", str(page)]):
            rendered = run("man", "--pager=cat", "--encoding=ascii", *arguments)
            assert rendered.startswith(f"{name.upper()}({section})"), rendered
            assert "\nSEE ALSO\n" in rendered
        assert f"man:{name}({section})" in shlex.split(lab.show("Documentation"))


@systemd
def test_nobody_else_can_import_it_and_it_imports_nothing_of_the_users(lab: Lab) -> None:
    lab.pf_with_lacp("ens5f0", vfs=1)
    running(lab, "ens5f0")
    for module in ("pf_status_relay", "sdnotify", "pyroute2"):
        found = f"import importlib.util as u; print(u.find_spec('{module}'))"
        assert run("/usr/bin/python3", "-I", "-c", found).strip() == "None", module

    planted = Path("/run/planted")
    planted.mkdir()
    for module in ("pf_status_relay", "tomli", "sitecustomize"):
        (planted / f"{module}.py").write_text("raise SystemExit('this is the wrong one')\n")
    hostile = {**os.environ, "PYTHONPATH": str(planted), "PYTHONHOME": str(planted), "HOME": str(planted)}
    done = subprocess.run(
        ["/usr/bin/pf-status-relay", "--version"],
        cwd=planted, env=hostile, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout.split() == [UNIT, version(package.current())], done.stderr


@systemd
def test_running_it_changes_no_file_of_the_package(lab: Lab) -> None:
    lab.pf_with_lacp("ens5f0", vfs=1)
    running(lab, "ens5f0")
    pf_status_relay("--version")
    changes = [line for line in package.changed() if not line.endswith(str(CONFIGURATION))]
    assert changes == []
    owned = set(package.files())
    assert [path for path in PRIVATE.rglob("*") if path not in owned] == []


@systemd
@pytest.mark.host_python
def test_its_byte_code_is_used_whatever_the_times_of_the_files_are(lab: Lab) -> None:
    """On RHEL CoreOS all times are zero; byte code that goes by time would be compiled anew at each start."""
    package.install(package.current())
    for path in PRIVATE.rglob("*.py"):
        os.utime(path, (0, 0))
    done = subprocess.run(
        ["/usr/bin/python3", "-I", "-v", "/usr/bin/pf-status-relay", "--version"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    loaded = [line for line in done.stderr.splitlines() if str(PRIVATE) in line]
    assert any("matches" in line and "pf_status_relay/cli" in line for line in loaded), done.stderr
    assert [line for line in loaded if "code object from '" in line and ".pyc" not in line] == []
