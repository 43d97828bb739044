"""`machineconfig` and `config import`, from files and the environment to the output."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
import yaml

from pf_status_relay.cli import main
from pf_status_relay.config import load
from pf_status_relay.config.keys import Config
from pf_status_relay.openshift import machineconfig, manifests, quadlet
from tests.support.tools import files_of, validate

ROOT = Path(__file__).parents[3]
Capture = pytest.CaptureFixture[str]

MONITOR = """\
apiVersion: pfstatusrelay.openshift.io/v1alpha1
kind: PFLACPMonitor
metadata:
  name: {name}
  namespace: default
spec:
  interfaces: [{interfaces}]
  pollingInterval: {interval}
  nodeSelector: {selector}
"""


def text(name: str, interfaces: str, selector: str = "{}", interval: int = 1000) -> str:
    """Return a PFLACPMonitor as a person would write it."""
    return MONITOR.format(name=name, interfaces=interfaces, interval=interval, selector=selector)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder, with an environment that configures nothing."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(load.INTERFACES_VARIABLE, raising=False)
    monkeypatch.delenv(load.INTERVAL_VARIABLE, raising=False)
    return tmp_path


def write(name: str, *texts: str) -> str:
    """Write documents to a file of the folder."""
    Path(name).write_text("---\n".join(texts), encoding="utf-8")
    return name


def printed(capsys: Capture, *arguments: str) -> str:
    """Run a command that succeeds, and return what it printed."""
    status = main.main(arguments)
    out, err = capsys.readouterr()
    assert (status, err) == (0, "")
    return out


def refused(capsys: Capture, *arguments: str) -> tuple[int, list[str]]:
    """Run a command that fails, and return its exit status and error lines."""
    status = main.main(arguments)
    out, err = capsys.readouterr()
    assert out == "", "all or nothing"
    lines = err.splitlines()
    assert all(line.startswith("pf-status-relay: ") for line in lines)
    return status, [line[len("pf-status-relay: ") :] for line in lines]


def resources(out: str) -> list[dict[str, Any]]:
    """Return the printed resources, after Ignition has accepted each MachineConfig."""
    found = list(yaml.safe_load_all(out))
    for resource in found:
        if resource["kind"] == "MachineConfig":
            done = validate(resource["spec"]["config"])
            assert (done.returncode, done.stdout + done.stderr) == (0, "")
    return found


def configuration(resource: dict[str, Any], path: Path) -> Config:
    """Return what a node of a MachineConfig would read."""
    (content,) = files_of(resource["spec"]["config"]).values()
    path.write_bytes(content)
    return load.from_files(path, {})


# machineconfig --config, --from-env


def test_a_fleet_gets_no_file_with_a_key_that_this_version_does_not_know(capsys: Capture) -> None:
    Path("relay.toml").write_text('interfaces = ["a"]\nzone = 1\n')
    status, lines = refused(capsys, "machineconfig", "--config", "relay.toml")
    assert (status, len(lines)) == (65, 1)
    assert lines[0].startswith('relay.toml: unknown key "zone" with the value 1; allowed: ')
    assert not lines[0].endswith("left out")


def test_a_machine_config_holds_the_file_with_its_comments(capsys: Capture) -> None:
    shipped = ROOT / "etc" / "pf-status-relay.toml"
    out = printed(capsys, "machineconfig", "--role", "worker", "--config", str(shipped))
    assert out.startswith("---\napiVersion: machineconfiguration.openshift.io/v1\nkind: MachineConfig\n")
    (resource,) = resources(out)
    assert resource["metadata"]["name"] == "99-worker-pf-status-relay"
    assert files_of(resource["spec"]["config"]) == {"/etc/pf-status-relay.toml": shipped.read_bytes()}
    assert out == printed(capsys, "machineconfig", "--config", str(shipped)), "worker is the default"


def test_the_environment_plays_no_part_in_a_file(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write("relay.toml", 'interfaces = ["a"]\n')
    before = printed(capsys, "machineconfig", "--config", file)
    monkeypatch.setenv(load.INTERFACES_VARIABLE, "b")
    assert printed(capsys, "machineconfig", "--config", file) == before


def test_a_machine_config_of_the_environment(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    monkeypatch.setattr(load, "DEFAULT_PATH", folder / "default.toml")
    write("default.toml", 'interfaces = ["x"]\npolling_interval_ms = 5000\n')
    monkeypatch.setenv(load.INTERFACES_VARIABLE, "ens5f0, ens5f1")
    (resource,) = resources(printed(capsys, "machineconfig", "--role", "infra", "--from-env"))
    assert resource["metadata"]["labels"] == {"machineconfiguration.openshift.io/role": "infra"}
    read = configuration(resource, folder / "read.toml")
    assert read == Config(("ens5f0", "ens5f1"), 1000), "the host's own file plays no part"


def test_a_role_and_a_configuration_at_fault_are_told_together(capsys: Capture) -> None:
    file = write("relay.toml", "interfaces = []\npolling_interval_ms = 1\n")
    status, lines = refused(capsys, "machineconfig", "--role", "Infra_1", "--config", file)
    assert status == 65
    assert lines[0] == (
        '--role is "Infra_1"; allowed: the name of a pool, '
        "up to 63 lower case letters and digits, with '-' or '.' between them"
    )
    assert [line.split(";")[0] for line in lines[1:]] == [
        "relay.toml: interfaces is []",
        "relay.toml: polling_interval_ms is 1",
    ]


def test_the_name_of_a_pool_may_have_dots(capsys: Capture) -> None:
    file = write("relay.toml", 'interfaces = ["a"]\n')
    (resource,) = resources(printed(capsys, "machineconfig", "--role", "worker.cnf", "--config", file))
    assert resource["metadata"] == {
        "name": "99-worker-pf-status-relay-worker.cnf",
        "labels": {"machineconfiguration.openshift.io/role": "worker.cnf"},
    }


def test_an_environment_at_fault(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(load.INTERVAL_VARIABLE, "1")
    for command in (["machineconfig"], ["config", "import"]):
        status, lines = refused(capsys, *command, "--from-env")
        assert status == 65
        assert [line.split(";")[0] for line in lines] == [
            "environment: PF_STATUS_RELAY_INTERFACES is not set",
            "environment: PF_STATUS_RELAY_POLLING_INTERVAL is 1",
        ]


# machineconfig --from-pflacpmonitor


def test_each_set_of_nodes_gets_a_pool_and_a_machine_config(capsys: Capture, folder: Path) -> None:
    file = write(
        "monitors.yaml",
        text("all", "ens4f0", interval=500),
        text("rack-a", "ens5f0, ens5f1", "{rack: a}", 250),
        text("cnf", "ens5f0", '{node-role.kubernetes.io/worker-cnf: "", rack: b}'),
    )
    out = printed(capsys, "machineconfig", "--from-pflacpmonitor", file)
    found = resources(out)
    assert [(each["kind"], each["metadata"]["name"]) for each in found] == [
        ("MachineConfig", "99-worker-pf-status-relay"),
        ("MachineConfigPool", "worker-cnf-rack-b"),
        ("MachineConfig", "99-worker-pf-status-relay-worker-cnf-rack-b"),
        ("MachineConfigPool", "worker-rack-a"),
        ("MachineConfig", "99-worker-pf-status-relay-worker-rack-a"),
    ]
    assert found[3]["spec"]["nodeSelector"] == {"matchLabels": {"rack": "a"}}
    assert [
        configuration(each, folder / "read.toml") for each in found if each["kind"] == "MachineConfig"
    ] == [
        Config(("ens4f0",), 500),
        Config(("ens4f0", "ens5f0"), 500),
        Config(("ens4f0", "ens5f0", "ens5f1"), 250),
    ]
    assert "# From PFLACPMonitor default/all, default/rack-a.\n" in out
    assert "# The nodeSelector of default/all is empty: that is every node of the pool\n" in out


def comments(out: str) -> list[str]:
    """Return the comment above each of the printed resources, without comment signs."""
    return [
        re.sub("^# ?", "", "\n".join(re.findall("^#.*", each, re.M)), flags=re.M)
        for each in out.split("---\n")[1:]
    ]


def test_the_pool_of_a_role_may_exist_so_it_is_not_printed_but_how_to_make_it(capsys: Capture) -> None:
    file = write("cnf.yaml", text("cnf", "ens5f0", '{node-role.kubernetes.io/worker.cnf: ""}'))
    out = printed(capsys, "machineconfig", "--from-pflacpmonitor", file)
    (resource,) = resources(out)
    assert (resource["kind"], resource["metadata"]["name"]) == (
        "MachineConfig",
        "99-worker-pf-status-relay-worker.cnf",
    )
    (comment,) = comments(out)
    before, _, pool = comment.partition("without the # signs:\n")
    assert "If `oc get mcp worker.cnf` finds none, `oc create` this one first" in before
    assert yaml.safe_load(pool) == machineconfig.machine_config_pool(
        "worker.cnf", {"node-role.kubernetes.io/worker.cnf": ""}
    )


@pytest.mark.parametrize("role", ["master", "arbiter"])
def test_the_pools_of_the_control_plane_get_a_machine_config_only(capsys: Capture, role: str) -> None:
    file = write("m.yaml", text("control", "ens5f0", f'{{node-role.kubernetes.io/{role}: ""}}'))
    out = printed(capsys, "machineconfig", "--from-pflacpmonitor", file)
    (resource,) = resources(out)
    assert resource["metadata"]["name"] == f"99-{role}-pf-status-relay"
    assert "oc create" not in out


def test_a_new_pool_is_said_to_be_one(capsys: Capture) -> None:
    file = write("m.yaml", text("a", "ens5f0", "{rack: a}"))
    pool, _ = comments(printed(capsys, "machineconfig", "--from-pflacpmonitor", file))
    assert "A new pool: if `oc get mcp worker-rack-a` finds a pool that this command did not make, " in pool


@pytest.mark.parametrize(
    "selector",
    [
        "{}",
        "{rack: a}",
        '{node-role.kubernetes.io/master: ""}',
        '{node-role.kubernetes.io/arbiter: ""}',
        '{node-role.kubernetes.io/worker-cnf: ""}',
    ],
)
def test_of_every_selector_it_is_said_what_single_node_and_compact_clusters_do(
    capsys: Capture, selector: str
) -> None:
    file = write("m.yaml", text("a", "ens5f0", selector))
    for comment in comments(printed(capsys, "machineconfig", "--from-pflacpmonitor", file)):
        said = " ".join(comment.split())
        assert (
            "a node that is master and worker is in the pool master, whatever other selectors match" in said
        )
        assert "`--role master`" in said
        assert "A control plane node that two custom pools match is stuck" in said


def test_what_is_printed_does_not_depend_on_the_order_of_files_and_resources(capsys: Capture) -> None:
    first = text("b", "ens4f0", "{rack: a, zone: b}")
    second = text("a", "ens5f0", "{zone: b, rack: a}")
    one = printed(capsys, "machineconfig", "--from-pflacpmonitor", write("1.yaml", first, second))
    two = printed(
        capsys, "machineconfig", "--from-pflacpmonitor", write("2.yaml", second), write("3.yaml", first)
    )
    assert one == two


@pytest.mark.parametrize("form", ["yaml", "json"])
def test_a_list_on_standard_input_as_oc_prints_it(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    texts = [text("a", "ens5f0", "{rack: a}"), text("b", "ens5f1", "{rack: b}")]
    listed = {"apiVersion": "v1", "kind": "List", "items": [yaml.safe_load(each) for each in texts]}
    data = (yaml.safe_dump(listed) if form == "yaml" else json.dumps(listed, indent=4)).encode()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    out = printed(capsys, "machineconfig", "--from-pflacpmonitor", "-")
    assert out == printed(capsys, "machineconfig", "--from-pflacpmonitor", write("m.yaml", *texts))


def test_conflicts_and_refusals_are_told_together_with_a_status_of_their_own(capsys: Capture) -> None:
    file = write(
        "monitors.yaml",
        text("a", "ens5f0", "{rack: a}"),
        text("b", "ens5f0", "{zone: b}"),
        text("c", "ens5f1", "{row: c}"),
    )
    status, lines = refused(capsys, "machineconfig", "--from-pflacpmonitor", file)
    assert status == 3
    assert [line.split(":")[0] for line in lines] == [
        "PFLACPMonitors default/a and default/b are in conflict",
        "PFLACPMonitors default/a and default/c cannot become pools",
        "PFLACPMonitors default/b and default/c cannot become pools",
    ]


def test_every_fault_of_every_file_is_told_and_conflicts_of_the_others_too(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"kind: Pod\n")))
    files = [
        write("broken.yaml", "a: [\nb\n"),
        write("bad.yaml", text("bad", "''", "[x]", 99)),
        write("good.yaml", text("a", "ens5f0"), text("b", "ens5f0")),
        "missing.yaml",
        ".",
        "-",
        "-",
    ]
    status, lines = refused(capsys, "machineconfig", "--from-pflacpmonitor", *files)
    assert status == 65
    assert [line.split(";")[0] for line in lines] == [
        "broken.yaml: is not valid YAML: expected ',' or ']', but got '<stream end>' (at line 3, column 1)",
        'bad.yaml: PFLACPMonitor default/bad: spec.interfaces[0] is ""',
        "bad.yaml: PFLACPMonitor default/bad: spec.pollingInterval is 99",
        'bad.yaml: PFLACPMonitor default/bad: spec.nodeSelector is ["x"]',
        "missing.yaml: cannot be read: No such file or directory",
        ".: cannot be read: Is a directory",
        'standard input is of kind "Pod" and apiVersion null',
        "standard input can be read only once",
        "PFLACPMonitors default/a and default/b are in conflict: "
        "a node can match both (the empty selector and the empty selector), and both name ens5f0",
    ]


DEGRADED = """\
status:
  degraded: true
  errorMessage: "interface conflict with default/a: ens5f0\\nis there"
