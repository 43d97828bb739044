"""The laws of the wings: which part of the package may import which. docs/architecture.md says why."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "pf_status_relay"
OWN = "pf_status_relay"

MAY_IMPORT = {
    "text": set(),
    "core": {"text"},
    "kernel": {"core", "text"},
    "frr": {"core", "text"},
    "config": {"text"},
    "log": {"core", "text"},
    "service": {"kernel", "frr", "config", "log", "core", "text"},
    "openshift": {"config", "text"},
    "cli": {"service", "openshift", "kernel", "frr", "config", "log", "core", "text"},
}
"""The wings that each wing may import. It may import no others."""

IMPURE = {
    "asyncio",
    "fcntl",
    "http",
    "logging",
    "multiprocessing",
    "os",
    "pathlib",
    "select",
    "signal",
    "socket",
}
IMPURE |= {"subprocess", "sys", "tempfile", "threading", "time"}
"""Modules that give access to sockets, files, a clock, threads or a log. `core` and `text` import none."""

MODULES = sorted(path for path in PACKAGE.rglob("*.py"))
TESTS = sorted(path for path in (ROOT / "tests").rglob("*.py"))


def name_of(path: Path, root: Path = ROOT) -> str:
    """Return a module's dotted name."""
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path) -> Iterator[str]:
    """Yield the dotted name of each module that a file imports, anywhere in the file."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are absolute"
            assert node.module is not None
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield full if is_module(full) else node.module


def is_module(name: str) -> bool:
    """Tell whether there is such a module in the checkout."""
    path = ROOT.joinpath(*name.split("."))
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()


def wing(name: str) -> str:
    """Return the wing of a module of the package, `cli` for the package's own two files."""
    parts = name.split(".")
    return parts[1] if len(parts) > 1 and parts[1] != "__main__" else "cli"


PURE = [path for path in MODULES if wing(name_of(path)) in ("core", "text")]


def test_the_wings_are_those_that_there_are() -> None:
    wings = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()}
    alone = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__", "__main__"}
    assert wings | alone == set(MAY_IMPORT)


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_imports_only_what_its_wing_may(path: Path) -> None:
    own = wing(name_of(path))
    allowed = {own, *MAY_IMPORT[own]}
    for imported in imports(path):
        if imported.split(".")[0] == OWN and imported != OWN:  # the package itself has the version
            assert wing(imported) in allowed, f"{name_of(path)} imports {imported}"


@pytest.mark.parametrize(
    "path", [path for path in MODULES if wing(name_of(path)) in ("core", "text")], ids=name_of
)
def test_the_core_has_no_socket_file_clock_thread_or_log(path: Path) -> None:
    assert {imported.split(".")[0] for imported in imports(path)} & IMPURE == set()


def test_no_module_imports_itself_in_a_circle() -> None:
    arrows = {
        name_of(path): {each for each in imports(path) if each.startswith(f"{OWN}.")} for path in MODULES
    }
    # Every round removes the modules that import no remaining module. A circle remains.
    while bottom := {name for name, to in arrows.items() if not to & arrows.keys() - {name}}:
        arrows = {name: to for name, to in arrows.items() if name not in bottom}
    assert arrows == {}


@pytest.mark.parametrize("path", [path for path in MODULES if path.name == "__init__.py"], ids=name_of)
def test_a_wing_says_its_law_and_nothing_else(path: Path) -> None:
    body = ast.parse(path.read_text()).body
    if path.parent == PACKAGE:
        body = [node for node in body if not isinstance(node, ast.Assign)]  # the version
    assert [type(node) for node in body] == [ast.Expr]


@pytest.mark.parametrize("path", TESTS, ids=name_of)
def test_no_test_file_is_imported_by_another(path: Path) -> None:
    found = [each for each in imports(path) if each.startswith("tests.")]
    assert [each for each in found if each.rpartition(".")[2].startswith("test_")] == []


def test_no_test_patches_the_clock_or_the_sockets_of_our_modules() -> None:
    """Find none: the loop takes its clock and its poller as arguments."""
    found = set()
    for path in TESTS:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("patch.setattr"):
                target, *rest = map(ast.unparse, node.args)
                if rest[0] in ("'time'", "'select'", "'socket'") or target.startswith(f"'{OWN}"):
                    found.add((target, rest[0]))
    # The library's own socket, for every importer; and a function of the program with a module's name.
    assert found <= {("socket", "'socket'"), ("selection", "'select'")}
