"""Write VF link states of one PF in portions, so that others get the kernel's RTNL lock in between."""

from __future__ import annotations

import resource
from collections.abc import Iterable, Sequence
from itertools import takewhile
from typing import Callable, NamedTuple

from pf_status_relay.core.facts import VfLinkState, VirtualFunction
from pf_status_relay.core.portions import Run
from pf_status_relay.core.refusals import Refusal
from pf_status_relay.core.retries import Outcome
from pf_status_relay.kernel.request_socket import RequestSocket

QUICK_S = 0.001
"""Maximum seconds of a quick message, whether its driver or another process took the time."""


class Usage(NamedTuple):
    """What this thread has used: how often it has slept, and seconds of a CPU (getrusage(2)).

    A driver that waits for its hardware makes the thread sleep. On a busy host a thread can lose its CPU to
    others: then it has not slept, and its driver is not slow.
    """

    sleeps: int
    cpu_s: float


def usage() -> Usage:
    """Return what this thread has used so far."""
    used = resource.getrusage(resource.RUSAGE_THREAD)
    return Usage(used.ru_nvcsw, used.ru_utime + used.ru_stime)


class VfWriter:
    """Writes VF link states of one PF and remembers, for each link state, how long its driver takes.

    `clock` returns monotonic seconds. `left` is the state in which VFs are still to be written, None if all
    have been written. `slow_s` is how many seconds each VF took at least, 0 if the driver is quick.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.left: VfLinkState | None = None
        self.slow_s = 0.0
        self._clock = clock
        self._runs: dict[VfLinkState, Run] = {}
        self._unsure: tuple[VirtualFunction, ...] = ()
        self._refusal: Refusal | None = None  # of the unsure message

    def write(
        self, requests: RequestSocket, ifindex: int, vfs: Sequence[VirtualFunction], singly: bool = False
    ) -> tuple[Outcome, ...]:
        """Write the first portion of these VFs, all to the same state, and return the outcomes.

        The kernel does not say which VF of a message was refused. Such a message ends the portion, and has no
        outcome yet: the VFs before the refused one have been set, and setting them again would reset them
        (i40e). `resolve` finds the refused one by the next read. The others are then written one by one, as
        all are if `singly`. Raises OSError if the socket is unusable.
        """
        state = vfs[0].link_state
        run = self._runs.get(state, Run())
        if self.left is not state:
            run = run.next()
        outcomes: list[Outcome] = []
        used_s = 0.0
        before = usage()
        while size := run.size(len(vfs) - len(outcomes), used_s):
            size = 1 if singly else size
            message = vfs[len(outcomes) : len(outcomes) + size]
            began = self._clock()
            refusal = requests.set_vf_link_states(ifindex, message)
            took_s = self._clock() - began
            if took_s > QUICK_S:
                now = usage()
                if now.sleeps == before.sleeps:  # the driver did not wait; perhaps this thread did, for a CPU
                    took_s = min(took_s, now.cpu_s - before.cpu_s)
                before = now
            used_s += took_s
            run = run.took(size, took_s, refusal is not None)
            if refusal is not None and size > 1:
                self._unsure, self._refusal = tuple(message), refusal
                break
            outcomes += [Outcome(vf, refusal) for vf in message]
            if len(outcomes) == len(vfs):
                break
        self._runs[state] = run
        self.left = None if len(outcomes) == len(vfs) else state
        self.slow_s = run.slow_s
        return tuple(outcomes)

    @property
    def unsure(self) -> bool:
        """Return whether a message was refused and the next read is to show how far the driver got in it."""
        return bool(self._unsure)

    def resolve(self, vfs: Iterable[VirtualFunction]) -> tuple[Outcome, ...]:
        """Return the outcomes of a refused message, as shown by these VFs, which were read after it.

        The kernel goes through a message in order, and stops at the refused VF. So VFs that read as set have
        been set. The last of them may be an exception: a driver may show a state that it refused.
        """
        states = dict(vfs)
        done = tuple(takewhile(lambda vf: states.get(vf.id) is vf.link_state, self._unsure))
        refusal, self._unsure, self._refusal = self._refusal, (), None
        outcomes = [Outcome(vf) for vf in done]
        if done and refusal and refusal.leaves_doubt:
            outcomes[-1] = Outcome(done[-1], refusal)
        return tuple(outcomes)
