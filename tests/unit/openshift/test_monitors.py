"""The operator's custom resource: what is accepted, and the one-line message for each fault."""

from __future__ import annotations

from typing import Any

import pytest

from pf_status_relay.openshift.manifests import Resource
from pf_status_relay.openshift.monitors import MAX_MONITORS, Monitor, monitors

NAME_ALLOWED = "allowed: an interface name of 1 to 127 bytes without '/', ':' or white space, not '.' or '..'"
NAMES_ALLOWED = "allowed: a list of interface names, at least one, each once"
INTERVAL_ALLOWED = "allowed: a whole number of milliseconds from 100 to 60000"
KEYS_ALLOWED = "allowed: interfaces, nodeSelector, pollingInterval"
KIND_ALLOWED = "allowed: PFLACPMonitor of pfstatusrelay.openshift.io/v1alpha1, or a List of them"
LABEL_ALLOWED = "allowed: keys and values that a label can have, up to 63 characters each"


def resource(
    spec: object, name: object = "a", namespace: object = "default", where: str = "FILE"
) -> Resource:
    """Return a PFLACPMonitor as `oc get -o yaml` shows it."""
    content = {
        "apiVersion": "pfstatusrelay.openshift.io/v1alpha1",
        "kind": "PFLACPMonitor",
        "metadata": {"name": name, "namespace": namespace, "resourceVersion": "1"},
        "spec": spec,
        "status": {"degraded": False},
    }
    return Resource(where, content)


def faults(*resources: Resource) -> list[str]:
    """Return the faults of resources, none of which is valid."""
    found: list[str] = []
    assert monitors(resources, found) == []
    assert not any("\n" in line for line in found)
    return found


def test_a_monitor_with_everything() -> None:
    found: list[str] = []
    spec = {
        "interfaces": ["ens5f1", "ens5f0"],
        "pollingInterval": 100,
        "nodeSelector": {"rack": "a", "node-role.kubernetes.io/worker": ""},
    }
    assert monitors([resource(spec)], found) == [
        Monitor(
            "default/a", ("ens5f1", "ens5f0"), 100, (("node-role.kubernetes.io/worker", ""), ("rack", "a"))
        )
    ]
    assert found == []


@pytest.mark.parametrize("rest", [{}, {"pollingInterval": None, "nodeSelector": None}, {"nodeSelector": {}}])
def test_what_the_custom_resource_defaults_to(rest: dict[str, Any]) -> None:
    assert monitors([resource({"interfaces": ["a"], **rest})], []) == [Monitor("default/a", ("a",), 1000, ())]


def test_blanks_around_an_interface_are_trimmed_as_the_operator_does() -> None:
    assert monitors([resource({"interfaces": [" a\t"]})], [])[0].interfaces == ("a",)


def test_they_are_ordered_by_name_whatever_the_order_of_the_files() -> None:
    given = [
        resource({"interfaces": ["a"]}, name, space)
        for space, name in (("b", "a"), ("a", "b"), (None, "a.b"))
    ]
    assert [str(monitor) for monitor in monitors(given, [])] == ["a.b", "a/b", "b/a"]


