"""The configuration: what is accepted, and the one-line message for each fault."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pf_status_relay.config import keys, load
from pf_status_relay.config.keys import Config
from pf_status_relay.config.load import ConfigError, from_files

NAMES = load.INTERFACES_VARIABLE
INTERVAL = load.INTERVAL_VARIABLE

NAME_ALLOWED = "allowed: an interface name of 1 to 127 bytes without '/', ':' or white space, not '.' or '..'"
DELAY_ALLOWED = "allowed: a whole number of milliseconds from 0 to 600000"
NAMES_ALLOWED = 'allowed: "auto", or a list of interface names, at least one, each once'
INTERVAL_ALLOWED = "allowed: a whole number of milliseconds from 100 to 60000"
KEYS_ALLOWED = "allowed: " + ", ".join(keys.KEYS)


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the path in place of the default configuration file; nothing is written there yet."""
    path = tmp_path / "relay.toml"
    monkeypatch.setattr(load, "DEFAULT_PATH", path)
    return path


def faults(path: Path | None, environment: dict[str, str] | None = None) -> list[str]:
    """Return the faults that loading raises, without the directory, which differs in every run."""
    with pytest.raises(ConfigError) as caught:
        from_files(path, environment or {})
    return [fault.replace(f"{path}: ", "FILE: ") for fault in caught.value.faults]


def test_the_default_names_of_the_contract() -> None:
    assert Path("/etc/pf-status-relay.toml") == load.DEFAULT_PATH
    assert NAMES == "PF_STATUS_RELAY_INTERFACES"
    assert INTERVAL == "PF_STATUS_RELAY_POLLING_INTERVAL"


def test_a_file_with_both_keys(file: Path) -> None:
    file.write_text('# comment\ninterfaces = ["ens5f0", "ens5f1"]\npolling_interval_ms = 250\n')
    assert from_files(None, {}) == from_files(file, {}) == Config(("ens5f0", "ens5f1"), 250)


def test_the_interval_is_a_second_unless_said_otherwise(file: Path) -> None:
    file.write_text('interfaces = ["ens5f0"]')
    assert from_files(file, {}) == Config(("ens5f0",), 1000)


@pytest.mark.parametrize("name", ["e", "eth0.100", "ü", "ens5f0np0", "x" * 127, "é" * 63, "...", "-", "a@b"])
def test_a_name_that_the_kernel_can_have_is_taken(file: Path, name: str) -> None:
    file.write_text(f'interfaces = ["{name}"]')
    assert from_files(file, {}).interfaces == (name,)


@pytest.mark.parametrize("interval", [100, 101, 60000])
def test_an_interval_within_the_range_is_taken(file: Path, interval: int) -> None:
    file.write_text(f'interfaces = ["a"]\npolling_interval_ms = {interval}')
    assert from_files(file, {}).polling_interval_ms == interval


