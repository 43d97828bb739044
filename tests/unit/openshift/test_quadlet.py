"""The service as a container: what podman's generator makes of its file, and which images are accepted."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from pf_status_relay.openshift import quadlet
from pf_status_relay.service import state_file
from tests.support.tools import units_of

ROOT = Path(__file__).parents[3]
DIGEST = "sha256:" + "0123456789abcdef" * 4
IMAGE = f"registry.example.com/noc/pf-status-relay:0.1.0@{DIGEST}"

Unit = dict[str, dict[str, list[str]]]


def parsed(text: str) -> Unit:
    """Return a unit's values by section and key, in their order."""
    found: Unit = {}
    section: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line.startswith("["):
            section = found.setdefault(line.strip("[]"), {})
        elif "=" in line and not line.startswith(("#", ";")):
            key, _, value = line.partition("=")
            section.setdefault(key, []).append(value)
    return found


def written(image: str = IMAGE) -> str:
    container = quadlet.container(image)
    assert container is not None
    return container.file.decode()


@pytest.fixture
def unit(tmp_path: Path) -> Unit:
    """Return the unit that podman's generator makes of the file, without a warning."""
    (tmp_path / Path(quadlet.PATH).name).write_text(written())
    done = units_of(tmp_path)
    said = [line for line in done.stderr.splitlines() if "Loading source unit file" not in line]
    assert (done.returncode, said) == (0, [])
    name, _, text = done.stdout.partition("\n")
    assert name == "---pf-status-relay.service---"
    return parsed(text)


def test_the_generator_would_say_what_is_wrong(tmp_path: Path) -> None:
    text = written().replace("Pull=missing", "PullOnce=true")
    (tmp_path / "pf-status-relay.container").write_text(text)
    done = units_of(tmp_path)
    assert done.returncode != 0
    assert "unsupported key 'PullOnce'" in done.stderr


def test_what_the_generated_unit_runs(unit: Unit) -> None:
    """Compare each word of the command line, so that a privilege is added only on purpose."""
    (command,) = unit["Service"]["ExecStart"]
    assert shlex.split(command) == [
        *("/usr/bin/podman", "run", "--name", "pf-status-relay", "--cidfile=%t/%N.cid", "--replace", "--rm"),
        *("--log-driver", "passthrough", "--cgroups=split", "--pull", "missing", "--read-only-tmpfs=false"),
        *("--network", "host", "--sdnotify=container", "-d"),
        *("--security-opt=no-new-privileges", "--security-opt", "label=disable"),
        *("--cap-drop", "all", "--cap-add", "net_admin", "--read-only", "--user", "65532:65532"),
        *("-v", "/etc:/run/host/etc:ro"),
        *("-v", "/run/pf-status-relay.d:/run/pf-status-relay.d:ro"),
        *("-v", "/run/systemd/journal:/run/systemd/journal:ro"),
        *("-v", "/run/pf-status-relay:/run/pf-status-relay:U"),
        *("--env", "RUNTIME_DIRECTORY=/run/pf-status-relay", "--stop-timeout=5"),
        *("--env=WATCHDOG_USEC", "--env=INVOCATION_ID", "--cgroupns=host"),
        f"registry.example.com/noc/pf-status-relay@{DIGEST}",
        *("run", "--log-format", "journal"),
    ]


def test_the_generated_unit_is_a_service_as_the_shipped_one_is(unit: Unit) -> None:
    shipped = parsed((ROOT / "systemd" / "pf-status-relay.service").read_text())
    alike = ("Type", "Restart", "RestartSec", "RestartPreventExitStatus", "WatchdogSec", "RuntimeDirectory")
    for key in (*alike, "OOMScoreAdjust", "CPUWeight", "KillMode"):
        assert unit["Service"][key] == shipped["Service"][key], key
    assert unit["Unit"]["StartLimitIntervalSec"] == shipped["Unit"]["StartLimitIntervalSec"]
    assert unit["Unit"]["Description"] == shipped["Unit"]["Description"]
    assert unit["Install"] == shipped["Install"]
    assert unit["Service"]["NotifyAccess"] == ["all"], "conmon sends on what comes from the container"
    assert unit["Service"]["ExecReload"] == ["/usr/bin/podman kill --signal HUP pf-status-relay"]


