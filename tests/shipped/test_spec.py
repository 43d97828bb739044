"""The RPM's recipe, and the images that the RPM goes into."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from pf_status_relay import __version__
from tests.support.tools import output_of

CHECKOUT = Path(__file__).parents[2]
PACKAGING = CHECKOUT / "packaging"
SPEC = PACKAGING / "rpm.spec"

RHEL = {
    "rhel": "9",
    "_unitdir": "/usr/lib/systemd/system",
    "_journalcatalogdir": "/usr/lib/systemd/catalog",
    "systemd_ordering": "OrderWithRequires(post): systemd",
    "systemd_post()": "rhel-post %{?*}",
    "systemd_preun()": "rhel-preun %{?*}",
    "systemd_postun_with_restart()": "rhel-restart %{?*}",
    "journal_catalog_update": "%{nil}",
}
"""Macros of RHEL's systemd-rpm-macros. Their expansions do not matter here."""


# The recipe


def spec(macros: dict[str, str] | None = None) -> str:
    defines = [f"--define={name} {value}" for name, value in (macros or {}).items()]
    return output_of("rpmspec", "--parse", *defines, SPEC)


def tags(parsed: str, name: str) -> list[str]:
    return re.findall(rf"^{name}:\s*(.+?)\s*$", parsed, re.MULTILINE)


def scriptlets(parsed: str) -> str:
    return parsed[parsed.index("\n%post\n") : parsed.index("\n%files\n")]


def pinned() -> dict[str, str]:
    """Return the bundled libraries and their versions."""
    lines = (PACKAGING / "bundled.txt").read_text().splitlines()
    found = [re.fullmatch(r"([\w-]+)==([\d.]+) --hash=sha256:[0-9a-f]{64}", line) for line in lines]
    return {match[1]: match[2] for match in found if match}


def test_the_package_has_the_programs_version() -> None:
    assert tags(spec(), "Version") == [__version__]


def test_what_is_bundled_is_declared_and_pinned() -> None:
    parsed = spec()
    declared = dict(re.findall(r"bundled\(python3dist\((\S+)\)\) = (\S+)", parsed))
    assert declared == pinned()
    sources = [tag for number in range(1, 6) for tag in tags(parsed, f"Source{number}")]
    stems = {f"{name.replace('-', '_')}-{version}" for name, version in pinned().items()}
    assert {re.sub(r"(-py3-none-any\.whl|\.tar\.gz)$", "", source) for source in sources} == stems


def test_all_that_the_program_requires_is_bundled_or_required() -> None:
    text = (CHECKOUT / "pyproject.toml").read_text()
    listed = text[text.index("\ndependencies = [") : text.index("]\n", text.index("\ndependencies = ["))]
    wanted = set(re.findall(r'^ +"([\w-]+)', listed, re.MULTILINE))
    assert wanted - {"systemd-python"} <= set(pinned())
    assert "python3-systemd" in tags(spec(), "Requires")


def test_with_rhels_macros_it_uses_them() -> None:
    parsed = spec(RHEL)
    assert "systemd-rpm-macros" in tags(parsed, "BuildRequires")
    assert "OrderWithRequires(post): systemd" in parsed
    for what in ("rhel-post", "rhel-preun", "rhel-restart"):
        assert f"{what} pf-status-relay.service" in scriptlets(parsed)
    assert "systemctl" not in scriptlets(parsed)


def test_without_them_it_does_the_same_by_itself() -> None:
    parsed = spec()
    assert tags(parsed, "BuildRequires") == [], "Debian's packages are not in rpm's database"
    script = scriptlets(parsed)
    for what in ("preset", "disable --now", "try-restart"):
        assert f"{what} pf-status-relay.service" in script
    assert "%" not in re.sub(r"^%(post|preun|postun)$", "", script, flags=re.MULTILINE), "unknown macro"


def test_the_build_fetches_nothing() -> None:
    parsed = spec()
    build = parsed[parsed.index("\n%prep\n") : parsed.index("\n%post\n")]
    assert re.findall(r"\b(pip|curl|wget|https?:|git)\b", build) == []


# The images


def test_the_machineosconfig_has_what_its_definition_demands() -> None:
    """Compare with the v1 definition in openshift/api: required fields of spec, and no unknown ones."""
    (resource,) = yaml.safe_load_all((PACKAGING / "machineosconfig.yaml").read_text())
    assert resource["apiVersion"] == "machineconfiguration.openshift.io/v1"
    assert resource["kind"] == "MachineOSConfig"
    demanded = {"machineConfigPool", "imageBuilder", "renderedImagePushSecret", "renderedImagePushSpec"}
    assert set(resource["spec"]) == demanded | {"containerFile"}
    assert resource["metadata"]["name"] == resource["spec"]["machineConfigPool"]["name"]
    (recipe,) = resource["spec"]["containerFile"]
    stages = re.findall(r"^FROM (.+)$", recipe["content"], re.MULTILINE)
    assert stages == [f"REGISTRY/pf-status-relay-rpm:{__version__} AS rpm", "configs AS final"]


def test_both_layers_install_and_enable_alike() -> None:
    def steps(text: str) -> list[str]:
        joined = text[text.index("RUN ") :].replace("\\\n", " ")
        return [step for step in re.split(r"\s*&&\s*|\s*RUN ", joined) if not step.startswith("rm ")]

    (resource,) = yaml.safe_load_all((PACKAGING / "machineosconfig.yaml").read_text())
    on_cluster = steps(resource["spec"]["containerFile"][0]["content"])
    off_cluster = steps((PACKAGING / "Containerfile.layer").read_text())
    assert [re.sub(r"/tmp/\S+", "RPM", step.strip()) for step in on_cluster] == [
        re.sub(r"/tmp/\S+", "RPM", step.strip()) for step in off_cluster
    ]


def test_the_pages_name_the_package_that_is_built() -> None:
    for name in (
        "README.md",
        "docs/install.md",
        "docs/openshift.md",
        "packaging/Containerfile",
        "packaging/Containerfile.layer",
    ):
        text = (CHECKOUT / name).read_text()
        named = re.findall(r"pf-status-relay(?:-rpm)?[-:](\d[\d.]*\d)", text)
        assert named, name
        assert set(named) == {__version__}, name
