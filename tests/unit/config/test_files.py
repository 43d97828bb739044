"""Drop-ins: which of them count, in which order, and what they override."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pf_status_relay.config import files, keys, load
from pf_status_relay.config.keys import Config
from pf_status_relay.config.load import INTERFACES_VARIABLE, ConfigError


@pytest.fixture
def etc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a main file in the place of that in /etc; `etc/d`, `run` and `usr` are the drop-in folders."""
    monkeypatch.setattr(load, "DEFAULT_PATH", tmp_path / "main.toml")
    (tmp_path / "main.toml").write_text('interfaces = ["main"]\npolling_interval_ms = 200')
    for folder in folders(tmp_path):
        folder.mkdir()
    return tmp_path


def folders(root: Path) -> tuple[Path, ...]:
    return tuple(root / name for name in ("etc.d", "run.d", "usr.d"))


def loaded(etc: Path) -> Config:
    return load.from_files(None, {}, folders(etc))


def warnings(etc: Path) -> list[str]:
    return [warning.replace(f"{etc}/", "") for warning in loaded(etc).warnings]


def faults(etc: Path) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        loaded(etc)
    return [fault.replace(f"{etc}/", "") for fault in raised.value.faults]


def test_the_folders_are_those_that_systemd_has_for_drop_ins() -> None:
    assert [str(folder) for folder in files.DROP_IN_FOLDERS] == [
        "/etc/pf-status-relay.d",
        "/run/pf-status-relay.d",
        "/usr/lib/pf-status-relay.d",
    ]


def test_a_drop_in_overrides_the_file_key_by_key(etc: Path) -> None:
    (etc / "etc.d/10-pool.toml").write_text('interfaces = ["dropped-in"]')
    assert loaded(etc) == Config(("dropped-in",), 200)


def test_drop_ins_are_read_by_name_whichever_folder_they_are_in(etc: Path) -> None:
    (etc / "usr.d/30.toml").write_text('interfaces = ["usr"]')
    (etc / "etc.d/20.toml").write_text('interfaces = ["etc"]\nrestore_delay_ms = 1')
    (etc / "run.d/10.toml").write_text("restore_delay_ms = 2")
    assert loaded(etc) == Config(("usr",), 200, restore_delay_ms=1)


def test_of_one_name_the_administrators_drop_in_counts_and_no_other(etc: Path) -> None:
    (etc / "usr.d/10.toml").write_text('interfaces = ["usr"]\nrestore_delay_ms = 1')
    (etc / "run.d/10.toml").write_text('interfaces = ["run"]\nrestore_delay_ms = 2')
    assert loaded(etc) == Config(("run",), 200, restore_delay_ms=2)
    (etc / "etc.d/10.toml").write_text('interfaces = ["etc"]')
    assert loaded(etc) == Config(("etc",), 200)


@pytest.mark.parametrize("empty", [True, False])
def test_an_empty_file_or_a_link_to_dev_null_masks_a_drop_in(etc: Path, empty: bool) -> None:
    (etc / "usr.d/10.toml").write_text('interfaces = ["usr"]')
    mask = etc / "etc.d/10.toml"
    if empty:
        mask.touch()
    else:
        mask.symlink_to(os.devnull)
    assert loaded(etc) == Config(("main",), 200)


@pytest.mark.parametrize("name", ["10.conf", "10.toml.rpmsave", "10.toml~", ".10.toml"])
def test_a_file_of_another_kind_is_no_drop_in(etc: Path, name: str) -> None:
    (etc / "etc.d" / name).write_text("nonsense")
    assert loaded(etc) == Config(("main",), 200)


def test_drop_ins_do_without_the_file(etc: Path) -> None:
    (etc / "main.toml").unlink()
    (etc / "usr.d/10.toml").write_text('interfaces = "auto"')
    assert loaded(etc) == Config(keys.AUTO)


def test_the_environment_overrides_drop_ins(etc: Path) -> None:
    (etc / "etc.d/10.toml").write_text('interfaces = ["etc"]')
    assert load.from_files(None, {INTERFACES_VARIABLE: "env"}, folders(etc)).interfaces == ("env",)


def test_of_a_file_that_is_named_there_are_no_drop_ins(etc: Path) -> None:
    (etc / "etc.d/10.toml").write_text('interfaces = ["etc"]')
    assert load.from_files(etc / "main.toml", {}, folders(etc)) == Config(("main",), 200)


