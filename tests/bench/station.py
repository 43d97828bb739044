"""A station: one set of PFs in a network namespace of its own, and what is measured on it, in the guest.

`python -m tests.bench.station REPLICA` reads the case from /run/lab/case.json and appends what it finds, a
JSON object a line, to /run/lab/found-REPLICA. Station 0 measures idle costs, alone; then all run failures.
"""

from __future__ import annotations

import dataclasses
import gc
import itertools
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from tests.bench.burden import burden
from tests.bench.cases import FLOOR, OURS, PEER, Case
from tests.bench.failures import Failures, Phase, Subject, Switchboard
from tests.bench.holder import RtnlHolder
from tests.bench.programs import Program
from tests.bench.stopwatch import Stopwatch
from tests.lab.guest.guest import CHECKOUT, read_text
from tests.lab.kit import topology
from tests.lab.kit.commands import run
from tests.lab.kit.lab import RESULTS, Lab
from tests.lab.kit.recorder import run_first
from tests.lab.kit.waiting import wait_until
from tests.support.rtnetlink import AUTO, DISABLE

CASE = "case.json"
FOUND = "found-{}"
PROGRESS = "progress"
GO = "go"
"""The file that tells the other stations to begin."""
READY_WITHIN_S = 15.0
DEVICES_PER_STATION = 100
IMPORT, BARE = "import pyroute2", "python"
"""What a start is compared with: the library that the relay uses parts of, and the bare interpreter."""