A = 'interfaces = ["a"]\n'


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", f"FILE: interfaces is missing; {NAMES_ALLOWED}"),
        ("interfaces = []", f"FILE: interfaces is []; {NAMES_ALLOWED}"),
        ("interfaces = 'a'", f'FILE: interfaces is "a"; {NAMES_ALLOWED}'),
        ("interfaces = true", f"FILE: interfaces is true; {NAMES_ALLOWED}"),
        ("[interfaces]\na = 1", f'FILE: interfaces is {{"a": 1}}; {NAMES_ALLOWED}'),
        ("interfaces = ['a', 'b', 'a']", f'FILE: interfaces[2] is "a" again; {NAMES_ALLOWED}'),
        ("interfaces = [1]", f"FILE: interfaces[0] is 1; {NAME_ALLOWED}"),
        ("interfaces = ['a', ['b']]", f'FILE: interfaces[1] is ["b"]; {NAME_ALLOWED}'),
        ("interfaces = ['']", f'FILE: interfaces[0] is ""; {NAME_ALLOWED}'),
        ("interfaces = ['  ']", f'FILE: interfaces[0] is "  "; {NAME_ALLOWED}'),
        ("interfaces = [' a']", f'FILE: interfaces[0] is " a"; {NAME_ALLOWED}'),
        ("interfaces = ['.']", f'FILE: interfaces[0] is "."; {NAME_ALLOWED}'),
        ("interfaces = ['..']", f'FILE: interfaces[0] is ".."; {NAME_ALLOWED}'),
        ("interfaces = ['a/b']", f'FILE: interfaces[0] is "a/b"; {NAME_ALLOWED}'),
        ("interfaces = ['eth0:1']", f'FILE: interfaces[0] is "eth0:1"; {NAME_ALLOWED}'),
        ('interfaces = ["a\\nb"]', f'FILE: interfaces[0] is "a\\nb"; {NAME_ALLOWED}'),
        ('interfaces = ["a\\u0000b"]', f'FILE: interfaces[0] is "a\\u0000b"; {NAME_ALLOWED}'),
        ('interfaces = ["a\\u00a0b"]', f'FILE: interfaces[0] is "a\\xa0b"; {NAME_ALLOWED}'),
        (f"interfaces = ['{'x' * 128}']", f'FILE: interfaces[0] is "{"x" * 76}...; {NAME_ALLOWED}'),
        (f"interfaces = ['{'é' * 64}']", f'FILE: interfaces[0] is "{"é" * 64}"; {NAME_ALLOWED}'),
        (A + "polling_interval_ms = 99", f"FILE: polling_interval_ms is 99; {INTERVAL_ALLOWED}"),
        (A + "polling_interval_ms = 60001", f"FILE: polling_interval_ms is 60001; {INTERVAL_ALLOWED}"),
        (A + "polling_interval_ms = -1000", f"FILE: polling_interval_ms is -1000; {INTERVAL_ALLOWED}"),
        (A + "polling_interval_ms = true", f"FILE: polling_interval_ms is true; {INTERVAL_ALLOWED}"),
        (A + "polling_interval_ms = 500.0", f"FILE: polling_interval_ms is 500.0; {INTERVAL_ALLOWED}"),
        (A + "polling_interval_ms = '500'", f'FILE: polling_interval_ms is "500"; {INTERVAL_ALLOWED}'),
        ('interfaces = "Auto"', f'FILE: interfaces is "Auto"; {NAMES_ALLOWED}'),
        (
            'interfaces = ["a", "auto"]',
            'FILE: interfaces[1] is "auto"; allowed: "auto" alone, instead of the list',
        ),
        (A + "restore_delay_ms = -1", f"FILE: restore_delay_ms is -1; {DELAY_ALLOWED}"),
        (A + "restore_delay_ms = 600001", f"FILE: restore_delay_ms is 600001; {DELAY_ALLOWED}"),
        (A + 'on_stop = "Leave"', 'FILE: on_stop is "Leave"; allowed: "leave" or "restore"'),
        (A + "on_stop = []", 'FILE: on_stop is []; allowed: "leave" or "restore"'),
        (
            A + "on-stop = 1",
            f'FILE: unknown key "on-stop" with the value 1; did you mean on_stop? {KEYS_ALLOWED}',
        ),
        (
            A + "interface = 1979-05-27",
            'FILE: unknown key "interface" with the value "1979-05-27"; '
            f"did you mean interfaces? {KEYS_ALLOWED}",
        ),
        (
            A + "polling_interval = 500",
            'FILE: unknown key "polling_interval" with the value 500; '
            f"did you mean polling_interval_ms? {KEYS_ALLOWED}",
        ),
        (
            A + '"on_\\nstop" = "1\\n2"',
            f'FILE: unknown key "on_\\nstop" with the value "1\\n2"; did you mean on_stop? {KEYS_ALLOWED}',
        ),
    ],
)
def test_a_fault_is_one_line_with_file_key_value_and_what_is_allowed(
    file: Path, text: str, fault: str
) -> None:
    file.write_text(text, encoding="utf-8")
    assert faults(file) == [fault]
    assert "\n" not in fault


def test_a_key_of_thousands_of_characters_resembles_none(file: Path) -> None:
    file.write_text(A + f"{'on_stop' * 3000} = 1")
    (warning,) = from_files(file, {}).warnings
    assert warning.endswith(f"... with the value 1; {KEYS_ALLOWED}; the key is left out")


def test_a_byte_order_mark_at_the_beginning_is_no_part_of_the_text(file: Path) -> None:
    file.write_bytes(b"\xef\xbb\xbfinterfaces = ['a']\r\n")
    assert from_files(file, {}).interfaces == ("a",)


