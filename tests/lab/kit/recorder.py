"""The recorder: what happened to some PFs and when, sampled in the guest's time."""

from __future__ import annotations

import contextlib
import os
import select
import threading
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from tests.lab.kit import observer
from tests.lab.kit.topology import Pf
from tests.support import rtnetlink as nl


class Sample(NamedTuple):
    """What was true from `time` (seconds, monotonic) on. An absent PF has no carrier and no VFs."""

    time: float
    port_state: tuple[int, int] | None
    carrier: bool
    vf_states: tuple[str, ...]

    def lacp_up(self) -> bool:
        """Tell whether LACP is up.

        It is up if there is carrier, both ends aggregate (60), and neither is defaulted or expired (192).
        """
        ends = self.port_state or (0, 0)
        return self.carrier and all(end & 0xFC == 60 for end in ends)


def run_first() -> None:
    """Let the calling thread, and nothing that it starts, run before everything else in the guest."""
    os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(1))


class Recorder:
    """Reads each PF every `interval` seconds, and at each link event, and keeps what changed.

    Its thread runs before everything else in the guest, or it would often see a port state only when the
    VFs have followed.
    """

    def __init__(self, interval: float) -> None:
        self.timelines: dict[str, list[Sample]] = {}
        self._looks: list[float] = []
        self._interval = interval
        self._pfs: dict[str, Pf] = {}
        self._looking = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)

    def watch(self, *pfs: Pf) -> None:
        """Start recording these PFs, known from now on by the name they have now."""
        with self._looking:
            for pf in pfs:
                self._pfs[pf.name] = pf
                self.timelines.setdefault(pf.name, [])
        self.sample()
        if not self._thread.is_alive():
            self._thread.start()

    def stop(self) -> None:
        """Take a last sample and end the thread."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        self.sample()

    def sample(self) -> None:
        """Look at every PF once. Queries do so first, so that they never know less than who asks."""
        with self._looking:
            self._looks.append(time.monotonic())
            for name, pf in self._pfs.items():
                self._look(name, pf)

    def _look(self, name: str, pf: Pf) -> None:
        link = observer.read(pf.ifindex, vfs=True)
        now = time.monotonic()
        sample = (
            Sample(now, None, False, ())
            if link is None
            else Sample(now, link.port_state, link.carrier, link.vf_states)
        )
        timeline = self.timelines[name]
        if not timeline or timeline[-1][1:] != sample[1:]:
            timeline.append(sample)

    def _run(self) -> None:
        run_first()
        events = nl.RouteSocket(groups=nl.RTMGRP_LINK)
        while not self._stop.is_set():
            if select.select([events], [], [], self._interval)[0]:
                with contextlib.suppress(OSError):  # events were lost: look, as after any event
                    events.receive()
            self.sample()

    def uncertainty(self, seen: float) -> float:
        """Return how many seconds before `seen` a change can have happened: since the look before."""
        looks = [look for look in self._looks if look < seen][-2:]
        return seen - looks[0] if looks else 0.0

    def samples(self, pf: Pf | str, *, since: float = 0.0) -> list[Sample]:
        """Return what changed since a monotonic time, beginning with what was true then."""
        if not self._stop.is_set():
            self.sample()
        timeline = self.timelines[pf if isinstance(pf, str) else pf.name]
        first = max((n for n, sample in enumerate(timeline) if sample.time <= since), default=0)
        return timeline[first:]

    def moments(
        self, pf: Pf | str, condition: Callable[[Sample], bool], *, since: float = 0.0
    ) -> list[Sample]:
        """Return the samples that a condition held in."""
        return [sample for sample in self.samples(pf, since=since) if condition(sample)]

    def first(self, pf: Pf | str, condition: Callable[[Sample], bool], *, since: float = 0.0) -> float:
        """Return when a condition first held (seconds, monotonic, not before `since`). Fail if never."""
        found = self.moments(pf, condition, since=since)
        assert found, f"never recorded: {condition}\n{self}"
        return max(found[0].time, since)

    def __str__(self) -> str:
        """Return the timelines as text."""
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        for name, timeline in self.timelines.items():
            yield f"{name}:"
            for sample in timeline:
                ends = "no bond" if sample.port_state is None else "/".join(map(str, sample.port_state))
                carrier = "carrier" if sample.carrier else "no carrier"
                states = ", ".join(
                    f"{sample.vf_states.count(state)} {state}"
                    for state in observer.VF_LINK_STATES
                    if state in sample.vf_states
                )
                yield f"  {sample.time:10.3f}  {ends:9}  {carrier:10}  {states or 'no VFs'}"