class Station:
    """The PFs, and everything that is measured on them."""

    def __init__(self, case: Case, replica: int) -> None:
        self.case = case
        self.replica = replica
        topology._numbers = itertools.count(1 + replica * DEVICES_PER_STATION)  # shared by all namespaces
        lab = Lab()
        self.switch = lab.switch(f"sw{replica}")
        self.pfs = [
            lab.pf_with_lacp(f"ens{number}", case.vfs, switch=self.switch, wait=False)
            for number in range(case.pfs)
        ]
        for pf in self.pfs:
            pf.wait_for_lacp()
        self.names = [pf.name for pf in self.pfs]
        self.ports = {pf.ifindex: pf.cable.port.name for pf in self.pfs}
        self.vfs = dict.fromkeys(self.ports, case.vfs)
        look_s = 0.05 if case.name == "memory" else 0.002
        self.stopwatch = Stopwatch(self.vfs, look_s)
        self.board = Switchboard(self.switch)
        self._log = Path("/tmp", f"programs-{replica}.log")  # in memory: the results folder is slow

    def found(self, kind: str, **values: object) -> None:
        """Write one finding to the results."""
        line = json.dumps({"kind": kind, "case": self.case.name, "replica": self.replica, **values})
        with (RESULTS / FOUND.format(self.replica)).open("a") as file:
            file.write(f"{line}\n")

    def say(self, text: str) -> None:
        """Report progress to the user, from the first station only."""
        if self.replica == 0:
            with (RESULTS / PROGRESS).open("a") as file:
                file.write(f"{text}\n")

    def gave_up(self, name: str, why: str) -> None:
        """Record that a program does not do its work, with its last line of output."""
        said = read_text(self._log).splitlines()[-1:]
        self.found("gave up", program=name, why=why, said=said)
        self.say(f"{name} {why}: {' '.join(said)}")

    # Programs

    @contextmanager
    def program(self, name: str) -> Iterator[Program | None]:
        """Yield a program at work; None if it ends, or does not set a VF back to "auto" within 15 s."""
        program = Program(name, self.names, self.vfs, self._log)
        try:
            yield program if self._is_at_work(program) else None
        finally:
            program.stop()

    def _is_at_work(self, program: Program) -> bool:
        """Wait until a program sets a disabled VF back, whatever its output; return whether it did."""
        if program.name == FLOOR:
            time.sleep(1.0)
            return program.alive()
        self._disable_one()
        until = time.monotonic() + READY_WITHIN_S
        while program.alive() and time.monotonic() < until:
            if self._all_auto():
                return True
            time.sleep(0.05)
        why = "does not relay" if program.alive() else f"ended with status {program.status}"
        self.gave_up(program.name, why)
        return False

    def _disable_one(self) -> None:
        for ifindex in self.ports:
            self.stopwatch.set_vfs(ifindex, DISABLE, [self.case.vfs - 1])

    def _all_auto(self) -> bool:
        return not any(any(self.stopwatch.vf_states(ifindex)) for ifindex in self.ports)

    # LACP

    def lose_lacp(self) -> None:
        """Take LACP down on all PFs, and wait until their ports default: no further change follows."""
        for port in self.ports.values():
            self.board.cut(port)
        for pf in self.pfs:
            wait_until(partial(in_state, pf, (79, 0)), within=15, what="defaulted", poll=0.1)

    def restore(self) -> None:
        """Bring LACP up on all PFs, and set all VFs to "auto"."""
        for port in self.ports.values():
            self.board.fix(port)
        for pf in self.pfs:
            wait_until(partial(in_state, pf, (63, 63)), within=60, what="LACP up", poll=0.1)
            self.stopwatch.set_vfs(pf.ifindex, AUTO)

    # What is measured

    def measure_failures(self, name: str, turn: int) -> None:
        """Run the rounds of one program's turn."""
        with self.program(name) as program, self.noise(), self.holder() as holder:
            if program is None:
                self.restore()
                return
            before = program.weigh()
            subjects = [
                Subject(pf.ifindex, self.ports[pf.ifindex], self.case.vfs, self.case.rounds, pf.driver)
                for pf in self.pfs
            ]
            failures = Failures(
                self.stopwatch,
                self.board,
                subjects,
                recovers=name != FLOOR,
                outage_s=self.case.outage_s,
                alive=program.alive,
                holder=holder,
            )
            failures.run()
            for each in failures.reactions:
                seconds = None if each.seconds is None else round(each.seconds, 6)
                self.found(
                    "reaction", program=name, turn=turn, loss=each.loss, seconds=seconds,
                    uncertain_s=round(each.uncertain_s, 6),
                )  # fmt: skip
            if program.alive():
                count = sum(each.loss for each in failures.reactions)
                after = dataclasses.asdict(program.weigh())
                self.found(
                    "memory", program=name, failures=count, rss_before_kib=before.rss_kib,
                    peak_before_kib=before.peak_kib, **after,
                )  # fmt: skip
            if any(each.phase is not Phase.DONE for each in subjects):
                self.gave_up(name, f"ended with status {program.status}")
                self.restore()

    @contextmanager
    def noise(self) -> Iterator[None]:
        """Run the case's noise and burden while PFs fail."""
        with ExitStack() as running:
            if self.case.noise:
                running.enter_context(storm("bystander0", str(self.case.noise)))
            if self.case.burdened:
                running.enter_context(burden())
            yield

    @contextmanager
    def holder(self) -> Iterator[RtnlHolder | None]:
        """Yield the process that keeps the RTNL lock busy; None in cases without one."""
        if not self.case.late:
            yield None
            return
        holder = RtnlHolder(self.pfs[0].rtnl_holder)
        try:
            yield holder
        finally:
            holder.close()

    def measure_costs(self) -> None:
        """Measure, state by state, what each program uses."""
        for state in self.case.states:
            if state == "down":
                self.lose_lacp()
            for name in (OURS, PEER, OURS, PEER):
                self.measure_cost(name, state)
            if state == "down":
                self.restore()

    def measure_cost(self, name: str, state: str) -> None:
        """Measure what one program uses while it idles in a state."""
        self.say(f"cost of {name}, {state}")
        per_second = state.partition("/")[0]
        program = Program(name, self.names, self.vfs, self._log)
        with ExitStack() as running:
            if per_second.isdecimal():
                running.enter_context(storm("bystander1", per_second))
            if self.case.burdened:
                running.enter_context(burden())
            running.callback(program.stop)
            if state != "down" and not self._is_at_work(program):
                return
            time.sleep(3.0 if state == "down" else 1.5)
            if not program.alive():
                self.gave_up(name, f"ended with status {program.status}")
                return
            before, start = program.weigh(), time.monotonic()
            time.sleep(self.case.cost_s / 2)
            after, seconds = program.weigh(), time.monotonic() - start
        self.found(
            "cost",
            program=name,
            state=state,
            seconds=seconds,
            cpu_s=after.cpu_s - before.cpu_s,
            wakeups_per_s=(after.wakeups - before.wakeups) / seconds,
            rss_kib=after.rss_kib,
            peak_kib=after.peak_kib,
        )

    def measure_starts(self) -> None:
        """Time starts: until a disabled VF is seen set back, and until READY=1 if the program sends it."""
        for _ in range(self.case.starts):
            for name in (OURS, PEER):
                self.measure_start(name)
            for name, words in ((IMPORT, ["-c", "import pyroute2"]), (BARE, ["-c", "pass"])):
                start = time.monotonic()
                subprocess.run([sys.executable, *words], check=True)
                self.found("start", program=name, seconds=time.monotonic() - start)

    def measure_start(self, name: str) -> None:
        """Time one start."""
        self._disable_one()
        address = RESULTS.parent / f"notify-{name}"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.bind(str(address))
            notify.setblocking(False)
            program = Program(name, self.names, self.vfs, self._log, {"NOTIFY_SOCKET": str(address)})
            relayed = ready = None
            until = time.monotonic() + READY_WITHIN_S
            while program.alive() and time.monotonic() < until and not (relayed and (ready or name != OURS)):
                time.sleep(0.002)
                now = time.monotonic() - program.started_at
                relayed = relayed or (now if self._all_auto() else None)
                ready = ready or (now if is_ready(notify) else None)
            program.stop()
        address.unlink()
        self.found("start", program=name, seconds=ready or relayed, relayed_s=relayed, ready_s=ready)