@pytest.mark.parametrize("digits", [4, 5000])
def test_a_hexadecimal_number_of_any_length_is_out_of_range(file: Path, digits: int) -> None:
    file.write_text(f"{A}polling_interval_ms = 0x{'f' * digits}")
    (fault,) = faults(file)
    assert fault.startswith("FILE: polling_interval_ms is ")
    assert fault.endswith(INTERVAL_ALLOWED)


def test_all_faults_are_told_together_in_the_order_of_the_file(file: Path) -> None:
    file.write_text("polling_interval_ms = 1\ninterfaces = ['a', '', 'a']\nonstop = 1\n")
    told = faults(file, {INTERVAL: "2"})
    assert [fault.split(";")[0] for fault in told] == [
        "FILE: polling_interval_ms is 1",
        'FILE: interfaces[1] is ""',
        'FILE: interfaces[2] is "a" again',
        'FILE: unknown key "onstop" with the value 1',
        "environment: PF_STATUS_RELAY_POLLING_INTERVAL is 2",
    ]


def test_the_error_reads_as_one_line_too(file: Path) -> None:
    file.write_text("interface = 1")
    with pytest.raises(ConfigError, match=r"unknown key.*; .*interfaces is missing"):
        from_files(file, {})


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("interfaces = [\n  'a'\n  'b'\n]", "(at line 3, column 3)"),
        ("interfaces = ['a'\n", "(at line 2, column 1)"),
        ("interfaces = ['a'", "(at line 1, column 18)"),
        ("interfaces =", "(at line 1, column 13)"),
        ("a = 1\nx =\n", "(at line 2, column 4)"),
        ("a = 1\r\nx", "(at line 2, column 2)"),
        ("a = 1\na = 2", "(at line 2, column 6)"),
    ],
)
def test_invalid_toml_is_told_with_line_and_column_also_at_the_end(file: Path, text: str, place: str) -> None:
    file.write_bytes(text.encode())
    (fault,) = faults(file)
    assert fault.startswith("FILE: is not valid TOML: ")
    assert fault.endswith(place)
    assert fault.count("line") == 1


@pytest.mark.parametrize("text", ["a = " + "9" * 5000, "a = " + "[" * 5000])
def test_toml_that_python_gives_up_on_is_a_fault_and_no_traceback(file: Path, text: str) -> None:
    file.write_text(text)
    (fault,) = faults(file)
    assert fault.startswith("FILE: is not valid TOML: ")


def test_text_that_is_not_utf_8_is_told_with_line_and_byte(file: Path) -> None:
    file.write_bytes(b"# caf\xc3\xa9\n# caf\xe9\n")
    assert faults(file) == ["FILE: line 2 has the byte 0xe9; allowed: UTF-8 text"]


def test_a_missing_file_is_told_with_what_to_do(file: Path) -> None:
    line = "FILE: no such file; write one, or set PF_STATUS_RELAY_INTERFACES in the environment"
    assert faults(file) == [line]
    assert faults(file, {NAMES: "a"}) == [line], "a file that was asked for must exist"


def test_faults_of_the_environment_are_told_with_those_of_reading_the_file(file: Path) -> None:
    file.write_text("interfaces =")
    told = faults(file, {INTERVAL: "1"})
    assert told[0].startswith("FILE: is not valid TOML")
    assert told[1:] == [f"environment: {INTERVAL} is 1; {INTERVAL_ALLOWED}"]


def test_the_default_file_is_missed_when_the_environment_names_no_interfaces(file: Path) -> None:
    told = faults(None, {INTERVAL: "500"})
    assert told == [f"{file}: no such file; write one, or set {NAMES} in the environment"]


@pytest.fixture
def unreadable(file: Path) -> Iterator[Path]:
    """Yield a file that the user of the test may not read; as root, the test runs as nobody meanwhile."""
    file.touch(mode=0)
    user = os.geteuid()
    os.seteuid(user or 65534)
    yield file
    os.seteuid(user)


def test_an_unreadable_file_is_a_fault(unreadable: Path) -> None:
    assert faults(unreadable) == ["FILE: cannot be read: Permission denied"]


