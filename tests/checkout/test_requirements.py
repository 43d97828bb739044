"""The locks of what set-up installs: they fit pyproject.toml, and an environment holds nothing else."""

from __future__ import annotations

import importlib.metadata
import re
import sys
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from requirements import renew

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

CHECKOUT = Path(__file__).parents[2]
PYTHONS = ("3.9", "3.10", "3.11", "3.12", "3.13", "3.14")
PROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
OWN = str(PROJECT["name"])
LOCKS = sorted(renew.LOCKS.glob("*.txt"))


def locked(name: str, python: str | None = None) -> dict[str, str]:
    """Return the packages that a lock installs on a Python, by default on this one, and their versions."""
    environment = dict(default_environment())
    if python is not None:
        environment.update(python_version=python, python_full_version=f"{python}.0")
    found = {}
    for line in (renew.LOCKS / f"{name}.txt").read_text().splitlines():
        if re.match(r"\w", line):
            requirement = Requirement(line.rstrip("\\ "))
            if requirement.marker is None or requirement.marker.evaluate(environment):
                (version,) = requirement.specifier
                found[canonicalize_name(requirement.name)] = version.version
    return found


def wanted(extra: str, python: str) -> list[Requirement]:
    """Return pyproject.toml's requirements for an extra on a Python, with those of the extras it names."""
    environment = {**default_environment(), "python_version": python, "python_full_version": f"{python}.0"}
    found = []
    for each in [*PROJECT["dependencies"], *PROJECT["optional-dependencies"][extra]]:
        requirement = Requirement(each)
        if requirement.name == OWN:
            found += [need for inner in sorted(requirement.extras) for need in wanted(inner, python)]
        elif requirement.marker is None or requirement.marker.evaluate(environment):
            found.append(requirement)
    return found


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("name", sorted(renew.EXTRAS))
def test_the_lock_holds_what_the_project_demands_in_a_version_that_it_allows(name: str, python: str) -> None:
    have = locked(name, python)
    for extra in renew.EXTRAS[name]:
        for requirement in wanted(extra, python):
            version = have.get(canonicalize_name(requirement.name))
            assert version is not None, f"requirements/{name}.txt lacks {requirement}: run make lock"
            assert requirement.specifier.contains(version, prereleases=True), (
                f"requirements/{name}.txt has {version}, pyproject.toml wants {requirement}: run make lock"
            )


def test_every_extra_for_which_there_is_a_lock_is_the_projects() -> None:
    extras = {extra for chosen in renew.EXTRAS.values() for extra in chosen}
    assert extras | {"metrics", "openshift"} == set(PROJECT["optional-dependencies"])
    assert [lock.stem for lock in LOCKS] == sorted([*renew.EXTRAS, *renew.TOOLS])


def test_the_build_tools_fit_what_the_project_is_built_with() -> None:
    build = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["build-system"]["requires"]
    for python in PYTHONS:
        for requirement in map(Requirement, build):
            assert requirement.specifier.contains(locked("setup", python)[requirement.name])


@pytest.mark.parametrize("python", PYTHONS)
def test_a_package_has_one_version_in_all_locks_and_in_the_rpm(python: str) -> None:
    versions: dict[str, set[str]] = {}
    for name in renew.EXTRAS:
        for package, version in locked(name, python).items():
            versions.setdefault(package, set()).add(version)
    for package, version in renew.pins(renew.BUNDLED.read_text()):
        if package in versions:  # tomli is for Pythons before 3.11 alone
            versions[package].add(version)
    assert {package: found for package, found in versions.items() if len(found) > 1} == {}


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: str(lock.stem))
def test_every_locked_file_has_its_hash_and_no_lock_names_a_host(lock: Path) -> None:
    text = lock.read_text()
    entries = re.split(r"^(?=\w)", text, flags=re.MULTILINE)[1:]
    assert entries
    assert [entry for entry in entries if "--hash=sha256:" not in entry] == []
    assert re.findall(r"https?:|index-url|find-links|@ ", text) == []


def test_this_environment_holds_nothing_that_is_not_locked() -> None:
    """Name what is not locked. An environment that tests/setup did not make fails."""
    allowed: dict[str, set[str]] = {}
    for name in ("setup", *renew.EXTRAS):
        for package, version in locked(name).items():
            allowed.setdefault(package, set()).add(version)
    own_folders = [path for path in sys.path if path.startswith(sys.prefix)]
    stray = []
    for found in importlib.metadata.distributions(path=own_folders):
        package = canonicalize_name(found.metadata["Name"])
        if package != OWN and found.version not in allowed.get(package, ()):
            stray.append(f"{package} {found.version}")
    assert stray == [], "not in requirements/: run make clean, then make test"


# What `make lock` writes


def test_make_lock_puts_new_versions_into_the_spec_wherever_it_names_them() -> None:
    versions = dict(renew.pins(renew.BUNDLED.read_text()))
    assert renew.spec_with(versions) == renew.SPEC.read_text(), "nothing is new"
    renewed = renew.spec_with(dict.fromkeys(versions, "98.7.6"))
    for name, version in versions.items():
        stem = name.replace("-", "_")
        assert f"{stem}-{version}" not in renewed
        assert f"bundled(python3dist({name})) = 98.7.6\n" in renewed
        assert renewed.count(f"{stem}-98.7.6") == renew.SPEC.read_text().count(f"{stem}-{version}") > 0


def test_make_lock_says_what_moved() -> None:
    old = "a==1 \\\n    --hash=sha256:0\nb==2 ; python_version < '3.10' \\\nb==3 \\\ngone==4\n"
    new = "a==1 \\\n    --hash=sha256:1\nb==2 ; python_version < '3.10' \\\nb==3.1 \\\ncame==5\n"
    assert renew.moved(old, new) == ["b: 2, 3 -> 2, 3.1", "came: nothing -> 5", "gone: 4 -> nothing"]
