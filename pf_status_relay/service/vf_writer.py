"""Write VF link states of one PF, in portions that leave the kernel's RTNL lock to others in between."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Callable

from pf_status_relay.core.facts import VfLinkState, VirtualFunction
from pf_status_relay.core.portions import Run
from pf_status_relay.core.retries import Outcome
from pf_status_relay.kernel.request_socket import RequestSocket


class VfWriter:
    """Writes VF link states of one PF and remembers, for each link state, how long its driver takes.

    `clock` returns monotonic seconds. `left` is the state to which VFs are left after the last portion, None
    if all have been written. `slow_s` is how many seconds each VF took at least, 0 if the driver is quick.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.left: VfLinkState | None = None
        self.slow_s = 0.0
        self._clock = clock
        self._runs: dict[VfLinkState, Run] = {}

    def write(
        self, requests: RequestSocket, ifindex: int, vfs: Sequence[VirtualFunction]
    ) -> tuple[Outcome, ...]:
        """Write the first portion of these VFs, all to the same state, and return what became of them.

        The kernel does not say which VF of a message was refused, so they then go one by one. There is no
        outcome if the driver took long for that message: they are left. Raises OSError if the socket is
        unusable.
        """
        state = vfs[0].link_state
        run = self._runs.get(state, Run())
        if self.left is not state:
            run = run.next()
        outcomes: list[Outcome] = []
        began = now = self._clock()
        while size := run.size(len(vfs) - len(outcomes), now - began):
            message = vfs[len(outcomes) : len(outcomes) + size]
            refusal = requests.set_vf_link_states(ifindex, message)
            before, now = now, self._clock()
            run = run.took(size, now - before, refusal is not None)
            if refusal is None or size == 1:
                outcomes += [Outcome(vf, refusal) for vf in message]
            if len(outcomes) == len(vfs):
                break
        self._runs[state] = run
        self.left = None if len(outcomes) == len(vfs) else state
        self.slow_s = run.slow_s
        return tuple(outcomes)