def test_a_loop_of_symbolic_links_is_a_fault(file: Path) -> None:
    file.symlink_to(file)
    assert faults(file) == ["FILE: cannot be read: Too many levels of symbolic links"]


def test_a_path_that_no_file_can_have_is_a_fault() -> None:
    (fault,) = faults(Path("a\0b"))
    assert ": cannot be read: " in fault
    assert "null" in fault


def test_a_path_that_would_break_the_line_is_told_in_one() -> None:
    (fault,) = faults(Path("/a\nb\x1b[31m/\udcff"))
    assert fault.startswith(r"/a\nb\x1b[31m/\udcff: no such file; ")


@pytest.mark.parametrize(
    ("value", "line"),
    [
        ("9" * 5000, "FILE: is not valid TOML: a number has too many digits"),
        ("[" * 5000, "FILE: is not valid TOML: nested too deeply"),
    ],
)
def test_what_python_itself_refuses_is_told_in_words_of_the_file(file: Path, value: str, line: str) -> None:
    file.write_text(f"{A}polling_interval_ms = {value}")
    assert faults(file) == [line]


def test_a_directory_is_a_fault(tmp_path: Path) -> None:
    assert faults(tmp_path) == ["FILE: is not a regular file; allowed: a TOML file"]


def test_a_fifo_is_a_fault_and_does_not_hold_up_the_start(file: Path) -> None:
    os.mkfifo(file)
    assert stat.S_ISFIFO(file.stat().st_mode)
    assert faults(file) == ["FILE: is not a regular file; allowed: a TOML file"]


def test_a_file_that_is_too_large_is_a_fault(file: Path) -> None:
    file.write_bytes(b"#" * (1 << 16))
    assert faults(file) == [f"FILE: interfaces is missing; {NAMES_ALLOWED}"]
    file.write_bytes(b"#" * ((1 << 16) + 1))
    assert faults(file) == ["FILE: has 65537 bytes; allowed: up to 65536"]


def test_a_key_of_a_thousand_parts_is_a_fault_that_can_be_shown(file: Path) -> None:
    file.write_text(f"a{'.a' * 1000} = 1\n")
    # The nesting depth that the TOML reader accepts and json can show differs between Pythons.
    assert all(fault.startswith("FILE: ") and len(fault) < 400 for fault in faults(file))


def test_a_value_that_is_nested_deeper_than_json_can_show_is_said_to_be() -> None:
    value: object = 1
    for _ in range(200_000):
        value = {"a": value}
    assert keys.quoted(value) == "nested too deeply to show"


def test_a_key_of_more_parts_is_a_fault_before_its_reader_takes_the_square_of_them(file: Path) -> None:
    file.write_text(f"# one\na{'.a' * 1001} = 1\n")
    assert faults(file) == ["FILE: line 2 has 1001 dots; allowed: up to 1000"]


def test_what_the_reader_of_toml_says_of_a_long_key_is_cut_and_the_place_is_not(file: Path) -> None:
    file.write_text(f"[{'a' * 2000}]\n[{'a' * 2000}]\n")
    (fault,) = faults(file)
    assert len(fault) < 400
    assert fault.startswith("FILE: is not valid TOML: Cannot declare ('aaa")
    assert "aaa... (at line 2, column " in fault


def test_the_environment_does_without_a_file(file: Path) -> None:
    assert from_files(None, {NAMES: "ens5f0,ens5f1", INTERVAL: "500"}) == Config(("ens5f0", "ens5f1"), 500)
    assert from_files(None, {NAMES: "ens5f0"}) == Config(("ens5f0",), 1000)


def test_the_environment_overrides_the_file_key_by_key(file: Path) -> None:
    file.write_text("interfaces = ['a', 'b']\npolling_interval_ms = 250\n")
    assert from_files(None, {NAMES: "c"}) == Config(("c",), 250)
    assert from_files(None, {INTERVAL: "500"}) == Config(("a", "b"), 500)


def test_a_file_may_leave_the_interfaces_to_the_environment(file: Path) -> None:
    file.write_text("polling_interval_ms = 250\n")
    assert from_files(file, {NAMES: "a"}) == Config(("a",), 250)


