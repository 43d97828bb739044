"""The shipped unit and configuration, as far as they can be checked without running them."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from pf_status_relay.config import keys, load

CHECKOUT = Path(__file__).parents[2]
UNIT = CHECKOUT / "systemd" / "pf-status-relay.service"
EXPOSURE_ALLOWED = 1.1
"""Maximum of systemd's exposure rating of the unit's sandbox, from 0 (the host is not exposed) to 10."""


@pytest.fixture(scope="module")
def unit() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment]
    parser.read(UNIT)
    return parser


def test_systemd_finds_little_exposed() -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.fail("systemd-analyze is missing: install systemd")
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", str(UNIT)],
        capture_output=True,
        text=True,
        check=False,
    )
    rating = re.search(r"Overall exposure level for \S+: (\d+\.\d+)", done.stdout)
    assert rating, done.stdout + done.stderr
    assert float(rating.group(1)) <= EXPOSURE_ALLOWED, done.stdout


def test_it_waits_for_no_other_unit(unit: configparser.ConfigParser) -> None:
    assert not {"After", "Requires", "Wants", "BindsTo"} & set(unit["Unit"])


def test_sigterm_is_for_the_service_and_not_for_what_it_asks_systemd_with(
    unit: configparser.ConfigParser,
) -> None:
    """Refuse the default, control-group: systemd would end the systemctl that tells a stop from a restart."""
    assert unit["Service"]["KillMode"] == "mixed"


def test_it_is_restarted_for_ever_but_not_for_a_bad_configuration(unit: configparser.ConfigParser) -> None:
    assert unit["Unit"]["StartLimitIntervalSec"] == "0"
    assert unit["Service"]["Restart"] == "always"
    assert unit["Service"]["RestartSec"] == "1"
    assert unit["Service"]["RestartPreventExitStatus"] == "78"


def test_the_shipped_configuration_is_valid() -> None:
    shipped = load.from_files(CHECKOUT / "etc" / "pf-status-relay.toml", {})
    assert shipped == keys.Config(("ens5f0", "ens5f1"), 1000)
