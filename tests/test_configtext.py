"""The configuration as text: what is written is read again, and what is shown says where it is from."""

from __future__ import annotations

from pathlib import Path
from typing import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pf_status_relay import config, configtext
from pf_status_relay.config import Config

names: st.SearchStrategy[str] = st.text(min_size=1, max_size=10).filter(
    lambda name: config.interfaces_at("", [name], []) != () and name.isprintable()
)
configurations = st.builds(
    Config,
    st.lists(names, min_size=1, unique=True, max_size=4).map(tuple) | st.just(config.AUTO),
    st.integers(config.MIN_INTERVAL_MS, config.MAX_INTERVAL_MS),
    st.none() | st.integers(config.MIN_EARLY_DETECTION_MS, config.MAX_EARLY_DETECTION_MS),
    st.integers(0, config.MAX_RESTORE_DELAY_MS),
    st.sampled_from([config.LEAVE, config.RESTORE]),
    st.none() | st.just("/run/pf.prom"),
)


@settings(deadline=None)
@given(configurations, st.sampled_from([configtext.toml, configtext.explained]))
def test_a_configuration_survives_its_text(
    tmp_path_factory: pytest.TempPathFactory, wanted: Config, as_text: Callable[[Config], str]
) -> None:
    path = tmp_path_factory.mktemp("text") / "relay.toml"
    path.write_text(as_text(wanted), encoding="utf-8")
    assert config.load(path, {}) == wanted


def test_what_is_as_by_default_is_left_out_of_a_file() -> None:
    text = configtext.toml(Config(("ens5f0",)))
    assert text == 'interfaces = [\n    "ens5f0",\n]\npolling_interval_ms = 1000\n'


def test_what_is_shown_says_of_each_key_where_its_value_is_from(tmp_path: Path) -> None:
    path = tmp_path / "relay.toml"
    path.write_text('interfaces = "auto"\non_stop = "restore"')
    shown = configtext.explained(config.load(path, {config.INTERVAL_VARIABLE: "500"}))
    assert shown.splitlines() == [
        f"# {path}",
        'interfaces = "auto"',
        "# PF_STATUS_RELAY_POLLING_INTERVAL",
        "polling_interval_ms = 500",
        "# default",
        "# early_detection_ms is off",
        "# default",
        "restore_delay_ms = 0",
        f"# {path}",
        'on_stop = "restore"',
        "# default",
        "# metrics_textfile is off",
    ]
