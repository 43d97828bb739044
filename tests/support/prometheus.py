"""The real node_exporter and Prometheus, on loopback and in folders of their own."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Callable
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import ProxyHandler, build_opener

import pytest

from tests.support.tools import NODE_EXPORTER, PROMETHEUS

HANG_S = 120
"""Seconds after which a wait counts as hung. It measures nothing: each wait takes a second or two."""

COLLECTORS = ("--collector.disable-defaults", "--collector.textfile", "--collector.time")
"""Options for what node_exporter collects here, and in contrib/examples/openshift-metrics.yaml."""

_POLL_S = 0.05
_open = build_opener(ProxyHandler({})).open


class Prometheus:
    """A Prometheus that scrapes one node_exporter ten times a second, and evaluates rules as often.

    `folder` is the textfile folder of that node_exporter.
    """

    def __init__(self, url: str, folder: Path) -> None:
        self.folder = folder
        self._url = url

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Return the result of a PromQL expression: an instant vector."""
        result: list[dict[str, Any]] = self._ask("query", query=expression)["result"]
        return result

    def ringing(self, *states: str) -> set[str]:
        """Return the names of the alerts in these states (firing, pending), by default of those that fire."""
        alerts = self._ask("alerts")["alerts"]
        return {each["labels"]["alertname"] for each in alerts if each["state"] in (states or ("firing",))}

    def summaries(self) -> list[str]:
        """Return the summaries of the alerts that fire."""
        alerts = self._ask("alerts")["alerts"]
        return sorted(each["annotations"]["summary"] for each in alerts if each["state"] == "firing")

    def evaluations(self) -> int:
        """Return how often the rules have been evaluated."""
        counters = self.query("sum(prometheus_rule_group_iterations_total)")
        return int(counters[0]["value"][1]) if counters else 0

    def wait_until(
        self, condition: Callable[[], object], what: str, meanwhile: Callable[[], object] = lambda: None
    ) -> None:
        """Wait until a condition holds; do something between two checks."""
        end = time.monotonic() + HANG_S
        while not condition():
            meanwhile()
            assert time.monotonic() < end, f"{what} did not come; alerts firing: {self.summaries()}"
            time.sleep(_POLL_S)

    def _ask(self, what: str, **arguments: str) -> Any:
        with _open(f"{self._url}/api/v1/{what}?{urlencode(arguments)}") as answer:
            return json.load(answer)["data"]


@contextmanager
def running(folder: Path, rules: str) -> Iterator[Prometheus]:
    """Run both programs, without privileges and with these rules, until the context ends."""
    textfiles, data = folder / "textfiles", folder / "data"
    textfiles.mkdir()
    exporter, server = _free_address(), _free_address()
    (folder / "rules.yml").write_text(rules)
    (folder / "prometheus.yml").write_text(_configuration(exporter, server))
    with ExitStack() as stack:
        _run(
            stack,
            folder / "node_exporter.log",
            *(
                NODE_EXPORTER,
                f"--web.listen-address={exporter}",
                f"--collector.textfile.directory={textfiles}",
            ),
            *COLLECTORS,
        )
        _run(
            stack,
            folder / "prometheus.log",
            *(PROMETHEUS, f"--web.listen-address={server}", f"--config.file={folder / 'prometheus.yml'}"),
            f"--storage.tsdb.path={data}",
        )
        prometheus = Prometheus(f"http://{server}", textfiles)
        prometheus.wait_until(lambda: _scrapes(prometheus), f"the first scrape; logs are in {folder}")
        yield prometheus


def _scrapes(prometheus: Prometheus) -> bool:
    try:
        return any(each["value"][1] == "1" for each in prometheus.query('up{job="node"}'))
    except URLError:
        return False


def _run(stack: ExitStack, log: Path, *command: str) -> None:
    """Start a program that ends with the stack. As root it has no capabilities, so that file modes apply."""
    if not Path(command[0]).exists():
        pytest.fail(f"{command[0]} is missing: run tests/setup")
    without = ("setpriv", "--bounding-set=-all", "--inh-caps=-all") if os.geteuid() == 0 else ()
    output = stack.enter_context(log.open("w"))
    process = subprocess.Popen(
        [*without, *command], stdout=output, stderr=output, env={"PATH": "/usr/bin:/bin"}
    )
    stack.callback(process.wait)
    stack.callback(process.terminate)


def _free_address() -> str:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{listener.getsockname()[1]}"


def _configuration(exporter: str, server: str) -> str:
    return json.dumps(  # JSON is valid YAML, too
        {
            "global": {"scrape_interval": "100ms", "scrape_timeout": "100ms", "evaluation_interval": "100ms"},
            "rule_files": ["rules.yml"],
            "scrape_configs": [
                {"job_name": "node", "static_configs": [{"targets": [exporter]}]},
                {"job_name": "prometheus", "static_configs": [{"targets": [server]}]},
            ],
        }
    )
