"""What is known of drivers, and the messages about VFs that they leave out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pf_status_relay.cli import diagnosis
from pf_status_relay.cli.drivers import NEVER, WORKS, of_driver
from pf_status_relay.cli.findings import Finding, Verdict
from pf_status_relay.kernel.driver import Driver
from tests.support.facts import GOOD


@pytest.mark.parametrize(
    ("driver", "verdict", "found"),
    [
        (Driver("ixgbe", "", ""), Verdict.PASSED, f"driver ixgbe: {WORKS['ixgbe']}"),
        (
            Driver("ice", "4.40", "legacy"),
            Verdict.PASSED,
            f"driver ice, firmware 4.40, eswitch mode legacy: {WORKS['ice']}",
        ),
        (
            Driver("ice", "", "switchdev"),
            Verdict.PASSED,
            f"driver ice, eswitch mode switchdev: {WORKS['ice']}",
        ),
        (
            Driver("mlx5_core", "", "switchdev"),
            Verdict.WARNING,
            "driver mlx5_core, eswitch mode switchdev: in this mode it sets no VF link states, "
            "and reads all as disable",
        ),
        (Driver("igb", "", ""), Verdict.WARNING, "driver igb: in Linux 6.12 it sets no VF link states"),
        (
            Driver("newnic", "", ""),
            Verdict.PASSED,
            "driver newnic: nothing is known of it; docs/drivers.md says how to try it",
        ),
    ],
)
def test_a_line_says_what_is_known_of_a_driver(driver: Driver, verdict: Verdict, found: str) -> None:
    line = of_driver("ens5f0", driver)
    assert (line.verdict, line.found) == (verdict, found)
    assert bool(line.fix) is (verdict is not Verdict.PASSED)
    assert line in diagnosis.of_interface("ens5f0", GOOD, driver=driver)


def test_vfs_that_a_reset_hides_are_no_list_that_is_too_long() -> None:
    hidden = replace(GOOD, vf_count=4, vfs_listed=0, vfs=())
    (line,) = [each for each in diagnosis.of_interface("ens5f0", hidden) if each.verdict is Verdict.WARNING]
    assert line == Finding(
        "ens5f0",
        Verdict.WARNING,
        "the driver leaves 4 of its 4 VFs out of the list, as in a reset",
        "if it stays so, look for messages of the driver: journalctl -k",
    )


def test_a_list_that_is_too_long_is() -> None:
    long = replace(GOOD, vf_count=335, vfs_listed=2)
    found = [each.fix for each in diagnosis.of_interface("ens5f0", long) if each.verdict is Verdict.WARNING]
    assert found == ["create at most 334 VFs"]


def test_the_page_on_drivers_has_every_driver() -> None:
    page = (Path(__file__).parents[3] / "docs" / "drivers.md").read_text()
    assert [name for name in (*WORKS, *NEVER) if f"`{name}`" not in page] == []
