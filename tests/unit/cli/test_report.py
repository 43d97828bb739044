"""`pf-status-relay report`: the archive and the list of what is in it."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from pf_status_relay.cli import main
from pf_status_relay.cli.commands.report import archive
from pf_status_relay.cli.evidence import Part
from pf_status_relay.config import load

Capture = pytest.CaptureFixture[str]
ROOT = Path(__file__).parents[3]


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(load.INTERFACES_VARIABLE, "lo")
    return tmp_path / "a.tar.gz"


def contents(content: bytes) -> dict[str, bytes]:
    """Return the files of an archive by their names in its one folder."""
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        found = {}
        folders = set()
        for member in tar:
            folder, _, name = member.name.partition("/")
            folders.add(folder)
            extracted = tar.extractfile(member)
            assert extracted is not None
            found[name] = extracted.read()
        assert len(folders) == 1
        return found


def test_the_archive_has_what_the_list_says_and_names_what_is_missing(file: Path, capsys: Capture) -> None:
    assert main.main(["report", str(file)]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert out.startswith(f"{file}, {file.stat().st_size} bytes:\n")
    assert file.stat().st_mode & 0o777 == 0o600
    found = contents(file.read_bytes())
    listed, _, missing = out.partition("\nMissing:\n")
    names = re.findall(r"^  (\S+) +(\d+) bytes ", listed, re.MULTILINE)
    assert {name: int(size) for name, size in names} == {
        name: len(content) for name, content in found.items() if name != "CONTENTS.txt"
    }
    assert out.partition("\n\n")[2] in found["CONTENTS.txt"].decode()
    assert "Nothing was sent" in found["CONTENTS.txt"].decode()
    assert json.loads(found["status.json"])["interfaces"][0]["interface"] == "lo"
    assert json.loads(found["check.json"])["checks"]
    assert not set(re.findall(r"^  (\S+)", missing, re.MULTILINE)) & set(found)


def test_a_program_reads_the_list(file: Path, capsys: Capture) -> None:
    assert main.main(["report", "--json", str(file)]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["archive"] == str(file)
    assert document["bytes"] == file.stat().st_size
    assert {part["name"] for part in document["parts"]} >= {"versions.txt", "status.json"}
    assert all(set(each) == {"name", "reason"} and each["reason"] for each in document["missing"])


def test_a_configuration_at_fault_is_a_missing_part(file: Path, capsys: Capture, tmp_path: Path) -> None:
    config = tmp_path / "relay.toml"
    config.write_text("interfaces = 1\n")
    assert main.main(["report", "--config", str(config), "--json", str(file)]) == 0
    missing = {each["name"]: each["reason"] for each in json.loads(capsys.readouterr().out)["missing"]}
    assert missing["status.json"].startswith(f"{config}: interfaces is 1")


def test_what_exists_is_not_overwritten_and_nothing_is_collected_first(file: Path, capsys: Capture) -> None:
    file.write_text("before")
    assert main.main(["report", str(file)]) == 74
    assert capsys.readouterr() == (
        "",
        f"pf-status-relay: {file} exists and is not overwritten: name another file\n",
    )
    assert file.read_text() == "before"


def test_by_default_it_is_named_for_the_host_and_the_time(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main.main(["report"]) == 0
    (made,) = tmp_path.glob("*.tar.gz")
    assert re.fullmatch(r"pf-status-relay-[\w-]*-\d{8}T\d{6}Z\.tar\.gz", made.name)


def test_standard_output_takes_the_archive_alone(file: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pf_status_relay", "report", "-"], cwd=ROOT, capture_output=True, check=True
    )
    assert done.stderr == b""
    assert "CONTENTS.txt" in contents(done.stdout)


def test_a_list_does_not_go_with_it(file: Path, capsys: Capture) -> None:
    assert main.main(["report", "--json", "-"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("pf-status-relay: -: standard output takes the archive alone")


def test_an_archive_is_of_nobody_and_keeps_bytes_and_names() -> None:
    content = archive("a", [Part("b/\u00fc.txt", "", b"\xff\x00")], 1_893_456_000.0)
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        (member,) = tar
        assert (member.name, member.uid, member.gid, member.mode, member.mtime) == (
            "a/b/\u00fc.txt", 0, 0, 0o600, 1_893_456_000,
        )  # fmt: skip
    assert contents(content) == {"b/\u00fc.txt": b"\xff\x00"}
