"""The files that bring a configuration to hosts, checked with the tools that read them."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import pytest

from pf_status_relay.openshift import machineconfig, quadlet
from pf_status_relay.openshift.quadlet import Container
from tests.support import disruption
from tests.support.tools import files_of, validate

ROOT = Path(__file__).parents[3]


def test_a_machine_config() -> None:
    assert machineconfig.machine_config("worker", b'interfaces = ["a"]\n') == {
        "apiVersion": "machineconfiguration.openshift.io/v1",
        "kind": "MachineConfig",
        "metadata": {
            "name": "99-worker-pf-status-relay",
            "labels": {"machineconfiguration.openshift.io/role": "worker"},
        },
        "spec": {
            "config": {
                "ignition": {"version": "3.2.0"},
                "storage": {
                    "files": [
                        {
                            "path": "/etc/pf-status-relay.toml",
                            "mode": 420,
                            "overwrite": True,
                            "contents": {"source": "data:,interfaces%20=%20%5B%22a%22%5D%0A"},
                        }
                    ]
                },
                "systemd": {"units": [{"name": "pf-status-relay.service", "enabled": True}]},
            }
        },
    }


@pytest.mark.parametrize(
    ("role", "name"),
    [
        ("worker", "99-worker-pf-status-relay"),
        ("master", "99-master-pf-status-relay"),
        ("arbiter", "99-arbiter-pf-status-relay"),
        ("infra", "99-worker-pf-status-relay-infra"),
        ("worker-cnf", "99-worker-pf-status-relay-worker-cnf"),
    ],
)
def test_the_name_of_a_custom_pool_comes_after_that_of_worker_which_it_inherits(role: str, name: str) -> None:
    assert machineconfig.name(role) == name
    if role not in ("worker", "master", "arbiter"):
        assert name > machineconfig.name("worker")


def test_the_unit_is_the_one_that_is_shipped() -> None:
    assert (ROOT / "systemd" / machineconfig.UNIT).is_file()


def test_a_custom_pool_takes_what_is_for_workers_and_what_is_for_it() -> None:
    assert machineconfig.machine_config_pool("worker-rack-a", {"rack": "a"}) == {
        "apiVersion": "machineconfiguration.openshift.io/v1",
        "kind": "MachineConfigPool",
        "metadata": {"name": "worker-rack-a"},
        "spec": {
            "machineConfigSelector": {
                "matchExpressions": [
                    {
                        "key": "machineconfiguration.openshift.io/role",
                        "operator": "In",
                        "values": ["worker", "worker-rack-a"],
                    }
                ]
            },
            "nodeSelector": {"matchLabels": {"rack": "a"}},
        },
    }


SHIPPED = (ROOT / "etc" / "pf-status-relay.toml").read_bytes()


@pytest.mark.parametrize("file", [SHIPPED, b"", "# ü % # ? & + \"'\n".encode(), bytes(range(256))])
def test_ignition_accepts_it_and_the_file_is_as_it_was(file: bytes) -> None:
    rendered = machineconfig.ignition(file)
    done = validate(rendered)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    assert files_of(rendered) == {"/etc/pf-status-relay.toml": file}


def test_ignition_would_refuse_what_is_wrong() -> None:
    rendered = machineconfig.ignition(b"")
    rendered["storage"]["files"][0]["path"] = "etc/relative"
    assert validate(rendered).returncode != 0


# The container

CONTAINER = quadlet.container(f"registry.example.com/a:1@sha256:{'0' * 64}")


def test_with_a_container_it_brings_its_file_and_puller_and_enables_no_unit() -> None:
    assert CONTAINER is not None
    rendered = machineconfig.ignition(SHIPPED, CONTAINER)
    done = validate(rendered)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    assert files_of(rendered) == {"/etc/pf-status-relay.toml": SHIPPED, quadlet.PATH: CONTAINER.file}
    (unit,) = rendered["systemd"]["units"]
    assert unit == {"name": "pf-status-relay-image.service", "contents": CONTAINER.puller}


# The node disruption policy

RELOAD = ("daemon-reload",)
RESTART = ("restart", "pf-status-relay.service")
PULL = ("restart", "pf-status-relay-image.service")


def test_the_disruption_policy_is_a_whole_resource_of_the_one_name_that_is_accepted() -> None:
    restart = {"type": "Restart", "restart": {"serviceName": "pf-status-relay.service"}}
    pull = {"type": "Restart", "restart": {"serviceName": "pf-status-relay-image.service"}}
    reload = {"type": "DaemonReload"}
    actions = [reload, restart]
    assert machineconfig.disruption_policy() == {
        "apiVersion": "operator.openshift.io/v1",
        "kind": "MachineConfiguration",
        "metadata": {"name": "cluster"},
        "spec": {
            "nodeDisruptionPolicy": {
                "files": [
                    {"path": "/etc/pf-status-relay.toml", "actions": actions},
                    {"path": "/etc/pf-status-relay.d", "actions": actions},
                    {
                        "path": "/etc/containers/systemd/pf-status-relay.container",
                        "actions": [reload, pull, restart],
                    },
                ],
                "units": [
                    {"name": "pf-status-relay.service", "actions": actions},
                    {"name": "pf-status-relay-image.service", "actions": [reload]},
                ],
            }
        },
    }


@pytest.mark.parametrize(
    ("files", "units", "commands"),
    [
        (["/etc/pf-status-relay.toml"], [], (RELOAD, RESTART)),
        (["/etc/pf-status-relay.d/50-node.toml"], [], (RELOAD, RESTART)),
        ([quadlet.PATH], [], (RELOAD, PULL, RESTART)),
        # A new image
        ([quadlet.PATH], [quadlet.PULLER], (RELOAD, PULL, RESTART, RELOAD)),
        ([], ["pf-status-relay.service"], (RELOAD, RESTART)),
        # The first MachineConfig
        (
            ["/etc/pf-status-relay.toml"],
            ["pf-status-relay.service"],
            (RELOAD, RESTART) * 2,
        ),
        (["/etc/pf-status-relay.toml", quadlet.PATH], [], (RELOAD, RESTART, RELOAD, PULL, RESTART)),
        (["/etc/pf-status-relay.toml", "/etc/motd"], [], disruption.REBOOT),
        (["/usr/lib/pf-status-relay.d/50-node.toml"], [], disruption.REBOOT),
    ],
)
def test_by_the_operators_rules_a_node_restarts_the_service_for_it_and_reboots_for_anything_else(
    files: list[str], units: list[str], commands: tuple[tuple[str, ...], ...]
) -> None:
    policy = machineconfig.disruption_policy()["spec"]["nodeDisruptionPolicy"]
    assert disruption.commands(policy, files, units) == commands


@pytest.mark.parametrize("container", [None, CONTAINER])
def test_the_policy_covers_whatever_a_machine_config_brings(container: Container | None) -> None:
    spec = machineconfig.ignition(b"", container)
    policy = machineconfig.disruption_policy()["spec"]["nodeDisruptionPolicy"]
    files = [file["path"] for file in spec["storage"]["files"]]
    units = [unit["name"] for unit in spec["systemd"]["units"]]
    assert disruption.commands(policy, files, units) != disruption.REBOOT


def test_in_whichever_order_the_operator_finds_the_files_the_first_restart_comes_after_a_daemon_reload() -> (
    None
):
    policy = machineconfig.disruption_policy()["spec"]["nodeDisruptionPolicy"]
    for files in permutations(["/etc/pf-status-relay.toml", quadlet.PATH]):
        assert disruption.commands(policy, files)[0] == ("daemon-reload",), (
            "or there is no unit to restart yet"
        )


def test_a_path_with_a_pattern_would_never_match() -> None:
    policy = {"files": [{"path": "/etc/pf-status-relay.d/*.toml", "actions": []}], "units": []}
    assert disruption.commands(policy, ["/etc/pf-status-relay.d/a.toml"]) == disruption.REBOOT