def is_ready(notify: socket.socket) -> bool:
    """Tell whether READY=1 has come."""
    try:
        return any(b"READY=1" in notify.recv(4096).splitlines() for _ in range(100))
    except BlockingIOError:
        return False


def in_state(pf: topology.Pf, port_state: tuple[int, int]) -> bool:
    """Tell whether a PF's port state is this one."""
    return pf.port_state() == port_state


@contextmanager
def storm(*words: str) -> Iterator[None]:
    """Run tests.lab.kit.storm in a process of its own."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.lab.kit.storm", *words], cwd=CHECKOUT, stdout=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        process.stdout.readline()
        yield
    finally:
        process.kill()
        process.wait()


def main() -> None:
    """Measure what the case says."""
    case = Case(**json.loads((RESULTS / CASE).read_text()))
    replica = int(sys.argv[1])
    run("mount", "-t", "sysfs", "sysfs", "/sys")
    run("mount", "-t", "debugfs", "debugfs", "/sys/kernel/debug")
    os.makedirs("/run/netns", exist_ok=True)
    run("mount", "-t", "tmpfs", "tmpfs", "/run/netns")
    if replica:
        wait_until((RESULTS / GO).exists, within=600, what="station 0", poll=0.1)
    station = Station(case, replica)
    station.say("ready")
    run_first()
    gc.disable()
    if replica == 0:
        station.measure_starts()
        if case.cost_s:
            station.measure_costs()
        (RESULTS / GO).touch()
    for turn in range(case.turns if case.rounds else 0):
        for name in [OURS] if case.name == "memory" else case.programs:
            station.say(f"turn {turn + 1} of {case.turns}: {name} fails")
            station.measure_failures(name, turn)
    station.board.close()


if __name__ == "__main__":
    main()
