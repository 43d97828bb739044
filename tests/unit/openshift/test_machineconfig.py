"""The files that bring a configuration to hosts, judged by the tools that read them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from pf_status_relay.openshift import machineconfig
from tests.support.tools import files_of, validate

if sys.version_info >= (3, 11):
    pass
else:
    pass

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
        ("infra", "99-worker-pf-status-relay-infra"),
        ("worker-cnf", "99-worker-pf-status-relay-worker-cnf"),
    ],
)
def test_the_name_of_a_custom_pool_comes_after_that_of_worker_which_it_inherits(role: str, name: str) -> None:
    assert machineconfig.name(role) == name
    if role not in ("worker", "master"):
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
