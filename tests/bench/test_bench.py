"""The benchmark works: its decoder agrees with the lab's, its figures are right, and a guest measures."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.bench import figures, host, report, targets, wire
from tests.bench.cases import FULL, OURS, PEER, Case
from tests.bench.host import Found
from tests.lab.guest import guest, kernel
from tests.lab.kit import observer
from tests.support import rtnetlink as nl


def reaction(case: str, program: str, *, loss: bool, seconds: float | None) -> Found:
    return {
        "kind": "reaction",
        "case": case,
        "program": program,
        "loss": loss,
        "seconds": seconds,
        "uncertain_s": 0.001,
    }


def link_message(*, actor: int, partner: int, carrier: int, vf_states: list[int]) -> bytearray:
    """Return an RTM_NEWLINK of a bond port."""
    return bytearray(
        nl.link_message(
            7,
            nl.text(nl.IFLA_IFNAME, "ens5f0"),
            nl.u8(nl.IFLA_CARRIER, carrier),
            nl.vfs_of(vf_states),
            nl.lacp_port(actor, partner),
        )
    )


@pytest.mark.parametrize(
    ("actor", "partner", "carrier", "up"),
    [
        (63, 63, 1, True),
        (61, 63, 1, True),
        (63, 63, 0, False),
        (143, 55, 1, False),
        (79, 0, 1, False),
        (63, 15, 1, False),
    ],
)
def test_the_wire_decoder_agrees_with_the_lab(actor: int, partner: int, carrier: int, up: bool) -> None:
    states = [0, 2, 1, 2]
    message = link_message(actor=actor, partner=partner, carrier=carrier, vf_states=states)
    link = observer.decode(bytes(message[nl.HEADER.size :]))
    assert link.port_state == (actor, partner)
    assert wire.lacp_up(message, len(message)) is up
    names = [observer.VF_LINK_STATES[state] for state in wire.vf_states(message, len(message), len(states))]
    assert tuple(names) == link.vf_states


def test_a_link_outside_a_bond_is_neither_up_nor_down() -> None:
    message = bytearray(nl.link_message(7, link_flags=0))
    assert wire.lacp_up(message, len(message)) is None


def test_a_spread_counts_what_was_missed() -> None:
    times = [0.001 * number for number in range(1, 101)]
    found = [reaction("1x8", OURS, loss=True, seconds=seconds) for seconds in [*times, None]]
    spread = figures.spread(found, "1x8", OURS, loss=True)
    assert spread is not None
    assert (spread.failures, spread.missed) == (100, 1)
    assert (round(spread.median, 6), round(spread.p99, 6), round(spread.worst, 6)) == (50.5, 99, 100)
    assert figures.spread(found, "1x8", PEER, loss=True) is None


def test_a_cost_is_the_mean_of_its_turns() -> None:
    found: list[Found] = [
        {"kind": "cost", "case": "4x64", "program": name, "state": "up", "seconds": 10, "cpu_s": cpu}
        for name, cpu in ((OURS, 0.1), (PEER, 0.4), (OURS, 0.3), (PEER, 0.4))
    ]
    assert figures.cost(found, "4x64", OURS, "up") == pytest.approx(72)
    assert figures.cost(found, "4x64", PEER, "up") == pytest.approx(144)
    assert figures.cost(found, "4x64", OURS, "down") is None


def test_targets_are_judged_by_the_worst_case() -> None:
    found = [
        reaction(case, program, loss=True, seconds=seconds)
        for case, program, seconds in (
            ("1x8", OURS, 0.002),
            ("1x8", PEER, 0.500),
            ("4x64", OURS, 0.050),
            ("4x64", PEER, 0.500),
        )
    ]
    median = targets.targets(found)[0]
    assert median.met is False
    assert "10.0 (4x64) to 250.0" in median.measured


def test_growth_is_measured_against_the_straight_line() -> None:
    assert targets.steps([(1, 1.0), (8, 8.0)]) == 1.0
    assert targets.steps([(1, 1.0), (8, 2.0), (16, 8.0)]) == 2.0


def test_every_case_of_the_reaction_table_sees_thirty_failures() -> None:
    plan = {case.name: case for case in FULL}
    assert all(plan[name].failures >= 30 for name in targets.REACTION_CASES)
    assert set(plan) >= {*targets.BY_VFS, *targets.BY_PFS, *targets.P99_CASES, targets.STANDARD}


def test_a_text_is_put_between_the_marks_of_a_page(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n")
    report.insert("new\n", page)
    assert page.read_text() == f"before\n{report.BEGIN}\n\nnew\n{report.END}\nafter\n"
    page.write_text("no marks\n")
    with pytest.raises(SystemExit):
        report.insert("new\n", page)


def test_a_result_is_kept_whole_and_each_time_the_same(tmp_path: Path) -> None:
    result = report.load(report.RESULTS)
    report.keep(result, tmp_path)
    first = (tmp_path / report.KEPT).read_bytes()
    assert report.load(tmp_path) == result
    report.keep(result, tmp_path)
    assert (tmp_path / report.KEPT).read_bytes() == first


def test_the_documentation_says_what_the_kept_run_says() -> None:
    result = report.load(report.RESULTS)
    assert report.tables(result) in report.README.read_text()
    assert report.headlines(result) in (guest.CHECKOUT / "docs" / "performance.md").read_text()


def test_the_documentation_has_ten_rows_and_no_gap() -> None:
    result = report.load(report.RESULTS)
    rows = [
        line.strip("| ").split(" | ") for line in report.headlines(result).splitlines() if line[:1] == "|"
    ][2:]
    assert len(rows) == 10
    assert "-" not in {cell for row in rows for cell in row}


def test_a_row_says_what_was_found_of_a_program() -> None:
    found: list[Found] = [
        *(reaction("1x8", OURS, loss=True, seconds=each) for each in (0.002, 0.004, 0.012)),
        {"kind": "gave up", "case": "1x8", "program": PEER, "why": "ended with status 1", "said": []},
        {"kind": "cost", "case": "1x8", "program": OURS, "state": "up", "cpu_s": 0.01, "seconds": 10.0,
         "rss_kib": 2048},
    ]  # fmt: skip
    loss = report.Row("", "1x8")
    assert report.answer(found, loss, OURS) == "4.00 ms (12.0 ms)"
    assert report.answer(found, loss, PEER) == "ended with an error"
    assert report.answer(found, loss._replace(loss=False), OURS) == "-"
    assert report.answer(found, loss._replace(state="up"), OURS) == "3.60 s"
    assert report.answer(found, loss._replace(state="up", memory=True), OURS) == "2.00 MB"
    assert report.answer(found, loss._replace(state="down"), OURS) == "-"


@pytest.mark.skipif("venv-" in sys.prefix, reason="one Python is enough for what runs in a guest")
def test_a_guest_measures() -> None:
    reason = guest.cannot_run()
    if reason is None and kernel.cached() is None:
        reason = "its kernel is not built: python -m tests.lab.guest.kernel"
    if reason:
        pytest.skip(f"THE LAB CANNOT RUN, nothing of it is tested: {reason}")
    case = Case("smoke", 2, 4, rounds=1, with_floor=True)
    found = host.run(case, None, virtual_time=True, quiet=True)
    for program, directions in ((OURS, (True, False)), (PEER, (True, False)), ("floor", (True,))):
        for loss in directions:
            spread = figures.spread(found, "smoke", program, loss=loss)
            assert spread is not None, (program, found)
            assert (spread.failures, spread.missed) == (2, 0)
    facts = {"commit": "none"}
    text = report.tables({"found": found, "facts": facts, "peer": "stand-in"})
    assert "| smoke | loss | ours | 2 |" in text
