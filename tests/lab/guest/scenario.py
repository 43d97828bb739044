"""A scenario: a test function that uses the `lab` fixture, run in a guest of its own.

On the host pytest sees a Scenario in the function's place. It boots a guest, in which pytest runs that one
test again, this time for real, and reports back in a file. See scenarios/README.md.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.lab.guest import guest, kernel, system
from tests.lab.kit import package, tracing

INSIDE = "PF_STATUS_RELAY_LAB_INSIDE"
"""Environment variable that is set in a guest."""
REPORT = "report"
TIMEOUT = 180.0
"""Seconds of the host after which a guest is taken for hung."""
COMMAND = (
    *(
        "-m",
        "pytest",
        "-q",
        "--no-header",
        "--no-summary",
        "--runxfail",
        "-o",
        "addopts=",
        "-p",
        "no:cacheprovider",
    ),
    *("-p", "no:faulthandler"),
)


class ScenarioFailed(Exception):
    """A scenario that failed in its guest; the message is what a person needs to see."""


class Scenario(pytest.Item):
    """Stands on the host for a test function that runs in a guest."""

    def __init__(self, *, function: pytest.Function, **words: Any) -> None:
        super().__init__(**words)
        self._location = function.reportinfo()
        self.own_markers.extend(function.own_markers)
        self.keywords.update(function.keywords)

    def reportinfo(self) -> tuple[os.PathLike[str] | str, int | None, str]:
        """Return where the function is."""
        return self._location

    def runtest(self) -> None:
        """Boot the guest, and pass, skip or fail as the test does there."""
        reason = unavailable()
        if reason is not None:
            if os.environ.get("CI"):
                raise ScenarioFailed(f"the lab cannot run, and CI must not skip it: {reason}")
            pytest.skip(f"THE LAB CANNOT RUN, nothing of it is tested: {reason}")
        systemd = self.get_closest_marker("systemd")
        words = systemd.kwargs if systemd else {}
        install = bool(words.get("install", True))
        if not install:
            self._build_package()
        folder = guest.results_folder()
        environment = {INSIDE: "1", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", **tracing.environment()}
        python, root, name = guest.python(), Path("/"), system.chosen()
        if name is not None:
            environment[guest.SYSTEM_VARIABLE] = name
            python, root = f"/{guest.SYSTEM_ENVIRONMENT}/bin/python", system.root(name)
        try:
            result = guest.run(
                [python, *COMMAND, self.nodeid],
                kernel=kernel.kernel(),
                folder=folder,
                virtual_time=self.get_closest_marker("real_time") is None,
                systemd=systemd is not None,
                install=install,
                network_manager=bool(words.get("network_manager", False)),
                cpu=own_cpu(),
                timeout=TIMEOUT,
                environment=environment,
                root=root,
            )
        except (guest.GuestError, kernel.KernelError) as error:
            self._keep(folder)
            raise ScenarioFailed(str(error)) from None
        except KeyboardInterrupt:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        finally:
            tracing.keep(folder, self.nodeid)
        self._judge(result)
        shutil.rmtree(folder, ignore_errors=True)

    def _build_package(self) -> None:
        try:
            package.build()
        except package.PackageError as error:
            raise ScenarioFailed(str(error)) from None

    def _judge(self, result: guest.Result) -> None:
        """Pass, skip or fail as the test did in the guest."""
        reports = read_reports(result.folder)
        failures = [report["text"] for report in reports if report["outcome"] == "failed"]
        passed = any(report["when"] == "call" and report["outcome"] == "passed" for report in reports)
        if result.status == 0 and passed and not failures:
            return
        skips = [report["text"] for report in reports if report["outcome"] == "skipped"]
        if result.status == 0 and skips:
            shutil.rmtree(result.folder, ignore_errors=True)
            pytest.skip(skips[0])
        self._keep(result.folder)
        text = "\n\n".join(failures)
        raise ScenarioFailed(text or f"pytest in the guest ended with status {result.status}")

    def _keep(self, folder: Path) -> None:
        """Show what a failed scenario left, and where."""
        logs = sorted([*folder.glob("relay-*.log"), *folder.glob("relay-*.err")])
        for path in (folder / "output", *logs, folder / "journal", folder / "timeline", folder / "console"):
            text = guest.read_text(path)
            if text.strip():
                self.add_report_section("call", path.name, "\n".join(guest.last_lines(text, 60)))
        self.add_report_section("call", "results", f"kept in {folder}")

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Return what a person sees of a failure."""
        if isinstance(excinfo.value, ScenarioFailed):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)


def unavailable() -> str | None:
    """Return why no guest can be booted here, in one line; None if one can."""
    reason = guest.cannot_run()
    if reason is None and kernel.cached() is None:
        reason = "its kernel is not built: python -m tests.lab.guest.kernel"
    name = system.chosen()
    if reason is None and name is not None and not system.root(name).exists():
        reason = f"its system is not there: python -m tests.lab.guest.system {name}"
    return reason


def own_cpu() -> int:
    """Return the CPU of this pytest-xdist worker, the last one of all without xdist."""
    cpus = sorted(os.sched_getaffinity(0))
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    number = int(worker[2:]) if worker[2:].isdigit() else -1
    return cpus[number % len(cpus)]


def write_report(folder: Path, report: pytest.TestReport) -> None:
    """Add the outcome of one phase of the test to what the host will read. Runs in the guest."""
    text = report.longreprtext
    if report.skipped and isinstance(report.longrepr, tuple):
        text = report.longrepr[2]
    if report.failed:
        text = "\n".join([text, *(f"-- {title} --\n{content}" for title, content in report.sections)])
    with (folder / REPORT).open("a") as file:
        file.write(json.dumps({"when": report.when, "outcome": report.outcome, "text": text}) + "\n")


def read_reports(folder: Path) -> list[dict[str, str]]:
    """Return the outcomes of the test's phases. Runs on the host."""
    return [json.loads(line) for line in guest.read_text(folder / REPORT).splitlines()]
