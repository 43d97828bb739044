"""The built package: the same bytes wherever its tree lies, and an SBOM that lists its contents."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
WHAT_MAKES_IT = ("pf_status_relay", "etc", "systemd", "man", "packaging", "docs", "contrib")
AND = ("LICENSE", "README.md", "CHANGELOG.md")

pytestmark = pytest.mark.skipif(
    "venv-" in sys.prefix, reason="one Python is enough: /usr/bin/python3 builds it"
)


def build(folder: Path) -> dict[str, bytes]:
    """Build the package from a copy of this tree; return the files that are left in dist/."""
    for name in WHAT_MAKES_IT:
        shutil.copytree(CHECKOUT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in AND:
        shutil.copy2(CHECKOUT / name, folder / name)
    environment = {**os.environ, "PYTHON": sys.executable, "SOURCE_DATE_EPOCH": "1780000000"}
    done = subprocess.run(
        ["packaging/build"], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return {file.name: file.read_bytes() for file in (folder / "dist").glob("pf-*")}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return build(tmp_path_factory.mktemp("first"))


def test_two_builds_in_two_folders_give_the_same_bytes(built: dict[str, bytes], tmp_path: Path) -> None:
    again = build(tmp_path / "a-much-longer-name" / "in another folder")
    assert len(built) == 3
    assert {name: content == built[name] for name, content in again.items()} == dict.fromkeys(built, True)


def test_the_sbom_is_valid_spdx_and_lists_what_is_bundled(built: dict[str, bytes], tmp_path: Path) -> None:
    # Only the environment that builds the package has this library, not that of every Python.
    from spdx_tools.spdx.model.relationship import RelationshipType
    from spdx_tools.spdx.parser.parse_anything import parse_file
    from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

    (name,) = (name for name in built if name.endswith(".json"))
    file = tmp_path / name
    file.write_bytes(built[name])
    document = parse_file(str(file))
    assert validate_full_spdx_document(document) == []

    pinned = re.findall(
        r"^([\w-]+)==(\S+) --hash=sha256:(\w+)$",
        (CHECKOUT / "packaging" / "bundled.txt").read_text(),
        re.MULTILINE,
    )
    package, *bundled = document.packages
    assert {(each.name, each.version, each.checksums[0].value) for each in bundled} == set(pinned)
    assert package.checksums[0].value in document.creation_info.document_namespace
    contained = [
        each for each in document.relationships if each.relationship_type is RelationshipType.CONTAINS
    ]
    assert {each.related_spdx_element_id for each in contained} == {each.spdx_id for each in bundled}


def test_the_sbom_declares_the_licences_that_the_spec_does(built: dict[str, bytes]) -> None:
    (text,) = (content for name, content in built.items() if name.endswith(".json"))
    package, *bundled = json.loads(text)["packages"]
    whole = package["licenseDeclared"]
    assert set(re.findall(r"[\w.-]+\d[\w.-]*|MIT", whole)) == {
        licence
        for each in bundled
        for licence in re.findall(r"[\w.-]+\d[\w.-]*|MIT", each["licenseDeclared"])
    }