def test_blanks_in_the_environment_are_trimmed() -> None:
    environment = {NAMES: "  ens5f0 ,\tens5f1\n", INTERVAL: " 500 "}
    assert from_files(None, environment) == Config(("ens5f0", "ens5f1"), 500)


@pytest.mark.parametrize(
    ("variable", "value", "line"),
    [
        (NAMES, "", f'environment: {NAMES} is ""; {NAMES_ALLOWED}'),
        (NAMES, " , ,", f'environment: {NAMES} is " , ,"; {NAMES_ALLOWED}'),
        (NAMES, "a b", f'environment: {NAMES}[0] is "a b"; {NAME_ALLOWED}'),
        (INTERVAL, "99", f"environment: {INTERVAL} is 99; {INTERVAL_ALLOWED}"),
        (INTERVAL, "+99", f"environment: {INTERVAL} is 99; {INTERVAL_ALLOWED}"),
        (INTERVAL, "+", f'environment: {INTERVAL} is "+"; {INTERVAL_ALLOWED}'),
        (INTERVAL, "++500", f'environment: {INTERVAL} is "++500"; {INTERVAL_ALLOWED}'),
        (INTERVAL, "1s", f'environment: {INTERVAL} is "1s"; {INTERVAL_ALLOWED}'),
        (INTERVAL, "1_000", f'environment: {INTERVAL} is "1_000"; {INTERVAL_ALLOWED}'),
        (INTERVAL, "-500", f'environment: {INTERVAL} is "-500"; {INTERVAL_ALLOWED}'),
        (INTERVAL, "٥٠٠", f'environment: {INTERVAL} is "٥٠٠"; {INTERVAL_ALLOWED}'),  # noqa: RUF001
        (INTERVAL, f"{1 << 63}", f'environment: {INTERVAL} is "{1 << 63}"; {INTERVAL_ALLOWED}'),
        (INTERVAL, "9" * 5000, f'environment: {INTERVAL} is "{"9" * 76}...; {INTERVAL_ALLOWED}'),
    ],
)
def test_a_fault_of_the_environment_names_the_variable(
    file: Path, variable: str, value: str, line: str
) -> None:
    file.write_text(A)
    assert faults(file, {variable: value}) == [line]


@pytest.mark.parametrize(
    ("environment", "wanted", "warning"),
    [
        ({NAMES: "ens5f0, ens5f1,"}, Config(("ens5f0", "ens5f1")), f"{NAMES}: 1 empty entry is dropped"),
        ({NAMES: ",a,, ,b"}, Config(("a", "b")), f"{NAMES}: 3 empty entries are dropped"),
        ({NAMES: "a,b, a,a,b"}, Config(("a", "b")), f"{NAMES}: repeated names are dropped: a, b"),
        ({NAMES: "auto,"}, Config(keys.AUTO), f"{NAMES}: 1 empty entry is dropped"),
        ({NAMES: "a", INTERVAL: ""}, Config(("a",), 1000), f'{INTERVAL} is ""; counts as not set'),
        ({NAMES: "a", INTERVAL: " "}, Config(("a",), 1000), f'{INTERVAL} is " "; counts as not set'),
        ({NAMES: "a", INTERVAL: "60001"}, Config(("a",), 60_000), f"{INTERVAL} is 60001; cut to 60000"),
        (
            {NAMES: "a", INTERVAL: f"{(1 << 63) - 1}"},
            Config(("a",), 60_000),
            f"{INTERVAL} is 9223372036854775807; cut to 60000",
        ),
    ],
)
def test_what_the_go_program_takes_is_taken_with_a_warning(
    file: Path, environment: dict[str, str], wanted: Config, warning: str
) -> None:
    for loaded in (load.from_environment(environment), from_files(None, environment)):
        assert loaded == wanted
        assert loaded.warnings == (f"environment: {warning}",)


def test_both_variables_can_have_warnings() -> None:
    loaded = load.from_environment({NAMES: "eno1, eno2,,eno1", INTERVAL: "600000"})
    assert loaded == Config(("eno1", "eno2"), 60_000)
    assert loaded.warnings == (
        f"environment: {NAMES}: 1 empty entry is dropped",
        f"environment: {NAMES}: repeated names are dropped: eno1",
        f"environment: {INTERVAL} is 600000; cut to 60000",
    )


