"""Failures: LACP fails and recovers on each PF, at its own pace; how fast the VFs follow is timed.

A failure is the silent one: the switch's LACPDUs stop and the carrier stays. The kernel notices 3 s after the
last LACPDU; by then the relay's poll is anywhere in its interval. Before the port would default, LACPDUs pass
again, and the next one (within a second) brings LACP back.
"""

from __future__ import annotations

import random
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from enum import Enum, auto
from typing import IO, NamedTuple

from tests.bench.holder import RtnlHolder
from tests.bench.stopwatch import SHARE, Heard, Moment, Stopwatch
from tests.lab.kit.driver import Driver
from tests.lab.kit.switch import SLOW_PROTOCOLS, Switch
from tests.support.rtnetlink import AUTO, DISABLE

NOTICED_AFTER_S = 1.5
"""Seconds after the LACPDUs stop before which LACP cannot fail, so that nothing is read earlier."""
HELD_AFTER_S = 0.05
"""Seconds for which the RTNL lock stays taken after LACP is seen to have failed, in cases that take it. The
bond tries the lock every 100 ms and announces a failure when it gets it. Whether to release it is decided as
often, so the announcement comes after about 200 ms."""
GIVE_UP_S = 10.0
"""Seconds after which a relay that has not reacted counts as missed."""
LEFT_ALONE_S = 0.005
"""Seconds without listening after a change of LACP, and after a write of the relay.

The relay may be in the middle of several messages. Each would wake this program before the relay."""
LACP_TIMEOUT_S = 45.0


class Phase(Enum):
    """Where a PF is in its cycle."""

    RESTING = auto()
    FAILING = auto()
    DOWN = auto()
    DISABLED = auto()
    RECOVERING = auto()
    UP = auto()
    DONE = auto()


LOOKED_AT = (Phase.FAILING, Phase.RECOVERING)
FOLLOWED = {Phase.DOWN: DISABLE, Phase.UP: AUTO}


class Reaction(NamedTuple):
    """How long the VFs of a PF took to follow LACP, in seconds; None: they did not.

    `loss`: True for a loss of LACP, False for a recovery. `uncertain_s`: it can have taken this much longer.
    """

    ifindex: int
    loss: bool
    seconds: float | None
    uncertain_s: float


class Subject:
    """A PF that fails: its phase, and when the next step is due.

    `driver` tells when it last set a VF.
    """

    def __init__(self, ifindex: int, port: str, vfs: int, rounds: int, driver: Driver) -> None:
        self.ifindex = ifindex
        self.port = port
        self.driver = driver
        self.vfs = vfs
        self.rounds = rounds
        self.phase = Phase.RESTING
        self.due = time.monotonic() + random.uniform(0.0, 1.0)
        self.was_otherwise = 0.0
        self.changed = Moment(0.0, 0.0)