@pytest.mark.parametrize(
    ("spec", "fault"),
    [
        (None, f"spec is null; allowed: a map of {KEYS_ALLOWED[9:]}"),
        ([1], f"spec is [1]; allowed: a map of {KEYS_ALLOWED[9:]}"),
        ({}, f"spec.interfaces is null; {NAMES_ALLOWED}"),
        ({"interfaces": []}, f"spec.interfaces is []; {NAMES_ALLOWED}"),
        ({"interfaces": "a"}, f'spec.interfaces is "a"; {NAMES_ALLOWED}'),
        ({"interfaces": [""]}, f'spec.interfaces[0] is ""; {NAME_ALLOWED}'),
        ({"interfaces": ["a", "  "]}, f'spec.interfaces[1] is ""; {NAME_ALLOWED}'),
        ({"interfaces": ["a", 1]}, f"spec.interfaces[1] is 1; {NAME_ALLOWED}"),
        ({"interfaces": ["a", "b", "a "]}, f'spec.interfaces[2] is "a" again; {NAMES_ALLOWED}'),
        ({"interfaces": ["a/b"]}, f'spec.interfaces[0] is "a/b"; {NAME_ALLOWED}'),
        ({"interfaces": ["a"], "pollingInterval": 99}, f"spec.pollingInterval is 99; {INTERVAL_ALLOWED}"),
        (
            {"interfaces": ["a"], "pollingInterval": "500"},
            f'spec.pollingInterval is "500"; {INTERVAL_ALLOWED}',
        ),
        ({"interfaces": ["a"], "pollingInterval": True}, f"spec.pollingInterval is true; {INTERVAL_ALLOWED}"),
        (
            {"interfaces": ["a"], "pollingInterval": 60001},
            f"spec.pollingInterval is 60001; {INTERVAL_ALLOWED}",
        ),
        ({"interfaces": ["a"], "interface": ["b"]}, f"unknown key spec.interface; {KEYS_ALLOWED}"),
        ({"interfaces": ["a"], "b\nc": 1}, f'unknown key spec."b\\nc"; {KEYS_ALLOWED}'),
        (
            {"interfaces": ["a"], "nodeSelector": ["b"]},
            'spec.nodeSelector is ["b"]; allowed: a map of strings',
        ),
        (
            {"interfaces": ["a"], "nodeSelector": "b=c"},
            'spec.nodeSelector is "b=c"; allowed: a map of strings',
        ),
        (
            {"interfaces": ["a"], "nodeSelector": {"b": True}},
            'spec.nodeSelector has "b": true; '
            "allowed: a map of strings (put a number, true or null in quotes)",
        ),
        (
            {"interfaces": ["a"], "nodeSelector": {1: "b"}},
            'spec.nodeSelector has 1: "b"; allowed: a map of strings (put a number, true or null in quotes)',
        ),
        (
            {"interfaces": ["a"], "nodeSelector": {"b": None}},
            'spec.nodeSelector has "b": null; '
            "allowed: a map of strings (put a number, true or null in quotes)",
        ),
        ({"interfaces": ["a"], "nodeSelector": {"": "b"}}, f'spec.nodeSelector has "": "b"; {LABEL_ALLOWED}'),
        (
            {"interfaces": ["a"], "nodeSelector": {"b": "c d"}},
            f'spec.nodeSelector has "b": "c d"; {LABEL_ALLOWED}',
        ),
        (
            {"interfaces": ["a"], "nodeSelector": {"x/y/z": "b"}},
            f'spec.nodeSelector has "x/y/z": "b"; {LABEL_ALLOWED}',
        ),
        (
            {"interfaces": ["a"], "nodeSelector": {"b": "c" * 64}},
            f'spec.nodeSelector has "b": "{"c" * 64}"; {LABEL_ALLOWED}',
        ),
    ],
)
def test_a_fault_is_one_line_with_file_resource_key_value_and_what_is_allowed(
    spec: object, fault: str
) -> None:
    assert faults(resource(spec)) == [f"FILE: PFLACPMonitor default/a: {fault}"]


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("text", 'is "text"; allowed: a PFLACPMonitor, or a List of them'),
        ([1], "is [1]; allowed: a PFLACPMonitor, or a List of them"),
        ({}, f"is of kind null and apiVersion null; {KIND_ALLOWED}"),
        (
            {"apiVersion": "v1", "kind": "Pod"},
            f'is of kind "Pod" and apiVersion "v1"; {KIND_ALLOWED}',
        ),
        (
            {"apiVersion": "pfstatusrelay.openshift.io/v2", "kind": "PFLACPMonitor"},
            f'is of kind "PFLACPMonitor" and apiVersion "pfstatusrelay.openshift.io/v2"; {KIND_ALLOWED}',
        ),
    ],
)
def test_anything_else_than_a_monitor_is_refused(content: object, fault: str) -> None:
    assert faults(Resource("FILE", content)) == [f"FILE {fault}"]


