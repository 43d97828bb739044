"""`wait`: what it waits for, its output meanwhile, and why it ends."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from pf_status_relay.cli import host, main
from pf_status_relay.cli.commands import wait
from pf_status_relay.cli.settlement import Settlement
from pf_status_relay.core.facts import Facts
from pf_status_relay.service import state_file
from tests.support.facts import AUTO, GONE, GOOD, numbered

Capture = pytest.CaptureFixture[str]
UP = replace(GOOD, vfs=numbered([AUTO, AUTO]))
DOWN = replace(UP, carrier=False)
LONE = replace(UP, master=None, port=None)


class Host:
    """The facts for one look after another; the last ones stay."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Facts] | host.NoNetlink] = []

    def read(self, configuration: object) -> dict[str, Facts]:
        """Return the next facts, or raise the next error."""
        seen = self.seen.pop(0) if len(self.seen) > 1 else self.seen[0]
        if isinstance(seen, Exception):
            raise seen
        return seen


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Host:
    seen = Host()
    monkeypatch.setattr(host, "read_pfs", seen.read)
    monkeypatch.setattr(state_file, "read", lambda: None)
    monkeypatch.setattr(wait, "LOOK_S", 0)
    return seen


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "relay.toml"
    path.write_text('interfaces = ["ens5f0", "ens5f1"]\n')
    return path


def call(file: Path, words: Sequence[str], capsys: Capture) -> tuple[int, list[str], list[str]]:
    """Run `wait`; return its exit status and what it printed on standard output and error."""
    status = main.main(["wait", "--config", str(file), *words])
    out, err = capsys.readouterr()
    return status, out.splitlines(), err.splitlines()


def test_it_ends_when_all_are_settled_and_has_said_what_it_waited_for(
    seen: Host, file: Path, capsys: Capture
) -> None:
    seen.seen = [
        {"ens5f0": GONE, "ens5f1": DOWN},
        {"ens5f0": GONE, "ens5f1": DOWN},
        {"ens5f0": LONE, "ens5f1": UP},
        {"ens5f0": UP, "ens5f1": UP},
    ]
    assert call(file, [], capsys) == (
        0,
        [
            "waiting for ens5f0: no interface has this name",
            "waiting for ens5f1: LACP is down: no carrier",
            "waiting for ens5f0: link has no master interface",
            "ens5f1: LACP is up",
            "ens5f0: LACP is up",
        ],
        [],
    )


@pytest.mark.parametrize(
    ("settled_at", "timeout_s", "ended"),
    [(1.5, 60, 1.5), (99, 2.25, 2.25), (99, 0, 0), (0, 0, 0), (2.0, 2, 2)],
)
def test_it_looks_until_all_are_settled_or_the_time_is_over(
    settled_at: float, timeout_s: float, ended: float
) -> None:
    now = [100.0]

    def sleep(seconds: float) -> None:
        assert 0 < seconds <= wait.LOOK_S
        now[0] += seconds

    def look() -> list[Settlement]:
        return [Settlement("ens5f0", now[0] - 100 >= settled_at, "x")]

    _, settled = wait.until_settled(look, timeout_s, lambda line: None, lambda: now[0], sleep)
    assert now[0] == 100 + ended
    assert settled is (settled_at <= ended)


def test_when_the_time_is_over_it_says_so(seen: Host, file: Path, capsys: Capture) -> None:
    seen.seen = [{"ens5f0": UP, "ens5f1": DOWN}]
    status, out, err = call(file, ["--timeout=0"], capsys)
    assert (status, err) == (124, ["pf-status-relay: given up after 0 s"])
    assert out == ["ens5f0: LACP is up", "waiting for ens5f1: LACP is down: no carrier"]


def test_those_that_are_named_are_waited_for_alone(seen: Host, file: Path, capsys: Capture) -> None:
    seen.seen = [{"ens5f0": UP, "ens5f1": DOWN}]
    assert call(file, ["ens5f0"], capsys) == (0, ["ens5f0: LACP is up"], [])


def test_a_name_that_is_not_configured_is_refused_at_once(seen: Host, file: Path, capsys: Capture) -> None:
    status, out, err = call(file, ["ens5f0", "ens9f9"], capsys)
    assert (status, out) == (2, [])
    assert err == ["pf-status-relay: ens9f9 is not configured; configured: ens5f0, ens5f1"]


def test_with_auto_it_waits_for_one_to_be_there_and_for_a_named_one_to_be_meant(
    seen: Host, file: Path, capsys: Capture
) -> None:
    file.write_text('interfaces = "auto"\n')
    seen.seen = [{}, {}, {"ens5f0": UP}]
    nothing = "waiting for an interface that the configuration means"
    assert call(file, [], capsys) == (0, [nothing, "ens5f0: LACP is up"], [])
    seen.seen = [{}, {"ens5f0": UP}]
    absent = "waiting for ens5f0: is not among the interfaces that the configuration means now"
    assert call(file, ["ens5f0"], capsys) == (0, [absent, "ens5f0: LACP is up"], [])


def test_for_a_program_there_is_one_document_at_the_end(seen: Host, file: Path, capsys: Capture) -> None:
    seen.seen = [{"ens5f0": UP, "ens5f1": DOWN}]
    status, out, err = call(file, ["--json", "--timeout=0"], capsys)
    assert (status, err) == (124, [])
    document = json.loads("\n".join(out))
    assert document["settled"] is False
    assert document["interfaces"][1]["found"] == "LACP is down: no carrier"


def test_trouble_is_not_a_timeout(seen: Host, file: Path, capsys: Capture) -> None:
    seen.seen = [{"ens5f0": UP, "ens5f1": DOWN}, host.NoNetlink("no netlink")]
    status, _, err = call(file, [], capsys)
    assert (status, err) == (71, ["pf-status-relay: no netlink"])
    file.write_text("interfaces = []")
    assert call(file, [], capsys)[0] == 78


@pytest.mark.parametrize("text", ["-1", "nan", "inf", "1e9", "soon"])
def test_a_timeout_that_is_no_bounded_time_is_refused(file: Path, capsys: Capture, text: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main.main(["wait", "--timeout", text])
    assert ended.value.code == 2
    assert "from 0 to 86400" in capsys.readouterr().err


def test_a_name_moves_no_cursor(seen: Host, file: Path, capsys: Capture) -> None:
    file.write_text('interfaces = ["a\\u001b[2J"]\n')
    seen.seen = [{"a\x1b[2J": UP}]
    assert call(file, [], capsys)[1] == ["a?[2J: LACP is up"]
