"""The documents: their links lead somewhere, and the commands and options in them exist.

The commands and options of the program come from its parsers. Other tests run the pages' blocks:
tests/unit/openshift/test_render.py, tests/lab/scenarios/test_rpm.py and test_guide.py.
"""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

import pytest

from pf_status_relay.cli.main import parser

ROOT = Path(__file__).parents[2]
PROGRAM = "pf-status-relay"
MARKDOWN = sorted(
    path
    for pattern in (
        "*.md",
        ".github/**/*.md",
        "docs/**/*.md",
        "tests/**/*.md",
        "contrib/**/*.md",
        "requirements/*.md",
    )
    for path in ROOT.glob(pattern)
)
MANUAL = sorted((ROOT / "man").iterdir())
MADE = ("build/", "dist/")
"""Folders of the checkout that exist only after make has run."""
OPERAND = re.compile(r"(?:-u|systemctl( --?[\w-]+| [\w-]+)*|dnf( --?[\w-]+| [\w-]+)*|podman exec) $")
"""Text before the program's name where the name means a unit, a package or a container."""
OF_OTHERS = {"--user": "podman run", "--define": "rpmsign", "--peer-name": "python -m tests.bench"}
"""Options of other programs that pages name without their program, and that program."""


class Page(NamedTuple):
    """A Markdown page: its prose without code, and its code, by lines of blocks and between backticks."""

    path: Path
    prose: str
    code: list[str]


def page(path: Path) -> Page:
    """Read a Markdown page. A line of code that ends in a backslash continues in the next one."""
    prose: list[str] = []
    code: list[str] = []
    in_fence, in_block, after_blank = False, False, True
    for line in re.sub(r"\\\n\s*", "", path.read_text()).splitlines():
        is_fence = re.match(r" *```", line) is not None
        in_fence ^= is_fence
        # Four spaces begin a block of code only after an empty line; in a list they indent the list's text.
        in_block = line.startswith("    ") and (after_blank or in_block)
        if in_fence or in_block:
            code.append(line.strip())
        elif not is_fence:
            prose.append(line)
        after_blank = not line.strip()
    text = "\n".join(prose)
    code += [" ".join(each.split()) for each in re.findall(r"`([^`]+)`", text)]
    return Page(path, re.sub(r"`[^`]*`", lambda found: "`" * 2 + found[0].count("\n") * "\n", text), code)


