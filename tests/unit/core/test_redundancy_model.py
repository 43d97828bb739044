"""PFs of one redundancy group against four sentences that say what the law is, over random histories.

    1. No VF is disabled by us unless another PF of the group is open at that moment.
    2. At rest, either each PF that has LACP up and no drain is open and the others are closed, or there is
       none such, and one PF of those that can be is open: one with LACP up if there is one.
    3. None is opened that has LACP down or a drain, while another one is open that has neither.
    4. If no PF is open and one can be, one is opened without a delay.

The world does what it likes: LACP and carrier come and go, two owners drain, VFs are set by others, PFs leave
their bond, drivers set some of the VFs of a message, or refuse all, reads fail, and the service is restarted
between any two looks.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from pf_status_relay.core.decision import Memory, Policy, decide, settle
from pf_status_relay.core.drain import Drain
from pf_status_relay.core.facts import Facts, PhysicalFunction, Unreadable, VfLinkState, VirtualFunction
from pf_status_relay.core.redundancy import Place
from pf_status_relay.core.refusals import Refusal
from pf_status_relay.core.retries import Outcome
from tests.support.facts import BOND, DOWN, ERRORS, UP

AUTO, ENABLE, DISABLE = VfLinkState
BUSY = Refusal(ERRORS["Device or resource busy"], "Device or resource busy")
PFS = st.integers(0, 2)


@dataclass
class Pf:
    """One PF, its driver, and what the relay knows of it."""

    name: str
    vfs: dict[int, VfLinkState] = field(default_factory=lambda: dict.fromkeys(range(3), AUTO))
    up: bool = True
    carrier: bool = True
    ready: bool = True
    readable: bool = True
    refuses: bool = False
    takes: int = 3
    """How many VFs of a message its driver sets in the time of a portion."""
    drains: set[str] = field(default_factory=set)
    memory: Memory = field(init=False)
    seen: tuple[Facts, set[str]] | None = None
    """What the last look found, with the drains; None if there was none since the service was started."""

    def __post_init__(self) -> None:
        self.memory = Memory(self.name)

    def is_open(self) -> bool:
        """Whether it is in its bond and has VFs, none in disable but those that its driver refused."""
        attempts = self.memory.attempts
        stuck = {number for number, each in attempts.items() if each.refusal or self.refuses}
        states = {state for number, state in self.vfs.items() if number not in stuck or state is AUTO}
        return self.ready and bool(states) and DISABLE not in states

    def can_be_open(self) -> bool:
        """Whether it is in its bond, and has VFs that are not all in disable for good."""
        return self.is_open() or (self.ready and bool(self.vfs) and not self.refuses)

    def carries(self) -> bool:
        """Whether it is to be open whatever the others are."""
        return self.ready and self.up and self.carrier and not self.drains

    def facts(self) -> Facts:
        """Return what a read finds."""
        if not self.readable:
            return Unreadable("busy")
        vfs = tuple(VirtualFunction(*each) for each in self.vfs.items())
        master = BOND if self.ready else None
        port = UP if self.up else DOWN
        return PhysicalFunction(5, self.carrier, master, port, len(vfs), len(vfs), vfs)


class _Group(RuleBasedStateMachine):
    """Three PFs, or two, and a relay that looks at them in any order."""

    @initialize(size=st.sampled_from([2, 3, 3]), delay_s=st.sampled_from([0.0, 0.0, 30.0]))
    def the_host_starts(self, size: int, delay_s: float) -> None:
        self.pfs = [Pf(f"ens5f{number}") for number in range(size)]
        self.policy = Policy(restore_delay_s=delay_s)
        self.now = 1000.0

    def pf(self, number: int) -> Pf:
        return self.pfs[number % len(self.pfs)]

    # LACP, carrier and drains: the relay finds them at its next look.

    @rule(number=PFS, up=st.booleans(), carrier=st.sampled_from([True, True, False]))
    def lacp_changes(self, number: int, up: bool, carrier: bool) -> None:
        self.pf(number).up, self.pf(number).carrier = up, carrier

    @rule()
    def the_whole_fabric_is_lost(self) -> None:
        for pf in self.pfs:
            pf.up = False

    @rule(number=PFS, owner=st.sampled_from(["alice", "bob"]), begins=st.booleans())
    def somebody_drains(self, number: int, owner: str, begins: bool) -> None:
        drains = self.pf(number).drains
        (drains.add if begins else drains.discard)(owner)

    @rule(number=PFS, readable=st.booleans())
    def reads_fail(self, number: int, readable: bool) -> None:
        self.pf(number).readable = readable

    @rule(number=PFS, takes=st.integers(1, 3))
    def the_driver_is_slow(self, number: int, takes: int) -> None:
        self.pf(number).takes = takes

    # What the relay finds at once, as it is an event, or as it did it itself.

    @rule(number=PFS, refuses=st.booleans())
    def the_driver_refuses(self, number: int, refuses: bool) -> None:
        self.pf(number).refuses = refuses

    @rule(number=PFS, vf=st.integers(0, 2), state=st.sampled_from([AUTO, DISABLE]))
    def somebody_sets_a_vf(self, number: int, vf: int, state: VfLinkState) -> None:
        pf = self.pf(number)
        if vf in pf.vfs and pf.readable:
            pf.vfs[vf] = state
            self.look(number)

    @rule(number=PFS, ready=st.booleans(), vfs=st.sampled_from([0, 3, 3]))
    def the_pf_leaves_or_joins(self, number: int, ready: bool, vfs: int) -> None:
        pf = self.pf(number)
        if pf.readable:
            pf.ready, pf.vfs = ready, {vf: pf.vfs.get(vf, AUTO) for vf in range(vfs)}
            self.look(number)

    @rule()
    def the_service_is_restarted(self) -> None:
        for pf in self.pfs:
            pf.memory, pf.seen = Memory(pf.name), None

    # The relay

    @rule(numbers=st.permutations([0, 1, 2]), most=st.integers(1, 3))
    def the_relay_looks(self, numbers: list[int], most: int) -> None:
        for number in numbers[:most]:
            self.look(number)

    @rule(seconds=st.sampled_from([0.125, 1.0, 40.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    def look(self, number: int) -> None:
        number %= len(self.pfs)
        pf = self.pfs[number]
        members = [other.memory.member(order) for order, other in enumerate(self.pfs)]
        place = Place(number, tuple(members[:number] + members[number + 1 :]))
        drains = tuple(Drain(pf.name, owner) for owner in sorted(pf.drains))
        decision = decide(pf.memory, pf.facts(), self.now, self.policy, drains, place)
        outcomes = tuple(self.write(pf, vf) for vf in decision.writes[: pf.takes])
        pf.memory, _ = settle(decision.memory, outcomes, self.now, 0.0)
        pf.seen = pf.facts(), set(pf.drains)

    def write(self, pf: Pf, vf: VirtualFunction) -> Outcome:
        others = [other for other in self.pfs if other is not pf]
        if vf.link_state is DISABLE:
            assert any(map(Pf.is_open, others)), "another PF is open while this one is disabled"
        elif not pf.carries():
            known = [other for other in others if other.seen in (None, (other.facts(), other.drains))]
            assert not any(other.carries() and other.is_open() for other in known if other.readable)
        if pf.refuses:
            return Outcome(vf, BUSY)
        pf.vfs[vf.id] = vf.link_state
        return Outcome(vf)

    @rule()
    def in_no_time_one_is_open(self) -> None:
        usable = [pf for pf in self.pfs if pf.can_be_open()]
        if all(pf.readable and not pf.memory.attempts for pf in usable):
            for number in [0, 1, 2] * 4:
                self.look(number)
            assert not usable or any(map(Pf.is_open, self.pfs))

    @rule()
    def left_alone_it_comes_to_rest(self) -> None:
        for pf in self.pfs:
            pf.readable, pf.refuses = True, False
        for _ in range(12):
            self.now += 40.0
            for number in range(len(self.pfs)):
                self.look(number)
        before = [dict(pf.vfs) for pf in self.pfs]
        carrying = [pf for pf in self.pfs if pf.carries() and pf.vfs]
        usable = [pf for pf in self.pfs if pf.can_be_open()]
        opened = [pf for pf in usable if pf.is_open()]
        assert all(pf.is_open() or set(pf.vfs.values()) == {DISABLE} for pf in usable)
        if carrying:
            assert opened == carrying
        elif usable:
            (kept,) = opened
            up = [pf for pf in usable if pf.up and pf.carrier]
            assert kept in (up or usable)
            assert kept.memory.kept
        assert [pf.memory.kept for pf in self.pfs].count(True) == (not carrying and bool(usable))
        for number in range(len(self.pfs)):
            self.look(number)
        assert [pf.vfs for pf in self.pfs] == before


TestGroup = _Group.TestCase
TestGroup.settings = settings(derandomize=True, deadline=None, max_examples=400, stateful_step_count=50)
