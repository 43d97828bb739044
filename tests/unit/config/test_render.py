"""The configuration as text: a written one reads back the same, and a shown one names each value's source."""

from __future__ import annotations

from pathlib import Path
from typing import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pf_status_relay.config import keys, load, render
from pf_status_relay.config.keys import Config

names: st.SearchStrategy[str] = st.text(min_size=1, max_size=10).filter(
    lambda name: keys.check_interfaces("", [name], []) != () and name.isprintable()
)


def milliseconds(key: str) -> st.SearchStrategy[int]:
    check = keys.KEYS[key].check
    assert isinstance(check, keys.Milliseconds)
    return st.integers(check.least, check.most)


def is_consistent(config: Config) -> bool:
    limit = config.restore_delay_max_ms
    limited = limit is None or 0 < config.restore_delay_ms <= limit
    return limited and (config.bfd_socket is None or config.redundancy_groups is not None)


configurations: st.SearchStrategy[Config] = st.builds(
    Config,
    st.lists(names, min_size=1, unique=True, max_size=4).map(tuple) | st.just(keys.AUTO),
    milliseconds("polling_interval_ms"),
    st.none() | milliseconds("early_detection_ms"),
    milliseconds("restore_delay_ms"),
    st.none() | milliseconds("restore_delay_max_ms"),
    st.sampled_from([None, (("a", "b"),), (("a*",), ("b", "c", "d"))]),
    st.none() | st.just("/run/frr/bfdd.sock"),
    st.booleans(),
    st.sampled_from([keys.LEAVE, keys.RESTORE]),
    st.none() | st.just("/run/pf.prom"),
).filter(is_consistent)


@settings(deadline=None)
@given(configurations, st.sampled_from([render.toml, render.explained]))
def test_a_configuration_survives_its_text(
    tmp_path_factory: pytest.TempPathFactory, wanted: Config, as_text: Callable[[Config], str]
) -> None:
    path = tmp_path_factory.mktemp("text") / "relay.toml"
    path.write_text(as_text(wanted), encoding="utf-8")
    assert load.from_files(path, {}) == wanted


def test_what_is_as_by_default_is_left_out_of_a_file() -> None:
    text = render.toml(Config(("ens5f0",)))
    assert text == 'interfaces = [\n    "ens5f0",\n]\npolling_interval_ms = 1000\n'


def test_what_is_shown_says_of_each_key_where_its_value_is_from(tmp_path: Path) -> None:
    path = tmp_path / "relay.toml"
    path.write_text('interfaces = "auto"\non_stop = "restore"')
    displayed = render.explained(load.from_files(path, {load.INTERVAL_VARIABLE: "500"}))
    assert displayed.splitlines() == [
        f"# {path}",
        'interfaces = "auto"',
        "# PF_STATUS_RELAY_POLLING_INTERVAL",
        "polling_interval_ms = 500",
        "# default",
        "# early_detection_ms is off",
        "# default",
        "restore_delay_ms = 0",
        "# default",
        "# restore_delay_max_ms is off",
        "# default",
        "# redundancy_groups is off",
        "# default",
        "# bfd_socket is off",
        "# default",
        "multi_port_bonds = false",
        f"# {path}",
        'on_stop = "restore"',
        "# default",
        "# metrics_textfile is off",
    ]
