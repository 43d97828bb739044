"""Makes scenarios of the test functions that use the `lab` fixture."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.guest import system
from tests.lab.guest.scenario import INSIDE, Scenario, write_report
from tests.lab.kit import tracing
from tests.lab.kit.lab import RESULTS, Lab
from tests.lab.kit.service import text as journal_text

HERE = Path(__file__).parent


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers that say what a guest is like, and refuse a system that it cannot have."""
    config.addinivalue_line(
        "markers",
        "systemd: PID 1 of the guest is systemd, and the service is installed; with install=False it is not, "
        "for the scenario to install the RPM; with network_manager=True NetworkManager is there, too",
    )
    config.addinivalue_line(
        "markers", "host_python: what it runs was made by the host's Python, so the guest has to have that"
    )
    config.addinivalue_line("markers", "real_time: the guest's clock is the host's, not virtual")
    name = system.chosen()
    if name is not None and name not in system.NAMES:
        raise pytest.UsageError(f"the lab's guests can have the system {', '.join(system.NAMES)}, not {name}")


def pytest_report_header() -> str | None:
    """Report it if guests have another system than the host."""
    name = system.chosen()
    return None if name is None else f"guests: {system.NAMES[name]} in {system.root(name)}"


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
    """Return the guest's network, and the program in it."""
    tracing.trace_service()
    guest_lab = Lab()
    try:
        yield guest_lab
    finally:
        guest_lab.close()
