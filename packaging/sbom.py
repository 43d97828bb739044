"""Print the SBOM of a package: SPDX 2.3 JSON, from packaging/bundled.txt and the bundled libraries' metadata.

    packaging/sbom.py PACKAGE.rpm FOLDER

FOLDER holds the files that packaging/bundled.txt pins. The document depends only on these and on
SOURCE_DATE_EPOCH, so that the same package has the same SBOM, byte for byte.
"""

from __future__ import annotations

import email.message
import email.parser
import hashlib
import json
import os
import re
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

PACKAGING = Path(__file__).parent
LICENCES = {"License :: OSI Approved :: MIT License": "MIT"}
"""SPDX's names for the classifiers of metadata that is older than the field License-Expression."""


def bundled() -> Iterator[tuple[str, str, str]]:
    """Yield name, version and SHA-256 of each file that packaging/bundled.txt pins."""
    text = (PACKAGING / "bundled.txt").read_text()
    yield from re.findall(r"^([\w.-]+)==(\S+) --hash=sha256:([0-9a-f]{64})$", text, re.MULTILINE)


def file_with(digest: str, folder: Path) -> Path:
    """Return the file that has this SHA-256. Raises FileNotFoundError."""
    for file in sorted(folder.iterdir()):
        if file.is_file() and sha256(file) == digest:
            return file
    raise FileNotFoundError(f"no file in {folder} has the SHA-256 {digest}")


def sha256(file: Path) -> str:
    """Return a file's SHA-256 in hexadecimal."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def metadata(file: Path) -> email.message.Message:
    """Return the core metadata of a wheel or of a source archive."""
    if file.suffix == ".whl":
        with zipfile.ZipFile(file) as wheel:
            (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
            return email.parser.Parser().parsestr(wheel.read(name).decode())
    with tarfile.open(file) as archive:
        name = min((name for name in archive.getnames() if name.endswith("/PKG-INFO")), key=len)
        content = archive.extractfile(name)
        assert content is not None
        return email.parser.Parser().parsestr(content.read().decode())


def licence(facts: email.message.Message) -> str:
    """Return the licence that a library declares, as an SPDX expression; NOASSERTION if it declares none."""
    if facts["License-Expression"]:
        return str(facts["License-Expression"])
    found = [LICENCES[each] for each in facts.get_all("Classifier", []) if each in LICENCES]
    return " AND ".join(found) or "NOASSERTION"


def described(
    identifier: str, name: str, version: str, digest: str, file: str, expression: str
) -> dict[str, Any]:
    """Return SPDX's record of a package."""
    return {
        "SPDXID": identifier,
        "name": name,
        "versionInfo": version,
        "packageFileName": file,
        "checksums": [{"algorithm": "SHA256", "checksumValue": digest}],
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": False,
        "licenseConcluded": "NOASSERTION",
        "licenseDeclared": expression,
        "copyrightText": "NOASSERTION",
    }


def document(package: Path, folder: Path) -> dict[str, Any]:
    """Return the SBOM of a package whose bundled libraries lie in a folder."""
    spec = (PACKAGING / "rpm.spec").read_text()
    tags = dict(re.findall(r"^(Name|Version|License):\s*(.+?)\s*$", spec, re.MULTILINE))
    own = sha256(package)
    packages = [
        described("SPDXRef-Package", tags["Name"], tags["Version"], own, package.name, tags["License"])
    ]
    for name, version, digest in bundled():
        file = file_with(digest, folder)
        record = described(f"SPDXRef-{name}", name, version, digest, file.name, licence(metadata(file)))
        locator = f"pkg:pypi/{name}@{version}"
        record["externalRefs"] = [
            {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": locator}
        ]
        packages.append(record)
    made_at = datetime.fromtimestamp(int(os.environ["SOURCE_DATE_EPOCH"]), timezone.utc)
    return {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": package.name,
        "documentNamespace": f"https://spdx.org/spdxdocs/{package.name}-{own}",
        "creationInfo": {
            "created": made_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "creators": ["Tool: pf-status-relay/packaging/sbom.py"],
        },
        "packages": packages,
        "relationships": [
            {
                "spdxElementId": "SPDXRef-DOCUMENT",
                "relationshipType": "DESCRIBES",
                "relatedSpdxElement": "SPDXRef-Package",
            },
            *(
                {
                    "spdxElementId": "SPDXRef-Package",
                    "relationshipType": "CONTAINS",
                    "relatedSpdxElement": part["SPDXID"],
                }
                for part in packages[1:]
            ),
        ],
    }


if __name__ == "__main__":
    print(json.dumps(document(Path(sys.argv[1]), Path(sys.argv[2])), indent=2))
