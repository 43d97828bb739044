"""`make lock`: resolve all that set-up installs from PyPI again, and print what moved.

Everything is resolved and fetched before the first file of the checkout is written.
A failure changes nothing.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

LOCKS = Path(__file__).parent
CHECKOUT = LOCKS.parent
BUNDLED = CHECKOUT / "packaging" / "bundled.txt"
SPEC = CHECKOUT / "packaging" / "rpm.spec"
ENVIRONMENT = CHECKOUT / "build" / "lock-environment"

OLDEST_PYTHON = "3.9"
EXTRAS = {
    "test": ["test"],
    "dev": ["test", "dev"],
    "bench": ["bench"],
    "fuzz": ["fuzz"],
    "ansible": ["ansible"],
}
"""Lock files made from pyproject.toml, and the extras that each installs."""
TOOLS = {"setup": ["pip", "setuptools>=77", "wheel"], "lock": ["uv"]}
"""Lock files of tools that pyproject.toml does not list: those that install and build, and the resolver."""
NOT_BUNDLED = ("systemd-python",)
"""Dependencies of the program that the RPM requires from the distribution instead."""
ONLY_AS_SOURCE = ("sdnotify",)
"""Bundled libraries without a wheel on PyPI."""

HEADER = "# Written by make lock; requirements/README.md says what for.\n"


class LockError(Exception):
    """A step failed. The message holds the command and its output."""


def run(*command: str | Path) -> str:
    """Run a command in the checkout and return its standard output. Raise LockError if it fails."""
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LockError(f"{' '.join(map(str, command))} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def install_resolver() -> None:
    """Install the locked resolver into an environment of its own."""
    run(sys.executable, "-m", "venv", "--clear", ENVIRONMENT)
    run(ENVIRONMENT / "bin/python", "-m", "pip", "install", "--require-hashes", "-r", LOCKS / "lock.txt")


def resolve(output: Path, sources: Sequence[str | Path], options: Sequence[str | Path]) -> None:
    """Write a requirement file with the newest versions that fit, and the hashes of all their files."""
    fixed = [
        "--quiet",
        "--upgrade",
        "--generate-hashes",
        "--no-emit-index-url",
        "--no-header",
        "--no-annotate",
    ]
    fixed += ["--python-version", OLDEST_PYTHON]
    run(ENVIRONMENT / "bin/uv", "pip", "compile", *fixed, "--output-file", output, *options, *sources)
    output.write_text(HEADER + output.read_text())


def resolve_all(folder: Path) -> None:
    """Write all requirement files into a folder. A package has the same version in each of them."""
    every = [word for extra in ("test", "dev", "bench", "fuzz", "ansible") for word in ("--extra", extra)]
    together = folder / "together"
    resolve(together, ["pyproject.toml"], ["--universal", *every])
    for name, extras in EXTRAS.items():
        chosen = [word for extra in extras for word in ("--extra", extra)]
        resolve(
            folder / f"{name}.txt", ["pyproject.toml"], ["--universal", "--constraint", together, *chosen]
        )
    for name, tools in TOOLS.items():
        wanted = folder / f"{name}.in"
        wanted.write_text("\n".join(tools))
        resolve(folder / f"{name}.txt", [wanted], ["--universal", "--allow-unsafe"])


def bundle(folder: Path) -> None:
    """Write bundled.txt: for each library one file that runs on every Python from the oldest on."""
    listed = folder / "bundled.in"
    excluded = [word for name in NOT_BUNDLED for word in ("--no-emit-package", name)]
    resolve(
        listed, ["pyproject.toml"], ["--extra", "metrics", "--constraint", folder / "together", *excluded]
    )
    pip = (ENVIRONMENT / "bin/python", "-m", "pip", "download", "--quiet", "--no-deps", "--dest")
    lines = []
    for name, version in sorted(pins(listed.read_text())):
        target = folder / "bundled" / name
        if name in ONLY_AS_SOURCE:
            form = ["--no-binary", name]
        else:
            form = ["--only-binary", name, "--python-version", OLDEST_PYTHON, "--platform", "any"]
        run(*pip, target, *form, f"{name}=={version}")
        (file,) = target.iterdir()
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        lines.append(f"{name}=={version} --hash=sha256:{digest}\n")
    kept = [line for line in BUNDLED.read_text().splitlines(keepends=True) if line.startswith(("#", "--"))]
    (folder / "bundled.txt").write_text("".join(kept + lines))


def pins(text: str) -> list[tuple[str, str]]:
    """Return the name and version of each package that a requirement file lists."""
    return re.findall(r"^([\w.-]+)==([^\s;]+)", text, re.MULTILINE)


def spec_with(versions: dict[str, str]) -> str:
    """Return the spec with its versions of the bundled libraries replaced by these."""
    text = SPEC.read_text()
    for name, version in versions.items():
        stem = name.replace("-", "_")
        text = re.sub(rf"\b{stem}-\d[\d.]*\d(?=[-./])", f"{stem}-{version}", text)
        text = re.sub(rf"(?<=bundled\(python3dist\({name}\)\) = )\S+", version, text)
    return text


def moved(old: str, new: str) -> list[str]:
    """Describe how two requirement files differ, a line for each package."""
    before, after = set(pins(old)), set(pins(new))
    lines = []
    for name in sorted({name for name, _ in before ^ after}):
        versions = [
            ", ".join(sorted(version for each, version in found if each == name)) or "nothing"
            for found in (before, after)
        ]
        lines.append(f"{name}: {versions[0]} -> {versions[1]}")
    return lines


def write(path: Path, text: str) -> None:
    """Replace a file if its text differs, and print which packages moved."""
    old = path.read_text() if path.exists() else ""
    if old == text:
        return
    path.write_text(text)
    print(f"{path.relative_to(CHECKOUT)} has changed")
    for line in moved(old, text):
        print(f"  {line}")


def main() -> int:
    """Renew every lock."""
    try:
        print("Installing the resolver", flush=True)
        install_resolver()
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            print("Resolving what set-up installs", flush=True)
            resolve_all(folder)
            print("Fetching what the RPM bundles", flush=True)
            bundle(folder)
            bundled = (folder / "bundled.txt").read_text()
            spec = spec_with(dict(pins(bundled)))
            for name in (*EXTRAS, *TOOLS):
                write(LOCKS / f"{name}.txt", (folder / f"{name}.txt").read_text())
            write(BUNDLED, bundled)
            write(SPEC, spec)
    except LockError as error:
        print(f"make lock: {error}\nmake lock: nothing was changed", file=sys.stderr)
        return 1
    print("Run make test before you commit what has changed.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