@pytest.mark.parametrize("name", [None, 1, "", "A", "a\nb", "-a", "a" * 254, ["a"]])
def test_a_name_that_kubernetes_does_not_have_is_refused(name: object) -> None:
    (line,) = faults(resource({"interfaces": ["a"]}, name))
    assert line.startswith("FILE: metadata.name is ")
    if name is not None:
        (line,) = faults(resource({"interfaces": ["a"]}, "a", name))
        assert line.startswith("FILE: metadata.namespace is ")


def test_all_faults_are_told_together() -> None:
    given = [
        Resource("X", {"kind": "Pod"}),
        resource({"interfaces": ["", "a"], "pollingInterval": 1, "nodeSelector": 5}, where="Y"),
        resource({"interfaces": ["a", "a"]}, "b", where="Z"),
    ]
    assert [line.split(";")[0] for line in faults(*given)] == [
        'X is of kind "Pod" and apiVersion null',
        'Y: PFLACPMonitor default/a: spec.interfaces[0] is ""',
        "Y: PFLACPMonitor default/a: spec.pollingInterval is 1",
        "Y: PFLACPMonitor default/a: spec.nodeSelector is 5",
        'Z: PFLACPMonitor default/b: spec.interfaces[1] is "a" again',
    ]


def test_the_valid_ones_are_returned_beside_the_faults() -> None:
    found: list[str] = []
    given = [resource({}, "a"), resource({"interfaces": ["a"]}, "b")]
    assert [str(monitor) for monitor in monitors(given, found)] == ["default/b"]
    assert len(found) == 1


def test_a_resource_that_is_given_twice_is_told_with_both_places() -> None:
    found: list[str] = []
    given = [resource({"interfaces": ["a"]}, where=where) for where in ("X", "Y")]
    assert len(monitors(given, found)) == 1
    assert found == ["Y: PFLACPMonitor default/a is given twice, first in X"]


@pytest.mark.parametrize(
    ("status", "told"),
    [
        ({"degraded": True, "errorMessage": "in conflict"}, 'errorMessage is "in conflict"'),
        ({"degraded": True}, "errorMessage is null"),
        ({"degraded": True, "errorMessage": "x" * 5000}, f'errorMessage is "{"x" * 196}...'),
    ],
)
def test_a_degraded_one_is_left_out_and_named_with_its_message(status: dict[str, Any], told: str) -> None:
    given = resource({"interfaces": ["a"]})
    given.content["status"] = status
    found: list[str] = []
    warnings: list[str] = []
    assert monitors([given], found, warnings) == []
    assert found == []
    (warning,) = warnings
    assert warning == (
        "FILE: PFLACPMonitor default/a is left out, as the operator runs nothing for it: "
        f"status.degraded is true, {told}; --include-degraded includes it"
    )
    assert len(monitors([given], found, warnings, include_degraded=True)) == 1
    assert len(warnings) == 1


@pytest.mark.parametrize(
    "status", [None, [], "true", {}, {"degraded": False}, {"degraded": "true"}, {"degraded": None}]
)
def test_anything_but_degraded_true_leaves_a_monitor_in(status: object) -> None:
    given = resource({"interfaces": ["a"]})
    given.content["status"] = status
    assert len(monitors([given], [])) == 1


def test_what_is_wrong_with_a_degraded_one_is_no_fault_and_it_counts_as_given() -> None:
    degraded = resource({"interfaces": []}, where="X")
    degraded.content["status"] = {"degraded": True}
    found: list[str] = []
    assert monitors([degraded, resource({"interfaces": ["a"]}, where="Y")], found) == []
    assert found == ["Y: PFLACPMonitor default/a is given twice, first in X"]


def test_their_number_is_bounded() -> None:
    found: list[str] = []
    given = [resource({"interfaces": ["a"]}, f"m{number}") for number in range(MAX_MONITORS + 2)]
    assert len(monitors(given, found)) == MAX_MONITORS
    assert found == [f"FILE: has more than {MAX_MONITORS} PFLACPMonitors"]
