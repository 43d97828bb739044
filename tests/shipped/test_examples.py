"""The examples: generated ones are up to date, and the manifests fit each other.

The tests have no cluster and no Grafana: whether the examples work there is not tested.
"""

from __future__ import annotations

import configparser
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from contrib import generate
from tests.support import prometheus
from tests.support.tools import PROMTOOL, output_of

CHECKOUT = Path(__file__).parents[2]
UNIT = CHECKOUT / "systemd" / "pf-status-relay.service"
METRICS = generate.EXAMPLES / "openshift-metrics.yaml"
NAME = "pf-status-relay-metrics"


def manifests() -> dict[str, Any]:
    """Return the resources for OpenShift by kind."""
    found = list(yaml.safe_load_all(METRICS.read_text()))
    by_kind = {resource["kind"]: resource for resource in found}
    assert len(by_kind) == len(found)
    return by_kind


@pytest.mark.parametrize(
    ("file", "made"), [(generate.DASHBOARD, generate.dashboard), (generate.RULE, generate.rule)]
)
def test_what_is_made_is_as_it_would_be_made_now(file: Path, made: Any) -> None:
    assert file.read_text() == made(), "run python3 contrib/generate.py"


def test_the_prometheus_rule_has_the_alerts_and_promtool_takes_them(tmp_path: Path) -> None:
    rule = yaml.safe_load(generate.RULE.read_text())
    assert (rule["apiVersion"], rule["kind"]) == ("monitoring.coreos.com/v1", "PrometheusRule")
    assert rule["metadata"] == {"name": "pf-status-relay", "namespace": NAME}
    assert rule["spec"] == yaml.safe_load(generate.ALERTS.read_text())
    spec = tmp_path / "rules.yml"
    spec.write_text(yaml.safe_dump(rule["spec"]))
    assert "SUCCESS" in output_of(PROMTOOL, "check", "rules", spec)


def test_each_manifest_has_what_the_cluster_demands_of_its_kind() -> None:
    by_kind = manifests()
    assert {kind: resource["apiVersion"] for kind, resource in by_kind.items()} == {
        "Namespace": "v1",
        "ServiceAccount": "v1",
        "SecurityContextConstraints": "security.openshift.io/v1",
        "DaemonSet": "apps/v1",
        "PodMonitor": "monitoring.coreos.com/v1",
    }
    for kind, resource in by_kind.items():
        assert resource["metadata"]["name"] == NAME
        wanted = None if kind in ("Namespace", "SecurityContextConstraints") else NAME
        assert resource["metadata"].get("namespace") == wanted, kind
    constraints = by_kind["SecurityContextConstraints"]
    flags = {"HostDirVolumePlugin", "HostIPC", "HostNetwork", "HostPID", "HostPorts", "PrivilegedContainer"}
    assert {flag for flag in flags if constraints[f"allow{flag}"]} == {"HostDirVolumePlugin"}
    for strategy in ("runAsUser", "seLinuxContext", "fsGroup", "supplementalGroups"):
        assert constraints[strategy]["type"] in ("MustRunAs", "RunAsAny")


def test_the_pod_is_what_its_constraints_allow_and_reads_the_folder_alone() -> None:
    by_kind = manifests()
    constraints, daemon_set = by_kind["SecurityContextConstraints"], by_kind["DaemonSet"]["spec"]
    template = daemon_set["template"]
    pod = template["spec"]
    (container,) = pod["containers"]
    (volume,), (mount,) = pod["volumes"], container["volumeMounts"]

    assert daemon_set["selector"]["matchLabels"] == template["metadata"]["labels"]
    assert constraints["users"] == [f"system:serviceaccount:{NAME}:{pod['serviceAccountName']}"]
    assert by_kind["ServiceAccount"]["metadata"]["name"] == pod["serviceAccountName"]
    assert pod["securityContext"]["runAsUser"] == constraints["runAsUser"]["uid"] != 0
    assert pod["securityContext"]["seLinuxOptions"] == constraints["seLinuxContext"]["seLinuxOptions"]
    assert set(volume) - {"name"} <= set(constraints["volumes"])
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": constraints["requiredDropCapabilities"]},
    }
    assert not {"hostNetwork", "hostPID", "hostIPC", "initContainers"} & set(pod)

    unit = configparser.RawConfigParser(strict=False)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read(UNIT)
    assert f"-{volume['hostPath']['path']}" == unit["Service"]["ReadWritePaths"]
    assert (mount["name"], mount["readOnly"]) == (volume["name"], True)
    assert container["image"] == "NODE_EXPORTER_IMAGE"
    assert f"s|{container['image']}|" in METRICS.read_text()
    port = container["ports"][0]["containerPort"]
    assert set(container["args"]) == {
        f"--web.listen-address=:{port}",
        f"--collector.textfile.directory={mount['mountPath']}",
        *prometheus.COLLECTORS,
    }


def test_the_pod_monitor_finds_the_pods_and_their_port() -> None:
    by_kind = manifests()
    template, monitor = by_kind["DaemonSet"]["spec"]["template"], by_kind["PodMonitor"]["spec"]
    assert monitor["selector"]["matchLabels"] == template["metadata"]["labels"]
    (endpoint,) = monitor["podMetricsEndpoints"]
    assert endpoint["port"] == template["spec"]["containers"][0]["ports"][0]["name"]
    (relabeling,) = endpoint["relabelings"]
    assert relabeling["targetLabel"] == "instance", "what the alerts and their texts go by"


@pytest.mark.parametrize("file", [METRICS, generate.RULE], ids=lambda file: str(file.name))
def test_what_was_not_run_says_so_at_its_top(file: Path) -> None:
    top = file.read_text().partition("\napiVersion")[0]
    assert "not run in a cluster" in top.lower()


def test_the_dashboard_has_its_panels_side_by_side_in_full_rows() -> None:
    dashboard = json.loads(generate.DASHBOARD.read_text())
    assert len(dashboard["panels"]) == 8
    rows: dict[int, list[tuple[int, int]]] = {}
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        rows.setdefault(place["y"], []).append((place["x"], place["x"] + place["w"]))
        assert panel["targets"]
        assert all("HOSTS" not in target["expr"] for target in panel["targets"])
    for row in rows.values():
        ends = [0, *(end for _, end in row)]
        assert [begin for begin, _ in row] == ends[:-1]
        assert ends[-1] == generate.COLUMNS
    names = {variable["name"] for variable in dashboard["templating"]["list"]}
    assert names == {"datasource", "instance"}