def anchors(path: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    found: dict[str, int] = {}
    anchors_of_it = set()
    without_blocks = re.sub(r"^ *```.*?^ *```", "", path.read_text(), flags=re.MULTILINE | re.DOTALL)
    for heading in re.findall(r"^#+ +(.+?) *$", without_blocks, re.MULTILINE):
        words = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower()
        slug = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
        count = found[slug] = found.get(slug, -1) + 1
        anchors_of_it.add(f"{slug}-{count}" if count else slug)
    return anchors_of_it


def dead_links(of: Page) -> Iterator[str]:
    """Yield the links of a page that lead nowhere. Links to other sites are not checked."""
    for target in re.findall(r"\]\(([^)\s]+)\)", of.prose):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = unquote(target).partition("#")
        path = (of.path.parent / file).resolve() if file else of.path
        if not path.exists():
            yield f"{target}: no such file"
        elif anchor and anchor not in anchors(path):
            yield f"{target}: no such heading"


def dead_paths(of: Page) -> Iterator[str]:
    """Yield the paths in a page's code that begin with a folder of the checkout and do not exist."""
    folders = {each.name for each in ROOT.iterdir() if each.is_dir() and not each.name.startswith(".")}
    for code in of.code:
        for path in re.findall(r"(?<![\w./<>{}*@:-])[a-z_]+/[\w./-]+(?![\w*{}<>$])", code):
            if path.split("/")[0] in folders and not path.startswith(MADE) and not (ROOT / path).exists():
                yield f"{path}: no such file"
        if re.fullmatch(r"test_\w+\.py", code) and not any(ROOT.glob(f"tests/**/{code}")):
            yield f"{code}: no such test"


def commands(program: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Return a parser's commands."""
    for action in program._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return {}


def options(program: argparse.ArgumentParser) -> set[str]:
    """Return a parser's options, without those of its commands."""
    return {option for action in program._actions for option in action.option_strings}


def all_options(program: argparse.ArgumentParser) -> set[str]:
    """Return a parser's options and those of its commands."""
    return options(program).union(*(all_options(each) for each in commands(program).values()))


def faults(words: list[str]) -> Iterator[str]:
    """Yield those of the words after the program's name that the program does not know."""
    program: argparse.ArgumentParser = parser()
    command = PROGRAM
    while words and words[0] in commands(program):
        command += f" {words[0]}"
        program = commands(program)[words.pop(0)]
    if commands(program) and words and not words[0].startswith("-"):
        yield f"{command} {words[0]}: no such command"
        return
    for word in words:
        option = word.partition("=")[0]
        if option.startswith("--") and option not in options(program):
            yield f"{command} {option}: no such option"


def uses(code: str) -> Iterator[list[str]]:
    """Yield the words after the program's name, for each of its calls in a line of code."""
    for found in re.finditer(rf"(?<![\w./@-])(?:/usr/bin/)?{PROGRAM}(?= +(?:[a-z]|--))", code):
        if OPERAND.search(code[: found.start()]):
            continue
        rest = re.split(r"[|;&<>#)]| {2,}\(", code[found.end() :], maxsplit=1)[0]
        try:
            words = shlex.split(rest)
        except ValueError:  # an apostrophe
            words = rest.split()
        yield [word for word in words if word != "…"]


def unknown_commands(of: Page) -> Iterator[str]:
    """Yield commands and options in a page's code that the program, or the Makefile, does not have."""
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    every_option = all_options(parser())
    for code in of.code:
        for words in uses(code):
            yield from faults(words)
        for target in re.findall(r"^(?:[$#] )?make (\w+)", code):
            if target not in targets:
                yield f"make {target}: no such target"
        if re.fullmatch(r"--[a-z][\w-]+(?: .*)?", code):
            option = code.split()[0]
            if option not in every_option and option not in OF_OTHERS:
                yield f"{option}: no such option"


def shown(path: Path) -> str:
    """Return a document's path in the checkout, as a test's id."""
    return str(path.relative_to(ROOT))


def test_the_documents_are_found() -> None:
    names = {shown(path) for path in MARKDOWN}
    assert {"README.md", "CONTRIBUTING.md", "docs/guide.md", "contrib/ansible/README.md"} <= names
    assert {"tests/lab/scenarios/README.md", "tests/bench/README.md", "requirements/README.md"} <= names


@pytest.mark.parametrize("path", MARKDOWN, ids=shown)
def test_no_link_is_dead(path: Path) -> None:
    assert list(dead_links(page(path))) == []


@pytest.mark.parametrize("path", MARKDOWN, ids=shown)
def test_every_file_that_a_page_names_is_there(path: Path) -> None:
    assert list(dead_paths(page(path))) == []


@pytest.mark.parametrize("path", MARKDOWN, ids=shown)
def test_every_command_and_option_of_a_page_exists(path: Path) -> None:
    assert list(unknown_commands(page(path))) == []


def manual_faults(path: Path) -> Iterator[str]:
    """Yield the commands and options in a manual page that the program does not have.

    An option belongs to the command in whose synopsis or section it stands; elsewhere to any command.
    """
    text = re.sub(r"\\f[BIRP]|\\\|", "", path.read_text().replace("\\-", "-"))
    anywhere = all_options(parser())
    taken = anywhere
    for line in text.splitlines():
        macro, _, rest = line.partition(" ")
        words = rest.replace('"', " ").split()
        if macro == ".SH":
            taken = anywhere
        elif rest == "Options without a command":
            taken = options(parser())
        if line.startswith(f".B {PROGRAM} "):
            yield from faults(words[1:])
            taken = options_of(words[1:])
        elif macro == ".SS" and words[0] in commands(parser()):
            taken = options_of(words)
        elif macro.startswith(".") and words and not words[0][0].isalpha():
            yield from (f"{each}: no such option" for each in words if each[:2] == "--" and each not in taken)
        if macro in (".BR", "$", "#"):
            for used in uses(" ".join(words)):
                yield from faults(used)


def options_of(command: list[str]) -> set[str]:
    """Return the options of a command, which may be of several words."""
    program: argparse.ArgumentParser = parser()
    for word in command:
        program = commands(program).get(word, program)
    return options(program)


@pytest.mark.parametrize("path", MANUAL, ids=shown)
def test_every_command_and_option_of_a_manual_page_exists(path: Path) -> None:
    assert list(manual_faults(path)) == []


def test_every_command_that_the_catalog_names_exists() -> None:
    catalog = " ".join((ROOT / "packaging" / "pf-status-relay.catalog").read_text().split())
    quoted = [words for each in re.findall(r'"([^"]+)"', catalog) for words in uses(each)]
    assert len(quoted) > 10
    assert [fault for words in quoted for fault in faults(words)] == []


def written(folder: Path, text: str) -> Path:
    """Return a page with this text, in a folder of its own."""
    path = folder / "page.md"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("[a](other.md)", "other.md: no such file"),
        ("# One `two` (three)\n[a](#one-two-three)\n[b](#one-two)", "#one-two: no such heading"),
        ("`docs/nothing.md`", "docs/nothing.md: no such file"),
        ("`test_nothing.py`", "test_nothing.py: no such test"),
        ("`pf-status-relay look`", "pf-status-relay look: no such command"),
        ("`pf-status-relay config look`", "pf-status-relay config look: no such command"),
        ("    # pf-status-relay drain ens5f0 \\\n        --sinse today", "drain --sinse: no such option"),
        ("```sh\nA=b pf-status-relay status --all | cat\n```", "status --all: no such option"),
        ("`podman exec pf-status-relay pf-status-relay wait --quick`", "wait --quick: no such option"),
        ("`--quick`", "--quick: no such option"),
        ("`make tea`", "make tea: no such target"),
    ],
)
def test_what_is_wrong_in_a_page_is_found(tmp_path: Path, text: str, wrong: str) -> None:
    of = page(written(tmp_path, f"Prose.\n\n{text}\n"))
    (found,) = [*dead_links(of), *dead_paths(of), *unknown_commands(of)]
    assert found.endswith(wrong)