"""

WARNING = (
    "pf-status-relay: warning: oc.yaml: items[1]: PFLACPMonitor default/b is left out, "
    "as the operator runs nothing for it: status.degraded is true, "
    'errorMessage is "interface conflict with default/a: ens5f0\\nis there"; --include-degraded includes it'
)


def listed(*texts: str) -> str:
    """Write monitors to oc.yaml, as `oc get pflacpmonitor -A -o yaml` prints them."""
    items = [yaml.safe_load(each) for each in texts]
    return write("oc.yaml", yaml.safe_dump({"apiVersion": "v1", "kind": "List", "items": items}))


@pytest.mark.parametrize("command", [["machineconfig"], ["config", "import"]])
def test_a_monitor_that_the_operator_runs_nothing_for_is_left_out_with_a_warning(
    capsys: Capture, command: list[str]
) -> None:
    healthy, degraded = text("a", "ens5f0"), text("b", "ens5f0") + DEGRADED
    wanted = printed(capsys, *command, "--from-pflacpmonitor", write("a.yaml", healthy))
    file = listed(healthy, degraded)
    assert main.main([*command, "--from-pflacpmonitor", file]) == 0
    assert capsys.readouterr() == (wanted, f"{WARNING}\n")


@pytest.mark.parametrize("command", [["machineconfig"], ["config", "import"]])
def test_an_option_includes_what_is_degraded(capsys: Capture, command: list[str]) -> None:
    file = listed(text("a", "ens5f0"), text("b", "ens5f0") + DEGRADED)
    status, lines = refused(capsys, *command, "--include-degraded", "--from-pflacpmonitor", file)
    assert (status, len(lines)) == (3, 1)
    assert "are in conflict" in lines[0]
    file = listed(text("a", "ens5f0"), text("b", "ens5f1") + DEGRADED)
    assert "ens5f1" in printed(capsys, *command, "--include-degraded", "--from-pflacpmonitor", file)


def test_where_all_are_degraded_there_is_nothing_to_print(capsys: Capture) -> None:
    file = listed(text("a", "ens5f0") + DEGRADED)
    status, lines = refused(capsys, "machineconfig", "--from-pflacpmonitor", file)
    assert status == 65
    assert lines[0].startswith("warning: oc.yaml: items[0]: PFLACPMonitor default/a is left out")
    assert lines[1:] == [
        "no PFLACPMonitor in oc.yaml, except degraded ones; --include-degraded includes them"
    ]


@pytest.mark.parametrize("command", [["machineconfig"], ["config", "import"]])
def test_to_include_what_is_degraded_takes_monitors(capsys: Capture, command: list[str]) -> None:
    assert refused(capsys, *command, "--include-degraded", "--from-env") == (
        2,
        ["--include-degraded: only with --from-pflacpmonitor"],
    )


def test_no_monitor_at_all_is_a_fault(capsys: Capture) -> None:
    file = write("none.yaml", "apiVersion: v1\nkind: List\nitems: []\n")
    assert refused(capsys, "machineconfig", "--from-pflacpmonitor", file) == (
        65,
        ["no PFLACPMonitor in none.yaml"],
    )


def test_a_role_does_not_go_with_monitors_that_say_it_themselves(capsys: Capture) -> None:
    file = write("a.yaml", text("a", "ens5f0"))
    status, lines = refused(capsys, "machineconfig", "--role", "worker", "--from-pflacpmonitor", file)
    assert (status, len(lines)) == (2, 1)


# machineconfig --disruption-policy


def test_the_disruption_policy_is_printed_under_what_to_know_before_it_is_applied(capsys: Capture) -> None:
    out = printed(capsys, "machineconfig", "--disruption-policy")
    (resource,) = manifests.read("printed", out.encode())  # it refuses aliases
    assert resource.content == machineconfig.disruption_policy()
    comment = " ".join(line[2:] for line in out.splitlines() if line.startswith("# "))
    assert "Apply it before the MachineConfig" in comment
    assert "`oc apply` and `oc patch --type merge` replace the lists files and units" in comment
    assert out == printed(capsys, "machineconfig", "--disruption-policy")


# A container instead of the RPM

IMAGE = f"registry.example.com/pf-status-relay:0.1.0@sha256:{'0123456789abcdef' * 4}"


def test_the_machine_config_of_an_image_brings_the_container_that_runs_it(capsys: Capture) -> None:
    Path("relay.toml").write_text('interfaces = ["a"]\n')
    out = printed(capsys, "machineconfig", "--config", "relay.toml", "--image", IMAGE)
    (resource,) = resources(out)
    container = quadlet.container(IMAGE)
    assert container is not None
    files = files_of(resource["spec"]["config"])
    assert files == {"/etc/pf-status-relay.toml": b'interfaces = ["a"]\n', quadlet.PATH: container.file}
    assert "each node pulls the image once" in out


def test_each_pool_of_the_monitors_gets_the_container(capsys: Capture) -> None:
    file = write("monitors.yaml", text("a", "ens5f0"), text("b", "ens5f1", "{rack: b}"))
    out = printed(capsys, "machineconfig", "--image", IMAGE, "--from-pflacpmonitor", file)
    configs = [each for each in resources(out) if each["kind"] == "MachineConfig"]
    container = quadlet.container(IMAGE)
    assert container is not None
    files = [files_of(each["spec"]["config"])[quadlet.PATH] for each in configs]
    assert files == [container.file] * 2


@pytest.mark.parametrize("source", [["--config", "relay.toml"], ["--from-pflacpmonitor", "monitors.yaml"]])
def test_an_image_without_a_digest_is_one_clear_line(capsys: Capture, source: list[str]) -> None:
    Path("relay.toml").write_text('interfaces = ["a"]\n')
    write("monitors.yaml", text("a", "ens5f0"))
    status, (line,) = refused(capsys, "machineconfig", "--image", "registry.example.com/a:0.1.0", *source)
    assert status == 65
    assert line == (
        '--image is "registry.example.com/a:0.1.0"; allowed: REGISTRY/NAME:TAG@sha256:DIGEST, where the '
        "tag is optional; the digest (64 hexadecimal digits) identifies the image even if the tag moves"
    )


def test_what_a_container_cannot_do_is_a_warning(capsys: Capture) -> None:
    Path("relay.toml").write_text(
        'interfaces = ["a"]\non_stop = "restore"\nmetrics_textfile = "/var/lib/node_exporter/a.prom"\n'
        'redundancy_groups = [["a", "b"]]\nbfd_socket = "/run/frr/bfdd.sock"\n'
    )
    assert main.main(["machineconfig", "--config", "relay.toml", "--image", IMAGE]) == 0
    first, second, third = capsys.readouterr().err.splitlines()
    assert first.startswith("pf-status-relay: warning: --image: metrics_textfile: ")
    assert second.startswith("pf-status-relay: warning: --image: bfd_socket: ")
    assert third.startswith('pf-status-relay: warning: --image: on_stop = "restore": ')
    printed(capsys, "machineconfig", "--config", "relay.toml")


def test_the_disruption_policy_is_the_same_with_an_image(capsys: Capture) -> None:
    status, (line,) = refused(capsys, "machineconfig", "--disruption-policy", "--image", IMAGE)
    assert (status, line) == (2, "--image: not with --disruption-policy, which covers both ways")


def test_the_disruption_policy_is_the_same_for_every_role(capsys: Capture) -> None:
    assert refused(capsys, "machineconfig", "--role", "worker", "--disruption-policy") == (
        2,
        ["--role: not with --disruption-policy, which is the same for every pool"],
    )


# config import


def test_a_file_of_the_environment(capsys: Capture, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setenv(load.INTERFACES_VARIABLE, "ens5f0,ü")
    monkeypatch.setenv(load.INTERVAL_VARIABLE, "250")
    out = printed(capsys, "config", "import", "--from-env")
    (folder / "read.toml").write_text(out, encoding="utf-8")
    assert load.from_files(folder / "read.toml", {}) == Config(("ens5f0", "ü"), 250)


def test_a_file_of_the_monitors_of_one_host(capsys: Capture, folder: Path) -> None:
    file = write("m.yaml", text("a", "ens5f0", "{rack: a}", 250), text("b", "ens5f1", "{zone: b}"))
    out = printed(capsys, "config", "import", "--from-pflacpmonitor", file)
    (folder / "read.toml").write_text(out, encoding="utf-8")
    assert load.from_files(folder / "read.toml", {}) == Config(("ens5f0", "ens5f1"), 250)


def test_monitors_of_different_hosts_or_in_conflict_make_no_file(capsys: Capture) -> None:
    file = write(
        "m.yaml", text("a", "ens5f0", "{rack: a}"), text("b", "ens5f0", "{rack: b}"), text("c", "ens5f0")
    )
    status, lines = refused(capsys, "config", "import", "--from-pflacpmonitor", file)
    assert status == 3
    assert [line.split(" are ")[1].split(" ")[0] for line in lines] == ["in", "in", "for"]


# PyYAML is an extra


def run(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python code in a process of its own: this one has already loaded modules."""
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT,
        env={**os.environ, load.INTERFACES_VARIABLE: "ens5f0"},
        capture_output=True,
        text=True,
        check=False,
    )


