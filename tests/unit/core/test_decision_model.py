"""The decision for one PF against a model of it that fits on a page, over random histories.

Anything happens to the PF: it vanishes, its reads fail, its bond changes, LACP comes and goes,
VFs are added, removed and set by others, and its driver accepts, refuses or ignores writes.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from pf_status_relay.core import events
from pf_status_relay.core.causes import cause_of
from pf_status_relay.core.decision import Decision, Memory, Pace, decide, settle
from pf_status_relay.core.drain import Drain
from pf_status_relay.core.events import Event, VfsSetBySomebodyElse
from pf_status_relay.core.facts import (
    Absent,
    BondPort,
    Facts,
    Master,
    PhysicalFunction,
    Unreadable,
    VfLinkState,
    VirtualFunction,
)
from pf_status_relay.core.lacp import PortState
from pf_status_relay.core.refusals import Refusal
from pf_status_relay.core.retries import Outcome
from tests.support.facts import ERRORS

NAME = "ens5f0"
AUTO, ENABLE, DISABLE = VfLinkState
WORKS, IGNORES = "takes link states", "takes link states without effect"
UNSUPPORTED, BUSY = "Operation not supported", "Device or resource busy"
INTERRUPTED, BROKEN = "Interrupted system call", "Input/output error"
HALF_SET = {f"{error}, and shows the new state": error for error in (INTERRUPTED, BROKEN)}
BEHAVIOURS = (WORKS, IGNORES, IGNORES, UNSUPPORTED, BUSY, INTERRUPTED, BROKEN, *HALF_SET)
KINDS = {UNSUPPORTED: "for good", BUSY: "for now", INTERRUPTED: "for now", BROKEN: "other"}

# Port states of a port's life, and each single bit with which LACP must not count as up.
STATES = st.sampled_from([63, 63, 61, 63 ^ 4, 63 ^ 8, 63 ^ 16, 63 ^ 32, 63 | 64, 63 | 128, 143, 79, 0])
PORTS = st.none() | st.builds(BondPort, STATES.map(PortState), STATES.map(PortState))
GOOD_PORT = BondPort(PortState(63), PortState(63))
SLOW_PORT = BondPort(PortState(61), PortState(63))
EXPIRED_PORT = BondPort(PortState(143), PortState(55))
GOOD_BOND = Master(7, "bond0", "bond", 4, 1)
BOND_SET_DOWN = Master(7, "bond0", "bond", 4, 1, up=False)
NOT_READY = {
    None: "link has no master interface",
    Master(7, "br0", "bridge", None, 1): "master interface br0 is not a bond (bridge)",
    Master(7, "bond0", "bond", 1, 1): "bond bond0 does not have mode 802.3ad",
    Master(7, "bond0", "bond", 4, 2): "bond bond0 has 2 ports instead of one; multi_port_bonds allows it",
}
# Binary fractions: their sums are exact.
SECONDS = st.sampled_from([0.0, 0.125, 0.5, 1.0, 1.0, 4.0])


def is_up(pf: PhysicalFunction) -> bool:
    """Apply rule 2 of the contract, in numbers: Aggregation to Distributing, not Defaulted, not Expired."""
    runs = pf.master and pf.master.up and pf.carrier
    ends = (pf.port.actor, pf.port.partner) if pf.port and runs else (0, 0)
    return all(state & 0xFC == 0x3C for state in ends)


@dataclass
class Wrong:
    """A VF that has not been seen for certain in the right link state since its first write."""

    right: VfLinkState
    written_at: list[float] = field(default_factory=list)
    became: list[str] = field(default_factory=list)
    """For each write why it was refused; empty if the driver accepted it."""
    told_without_effect: bool = False
    told_kind: str = ""
    missing: bool = False
    """The kernel leaves it out of its list."""
    shown: bool = False
    """It reads as right, or did when last listed, although the driver refused the write."""
    repeats: int = 0

    def last(self, *, refused: bool) -> int:
        """Return how many writes in a row, up to the last, the driver refused (`refused`) or accepted."""
        return next(
            (n for n, error in enumerate(reversed(self.became)) if bool(error) is not refused),
            len(self.became),
        )

    def taken_in_a_row(self) -> int:
        """Return how many writes in a row, up to the last, the driver accepted."""
        return self.last(refused=False)

    def kind(self) -> str:
        """Return the kind of the last refusal, empty if the driver accepted the last write."""
        return KINDS.get(self.became[-1], "") if self.became else ""

    def delay(self) -> float:
        """Return for how many seconds it is left alone after its last write, unless refused for good."""
        kinds = [KINDS.get(error, "") for error in reversed(self.became)]
        in_a_row = next((n for n, kind in enumerate(kinds) if kind != kinds[0]), len(kinds))
        return {1: 0.1, 2: 0.2, 3: 0.4, 4: 0.8}.get(in_a_row, 1) if kinds[0] == "for now" else 1


class _Life(RuleBasedStateMachine):
    """One PF, its kernel, and the relay that looks at it from time to time."""

    def __init__(self) -> None:
        super().__init__()
        self.kernel: dict[int, VfLinkState] = {0: AUTO, 1: AUTO}
        self.unlisted: set[int] = set()
        self.list_has_wrapped = False
        self.driver: dict[int, str] = defaultdict(lambda: WORKS)
        self.unreachable: Facts | None = None
        self.master: Master | None = GOOD_BOND
        self.port: BondPort | None = GOOD_PORT
        self.carrier = True
        self.dry_run = False
        self.drains: dict[str, Drain] = {}

        self.now = 1000.0
        self.memory = Memory(NAME)
        self.told: dict[str, object] = {}
        self.told_drains: dict[str, Drain] = {}
        self.wrong: dict[int, Wrong] = {}
        self.unseen = 0
        self.missing = 0
        self.invented = False
        self.refused_for_good_at: list[float] = []
        self.shown_since = 0.0

    # Changes of the world. The relay looks after each change, or after several.

    @initialize(dry_run=st.sampled_from([False, False, True]))
    def the_service_starts(self, dry_run: bool) -> None:
        self.dry_run = dry_run

    @rule(facts=st.sampled_from([None, None, Absent("a"), Absent("b"), Unreadable("a"), Unreadable("b")]))
    def the_interface_goes_or_comes(self, facts: Facts | None) -> None:
        self.unreachable = facts

    @rule(master=st.sampled_from([*NOT_READY, GOOD_BOND, GOOD_BOND, BOND_SET_DOWN]))
    def its_master_changes(self, master: Master | None) -> None:
        self.master = master

    @rule(port=PORTS, carrier=st.sampled_from([True, True, True, False]))
    def its_port_changes(self, port: BondPort | None, carrier: bool) -> None:
        self.port, self.carrier = port, carrier

    @rule(
        port=st.sampled_from([GOOD_PORT, SLOW_PORT, EXPIRED_PORT]),
        carrier=st.sampled_from([True, True, False]),
    )
    def lacp_recovers_or_is_lost(self, port: BondPort, carrier: bool) -> None:
        self.unreachable, self.master, self.port, self.carrier = None, GOOD_BOND, port, carrier

    @rule(count=st.integers(0, 4))
    def the_number_of_vfs_changes(self, count: int) -> None:
        self.kernel = {number: self.kernel.get(number, AUTO) for number in range(count)}

    @rule(number=st.integers(0, 3), state=st.sampled_from(VfLinkState))
    def somebody_sets_a_vf(self, number: int, state: VfLinkState) -> None:
        if number in self.kernel:
            self.kernel[number] = state

    @rule(unlisted=st.sets(st.integers(0, 3), max_size=2), wrapped=st.booleans())
    def the_kernel_leaves_vfs_out(self, unlisted: set[int], wrapped: bool) -> None:
        self.unlisted, self.list_has_wrapped = unlisted, wrapped

    @rule(numbers=st.just({0, 1, 2, 3}) | st.sets(st.integers(0, 3)), behaviour=st.sampled_from(BEHAVIOURS))
    def the_driver_turns(self, numbers: set[int], behaviour: str) -> None:
        self.driver.update(dict.fromkeys(numbers, behaviour))

    @rule(behaviours=st.lists(st.sampled_from(BEHAVIOURS), min_size=2, max_size=5), pause=SECONDS)
    def an_outage_with_a_moody_driver(self, behaviours: list[str], pause: float) -> None:
        self.unreachable, self.master, self.port, self.kernel[0] = None, GOOD_BOND, EXPIRED_PORT, AUTO
        for self.driver[0] in behaviours:
            self.look()
            self.now += pause

    @rule(owner=st.sampled_from(["alice", "bob"]), until=st.sampled_from(["", "2030-01-01T12:00:00Z"]))
    def somebody_drains_it(self, owner: str, until: str) -> None:
        self.drains[owner] = Drain(NAME, owner, f"for {owner}", until=until)

    @rule(owner=st.sampled_from(["alice", "bob"]))
    def somebody_ends_a_drain(self, owner: str) -> None:
        self.drains.pop(owner, None)

    @rule(changes=st.integers(1, 3))
    def the_relay_is_slow(self, changes: int) -> None:
        self.unseen = changes

    @rule(seconds=SECONDS | st.just(10.0))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def left_alone_with_a_good_driver_it_comes_to_rest(self) -> None:
        self.driver.clear()
        for _ in range(2 + len(self.kernel)):  # a VF that was refused for good stands for the others
            self.now += 60  # all that was held back is due
            self.look()
        second = self.look()
        if not self.dry_run:
            assert second.writes == ()
            assert second.events == ()

    # Invariants

    @invariant()
    def the_relay_looks(self) -> None:
        self.unseen -= 1
        if self.unseen < 0:
            self.look()

    def look(self) -> Decision:
        facts = self.facts()
        drains = tuple(drain for _, drain in sorted(self.drains.items()))
        decision = decide(self.memory, facts, self.now, drains=drains)
        about_vfs = self.check_writes(facts, decision.writes)
        told = [event for event in decision.events if not isinstance(event, VfsSetBySomebodyElse)]
        assert told == self.expected_events(facts) + about_vfs  # someone else: test_interference.py
        relayed = isinstance(facts, PhysicalFunction) and facts.master not in NOT_READY
        down = isinstance(facts, PhysicalFunction) and relayed and not is_up(facts)
        doubtful = [vf for vf in self.wrong.values() if vf.shown and vf.repeats == 3]
        in_haste = [vf for vf in self.wrong.values() if vf not in doubtful and vf.kind() != "for good"]
        unsettled = isinstance(facts, Unreadable) or (relayed and (in_haste or decision.writes))
        closed = relayed and (down or self.drains)
        followed = Pace.PORT_STATE if self.port or not down else Pace.QUICK
        assert decision.pace is (Pace.QUICK if unsettled else followed if closed else Pace.INTERVAL)
        still_shows = down and self.told["cause"] is not self.told["shown"]
        again_in_s = self.shown_since + 10 - self.now if still_shows else None
        if not any(vf.kind() == "for good" for vf in self.wrong.values()):
            assert decision.again_in_s == again_in_s
        elif again_in_s is not None:
            assert decision.again_in_s is not None
            assert decision.again_in_s <= again_in_s
        outcomes = tuple(self.write(vf) for vf in decision.writes)
        self.memory, settled = settle(decision.memory, outcomes, self.now, 0.0)
        expected = [event for vf in decision.writes for event in self.expected_of_write(vf)]
        assert list(settled) == expected + self.expected_of_mode(facts, decision.writes)
        return decision

    def facts(self) -> Facts:
        if self.unreachable:
            return self.unreachable
        vfs = [VirtualFunction(*each) for each in self.kernel.items() if each[0] not in self.unlisted]
        return PhysicalFunction(
            ifindex=5,
            carrier=self.carrier,
            master=self.master,
            port=self.port,
            vf_count=len(self.kernel),
            vfs_listed=0 if self.list_has_wrapped else len(vfs),
            vfs=tuple(vfs),
        )

    def write(self, vf: VirtualFunction) -> Outcome:
        behaviour = self.driver[vf.id]
        error = "" if behaviour in (WORKS, IGNORES) else HALF_SET.get(behaviour, behaviour)
        error = "" if self.dry_run else error
        if (behaviour == WORKS or behaviour in HALF_SET) and not self.dry_run:
            self.kernel[vf.id] = vf.link_state
        wrong = self.wrong[vf.id]
        wrong.written_at.append(self.now)
        wrong.became.append(error)
        return Outcome(vf, Refusal(ERRORS[error], error) if error else None, self.dry_run)

    def check_writes(self, facts: Facts, writes: tuple[VirtualFunction, ...]) -> list[Event]:
        """Check that exactly the wrong VFs are written to, without those whose last write just failed."""
        if isinstance(facts, Unreadable):
            assert writes == ()
            return []
        target: dict[int, VfLinkState] = {}
        before, self.wrong = self.wrong, {}
        if isinstance(facts, PhysicalFunction) and facts.master not in NOT_READY:
            carries = is_up(facts) and not self.drains
            wrong, right = (DISABLE, AUTO) if carries else (AUTO, DISABLE)
            target = {vf.id: right for vf in facts.vfs if vf.link_state is wrong}
            states = dict(facts.vfs)
            self.wrong = {number: Wrong(right) for number in target}
            for number, vf in before.items():
                vf.missing = number in self.kernel and number not in states
                if not vf.missing:
                    reads_as_right = states.get(number) is right
                    vf.shown = reads_as_right and vf.became[-1:] in ([INTERRUPTED], [BROKEN])
                if vf.right is right and (vf.missing or vf.shown or number in target):
                    self.wrong[number] = vf
        written = {vf.id: vf.link_state for vf in writes}
        assert {vf.link_state for vf in writes} <= set(target.values()) | {
            vf.right for vf in self.wrong.values() if vf.shown
        }
        assert written.keys() <= self.wrong.keys()
        assert len(writes) == len(written)
        for_good = [number for number in written if self.wrong[number].kind() == "for good"]
        assert len(for_good) <= 1, "one VF stands for all that are refused for good"
        told: list[Event] = []
        for number, vf in self.wrong.items():
            lately = [time for time in vf.written_at if time > self.now - (vf.delay() if vf.became else 0)]
            perhaps_set_back_by_somebody = not self.dry_run and vf.became and vf.taken_in_a_row() == 1
            held_back = (lately and not perhaps_set_back_by_somebody) or (vf.shown and vf.repeats == 3)
            if vf.kind() != "for good" or vf.missing:
                assert (number in written) is not bool(held_back or vf.missing)
            elif number in written:
                assert self.may_try_for_good()
            vf.repeats += vf.shown and number in written
            without_effect = not self.dry_run and vf.became and vf.taken_in_a_row() == 2 and number in target
            if without_effect and not vf.told_without_effect:
                vf.told_without_effect = True
                still = f"{vf.right} without an error, and the VF still is {AUTO if vf.right else DISABLE}"
                error = f"the driver took {still}"
                told.append(events.SettingVfFailed(number, NAME, error, vf.right))
        self.check_pace_for_good(target, written)
        return told

    def may_try_for_good(self) -> bool:
        """Tell whether the last refusal for good is at least a second ago, or a VF was accepted since."""
        return all(self.now - time >= 1 for time in self.refused_for_good_at)

    def check_pace_for_good(self, target: dict[int, VfLinkState], written: dict[int, VfLinkState]) -> None:
        """Check that a write refused for good is tried again after a minute at the latest."""
        waiting = [number for number in target if self.wrong[number].kind() == "for good"]
        if waiting and all(self.now - time >= 60 for time in self.refused_for_good_at):
            assert written.keys() & set(waiting)

    def expected_of_write(self, vf: VirtualFunction) -> list[Event]:
        """Return the events about a write's outcome: there is one only if the outcome is news."""
        wrong = self.wrong[vf.id]
        error, before = wrong.became[-1], wrong.became[:-1]
        if self.dry_run:
            return [] if before else [events.VfLinkStateWouldBeSet(vf.id, vf.link_state, NAME)]
        if not error:
            if before and KINDS.get(before[-1]) == "for good":
                self.refused_for_good_at.clear()
            wrong.told_kind, wrong.repeats = "", 0
            set_ = events.VfLinkStateSet(vf.id, vf.link_state, NAME, 0.0)
            return [set_] if wrong.taken_in_a_row() <= 2 else []
        wrong.told_without_effect = False
        kind, told = KINDS[error], wrong.told_kind
        if kind == "for good":
            self.refused_for_good_at.append(self.now)
        if wrong.shown and wrong.repeats == 3:
            wrong.told_kind = kind
            return [events.VfLinkStateDoubtful(vf.id, NAME, error, vf.link_state)]
        since = wrong.written_at[-wrong.last(refused=True)]
        if told == kind or (kind == "for now" and self.now - since < 1):
            return []
        others = [each for number, each in self.wrong.items() if number != vf.id]
        wrong.told_kind = kind
        if kind == "for good" and any(each.told_kind == kind for each in others):
            return []
        together = [each for each in others if each.written_at[-1:] == [self.now] and each.kind() == kind]
        more = len(together) if kind == "for good" else 0
        error += f"; so for {more} more VF{'s' * (more > 1)}" if more else ""
        return [events.SettingVfFailed(vf.id, NAME, error, vf.link_state)]

    def expected_of_mode(self, facts: Facts, writes: tuple[VirtualFunction, ...]) -> list[Event]:
        """Return the event if states become unknown (the driver sets no VF, all read as disable) or known."""
        if not writes:
            return []
        assert isinstance(facts, PhysicalFunction)
        before, self.invented = (
            self.invented,
            (
                all(self.wrong[vf.id].became[-1] == UNSUPPORTED for vf in writes)
                and {vf.link_state for vf in facts.vfs} == {DISABLE}
            ),
        )
        if before is self.invented:
            return []
        return [events.VfStatesUnknown(NAME) if self.invented else events.VfStatesKnown(NAME)]

    def expected_events(self, facts: Facts) -> list[Event]:
        """Return one event for each value that differs from the last one logged."""
        expected: list[Event] = []

        def tell(what: str, value: object, *told: Event) -> None:
            if self.told.get(what) != value:
                self.told[what] = value
                expected.extend(told)

        if isinstance(facts, Unreadable):
            tell("unreadable", facts, events.FetchFailed(NAME, facts.error))
            return expected
        if isinstance(facts, Absent):
            not_ready = [events.PfNotReady(NAME, facts.error)] if "lacp" in self.told else []
            tell("standing", facts, events.FetchFailed(NAME, facts.error), *not_ready)
            self.told, self.missing, self.invented = {"standing": facts}, 0, False
            return expected
        if facts.master in NOT_READY:
            reason = NOT_READY[facts.master]
            left = sum(vf.link_state is DISABLE for vf in facts.vfs)
            before = self.told.get("left", 0)
            tell("standing", reason, events.PfNotReady(NAME, reason))
            if left and not before:
                expected.append(events.VfsLeftDisabled(NAME, left, f"pf-status-relay restore {NAME}"))
            self.told, self.missing, self.invented = {"standing": reason, "left": left}, 0, False
            return expected
        if self.told.get("standing") != "ready":
            self.told = {}
        tell("standing", "ready", events.PfReady(NAME))
        self.told["unreadable"] = None
        actor, partner = (facts.port.actor, facts.port.partner) if facts.port else (None, None)
        tell(
            "port", (facts.port, facts.carrier), events.PortStateChanged(NAME, actor, partner, facts.carrier)
        )
        if is_up(facts):
            tell("lacp", "up", events.LacpUp(NAME, actor, partner))
            if actor is not None and not actor & 2:
                tell("slow", True, events.SlowLacpRate(NAME))
        else:
            cause = cause_of(facts)
            if self.told.get("lacp") != "down":
                self.told["cause"] = cause
            if self.told.get("lacp") != "down" or self.told["shown"] is not cause:
                self.told["shown"], self.shown_since = cause, self.now
            if self.now - self.shown_since >= 10:
                still = events.LacpStillDown(NAME, str(cause), actor, partner, facts.carrier)
                tell("cause", cause, still)
            tell("lacp", "down", events.LacpDown(NAME, actor, partner, facts.carrier, str(cause_of(facts))))
            self.told["slow"] = False
        count, listed = facts.vf_count, facts.vfs_listed
        tell("count", count, events.VfsDetected(NAME, count) if count else events.NoVfs(NAME))
        wrapped = listed < len(facts.vfs)
        incomplete = events.VfListIncomplete(NAME, count, listed, len(facts.vfs))
        tell("list", (count, listed), *[incomplete] * wrapped)
        before, self.missing = self.missing, 0 if wrapped else count - len(facts.vfs)
        if bool(before) is not bool(self.missing) and count:
            missing = events.VfsMissing(NAME, count, self.missing)
            expected.append(missing if self.missing else events.VfsListedAgain(NAME, count))
        if self.invented and (facts.vfs or not self.missing):
            self.invented = bool(facts.vfs) and {vf.link_state for vf in facts.vfs} == {DISABLE}
            expected += [] if self.invented else [events.VfStatesKnown(NAME)]
        expected += self.expected_of_drains(facts)
        return expected

    def expected_of_drains(self, pf: PhysicalFunction) -> list[Event]:
        """Return the event if the owners or end of a PF's drains change; without drains it names the last."""
        before = self.told_drains if "drains" in self.told else {}
        self.told["drains"], self.told_drains = True, dict(self.drains)
        if self.drains == before:
            return []
        said = self.drains or before
        owner = ", ".join(sorted(said))
        reason = "; ".join(f"for {each}" for each in sorted(said))
        if not self.drains:
            return [events.PfUndrained(NAME, owner, reason)]
        ends = {drain.until for drain in said.values()}
        until = "" if "" in ends else max(ends)
        return [events.PfDrained(NAME, owner, reason, until, sum(vf.link_state is ENABLE for vf in pf.vfs))]


TestLife = _Life.TestCase
TestLife.settings = settings(deadline=None, max_examples=100, stateful_step_count=40)