@pytest.mark.parametrize(
    "text",
    [
        "pf-status-relay carries that knowledge over",
        "`systemctl enable --now pf-status-relay`",
        "`journalctl -u pf-status-relay --since today`",
        "`pf-status-relay history --since -1d`",
        "`pf-status-relay run --dry-run` and `--dry-run`",
        "[a](https://example.com/#nothing)",
    ],
)
def test_what_is_right_in_a_page_is_left_alone(tmp_path: Path, text: str) -> None:
    of = page(written(tmp_path, f"{text}\n"))
    assert [*dead_links(of), *dead_paths(of), *unknown_commands(of)] == []


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        (".SH SYNOPSIS\n.B pf\\-status\\-relay look", "pf-status-relay look: no such command"),
        ('.B pf\\-status\\-relay wait\n.RB [ \\-\\-json " | " \\-\\-svg ]', "--svg: no such option"),
        ('.SS drain\n.BI \\-\\-since " TIME"', "--since: no such option"),
        ("$ \\fBpf\\-status\\-relay check \\-\\-all\\fP", "pf-status-relay check --all: no such option"),
    ],
)
def test_what_is_wrong_in_a_manual_page_is_found(tmp_path: Path, text: str, wrong: str) -> None:
    assert list(manual_faults(written(tmp_path, text))) == [wrong]