WITHOUT_YAML = """
import sys
sys.modules["yaml"] = None
from pf_status_relay.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize(
    "arguments",
    [
        ("machineconfig", "--from-env"),
        ("machineconfig", "--from-pflacpmonitor", "-"),
        ("machineconfig", "--disruption-policy"),
        ("config", "import", "--from-pflacpmonitor", "-"),
    ],
)
def test_without_pyyaml_one_line_says_what_to_install(arguments: tuple[str, ...]) -> None:
    done = run(WITHOUT_YAML, *arguments)
    assert (done.returncode, done.stdout) == (69, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("pf-status-relay: YAML needs PyYAML (")
    assert line.endswith("; install pf-status-relay[openshift], or the distribution's python3-pyyaml")


def test_a_file_of_the_environment_needs_no_pyyaml() -> None:
    done = run(WITHOUT_YAML, "config", "import", "--from-env")
    assert (done.returncode, done.stderr) == (0, "")


def test_the_daemon_never_loads_pyyaml_nor_writes_toml() -> None:
    code = """
import sys
from pf_status_relay.cli import main
from pf_status_relay.cli.commands import run
class Service:
    def __init__(self, *arguments): pass
    def run(self): print(sorted({"yaml", "tomli_w"} & set(sys.modules)))
run.Service = Service
sys.exit(main.main(["run", "--log-format", "json"]))
"""
    done = run(code)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "[]"), done.stderr


# The documents


def blocks(document: str) -> str:
    """Return those of a document's commands that need no cluster, as one script."""
    text = (ROOT / "docs" / document).read_text(encoding="utf-8")
    found = re.findall(r"^ *```sh\n(.*?)^ *```$", text, re.MULTILINE | re.DOTALL)
    assert found
    return "".join(textwrap.dedent(block) for block in found)