def test_faults_of_all_files_are_told_together_also_in_values_that_are_overridden(etc: Path) -> None:
    (etc / "main.toml").write_text('interfaces = ["a b"]')
    (etc / "etc.d/10.toml").write_text("polling_interval_ms = 1")
    (etc / "etc.d/20.toml").write_text('interfaces = ["a"')
    (etc / "etc.d/30.toml").symlink_to(etc / "nowhere")
    first, second, third, fourth = faults(etc)
    assert first.startswith('main.toml: interfaces[0] is "a b"; allowed: ')
    assert second.startswith("etc.d/10.toml: polling_interval_ms is 1; allowed: ")
    assert third.startswith("etc.d/20.toml: is not valid TOML: ")
    assert fourth.startswith("etc.d/30.toml: no such file")


def test_a_drop_in_folder_that_is_none_is_a_fault_of_the_administrators_and_left_out_otherwise(
    etc: Path,
) -> None:
    (etc / "run.d").rmdir()
    (etc / "run.d").touch()
    assert loaded(etc) == Config(("main",), 200)
    assert warnings(etc) == ["run.d: cannot be listed: Not a directory; its drop-ins are left out"]
    (etc / "etc.d").rmdir()
    (etc / "etc.d").touch()
    assert faults(etc)[0] == "etc.d: cannot be listed: Not a directory"


# A start must not fail for a drop-in that no administrator wrote

FAULTY = {
    "no TOML": (b"interfaces = [", "is not valid TOML: "),
    "no text": (b"\xff", "line 1 has the byte 0xff; allowed: UTF-8 text"),
    "a value": (b"interfaces = []\nrestore_delay_ms = 7", "interfaces is []; allowed: "),
    "a typo": (b"restore_delay = 5\nrestore_delay_ms = 7", 'unknown key "restore_delay" with the value 5; '),
    "too large": (b"#" * (files.MAX_FILE_BYTES + 1), "has 65537 bytes; "),
    "a folder": (None, "is not a regular file; "),
}


@pytest.mark.parametrize("folder", ["run.d", "usr.d"])
@pytest.mark.parametrize(("content", "fault"), FAULTY.values(), ids=FAULTY)
def test_a_faulty_drop_in_of_this_boot_or_a_package_is_left_out_as_a_whole(
    etc: Path, folder: str, content: bytes | None, fault: str
) -> None:
    faulty = etc / folder / "10.toml"
    if content is None:
        faulty.mkdir()
    else:
        faulty.write_bytes(content)
    (etc / folder / "20.toml").write_text("polling_interval_ms = 300")
    assert loaded(etc) == Config(("main",), 300), "nothing of the faulty one, all of the others"
    (warning,) = warnings(etc)
    assert warning.startswith(f"{folder}/10.toml: {fault}")
    assert warning.endswith("; the drop-in is left out")


@pytest.mark.parametrize(("content", "fault"), FAULTY.values(), ids=FAULTY)
def test_a_faulty_drop_in_of_the_administrators_stays_an_error(
    etc: Path, content: bytes | None, fault: str
) -> None:
    if content is None:
        (etc / "etc.d/10.toml").mkdir()
    else:
        (etc / "etc.d/10.toml").write_bytes(content)
    (told,) = faults(etc)
    assert told.startswith(f"etc.d/10.toml: {fault}")
    assert "left out" not in told


def test_what_a_faulty_drop_in_masks_does_not_come_back_for_it(etc: Path) -> None:
    (etc / "usr.d/10.toml").write_text('interfaces = ["usr"]')
    (etc / "run.d/10.toml").write_text("interfaces = []")
    assert loaded(etc) == Config(("main",), 200)


def test_a_link_that_leads_nowhere_is_left_out(etc: Path) -> None:
    (etc / "run.d/10.toml").symlink_to(etc / "nowhere")
    (warning,) = warnings(etc)
    assert warning.startswith("run.d/10.toml: no such file; ")


def test_if_no_interfaces_are_left_the_error_says_what_was_left_out(etc: Path) -> None:
    (etc / "main.toml").write_text("polling_interval_ms = 200")
    (etc / "usr.d/10.toml").write_text("interfaces = []")
    missing, left_out = faults(etc)
    assert missing.startswith("main.toml: interfaces is missing; ")
    assert left_out.startswith("usr.d/10.toml: interfaces is []; ")


def test_origins_name_no_drop_in_that_was_left_out(etc: Path) -> None:
    (etc / "run.d/10.toml").write_text("polling_interval_ms = 300\ninterfaces = []")
    assert load.from_files(None, {}, folders(etc)).origins["polling_interval_ms"] == str(etc / "main.toml")


def test_of_each_value_it_is_known_where_it_is_from(etc: Path) -> None:
    (etc / "etc.d/10.toml").write_text("restore_delay_ms = 1")
    origins = load.from_files(None, {INTERFACES_VARIABLE: "env"}, folders(etc)).origins
    assert origins == {
        "interfaces": INTERFACES_VARIABLE,
        "polling_interval_ms": str(etc / "main.toml"),
        "restore_delay_ms": str(etc / "etc.d/10.toml"),
    }
