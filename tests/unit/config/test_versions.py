"""Files of other versions: upgrades accept them, and so do downgrades.

A node that goes back to an older version keeps the file of the newer one. The older version ignores the keys
that it does not know, and relays. This needs three promises, from 0.1.0 on: each version accepts the files of
earlier ones, and they mean the same; a new feature gets a new key, and no key gets values that 0.1.0 refuses;
and no new key resembles another key, or the version before would take it for a typo.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from pf_status_relay.config import load
from pf_status_relay.config.keys import KEYS, Config
from pf_status_relay.config.load import ConfigError, from_files, resembled


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "relay.toml"


# A file of 0.1.0, read by this version. Never change these files; add what later versions can have.

LEAST = """\
interfaces = ["ens5f0"]
polling_interval_ms = 100
early_detection_ms = 1500
restore_delay_ms = 0
on_stop = "leave"
metrics_textfile = "/a.prom"
"""
MOST = """\
interfaces = ["ens5f1", "ens6f*", "an-alternative-name", "bond0.100"]
polling_interval_ms = 60000
early_detection_ms = 3000
restore_delay_ms = 600000
on_stop = "restore"
metrics_textfile = "/var/lib/node_exporter/textfile_collector/pf-status-relay.prom"
"""
TEXTFILE = "/var/lib/node_exporter/textfile_collector/pf-status-relay.prom"


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        (
            'interfaces = ["ens5f0"]',
            Config(("ens5f0",), 1000, None, 0, None, None, None, False, "leave", None),
        ),
        ('interfaces = "auto"', Config(("auto",))),
        (LEAST, Config(("ens5f0",), 100, 1500, 0, None, None, None, False, "leave", "/a.prom")),
        (
            MOST,
            Config(
                ("ens5f1", "ens6f*", "an-alternative-name", "bond0.100"),
                60000,
                3000,
                600000,
                None,
                None,
                None,
                False,
                "restore",
                TEXTFILE,
            ),
        ),
    ],
)
def test_a_file_of_0_1_0_means_what_it_meant(file: Path, text: str, meant: Config) -> None:
    file.write_text(text)
    loaded = from_files(file, {})
    assert loaded == meant
    assert loaded.warnings == ()


# A file of a later version, read by this one


@pytest.mark.parametrize(
    "later",
    [
        "quorum = 2",
        'vf_groups = ["a", "b"]',
        "[zones]\na = 1\nb.c = 2",
        "[[switch]]\nname = 'a'",
        "[log.journal]",
    ],
)
def test_a_key_of_a_later_version_is_left_out_with_a_warning_and_all_else_counts(
    file: Path, later: str
) -> None:
    file.write_text(MOST + later)
    loaded = from_files(file, {})
    file.write_text(MOST)
    assert loaded == from_files(file, {})
    (warning,) = loaded.warnings
    assert "unknown key" in warning
    assert warning.endswith("; the key is left out")
    assert "\n" not in warning


def test_in_a_drop_in_of_any_folder_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = tuple(tmp_path / name for name in ("etc.d", "run.d", "usr.d"))
    for number, folder in enumerate(folders):
        folder.mkdir()
        (folder / f"{number}.toml").write_text('interfaces = ["a"]\nquorum = 2')
    monkeypatch.setattr(load, "DEFAULT_PATH", tmp_path / "missing")
    loaded = from_files(None, {}, folders)
    assert loaded == Config(("a",))
    assert len(loaded.warnings) == 3


@pytest.mark.parametrize(
    "typo",
    [
        *("interface", "Interfaces", "ifaces", "interfaces_"),
        *("polling_interval", "polling-interval-ms", "poll_interval_ms", "interval_ms", "PollingIntervalMs"),
        *("early_detection", "earlydetection_ms", "restore_delay", "restore_ms", "onstop", "on-stop"),
        *("metrics_file", "metric_textfile"),
    ],
)
def test_a_key_that_resembles_a_known_one_is_a_typo_and_an_error(file: Path, typo: str) -> None:
    file.write_text(f'interfaces = ["a"]\n{typo} = 1')
    told = f'unknown key "{typo}" with the value 1; did you mean [a-z_]+[?] allowed: [^;]*$'
    with pytest.raises(ConfigError, match=told):
        from_files(file, {})


def test_a_person_can_have_each_unknown_key_refused(file: Path) -> None:
    file.write_text('interfaces = ["a"]\nquorum = 2')
    with pytest.raises(ConfigError, match=r'unknown key "quorum" with the value 2; allowed: [^;]*$'):
        from_files(file, {}, strict=True)


# What a later version must not do


KEYS_OF_0_1_0 = (
    "interfaces",
    "polling_interval_ms",
    "early_detection_ms",
    "restore_delay_ms",
    "restore_delay_max_ms",
    "redundancy_groups",
    "bfd_socket",
    "multi_port_bonds",
    "on_stop",
    "metrics_textfile",
)
"""The keys of 0.1.0. Until its release add each new key here: no earlier version could misread it."""


def test_no_later_key_resembles_another_one() -> None:
    """Rename a new key for which this fails: the version before would take it for a typo."""
    for key in KEYS.keys() - set(KEYS_OF_0_1_0):
        assert resembled(key, KEYS.keys() - {key}) is None


def test_no_key_of_0_1_0_is_gone() -> None:
    assert KEYS.keys() >= set(KEYS_OF_0_1_0)


@pytest.mark.parametrize(
    "refused",
    [
        *(
            "interfaces = []",
            'interfaces = "all"',
            "interfaces = {}",
            'interfaces = ["a/b"]',
            "interfaces = [1]",
        ),
        *("polling_interval_ms = 99", "polling_interval_ms = 60001", 'polling_interval_ms = "1s"'),
        *("early_detection_ms = 1499", "early_detection_ms = 3001", "early_detection_ms = false"),
        *("restore_delay_ms = -1", "restore_delay_ms = 600001", "restore_delay_ms = 1.5"),
        *('redundancy_groups = "a"', "redundancy_groups = [[]]", 'redundancy_groups = ["a"]'),
        *("bfd_socket = true", 'bfd_socket = "relative"', 'bfd_socket = ""'),
        *("multi_port_bonds = 1", 'multi_port_bonds = "true"'),
        *('on_stop = "enable"', "on_stop = true", "on_stop = {}"),
        *('metrics_textfile = "a.prom"', 'metrics_textfile = "/a.txt"', "metrics_textfile = false"),
    ],
)
def test_no_key_takes_a_value_that_0_1_0_refuses(file: Path, refused: str) -> None:
    """Use a new key for a new value that fails here: the version before would refuse the whole file."""
    first = "" if refused.startswith("interfaces") else 'interfaces = ["a"]\n'
    file.write_text(first + refused)
    with pytest.raises(ConfigError):
        from_files(file, {})