def test_what_the_document_masks_a_unit_with_does_not_merge_to_one_that_is_enabled_and_masked() -> None:
    (text_of_it,) = re.findall(
        r"cat > masked\.yaml <<'YAML'\n(.*?)^YAML$", blocks("openshift.md"), re.M | re.S
    )
    masked = yaml.safe_load(text_of_it)
    ours = machineconfig.machine_config("worker", b"")
    assert masked["metadata"]["name"] > ours["metadata"]["name"], "the later one by name prevails"
    assert masked["metadata"]["labels"] == ours["metadata"]["labels"]
    (unit,), (enabled,) = (each["spec"]["config"]["systemd"]["units"] for each in (masked, ours))
    assert {**enabled, **unit} == {"name": machineconfig.UNIT, "enabled": False, "mask": True}


@pytest.mark.parametrize("document", ["openshift.md", "install.md"])
def test_the_commands_of_a_document_run_as_written(document: str, folder: Path) -> None:
    program = folder / "bin" / "pf-status-relay"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m pf_status_relay "$@"\n')
    program.chmod(0o755)
    path = {"PATH": f"{program.parent}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        ["sh", "-eu"],
        input=blocks(document),
        env={**os.environ, **path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    for rendered in folder.glob("*.yaml"):
        content = list(yaml.safe_load_all(rendered.read_text()))
        if any("machineconfiguration" in each.get("apiVersion", "") for each in content):
            assert resources(rendered.read_text()) == content
