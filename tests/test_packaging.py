"""What is shipped beside the program: the RPM's recipe, the journal catalog, the manual."""

from __future__ import annotations

import argparse
import dataclasses
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from pf_status_relay import __version__, config, log, parser
from pf_status_relay.check import Outlook
from pf_status_relay.event import Event
from pf_status_relay.status import Condition

CHECKOUT = Path(__file__).parents[1]
PACKAGING = CHECKOUT / "packaging"
SPEC = PACKAGING / "rpm.spec"
CATALOG = PACKAGING / "pf-status-relay.catalog"
PAGES = sorted((CHECKOUT / "man").iterdir())

LINE = 82
"""Columns of a catalog entry, before the fields are filled in."""

EVENTS = {event.message_id: event for event in Event.__subclasses__()}

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
"""Macros that RHEL's systemd-rpm-macros define; what they expand to does not matter here."""


def output_of(*command: str | Path) -> str:
    """Run a tool that tests/packages-apt.txt installs; return all that it printed."""
    if shutil.which(command[0]) is None:
        pytest.fail(f"{command[0]} is missing: run tests/setup")
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
    )
    return done.stdout + done.stderr


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
    """The v1 definition in openshift/api: required fields of spec, and no unknown ones."""
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
    for name in ("README.md", "docs/install.md", "packaging/Containerfile", "packaging/Containerfile.layer"):
        text = (CHECKOUT / name).read_text()
        named = re.findall(r"pf-status-relay(?:-rpm)?[-:](\d[\d.]*\d)", text)
        assert named, name
        assert set(named) == {__version__}, name


# The journal catalog


def catalog() -> Iterator[tuple[str, dict[str, str], str]]:
    """Yield each entry: MESSAGE_ID, header, text."""
    entries = re.split(r"^-- ([0-9a-f]+)\n", CATALOG.read_text(), flags=re.MULTILINE)[1:]
    for message_id, entry in zip(entries[::2], entries[1::2]):
        header, _, text = entry.partition("\n\n")
        yield message_id, dict(line.split(": ", 1) for line in header.splitlines()), text.strip()


def test_the_catalog_explains_every_event_and_nothing_else() -> None:
    explained = [message_id for message_id, _, _ in catalog()]
    missing = [event.__name__ for message_id, event in EVENTS.items() if message_id not in explained]
    assert missing == []
    assert sorted(explained) == sorted(EVENTS)


@pytest.mark.parametrize(
    ("message_id", "header", "text"),
    [pytest.param(*entry, id=entry[1]["Subject"]) for entry in catalog()],
)
def test_an_entry_says_what_happened_and_what_to_do(
    message_id: str, header: dict[str, str], text: str
) -> None:
    assert header["Defined-By"] == "pf-status-relay"
    assert header["Documentation"] in ("man:pf-status-relay(8)", "man:pf-status-relay.toml(5)")
    assert len(text.split("\n\n")) >= 2, "one paragraph says what happened, another what to do"
    assert max(map(len, text.splitlines())) <= LINE
    own = {log._JOURNAL_FIELDS[field.name] for field in dataclasses.fields(EVENTS[message_id])}
    assert set(re.findall("@([A-Z_]+)@", header["Subject"] + text)) <= own, "only its own fields are replaced"


def test_journalctl_takes_the_catalog(tmp_path: Path) -> None:
    root = tmp_path / "usr/lib/systemd/catalog"
    root.mkdir(parents=True)
    shutil.copy(CATALOG, root)
    said = output_of("journalctl", f"--root={tmp_path}", "--update-catalog")
    assert said == ""
    listed = output_of("journalctl", f"--root={tmp_path}", "--list-catalog")
    assert len(listed.splitlines()) == len(EVENTS)


# The manual


def page(name: str) -> str:
    """Return a page's source without the escapes that keep hyphens as they are."""
    return (CHECKOUT / "man" / name).read_text().replace("\\-", "-")


def words(program: argparse.ArgumentParser, command: str = "") -> Iterator[str]:
    """Yield every command and option that the command line knows."""
    for action in program._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, sub in action.choices.items():
                yield from words(sub, f"{command} {name}".strip())
                if not any(isinstance(each, argparse._SubParsersAction) for each in sub._actions):
                    yield f"{command} {name}".strip()
        else:
            yield from (option for option in action.option_strings if option.startswith("--"))


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_a_page_is_well_formed(path: Path) -> None:
    assert output_of("mandoc", "-T", "lint", "-W", "warning", path) == ""
    said = subprocess.run(
        ["man", "--warnings", "--encoding=utf8", "-l", path],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=True,
    ).stderr  # fmt: skip
    assert said == ""


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_a_page_is_of_this_version(path: Path) -> None:
    assert f'"pf-status-relay {__version__}"' in page(path.name)


def test_the_manual_has_every_command_and_option() -> None:
    text = page("pf-status-relay.8")
    missing = {word for word in words(parser.parser()) if not re.search(rf"{word}(?![\w-])", text)}
    assert missing == set()


def test_the_manual_has_every_exit_status_and_variable() -> None:
    text = page("pf-status-relay.8")
    listed = text[text.index(".SH EXIT STATUS") :]
    statuses = {value for name, value in vars(parser).items() if name.startswith("EX_")}
    statuses |= {each.value for each in (*Condition, *Outlook)}
    assert statuses == {int(number) for number in re.findall(r"^\.B (\d+)$", listed, re.MULTILINE)}
    for variable in (config.INTERFACES_VARIABLE, config.INTERVAL_VARIABLE):
        assert f".B {variable}\n" in text


def test_the_manual_has_every_journal_field() -> None:
    text = page("pf-status-relay.8")
    assert [field for field in log._JOURNAL_FIELDS.values() if field not in text] == []


def test_the_manual_has_every_key_of_the_configuration() -> None:
    documented = re.findall(r'^\.BR (\w+) " \(', page("pf-status-relay.toml.5"), re.MULTILINE)
    assert set(documented) == set(config.KEYS)
