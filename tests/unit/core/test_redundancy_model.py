"""PFs of one redundancy group against seven rules, over random histories.

    1. The relay disables a VF only if LACP is down on its PF or the PF is drained, and only while another PF
       of the group is open.
    2. At rest, each PF with LACP up and no drain is open, and the others are closed. If there is no such PF,
       one PF of those that can be open is open: one with LACP up if there is one.
    3. A PF with LACP down or a drain is not opened while another PF that has neither is open.
    4. If no PF is open, one can be, and no two have VFs in auto, one is opened without a delay.
    5. While another PF was read as open, a PF is opened only once LACP has been up on it for the restore
       delay. Each loss soon after the one before doubles the delay; an equally long time of health halves it.
    6. A PF counts as one with LACP down while a BFD session on its bond, which was up, has been down by a
       timeout for 0.1 s. This does not hold if the sessions of all PFs that have one timed out within a
       second, at least two of them, and LACP was up on these PFs at their last look.
    7. VFs in disable of a PF that has left its bond are logged once and counted. Only an operator's restore
       sets them.

Anything happens: LACP and carrier come and go, BFD sessions come up and end, two owners drain, others set
VFs, PFs leave their bond, drivers set some of the VFs of a message or refuse all, reads fail, and the service
is restarted between any two looks.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from pf_status_relay.core import bfd
from pf_status_relay.core.bfd import Diagnostic, Peer, Session, Standing, State, Told
from pf_status_relay.core.decision import Decision, Memory, Policy, decide, settle, to_restore
from pf_status_relay.core.drain import Drain
from pf_status_relay.core.events import VfsLeftDisabled
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
    """Number of VFs of a message that its driver sets in the time of a portion."""
    drains: set[str] = field(default_factory=set)
    memory: Memory = field(init=False)
    seen: tuple[Facts, set[str], bool] | None = None
    """The last look's facts, drains, and whether the PF was down by BFD; None before the first look."""
    read_open: bool = False
    """Whether the last look found it open, before it wrote to it."""
    session: Session | None = None
    """What the relay knows of the BFD session on its bond."""
    watched: bool = False
    """Whether the session is up, or was up and timed out and the timeout counts."""
    out_at: float | None = None
    """When the session timed out, in seconds; None if no timeout took it down."""
    losses: list[float] = field(default_factory=list)
    """Seconds for which LACP was up before each loss that looks have found since the PF was ready."""
    up_since: float | None = None
    left: int = 0
    """Number of VFs in disable at the last look, if the PF was outside its bond."""

    def __post_init__(self) -> None:
        self.memory = Memory(self.name)

    def is_open(self) -> bool:
        """Tell whether it is in its bond and has VFs, none in disable but those that its driver refused."""
        attempts = self.memory.attempts
        stuck = {number for number, each in attempts.items() if each.refusal or self.refuses}
        states = {state for number, state in self.vfs.items() if number not in stuck or state is AUTO}
        return self.ready and bool(states) and DISABLE not in states

    def can_be_open(self) -> bool:
        """Tell whether it is in its bond, and has VFs that are not all in disable for good."""
        return self.is_open() or (self.ready and bool(self.vfs) and not self.refuses)

    def bfd_down(self, now: float) -> bool:
        """Tell whether it counts as down by BFD."""
        return self.watched and self.out_at is not None and now - self.out_at >= 0.1

    def lacp_up(self, now: float) -> bool:
        """Tell whether it counts as a PF with LACP up."""
        return self.up and self.carrier and not self.bfd_down(now)

    def carries(self, now: float) -> bool:
        """Tell whether it must be open, whatever the others are."""
        return self.ready and self.lacp_up(now) and not self.drains

    def begin_anew(self) -> None:
        """Forget how long LACP was up, as the relay does when the PF has left its bond."""
        self.losses, self.up_since = [], None

    def follow_lacp(self, now: float) -> None:
        """Note LACP as a look has found it."""
        if self.lacp_up(now):
            self.up_since = now if self.up_since is None else self.up_since
        elif self.up_since is not None:
            self.losses.append(now - self.up_since)
            self.up_since = None

    def delay_s(self, now: float, policy: Policy) -> float:
        """Return for how many seconds LACP must have been up before its VFs return to auto."""
        least_s, most_s = policy.restore_delay_s, policy.restore_delay_max_s
        delay_s, flaps = least_s, False
        for lost, health_s in [
            *((True, each) for each in self.losses),
            (False, now - (self.up_since or now)),
        ]:
            needed_s = 2 * delay_s
            while flaps and health_s >= needed_s:
                flaps = delay_s > least_s
                delay_s = max(delay_s / 2, least_s)
                needed_s += delay_s
            if lost and most_s is not None:
                delay_s = min(2 * delay_s, most_s) if flaps else delay_s
                flaps = True
        return delay_s

    def facts(self) -> Facts:
        """Return the facts that a read finds."""
        if not self.readable:
            return Unreadable("busy")
        vfs = tuple(VirtualFunction(*each) for each in self.vfs.items())
        master = BOND if self.ready else None
        port = UP if self.up else DOWN
        return PhysicalFunction(5, self.carrier, master, port, len(vfs), len(vfs), vfs)