@pytest.mark.parametrize(("text", "interval"), [("+500", 500), ("0500", 500), ("60000", 60_000)])
def test_an_interval_that_says_the_same_in_other_words_needs_no_warning(text: str, interval: int) -> None:
    loaded = load.from_environment({NAMES: " a ", INTERVAL: text})
    assert (loaded, loaded.warnings) == (Config(("a",), interval), ())


def test_an_empty_interval_leaves_what_the_file_says(file: Path) -> None:
    file.write_text(f"{A}polling_interval_ms = 250")
    loaded = from_files(file, {INTERVAL: ""})
    assert loaded.polling_interval_ms == 250
    assert loaded.origins["polling_interval_ms"] == str(file)


def test_a_warning_is_not_too_long() -> None:
    loaded = load.from_environment(
        {NAMES: ",".join([f"p{'x' * 100}"] * 2 + [f"q{'x' * 100}"] * 2 + ["r" * 120] * 2)}
    )
    (warning,) = loaded.warnings
    assert len(warning) < 400


def test_a_file_is_taken_as_strictly_as_before(file: Path) -> None:
    file.write_text("interfaces = ['a', '', 'a']\npolling_interval_ms = 60001")
    assert len(faults(file)) == 3


def test_a_name_that_is_no_text_is_refused_for_no_message_could_carry_it() -> None:
    name = os.fsdecode(b"\xff")
    (fault,) = faults(None, {NAMES: name})
    assert fault.startswith(f"environment: {NAMES}[0] is ")
    assert fault.encode(sys.getfilesystemencoding(), "backslashreplace")


def test_metrics_are_off_unless_a_file_is_named(file: Path) -> None:
    file.write_text(A)
    assert from_files(file, {}).metrics_textfile is None
    file.write_text(f"{A}metrics_textfile = '/srv/metrics/pf_status_relay.prom'")
    assert from_files(file, {}).metrics_textfile == "/srv/metrics/pf_status_relay.prom"


@pytest.mark.parametrize(
    "value",
    [
        '"pf_status_relay.prom"',
        '"/srv/metrics/pf_status_relay.txt"',
        '"/srv/metrics.prom/"',
        '"/srv/metrics/.prom"',
        '"/srv/a\\u0000.prom"',
        '""',
        "true",
        '["/srv/metrics/a.prom"]',
    ],
)
def test_metrics_take_the_absolute_path_of_a_file_that_node_exporter_reads(file: Path, value: str) -> None:
    file.write_text(f"{A}metrics_textfile = {value}")
    assert faults(file) == [
        f"FILE: metrics_textfile is {value}; allowed: the absolute path of a file named *.prom"
    ]


@pytest.mark.parametrize("milliseconds", [1500, 2500, 3000])
def test_early_detection_is_off_unless_it_is_set(file: Path, milliseconds: int) -> None:
    file.write_text(A)
    assert from_files(file, {}).early_detection_ms is None
    file.write_text(f"{A}early_detection_ms = {milliseconds}")
    assert from_files(file, {}).early_detection_ms == milliseconds


@pytest.mark.parametrize("value", ["1499", "3001", "true", "2500.0", '"2500"', "0"])
def test_early_detection_takes_half_to_the_whole_of_lacps_patience(file: Path, value: str) -> None:
    file.write_text(f"{A}early_detection_ms = {value}")
    assert faults(file) == [
        f"FILE: early_detection_ms is {value}; allowed: a whole number of milliseconds from 1500 to 3000"
    ]


def test_all_pfs_can_be_left_to_the_kernel(file: Path) -> None:
    file.write_text('interfaces = "auto"')
    assert from_files(file, {}).interfaces == from_files(None, {NAMES: " auto "}).interfaces == keys.AUTO


@pytest.mark.parametrize(
    ("name", "pattern"), [("ens*f0", True), ("ens?f0", True), ("ens[56]f0", True), ("ens5f0", False)]
)
def test_a_name_may_be_a_pattern(file: Path, name: str, pattern: bool) -> None:
    file.write_text(f'interfaces = ["{name}"]')
    assert from_files(file, {}).interfaces == (name,)
    assert keys.is_pattern(name) is pattern


