"""The alerts and the dashboard, on files of the service's metrics, in the real node_exporter and Prometheus.

The rules are those of docs/alerts.yml with shorter times: each `for:` is 0.3 seconds, each window of minutes
two seconds. The day of PfStatusRelaySilent is unchanged; an old file is one with an old time in it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Callable

import pytest
import yaml

from contrib import generate
from pf_status_relay.core.decision import Policy
from pf_status_relay.core.drain import Drain
from pf_status_relay.core.facts import Unreadable, VfLinkState
from pf_status_relay.service.metrics import Textfile
from tests.support import prometheus
from tests.support.facts import DOWN, UP
from tests.support.prometheus import Prometheus
from tests.support.relayed import Relayed
from tests.support.world import pf

ALERTS = Path(__file__).parents[2] / "docs" / "alerts.yml"
AUTO, ENABLE, DISABLE = VfLinkState
HEALTHY = pf(5, UP, AUTO, AUTO)
OUTAGE = pf(5, DOWN, DISABLE, DISABLE)
OUT_OF_ITS_BOND = replace(HEALTHY, master=None)
LEFT = replace(OUTAGE, master=None)
EVALUATIONS = 12
"""Number of rule evaluations that let an alert become pending and fire."""


def shortened(rules: str) -> str:
    """Shorten each `for:` of the rules to 0.3 seconds, and each window of minutes to two seconds."""
    rules = re.sub(r"\[\d+m\]", "[2s]", rules)
    return re.sub(r"\bfor: \w+$", "for: 300ms", rules, flags=re.MULTILINE)


class Host:
    """A host with one PF. During each wait its file is written repeatedly, as the service does."""

    def __init__(self, monitoring: Prometheus) -> None:
        self.monitoring = monitoring
        self.path = monitoring.folder / "pf_status_relay.prom"
        self.fired: set[str] = set()
        self.restart()

    def restart(self, path: Path | None = None, age_s: float = 0.0) -> None:
        """Begin with new metrics, in a file whose time is `age_s` seconds ago."""
        self.textfile = Textfile(str(path or self.path), lambda: time.time() - age_s)
        self.pf = Relayed(self.textfile)
        self.write = True

    def wait_until(self, condition: Callable[[], object], what: str, each_time: Callable[[], None]) -> None:
        """Wait until a condition holds, and write the file meanwhile."""

        def meanwhile() -> None:
            each_time()
            if self.write:
                assert self.textfile.write(now=0.0) is None

        self.monitoring.wait_until(condition, what, meanwhile)

    def rings(self, *alerts: str, each_time: Callable[[], None] = lambda: None) -> list[str]:
        """Wait until exactly these alerts fire; return their summaries."""
        expected = {f"PfStatusRelay{alert}" for alert in alerts}
        what = f"firing of {sorted(expected)} alone"
        self.wait_until(lambda: self.monitoring.ringing() == expected, what, each_time)
        self.fired |= expected
        return self.monitoring.summaries()

    def is_quiet(self) -> None:
        """Start again with a healthy PF, and wait until no alert is left."""
        self.restart()
        self.pf.look(HEALTHY)
        self.wait_until(
            lambda: not self.monitoring.ringing("firing", "pending"), "the end of all alerts", lambda: None
        )

    def stays_quiet(self) -> None:
        """Write the current metrics, and check that no alert becomes pending in EVALUATIONS evaluations."""
        assert self.textfile.write(now=0.0) is None
        written = self.path.stat().st_mtime
        scraped = f"max(pf_status_relay_written_timestamp_seconds) >= {written}"
        self.wait_until(lambda: self.monitoring.query(scraped), "a scrape", lambda: None)
        seen: set[str] = set()
        end = self.monitoring.evaluations() + EVALUATIONS
        self.wait_until(
            lambda: self.monitoring.evaluations() >= end,
            "evaluations",
            lambda: seen.update(self.monitoring.ringing("firing", "pending")),
        )
        assert seen == set()


@pytest.fixture(scope="module")
def monitoring(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    with prometheus.running(tmp_path_factory.mktemp("monitoring"), shortened(ALERTS.read_text())) as running:
        yield running


@pytest.fixture
def host(monitoring: Prometheus) -> Iterator[Host]:
    host = Host(monitoring)
    host.is_quiet()
    yield host
    for file in monitoring.folder.iterdir():
        file.unlink()


def test_every_alert_fires_and_resolves(host: Host) -> None:
    host.pf.look(OUTAGE)
    host.rings("LacpDown")
    host.is_quiet()

    host.pf.look(pf(5, DOWN, AUTO, AUTO), "Operation not supported")
    host.rings("LacpDown", "VfsNotFollowing")
    host.is_quiet()

    def flap() -> None:
        for port in (DOWN, UP):
            host.pf.look(pf(5, port))

    host.rings("LacpFlapping", each_time=flap)
    host.is_quiet()

    host.pf.look(OUT_OF_ITS_BOND)
    host.rings("NotReady")
    host.is_quiet()

    host.pf.look(OUTAGE)
    host.pf.look(LEFT)
    host.rings("NotReady", "VfsLeftDisabled")
    host.is_quiet()

    host.rings("Unreadable", each_time=lambda: host.pf.look(Unreadable("Connection timed out")))
    host.is_quiet()

    host.restart()

    def fail() -> None:
        for _ in range(4):
            host.textfile.netlink_failed()

    host.rings("NetlinkErrors", each_time=fail)
    host.is_quiet()

    host.restart(age_s=3600)
    host.pf.look(HEALTHY)
    host.rings("Stale")
    host.is_quiet()

    host.write = False
    host.path.unlink()
    host.rings("Silent")
    host.is_quiet()

    with older_file(host, "a.prom"):
        host.rings("SecondFile")
    host.is_quiet()

    (group,) = yaml.safe_load(ALERTS.read_text())["groups"]
    assert host.fired == {rule["alert"] for rule in group["rules"]}


@pytest.mark.parametrize("fault", ["missing", "empty", "unreadable", "damaged"])
def test_a_file_that_is_lost_in_an_outage_rings_when_the_outage_no_longer_can(host: Host, fault: str) -> None:
    host.pf.look(OUTAGE)
    host.rings("LacpDown")
    host.write = False
    if fault == "missing":
        host.path.unlink()
    elif fault == "empty":
        host.path.write_text("")
    elif fault == "unreadable":
        host.path.chmod(0)
    else:
        host.path.write_text(host.path.read_text() + "pf_status_relay_ready{interface=\n")
    assert host.rings("Silent")[0].endswith("node_exporter shows no metrics of pf-status-relay any more")
    errors = host.monitoring.query("node_textfile_scrape_error")[0]["value"][1]
    assert errors == ("1" if fault in ("unreadable", "damaged") else "0")


@contextmanager
def older_file(host: Host, name: str) -> Iterator[None]:
    """Add a second file, an hour old, beside the one that is written."""
    path = host.monitoring.folder / name
    textfile = Textfile(str(path), lambda: time.time() - 3600)
    Relayed(textfile).look(HEALTHY)
    assert textfile.write(now=0.0) is None
    yield
    path.unlink()


@pytest.mark.parametrize("name", ["a.prom", "z.prom"])
def test_a_second_older_file_is_told_apart_wherever_it_comes_by_name(host: Host, name: str) -> None:
    with older_file(host, name):
        (said,) = host.rings("SecondFile")
        assert f"{host.monitoring.folder / name} is an older file" in said


@pytest.mark.parametrize("name", ["a.prom", "z.prom"])
def test_a_service_that_ends_beside_an_older_file_is_stale_too(host: Host, name: str) -> None:
    host.restart(age_s=600)
    host.pf.look(HEALTHY)
    with older_file(host, name):
        host.rings("SecondFile", "Stale")


def test_a_drain_a_delayed_restoring_and_one_failed_read_ring_nothing(host: Host) -> None:
    host.pf.drains = (Drain("ens5f0", "alice"),)
    for facts in (OUTAGE, *[pf(5, UP, DISABLE, DISABLE), OUTAGE] * 5):
        host.pf.look(facts)
    host.stays_quiet()

    host.is_quiet()
    host.pf.policy = Policy(restore_delay_s=600.0)
    host.pf.look(pf(5, UP, DISABLE, DISABLE))
    assert host.pf.memory.delayed
    host.stays_quiet()

    host.is_quiet()
    host.pf.look(Unreadable("Device or resource busy"))
    host.pf.look(HEALTHY)
    host.stays_quiet()


def test_each_query_of_the_dashboard_returns_data(host: Host) -> None:
    others = [Relayed(host.textfile, f"ens5f{number}") for number in (1, 2)]

    def go_on() -> None:
        others[0].look(pf(6, UP, AUTO))
        others[0].look(pf(6, DOWN, AUTO), "Operation not supported", seconds=0.003)
        others[1].look(OUT_OF_ITS_BOND)
        host.textfile.cycle_done(0.001)
        host.textfile.netlink_failed()
        host.pf.look(HEALTHY)

    queries = [
        query.expression.replace("HOSTS", 'instance=~".*"')
        for panel in generate.PANELS
        for query in panel.queries
    ]
    assert len(generate.PANELS) == 8
    empty = dict.fromkeys(queries)

    def all_have_data() -> bool:
        for query in list(empty):
            values = [float(each["value"][1]) for each in host.monitoring.query(query)]
            if any(value > 0 for value in values):
                del empty[query]
        return not empty

    host.wait_until(all_have_data, f"data for {list(empty)}", go_on)
