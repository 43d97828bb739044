"""Which processes count as other relays."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from pf_status_relay.cli import host
from pf_status_relay.cli.host import Rival

OWN = 50
HOST, POD = "net:[4026531840]", "net:[4026532000]"


class Processes:
    """A /proc with the processes that a test puts there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.add(OWN, ["/usr/bin/python3", "-I", "/usr/bin/pf-status-relay", "check"])

    def add(
        self,
        pid: int,
        words: Sequence[str],
        comm: str = "pf-status-relay",
        network: str = HOST,
        cgroup: str = "/user.slice/user-0.slice/session-1.scope",
    ) -> None:
        """Add a process; an empty `network` is a namespace that may not be read."""
        process = self.folder / str(pid)
        (process / "ns").mkdir(parents=True)
        (process / "comm").write_text(f"{comm}\n")
        (process / "cmdline").write_bytes(b"".join(word.encode() + b"\0" for word in words))
        (process / "cgroup").write_text(f"0::{cgroup}\n")
        if network:
            (process / "ns" / "net").symlink_to(network)

    def found(self) -> list[Rival]:
        """Return the rivals of process OWN."""
        return list(host.find_rivals(self.folder, OWN))


@pytest.fixture
def processes(tmp_path: Path) -> Processes:
    (tmp_path / "net").mkdir()
    (tmp_path / "uptime").touch()
    return Processes(tmp_path)


def test_alone_there_are_none(processes: Processes) -> None:
    assert processes.found() == []


@pytest.mark.parametrize(
    "words",
    [
        ["/usr/bin/python3", "-I", "/usr/bin/pf-status-relay", "run"],
        ["/usr/bin/python3", "/usr/bin/pf-status-relay", "run", "--config", "/etc/other.toml"],
        ["python", "-m", "pf_status_relay", "run"],
        ["python3.9", "-W", "error", "-m", "pf_status_relay", "run"],
    ],
)
def test_another_run_of_ours_is_a_rival_however_it_was_started(
    processes: Processes, words: list[str]
) -> None:
    processes.add(60, words, comm="python3")
    assert processes.found() == [Rival(60, "another pf-status-relay run", certain=True)]


@pytest.mark.parametrize("words", [["/usr/bin/pf-status-relay"], ["pf-status-relay", "--v", "2"]])
def test_the_go_program_is_a_rival(processes: Processes, words: list[str]) -> None:
    processes.add(60, words, cgroup="/kubepods.slice/crio-0123.scope")
    (found,) = processes.found()
    assert str(found) == "the program pf-status-relay (process 60)"


@pytest.mark.parametrize(
    ("words", "comm"),
    [
        (["/usr/bin/python3", "/usr/bin/pf-status-relay", "run", "--dry-run"], "pf-status-relay"),
        (["/usr/bin/python3", "/usr/bin/pf-status-relay", "status", "--watch"], "pf-status-relay"),
        (["/usr/bin/python3", "-I", "/usr/bin/pf-status-relay"], "pf-status-relay"),
        (["/usr/bin/python3", "deploy.py", "/usr/bin/pf-status-relay", "run"], "python3"),
        (["/usr/bin/python3", "pf_status_relay", "run"], "python3"),
        (["/usr/bin/python3"], "python3"),
        (["vi", "/usr/bin/pf-status-relay"], "vi"),
        (["sudo", "pf-status-relay", "run"], "sudo"),
        (["pf-status-relay-operator"], "pf-status-relayx"),
        ([], "pf-status-relay"),  # a zombie
    ],
)
def test_what_sets_no_vf_is_none(processes: Processes, words: list[str], comm: str) -> None:
    processes.add(60, words, comm=comm)
    assert processes.found() == []


def test_the_service_itself_is_none(processes: Processes) -> None:
    words = ["/usr/bin/python3", "-I", "/usr/bin/pf-status-relay", "run"]
    processes.add(60, words, cgroup="/system.slice/pf-status-relay.service")
    assert host.in_unit(60, processes.folder)
    assert processes.found() == []


def test_another_network_namespace_makes_it_none_and_one_that_is_hidden_an_uncertain_one(
    processes: Processes,
) -> None:
    processes.add(60, ["pf-status-relay"], network=POD)
    processes.add(61, ["pf-status-relay"], network="")
    assert processes.found() == [Rival(61, "the program pf-status-relay", certain=False)]


def test_a_process_that_ends_meanwhile_is_none(processes: Processes) -> None:
    (processes.folder / "70").mkdir()
    assert processes.found() == []
    assert not host.in_unit(70, processes.folder)


def test_a_proc_that_hides_others_is_known_to_do_so(processes: Processes) -> None:
    assert not host.sees_processes(processes.folder)
    processes.add(1, ["/usr/lib/systemd/systemd"])
    assert host.sees_processes(processes.folder)


def test_a_container_hides_the_processes_of_the_host(
    processes: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    processes.add(1, ["/usr/bin/python3", "-I", "/usr/bin/pf-status-relay", "run"])
    namespace = processes.folder / "self" / "ns" / "pid"
    namespace.parent.mkdir(parents=True)
    namespace.touch()
    assert not host.sees_processes(processes.folder), "a namespace of its own"
    monkeypatch.setattr(host, "_INITIAL_PID_NAMESPACE", namespace.stat().st_ino)
    assert host.sees_processes(processes.folder)


def test_no_proc_has_no_processes(tmp_path: Path) -> None:
    assert host.find_rivals(tmp_path / "none") == ()


def test_a_real_process_is_found(tmp_path: Path) -> None:
    program = tmp_path / "pf-status-relay"
    program.write_text("import sys\nprint('here', flush=True)\nsys.stdin.read()\n")
    with subprocess.Popen(
        [sys.executable, str(program), "run"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdin
        assert other.stdout
        assert other.stdout.readline() == b"here\n"
        found = [rival.pid for rival in host.find_rivals()]
        other.stdin.close()
    assert other.pid in found
    assert os.getpid() not in found