def test_it_waits_for_no_network_and_asks_no_registry_once_it_has_the_image(unit: Unit) -> None:
    assert not {"After", "Wants", "Requires"} & unit["Unit"].keys()
    assert "ExecStartPre" not in unit["Service"] or "pull" not in str(unit["Service"]["ExecStartPre"])


def test_a_unit_of_its_own_pulls_the_same_image_if_it_is_not_there() -> None:
    container = quadlet.container(IMAGE)
    assert container is not None
    puller = parsed(container.puller)["Service"]
    assert puller["Type"] == ["oneshot"], "a restart waits for it, and fails if it fails"
    image = f"registry.example.com/noc/pf-status-relay@{DIGEST}"
    script = f"podman image exists {image} || exec podman pull --quiet {image}"
    assert [shlex.split(line) for line in puller["ExecStart"]] == [["/bin/sh", "-c", script]]
    service = parsed(written())["Service"]
    for key in ("Environment", "TimeoutStartSec"):
        assert puller[key] == service[key], key


def test_what_status_reads_is_where_the_program_looks() -> None:
    assert f"RUNTIME_DIRECTORY={state_file.PATH.parent}\n" in written()


def test_the_image_has_links_to_where_the_configuration_is_mounted() -> None:
    recipe = (ROOT / "packaging" / "Containerfile").read_text()
    assert "ln -s /run/host/etc/pf-status-relay.toml /run/host/etc/pf-status-relay.d /etc/" in recipe
    assert "Volume=/etc:/run/host/etc:ro\n" in written()


@pytest.mark.parametrize(
    ("image", "runs"),
    [
        (IMAGE, f"registry.example.com/noc/pf-status-relay@{DIGEST}"),
        (f"registry.example.com/pf-status-relay@{DIGEST}", None),
        (f"registry.example.com:5000/a/b_c/d-e@{DIGEST}", None),
        (f"registry:5000/a@{DIGEST}", None),
        (f"localhost/a:latest@{DIGEST}", f"localhost/a@{DIGEST}"),
        (f"10.0.0.1:5000/a@{DIGEST}", None),
        (f"[fd00::1]:5000/a@{DIGEST}", None),
    ],
)
def test_an_image_is_run_by_its_digest_whatever_its_tag(image: str, runs: str | None) -> None:
    assert parsed(written(image))["Container"]["Image"] == [runs or image]
    assert written(image).startswith(f"# {image}\n"), "the tag is for people"


@pytest.mark.parametrize(
    "image",
    [
        *("", "pf-status-relay", "registry.example.com/pf-status-relay", "registry.example.com/a:0.1.0"),
        *(f"pf-status-relay@{DIGEST}", f"noc/pf-status-relay@{DIGEST}"),  # without a registry
        *(f"registry.example.com/a@{DIGEST[:-1]}", f"registry.example.com/a@{DIGEST}0"),
        *(f"registry.example.com/a@{DIGEST.upper()}", "registry.example.com/a@sha512:" + "0" * 128),
        *(f"registry.example.com/A@{DIGEST}", f"docker://registry.example.com/a@{DIGEST}"),
        *(f"registry.example.com/a:@{DIGEST}", f"registry.example.com/@{DIGEST}", f"example.com@{DIGEST}"),
        *(f"registry.example.com/a@{DIGEST}\nPodmanArgs=--privileged", f"registry.example.com/a%n@{DIGEST}"),
        *(f"registry.example.com/a b@{DIGEST}", f"registry.example.com/a@{DIGEST} --privileged"),
    ],
)
def test_anything_else_is_no_image(image: str) -> None:
    assert quadlet.container(image) is None
