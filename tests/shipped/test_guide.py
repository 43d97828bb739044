"""The guide's resources: the page shows the files as they are, and each has the fields of its kind.

The tests have no cluster: whether the resources work together there is not tested. The fields come from:

- SriovNetworkNodePolicy, SriovNetwork: config/crd/bases of k8snetworkplumbingwg/sriov-network-operator
- NodeNetworkConfigurationPolicy: deploy/crds of openshift/kubernetes-nmstate; its bonds: nmstate.io
- NetworkAttachmentDefinition: the CRD of k8snetworkplumbingwg/network-attachment-definition-client
- the bond CNI's configuration: README.md of k8snetworkplumbingwg/bond-cni
- Namespace and Pod: the Kubernetes API reference, v1
- MachineConfig: tests/unit/openshift tests it; here it is compared with the program's output
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from pf_status_relay.cli import main
from pf_status_relay.config import load

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "guide.md"
FILES = ROOT / "contrib" / "examples" / "guide"
SRIOV = "openshift-sriov-network-operator"
TAKEN = {"yaml", "toml", "ini"}
"""Languages of the blocks that show a file."""


class Fields(NamedTuple):
    """The fields of a map: the required ones, and the others that the guide uses, each with its type."""

    required: dict[str, Any]
    optional: dict[str, Any]


RESOURCES = {
    ("v1", "Namespace"): Fields({}, {}),
    ("v1", "Pod"): Fields(
        {"containers": [Fields({"name": str, "image": str}, {"command": [str]})]},
        {"nodeSelector": {str: str}},
    ),
    ("sriovnetwork.openshift.io/v1", "SriovNetworkNodePolicy"): Fields(
        {
            "nicSelector": Fields({"pfNames": [str]}, {}),
            "nodeSelector": {str: str},
            "numVfs": int,
            "resourceName": str,
        },
        {"deviceType": ("netdevice", "vfio-pci"), "priority": range(100)},
    ),
    ("sriovnetwork.openshift.io/v1", "SriovNetwork"): Fields(
        {"resourceName": str}, {"networkNamespace": str, "capabilities": str}
    ),
    ("nmstate.io/v1", "NodeNetworkConfigurationPolicy"): Fields(
        {
            "desiredState": Fields(
                {
                    "interfaces": [
                        Fields(
                            {
                                "name": str,
                                "type": ("bond", "ethernet"),
                                "state": ("up", "absent"),
                            },
                            {
                                "description": str,
                                "mtu": int,
                                "ipv4": Fields({"enabled": bool}, {}),
                                "ipv6": Fields({"enabled": bool}, {}),
                                "link-aggregation": Fields(
                                    {"mode": ("802.3ad",), "port": [str]},
                                    {
                                        "options": Fields(
                                            {"miimon": str, "lacp_rate": ("fast",)}, {"min_links": str}
                                        )
                                    },
                                ),
                            },
                        )
                    ]
                },
                {},
            )
        },
        {"nodeSelector": {str: str}},
    ),
    ("k8s.cni.cncf.io/v1", "NetworkAttachmentDefinition"): Fields({"config": str}, {}),
}
BOND_CNI = Fields(
    {
        "cniVersion": str,
        "name": str,
        "type": ("bond",),
        "miimon": str,
        "links": [Fields({"name": str}, {})],
        "ipam": Fields({"type": ("static",)}, {}),
    },
    {
        "mode": ("active-backup",),
        "failOverMac": (0, 1, 2),
        "linksInContainer": bool,
        "mtu": int,
        "capabilities": {str: bool},
    },
)


def faults(value: object, wanted: Any, path: str) -> Iterator[str]:
    """Yield where a value is not as wanted: a type, allowed values, [items], {keys: values} or Fields."""
    if isinstance(wanted, Fields):
        if not isinstance(value, dict):
            yield f"{path}: no map"
            return
        known = {**wanted.required, **wanted.optional}
        yield from (f"{path}.{key}: missing" for key in wanted.required if key not in value)
        yield from (f"{path}.{key}: unknown" for key in value if key not in known)
        for key in known.keys() & value.keys():
            yield from faults(value[key], known[key], f"{path}.{key}")
    elif isinstance(wanted, list):
        if not isinstance(value, list) or not value:
            yield f"{path}: no list"
            return
        for number, item in enumerate(value):
            yield from faults(item, wanted[0], f"{path}[{number}]")
    elif isinstance(wanted, dict):
        ((_, kind),) = wanted.items()
        if not isinstance(value, dict) or not value:
            yield f"{path}: no map"
            return
        for key, item in value.items():
            yield from faults(item, kind, f"{path}.{key}")
    elif isinstance(wanted, type):
        if type(value) is not wanted:
            yield f"{path}: {value!r} is no {wanted.__name__}"
    elif value not in wanted:
        yield f"{path}: {value!r} is none of {wanted}"


def resources(name: str) -> list[dict[str, Any]]:
    """Return the resources of a file of the guide."""
    return list(yaml.safe_load_all((FILES / name).read_text()))


def all_of(kind: str, *names: str) -> list[dict[str, Any]]:
    """Return the resources of a kind in these files."""
    return [each for name in names for each in resources(name) if each["kind"] == kind]


OWN = "99-worker-pf-status-relay.yaml"
OTHERS = sorted(path.name for path in FILES.glob("*.yaml") if path.name != OWN)


def test_the_page_has_every_file_as_it_is() -> None:
    page = GUIDE.read_text()
    shown = re.findall(
        r"^\[(\S+)\]\(\.\./contrib/examples/guide/(\S+)\):\n\n```(\w+)\n(.*?)^```$", page, re.M | re.S
    )
    assert len(shown) == sum(len(re.findall(rf"^```{language}$", page, re.M)) for language in TAKEN)
    assert [name for name, *_ in shown] == [target for _, target, *_ in shown]
    assert {name: text for name, _, _, text in shown} == {
        path.name: path.read_text() for path in FILES.iterdir()
    }


@pytest.mark.parametrize("name", OTHERS)
def test_each_resource_has_what_its_kind_demands(name: str) -> None:
    assert resources(name)
    for resource in resources(name):
        kind = resource["apiVersion"], resource["kind"]
        spec = resource.get("spec", {})
        assert list(faults(spec, RESOURCES[kind], f"{resource['metadata']['name']}.spec")) == []
        assert set(resource) <= {"apiVersion", "kind", "metadata", "spec"}
        assert set(resource["metadata"]) <= {"name", "namespace", "labels", "annotations"}
        is_cluster_wide = resource["kind"] in ("Namespace", "NodeNetworkConfigurationPolicy")
        assert ("namespace" in resource["metadata"]) is not is_cluster_wide


def test_a_field_that_is_missing_misspelt_or_of_another_type_is_a_fault() -> None:
    kind = RESOURCES["sriovnetwork.openshift.io/v1", "SriovNetworkNodePolicy"]
    (policy, _) = (each["spec"] for each in resources("vfs.yaml"))
    assert list(faults({**policy, "numVFs": 8}, kind, "spec")) == ["spec.numVFs: unknown"]
    assert list(faults({**policy, "numVfs": "8"}, kind, "spec")) == ["spec.numVfs: '8' is no int"]
    del policy["numVfs"]
    assert list(faults(policy, kind, "spec")) == ["spec.numVfs: missing"]


def test_each_pf_is_the_one_port_of_a_bond_and_the_bonds_go_as_they_came() -> None:
    policies = resources("bonds.yaml")
    bonds = [each for policy in policies for each in policy["spec"]["desiredState"]["interfaces"][:1]]
    assert [bond["link-aggregation"]["port"] for bond in bonds] == [["ens5f0"], ["ens5f1"]]
    absent = resources("bonds-absent.yaml")
    assert [each["metadata"] for each in absent] == [each["metadata"] for each in policies]
    assert [each["spec"]["nodeSelector"] for each in absent] == [
        each["spec"]["nodeSelector"] for each in policies
    ]
    gone = [interface for each in absent for interface in each["spec"]["desiredState"]["interfaces"]]
    assert gone == [{"name": bond["name"], "type": "bond", "state": "absent"} for bond in bonds]


def test_the_networks_take_the_vfs_and_leave_their_link_state_to_the_relay() -> None:
    policies, networks = all_of("SriovNetworkNodePolicy", "vfs.yaml"), all_of("SriovNetwork", "networks.yaml")
    assert {each["metadata"]["namespace"] for each in (*policies, *networks)} == {SRIOV}
    assert [each["spec"]["resourceName"] for each in networks] == [
        each["spec"]["resourceName"] for each in policies
    ]
    assert [each["spec"]["nicSelector"]["pfNames"] for each in policies] == [["ens5f0"], ["ens5f1"]]
    assert not [each for each in networks if "linkState" in each["spec"]]
    assert [json.loads(each["spec"]["capabilities"]) for each in networks] == [{"mac": True}] * 2


def test_the_pod_bonds_one_vf_of_each_pf() -> None:
    (pod,), (bond,) = resources("pod.yaml"), all_of("NetworkAttachmentDefinition", "networks.yaml")
    (namespace,) = all_of("Namespace", "networks.yaml")
    networks = all_of("SriovNetwork", "networks.yaml")
    configuration = json.loads(bond["spec"]["config"])
    assert list(faults(configuration, BOND_CNI, "config")) == []
    wanted = json.loads(pod["metadata"]["annotations"]["k8s.v1.cni.cncf.io/networks"])
    assert [each["name"] for each in wanted] == [each["metadata"]["name"] for each in (*networks, bond)], (
        "the bond comes last"
    )
    assert [{"name": each["interface"]} for each in wanted[:2]] == configuration["links"]
    assert wanted[2]["ips"], "as its IPAM is static"
    assert configuration["failOverMac"] == 1, "the VFs have different MAC addresses"
    where = {each["spec"]["networkNamespace"] for each in networks}
    assert (
        where
        == {pod["metadata"]["namespace"], bond["metadata"]["namespace"]}
        == {namespace["metadata"]["name"]}
    )


def test_the_machine_config_is_what_the_program_prints(capsys: pytest.CaptureFixture[str]) -> None:
    configuration = str(FILES / "relay.toml")
    assert main.main(["machineconfig", "--role", "worker", "--config", configuration]) == 0
    assert (FILES / OWN).read_text() == capsys.readouterr().out
    assert load.from_files(FILES / "relay.toml", {}).interfaces == ("ens5f0", "ens5f1")
