"""What `check` says about BFD: bfdd is a stand-in at a real socket."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from pf_status_relay.cli import bfd
from pf_status_relay.cli.findings import Verdict
from pf_status_relay.core.bfd import Peer, State, Told
from pf_status_relay.core.facts import Facts
from tests.support.bfdd import OK, Bfdd, message, status
from tests.support.facts import BOND, GONE, UP, pf

PATH = "/run/frr/bfdd.sock"
PF = pf(UP)


def told(state: State, bond: str = "bond0") -> Told:
    return Told(Peer(bond, "192.0.2.2"), state, 7, 0)


@pytest.mark.parametrize(
    ("state", "verdict", "found"),
    [
        (State.UP, Verdict.PASSED, "BFD session with 192.0.2.2 is up"),
        (State.DOWN, Verdict.WARNING, "BFD session with 192.0.2.2 is down"),
        (State.ADMIN_DOWN, Verdict.WARNING, "BFD session with 192.0.2.2 is adm-down"),
    ],
)
def test_each_session_on_the_bond_is_judged(state: State, verdict: Verdict, found: str) -> None:
    lines = bfd.judge(PATH, [told(state), told(State.UP, "bond9")], {"a": PF}, {"a"}, set())
    assert [(line.subject, line.verdict, line.found) for line in lines] == [
        ("bfd", Verdict.PASSED, "bfdd answers at /run/frr/bfdd.sock"),
        ("a", verdict, found),
    ]


@pytest.mark.parametrize("without_address", [True, False])
def test_a_bond_without_a_session_is_told_what_it_lacks(without_address: bool) -> None:
    (_, line) = bfd.judge(PATH, [], {"a": PF}, {"a"}, {"bond0"} if without_address else set())
    assert (line.verdict, line.found) == (Verdict.WARNING, "FRR has no BFD session on bond0")
    assert line.fix.startswith("give bond0 an address") is without_address
    assert line.fix.endswith("configure it in FRR: bfd, peer ADDRESS interface bond0")


def test_a_pf_in_no_group_has_no_use_of_it() -> None:
    (_, line) = bfd.judge(PATH, [told(State.UP)], {"a": PF}, set(), set())
    assert (line.verdict, line.found) == (
        Verdict.WARNING,
        "is in no redundancy group: BFD is not used for it",
    )


def test_of_a_pf_that_is_not_ready_nothing_is_said() -> None:
    shared = replace(PF, master=replace(BOND, port_count=2))
    facts: dict[str, Facts] = {"a": GONE, "b": replace(PF, master=None), "c": shared}
    assert len(bfd.judge(PATH, [], facts, set(facts), set())) == 1


def test_bfdd_is_asked_at_its_socket(tmp_path: Path) -> None:
    path = tmp_path / "bfdd.sock"
    with Bfdd(path) as bfdd:

        def answer() -> None:
            bfdd.accept()
            bfdd.send(OK, status("bond0", "up"), message({"op": "add"}))

        thread = threading.Thread(target=answer)
        thread.start()
        assert bfd.read_sessions(str(path)) == [told(State.UP)]
        thread.join()


def test_a_socket_that_is_not_there_is_a_warning(tmp_path: Path) -> None:
    (line,) = bfd.look(str(tmp_path / "none"), {"a": PF}, {"a"})
    assert line.verdict is Verdict.WARNING
    assert line.found == f"{tmp_path / 'none'}: No such file or directory; LACP alone decides"


def test_a_bfdd_that_is_silent_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bfd, "_ANSWER_S", 0.01)
    with Bfdd(tmp_path / "silent"):
        (line,) = bfd.look(str(tmp_path / "silent"), {"a": PF}, {"a"})
    assert line.found == f"{tmp_path / 'silent'}: bfdd does not answer within 0.01 s; LACP alone decides"


def test_the_loopback_has_an_address_and_an_interface_that_is_not_there_has_none() -> None:
    assert bfd.has_address("lo")
    assert not bfd.has_address("nonesuch")
