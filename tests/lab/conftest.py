"""Makes scenarios of the test functions that use the `lab` fixture."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.guest.scenario import INSIDE, Scenario, write_report
from tests.lab.kit import tracing
from tests.lab.kit.lab import RESULTS, Lab
from tests.lab.kit.service import text as journal_text

HERE = Path(__file__).parent


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers that say what a scenario's guest is like."""
    config.addinivalue_line(
        "markers",
        "systemd: PID 1 of the guest is systemd, and the service is installed; with install=False it is not, "
        "for the scenario to install the RPM; with network_manager=True NetworkManager is there, too",
    )
    config.addinivalue_line("markers", "real_time: the guest's clock is the host's, not virtual")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """On the host, put a scenario in the place of each test function that uses the lab."""
    if os.environ.get(INSIDE):
        return
    for number, item in enumerate(items):
        if isinstance(item, pytest.Function) and "lab" in item.fixturenames and HERE in item.path.parents:
            assert item.parent is not None
            items[number] = Scenario.from_parent(item.parent, name=item.name, function=item)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """In the guest, tell the host what became of the test."""
    if not os.environ.get(INSIDE):
        return
    write_report(RESULTS, report)
    if report.failed and Path("/run/systemd/system").exists():
        (RESULTS / "journal").write_text(journal_text())


@pytest.fixture
def lab() -> Iterator[Lab]:
    """The guest's network, and the program in it."""
    tracing.trace_service()
    guest_lab = Lab()
    try:
        yield guest_lab
    finally:
        guest_lab.close()