def test_what_is_not_set_delays_nothing_and_restores_nothing(file: Path) -> None:
    file.write_text(A)
    assert (from_files(file, {}).restore_delay_ms, from_files(file, {}).on_stop) == (0, "leave")
    file.write_text(f'{A}restore_delay_ms = 600000\non_stop = "restore"')
    assert (from_files(file, {}).restore_delay_ms, from_files(file, {}).on_stop) == (600_000, "restore")


@pytest.mark.parametrize(
    ("least", "most", "taken"), [(1, 1, True), (10_000, 300_000, True), (0, 5, False), (6, 5, False)]
)
def test_a_limit_to_which_the_delay_cannot_grow_is_left_out_with_a_warning(
    file: Path, least: int, most: int, taken: bool
) -> None:
    file.write_text(f"{A}restore_delay_ms = {least}\nrestore_delay_max_ms = {most}")
    config = from_files(file, {})
    assert config.restore_delay_max_ms == (most if taken else None)
    assert [line.split(":")[-1] for line in config.warnings] == (
        [] if taken else [" a restore_delay_ms from 1 to restore_delay_max_ms; the limit is left out"]
    )
    if not taken:
        with pytest.raises(
            ConfigError, match=f"restore_delay_max_ms is {most} and restore_delay_ms is {least}"
        ):
            from_files(file, {}, strict=True)


@pytest.mark.parametrize("value", ['"bfdd.sock"', '""', "7", f'"/{"é" * 54}"', '"/a\\u0000b"'])
def test_a_socket_that_cannot_be_one_is_refused(file: Path, value: str) -> None:
    file.write_text(f'{A}redundancy_groups = [["a", "b"]]\nbfd_socket = {value}')
    with pytest.raises(
        ConfigError, match=r"bfd_socket is .*; allowed: the absolute path of a socket, of 107"
    ):
        from_files(file, {})


def test_bfd_without_redundancy_groups_is_an_error_that_stops_no_service(file: Path) -> None:
    file.write_text(f'{A}bfd_socket = "/run/frr/bfdd.sock"')
    config = from_files(file, {})
    assert config.bfd_socket is None
    assert config.warnings == (
        f'{file}: bfd_socket is "/run/frr/bfdd.sock" and redundancy_groups is missing; '
        "allowed: a bfd_socket beside redundancy_groups; the socket is left out",
    )
    with pytest.raises(ConfigError, match="redundancy_groups is missing"):
        from_files(file, {}, strict=True)
    file.write_text(f'{A}redundancy_groups = [["a", "b"]]\nbfd_socket = "/run/frr/bfdd.sock"')
    assert from_files(file, {}).bfd_socket == "/run/frr/bfdd.sock"


GROUPS = "allowed: a list of lists of interface names"
NAMES_OF_GROUP = "allowed: two interface names or more, or a pattern"


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ('"a"', f'redundancy_groups is "a"; {GROUPS}'),
        ('["a", "b"]', f'redundancy_groups is ["a", "b"]; {GROUPS}'),
        ('[["a"]]', f'redundancy_groups[0] is ["a"]; {NAMES_OF_GROUP}'),
        ('[["a", 1]]', "redundancy_groups[0][1] is 1; allowed: an interface name of 1 to 127 bytes"),
        ('[["a", "a"]]', 'redundancy_groups[0][1] is "a" again; allowed: a list of interface names'),
        ('[["a", "b"], ["c", "a"]]', 'redundancy_groups[1] is ["c", "a"] and "a" is in a group before it'),
    ],
)
def test_redundancy_groups_that_cannot_be_meant_are_refused(file: Path, value: str, told: str) -> None:
    file.write_text(f"{A}redundancy_groups = {value}")
    with pytest.raises(ConfigError) as caught:
        from_files(file, {})
    assert told in caught.value.faults[0]
    assert len(caught.value.faults) == 1


@pytest.mark.parametrize(
    ("value", "meant"),
    [("[]", ()), ('[["a", "b"], ["c*"]]', (("a", "b"), ("c*",))), ('[["ens5f?"]]', (("ens5f?",),))],
)
def test_redundancy_groups_are_lists_of_names_and_patterns(
    file: Path, value: str, meant: tuple[tuple[str, ...], ...]
) -> None:
    file.write_text(f"{A}redundancy_groups = {value}")
    assert from_files(file, {}).redundancy_groups == meant