class _Group(RuleBasedStateMachine):
    """Three PFs, or two, and a relay that looks at them in any order."""

    @initialize(
        size=st.sampled_from([2, 3, 3]),
        delays_s=st.sampled_from([(0.0, None), (0.0, None), (32.0, None), (4.0, 64.0)]),
    )
    def the_host_starts(self, size: int, delays_s: tuple[float, float | None]) -> None:
        self.pfs = [Pf(f"ens5f{number}") for number in range(size)]
        self.policy = Policy(restore_delay_s=delays_s[0], restore_delay_max_s=delays_s[1])
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

    # BFD: bfdd tells it at once.

    @rule(numbers=st.sampled_from([[0], [1], [0, 1, 2], [0, 1, 2]]))
    def bfd_is_up(self, numbers: list[int]) -> None:
        for number in numbers:
            self.bfd_tells(self.pf(number), State.UP, 0)

    @rule(
        number=PFS,
        state=st.sampled_from([State.DOWN, State.ADMIN_DOWN]),
        diagnostic=st.sampled_from([Diagnostic.SIGNALLED_BY_NEIGHBOUR, Diagnostic.PATH_DOWN]),
    )
    def bfd_ends(self, number: int, state: State, diagnostic: int) -> None:
        self.bfd_tells(self.pf(number), state, diagnostic)

    @rule(
        numbers=st.permutations([0, 1, 2]),
        most=st.integers(1, 3),
        apart_s=st.sampled_from([0.0, 0.0625, 2.0]),
    )
    def bfd_times_out(self, numbers: list[int], most: int, apart_s: float) -> None:
        for number in numbers[:most]:
            self.bfd_tells(self.pf(number), State.DOWN, Diagnostic.DETECTION_TIMEOUT)
            self.now += apart_s
            self.look(number)

    @rule()
    def bfdd_is_gone(self) -> None:
        for pf in self.pfs:
            pf.session, pf.watched, pf.out_at = None, False, None

    def bfd_tells(self, pf: Pf, state: State, diagnostic: int) -> None:
        told = Told(Peer("bond0", "192.0.2.2"), state, 1, diagnostic)
        pf.session = bfd.heard(pf.session, told, self.now)
        if state is State.UP:
            pf.watched, pf.out_at = True, None
        elif state is State.DOWN and diagnostic == Diagnostic.DETECTION_TIMEOUT:
            pf.out_at = self.now if pf.out_at is None else pf.out_at
        elif pf.out_at is None or state is State.ADMIN_DOWN:
            pf.watched, pf.out_at = False, None
        self.ignore_what_is_common()

    def ignore_what_is_common(self) -> None:
        """Ignore timeouts as the service does, and check that it does so exactly when it should."""
        found = {
            pf.name: isinstance(pf.seen[0], PhysicalFunction) and pf.seen[0].lacp_up
            for pf in self.pfs
            if pf.seen
        }
        group = [((pf.session,) if pf.session else (), found.get(pf.name, False)) for pf in self.pfs]
        watched = [pf for pf in self.pfs if pf.watched]
        times = [pf.out_at for pf in watched if pf.out_at is not None]
        common = len(watched) > 1 and len(times) == len(watched) and max(times) - min(times) <= 1.0
        common = common and all(found.get(pf.name, False) for pf in watched)
        assert bfd.is_common(group) == common
        if common:
            for pf in watched:
                assert pf.session is not None
                pf.session = pf.session._replace(standing=Standing.IGNORED)
                pf.watched = False

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

    # Changes that the relay finds at once: they are events, or it made them itself.

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

    @rule(number=PFS)
    def somebody_restores_what_is_left(self, number: int) -> None:
        pf = self.pf(number)
        if pf.readable and not pf.ready and not pf.refuses:
            for vf in to_restore(pf.facts()):
                pf.vfs[vf.id] = vf.link_state
            self.look(number)
            assert pf.memory.left_disabled == 0

    @rule()
    def the_service_is_restarted(self) -> None:
        for pf in self.pfs:
            pf.memory, pf.seen, pf.left = Memory(pf.name), None, 0
            pf.begin_anew()
        self.bfdd_is_gone()

    # The relay

    @rule(numbers=st.permutations([0, 1, 2]), most=st.integers(1, 3))
    def the_relay_looks(self, numbers: list[int], most: int) -> None:
        for number in numbers[:most]:
            self.look(number)

    @rule(number=PFS, up_s=st.lists(st.sampled_from([0.125, 4.0, 16.0, 40.0]), min_size=2, max_size=6))
    def the_link_flaps(self, number: int, up_s: list[float]) -> None:
        for seconds in up_s:
            for up in (False, True):
                self.pf(number).up = up
                self.look(number)
            for _ in range(8):
                self.now += seconds / 8
                self.look(number)

    @rule(number=PFS)
    def the_others_are_lost_while_one_waits_for_the_delay(self, number: int) -> None:
        self.pf(number).up = False
        self.look(number)
        self.pf(number).up = True
        self.look(number)
        for other, pf in enumerate(self.pfs):
            pf.ready &= pf is self.pf(number) or not pf.readable
            self.look(other)
        self.in_no_time_one_is_open()

    @rule(seconds=st.sampled_from([0.125, 1.0, 8.0, 40.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    def look(self, number: int) -> None:
        number %= len(self.pfs)
        pf = self.pfs[number]
        members = [other.memory.member(order) for order, other in enumerate(self.pfs)]
        place = Place(number, tuple(members[:number] + members[number + 1 :]))
        drains = tuple(Drain(pf.name, owner) for owner in sorted(pf.drains))
        sessions = (pf.session,) if pf.session else ()
        decision = decide(pf.memory, pf.facts(), self.now, self.policy, drains, place, sessions)
        self.follow(pf, decision)
        pf.read_open = pf.is_open()
        outcomes = tuple(self.write(pf, vf) for vf in decision.writes[: pf.takes])
        pf.memory, _ = settle(decision.memory, outcomes, self.now, 0.0)
        pf.seen = pf.facts(), set(pf.drains), pf.bfd_down(self.now)

    def follow(self, pf: Pf, decision: Decision) -> None:
        """Follow LACP as this look finds it, and check what the relay logs about a PF outside its bond."""
        told = [event.disabled for event in decision.events if isinstance(event, VfsLeftDisabled)]
        if pf.readable and pf.ready:
            pf.left = 0
            pf.follow_lacp(self.now)
        elif pf.readable:
            before, pf.left = pf.left, list(pf.vfs.values()).count(DISABLE)
            pf.begin_anew()
            assert told == ([pf.left] if pf.left and not before else [])
            assert decision.memory.left_disabled == pf.left
            assert not decision.writes
            return
        assert not told

    def write(self, pf: Pf, vf: VirtualFunction) -> Outcome:
        others = [other for other in self.pfs if other is not pf]
        if vf.link_state is DISABLE:
            assert any(map(Pf.is_open, others)), "another PF is open while this one is disabled"
            assert not pf.carries(self.now)
        else:
            known = [
                other
                for other in others
                if other.seen in (None, (other.facts(), other.drains, other.bfd_down(self.now)))
            ]
            opened = [other for other in known if other.readable and other.is_open()]
            if not pf.carries(self.now):
                assert not any(other.carries(self.now) for other in opened)
            elif any(other.seen and other.read_open for other in opened):
                assert pf.up_since is not None
                assert self.now - pf.up_since >= pf.delay_s(self.now, self.policy)
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
            shared = [pf for pf in usable if AUTO in pf.vfs.values()]
            assert not usable or len(shared) > 1 or any(map(Pf.is_open, self.pfs))

    @rule()
    def left_alone_it_comes_to_rest(self) -> None:
        for pf in self.pfs:
            pf.readable, pf.refuses = True, False
        for _ in range(12):
            self.now += 40.0
            for number in range(len(self.pfs)):
                self.look(number)
        before = [dict(pf.vfs) for pf in self.pfs]
        carrying = [pf for pf in self.pfs if pf.carries(self.now) and pf.vfs]
        usable = [pf for pf in self.pfs if pf.can_be_open()]
        opened = [pf for pf in usable if pf.is_open()]
        assert all(pf.is_open() or set(pf.vfs.values()) == {DISABLE} for pf in usable)
        if carrying:
            assert opened == carrying
        elif usable:
            (kept,) = opened
            up = [pf for pf in usable if pf.lacp_up(self.now)]
            by_port_state = [pf for pf in usable if pf.up and pf.carrier]
            assert kept in (up or by_port_state or usable)
            assert kept.memory.kept
        assert [pf.memory.kept for pf in self.pfs].count(True) == (not carrying and bool(usable))
        for number in range(len(self.pfs)):
            self.look(number)
        assert [pf.vfs for pf in self.pfs] == before


TestGroup = _Group.TestCase
TestGroup.settings = settings(derandomize=True, deadline=None, max_examples=400, stateful_step_count=50)