class Switchboard:
    """Cuts LACPDUs from the switch, through one tc that runs all the time: starting one would disturb."""

    def __init__(self, switch: Switch) -> None:
        command = ["tc", "-n", switch.name, "-force", "-batch", "-"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        assert self._process.stdin is not None
        self._orders: IO[bytes] = self._process.stdin

    def cut(self, port: str) -> None:
        """Stop the LACPDUs that leave a port."""
        self._order(f"filter add dev {port} egress protocol {SLOW_PROTOCOLS} pref 1 matchall action drop")

    def fix(self, port: str) -> None:
        """Let the LACPDUs of a port pass again."""
        self._order(f"filter del dev {port} egress pref 1")

    def _order(self, line: str) -> None:
        self._orders.write(f"{line}\n".encode())
        self._orders.flush()

    def close(self) -> None:
        """End tc."""
        self._orders.close()
        self._process.wait()


class Failures:
    """Runs failures of PFs and collects reactions.

    With `recovers` false the program under test only disables VFs, and this class sets them back. `outage_s`:
    minimum seconds for which the VFs stay disabled. `alive` tells whether the program still runs.
    `holder` keeps the RTNL lock busy while the kernel is about to notice a failure.
    """

    def __init__(
        self,
        stopwatch: Stopwatch,
        board: Switchboard,
        subjects: Sequence[Subject],
        *,
        recovers: bool,
        outage_s: float,
        alive: Callable[[], bool],
        holder: RtnlHolder | None = None,
    ) -> None:
        self.reactions: list[Reaction] = []
        self._stopwatch = stopwatch
        self._board = board
        self._subjects = {subject.ifindex: subject for subject in subjects}
        self._recovers = recovers
        self._outage_s = outage_s
        self._alive = alive
        self._holder = holder
        self._next_look = 0.0
        self._deaf_until = 0.0

    def run(self) -> None:
        """Run all rounds of all PFs. End early if the program does."""
        while self._alive() and any(each.phase is not Phase.DONE for each in self._subjects.values()):
            now = time.monotonic()
            for subject in self._subjects.values():
                if subject.due <= now:
                    self._act(subject, now)
            if self._next_look <= now:
                self._look(now)
            if self._holder:
                self._holder.hold(any(map(self._is_held, self._subjects.values())))
            deaf = self._deaf_until > now
            self._hear_all(self._stopwatch.wait(self._deaf_until if deaf else self._until(), deaf=deaf))

    def _is_held(self, subject: Subject) -> bool:
        """Tell whether a PF is about to fail, or has failed and the kernel must not announce it yet."""
        now = time.monotonic()
        if subject.phase is Phase.FAILING:
            return subject.was_otherwise <= now
        return subject.phase is Phase.DOWN and now < subject.changed.at + HELD_AFTER_S

    def _until(self) -> float:
        """Return when the next step is due at the latest: seconds, monotonic."""
        active = [each for each in self._subjects.values() if each.phase is not Phase.DONE]
        times = [each.due for each in active]
        times += [max(each.was_otherwise, self._next_look) for each in active if each.phase in LOOKED_AT]
        return min([*times, time.monotonic() + 1.0])

    def _act(self, subject: Subject, now: float) -> None:
        """Do what is due for a PF."""
        if subject.phase is Phase.RESTING:
            self._board.cut(subject.port)
            self._enter(subject, Phase.FAILING, now + LACP_TIMEOUT_S)
            subject.was_otherwise = now + NOTICED_AFTER_S
        elif subject.phase is Phase.DISABLED:
            self._board.fix(subject.port)
            self._enter(subject, Phase.RECOVERING, now + LACP_TIMEOUT_S)
            subject.was_otherwise = now
        elif subject.phase in FOLLOWED:
            self._look_at_vfs(subject, now)
        else:
            raise TimeoutError(f"interface {subject.ifindex} is still {subject.phase.name.lower()}")

    def _enter(self, subject: Subject, phase: Phase, due: float) -> None:
        subject.phase = phase
        subject.due = due

    def _look(self, start: float) -> None:
        """Read the port states that are about to change."""
        for subject in self._subjects.values():
            if subject.phase in LOOKED_AT and subject.was_otherwise <= start:
                up = self._stopwatch.lacp_up(subject.ifindex)
                self._see(subject, up, time.monotonic())
        now = time.monotonic()
        # While the lock is busy, reading takes time and no CPU.
        costs = 0.0 if self._holder else (now - start) / SHARE
        self._next_look = now + max(self._stopwatch.look_s, costs)

    def _see(self, subject: Subject, up: bool, now: float) -> None:
        """Note a port state that was read or heard."""
        if up is not (subject.phase is Phase.RECOVERING):
            subject.was_otherwise = now
            return
        subject.changed = Moment(now, max(0.0, now - subject.was_otherwise))
        if up and not self._recovers:
            self._stopwatch.set_vfs(subject.ifindex, AUTO)
            self._rest(subject, now)
        else:
            # The relay's write is an event. The VFs are read even if that event is lost.
            self._enter(subject, Phase.UP if up else Phase.DOWN, now + 0.1)
            if all(each.phase not in LOOKED_AT for each in self._subjects.values()):
                self._deaf_until = now + LEFT_ALONE_S

    def _hear_all(self, events: Iterable[Heard]) -> None:
        """Note events that came together. The kernel sends some twice: the second is not a relay's write."""
        told = set()
        for event in events:
            subject = self._subjects.get(event.ifindex)
            if subject is None or event.ifindex in told:
                continue
            if subject.phase in LOOKED_AT and event.up is (subject.phase is Phase.RECOVERING):
                self._see(subject, event.up, event.at)
                told.add(event.ifindex)
            elif subject.phase in FOLLOWED and event.at > self._deaf_until:
                subject.due = min(subject.due, event.at + LEFT_ALONE_S)

    def _look_at_vfs(self, subject: Subject, start: float) -> None:
        """Read the VFs. If all are set, take the time of the last one from the driver."""
        states = self._stopwatch.vf_states(subject.ifindex)
        now = time.monotonic()
        wanted = FOLLOWED[subject.phase]
        followed = states.count(wanted)
        waited = now - subject.changed.at
        if followed == subject.vfs:
            self._finish(subject, max(0.0, subject.driver.written_at - subject.changed.at), now)
        elif waited > GIVE_UP_S:
            self._finish(subject, None, now)
        else:
            subject.due = now + 0.1
            if followed:
                pause = max(self._stopwatch.look_s, (now - start) / SHARE)
                subject.due = self._deaf_until = now + pause

    def _finish(self, subject: Subject, seconds: float | None, now: float) -> None:
        loss = subject.phase is Phase.DOWN
        self.reactions.append(Reaction(subject.ifindex, loss, seconds, subject.changed.uncertain_s))
        if loss:
            self._enter(subject, Phase.DISABLED, now + self._outage_s + random.uniform(0.0, 0.3))
        else:
            self._rest(subject, now)

    def _rest(self, subject: Subject, now: float) -> None:
        subject.rounds -= 1
        self._enter(subject, Phase.RESTING, now + random.uniform(0.0, 0.3))
        if subject.rounds == 0:
            self._enter(subject, Phase.DONE, float("inf"))
